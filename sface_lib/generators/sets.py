"""Whole synthetic sets on disk: those of classes drawn class by class, over processes, resumable."""

import dataclasses
import hashlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import gather_object
from tqdm import tqdm

from sface_lib.data import encode_png
from sface_lib.data.labelfiles import LABELS_FILE
from sface_lib.data.landmarks import misalignment
from sface_lib.data.write import keep_labels
from sface_lib.errors import InputError
from sface_lib.files import add_to_zip, atomic_folder, claim_folder, new_zip, read_json, write_json
from sface_lib.generators.contract import FaceGenerator
from sface_lib.generators.sampling import draw, draw_mixed
from sface_lib.generators.steering import Steering

RECIPE_FILE = "generate.json"
UNLABELLED = {"labels": None}  # In `dataset.json`.
MOST_NAMED = 5  # Classes in a refusal.
MOST_ROUNDS = 20  # Times the wanted number of images that a class may try before it is given up.


@dataclasses.dataclass(frozen=True)
class Order:
    """What is drawn: `per_class` images of each of `classes`, by seed and psi, `batch` at a time."""

    classes: int
    per_class: int
    seed: int = 0
    psi: float = 1.0
    batch: int = 64

    def __post_init__(self):
        if min(self.classes, self.per_class, self.batch) < 1 or self.seed < 0 or not 0 <= self.psi <= 1:
            raise InputError(
                f"{self.per_class} images of {self.classes} classes, seed {self.seed}, psi {self.psi}, batch "
                f"{self.batch}: numbers from 1, a seed from 0 and psi from 0 to 1 are needed"
            )

    def groups(self) -> Iterator[np.ndarray]:
        """Classes that are drawn together, as many as fill a batch; a group never depends on what is done already."""
        together = max(1, self.batch // self.per_class)
        yield from np.split(np.arange(self.classes), range(together, self.classes, together))


def generate_set(
    out: str | Path,
    generator: FaceGenerator,
    accelerator: Accelerator,
    order: Order,
    weights: str,
    steering: Steering | None = None,
    aligned: float | None = None,
) -> Path:
    """Draw a set as identity folders `<class>/<index>.png`, or as one StyleGAN2-ADA zip.

    Images of a generator without classes are of no class: `dataset.json` says so.

    An image is a function of (weights, seed, class, index, psi); another batch changes it by rounding alone. A class's
    folder appears when it is whole, and a run that was stopped goes on with the classes that are missing. Processes
    share the classes. Images that a filter fails (`steering`'s score, `aligned`) are left out and later indices drawn.

    Parameters
    ----------
    out
        A folder; or a path that ends in .zip, whose images lie in a folder `<out>.images` until it is packed.
    weights
        What names the generator in the recipe that is noted beside the images, such as its file's hash.
    aligned
        Keep faces whose eyes are found within this share of the side from their places in the ArcFace template (extra
        `align`); the detector is frontal, so that a filtered set has fewer turned heads.

    Raises
    ------
    InputError
        `out` holds something else, or a class yields too few images that pass.
    """
    out = Path(out)
    zipped = out.suffix.lower() == ".zip"
    folder = out.with_name(out.name + ".images") if zipped else out
    if zipped and out.exists():
        raise InputError(f"'{out}' exists already; remove it or give another path")
    if generator.n_classes and order.classes > generator.n_classes:
        raise InputError(f"{order.classes} classes are asked for; this generator has {generator.n_classes}")
    if steering and len(steering.means) < order.classes:
        raise InputError(f"{order.classes} classes are asked for; the steering has means of {len(steering.means)}")
    recipe = dataclasses.asdict(order) | {"weights": weights, "steering": _noted(steering), "aligned": aligned}
    if accelerator.is_main_process:
        claim_folder(folder, RECIPE_FILE, recipe)
    accelerator.wait_for_everyone()
    generator.to(accelerator.device)
    # A group is drawn whole where any class of it is missing: the pixels do not depend on what is there already.
    missing = [group for group in order.groups() if not all(_place(folder, c).is_dir() for c in group)]
    own = missing[accelerator.process_index :: accelerator.num_processes]
    accelerator.wait_for_everyone()
    short: list[tuple[int, int]] = []
    for group in tqdm(own, unit="batch", desc="generate", disable=not accelerator.is_main_process):
        for label, images in _draw_group(generator, accelerator, order, group, steering, aligned).items():
            if len(images) < order.per_class:
                short.append((label, len(images)))
            elif not _place(folder, label).is_dir():
                _write_class(_place(folder, label), images)
    _refuse_short(sorted(gather_object(short)), order)
    if accelerator.is_main_process:
        if not generator.n_classes:
            write_json(folder / LABELS_FILE, UNLABELLED)
        else:
            keep_labels(folder, labelled=True)
    if zipped and accelerator.is_main_process:
        pack_set(folder, out)
        shutil.rmtree(folder)
    accelerator.wait_for_everyone()
    return out


def generate_unlabelled(
    path: str | Path,
    generator: FaceGenerator,
    accelerator: Accelerator,
    images: int,
    seed: int,
    psi: float,
    batch: int = 64,
) -> Path:
    """Draw images of no class (`draw_mixed`) into one zip without labels; image i is a function of (seed, i)."""
    with new_zip(path) as archive:
        for start in tqdm(range(0, images, batch), unit="batch", desc="generate"):
            indices = np.arange(start, min(start + batch, images))
            for index, image in zip(indices, draw_mixed(generator, accelerator, indices, seed, psi), strict=True):
                add_to_zip(archive, f"{index:08d}.png", encode_png(image))
        add_to_zip(archive, LABELS_FILE, json.dumps(UNLABELLED))
    return Path(path)


def pack_set(folder: str | Path, path: str | Path) -> Path:
    """Put the images of a drawn folder, byte for byte, into one StyleGAN2-ADA zip with `dataset.json`.

    A folder that has one which says that its images are of no class gives a set without labels.
    """
    labels = []
    with new_zip(path) as archive:
        for file in sorted(Path(folder).glob("[!.]*/*.png")):
            member = f"{file.parent.name}/{file.name}"
            add_to_zip(archive, member, file.read_bytes())
            labels.append([member, int(file.parent.name)])
        told = Path(folder) / LABELS_FILE
        without = told.exists() and read_json(told)["labels"] is None
        add_to_zip(archive, LABELS_FILE, json.dumps(UNLABELLED if without else {"labels": labels}))
    return Path(path)


def _noted(steering: Steering | None) -> dict | None:
    if steering is None:
        return None
    fields = {name: getattr(steering, name) for name in ("steps", "stride", "least_score")}
    means = hashlib.sha256(np.ascontiguousarray(steering.means).tobytes()).hexdigest()
    return fields | {"model": steering.model.fingerprint, "means": means}


def _place(folder: Path, label: int) -> Path:
    return folder / f"{label:07d}"


def _draw_group(generator, accelerator, order: Order, group: np.ndarray, steering, aligned):
    """Images of some classes: class -> [(index, image)], `per_class` of each, or fewer where no more pass."""
    kept: dict[int, list[tuple[int, torch.Tensor]]] = {int(label): [] for label in group}
    for attempt in range(MOST_ROUNDS):
        short = [label for label, images in kept.items() if len(images) < order.per_class]
        labels = np.repeat(short, order.per_class).astype(int)
        indices = np.tile(np.arange(order.per_class) + attempt * order.per_class, len(short))
        for start in range(0, len(labels), order.batch):
            part = slice(start, start + order.batch)
            arguments = (generator, accelerator, labels[part], indices[part], order.seed, order.psi)
            images = draw(*arguments, move=steering.move if steering else None)
            for at in np.flatnonzero(_passed(images, labels[part], steering, aligned)):
                kept[int(labels[part][at])].append((int(indices[part][at]), images[at]))
        if all(len(images) >= order.per_class for images in kept.values()):
            break
    return {label: images[: order.per_class] for label, images in kept.items()}


def _refuse_short(short: list[tuple[int, int]], order: Order) -> None:
    """Name the classes (and how many images of them pass) that the filter leaves too few of; all others are drawn."""
    if short:
        named = "; ".join(f"class {label} gave {passed}" for label, passed in short[:MOST_NAMED])
        more = f" and {len(short) - MOST_NAMED} further classes" if len(short) > MOST_NAMED else ""
        raise InputError(
            f"{named}{more} of {order.per_class} images that pass in {MOST_ROUNDS * order.per_class} tries, and the "
            f"other {order.classes - len(short)} classes are drawn; lower the score or widen the alignment, or take "
            "more steps, into another place"
        )


def _passed(images: torch.Tensor, labels: np.ndarray, steering: Steering | None, aligned: float | None) -> np.ndarray:
    """Which images the filters keep, bool `[N]`."""
    passed = np.ones(len(images), bool)
    if steering:
        passed &= (steering.scores(images, torch.from_numpy(labels)) >= steering.least_score).numpy()
    if aligned is not None:
        passed &= misalignment(images) <= aligned
    return passed


def _write_class(target: Path, images: list[tuple[int, torch.Tensor]]) -> None:
    with atomic_folder(target) as folder:
        for index, image in images:
            (folder / f"{index:08d}.png").write_bytes(encode_png(image))
