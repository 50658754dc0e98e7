"""A small set of faces as folder, zip and tar, made for each test."""

import io
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

PEOPLE = {"Ann Lee": 3, "Zoë 'Z' \"Q\"": 2, "<script>alert(1)": 1}


def encode(pixels: np.ndarray, suffix: str = "PNG", mode: str | None = None, **options) -> bytes:
    """One image file, from uint8 [H, W, 3] or whatever Pillow takes."""
    stream = io.BytesIO()
    image = Image.fromarray(pixels)
    (image if mode is None else image.convert(mode)).save(stream, suffix, **options)
    return stream.getvalue()


def pixels_of(seed: int, height: int = 12, width: int = 12) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def fill(root: Path, people: dict[str, int] = PEOPLE, size: int = 12) -> Path:
    """Write `<identity>/<number>.png` below a folder."""
    seed = 0
    for person, count in people.items():
        (root / person).mkdir(parents=True)
        for number in range(count):
            (root / person / f"{number}.png").write_bytes(encode(pixels_of(seed, size, size)))
            seed += 1
    return root


def pack_zip(root: Path, target: Path, below: str = "") -> Path:
    with zipfile.ZipFile(target, "w") as archive:
        for file in sorted(root.rglob("*"), reverse=True):
            if file.is_file():
                archive.write(file, f"{below}{file.relative_to(root)}")
    return target


def pack_tar(root: Path, target: Path, below: str = "./", mode: str = "w") -> Path:
    with tarfile.open(target, mode) as archive:
        archive.add(root, below.rstrip("/") or ".")
    return target


@pytest.fixture
def folder(tmp_path) -> Path:
    return fill(tmp_path / "folder")


@pytest.fixture(params=["folder", "zip", "zip below a top folder", "tar", "tar below a top folder", "tar.gz", "tar.xz"])
def same_set(request, folder, tmp_path) -> Path:
    """The set of `folder` in every form, under names that tell nothing."""
    below = "top/" if "below" in request.param else ""
    match request.param.split()[0]:
        case "folder":
            return folder
        case "zip":
            return pack_zip(folder, tmp_path / "packed.dat", below)
        case "tar":
            return pack_tar(folder, tmp_path / "packed.dat", below)
        case compressed:
            return pack_tar(folder, tmp_path / "packed.dat", below, "w:" + compressed.removeprefix("tar."))


@pytest.fixture
def make():
    """The builders above, for tests that need another set."""

    class Builders:
        pass

    Builders.encode, Builders.pixels_of, Builders.fill = map(staticmethod, (encode, pixels_of, fill))
    Builders.pack_zip, Builders.pack_tar = map(staticmethod, (pack_zip, pack_tar))
    return Builders
