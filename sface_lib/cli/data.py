"""`sface data`: convert, describe and align sets of faces; the card of a set is in `card`."""

from argparse import Namespace

from sface_lib.cli import card
from sface_lib.cli.options import (
    FORMS,
    LABELS,
    NEW_OR_SAME,
    READING,
    WORKERS,
    Commands,
    add_command,
    choice,
    number,
    option,
    subcommands,
)
from sface_lib.cli.sets import open_set, print_skipped

CONVERT_OPTIONS = (
    option("source", metavar="SRC", help=FORMS),
    option(
        "target",
        metavar="DST",
        help="a new path; .zip, .rec, .parquet, .tar or .bin gives the format, another name a folder",
    ),
    option("--protocol", metavar="FILE", help="the pairs of a .bin, e.g. LFW's pairs.txt"),
    *READING,
)
INFO_OPTIONS = (option("path", metavar="PATH", help=FORMS), LABELS)
ALIGN_OPTIONS = (
    option("source", metavar="SRC", help="photographs of any size: a folder, or a zip or tar of identities"),
    option("target", metavar="DST", help=NEW_OR_SAME),
    number("--size", 112, "side of the crops", "PX"),
    choice("--missing", ("drop", "keep"), "a photograph without a face is left out, or its centred square is kept"),
    *READING,
    WORKERS,
)


def add_commands(commands: Commands) -> None:
    """`data convert`, `info`, `card` and `align`."""
    actions = subcommands(commands.add_parser("data", help="inspect and convert sets of faces, align photographs"))
    add_command(
        actions,
        "convert",
        convert,
        CONVERT_OPTIONS,
        help="write a set as a folder, zip, RecordIO, parquet, WebDataset or verification .bin",
        description="Write a set in another form. Image files keep their bytes: nothing is encoded again. "
        ".parquet is a table as Hugging Face's `datasets` reads it: columns image and label, and names of classes. "
        ".tar is one shard of a WebDataset: beside each image .cls, its label, and .json, label and identity's name.",
    )
    add_command(
        actions,
        "info",
        info,
        INFO_OPTIONS,
        help="describe a set",
        description="Decode every image once and print kind, images, identities, sizes and the set's fingerprint.",
    )
    card.add_command_to(actions)
    add_command(
        actions,
        "align",
        align,
        ALIGN_OPTIONS,
        help="bring the faces of photographs to the ArcFace crop (extra align)",
        description="Find the main face of every photograph and write its aligned crop under the same name, with "
        "alignment.csv and not_found.csv beside. A stopped run continues.",
    )


def convert(arguments: Namespace) -> None:
    """`sface data convert`."""
    from sface_lib.data import convert_set

    faces = open_set(arguments.source, arguments)
    paths = convert_set(faces, arguments.target, arguments.protocol)
    if arguments.on_bad_image == "skip":
        print_skipped(faces.inspect().bad, len(faces))
    for path in paths:
        print(f"Written: {path}")


def info(arguments: Namespace) -> None:
    """`sface data info`."""
    from sface_lib.data import describe_set

    for name, value in describe_set(arguments.path, arguments.labels).items():
        print(f"{name}: {value}")


def align(arguments: Namespace) -> None:
    """`sface data align`."""
    from sface_lib.data.align import NOT_FOUND_FILE, TABLE_FILE, align_faces, open_photographs
    from sface_lib.data.manifest import named

    alignment = align_faces(
        arguments.source,
        arguments.target,
        arguments.size,
        missing=arguments.missing,
        on_bad_image=arguments.on_bad_image,
        workers=arguments.workers,
        labels=arguments.labels,
    )
    print(f"Faces: {alignment.folder}, {alignment.aligned:,} aligned; the table is {TABLE_FILE}")
    dropped = "their centres are kept" if arguments.missing == "keep" else "left out"
    print(f"Without a face: {alignment.without_face:,}, {dropped}; listed in {NOT_FOUND_FILE}")
    if alignment.unreadable:
        print(f"Unreadable: {alignment.unreadable:,}, left out")
    unread = open_photographs(arguments.source, labels=arguments.labels).unread
    if unread:
        print(f"Files not read: {len(unread):,}, e.g. {named([repr(name) for name in unread])}")
