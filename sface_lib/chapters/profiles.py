"""Profiles: sets of parameters that ship as `profiles/*.toml`; `--set name=value` overrides them."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from sface_lib.chapters.registry import ReportParameters
from sface_lib.errors import ParameterError
from sface_lib.run.parameters import Parameters, check

FOLDER = Path(__file__).resolve().parents[1] / "profiles"

P = TypeVar("P", bound=Parameters)


def profile_names() -> tuple[str, ...]:
    """Names of the profiles that ship."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.toml")))


def load_profile(name: str) -> dict[str, Any]:
    """Values of a profile, checked against nothing yet.

    Raises
    ------
    ParameterError
        There is no such profile.
    """
    if name not in profile_names():
        raise ParameterError(f"profile {name!r} does not exist; choose one of {', '.join(profile_names())}")
    return tomllib.loads((FOLDER / f"{name}.toml").read_text(encoding="utf-8"))


def build_parameters(profile: str, overrides: Mapping[str, str] | None = None, model: type[P] = ReportParameters) -> P:
    """Profile and overrides as one checked model: of a whole report, or of a part of it.

    A part takes from profile and overrides what it reads; what no report has is refused all the same.

    Raises
    ------
    ParameterError
        An unknown profile or parameter (the nearest valid name is given), or a value of the wrong type or out of range.
    """
    values, given = load_profile(profile), dict(overrides or {})
    missing = [name for name in values.pop("required", ()) if name not in given]
    if missing and model is ReportParameters:
        raise ParameterError(
            f"profile {profile!r} needs {', '.join(missing)}; give "
            + " ".join(f"--set {name}=PATH" for name in missing)
        )
    both = values | given
    elsewhere = ReportParameters.model_fields.keys() - model.model_fields.keys()
    return check(model, {name: value for name, value in both.items() if name not in elsewhere})
