"""The persons that simulations draw from: rendered once, embedded once by each judge, and then the truth.

    python tests/simulations/simulated_pool.py [FOLDER]

renders 2,400 persons of `balanced` and 400 of `global`, ten images each, embeds them by the shipped verifier and by
dlib's model where it is installed, and annotates them. What was stopped goes on. FOLDER is by default
`runs/simulations`.
"""

import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from sface_lib.attributes import annotate_faces, open_classifier
from sface_lib.chapters.privacy.demographics import called
from sface_lib.data import open_faces
from sface_lib.engine import make_accelerator
from sface_lib.files import atomic_path
from sface_lib.population import VERIFIER_PATH
from sface_lib.privacy.alterations import ALTERATIONS
from sface_lib.privacy.judges import open_judge
from sface_lib.recognition import Embedder
from sface_lib.recognition.dlib_model import dlib_file

FOLDER = Path(__file__).resolve().parents[2] / "runs" / "simulations"
PERSONS = {"balanced": 2400, "global": 400}
IMAGES, SIZE_PX, COPIED = 10, 64, 400


@dataclass(frozen=True, eq=False)
class Pool:
    """Persons of one distribution by one judge.

    Attributes
    ----------
    rows
        Unit embeddings float32 `[P, I, d]`.
    groups
        Gender and ancestry of each, str `[P]`.
    called
        The same as the attribute classifier calls them.
    copies
        By alteration, the first image of the first persons after it: unit embeddings float32 `[C, d]`.
    """

    rows: np.ndarray
    groups: np.ndarray
    called: np.ndarray
    copies: Mapping[str, np.ndarray]

    def draw(self, random: np.random.Generator, persons: int) -> np.ndarray:
        """Rows `[persons, I, d]` of persons at random, each one's images in random order."""
        return self.of(random.choice(len(self.rows), persons, replace=False), random)

    def of(self, persons: np.ndarray, random: np.random.Generator) -> np.ndarray:
        """Rows `[N, I, d]` of these persons, each one's images in random order."""
        order = random.permuted(np.tile(np.arange(self.rows.shape[1]), (len(persons), 1)), axis=1)
        return self.rows[persons[:, None], order]

    def like(self, persons: np.ndarray, random: np.random.Generator) -> np.ndarray:
        """For each of these persons another one of the same group, none of them, and none twice."""
        others = np.empty_like(persons)
        for group in np.unique(self.groups[persons]):
            mine = self.groups[persons] == group
            free = np.setdiff1d(np.flatnonzero(self.groups == group), persons)
            others[mine] = random.choice(free, np.count_nonzero(mine), replace=False)
        return others


@dataclass(frozen=True, eq=False)
class Annotated:
    """Persons of one distribution by the attribute classifier.

    Attributes
    ----------
    names
        Its reliable attributes.
    labels
        Of each image, int8 `[P, I, A]`.
    persons
        Their numbers, int64 `[P]`; no two distributions share one.
    """

    names: tuple[str, ...]
    labels: np.ndarray
    persons: np.ndarray


def flat(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows `[K * I, d]` and labels `[K * I]` of rows `[K, I, d]`."""
    return rows.reshape(-1, rows.shape[2]), np.repeat(np.arange(len(rows)), rows.shape[1])


def unit(rows: np.ndarray) -> np.ndarray:
    """Rows of length 1, `[..., d]`."""
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


def judges() -> dict[str, Path]:
    """Name and file of each."""
    return {"verifier": VERIFIER_PATH} | ({"dlib": found} if (found := dlib_file()) else {})


def make_pool(folder: Path = FOLDER) -> None:
    """Render and embed what is missing."""
    for split, persons in PERSONS.items():
        missing = [judge for judge in judges() if not _rows_file(folder, split, judge).exists()]
        others = _groups_file(folder, split), _labels_file(folder, split)
        if missing or not all(file.exists() for file in others):
            command = ["population", "render", "--out", str(folder / split), "--split", split, "--size", str(SIZE_PX)]
            command += ["--identities", str(persons), "--images", str(IMAGES)]
            subprocess.run([sys.executable, "-m", "sface_lib.cli", *command], check=True)
        embedder = Embedder(make_accelerator("float32"))
        for judge in missing:
            opened, faces = open_judge(judge, judges()[judge], embedder), open_faces(folder / split)
            rows = {"rows": opened.embed(faces).reshape(persons, IMAGES, -1)}
            originals = faces.load(np.arange(0, COPIED * IMAGES, IMAGES)).numpy()
            for name, alter in ALTERATIONS.items():
                rows[name] = opened.embed_images(alter(originals, np.random.default_rng(0)))
            with atomic_path(_rows_file(folder, split, judge)) as temporary, temporary.open("wb") as file:
                np.savez(file, **rows)
        if not _labels_file(folder, split).exists():
            classifier = open_classifier()
            reliable = classifier.reliable()
            labels = annotate_faces(classifier, open_faces(folder / split), embedder, passes=1).label[:, reliable]
            found = {"names": np.array(classifier.names)[reliable], "labels": labels.reshape(persons, IMAGES, -1)}
            with atomic_path(_labels_file(folder, split)) as temporary, temporary.open("wb") as file:
                np.savez(file, **found)
        if not _groups_file(folder, split).exists():
            by_classifier = called(open_classifier(), open_faces(folder / split), embedder)
            table = {"known": known_groups(pd.read_parquet(folder / split / "labels.parquet"))}
            table["called"] = by_classifier.groups(np.arange(persons)).to_numpy()
            with atomic_path(_groups_file(folder, split)) as temporary:
                pd.DataFrame(table).to_csv(temporary, index=False)


def known_groups(truth: pd.DataFrame) -> np.ndarray:
    """Gender and ancestry of each person, str `[P]`, of a table with a row an image."""
    first = truth.groupby("identity").first()
    return (np.where(first["Male"] == 1, "men, ", "women, ") + first["ancestry"]).to_numpy(str)


def open_pool(split: str, judge: str, folder: Path = FOLDER) -> Pool:
    """The embedded persons; run this file first."""
    table, rows = pd.read_csv(_groups_file(folder, split)), dict(np.load(_rows_file(folder, split, judge)))
    groups = (table[name].to_numpy(str) for name in ("known", "called"))
    return Pool(rows.pop("rows"), *groups, rows)


def open_annotated(split: str, folder: Path = FOLDER) -> Annotated:
    """The annotated persons; run this file first."""
    found = np.load(_labels_file(folder, split))
    persons = np.arange(len(found["labels"])) + 10**6 * list(PERSONS).index(split)
    return Annotated(tuple(found["names"].tolist()), found["labels"], persons)


def _labels_file(folder: Path, split: str) -> Path:
    return folder / f"{split}-attributes.npz"


def _rows_file(folder: Path, split: str, judge: str) -> Path:
    return folder / f"{split}-{judge}.npz"


def _groups_file(folder: Path, split: str) -> Path:
    return folder / f"{split}-groups.csv"


if __name__ == "__main__":
    make_pool(*map(Path, sys.argv[1:]))
