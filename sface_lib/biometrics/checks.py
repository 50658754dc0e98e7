"""What the functions of this package accept; each check returns the value in the form that is computed with."""

import operator

import numpy as np

from sface_lib.errors import InputError

# Squares and sums of scores up to this size stay finite in float64.
LARGEST_SCORE = 1e100


def as_array(name: str, values, ndim: int, kinds: str, allowed: str) -> np.ndarray:
    """Return `values` as a non-empty array of `ndim` dimensions whose dtype is of one of `kinds`."""
    try:
        array = np.asarray(values)
    except (TypeError, ValueError) as error:
        raise InputError(f"{name} cannot be read as an array ({error}); give {allowed}.") from error
    if array.ndim != ndim or array.size == 0:
        raise InputError(f"{name} has shape {array.shape}; give {allowed}, at least one.")
    if array.dtype.kind not in kinds:
        raise InputError(f"{name} holds values of type {array.dtype}; give {allowed}.")
    return array


def scores(name: str, values) -> np.ndarray:
    """Return `values` as float64 [N]; NaN, infinite and overflowing scores are refused."""
    array = as_array(name, values, 1, "iuf", "real scores in one dimension").astype(np.float64)
    bad = np.flatnonzero(~(np.abs(array) <= LARGEST_SCORE))
    if bad.size:
        raise InputError(
            f"{name} holds {bad.size} unusable value(s), the first {array[bad[0]]} at index {bad[0]}; "
            f"give finite scores of size {LARGEST_SCORE:g} or less."
        )
    return array


def labels(name: str, values, length: int) -> np.ndarray:
    """Return `values` as int64 [length]."""
    array = as_array(name, values, 1, "iu", "integer labels in one dimension")
    same_length(name, array, length)
    return array.astype(np.int64)


def flags(name: str, values, length: int) -> np.ndarray:
    """Return `values` as bool [length]; 0 and 1 stand for False and True."""
    array = as_array(name, values, 1, "biu", "booleans in one dimension")
    same_length(name, array, length)
    if array.dtype.kind != "b" and not np.isin(array, (0, 1)).all():
        raise InputError(f"{name} holds values other than 0 and 1; give booleans.")
    return array.astype(bool)


def both_classes(name: str, same: np.ndarray) -> None:
    """Refuse pairs that are all genuine or all impostor."""
    if same.all() or not same.any():
        kind = "genuine" if same.all() else "impostor"
        raise InputError(f"{name} holds {kind} pairs only; give both genuine (True) and impostor (False) pairs.")


def embeddings(name: str, values) -> np.ndarray:
    """Return `values` as a real array [N, d] of finite rows, none of them all zero."""
    array = as_array(name, values, 2, "f", "float embeddings [N, d]")
    bad = np.flatnonzero(~(np.isfinite(array).all(axis=1) & array.any(axis=1)))
    if bad.size:
        raise InputError(
            f"{name} holds {bad.size} row(s) with NaN, infinity or only zeros, the first at index {bad[0]}; "
            "give finite embeddings of unit length."
        )
    return array


def same_width(**sets: np.ndarray) -> None:
    """Refuse embeddings `[N, d]` of several widths."""
    widths = {name: rows.shape[1] for name, rows in sets.items()}
    if len(set(widths.values())) > 1:
        told = ", ".join(f"{name} has {width}" for name, width in widths.items())
        raise InputError(f"embeddings differ in width: {told}; use one model for all.")


def same_length(name: str, array: np.ndarray, length: int) -> None:
    """Refuse an array that is not `length` long."""
    if len(array) != length:
        raise InputError(f"{name} has {len(array)} entries; give {length}, one for each of the others.")


def integer(name: str, value, low: int, high: int | None = None) -> int:
    """Return `value` as an int between `low` and `high`, both included."""
    limit = f"of at least {low}" if high is None else f"between {low} and {high}"
    try:
        number = operator.index(value)
    except TypeError as error:
        raise InputError(f"{name} is {value!r}; give an integer {limit}.") from error
    if number < low or (high is not None and number > high):
        raise InputError(f"{name} is {number}; give an integer {limit}.")
    return number


def share(name: str, value, *, one_allowed: bool) -> float:
    """Return `value` as a float above 0 and below 1 (or up to 1)."""
    if isinstance(value, (int, float, np.number)) and (0 < value < 1 or (one_allowed and value == 1)):
        return float(value)
    raise InputError(f"{name} is {value!r}; give a number above 0 and {'at most' if one_allowed else 'below'} 1.")
