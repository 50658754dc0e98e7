"""What ships with the program: rendered sets with their ground truth, five benchmarks, and a verifier.

It lies in `sface_lib/assets/population`: `<set>.zip` of JPEG files, `<set>.parquet`, `<benchmark>.csv`,
`verifier.safetensors` and `manifest.json`. Reading it needs no extra package; `sface population ship` makes it anew.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from sface_lib.data import FaceSet, Protocol, first_of_class, open_faces, read_protocol
from sface_lib.errors import InputError
from sface_lib.files import ASSETS, check_shipped

FOLDER = ASSETS / "population"
VERIFIER_PATH = FOLDER / "verifier.safetensors"
SIZE_PX = 64


@dataclass(frozen=True)
class ShippedSet:
    """Which images of a split ship: this many identities, and of each the images from `first` to before `end`."""

    split: str
    identities: int
    first: int
    end: int


SETS = {
    "balanced": ShippedSet("balanced", 200, 0, 20),
    "held-out": ShippedSet("balanced", 200, 20, 25),  # Of the same identities: membership tests need them.
    "control": ShippedSet("control", 200, 0, 10),
    "unexposed": ShippedSet("unexposed", 200, 0, 20),  # Persons that nothing was trained on: the floor of any link.
    "global": ShippedSet("global", 200, 0, 8),
    "benchmark": ShippedSet("benchmark", 300, 0, 10),
}


def shipped_faces(name: str) -> FaceSet:
    """A shipped set: one of `SETS`.

    Raises
    ------
    InputError
        There is no such set.
    """
    if name not in SETS:
        raise InputError(f"set {name!r} does not ship; choose one of {', '.join(SETS)}")
    return open_faces(check_shipped(FOLDER / f"{name}.zip"))


def first_images(faces: FaceSet, identities: int, images: int) -> np.ndarray:
    """Positions of the first images of each of the first identities of a labelled set, sorted, int64."""
    labels = faces.require_labels()
    return first_of_class(labels, images, np.flatnonzero(labels < identities))


def shipped_truth(name: str) -> pd.DataFrame:
    """Ground truth of a shipped set, one row an image in the set's order: see `sets.truth_table`."""
    return pd.read_parquet(check_shipped(FOLDER / f"{name}.parquet"))


def shipped_protocol(benchmark: str) -> Protocol:
    """The pairs of a benchmark over the shipped set "benchmark"."""
    return read_protocol(check_shipped(FOLDER / f"{benchmark}.csv"))
