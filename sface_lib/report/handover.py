"""What later notebooks open of what earlier ones left in the run folder."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from sface_lib.data import FaceSet, open_faces
from sface_lib.files import write_text
from sface_lib.parameters import EMBEDDED
from sface_lib.population import first_images, shipped_faces
from sface_lib.recognition import ProtocolPairs

SELECTION = "data/selection.csv"
PAIRS = "data/pairs.csv"
SYNTHETIC = "data/synthetic.zip"
IMAGES_CONTROL, IMAGES_HELD_OUT = 10, 5


def authentic_faces(stage: Any) -> FaceSet:
    """The authentic set: the user's, or the shipped `balanced`."""
    given = stage.parameters.authentic
    return shipped_faces("balanced") if given == EMBEDDED else open_faces(given)


def training_faces(stage: Any) -> FaceSet:
    """The authentic images that may train, labelled 0 to K - 1: the selection of notebook 01."""
    selection = pd.read_csv(stage.input(SELECTION))
    return authentic_faces(stage).subset(selection["position"].to_numpy())


def synthetic_faces(stage: Any) -> FaceSet:
    """The generator's labelled set; class k carries the label of training identity k."""
    return open_faces(stage.input(SYNTHETIC))


def weights_file(model: str) -> str:
    """Where notebook 04 leaves a model, by its name."""
    return f"weights/{model.lower().replace(' ', '-')}.safetensors"


def filtered_file(fmr: float) -> str:
    """Where notebook 03 leaves the positions that a filter keeps of the synthetic set."""
    return f"data/filtered-{fmr:g}.csv"


def filtered_name(fmr: float) -> str:
    """The model that learns from them."""
    return f"CLS filtered {fmr:g}"


def filtered_sets(stage: Any) -> dict[str, np.ndarray]:
    """For each filter of notebook 03 the name of its model and the positions that it keeps of the synthetic set."""
    rates = sorted({row["control images above"] for row in stage.result("03_privacy")["remedy"]})
    return {
        filtered_name(fmr): pd.read_csv(stage.input(filtered_file(fmr)))["position"].to_numpy(np.int64) for fmr in rates
    }


def unseen_faces(stage: Any) -> tuple[FaceSet | None, FaceSet | None]:
    """Labelled faces of persons who trained nothing, and unseen images of those who did; None where there are none.

    With the shipped population these are `control`, as many persons as train, and `held-out`. With own faces the
    persons of the evaluated pairs stand in for the first, as notebook 01 kept them out of training.
    """
    if stage.parameters.authentic != EMBEDDED:
        others = evaluation_faces(stage)[0]
        return (None if others.labels is None else others), None
    identities = int(training_faces(stage).require_labels().max()) + 1
    return tuple(
        faces.subset(first_images(faces, identities, images))
        for faces, images in ((shipped_faces("control"), IMAGES_CONTROL), (shipped_faces("held-out"), IMAGES_HELD_OUT))
    )


def benchmark_faces(stage: Any) -> FaceSet:
    """The set that the pairs name: the shipped `benchmark`, the user's own, or the authentic set itself."""
    p = stage.parameters
    if p.authentic == EMBEDDED:
        return shipped_faces("benchmark")
    return open_faces(p.protocol_faces) if p.protocol_faces else authentic_faces(stage)


def write_pairs(stage: Any, pairs: Mapping[str, ProtocolPairs]) -> None:
    """Hand the evaluated pairs of each benchmark on, as positions in `benchmark_faces`."""
    tables = [pd.DataFrame(dataclasses.asdict(found)).assign(benchmark=name) for name, found in pairs.items()]
    write_text(stage.output(PAIRS), pd.concat(tables).to_csv(index=False))


def evaluation_faces(stage: Any) -> tuple[FaceSet, dict[str, ProtocolPairs]]:
    """The images that the evaluated pairs name, each once, and each benchmark's pairs as positions in them."""
    table = pd.read_csv(stage.input(PAIRS))
    used, positions = np.unique(table[["left", "right"]].to_numpy().T, return_inverse=True)
    table["left"], table["right"] = positions.reshape(2, -1)
    fields = [field.name for field in dataclasses.fields(ProtocolPairs)]
    groups = table.groupby("benchmark", sort=False)
    pairs = {name: ProtocolPairs(*(rows[field].to_numpy() for field in fields)) for name, rows in groups}
    return benchmark_faces(stage).subset(used), pairs
