"""The persons that simulations draw from: rendered once, embedded once by each judge, and then the truth.

    python tests/simulations/pool.py [FOLDER]

renders 2,400 persons of `balanced` and 400 of `global`, ten images each, and embeds them by the shipped verifier and by
dlib's model where it is installed. What was stopped goes on. FOLDER is by default `runs/simulations`.
"""

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from sface_lib.data import open_faces
from sface_lib.engine import make_accelerator
from sface_lib.files import atomic_path
from sface_lib.population import VERIFIER_PATH
from sface_lib.privacy.judges import open_judge
from sface_lib.recognition import Embedder
from sface_lib.recognition.dlib_model import dlib_file

FOLDER = Path(__file__).resolve().parents[2] / "runs" / "simulations"
PERSONS = {"balanced": 2400, "global": 400}
IMAGES, SIZE_PX = 10, 64


@dataclass(frozen=True, eq=False)
class Pool:
    """Persons of one distribution by one judge.

    Attributes
    ----------
    rows
        Unit embeddings float32 `[P, 10, d]`.
    group
        Gender and ancestry of each person, `[P]`.
    """

    rows: np.ndarray
    group: np.ndarray


def make_pool(folder: Path = FOLDER) -> None:
    """Render and embed what is missing."""
    judges = {"verifier": VERIFIER_PATH} | ({"dlib": dlib_file()} if dlib_file() else {})
    for split, persons in PERSONS.items():
        command = ["population", "render", "--out", str(folder / split), "--split", split, "--size", str(SIZE_PX)]
        command += ["--identities", str(persons), "--images", str(IMAGES)]
        if not all(_rows_file(folder, split, judge).exists() for judge in judges):
            subprocess.run([sys.executable, "-m", "sface_lib.cli", *command], check=True)
        for judge, path in judges.items():
            if not (target := _rows_file(folder, split, judge)).exists():
                faces = open_faces(folder / split)
                rows = open_judge(judge, path, Embedder(make_accelerator("float32"))).embed(faces)
                with atomic_path(target) as temporary, open(temporary, "wb") as file:
                    np.save(file, rows.reshape(persons, IMAGES, -1))


def open_pool(split: str, judge: str, folder: Path = FOLDER) -> Pool:
    """The embedded persons; run this file first."""
    truth = pd.read_parquet(folder / split / "labels.parquet").groupby("identity").first()
    group = truth["ancestry"] + ", " + np.where(truth["Male"] == 1, "men", "women")
    return Pool(np.load(_rows_file(folder, split, judge)), group.to_numpy())


def _rows_file(folder: Path, split: str, judge: str) -> Path:
    return folder / f"{split}-{judge}.npy"


if __name__ == "__main__":
    make_pool(*map(Path, sys.argv[1:]))
