"""Write RecordIO as InsightFace reads it: train.rec, train.idx and `property`, with records of identities."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from sface_lib.data.decode import image_size
from sface_lib.data.recordio import EXACT, HEADER, frame_record
from sface_lib.data.rows import Row
from sface_lib.errors import InputError
from sface_lib.files import atomic_path


def companions(path: Path) -> tuple[Path, Path]:
    """The .idx and the `property` that belong to a .rec."""
    return path.with_suffix(".idx"), path.with_name("property")


def write_records(path: Path, rows: Iterable[Row], n_identities: int = 0) -> None:
    """Write images as they come; their keys go by identity, as InsightFace's ranges need it.

    Parameters
    ----------
    path
        The .rec file.
    rows
        The images, all with a label.
    n_identities
        Identities at least; one without images gets an empty range.

    Raises
    ------
    InputError
        If there is no image, or records are too many for keys in float32.
    """
    index, properties = companions(path)
    with atomic_path(path) as records, atomic_path(index) as places, atomic_path(properties) as sizes:
        labels, offsets, first = [], [], b""
        with open(records, "wb") as stream:
            for row in rows:
                first = first or row.data
                labels.append(row.label)
                offsets.append(stream.tell())
                stream.write(frame_record(HEADER.pack(0, row.label, len(labels), 0) + row.data))
            if not labels:
                raise InputError(f"no image is given to write to '{path}'; give one at least")
            end = len(labels) + 1
            if end + max(n_identities, max(labels) + 1) > EXACT:
                raise InputError(f"'{path}' would hold more than {EXACT} records, which RecordIO's labels can't count")
            counts = np.bincount(labels, minlength=n_identities)
            offsets = [offsets[i] for i in np.argsort(labels, kind="stable")]
            stops = np.cumsum(counts) + 1
            ranges = [*zip(stops - counts, stops, strict=True), (end, end + len(counts))]
            for key, (start, stop) in enumerate(ranges, end):
                offsets.append(stream.tell())
                stream.write(frame_record(HEADER.pack(2, 0, key, 0) + np.array([start, stop], "<f4").tobytes()))
        # The range of the identity records is written last and has key 0.
        lines = (f"{key}\t{offset}\n" for key, offset in enumerate([offsets.pop(), *offsets]))
        places.write_text("".join(lines))
        width, height = image_size(first)
        sizes.write_text(f"{len(counts)},{height},{width}\n")
