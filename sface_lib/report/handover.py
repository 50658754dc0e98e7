"""What later notebooks open of what earlier ones left in the run folder."""

from typing import Any

import numpy as np
import pandas as pd

from sface_lib.data import FaceSet, open_faces, parse_folds, read_protocol
from sface_lib.parameters import EMBEDDED
from sface_lib.recognition import ProtocolPairs

SELECTION = "data/selection.csv"
SYNTHETIC = "data/synthetic.zip"
EMBEDDED_AUTHENTIC = "data/authentic.zip"
EMBEDDED_BENCHMARK = "data/benchmark.zip"
EMBEDDED_PROTOCOL = "data/protocol.csv"
EMBEDDED_VERIFIER_TRAIN = "data/verifier_train.zip"


def authentic_faces(stage: Any) -> FaceSet:
    """The authentic set as given: the user's, or the sketches that notebook 01 drew."""
    given = stage.parameters.authentic
    return open_faces(stage.input(EMBEDDED_AUTHENTIC) if given == EMBEDDED else given)


def training_faces(stage: Any) -> FaceSet:
    """The authentic images that may train, labelled 0 to K - 1: the selection of notebook 01."""
    selection = pd.read_csv(stage.input(SELECTION))
    return authentic_faces(stage).subset(selection["position"].to_numpy())


def synthetic_faces(stage: Any) -> FaceSet:
    """The generator's labelled set; class k carries the label of training identity k."""
    return open_faces(stage.input(SYNTHETIC))


def evaluation_faces(stage: Any) -> tuple[FaceSet, ProtocolPairs]:
    """The images that the evaluated pairs name, each once, and the pairs as positions in them."""
    p = stage.parameters
    if p.protocol == EMBEDDED:
        faces, path = open_faces(stage.input(EMBEDDED_BENCHMARK)), stage.input(EMBEDDED_PROTOCOL)
    else:
        faces, path = open_faces(p.protocol_faces) if p.protocol_faces else authentic_faces(stage), p.protocol
    protocol = read_protocol(path)
    protocol = protocol.restrict(parse_folds(p.evaluation_folds, protocol.fold_ids))
    left, right = protocol.resolve(faces)
    used, positions = np.unique(np.concatenate([left, right]), return_inverse=True)
    left_at, right_at = np.split(positions, 2)
    labels = np.where(protocol.same, faces.labels[left], faces.labels[right])
    pairs = ProtocolPairs(left_at, right_at, protocol.same, protocol.fold, faces.labels[left], labels)
    return faces.subset(used), pairs
