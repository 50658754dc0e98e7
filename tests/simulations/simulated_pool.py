"""The persons that simulations draw from: rendered once, embedded once by each judge, and then the truth.

    python tests/simulations/simulated_pool.py [FOLDER]

renders 2,400 persons of `balanced` and 400 of `global`, ten images each, and embeds them by the shipped verifier and by
dlib's model where it is installed. What was stopped goes on. FOLDER is by default `runs/simulations`.
"""

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

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
    """Persons of one distribution by one judge: unit embeddings float32 `[P, I, d]`."""

    rows: np.ndarray

    def draw(self, random: np.random.Generator, persons: int) -> np.ndarray:
        """Rows `[persons, I, d]` of persons at random, each one's images in random order."""
        chosen = random.choice(len(self.rows), persons, replace=False)
        order = random.permuted(np.tile(np.arange(self.rows.shape[1]), (persons, 1)), axis=1)
        return self.rows[chosen[:, None], order]


def judges() -> dict[str, Path]:
    """Name and file of each."""
    return {"verifier": VERIFIER_PATH} | ({"dlib": found} if (found := dlib_file()) else {})


def make_pool(folder: Path = FOLDER) -> None:
    """Render and embed what is missing."""
    for split, persons in PERSONS.items():
        missing = [judge for judge in judges() if not _rows_file(folder, split, judge).exists()]
        if missing:
            command = ["population", "render", "--out", str(folder / split), "--split", split, "--size", str(SIZE_PX)]
            command += ["--identities", str(persons), "--images", str(IMAGES)]
            subprocess.run([sys.executable, "-m", "sface_lib.cli", *command], check=True)
        for judge in missing:
            rows = open_judge(judge, judges()[judge], Embedder(make_accelerator("float32"))).embed(
                open_faces(folder / split)
            )
            with atomic_path(_rows_file(folder, split, judge)) as temporary, temporary.open("wb") as file:
                np.save(file, rows.reshape(persons, IMAGES, -1))


def open_pool(split: str, judge: str, folder: Path = FOLDER) -> Pool:
    """The embedded persons; run this file first."""
    return Pool(np.load(_rows_file(folder, split, judge)))


def _rows_file(folder: Path, split: str, judge: str) -> Path:
    return folder / f"{split}-{judge}.npy"


if __name__ == "__main__":
    make_pool(*map(Path, sys.argv[1:]))
