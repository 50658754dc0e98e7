"""What a chapter's parameters are: typed, with ranges, units in their names, and one sentence each.

A chapter's model fills its notebook's `parameters` cell, the report's table and the command line's help, and checks the
values alike on the command line and in a notebook's kernel.
"""

import difflib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, ValidationInfo, field_validator

from sface_lib.errors import ParameterError
from sface_lib.files import expand_pattern

# Pydantic compares a Literal with the value as given, so a number that came as text is read first.
NUMBER_FROM_TEXT = BeforeValidator(lambda value: int(value) if isinstance(value, str) and value.isdecimal() else value)

CELL_HEAD = (
    "# fmt: off\n# What this notebook reads; papermill and JupyterLab overwrite it. `make notebooks` writes this cell."
)


class Parameters(BaseModel):
    """Base of every chapter's parameters: unknown names, wrong types and values out of range are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @field_validator("*")
    @classmethod
    def _existing(cls, value: Any, info: ValidationInfo) -> Any:
        """A path must exist, and is kept absolute because notebooks run in another folder."""
        words = path_words(cls, info.field_name)
        if words is None or value in words:
            return value
        path = existing(value, takes_shards(cls, info.field_name))
        if path is None:
            allowed = " or ".join(repr(word) if word else "leave it empty" for word in words)
            there = str(Path(value).expanduser())
            raise ValueError(f"{info.field_name}: no file or folder at {there!r}; give an existing path, or {allowed}")
        return path


P = TypeVar("P", bound=Parameters)


def existing(value: str, shards: bool = False) -> str | None:
    """The path, absolute and with `~` expanded; None where nothing exists there.

    With `shards` it may be a pattern of files, such as train-{000..099}.tar, all of which must exist.
    """
    path = Path(value).expanduser()
    there = path.exists() or (shards and expand_pattern(path) is not None)
    return str(path.resolve()) if there else None


def setting(default: Any, description: str, formerly: str = "", **limits: Any) -> Any:
    """A parameter with its default, its sentence, the name that it once had, and its limits."""
    extra = {"formerly": formerly} if formerly else None
    return Field(default, description=description, json_schema_extra=extra, **limits)


def path_setting(default: str, description: str, words: Iterable[str], shards: bool = False) -> Any:
    """A parameter that is a path, or one of some words; with `shards` also a pattern of files."""
    return Field(default, description=description, json_schema_extra={"path_or": list(words), "shards": shards})


def check(model: type[P], values: Mapping[str, Any]) -> P:
    """Check plain values (text is converted to the field's type) and give the model.

    Raises
    ------
    ParameterError
        An unknown name (the nearest valid one is given), or a value of the wrong type or out of range.
    """
    for name in values:
        if name not in model.model_fields:
            raise unknown_parameter(name, model, model.model_fields, "", "'sface report --help' lists all")
    try:
        return model.model_validate(dict(values))
    except ValidationError as error:
        raise ParameterError("; ".join(_sentence(model, item) for item in error.errors())) from None


def unknown_parameter(
    name: str, model: type[Parameters], names: Iterable[str], where: str, otherwise: str
) -> ParameterError:
    """The error for a name that is not in `names`: it suggests its name in the model, the nearest, or `otherwise`."""
    for new, field in model.model_fields.items():
        if (field.json_schema_extra or {}).get("formerly") == name:
            return ParameterError(f"parameter {name!r} is called {new!r} now; use that name")
    near = difflib.get_close_matches(name, list(names), n=1, cutoff=0.75)
    hint = f"did you mean {near[0]!r}?" if near else f"{otherwise}."
    return ParameterError(f"parameter {name!r} does not exist{f' {where}' if where else ''}; {hint}")


def _sentence(model: type[Parameters], item: Mapping[str, Any]) -> str:
    """One pydantic error in our words: parameter, value, what is allowed."""
    message = item["msg"].removeprefix("Value error, ")
    if not item["loc"] or item["type"] == "value_error":
        return message
    name = str(item["loc"][0])
    allowed = model.model_fields[name].description
    return f"parameter {name} = {item['input']!r} is not allowed: {message[0].lower()}{message[1:]} ({allowed})"


def input_paths(parameters: Parameters) -> dict[str, Path]:
    """Files and folders outside the run folder that are read, by parameter; a list gives "<parameter> <what>"."""
    paths = {}
    for name in type(parameters).model_fields:
        words, value = path_words(type(parameters), name), getattr(parameters, name)
        if isinstance(value, tuple):
            paths |= {f"{name} {what}": path for item in value for what, path in item.files().items()}
        elif words is not None and value not in words:
            paths[name] = Path(value)
    return paths


def as_settings(parameters: Parameters, model: type[Parameters]) -> list[str]:
    """The parameters that `model` has and that are not None, as arguments `--set=name=value` of the command line."""
    values = parameters.model_dump(mode="json").items()
    return [f"--set={name}={value}" for name, value in values if name in model.model_fields and value is not None]


def describe(model: type[Parameters]) -> list[dict[str, Any]]:
    """Name, type, default, range and description of every parameter, for help texts and tables."""
    properties = model.model_json_schema()["properties"] if model.model_fields else {}
    return [
        {
            "name": name,
            "type": _type_text(properties[name]),
            "default": field.default,
            "range": _range_text(properties[name]),
            "description": field.description,
        }
        for name, field in model.model_fields.items()
    ]


def cell_source(
    model: type[Parameters], values: Mapping[str, Any] | None = None, run_dir: str = "runs/interactive"
) -> str:
    """A notebook's `parameters` cell: each parameter's value with its meaning, type and range behind it.

    `values` are those that differ from the defaults; names that `model` does not have are ignored.

    No comment holds a `=`: papermill would not show the line.
    """
    lines = [CELL_HEAD, f"run_dir = {json.dumps(run_dir, ensure_ascii=False)}  # Folder of the run."]
    for row in describe(model):
        value = (values or {}).get(row["name"], row["default"])
        value = json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)
        limits = f"; {row['range']}".replace(">=", "≥").replace("<=", "≤") if row["range"] else ""
        lines.append(f"{row['name']} = {value}  # {row['description']} ({row['type']}{limits})")
    return "\n".join(lines)


def parse_numbers(text: str) -> tuple[int, ...]:
    """The whole numbers of a list such as "10, 20", ascending, each once."""
    return tuple(sorted({int(number) for number in text.split(",") if number.strip()}))


def path_words(model: type[BaseModel], name: str) -> list[str] | None:
    """Words that a path parameter also accepts, such as "none"; None where it is no path, or does not exist."""
    field = model.model_fields.get(name)
    return field and (field.json_schema_extra or {}).get("path_or")


def takes_shards(model: type[BaseModel], name: str) -> bool:
    """Whether a parameter that is a path may be a pattern of files."""
    return model.model_fields[name].json_schema_extra["shards"]


def _type_text(schema: Mapping[str, Any]) -> str:
    """`integer`, `number`, `string`, `boolean`, or the choices."""
    if "enum" in schema:
        return " | ".join(str(choice) for choice in schema["enum"])
    return schema.get("type") or next(option["type"] for option in schema["anyOf"])


def _range_text(schema: Mapping[str, Any]) -> str:
    """Bounds as they stand in the JSON schema, e.g. `>= 2, < 10`."""
    words = {"minimum": ">=", "exclusiveMinimum": ">", "maximum": "<=", "exclusiveMaximum": "<"}
    bounds = {key: value for part in (schema, *schema.get("anyOf", ())) for key, value in part.items()}
    return ", ".join(f"{sign} {bounds[key]:.10g}" for key, sign in words.items() if key in bounds)
