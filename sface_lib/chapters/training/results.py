"""What notebook 04 finds."""

from dataclasses import dataclass

from sface_lib.run import Facts, Results

GIVEN = "given"
CLS = "CLS"  # The strategy of the baseline, and of the model that stands for a set wherever one model does.
BY_LABELS = (CLS, GIVEN)  # Strategies of models that stand for their set: they learnt from nothing else.


@dataclass(frozen=True)
class TrainedModel(Facts):
    """A model that was trained, or given.

    Attributes
    ----------
    name
        e.g. "baseline" or "KT dcface"; models of one name differ in their seed alone.
    strategy
        A name of `STRATEGIES`; "given" of a network that was trained elsewhere.
    taught
        Whether it learnt from a teacher, too.
    trained_on
        "authentic", or the name of a synthetic set.
    per_class, fmr, mix
        See `PlannedModel`; None but for a model of the sweep, and for one that learnt from a filtered or mixed set.
    file
        Its weights, relative to the run folder; where they were given their path, and `sha256` of the file.
    images, classes
        How many it learnt from, or of a given model its set has; no number of classes where they have no labels.
    accuracies
        Pairs of training step and accuracy in training.
    """

    name: str
    strategy: str
    taught: bool
    trained_on: str
    per_class: int | None
    fmr: float | None
    mix: float | None
    seed: int
    file: str
    sha256: str | None
    images: int
    classes: int | None
    seconds: float
    accuracies: tuple[tuple[int, float], ...]

    @property
    def compared(self) -> bool:
        """Whether it stands beside the others: it is not of the sweep, and its set neither filtered nor mixed."""
        return self.per_class is None and self.fmr is None and self.mix is None


@dataclass(frozen=True)
class TrainingResults(Results):
    """The models, and what all of them share.

    Attributes
    ----------
    teacher, teacher_sha256
        Who taught the strategies that need a teacher, in words, and the hash of its file; None where nobody was taught.
    model_px
        Side of the images that the models see; `image_px` that of each set.
    """

    VERSION = 4

    steps: int
    batch: int
    models: tuple[TrainedModel, ...]
    teacher: str
    teacher_sha256: str | None
    backbone: str
    model_px: int
    image_px: dict[str, int | None]
