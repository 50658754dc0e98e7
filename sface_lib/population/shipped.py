"""What ships with the program: rendered sets with their ground truth, five benchmarks, and a verifier.

It lies in `sface_lib/assets/population`: `<set>.zip` of JPEG files, `<set>.parquet`, `<benchmark>.csv`,
`verifier.safetensors` and `manifest.json`. Reading it needs no extra package; `sface population ship` makes it anew.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from sface_lib.data import FaceSet, Protocol, open_faces, read_protocol
from sface_lib.errors import InputError

FOLDER = Path(__file__).resolve().parents[1] / "assets" / "population"
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
    "global": ShippedSet("global", 200, 0, 8),
    "benchmark": ShippedSet("benchmark", 300, 0, 10),
}


def shipped_faces(name: str, identities: int | None = None, images: int | None = None) -> FaceSet:
    """A shipped set, or its first images of its first identities.

    Parameters
    ----------
    name
        One of `SETS`.
    identities, images
        How many identities, and images of each; None for all.

    Raises
    ------
    InputError
        There is no such set, or it has not that many.
    """
    if name not in SETS:
        raise InputError(f"set {name!r} does not ship; choose one of {', '.join(SETS)}")
    whole, faces = SETS[name], open_faces(FOLDER / f"{name}.zip")
    each = whole.end - whole.first
    wanted = whole.identities if identities is None else identities
    taken = each if images is None else images
    if not (1 <= wanted <= whole.identities and 1 <= taken <= each):
        raise InputError(
            f"{wanted} identities x {taken} images of {name!r}: it has {whole.identities} x {each}; for more, "
            "`sface population render` makes any number"
        )
    positions = np.arange(len(faces)).reshape(whole.identities, each)[:wanted, :taken]
    return faces.subset(positions.ravel())


def shipped_truth(name: str) -> pd.DataFrame:
    """Ground truth of a shipped set, one row an image in the set's order: see `sets.truth_table`."""
    return pd.read_parquet(FOLDER / f"{name}.parquet")


def shipped_protocol(benchmark: str) -> Protocol:
    """The pairs of a benchmark over the shipped set "benchmark"."""
    return read_protocol(FOLDER / f"{benchmark}.csv")
