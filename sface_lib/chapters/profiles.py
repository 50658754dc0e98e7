"""Profiles: sets of parameters that ship as `profiles/*.toml`; `--set name=value` overrides them.

A study file is a profile of the user's own: a TOML file of parameters, with a table for each synthetic set, and the
profile that it begins with.
"""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from sface_lib.chapters.registry import ReportParameters
from sface_lib.chapters.setspec import SHIPPED, parse_sets
from sface_lib.errors import ParameterError
from sface_lib.run.parameters import Parameters, check, path_words

FOLDER = Path(__file__).resolve().parents[1] / "profiles"

P = TypeVar("P", bound=Parameters)


def profile_names() -> tuple[str, ...]:
    """Names of the profiles that ship."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.toml")))


def load_profile(name: str) -> dict[str, Any]:
    """Values of a profile that ships, or of a study file, checked against nothing yet.

    Paths in a study file are relative to its folder; `profile` in it names the profile that it begins with, by default
    "quick".

    Raises
    ------
    ParameterError
        There is no such profile, or the file is no TOML.
    """
    if name in profile_names():
        return tomllib.loads((FOLDER / f"{name}.toml").read_text(encoding="utf-8"))
    path = Path(name).expanduser()
    if path.suffix != ".toml" or not path.is_file():
        known = ", ".join(profile_names())
        raise ParameterError(
            f"profile {name!r} does not exist; choose one of {known}, or give a study file that ends in .toml"
        )
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ParameterError(f"the study file '{path}' is not TOML: {error}; mend it") from None
    start = values.pop("profile", "quick")
    if start not in profile_names():
        raise ParameterError(
            f"profile = {start!r} in '{path}' does not exist; choose one of {', '.join(profile_names())}"
        )
    return load_profile(start) | beside(path.resolve().parent, values)


def beside(folder: Path, values: Mapping[str, Any]) -> dict[str, Any]:
    """Values of a study file with their paths relative to its folder."""
    settings = dict(values)
    for name, value in values.items():
        words = path_words(ReportParameters, name)
        if words is not None and isinstance(value, str) and value not in words:
            settings[name] = str(folder / Path(value).expanduser())
    if "synthetic" in settings:
        settings["synthetic"] = [_set_beside(folder, each) for each in parse_sets(settings["synthetic"])]
    return settings


def _set_beside(folder: Path, table: Any) -> Any:
    if not isinstance(table, Mapping):
        return table
    spec = dict(table)
    for key in ("path", "model"):
        if isinstance(value := spec.get(key), str) and value not in ("", SHIPPED):
            spec[key] = str(folder / Path(value).expanduser())
    if isinstance(models := spec.get("taught_by"), list):
        there = [folder / Path(str(each)).expanduser() for each in models]
        spec["taught_by"] = [str(path) if path.exists() else each for path, each in zip(there, models, strict=True)]
    return spec


def build_parameters(profile: str, overrides: Mapping[str, str] | None = None, model: type[P] = ReportParameters) -> P:
    """Profile and overrides as one checked model: of a whole report, or of a part of it.

    A part takes from profile and overrides what it reads; what no report has is refused all the same.

    Raises
    ------
    ParameterError
        An unknown profile or parameter (the nearest valid name is given), or a value of the wrong type or out of range.
    """
    values, given = load_profile(profile), dict(overrides or {})
    required = values.pop("required", ())
    missing = [name for name in required if name not in values | given]
    if missing and model is ReportParameters:
        raise ParameterError(
            f"profile {profile!r} needs {', '.join(missing)}; give "
            + " ".join(f"--set {name}={'NAME=' * (name == 'synthetic')}PATH" for name in missing)
        )
    both = values | given
    elsewhere = ReportParameters.model_fields.keys() - model.model_fields.keys()
    return check(model, {name: value for name, value in both.items() if name not in elsewhere})
