"""What a chapter declares of itself: its notebook, its parameters, its results, and what it reads of earlier ones."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from graphlib import TopologicalSorter
from typing import Any, Generic, TypeVar

from sface_lib.run.code import CHILD, code_hash, modules_in
from sface_lib.run.parameters import Parameters
from sface_lib.run.results import Results

R = TypeVar("R")


@dataclass(frozen=True)
class Chapter(Generic[R]):
    """One notebook of the report.

    Attributes
    ----------
    name
        The notebook's name without suffix, e.g. "02_generation".
    title
        Its heading in tables and where the notebook could not be read.
    parameters
        The model of what it reads.
    results
        The dataclass of what it finds; `dict` for plain values without a schema.
    reads
        Earlier chapters whose results and files it reads; a change in one of them makes it run again.
    uses
        Earlier chapters whose files alone it reads: what they measured and how fast may change.
    optional
        Chapters of `reads` and `uses` that may be missing.
    package
        The package with its code, e.g. "sface_lib.chapters.generation"; None where all code is in the notebook.
    """

    name: str
    title: str
    parameters: type[Parameters] = Parameters
    results: type[R] = dict
    reads: tuple["Chapter[Any]", ...] = ()
    uses: tuple["Chapter[Any]", ...] = ()
    optional: tuple["Chapter[Any]", ...] = ()
    package: str | None = None

    @property
    def needs(self) -> tuple[str, ...]:
        """Names of the chapters that must have finished before."""
        return tuple(chapter.name for chapter in (*self.uses, *self.reads))

    @property
    def required(self) -> tuple[str, ...]:
        """Names of those that it cannot do without."""
        return tuple(chapter.name for chapter in (*self.uses, *self.reads) if chapter not in self.optional)

    @property
    def files_only(self) -> tuple[str, ...]:
        """Names of those whose results it does not read."""
        return tuple(chapter.name for chapter in self.uses)

    def code_hash(self, parameters: Mapping[str, Any], sources: Iterable[str] = ()) -> str:
        """Hash of the code that it executes, with these parameters; `sources` are the cells of its notebook."""
        imported = modules_in(self.package) if self.package else []
        children = modules_in(CHILD) if parameters.get("processes", 1) > 1 else []
        return code_hash(["sface_lib.run", *imported, *children], sources)

    @property
    def results_version(self) -> int:
        """Version of its results, to be increased when a field changes its meaning; 0 where they are a dict."""
        return self.results.VERSION if issubclass(self.results, Results) else 0


def in_order(chapters: Iterable[Chapter[Any]]) -> tuple[Chapter[Any], ...]:
    """The chapters, each after all that it needs."""
    named = {chapter.name: chapter for chapter in chapters}
    order = TopologicalSorter({name: sorted(chapter.needs) for name, chapter in sorted(named.items())})
    return tuple(named[name] for name in order.static_order())
