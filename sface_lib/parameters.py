"""Every parameter of the report on one page: its type, default, range, unit and reason.

The same model fills the notebooks' `parameters` cells, the report's table and the command line's help. The defaults
are those of a small interactive session; profiles (`profiles/*.toml`, beside this file) override them, and
`--set name=value` overrides the profile.
"""

import difflib
import tomllib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from sface_lib.errors import ParameterError

EMBEDDED = "embedded"
NONE = "none"
AUTO = "auto"
BASELINE = "baseline"
PROFILES_FOLDER = Path(__file__).parent / "profiles"
# Parameters that are a path, and the words that stand there instead.
PATH_PARAMETERS = {
    "authentic": (EMBEDDED,),
    "protocol": (EMBEDDED,),
    "protocol_faces": ("",),
    "verifier": (EMBEDDED,),
    "second_verifier": (AUTO, NONE),
    "generator_weights": (EMBEDDED, NONE),
    "identity_model": ("",),
    "teacher": (BASELINE,),
    "groups": ("",),
    "attribute_classifier": (AUTO, NONE),
}
EMBEDDED_WEIGHTS_PX = 64


def _field(default: Any, stages: str, description: str, **limits: Any) -> Any:
    """A field that also says which stages read it."""
    return Field(default, description=description, json_schema_extra={"stages": stages.split()}, **limits)


# Pydantic compares a Literal with the value as given, so a number that came as text is read first.
_FROM_TEXT = BeforeValidator(lambda value: int(value) if isinstance(value, str) and value.isdecimal() else value)


class ReportParameters(BaseModel):
    """All parameters of one run; unknown names, wrong types and values out of range are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    # What is read. A path, or the word for what ships or is made in the run.
    authentic: str = _field(
        EMBEDDED,
        "01 02 03 04 05 06",
        "Authentic faces: a folder, zip or tar of identity folders, a set with dataset.json, RecordIO, "
        "or 'embedded' for the rendered population, in which no person exists.",
    )
    protocol: str = _field(
        EMBEDDED,
        "01 03 04 05 06",
        "Verification pairs: LFW's pairs.txt, a CSV of left,right,same,fold, another benchmark's own list, a "
        "verification .bin, or a folder of several .bin; 'embedded' for the population's five.",
    )
    protocol_faces: str = _field(
        "",
        "01 03 04 05 06",
        "Faces that the pairs name; empty for the authentic set itself, or for a .bin, which holds its own.",
    )
    verifier: str = _field(
        EMBEDDED,
        "02 03 06",
        "Weights of the recognition model that judges quality and link; 'embedded' is the shipped one, for rendered "
        "faces.",
    )
    teacher: str = _field(
        BASELINE,
        "04 05",
        "Weights of the frozen teacher of KT and CL; 'baseline' is the authentic baseline of the same run.",
    )
    on_bad_image: Literal["stop", "skip"] = _field(
        "stop", "01", "What an image that cannot be decoded does: stop the run, or be skipped and counted."
    )
    groups: str = _field(
        "",
        "05",
        "CSV with the columns identity and group for faces of your own: accuracy is told for each group, too.",
    )
    show_authentic_images: bool | None = _field(
        None,
        "01 02 03 05 06",
        "Show authentic faces and names in the report; unset means only for the embedded set, which shows nobody.",
    )
    seed: int = _field(0, "01 02 03 04 05 06", "Seed of every random draw.", ge=0, le=2**31 - 1)
    precision: Literal["auto", "float32", "bf16"] = _field(
        "auto",
        "02 03 04 05 06",
        "Arithmetic of the networks; auto takes bf16 autocast where the processor has it.",
    )

    # 01: which identities train.
    evaluation_folds: str = _field(
        "all",
        "01",
        "Folds of the protocol to evaluate on, two or more, e.g. 6-10; identities in them are never trained on.",
        pattern=r"^\s*(all|\d+\s*(-\s*\d+)?(\s*,\s*\d+\s*(-\s*\d+)?)*)\s*$",
    )
    min_images: int = _field(2, "01", "Fewest images of an identity to train on it.", ge=1)
    embedded_identities: int = _field(12, "01", "Identities of the population that train the generator.", ge=2, le=200)
    embedded_images: int = _field(12, "01", "Images of each of them.", ge=2, le=20)

    # 02: the generator.
    generator_weights: str = _field(
        EMBEDDED,
        "02",
        "Weights that training goes on from: a file made by this program, or an official StyleGAN2-ADA .pkl; "
        "'embedded' is the shipped generator of the population, 'none' begins with noise.",
    )
    generator_resolution_px: Annotated[Literal[16, 32, 64, 128, 256], _FROM_TEXT] = _field(
        EMBEDDED_WEIGHTS_PX, "02", "Side of the generated images."
    )
    generator_channel_base: int = _field(
        2048,
        "02",
        "Channels at a resolution are this over the resolution, up to generator_channel_max; given weights have their "
        "own.",
        ge=64,
    )
    generator_channel_max: int = _field(128, "02", "Most channels of a layer; given weights have their own.", ge=8)
    noise_injection: bool = _field(
        False,
        "02",
        "Add noise to every layer of the generator, as published; in a short training at a small size it covers the "
        "faces with texture.",
    )
    total_kimg: float = _field(
        2.0,
        "02",
        "Length of the generator's training in this run: thousand images shown to the discriminator. 0 uses given "
        "weights as they are.",
        ge=0,
    )
    generator_batch: int = _field(
        16, "01 02", "Images in one training step of the generator, over all processes.", ge=2
    )
    generator_learning_rate: float = _field(0.005, "02", "Adam step size of generator and discriminator.", gt=0, lt=1)
    r1_gamma: float | None = _field(
        None,
        "02",
        "Weight of the R1 gradient penalty on real images; unset is 0.0002 x side² / batch, and at least 0.3.",
        ge=0,
    )
    r1_interval_steps: int = _field(16, "02", "The R1 penalty is computed at every so many steps.", ge=1)
    ema_half_life_kimg: float = _field(2.0, "02", "Half-life of the moving average of the generator's weights.", gt=0)
    style_mixing: float = _field(
        0.0,
        "02",
        "Share of batches that take their finer layers' styles from a second latent; 0.9 is published, none is faster "
        "at a small size.",
        ge=0,
        le=1,
    )
    ada_target: float = _field(
        0.6,
        "02",
        "Adaptive augmentation holds the mean sign of the discriminator's logits for real images here; 0 turns it off.",
        ge=0,
        lt=1,
    )
    ada_kimg: float = _field(500.0, "02", "Length over which the strength of augmentation could go from 0 to 1.", gt=0)
    label_sampling: Literal["images", "classes"] = _field(
        "images",
        "02",
        "Labels of generated images in training: as frequent as the set's images, or every class alike.",
    )
    snapshot_kimg: float = _field(1.0, "02", "A picture grid is drawn and a checkpoint kept every so many kimg.", gt=0)
    images_per_class: int = _field(
        12,
        "01 02 04",
        "Synthetic images of each class, and most images of a class that any recognition model is trained on.",
        ge=2,
    )
    psi: float = _field(1.0, "02 06", "Truncation of the latent space; 1 is none.", ge=0, le=1)

    identity_model: str = _field(
        "",
        "02",
        "Weights of a recognition model that steers the drawn faces toward their class's identity; empty steers none. "
        "It must not be the verifier, which judges the outcome.",
    )
    identity_steps: int = _field(3, "02", "Steps of each latent up the gradient of that model's score.", ge=0)
    identity_score: float = _field(
        0.3, "02", "Drawn faces that score less to their class's mean are left out.", ge=-1, le=1
    )

    # 03: the identity link.
    second_verifier: str = _field(
        AUTO,
        "03",
        "Weights of another recognition model that judges the link; 'auto' is dlib's public model where the extra "
        "align is installed, 'none' leaves it out.",
    )
    shuffles: int = _field(1000, "03 06", "Label shuffles, and random splits of two sets, that give chance.", ge=1000)
    bootstrap_resamples: int = _field(500, "02 03 05 06", "Identity bootstrap resamples behind each interval.", ge=500)
    max_rank: int = _field(
        20, "03", "Ranks drawn in the identification plot; at most the number of identities is used.", ge=1
    )
    equivalence_margin: float = _field(
        0.02, "03", "Largest distance of an AUC from chance that counts as equivalent to it.", gt=0, lt=0.5
    )
    power_images: int = _field(300, "03", "Training images whose altered copies are planted to measure power.", ge=20)
    power_draws: int = _field(400, "03", "Sets that are put together for each share of planted copies.", ge=100)
    filter_fmrs: str = _field(
        "0.5, 0.2, 0.05",
        "03",
        "Shares of control images, each above 0 and below 1, that the filter's thresholds let pass as too near.",
        pattern=r"^\s*0?\.\d*[1-9]\d*\s*(,\s*0?\.\d*[1-9]\d*\s*)*$",
    )

    # 04: recognition.
    recognition_resolution_px: Annotated[Literal[32, 64, 112, 128], _FROM_TEXT] = _field(
        64, "04", "Side of the images that the recognition models see."
    )
    backbone: str = _field(
        "small",
        "04",
        "Network that is trained for recognition: small and compact are narrow iResNets; iresnet18, 34, 50 and 100, "
        "mobilefacenet (112 px), or torchvision:NAME.",
        pattern=r"^(small|compact|iresnet(18|34|50|100)|mobilefacenet|torchvision:\w+)$",
    )
    embedding_size: int = _field(
        128,
        "04",
        "Width of the embedding; where a teacher's differs, a projection is learnt and dropped at the end.",
        ge=8,
        le=2048,
    )
    training_steps: int = _field(60, "04", "Training steps of each recognition model.", ge=1)
    recognition_batch: int = _field(
        64, "01 04", "Images in one training step of a recognition model, over all processes.", ge=2
    )
    recognition_learning_rate: float = _field(0.1, "04", "Peak step size of SGD, at the stated batch.", gt=0, lt=10)
    weight_decay: float = _field(5e-4, "04", "Weight decay of SGD.", ge=0, lt=1)
    recognition_parts: int = _field(
        1, "04", "Pieces that each process computes its share of a batch in; more need less memory.", ge=1
    )
    head: Literal["cosface", "arcface", "elasticface"] = _field("cosface", "04", "Margin loss of CLS; the paper's.")
    margin: float | None = _field(
        None,
        "04",
        "Margin of the head, in cosine, or in radians for arcface; unset is the published one, 0.35 for cosface.",
        ge=0,
        lt=1,
    )
    scale: float = _field(64.0, "04", "Scale of the head's logits.", gt=0)
    augmentation: Literal["flip", "randaugment", "robust"] = _field(
        "flip",
        "04",
        "What training images go through: the paper's mirroring; RandAugment; or moves, low resolution, blur, light, "
        "noise and hidden parts.",
    )
    grey_share: float = _field(0.0, "04", "Share of the training images that lose their colour.", ge=0, le=1)
    kt_weight: float = _field(
        39.06,
        "04",
        "Weight of the knowledge transfer loss 1 - cos in CL; 39.06 is 10000 x MSE at 512 dimensions.",
        gt=0,
    )
    recognition_seeds: int = _field(
        1, "04", "Seeds that the baseline, CLS, KT and CL are trained from; tables then give mean and deviation.", ge=1
    )
    sweep_images_per_class: str = _field(
        "",
        "04",
        "Numbers of images per class, e.g. 10, 20, 40, 60, at which CLS, KT and CL are trained too (and the baseline, "
        "where every class has as many authentic images); none above images_per_class.",
        pattern=r"^\s*(\d+\s*(,\s*\d+\s*)*)?$",
    )
    validation_interval_steps: int = _field(
        0, "04", "Accuracy of the model in training is taken at every so many steps; 0 never.", ge=0
    )
    validation_identities: int = _field(
        0,
        "04",
        "Training identities kept aside, on which validation judges; 0 judges on the first benchmark, for the reader "
        "alone.",
        ge=0,
    )
    early_stop: int = _field(
        0, "04", "Training ends after so many validations in a row without a new best one; 0 never.", ge=0
    )
    keep_model: Literal["last", "best"] = _field(
        "last", "04", "Which model counts; best, by validation on validation_identities."
    )
    processes: int = _field(
        1,
        "02 04",
        "Processes of this machine that train together, e.g. one a GPU; recognition_batch and generator_batch are "
        "those of all.",
        ge=1,
    )
    train_filtered: bool = _field(
        False, "04", "Train CLS on every filtered set of notebook 03, too; notebook 05 draws what it costs."
    )

    # 06: attributes.
    attribute_classifier: str = _field(
        AUTO,
        "06",
        "Weights of the attribute classifier, from `sface attributes train`; 'auto' is the shipped one for the "
        "embedded set and none for faces of your own, 'none' leaves notebook 06 out.",
    )
    attribute_sets: str = _field(
        "",
        "06",
        "Further sets of faces to compare, labelled or not: paths separated by commas; each is annotated, and named by "
        "its file.",
    )
    attribute_reliability: float = _field(
        0.75,
        "06",
        "Balanced accuracy on unseen identities that the classifier must reach for an attribute to count; others are "
        "shown in grey and left out of every total.",
        ge=0.5,
        le=1,
    )

    @model_validator(mode="after")
    def _resolve(self, info: ValidationInfo) -> "ReportParameters":
        """Settle what depends on another field; what is trained by itself needs no verifier and no pairs."""
        if self.show_authentic_images is None:
            object.__setattr__(self, "show_authentic_images", self.authentic == EMBEDDED)
        context = info.context or {}
        only, known = context.get("only"), context.get("known", frozenset(type(self).model_fields))
        if only != "recognition":
            self._check_generator(known.issuperset)
        if only != "generator":
            self._check_recognition(known.issuperset)
        if only is None:
            self._check_report(known.issuperset)
        return self

    def _check_generator(self, given: Callable[[Iterable[str]], bool]) -> None:
        """Rules of the generator's training; raises `ValueError`. `given` says whether all of some names were set."""
        if (
            given(["generator_channel_base", "generator_resolution_px"])
            and self.generator_channel_base < 4 * self.generator_resolution_px
        ):
            raise ValueError(
                f"generator_channel_base = {self.generator_channel_base} leaves fewer than 4 channels at "
                f"{self.generator_resolution_px} px; give at least {4 * self.generator_resolution_px}"
            )
        if given(["generator_weights", "total_kimg"]) and self.generator_weights == NONE and self.total_kimg == 0:
            raise ValueError("total_kimg = 0 needs weights to use; give generator_weights, or a length above 0")
        own_faces = given(["generator_weights", "authentic"]) and self.authentic != EMBEDDED
        if own_faces and self.generator_weights == EMBEDDED:
            raise ValueError(
                "generator_weights: 'embedded' draws the embedded identities; with faces of your own give "
                "generator_weights=none, or weights trained on them"
            )
        sized = given(["generator_weights", "generator_resolution_px"]) and self.generator_weights == EMBEDDED
        if sized and self.generator_resolution_px != EMBEDDED_WEIGHTS_PX:
            raise ValueError(
                f"generator_weights: 'embedded' draws {EMBEDDED_WEIGHTS_PX} px, not {self.generator_resolution_px}; "
                f"set generator_resolution_px={EMBEDDED_WEIGHTS_PX}, or generator_weights=none"
            )
        shared = given(["total_kimg", "generator_batch", "processes"])
        if shared and self.total_kimg and self.generator_batch % self.processes:
            raise ValueError(
                f"generator_batch = {self.generator_batch} cannot be shared by {self.processes} processes; "
                "give a multiple"
            )

    def _check_recognition(self, given: Callable[[Iterable[str]], bool]) -> None:
        """Rules of a recognition model's training; raises `ValueError`."""
        if not given(["keep_model", "early_stop", "recognition_batch", "processes"]):
            return  # One stage has all of them.
        if self.keep_model == "best" and not (self.validation_identities and self.validation_interval_steps):
            raise ValueError(
                "keep_model = 'best' needs validation_identities and validation_interval_steps above 0: no model is "
                "chosen by the benchmark that judges it"
            )
        if self.early_stop and not self.validation_interval_steps:
            raise ValueError("early_stop needs validation; set validation_interval_steps above 0")
        pieces = self.processes * self.recognition_parts
        if self.recognition_batch % pieces:
            raise ValueError(
                f"recognition_batch = {self.recognition_batch} cannot be shared by {self.processes} processes of "
                f"{self.recognition_parts} parts each; give a multiple of {pieces}"
            )

    def _check_report(self, given: Callable[[Iterable[str]], bool]) -> None:
        """Rules of a whole report; raises `ValueError`."""
        own_pairs = self.protocol != EMBEDDED or self.protocol_faces
        if given(["authentic", "protocol", "protocol_faces"]) and self.authentic == EMBEDDED and own_pairs:
            raise ValueError(
                "protocol and protocol_faces go with faces of your own: give authentic=PATH too, or leave them out"
            )
        beyond = [n for n in parse_numbers(self.sweep_images_per_class) if not 2 <= n <= self.images_per_class]
        if beyond and given(["sweep_images_per_class", "images_per_class"]):
            raise ValueError(
                f"sweep_images_per_class holds {beyond[0]}; give numbers from 2 to images_per_class "
                f"({self.images_per_class})"
            )
        if given(["identity_model", "verifier"]) and self.identity_model and self.identity_model == self.verifier:
            raise ValueError("identity_model is the verifier, which would judge its own work; give another model")
        if given(["authentic", "verifier"]) and self.authentic != EMBEDDED and self.verifier == EMBEDDED:
            raise ValueError(
                "verifier: 'embedded' is trained on rendered faces and goes with authentic=embedded; give the weights "
                "of a recognition model that never saw the faces of authentic, e.g. verifier=PATH.safetensors"
            )
        if given(["authentic", "protocol"]) and self.authentic != EMBEDDED and self.protocol == EMBEDDED:
            raise ValueError(
                "protocol: 'embedded' fits only authentic=embedded; give a pairs file, e.g. protocol=PATH/pairs.txt"
            )

    @field_validator("attribute_sets")
    @classmethod
    def _existing_sets(cls, value: str) -> str:
        """Each path of the list must exist, and is kept absolute."""
        paths = [path.expanduser() for path in parse_paths(value)]
        for path in paths:
            if not path.exists():
                raise ValueError(f"attribute_sets: no file or folder at '{path}'; give existing paths, or none")
        return ", ".join(str(path.resolve()) for path in paths)

    @field_validator(*PATH_PARAMETERS)
    @classmethod
    def _existing(cls, value: str, info: Any) -> str:
        """A path must exist, and is kept absolute because notebooks run in another folder."""
        words = PATH_PARAMETERS[info.field_name]
        if value in words:
            return value
        path = Path(value).expanduser()
        if not path.exists():
            raise ValueError(
                f"{info.field_name}: no file or folder at {value!r}; "
                f"give an existing path or {' or '.join(map(repr, words))}"
            )
        return str(path.resolve())


def as_settings(parameters: BaseModel) -> list[str]:
    """What is no path and not unset, as arguments `--set=name=value` of the command line."""
    values = parameters.model_dump(mode="json").items()
    return [f"--set={name}={value}" for name, value in values if name not in PATH_PARAMETERS and value is not None]


def parse_numbers(text: str) -> tuple[int, ...]:
    """The whole numbers of a list such as "10, 20", ascending, each once."""
    return tuple(sorted({int(number) for number in text.split(",") if number.strip()}))


def parse_paths(text: str) -> tuple[Path, ...]:
    """The paths of a list separated by commas."""
    return tuple(Path(part.strip()) for part in text.split(",") if part.strip())


def profile_names() -> tuple[str, ...]:
    """Names of the profiles that ship."""
    return tuple(sorted(path.stem for path in PROFILES_FOLDER.glob("*.toml")))


def load_profile(name: str) -> dict[str, Any]:
    """Values of a profile, checked against nothing yet.

    Raises
    ------
    ParameterError
        There is no such profile.
    """
    if name not in profile_names():
        raise ParameterError(f"profile {name!r} does not exist; choose one of {', '.join(profile_names())}")
    return tomllib.loads((PROFILES_FOLDER / f"{name}.toml").read_text(encoding="utf-8"))


def build_parameters(
    profile: str, overrides: dict[str, str] | None = None, only: str | None = None
) -> ReportParameters:
    """Profile and overrides as one checked model.

    `only` asks for no more than one training by itself needs: that of the "generator" or of "recognition".

    Raises
    ------
    ParameterError
        An unknown profile or parameter (the nearest valid name is given), or a value of the wrong type or out of range.
    """
    values, given = load_profile(profile), dict(overrides or {})
    missing = [name for name in values.pop("required", ()) if name not in given]
    if missing and only is None:
        raise ParameterError(
            f"profile {profile!r} needs {', '.join(missing)}; give "
            + " ".join(f"--set {name}=PATH" for name in missing)
        )
    return check_parameters(values | given, only)


def check_parameters(
    values: dict[str, Any], only: str | None = None, known: Iterable[str] = tuple(ReportParameters.model_fields)
) -> ReportParameters:
    """Check plain values (text is converted to the field's type) and give the model; raises `ParameterError`.

    `only` is that of `build_parameters`; a rule holds where all parameters that it speaks of are `known`.
    """
    for name in values:
        if name not in ReportParameters.model_fields:
            raise unknown_parameter(name, ReportParameters.model_fields, "'sface report --help' lists all.")
    try:
        return ReportParameters.model_validate(values, context={"only": only, "known": frozenset(known)})
    except ValidationError as error:
        raise ParameterError("; ".join(_sentence(item) for item in error.errors())) from None


def unknown_parameter(name: str, names: Iterable[str], otherwise: str) -> ParameterError:
    """The error for a name that is none of some names: it gives the nearest of them, or says `otherwise`."""
    near = difflib.get_close_matches(name, list(names), n=1, cutoff=0.4)
    return ParameterError(f"parameter {name!r} does not exist; {f'did you mean {near[0]!r}?' if near else otherwise}")


def _sentence(item: dict[str, Any]) -> str:
    """One pydantic error in our words: parameter, value, what is allowed."""
    message = item["msg"].removeprefix("Value error, ")
    if not item["loc"] or item["type"] == "value_error":
        return message
    name = str(item["loc"][0])
    allowed = ReportParameters.model_fields[name].description
    return f"parameter {name} = {item['input']!r} is not allowed: {message[0].lower()}{message[1:]} ({allowed})"


def stage_parameters(parameters: ReportParameters, stage: str) -> dict[str, Any]:
    """The parameters that a stage reads, as plain JSON values; `stage` is a name such as "02_generation"."""
    values = parameters.model_dump(mode="json")
    return {name: values[name] for name, field in ReportParameters.model_fields.items() if _reads(field, stage)}


def input_paths(parameters: ReportParameters, stage: str) -> dict[str, Path]:
    """Files and folders outside the run folder that a stage reads, by parameter."""
    values = stage_parameters(parameters, stage)
    single = {
        name: Path(values[name])
        for name, words in PATH_PARAMETERS.items()
        if name in values and values[name] not in words
    }
    listed = parse_paths(values.get("attribute_sets", ""))
    return single | {f"attribute_sets {i}": path for i, path in enumerate(listed, start=1)}


def describe_parameters() -> list[dict[str, Any]]:
    """Name, type, default, range, description and stages of every parameter, for help texts and tables."""
    properties = ReportParameters.model_json_schema()["properties"]
    return [
        {
            "name": name,
            "type": _type_text(properties[name]),
            "default": field.default,
            "range": _range_text(properties[name]),
            "description": field.description,
            "stages": field.json_schema_extra["stages"],
        }
        for name, field in ReportParameters.model_fields.items()
    ]


def _reads(field: Any, stage: str) -> bool:
    return stage[:2] in field.json_schema_extra["stages"]


def _type_text(schema: dict[str, Any]) -> str:
    """`integer`, `number`, `string`, `boolean`, or the choices."""
    if "enum" in schema:
        return " | ".join(str(choice) for choice in schema["enum"])
    return schema.get("type") or next(option["type"] for option in schema["anyOf"])


def _range_text(schema: dict[str, Any]) -> str:
    """Bounds as they stand in the JSON schema, e.g. `>= 2, < 10`."""
    words = {"minimum": ">=", "exclusiveMinimum": ">", "maximum": "<=", "exclusiveMaximum": "<"}
    return ", ".join(f"{sign} {schema[key]:g}" for key, sign in words.items() if key in schema)
