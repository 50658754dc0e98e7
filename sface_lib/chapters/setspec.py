"""How synthetic sets are asked for, on the command line and in a study file."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    PlainSerializer,
    WithJsonSchema,
    field_validator,
)
from pydantic import model_validator as check_model

from sface_lib.run.parameters import existing

GENERATED, SHIPPED = "generated", "embedded"
AUTHENTIC, OWN, FOLDERS, UNLABELLED = "authentic", "own", "folders", "none"
UNEXPOSED = "unexposed"
LABELS = (OWN, FOLDERS, AUTHENTIC, UNLABELLED)
# Names that tables, figures and files of a report give to something else.
TAKEN = ("authentic", "baseline", "control", "held-out", "mean", "mix", "unlabelled", "untrained")
GRAMMAR = "name=path[:own|folders|authentic|none][:unexposed]"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]{0,39}")
# Why a model does not judge a set.
TAUGHT, STEERED, LEARNT = "taught the set's generator", "steered the set's generator", "was trained on the set"

Labels = Literal["own", "authentic", "none"]


class SetSpec(BaseModel):
    """A synthetic set as it is asked for.

    Attributes
    ----------
    name
        Stands for it in every table.
    path
        Where it lies; "embedded" for the shipped set of rendered persons that nothing was trained on; empty for the
        set that this run's generator draws, whose name is "generated".
    labels
        What a class is: "own", an identity of the set's own; "folders", the same, and the folders of images are those
        identities, whatever else tells them; "authentic", the authentic identity of the class's name; "none", nothing.
    exposed
        Whether its generator may have seen the authentic set.
    model
        Weights of a network that was trained on it, which is then evaluated; empty without one.
    taught_by
        Models inside its generator: paths, names or SHA-256. They do not judge it, nor does `model`.
    credit, licence
        Who made it and under what terms, for the page.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    path: str = ""
    labels: Literal["own", "folders", "authentic", "none"] = OWN
    exposed: bool = True
    model: str = ""
    taught_by: tuple[str, ...] = ()
    credit: str = ""
    licence: str = ""

    @property
    def generated(self) -> bool:
        """Whether this run's generator draws it."""
        return self.name == GENERATED

    @property
    def barred_models(self) -> dict[str, str]:
        """Models that do not judge it, as `taught_by` names them -> why."""
        return ({self.model: LEARNT} if self.model else {}) | dict.fromkeys(self.taught_by, TAUGHT)

    @field_validator("name")
    @classmethod
    def _a_name(cls, name: str) -> str:
        if not NAME.fullmatch(name):
            raise ValueError(
                f"synthetic: {name!r} cannot name a set; use 1 to 40 letters, digits and . _ + -, e.g. dcface=PATH"
            )
        if name.lower() in TAKEN:
            raise ValueError(f"synthetic: the name {name!r} is taken by the report itself; choose another")
        return name

    @check_model(mode="after")
    def _fits(self) -> "SetSpec":
        if self.generated and self.path:
            raise ValueError(
                "synthetic: 'generated' is what this run's generator draws and has no path; give the set at "
                f"{self.path!r} another name"
            )
        if not self.generated and not self.path:
            raise ValueError(
                f"synthetic: the set {self.name!r} needs a path; only the generator's set, 'generated', has none"
            )
        if not self.exposed and (self.generated or self.labels == AUTHENTIC):
            raise ValueError(
                f"synthetic: {self.name!r} cannot be unexposed: its classes are authentic identities; leave one out"
            )
        return self

    @check_model(mode="before")
    @classmethod
    def _complete(cls, values: Any) -> Any:
        """What follows from the kind of set, and paths made absolute."""
        if not isinstance(values, Mapping):
            return values
        name, path = values.get("name"), values.get("path", "")
        unknown = values.keys() - cls.model_fields.keys()
        if unknown:
            allowed = ", ".join(field for field in cls.model_fields if field != "name")
            raise ValueError(f"synthetic: the set {name!r} has {min(unknown)!r}, which is none of {allowed}")
        implied = {"labels": AUTHENTIC} if name == GENERATED else {}
        if path == SHIPPED:
            implied = {"labels": OWN, "exposed": False}
        for key, value in implied.items():
            if values.get(key, value) != value:
                raise ValueError(
                    f"synthetic: the set {name!r} has {key} = {value!r}, not {values[key]!r}; leave it out"
                )
        spec = dict(values) | implied
        if path and path != SHIPPED:
            spec["path"] = _existing(path, f"{name} path", shards=True)
        if model := spec.get("model"):
            spec["model"] = _existing(model, f"{name} model")
        spec["taught_by"] = _models(spec.get("taught_by", ()), name)
        return spec

    def files(self) -> dict[str, Path]:
        """Files and folders outside the run folder that are read for it, by what they are."""
        given = {self.name: self.path, f"{self.name} model": self.model}
        given |= {f"{self.name} taught by {each}": each for each in self.taught_by if Path(each).is_file()}
        return {what: Path(path) for what, path in given.items() if path and path != SHIPPED}

    def as_text(self) -> str | None:
        """As the command line names it; None where that has no place for what was said of it."""
        if self.generated and self == SetSpec(name=GENERATED):
            return GENERATED
        plain = self == SetSpec(name=self.name, path=self.path, labels=self.labels, exposed=self.exposed)
        if self.generated or not plain or set(self.path) & set(",:="):
            return None
        words = "" if self.path == SHIPPED else f":{self.labels}" + ("" if self.exposed else f":{UNEXPOSED}")
        return f"{self.name}={self.path}{words}"


def parse_sets(value: Any) -> Any:
    """Specifications out of text (`GRAMMAR`, separated by commas), a study file's tables by name, or a list of them."""
    if isinstance(value, str):
        return [_parse(part.strip()) for part in value.split(",") if part.strip()]
    if isinstance(value, Mapping):
        return [{"name": name, **table} if isinstance(table, Mapping) else table for name, table in value.items()]
    return value


def _parse(text: str) -> dict[str, Any]:
    if text == GENERATED:
        return {"name": GENERATED}
    name, equals, rest = text.partition("=")
    path, *words = (part.strip() for part in rest.split(":"))
    labels = [word for word in words if word in LABELS]
    unknown = [word for word in words if word not in (*LABELS, UNEXPOSED)]
    if not equals or not path or unknown or len(labels) > 1 or len(words) > len(labels) + 1:
        raise ValueError(
            f"synthetic: {text!r} is not {GRAMMAR} or {GENERATED!r}; a path with , : or = needs a study file, where "
            "each set has a table"
        )
    given = {"name": name.strip(), "path": path}
    return given | ({"labels": labels[0]} if labels else {}) | ({"exposed": False} if UNEXPOSED in words else {})


def _distinct(sets: tuple[SetSpec, ...]) -> tuple[SetSpec, ...]:
    if not sets:
        raise ValueError(f"synthetic is empty; give {GENERATED!r}, {GRAMMAR}, or several of them")
    for what, keys in (("name", [s.name.lower() for s in sets]), ("path", [s.path for s in sets if s.path])):
        twice = [key for key in keys if keys.count(key) > 1]
        if twice:
            raise ValueError(
                f"synthetic: the {what} {twice[0]!r} stands twice; give each set once, by a name of its own"
            )
    return sets


def _dump(sets: tuple[SetSpec, ...]) -> str | list[dict[str, Any]]:
    """Text, where the command line could say it; else a list of tables."""
    texts = [each.as_text() for each in sets]
    return [each.model_dump(mode="json") for each in sets] if None in texts else ", ".join(texts)


SyntheticSets = Annotated[
    tuple[SetSpec, ...],
    BeforeValidator(parse_sets),
    AfterValidator(_distinct),
    PlainSerializer(_dump),
    WithJsonSchema({"type": "string"}),
]


def _models(value: Any, name: Any) -> list[str]:
    """Models inside a generator, those that are paths made absolute."""
    if not isinstance(value, list | tuple) or not all(isinstance(each, str) and each.strip() for each in value):
        raise ValueError(
            f"synthetic: the set {name!r} has taught_by = {value!r}, which is no list of models; give their paths, "
            'names or SHA-256, e.g. taught_by = ["r100.onnx"]'
        )
    return [existing(each) or each for each in value]


def _existing(value: str, what: str, shards: bool = False) -> str:
    path = existing(value, shards)
    if path is None:
        raise ValueError(f"synthetic: no file or folder at {value!r} for {what}; give an existing path")
    return path
