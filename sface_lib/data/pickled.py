"""What the pickle of a verification .bin may build: byte strings, and arrays of bytes or booleans, without NumPy.

The names are those by which Python 2 and 3, and NumPy 1 and 2, write such values.
"""

import pickle
from typing import Any


class PickledArray:
    """Stands for an array of bytes or booleans while a pickle is read; keeps its shape and bytes alone."""

    shape: tuple[int, ...] = (0,)
    data: bytes = b""

    def __setstate__(self, state: tuple):
        _, shape, kind, _, data = state
        _require(isinstance(kind, _Kind) and isinstance(data, bytes))
        _require(isinstance(shape, tuple) and all(type(side) is int for side in shape))
        self.shape, self.data = shape, data


class _Kind:
    """Stands for a type of one byte, uint8 or bool; any other is refused."""

    def __init__(self, name: str | bytes, *_: Any):
        _require(name in ("u1", "b1", b"u1", b"b1"))

    def __setstate__(self, state: tuple):
        """Byte order and alignment, which a byte doesn't have."""


def _require(allowed: bool) -> None:
    if not allowed:
        raise pickle.UnpicklingError("a value that is neither bytes nor booleans")


def _start_array(*_: Any) -> PickledArray:
    return PickledArray()


def _from_buffer(data: bytes | bytearray, kind: _Kind, shape: tuple[int, ...], *_: Any) -> PickledArray:
    """How NumPy writes arrays in protocol 5."""
    array = PickledArray()
    _require(isinstance(data, bytes | bytearray))
    array.__setstate__((1, shape, kind, False, bytes(data)))
    return array


def _scalar(kind: _Kind, data: bytes) -> bool:
    _require(isinstance(kind, _Kind) and data in (b"\0", b"\1"))
    return data == b"\1"


def _encode(text: str, encoding: str) -> bytes:
    """How Python 3 writes byte strings in protocol 2."""
    _require(isinstance(text, str) and encoding == "latin1")
    return text.encode("latin1")


def _bytearray(data: bytes | str, *_: str) -> bytes:
    """How Python 3 writes byte arrays before protocol 5."""
    _require(isinstance(data, bytes | str))
    return data.encode("latin1") if isinstance(data, str) else data


ALLOWED = {
    "numpy.ndarray": PickledArray,
    "numpy.dtype": _Kind,
    "_codecs.encode": _encode,
    "__builtin__.bytearray": _bytearray,
    "builtins.bytearray": _bytearray,
}
for _core in ("numpy.core", "numpy._core"):
    ALLOWED[f"{_core}.multiarray._reconstruct"] = _start_array
    ALLOWED[f"{_core}.multiarray.scalar"] = _scalar
    ALLOWED[f"{_core}.numeric._frombuffer"] = _from_buffer
