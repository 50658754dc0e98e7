"""Named entries that installed packages may add to: generators, strategies, heads, backbones, link statistics.

A package adds an entry by an entry point of the registry's group, under the entry's name. Entry points are found in
every process that has the package installed, so that notebooks' kernels and launched trainings know the same entries.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Generic, TypeVar

from sface_lib.errors import InputError
from sface_lib.files import sha256_of_file, sha256_of_json

KINDS = ("backbones", "generators", "heads", "statistics", "strategies")
GROUPS = tuple(f"sface_lab.{kind}" for kind in KINDS)  # Of entry points.

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
            entry = point.load()
        except Exception as error:
            raise InputError(
                f"the {self.noun} {point.name!r} of {_source(point)} cannot be imported ({type(error).__name__}: "
                f"{error}); mend or remove that package"
            ) from error
        if getattr(entry, "name", point.name) != point.name:
            raise InputError(
                f"the {self.noun} {entry.name!r} of {_source(point)} goes by the entry point {point.name!r}; give both "
                "one name"
            )
        return entry

    def __getitem__(self, name: str) -> T:
        if name not in self._entries:
            raise InputError(f"{self.noun} {name!r} does not exist; choose one of {', '.join(self)}")
        return self._entries[name]

    def get(self, name: str, default: Any = None) -> Any:
        """The entry of a name, or the default."""
        return self._entries.get(name, default)

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


def added_packages() -> dict[str, dict[str, str]]:
    """Packages that add entries to any registry, by name: "version", and "sha256" of their Python files."""
    points = [point for group in GROUPS for point in entry_points(group=group) if point.dist]
    modules: dict[str, set[str]] = {}
    for point in points:
        modules.setdefault(point.dist.name, set()).add(point.module.partition(".")[0])
    versions = {point.dist.name: point.dist.version for point in points}
    return {name: {"version": versions[name], "sha256": _sha256_of(modules[name])} for name in sorted(modules)}


def _sha256_of(modules: Iterable[str]) -> str:
    """Hash of all Python files of some top-level modules, none of which is imported; missing ones have none."""
    files = {}
    for name in sorted(modules):
        spec = find_spec(name)
        folders = spec.submodule_search_locations if spec else None
        paths = [path for folder in folders or () for path in sorted(Path(folder).rglob("*.py"))]
        for path in paths or ([Path(spec.origin)] if spec and spec.origin else []):
            files[f"{name} {path.name} {len(files)}"] = sha256_of_file(path)
    return sha256_of_json(files)


def one_of(group: str, own: tuple[str, ...], names_more: str = "") -> Callable[[str, Any], str]:
    """A check for pydantic that a parameter names an entry, without importing it; it raises `ValueError`.

    Parameters
    ----------
    own
        Names of the library's own entries.
    names_more
        Beginning of further names, such as "torchvision:".
    """

    def check(name: str, info: Any) -> str:
        known = (*own, *extensions(group))
        if name in known or (names_more and name.startswith(names_more) and len(name) > len(names_more)):
            return name
        choice = ", ".join([*known, *([f"{names_more}NAME"] if names_more else [])])
        raise ValueError(f"parameter {info.field_name} = {name!r} is not allowed: choose one of {choice}")

    return check


def _source(point: EntryPoint) -> str:
    """The package that an entry point belongs to."""
    return f"the package {point.dist.name!r}" if point.dist else f"the module {point.module!r}"
