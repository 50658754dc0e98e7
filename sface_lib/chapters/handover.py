"""What later notebooks open of what earlier ones left in the run folder."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from sface_lib.chapters.shared import EMBEDDED
from sface_lib.data import FaceSet, Protocol, holds_bins, open_bins, open_faces, read_protocol
from sface_lib.errors import InputError
from sface_lib.files import write_text
from sface_lib.population import (
    BENCHMARKS,
    VERIFIER_PATH,
    first_images,
    shipped_faces,
    shipped_protocol,
    shipped_truth,
)
from sface_lib.recognition import ProtocolPairs

SELECTION = "data/selection.csv"
PAIRS = "data/pairs.csv"
SYNTHETIC = "data/synthetic.zip"
CORRECT = "data/correct.csv"
FILTERED = "data/filtered-"
IMAGES_CONTROL, IMAGES_HELD_OUT = 10, 5


def authentic_faces(stage: Any) -> FaceSet:
    """The authentic set: the user's, or the shipped `balanced`."""
    given = stage.parameters.authentic
    return shipped_faces("balanced") if given == EMBEDDED else open_faces(given)


def verifier_path(stage: Any) -> Path:
    """Weights of the verifier: the user's, or the shipped one's."""
    given = stage.parameters.verifier
    return VERIFIER_PATH if given == EMBEDDED else Path(given)


def training_faces(stage: Any) -> FaceSet:
    """The authentic images that may train, labelled 0 to K - 1: the selection of notebook 01."""
    selection = pd.read_csv(stage.input(SELECTION))
    return authentic_faces(stage).subset(selection["position"].to_numpy())


def synthetic_faces(stage: Any) -> FaceSet:
    """The generator's labelled set; class k carries the label of training identity k."""
    return open_faces(stage.input(SYNTHETIC))


def filtered_file(fmr: float) -> str:
    """Where notebook 03 leaves the positions that a filter keeps of the synthetic set."""
    return f"{FILTERED}{fmr:g}.csv"


def filtered_name(fmr: float) -> str:
    """The model that learns from them."""
    return f"CLS filtered {fmr:g}"


def filtered_sets(stage: Any) -> dict[str, np.ndarray]:
    """For each filter of notebook 03 the name of its model and the positions that it keeps of the synthetic set."""
    rates = sorted(float(name.removeprefix(FILTERED).removesuffix(".csv")) for name in stage.inputs(FILTERED))
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


def traits(stage: Any) -> pd.DataFrame | None:
    """Gender and ancestry of each training identity, by its label; None where they are not known."""
    if stage.parameters.authentic != EMBEDDED:
        return None
    truth = shipped_truth("balanced").groupby("identity").first()
    return pd.DataFrame({"gender": np.where(truth["Male"] == 1, "men", "women"), "ancestry": truth["ancestry"]})


def given_pairs(stage: Any) -> tuple[FaceSet, dict[str, Protocol]]:
    """The set that the pairs name, and each benchmark's pairs: the shipped five, or those given.

    The images are those of `.bin` files, of `protocol_faces`, or of the authentic set itself.
    """
    p = stage.parameters
    if p.authentic == EMBEDDED:
        return shipped_faces("benchmark"), {name: shipped_protocol(name) for name in BENCHMARKS}
    on_bad_image = getattr(p, "on_bad_image", "stop")  # Only notebook 01 meets images that may be bad.
    if holds_bins(p.protocol):
        return open_bins(p.protocol, on_bad_image)
    return open_faces(p.protocol_faces or p.authentic, on_bad_image), {"the pairs given": read_protocol(p.protocol)}


def write_pairs(stage: Any, pairs: Mapping[str, ProtocolPairs]) -> None:
    """Hand the evaluated pairs of each benchmark on, as positions in the set that `given_pairs` gives."""
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
    return given_pairs(stage)[0].subset(used), pairs


def demographic_groups(stage: Any) -> dict[int, str]:
    """Group of each evaluated identity, by its label in the pairs; empty where none is known.

    Raises
    ------
    InputError
        The table that `groups` names lacks its columns, or names none of the identities.
    """
    p = stage.parameters
    if p.authentic == EMBEDDED:
        truth = shipped_truth("benchmark").groupby("identity").first()
        return {int(k): f"{row.ancestry}, {'men' if row.Male == 1 else 'women'}" for k, row in truth.iterrows()}
    if not p.groups:
        return {}
    named, identities = read_groups(p.groups), given_pairs(stage)[0].identities
    found = {label: named[name] for label, name in enumerate(identities) if name in named}
    if not found:
        raise InputError(f"groups = '{p.groups}' names none of the evaluated identities, such as {identities[:1]}")
    return found


def read_groups(path: str) -> dict[str, str]:
    """Group of each identity, by name; raises `InputError` where the table lacks its columns or is none."""
    try:
        table = pd.read_csv(path, dtype=str)
    except (OSError, ValueError) as error:
        raise InputError(f"groups = '{path}' cannot be read as CSV: {error}") from None
    if not {"identity", "group"} <= set(table.columns):
        raise InputError(f"groups = '{path}' has the columns {list(table.columns)}; give identity and group")
    return dict(zip(table["identity"], table["group"], strict=True))


def write_correct(stage: Any, correct: Mapping[str, Mapping[str, np.ndarray]]) -> None:
    """Hand on which evaluated pairs each model judges rightly: a column a model, in the order of the benchmark's pairs.

    A value is the share of the model's seeds that are right.
    """
    tables = [pd.DataFrame(columns).assign(benchmark=benchmark) for benchmark, columns in correct.items()]
    write_text(stage.output(CORRECT), pd.concat(tables).to_csv(index=False))
