"""Seconds and memory of sets in the formats in which synthetic faces are handed round.

Makes parquet, WebDataset, LMDB and RecordIO of the same small images (about 500 bytes each, 50 an identity) in a
temporary folder, which takes about 1 KB of disk an image and format. A process of its own opens each set, reads all
images in order, and 10,000 at random. Memory is the peak of that process less what the imports take; for LMDB, pages
of the mapped file count, though the system takes them back when others need memory.
"""

import io
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from PIL import Image
from rows import Rows, memory_mib

from sface_lib.data import open_faces, write_encoded

IMAGES, RANDOM_READS, AN_IDENTITY, IMAGE_BYTES = 1_000_000, 10_000, 50, 500
NAMES = {
    "parquet": "set.parquet",
    "WebDataset": "set.tar",
    "LMDB": "lmdb",
    "LMDB of pickles": "pickles",
    "RecordIO": "set.rec",
}


def encoded_images(count: int) -> Iterator[bytes]:
    """JPEG files that differ by what stands behind their end."""
    stream = io.BytesIO()
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(stream, "JPEG", quality=30)
    padding = bytes(max(0, IMAGE_BYTES - 8 - len(stream.getvalue())))
    return (stream.getvalue() + padding + b"%08d" % number for number in range(count))


def make_set(kind: str, path: Path, count: int) -> None:
    """Write a set of `count` images."""
    labels = (number // AN_IDENTITY for number in range(count))
    if not kind.startswith("LMDB"):
        write_encoded(path, encoded_images(count), labels)
        return
    import pickle

    import lmdb

    # Committed in parts: a transaction keeps its pages in memory.
    with lmdb.open(str(path), map_size=1 << 40, lock=False) as opened:
        rows = zip(range(count), labels, encoded_images(count), strict=True)
        while part := [row for _, row in zip(range(100_000), rows, strict=False)]:
            with opened.begin(write=True) as to:
                for number, label, data in part:
                    value = pickle.dumps((data, label), 4) if "pickles" in kind else data
                    key = f"{number:08d}" if "pickles" in kind else f"{label:07d}/{number:08d}"
                    to.put(key.encode(), value, append=True)


def read(path: str) -> dict[str, float]:
    """Seconds and MiB of opening and reading a set."""
    before, found = memory_mib("VmHWM"), {}

    def step(name, work):
        started = time.perf_counter()
        result = work()
        found[f"{name} s"], found[f"{name} MiB"] = time.perf_counter() - started, memory_mib("VmHWM") - before
        return result

    faces = step("open", lambda: open_faces(path))
    order = np.random.default_rng(0).integers(0, len(faces), RANDOM_READS).tolist()
    step("in order", lambda: [len(faces.encoded(i)) for i in range(len(faces))][:0])
    step(f"{RANDOM_READS:,} at random", lambda: [len(faces.encoded(i)) for i in order][:0])
    return found | {"images": len(faces), "identities": len(faces.identities)}


def own(arguments: list[str]) -> str:
    """What this script prints in a process of its own."""
    return subprocess.run([sys.executable, __file__, *arguments], check=True, stdout=subprocess.PIPE, text=True).stdout


def measure(rows: Rows, images: int = IMAGES) -> None:
    """A row for each format: seconds and peak MiB of opening a set, then reading all of it, then some at random."""
    for kind, name in NAMES.items():
        with TemporaryDirectory() as folder:
            rows.row(f"{kind}, {images:,} images", lambda k=kind, p=Path(folder) / name: _of_format(k, p, images))


def _of_format(kind: str, path: Path, images: int) -> dict[str, float]:
    own(["make", kind, str(path), str(images)])
    return json.loads(own(["read", str(path)]))


if __name__ == "__main__":
    if sys.argv[1] == "make":
        make_set(sys.argv[2], Path(sys.argv[3]), int(sys.argv[4]))
    else:
        print(json.dumps(read(sys.argv[2])))
