"""Whole sets of photographs: rendered identity by identity, over processes, resumable, with a table of ground truth."""

import functools
from pathlib import Path

import pandas as pd
from tqdm.auto import tqdm

from sface_lib.data import write_protocol
from sface_lib.errors import InputError
from sface_lib.files import atomic_folder, atomic_path, claim_folder
from sface_lib.population.benchmarks import BENCHMARKS, FOLDS, PAIRS, draw_protocol
from sface_lib.population.rendering.heads import head_model
from sface_lib.population.rendering.labels import describe
from sface_lib.population.rendering.persons import POPULATION_VERSION, SPLITS, draw_person
from sface_lib.population.rendering.photograph import Photographer
from sface_lib.population.rendering.shots import draw_shot
from sface_lib.processes import over_processes

SMALLEST_PX, LARGEST_PX = 16, 1024
RECIPE_FILE, LABELS_FILE = "recipe.json", "labels.parquet"


def render_set(
    folder: str | Path, split: str, identities: int, images: int, size_px: int, seed: int = 0, workers: int = 1
) -> Path:
    """Render a set as identity folders `<split>-<number>/<image>.jpg`, with `labels.parquet` beside them.

    Every image is a function of (population version, seed, split, identity, image): a longer set begins with the
    shorter one. A run that was stopped goes on with the identities that are missing.

    Parameters
    ----------
    folder
        Where to; made if need be.
    split
        A name of `SPLITS`: splits share no identity.
    identities, images
        Number of identities, and of images of each.
    size_px
        Side of the aligned crops.
    workers
        Processes; the pixels do not depend on it.

    Raises
    ------
    InputError
        A number or name that is not allowed, a folder of another recipe's images, or no extra `population`.
    """
    folder = Path(folder)
    if split not in SPLITS:
        raise InputError(f"split {split!r} does not exist; choose one of {', '.join(SPLITS)}")
    if min(identities, images, workers) < 1 or seed < 0 or not SMALLEST_PX <= size_px <= LARGEST_PX:
        raise InputError(
            f"{identities} identities x {images} images of {size_px} px, seed {seed}, {workers} workers: at least one "
            f"of each, a seed from 0, and {SMALLEST_PX} to {LARGEST_PX} px are needed"
        )
    head_model()  # Missing packages are told before anything is written.
    claim_folder(
        folder,
        RECIPE_FILE,
        {"population_version": POPULATION_VERSION, "split": split, "images": images, "size_px": size_px, "seed": seed},
    )
    missing = [i for i in range(identities) if not (folder / _name(split, i)).is_dir()]
    work = functools.partial(_render_identity, folder, split, images, size_px, seed)
    with tqdm(total=identities, initial=identities - len(missing), unit="identity", desc=split) as bar:
        for _ in over_processes(work, missing, workers):
            bar.update()
    with atomic_path(folder / LABELS_FILE) as temporary:
        truth_table(split, identities, images, seed).to_parquet(temporary, index=False)
    return folder


def truth_table(split: str, identities: int, images: int, seed: int = 0) -> pd.DataFrame:
    """Ground truth of a set, one row an image: its name, identity, nuisance and attributes (1, -1, 0 undefined)."""
    rows = []
    for identity in range(identities):
        person = draw_person(head_model(), split, identity, seed)
        for image in range(images):
            name = f"{_name(split, identity)}/{_file(image)}"
            shot = draw_shot(person, split, identity, image, seed)
            rows.append({"name": name, "identity": identity, "image": image} | describe(person, shot))
    return pd.DataFrame(rows)


def write_protocols(folder: str | Path, folds: int = FOLDS, pairs: int = PAIRS, seed: int = 0) -> list[Path]:
    """Draw the five benchmarks' pairs over a rendered set and write each as `<benchmark>.csv` beside its labels.

    Raises
    ------
    InputError
        The folder holds no finished set, or too few images of a kind for a benchmark; then nothing is written.
    """
    labels = Path(folder) / LABELS_FILE
    if not labels.is_file():
        raise InputError(f"'{folder}' holds no {LABELS_FILE}; render a set there with `sface population render`")
    table = pd.read_parquet(labels)
    drawn = {name: draw_protocol(table, name, folds, pairs, seed) for name in BENCHMARKS}
    return [write_protocol(Path(folder) / f"{name}.csv", protocol) for name, protocol in drawn.items()]


@functools.cache
def _photographer(size_px: int) -> Photographer:
    return Photographer(size_px)


def _render_identity(folder: Path, split: str, images: int, size_px: int, seed: int, identity: int) -> None:
    """All images of one identity; its folder appears when it is whole."""
    photographer, name = _photographer(size_px), _name(split, identity)
    person = draw_person(photographer.model, split, identity, seed)
    with atomic_folder(folder / name) as target:
        shots = [draw_shot(person, split, identity, image, seed) for image in range(images)]
        for image, photograph in enumerate(photographer.take(person, shots)):
            (target / _file(image)).write_bytes(photograph)


def _name(split: str, identity: int) -> str:
    return f"{split}-{identity:06d}"


def _file(image: int) -> str:
    return f"{image:04d}.jpg"
