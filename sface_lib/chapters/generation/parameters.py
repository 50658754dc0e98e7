"""Parameters of notebook 02: the generator, the set that it draws, and how sets are described."""

from typing import Annotated, Literal

from pydantic import AfterValidator, model_validator

from sface_lib.chapters.shared import (
    EMBEDDED,
    NONE,
    Authentic,
    BadImages,
    EmbeddedSelection,
    GeneratorBatch,
    ImagesPerClass,
    Pictures,
    Precision,
    Processes,
    Resamples,
    Seed,
    Steering,
    Synthetic,
    Truncation,
    Unseen,
    Verifier,
)
from sface_lib.registry import one_of
from sface_lib.run.parameters import NUMBER_FROM_TEXT, path_setting, setting

EMBEDDED_WEIGHTS_PX = 64


class _Generator(Processes, GeneratorBatch, Precision, Seed, Authentic):
    """How a generator is trained."""

    generator_weights: str = path_setting(
        EMBEDDED,
        "Weights that training goes on from: a file made by this program, or an official StyleGAN2-ADA .pkl; "
        "'embedded' is the shipped generator of the population, 'none' begins with noise.",
        (EMBEDDED, NONE),
    )
    generator_kind: Annotated[str, AfterValidator(one_of("sface_lab.generators", ("stylegan2",)))] = setting(
        "stylegan2",
        "Kind of the generator that is trained where generator_weights is none: stylegan2, or one that an installed "
        "package adds.",
    )
    generator_resolution_px: Annotated[Literal[16, 32, 64, 128, 256], NUMBER_FROM_TEXT] = setting(
        EMBEDDED_WEIGHTS_PX, "Side of the generated images."
    )
    generator_channel_base: int = setting(
        2048,
        "Channels at a resolution are this over the resolution, up to generator_channel_max; given weights have their "
        "own.",
        ge=64,
    )
    generator_channel_max: int = setting(128, "Most channels of a layer; given weights have their own.", ge=8)
    noise_injection: bool = setting(
        False,
        "Add noise to every layer of the generator, as published; in a short training at a small size it covers the "
        "faces with texture.",
    )
    total_kimg: float = setting(
        2.0,
        "Length of the generator's training in this run: thousand images shown to the discriminator. 0 uses given "
        "weights as they are.",
        ge=0,
    )
    generator_learning_rate: float = setting(0.005, "Adam step size of generator and discriminator.", gt=0, lt=1)
    r1_gamma: float | None = setting(
        None,
        "Weight of the R1 gradient penalty on real images; unset is 0.0002 x side² / batch, and at least 0.3.",
        ge=0,
    )
    r1_interval_steps: int = setting(16, "Steps between two computations of the R1 penalty.", ge=1)
    ema_half_life_kimg: float = setting(2.0, "Half-life of the moving average of the generator's weights.", gt=0)
    style_mixing: float = setting(
        0.0,
        "Share of batches that take their finer layers' styles from a second latent; 0.9 is published, none is faster "
        "at a small size.",
        ge=0,
        le=1,
    )
    ada_target: float = setting(
        0.6,
        "Adaptive augmentation holds the mean sign of the discriminator's logits for real images here; 0 turns it off.",
        ge=0,
        lt=1,
    )
    ada_kimg: float = setting(500.0, "Length over which the strength of augmentation could go from 0 to 1.", gt=0)
    label_sampling: Literal["images", "classes"] = setting(
        "images", "Labels of generated images in training: as frequent as the set's images, or every class alike."
    )
    snapshot_kimg: float = setting(1.0, "A picture grid is drawn and a checkpoint kept every so many kimg.", gt=0)

    @model_validator(mode="after")
    def _generator_can_be_trained(self) -> "_Generator":
        if not getattr(self, "generates", True):  # All synthetic sets are given, so that none of this is used.
            return self
        if self.generator_channel_base < 4 * self.generator_resolution_px:
            raise ValueError(
                f"generator_channel_base = {self.generator_channel_base} leaves fewer than 4 channels at "
                f"{self.generator_resolution_px} px; give at least {4 * self.generator_resolution_px}"
            )
        if self.generator_kind != "stylegan2" and self.generator_weights != NONE:
            raise ValueError(
                f"generator_kind = {self.generator_kind!r} is trained from the beginning: set generator_weights=none; "
                "weights that are given have a kind of their own"
            )
        if self.generator_weights == NONE and self.total_kimg == 0:
            raise ValueError("total_kimg = 0 needs weights to use; give generator_weights, or a length above 0")
        if self.authentic != EMBEDDED and self.generator_weights == EMBEDDED:
            raise ValueError(
                "generator_weights: 'embedded' draws the embedded identities; with faces of your own give "
                "generator_weights=none, or weights trained on them"
            )
        if self.generator_weights == EMBEDDED and self.generator_resolution_px != EMBEDDED_WEIGHTS_PX:
            raise ValueError(
                f"generator_weights: 'embedded' draws {EMBEDDED_WEIGHTS_PX} px, not {self.generator_resolution_px}; "
                f"set generator_resolution_px={EMBEDDED_WEIGHTS_PX}, or generator_weights=none"
            )
        if self.total_kimg and self.generator_batch % self.processes:
            raise ValueError(
                f"generator_batch = {self.generator_batch} cannot be shared by {self.processes} processes; "
                "give a multiple"
            )
        return self


class GeneratorTrainingParameters(_Generator, EmbeddedSelection, BadImages):
    """What `sface generator train` reads: a generator is trained without verifier and pairs."""


class GenerationParameters(
    _Generator,
    ImagesPerClass,
    Truncation,
    Resamples,
    Precision,
    Seed,
    Pictures,
    Verifier,
    Steering,
    Unseen,
    Synthetic,
):
    """What notebook 02 reads."""

    identity_steps: int = setting(3, "Steps of each latent up the gradient of identity_model's score.", ge=0)
    identity_score: float = setting(0.3, "Faces scoring below this to their class's mean are left out.", ge=-1, le=1)

    eye_images: int = setting(
        20_000, "Images of each set in which eyes are looked for, at most; each takes 15 to 20 ms.", ge=1
    )

    @model_validator(mode="after")
    def _verifier_did_not_steer(self) -> "GenerationParameters":
        if self.identity_model and self.identity_model == self.verifier:
            raise ValueError("identity_model is the verifier, which would judge its own work; give another model")
        return self
