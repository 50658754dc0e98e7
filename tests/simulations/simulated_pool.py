"""The persons that simulations draw from: rendered once, embedded once by each judge, and then the truth.

    python tests/simulations/simulated_pool.py [FOLDER]

renders 2,400 persons of `balanced` and 400 of `global`, ten images each, embeds them by the shipped verifier and by
dlib's model where it is installed, and annotates them; embeds five images of the last 600 of `balanced` after each of
five changes, and annotates them after two; and embeds what the shipped generator draws of its own persons, the first
200. What was stopped goes on. FOLDER is by default `runs/simulations`.
"""

import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from sface_lib.attributes import AttributeTable, annotate_faces, annotate_images, open_classifier, read_annotations
from sface_lib.attributes.comparison import AnnotatedSet
from sface_lib.chapters.privacy.demographics import called
from sface_lib.data import FaceSet, open_faces
from sface_lib.engine import make_accelerator
from sface_lib.files import atomic_path
from sface_lib.population import VERIFIER_PATH
from sface_lib.privacy.alterations import ALTERATIONS, blurred, compressed, halved
from sface_lib.privacy.judges import Judge, open_judge
from sface_lib.recognition import Embedder
from sface_lib.recognition.dlib_model import dlib_file

FOLDER = Path(__file__).resolve().parents[2] / "runs" / "simulations"
PERSONS = {"balanced": 2400, "global": 400}
IMAGES, SIZE_PX, COPIED = 10, 64, 400
CHANGED, IMAGES_CHANGED, DRAWN = 600, 5, 200  # The last persons, and those of the shipped generator, the first.


def cast(images: np.ndarray) -> np.ndarray:
    """A warm light."""
    return np.clip(np.rint(images * np.array([1.2, 1.0, 0.8])[:, None, None]), 0, 255).astype(np.uint8)


def noised(images: np.ndarray) -> np.ndarray:
    """Gaussian noise of 12 grey levels."""
    noise = np.random.default_rng(0).normal(0, 12, images.shape)
    return np.clip(np.rint(images + noise), 0, 255).astype(np.uint8)


CHANGES = {
    "blurred": lambda images: blurred(images, 1.2),
    "colour cast": cast,
    "JPEG 60": lambda images: compressed(images, None),
    "half the resolution": lambda images: halved(images, None),
    "noise": noised,
}
POORER = ("blurred", "half the resolution")  # Changes after which images are annotated.
GENERATOR = "another generator"


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
    changed
        By change of the world, images of the last persons after it: unit embeddings float32 `[600, 5, d]`; and what a
        generator draws of the first 200.
    """

    rows: np.ndarray
    groups: np.ndarray
    called: np.ndarray
    copies: Mapping[str, np.ndarray]
    changed: Mapping[str, np.ndarray] = field(default_factory=dict)

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
    truth
        What was rendered, int8 `[P, I, A]`, 0 undefined; None where it plays no part.
    poorer
        By change, labels of images of the last persons after it, int8 `[600, 5, A]`.
    """

    names: tuple[str, ...]
    labels: np.ndarray
    persons: np.ndarray
    truth: np.ndarray | None = None
    poorer: Mapping[str, np.ndarray] = field(default_factory=dict)


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
        missing = [judge for judge in judges() if not _is_embedded(folder, split, judge)]
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
            if split == "balanced":
                with atomic_path(_changed_file(folder, judge)) as temporary, temporary.open("wb") as file:
                    np.savez(file, **_changed(opened, faces, _drawn_by_generator(folder)))
        if not _labels_file(folder, split).exists():
            found = _annotated(
                open_faces(folder / split), read_annotations(folder / split / "labels.parquet"), embedder
            )
            with atomic_path(_labels_file(folder, split)) as temporary, temporary.open("wb") as file:
                np.savez(file, **found)
        if not _groups_file(folder, split).exists():
            by_classifier = called(open_classifier(), open_faces(folder / split), embedder)
            table = {"known": known_groups(pd.read_parquet(folder / split / "labels.parquet"))}
            table["called"] = by_classifier.groups(np.arange(persons)).to_numpy()
            with atomic_path(_groups_file(folder, split)) as temporary:
                pd.DataFrame(table).to_csv(temporary, index=False)


def _annotated(faces: FaceSet, truth: AttributeTable, embedder: Embedder) -> dict[str, np.ndarray]:
    """Names of the reliable attributes, labels, truth, and labels of the last persons' images after changes."""
    classifier = open_classifier()
    reliable = classifier.reliable()
    names = np.array(classifier.names)[reliable]
    known = truth.of(faces)[1][:, [truth.names.index(name) for name in names]]
    labels = annotate_faces(classifier, faces, embedder, passes=1).label[:, reliable]
    found = {name: values.reshape(-1, IMAGES, len(names)) for name, values in (("labels", labels), ("truth", known))}
    images = faces.load(_of_last(faces)).numpy()
    for name in POORER:
        poorer = annotate_images(classifier, CHANGES[name](images), embedder.accelerator, passes=1).label[:, reliable]
        found[name] = poorer.reshape(-1, IMAGES_CHANGED, len(names))
    return found | {"names": names}


def _of_last(faces: FaceSet) -> np.ndarray:
    """Positions of the images of the last persons that are changed, or of all persons, if those are fewer."""
    persons = len(faces) // IMAGES
    return np.arange(len(faces)).reshape(persons, IMAGES)[-CHANGED:, :IMAGES_CHANGED].ravel()


def _drawn_by_generator(folder: Path) -> FaceSet:
    """Images of the shipped generator's own persons."""
    path = folder / "generated.zip"
    if not path.exists():
        wanted = ["--per-class", str(IMAGES_CHANGED), "--classes", str(DRAWN), "--out", str(path)]
        subprocess.run([sys.executable, "-m", "sface_lib.cli", "generate", *wanted], check=True)
    return open_faces(path)


def _changed(judge: Judge, faces: FaceSet, drawn: FaceSet) -> dict[str, np.ndarray]:
    """Embeddings of images under each change, and of a generator's."""
    images = faces.load(_of_last(faces)).numpy()
    found = {name: judge.embed_images(change(images)) for name, change in CHANGES.items()}
    found[GENERATOR] = judge.embed(drawn)
    return {name: rows.reshape(-1, IMAGES_CHANGED, rows.shape[1]) for name, rows in found.items()}


def known_groups(truth: pd.DataFrame) -> np.ndarray:
    """Gender and ancestry of each person, str `[P]`, of a table with a row an image."""
    first = truth.groupby("identity").first()
    return (np.where(first["Male"] == 1, "men, ", "women, ") + first["ancestry"]).to_numpy(str)


def open_pool(split: str, judge: str, folder: Path = FOLDER) -> Pool:
    """The embedded persons; run this file first."""
    table, rows = pd.read_csv(_groups_file(folder, split)), dict(np.load(_rows_file(folder, split, judge)))
    groups = (table[name].to_numpy(str) for name in ("known", "called"))
    changed = dict(np.load(_changed_file(folder, judge))) if split == "balanced" else {}
    return Pool(rows.pop("rows"), *groups, rows, changed)


def open_annotated(split: str, folder: Path = FOLDER) -> Annotated:
    """The annotated persons; run this file first."""
    found = dict(np.load(_labels_file(folder, split)))
    persons = np.arange(len(found["labels"])) + 10**6 * list(PERSONS).index(split)
    poorer = {name: found[name] for name in POORER}
    return Annotated(tuple(found["names"].tolist()), found["labels"], persons, found["truth"], poorer)


def set_of(name: str, labels: np.ndarray, persons: np.ndarray, names: tuple[str, ...]) -> AnnotatedSet:
    """A set of labels `[K, I, A]` of persons."""
    rows = labels.reshape(-1, labels.shape[2]).astype(np.int8)
    return AnnotatedSet(name, "authentic", names, rows, rows, np.repeat(persons, labels.shape[1]), True)


def _is_embedded(folder: Path, split: str, judge: str) -> bool:
    files = [_rows_file(folder, split, judge)] + ([_changed_file(folder, judge)] if split == "balanced" else [])
    return all(file.exists() for file in files)


def _labels_file(folder: Path, split: str) -> Path:
    return folder / f"{split}-attributes.npz"


def _rows_file(folder: Path, split: str, judge: str) -> Path:
    return folder / f"{split}-{judge}.npz"


def _changed_file(folder: Path, judge: str) -> Path:
    return folder / f"changed-{judge}.npz"


def _groups_file(folder: Path, split: str) -> Path:
    return folder / f"{split}-groups.csv"


if __name__ == "__main__":
    make_pool(*map(Path, sys.argv[1:]))
