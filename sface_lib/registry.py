"""Named entries that installed packages may add to: strategies, heads, backbones, link statistics, generators.

A package adds an entry by an entry point of the registry's group, under the entry's name. Entry points are found in
every process that has the package installed, so that notebooks' kernels and launched trainings know the same entries.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from importlib.metadata import EntryPoint, entry_points
from typing import Generic, TypeVar

from sface_lib.errors import InputError

GROUPS = "sface_lab."  # How the names of all groups begin.

T = TypeVar("T")


class Registry(Mapping[str, T], Generic[T]):
    """The library's own entries in their order, then those of installed packages by name.

    An unknown name is refused with `InputError`, which lists the known ones.

    Parameters
    ----------
    noun
        What an entry is, for messages: "strategy".
    group
        Of the entry points: "sface_lab.strategies".
    own
        Name -> entry.
    """

    def __init__(self, noun: str, group: str, own: Mapping[str, T]):
        self.noun, self.group, self.own = noun, group, dict(own)

    @cached_property
    def _entries(self) -> dict[str, T]:
        added = extensions(self.group)
        if both := sorted(self.own.keys() & added.keys()):
            raise InputError(
                f"{_source(added[both[0]])} adds the {self.noun} {both[0]!r}, which exists; rename it there"
            )
        return self.own | {name: self._load(point) for name, point in added.items()}

    def _load(self, point: EntryPoint) -> T:
        try:
            return point.load()
        except Exception as error:
            raise InputError(
                f"the {self.noun} {point.name!r} of {_source(point)} cannot be imported ({type(error).__name__}: "
                f"{error}); mend or remove that package"
            ) from error

    def __getitem__(self, name: str) -> T:
        if name not in self._entries:
            raise InputError(f"{self.noun} {name!r} does not exist; choose one of {', '.join(self)}")
        return self._entries[name]

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)


def extensions(group: str) -> dict[str, EntryPoint]:
    """Entry points of a group by their names, in alphabetical order; nothing of them is imported.

    Raises
    ------
    InputError
        Two packages add the same name.
    """
    points: dict[str, EntryPoint] = {}
    for point in sorted(set(entry_points(group=group)), key=lambda each: (each.name, each.value)):
        if point.name in points:
            both = f"{_source(points[point.name])} and {_source(point)}"
            raise InputError(f"{both} add {point.name!r} to {group}; rename or remove one")
        points[point.name] = point
    return points


def one_of(group: str, own: tuple[str, ...], names_more: str = "") -> Callable[[str], str]:
    """A check that a text names an entry, without importing it; it raises `ValueError`.

    Parameters
    ----------
    own
        Names of the library's own entries.
    names_more
        Beginning of further names, such as "torchvision:".
    """

    def check(name: str) -> str:
        known = (*own, *extensions(group))
        if name in known or (names_more and name.startswith(names_more) and len(name) > len(names_more)):
            return name
        raise ValueError(f"choose one of {', '.join(known)}" + (f", {names_more}NAME" if names_more else ""))

    return check


def _source(point: EntryPoint) -> str:
    """The package that an entry point belongs to."""
    return f"the package {point.dist.name!r}" if point.dist else f"the module {point.module!r}"
