"""Parameters of notebook 04: the recipe of all recognition models, and which models are trained."""

from typing import Annotated, Literal

from pydantic import AfterValidator, model_validator

from sface_lib.chapters.shared import (
    ImagesPerClass,
    Models,
    Pairs,
    Precision,
    Processes,
    RecognitionBatch,
    Seed,
    Teacher,
)
from sface_lib.registry import one_of
from sface_lib.run.parameters import NUMBER_FROM_TEXT, parse_numbers, setting

# The library's own, named here so that parameters are checked before torch is imported.
BACKBONES = (
    "mini", "small", "compact", "iresnet18", "iresnet34", "iresnet50", "iresnet100", "mobilefacenet", "strided",
)  # fmt: skip
HEADS = ("cosface", "arcface", "elasticface")


class RecognitionTrainingParameters(Processes, RecognitionBatch, Precision):
    """What `sface recognition train` reads: how one model is trained, on images and pairs that are given beside."""

    recognition_resolution_px: Annotated[Literal[32, 64, 112, 128], NUMBER_FROM_TEXT] = setting(
        64, "Side of the images that the recognition models see."
    )
    backbone: Annotated[str, AfterValidator(one_of("sface_lab.backbones", BACKBONES, "torchvision:"))] = setting(
        "small",
        "Network that is trained for recognition: mini, small and compact are narrow iResNets; iresnet18, 34, 50 and "
        "100, mobilefacenet (112 px), torchvision:NAME, or what an installed package adds.",
    )
    embedding_size: int = setting(
        128,
        "Width of the embedding; where a teacher's differs, a projection is learnt and dropped at the end.",
        ge=8,
        le=2048,
    )
    training_steps: int = setting(60, "Training steps of each recognition model.", ge=1)
    recognition_learning_rate: float = setting(0.1, "Peak step size of SGD, at the stated batch.", gt=0, lt=10)
    weight_decay: float = setting(5e-4, "Weight decay of SGD.", ge=0, lt=1)
    recognition_gradient_accumulation_steps: int = setting(
        1,
        "Micro-batches into which each process divides its share of a batch; more need less memory.",
        formerly="recognition_parts",
        ge=1,
    )
    head: Annotated[str, AfterValidator(one_of("sface_lab.heads", HEADS))] = setting(
        "cosface", "Margin loss of CLS: cosface, the paper's, arcface, elasticface, or what an installed package adds."
    )
    margin: float | None = setting(
        None,
        "Margin of the head, in cosine, or in radians for arcface; unset is the published one, 0.35 for cosface.",
        ge=0,
        lt=1,
    )
    scale: float = setting(64.0, "Scale of the head's logits.", gt=0)
    augmentation: Literal["flip", "randaugment", "robust"] = setting(
        "flip",
        "What training images go through: the paper's mirroring; RandAugment; or moves, low resolution, blur, light, "
        "noise and hidden parts.",
    )
    grey_share: float = setting(0.0, "Share of the training images that lose their colour.", ge=0, le=1)
    kt_weight: float = setting(
        39.06,
        "Weight of the knowledge transfer loss 1 - cos in KT and CL; 39.06 is 10000 x MSE at 512 dimensions.",
        gt=0,
    )
    validation_interval_steps: int = setting(
        0, "Steps between two validations of the model in training; 0 is never.", ge=0
    )
    validation_identities: int = setting(
        0,
        "Training identities kept aside, on which validation judges; 0 judges on the first benchmark, for the reader "
        "alone.",
        ge=0,
    )
    early_stop: int = setting(
        0, "Training ends after so many validations in a row without a new best one; 0 never.", ge=0
    )
    keep_model: Literal["last", "best"] = setting("last", "Which model is kept; best is by validation_identities.")

    @model_validator(mode="after")
    def _model_can_be_trained(self) -> "RecognitionTrainingParameters":
        if self.keep_model == "best" and not (self.validation_identities and self.validation_interval_steps):
            raise ValueError(
                "keep_model = 'best' needs validation_identities and validation_interval_steps above 0: no model is "
                "chosen by the benchmark that judges it"
            )
        if self.early_stop and not self.validation_interval_steps:
            raise ValueError("early_stop needs validation; set validation_interval_steps above 0")
        steps = self.recognition_gradient_accumulation_steps
        if self.recognition_batch % (self.processes * steps):
            raise ValueError(
                f"recognition_batch = {self.recognition_batch} cannot be divided among {self.processes} processes with "
                f"recognition_gradient_accumulation_steps = {steps}; give a multiple of {self.processes * steps}"
            )
        return self


class TrainingParameters(RecognitionTrainingParameters, ImagesPerClass, Precision, Teacher, Seed, Models, Pairs):
    """What notebook 04 reads."""

    recognition_seeds: int = setting(
        1, "Seeds that the baseline, CLS, KT and CL are trained from; tables then give mean and deviation.", ge=1
    )
    sweep_images_per_class: str = setting(
        "",
        "Numbers of images per class, e.g. 10, 20, 40, 60, at which CLS, KT and CL are trained too (and the baseline, "
        "where every class has as many authentic images); none above images_per_class.",
        pattern=r"^\s*(\d+\s*(,\s*\d+\s*)*)?$",
    )
    teach_sets: str = setting(
        "",
        "Names of the synthetic sets that KT and CL learn from, separated by commas; empty for the first one that has "
        "no model of its own.",
    )
    set_size: Literal["equal", "own"] = setting(
        "equal",
        "How much of each set is trained on: as many classes, and images of each, as the smallest set has, or all.",
    )
    mix: str = setting(
        "",
        "Shares of authentic images, e.g. 0.1, 0.5, at which CLS is trained on each set too: this share of its images "
        "is replaced by whole training identities, as classes of their own.",
        pattern=r"^\s*(0?\.\d+\s*(,\s*0?\.\d+\s*)*)?$",
    )
    train_filtered: bool = setting(
        False,
        "Also train CLS on what each filter of notebook 03 leaves of the first set; notebook 05 shows the cost.",
    )

    @model_validator(mode="after")
    def _sweep_has_images(self) -> "TrainingParameters":
        beyond = [n for n in parse_numbers(self.sweep_images_per_class) if not 2 <= n <= self.images_per_class]
        if beyond:
            raise ValueError(
                f"sweep_images_per_class holds {beyond[0]}; give numbers from 2 to images_per_class "
                f"({self.images_per_class})"
            )
        return self

    @property
    def mixed_shares(self) -> tuple[float, ...]:
        """The shares of `mix`, ascending, each once."""
        return tuple(sorted({float(share) for share in self.mix.split(",") if share.strip()}))

    @model_validator(mode="after")
    def _shares_are_above_none(self) -> "TrainingParameters":
        if 0.0 in self.mixed_shares:
            raise ValueError("mix holds 0; a set without authentic images is trained on in any case: leave 0 out")
        return self
