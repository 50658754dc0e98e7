"""What every writer of sets takes, image by image."""

from typing import NamedTuple


class Row(NamedTuple):
    """One image on its way to the disk.

    Attributes
    ----------
    index
        Its place among those that are written, from 0.
    data, suffix
        Bytes of its file, and the ending that fits them, such as ".jpg".
    label
        Its class, from 0; None in a set without labels.
    name
        What it is called within the set; None where it has no name.
    """

    index: int
    data: bytes
    suffix: str
    label: int | None
    name: str | None
