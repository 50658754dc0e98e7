"""What later notebooks open of what earlier ones left in the run folder."""

import dataclasses
from typing import Any

import numpy as np
import pandas as pd

from sface_lib.data import FaceSet, open_faces
from sface_lib.files import write_text
from sface_lib.parameters import EMBEDDED
from sface_lib.recognition import ProtocolPairs

SELECTION = "data/selection.csv"
PAIRS = "data/pairs.csv"
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


def benchmark_faces(stage: Any) -> FaceSet:
    """The set that the pairs name: the sketches' benchmark, the user's own, or the authentic set itself."""
    p = stage.parameters
    if p.authentic == EMBEDDED:
        return open_faces(stage.input(EMBEDDED_BENCHMARK))
    return open_faces(p.protocol_faces) if p.protocol_faces else authentic_faces(stage)


def write_pairs(stage: Any, pairs: ProtocolPairs) -> None:
    """Hand the evaluated pairs on, as positions in `benchmark_faces`."""
    write_text(stage.output(PAIRS), pd.DataFrame(dataclasses.asdict(pairs)).to_csv(index=False))


def evaluation_faces(stage: Any) -> tuple[FaceSet, ProtocolPairs]:
    """The images that the evaluated pairs name, each once, and the pairs as positions in them."""
    table = pd.read_csv(stage.input(PAIRS))
    used, positions = np.unique(table[["left", "right"]].to_numpy().T, return_inverse=True)
    left, right = positions.reshape(2, -1)
    rest = (table[name].to_numpy() for name in ("same", "fold", "left_identity", "right_identity"))
    return benchmark_faces(stage).subset(used), ProtocolPairs(left, right, *rest)
