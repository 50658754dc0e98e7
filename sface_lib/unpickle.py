"""Reading foreign pickles without running anything: only names on a list are built, every other one is refused."""

import pickle
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from sface_lib.errors import InputError


class _Restricted(pickle.Unpickler):
    def __init__(self, stream, allowed: Mapping[str, Callable], name: str, encoding: str):
        super().__init__(stream, encoding=encoding)
        self._allowed, self._name = allowed, name

    def find_class(self, module: str, name: str) -> Callable:
        wanted = f"{module}.{name}"
        if wanted not in self._allowed:
            raise InputError(
                f"{self._name} asks for {wanted}, which no file of this kind needs; it was not opened, so get the file "
                "itself from where it was published"
            )
        return self._allowed[wanted]


def load_restricted(path: str | Path, allowed: Mapping[str, Callable], encoding: str = "ASCII") -> Any:
    """Read a pickle that may name nothing but `allowed`: dotted name -> what to call for it.

    `encoding` is that of byte strings written by Python 2.

    Raises
    ------
    InputError
        The pickle names anything else, or is damaged.
    """
    with open(path, "rb") as stream:
        return read_restricted(stream, str(path), allowed, encoding)


def read_restricted(stream: BinaryIO, name: str, allowed: Mapping[str, Callable], encoding: str = "ASCII") -> Any:
    """As `load_restricted`, of an open stream, which messages call `name`."""
    try:
        return _Restricted(stream, allowed, name, encoding).load()
    except InputError:
        raise
    except Exception as error:
        raise InputError(f"{name} is no whole pickle of the kind expected ({type(error).__name__}: {error})") from None
