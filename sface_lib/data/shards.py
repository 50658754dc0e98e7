"""Sets in several files, shards: those of a folder, or those that a pattern such as train-{000..099}.tar names."""

import re
from collections.abc import Sequence
from pathlib import Path

from sface_lib.errors import FacesError

_SPLIT = re.compile(r"(train|training|test|testing|val|valid|validation|dev)(?=[-_.\d])", re.IGNORECASE)
_NUMBERED = re.compile(r"(.*)-(\d{5,})-of-(\d{5,})\b")  # As Hugging Face numbers its shards.
_INSIDE = "data"  # Where a repository of Hugging Face has them.


def find_shards(folder: Path, name: str) -> list[Path]:
    """Files whose name matches a regular expression, hidden ones aside: those of a folder, else those of its `data`."""
    for place in (folder, folder / _INSIDE):
        if place.is_dir():
            found = (file for file in place.iterdir() if re.search(name, file.name) and not file.name.startswith("."))
            if files := sorted(file for file in found if file.is_file()):
                return files
    return []


def check_shards(path: Path, files: Sequence[Path]) -> None:
    """Refuse shards of several splits, which are several sets, and numbered ones of which some are missing.

    Raises
    ------
    FacesError
        The message names what was found.
    """
    splits = sorted({found.group(1).lower() for file in files if (found := _SPLIT.match(file.name))})
    if len(splits) > 1:
        raise FacesError(
            f"'{path}' holds several sets ({', '.join(splits)}); give the path of one file, or a pattern of the shards "
            f"of one, such as {splits[0]}-{{00000..00003}}{''.join(files[0].suffixes)}"
        )
    found = [numbered.groups() for file in files if (numbered := _NUMBERED.match(file.name))]
    for stem, total in sorted({(stem, total) for stem, _, total in found}):
        have = {int(number) for each, number, of in found if (each, of) == (stem, total)}
        lacking = sorted(set(range(int(total))) - have)
        if lacking:
            raise FacesError(
                f"'{path}' holds {len(have)} of the {int(total)} shards {stem}-*-of-{total} and lacks number "
                f"{lacking[0]}; get the others, or give a pattern of those that you have"
            )


def has_folders(folder: Path) -> bool:
    """Whether a folder holds another one that is not hidden."""
    return any(inner.is_dir() and not inner.name.startswith(".") for inner in folder.iterdir())
