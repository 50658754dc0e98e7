"""The sets of faces that options name; how many images are skipped is printed."""

from argparse import Namespace
from collections.abc import Sequence
from typing import Any

from sface_lib.cli.distributed import print_once
from sface_lib.errors import InputError


def open_set(path: str, arguments: Namespace) -> Any:
    """The set at a path, read as the options say."""
    from sface_lib.data import open_faces

    return open_faces(path, arguments.on_bad_image, arguments.labels)


def selected_sets(arguments: Namespace) -> list[Any]:
    """The sets of all `--faces`, of each the images of its `--selection`."""
    from sface_lib.data import read_selection

    if len(arguments.selection) not in (0, len(arguments.faces)):
        raise InputError(
            f"{len(arguments.faces)} sets by --faces and {len(arguments.selection)} selections by --selection do not "
            "go together; give each set its selection, in the same order, or none at all"
        )
    sets = [open_set(path, arguments) for path in arguments.faces]
    for i, path in enumerate(arguments.selection):
        sets[i] = sets[i].subset(read_selection(path, len(sets[i])))
    return sets


def joined(sets: list[Any]) -> Any:
    """Several sets as one, with identities of their own."""
    from sface_lib.data import join

    return sets[0] if len(sets) == 1 else join({str(i): faces for i, faces in enumerate(sets)})


def usable(faces: Any) -> Any:
    """A set without the images that are skipped; of several processes the first alone decodes all images for it."""
    from sface_lib.engine import from_first

    faces.know(from_first(lambda: faces.inspect(progress=True)))
    print_skipped(faces.inspect().bad, len(faces))
    return faces.usable()


def print_skipped(bad: Sequence[tuple[str, str]], images: int, more: str = "") -> None:
    """Print how many of some images are skipped, and their names with the reasons."""
    from sface_lib.data.manifest import named_bad

    if bad:
        print_once(f"Skipped: {len(bad):,} of {images:,} images, which cannot be decoded{more}: {named_bad(bad)}")
