"""What the page explains and cites: the words of the field, and the sources."""

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path


@dataclass(frozen=True)
class Term:
    """A word of the field.

    Attributes
    ----------
    forms
        How text writes it; the first stands in the glossary.
    meaning
        What it means, in a sentence or two.
    """

    forms: tuple[str, ...]
    meaning: str


@dataclass(frozen=True)
class Source:
    """A publication.

    Attributes
    ----------
    key
        A short name that no other has.
    names
        What text calls it, or what it brought.
    doi
        Empty where none is known.
    """

    key: str
    names: tuple[str, ...]
    authors: str
    title: str
    venue: str
    year: int
    doi: str = ""


@cache
def glossary() -> tuple[Term, ...]:
    """Every term, in the order of the file."""
    return tuple(Term(tuple(entry["forms"]), entry["meaning"]) for entry in _read("glossary")["term"])


@cache
def bibliography() -> tuple[Source, ...]:
    """Every source, in the order of the file."""
    return tuple(Source(key, tuple(entry.pop("names")), **entry) for key, entry in _read("sources").items())


def _read(name: str) -> dict:
    return tomllib.loads((Path(__file__).parent / f"{name}.toml").read_text(encoding="utf-8"))
