"""Waits that a reader notices, each beside what is asked of it. The rows of real faces need SFACE_REAL_DATA."""

import io
import os
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from PIL import Image
from rows import Rows, asked, median_seconds

from sface_lib.biometrics import kfold_accuracy
from sface_lib.chapters.generation.explore import explorer
from sface_lib.data import open_faces, parse_folds, read_protocol, select_images
from sface_lib.engine import make_accelerator
from sface_lib.generators.stylegan2 import Generator, GeneratorSpec
from sface_lib.report.redaction import Redactor

TIMES = 5


def many_images(folder: Path) -> Path:
    """A zip of 10,000 images of 4 px."""
    stream = io.BytesIO()
    Image.fromarray(np.zeros((4, 4, 3), np.uint8)).save(stream, "PNG")
    path = folder / "many.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(10_000):
            archive.writestr(f"{number // 10}/{number}.png", stream.getvalue())
    return path


def moved_control() -> Callable[[], None]:
    """Moves a control of the explorer of a generator of the shipped one's size."""
    torch.manual_seed(0)
    generator = Generator(GeneratorSpec(3, 64, 2048, 128)).eval().requires_grad_(False)
    widget = explorer(generator.to(memory_format=torch.channels_last), make_accelerator(), classes=3)
    latent = widget.children[0].children[3]

    def move() -> None:
        latent.value += 1

    return move


def scored_pairs() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scores, flags and folds of 6,000 pairs in ten folds, as many as LFW's."""
    same = np.tile([True, False], 3000)
    scores = np.random.default_rng(0).normal(np.where(same, 0.6, 0.0), 0.13)
    return scores, same, np.repeat(np.arange(10), 600)


def waits(folder: Path) -> Iterator[tuple[str, Callable[[], object], float]]:
    """Each wait: what it is, a call that takes it, and the seconds that are asked."""
    path = many_images(folder)
    yield "a zip of 10,000 images is opened", lambda: open_faces(path), 1.0
    yield "a moved control draws its face", moved_control(), 0.15
    pairs = scored_pairs()
    yield "ten folds of 6,000 pairs", lambda: kfold_accuracy(*pairs), 0.03
    names, page = [f"First{i % 300}_Last{i}" for i in range(10_000)], "First7_Last7 " * 5_000
    yield "10,000 names are withheld", lambda: Redactor(names)(page), 2.0
    if not (given := os.environ.get("SFACE_REAL_DATA")):
        return
    photographs = Path(given) / "lfw112.tar"
    yield "the index of 13,233 photographs", lambda: open_faces(photographs), 2.0
    lfw, protocol = open_faces(photographs), read_protocol(Path(given) / "lfw_pairs.txt")
    chosen = select_images(lfw.labels, 5, exclude=protocol.identities_in(lfw, parse_folds("6-10", protocol.fold_ids)))
    yield f"{len(chosen):,} of them at 64 px", lambda: lfw.load(chosen, size_px=64), 3.0


def measure(rows: Rows) -> None:
    """A row for each wait, the median of a few."""
    with TemporaryDirectory() as folder:
        for name, work, most in waits(Path(folder)):
            rows.row(name, lambda w=work, m=most: asked({"s": median_seconds(w, TIMES)}, "s", at_most=m))
