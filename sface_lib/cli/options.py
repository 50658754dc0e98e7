"""How commands and options are declared, and the options that several commands share, each declared once."""

import argparse
import os
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from sface_lib.chapters.profiles import profile_names
from sface_lib.errors import ParameterError

Commands = argparse._SubParsersAction
Option = tuple[str, dict[str, Any]]


def subcommands(parser: argparse.ArgumentParser) -> Commands:
    """Where commands are added to the program, or to a noun."""
    return parser.add_subparsers(title="commands", required=True, metavar="COMMAND")


def add_command(
    commands: Commands,
    name: str,
    run: Callable[[argparse.Namespace], int | None],
    options: Iterable[Option],
    **texts: Any,
) -> None:
    """Add a command: `run` takes the arguments and gives the exit code, None for 0; `texts` are those of argparse."""
    command = commands.add_parser(name, **texts)
    for flag, settings in options:
        command.add_argument(flag, **settings)
    command.set_defaults(run=run)


def option(flag: str, **settings: Any) -> Option:
    """An option, or a positional argument, with the settings of `ArgumentParser.add_argument`."""
    return flag, settings


def required(flag: str, metavar: str, meaning: str) -> Option:
    """An option that must be given."""
    return option(flag, required=True, metavar=metavar, help=meaning)


def number(flag: str, default: float, meaning: str = "", metavar: str | None = "N") -> Option:
    """A number of its default's type; the help names the default."""
    text = "; ".join(filter(None, (meaning, f"default: {default}")))
    return option(flag, type=type(default), default=default, metavar=metavar, help=text)


def choice(flag: str, choices: Sequence[str], meaning: str) -> Option:
    """One of some words; the first is the default, which the help names."""
    return option(flag, choices=choices, default=choices[0], help=f"{meaning}; default: {choices[0]}")


def sets_of_faces(meaning: str) -> tuple[Option, Option]:
    """Sets of faces, and which of their images."""
    return (
        option("--faces", required=True, action="append", metavar="SET", help=meaning),
        option(
            "--selection",
            action="append",
            default=[],
            metavar="CSV",
            help="a CSV with the positions of the images to use, column `position`; one for each set",
        ),
    )


def overrides(texts: Sequence[str]) -> dict[str, str]:
    """The `name=value` of every `--set`; a later one wins."""
    for text in texts:
        if "=" not in text:
            raise ParameterError(f"--set {text!r} has no '='; write --set name=value")
    return {name.strip(): value for name, _, value in (text.partition("=") for text in texts)}


FORMS = "faces: a folder, zip, tar, .rec, .parquet, LMDB or .bin, or shards such as train-{000..099}.tar"
NEW_OR_SAME = "a new path, or that of a stopped run with the same settings"

LABELS = choice(
    "--labels",
    ("auto", "folders", "none"),
    "identities: as the set itself states them, the folders of its images, or none",
)
ON_BAD_IMAGE = choice(
    "--on-bad-image", ("stop", "skip"), "images that cannot be decoded are an error, or are left out and counted"
)
READING = (LABELS, ON_BAD_IMAGE)  # How a set that is given is read.
SEED = number("--seed", 0, metavar=None)
WEIGHTS_OUT = required("--out", "FILE", "a file that ends in .safetensors")
WORKERS = option("--workers", type=int, default=os.cpu_count() or 1, metavar="N", help="default: all cores")
PARAMETERS = (
    option(
        "--profile",
        default="quick",
        metavar="P",
        help=f"a set of parameters: {', '.join(profile_names())} (default: quick)",
    ),
    option("--set", action="append", default=[], metavar="NAME=VALUE", help="set one parameter; may be repeated"),
)
