"""Results as plain JSON values, strictly: nothing is rounded, dropped or turned into text unseen."""

import dataclasses
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sface_lib.errors import InputError


def to_plain(value: Any, name: str) -> Any:
    """Convert numpy values, dataclasses, pydantic models, paths, tuples and sets to plain JSON values.

    Parameters
    ----------
    value
        What to convert.
    name
        What it is called, for messages, e.g. "results.link".

    Raises
    ------
    InputError
        A number is NaN or infinite, a key is not text, or a type has no plain form.
    """
    if value is None or isinstance(value, (str, bool, int)):
        return value
    if isinstance(value, float):
        return _finite(value, name)
    if isinstance(value, Path):
        return str(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = dataclasses.fields(value)
        return {field.name: to_plain(getattr(value, field.name), f"{name}.{field.name}") for field in fields}
    if isinstance(value, Mapping):
        return {_key(key, name): to_plain(item, f"{name}.{key}") for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_plain(item, f"{name}[{i}]") for i, item in enumerate(value)]
    return _from_library(value, name)


def _from_library(value: Any, name: str) -> Any:
    """Values of numpy, torch and pydantic, recognised without importing them."""
    if hasattr(value, "model_dump"):
        return to_plain(value.model_dump(mode="python"), name)
    if hasattr(value, "tolist"):
        return to_plain(value.tolist(), name)
    raise InputError(f"{name} is a {type(value).__name__}, which JSON cannot hold; give numbers, text, lists or dicts")


def _finite(value: float, name: str) -> float:
    if not math.isfinite(value):
        raise InputError(f"{name} is {value}, which JSON cannot hold; give None, with the reason beside it")
    return float(value)


def _key(key: Any, name: str) -> str:
    """A key of a JSON object; whole numbers (numpy's too) become text."""
    if isinstance(key, str):
        return key
    if hasattr(key, "__index__") and not isinstance(key, bool):
        return str(int(key))
    raise InputError(f"{name} has the key {key!r}; keys are text or whole numbers")
