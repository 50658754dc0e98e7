"""What notebook 02 finds."""

from dataclasses import dataclass

from sface_lib.chapters.generation.describe import SetDescription
from sface_lib.run import Facts, Results


@dataclass(frozen=True)
class GeneratedFacts(Facts):
    """The training of this run's generator, and the quality of its set.

    Attributes
    ----------
    kimg, kimg_before
        Thousand images that the generator has seen, and those of them before this run.
    images_per_second
        Of the training at its end; None where nothing was trained.
    generator_parameters
        Number of weights.
    quality
        Measure -> its value of the synthetic set.
    memorisation_auc
        Training images against held-out ones; None where there are none of the latter.
    shortcomings
        Sentences about what the set lacks.
    precision
        accelerate's name of the mixed precision: "no" or "bf16".
    """

    kimg: float
    kimg_before: float
    images_per_second: float | None
    generator_parameters: int
    synthetic_images: int
    classes: int
    resolution_px: int
    quality: dict[str, float]
    memorisation_auc: float | None
    shortcomings: tuple[str, ...]
    precision: str
    device: str


@dataclass(frozen=True)
class GenerationResults(Results):
    """What notebook 02 finds.

    Attributes
    ----------
    generated
        None where all synthetic sets were given.
    described
        The authentic training set, which comes first, and every synthetic one.
    """

    VERSION = 2

    generated: GeneratedFacts | None
    described: dict[str, SetDescription]
