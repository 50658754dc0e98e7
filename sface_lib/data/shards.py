"""Sets in several files, shards: those of a folder, or those that a pattern such as train-{000..099}.tar names."""

import re
from collections.abc import Sequence
from pathlib import Path

from sface_lib.errors import FacesError

_SPLIT = re.compile(r"(train|training|test|testing|val|valid|validation|dev)(?=[-_.\d])", re.IGNORECASE)
_NUMBERED = re.compile(r"(.*)-(\d{5,})-of-(\d{5,})\b")  # As Hugging Face numbers its shards.
_INSIDE = "data"  # Where a repository of Hugging Face has them.


def find_shards(folder: Path, name: str) -> list[Path]:
    """Files whose name matches a regular expression, without hidden ones: in a folder, else in its `data`."""
    for place in (folder, folder / _INSIDE):
        if place.is_dir():
            named = (file for file in place.iterdir() if re.search(name, file.name) and not file.name.startswith("."))
            if files := sorted(file for file in named if file.is_file()):
                return files
    return []


def check_shards(path: Path, files: Sequence[Path]) -> None:
    """Refuse shards of several splits, and numbered shards of which some are missing.

    Raises
    ------
    FacesError
        Files are of several splits, such as train and test, or a shard of a numbered series is missing.
    """
    splits = sorted({split.group(1).lower() for file in files if (split := _SPLIT.match(file.name))})
    if len(splits) > 1:
        raise FacesError(
            f"'{path}' holds several sets ({', '.join(splits)}); give the path of one file, or a pattern of the shards "
            f"of one, such as {splits[0]}-{{00000..00003}}{''.join(files[0].suffixes)}"
        )
    numbered = [match.groups() for file in files if (match := _NUMBERED.match(file.name))]
    for stem, total in sorted({(stem, total) for stem, _, total in numbered}):
        have = {int(number) for name, number, of in numbered if (name, of) == (stem, total)}
        lacking = sorted(set(range(int(total))) - have)
        if lacking:
            raise FacesError(
                f"'{path}' holds {len(have)} of the {int(total)} shards {stem}-*-of-{total} and lacks number "
                f"{lacking[0]}; get the others, or give a pattern of those that you have"
            )


def has_folders(folder: Path) -> bool:
    """Whether a folder holds another one that is not hidden."""
    return any(inner.is_dir() and not inner.name.startswith(".") for inner in folder.iterdir())
