"""Results of a chapter as dataclasses: written as plain JSON, read back by attribute, strictly."""

import json
from typing import Any, ClassVar, TypeVar

from pydantic import ConfigDict, TypeAdapter, ValidationError

from sface_lib.errors import InputError
from sface_lib.run.plain import to_plain

T = TypeVar("T")


class Facts:
    """Base of the dataclasses that results are made of: unknown fields, other types, NaN and infinity are refused."""

    __pydantic_config__ = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


class Results(Facts):
    """Base of a chapter's results; increase `VERSION` when a field changes its meaning or its place."""

    VERSION: ClassVar[int] = 1


def as_plain(results: Any, kind: type) -> Any:
    """Results as plain JSON values, checked by reading them back.

    Raises
    ------
    InputError
        They are not of the kind that the chapter declares, or hold what JSON cannot.
    """
    if not isinstance(results, kind):
        raise InputError(f"the results are of type {type(results).__name__}, and {kind.__name__} was declared")
    plain = to_plain(results, "results")
    from_plain(plain, kind)
    return plain


def from_plain(plain: Any, kind: type[T]) -> T:
    """Results out of plain JSON values; raises `InputError` that names the first field that is missing or wrong."""
    try:
        return TypeAdapter(kind).validate_json(json.dumps(plain))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "results"
        raise InputError(f"{where}: {first['msg'][0].lower()}{first['msg'][1:]}") from None


def schema(kind: type) -> dict[str, Any]:
    """JSON Schema of a chapter's results."""
    return TypeAdapter(kind).json_schema()
