"""Write WebDataset: one tar with a sample an image, its file, the number of its class and the name of its identity."""

import io
import json
import tarfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from sface_lib.data.rows import Row
from sface_lib.data.websource import CLASS, JSON, split_name
from sface_lib.errors import InputError
from sface_lib.files import atomic_path


def write_samples(path: Path, rows: Iterable[Row], identities: Sequence[str] | None) -> None:
    """Write images as they come: `<stem>.jpg`, `<stem>.cls` and, where identities have names, `<stem>.json`.

    The .json holds `label` and `identity`, both null in a set without labels. The same input gives the same bytes.

    Parameters
    ----------
    path
        The .tar file.
    identities
        Names of the labels.

    Raises
    ------
    InputError
        If there is no image, two have one stem, or a name holds a dot before that of its suffix.
    """
    stems = set()
    with atomic_path(path) as temporary, tarfile.open(temporary, "w") as archive:
        for row in rows:
            stem = _stem(row)
            if stem in stems:
                raise InputError(f"two images have the stem {stem!r}, which names a sample; give each its own")
            stems.add(stem)
            _add(archive, f"{stem}{row.suffix if row.name is None else Path(row.name).suffix}", row.data)
            if row.label is not None:
                _add(archive, f"{stem}.{CLASS}", str(row.label).encode())
            if row.label is None or identities is not None:
                identity = None if row.label is None else identities[row.label]
                _add(archive, f"{stem}.{JSON}", json.dumps({"label": row.label, "identity": identity}).encode())
        if not stems:
            raise InputError(f"no image is given to write to '{path}'; give one at least")


def has_stems(names: Sequence[str]) -> bool:
    """Whether names of image files can be those of samples: no other dot than the suffix's, and stems that differ."""
    stems = {stem for name in names if (stem := _sample_stem(name)) is not None}
    return len(stems) == len(names)


def _stem(row: Row) -> str:
    if row.name is None:
        return f"{row.index:08d}"
    stem = _sample_stem(row.name)
    if stem is None:
        raise InputError(
            f"name {row.name!r} holds a dot before that of its suffix, where WebDataset ends a name; rename it"
        )
    return stem


def _sample_stem(name: str) -> str | None:
    stem, ending = split_name(name) or (None, "")
    return stem if "." not in ending else None


def _add(archive: tarfile.TarFile, name: str, data: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(data)
    archive.addfile(member, io.BytesIO(data))
    archive.members.clear()  # It would keep a kilobyte for each.
