"""What notebook 04 finds."""

from dataclasses import dataclass

from sface_lib.run import Facts, Results


@dataclass(frozen=True)
class TrainedModel(Facts):
    """A model that was trained.

    Attributes
    ----------
    name
        e.g. "baseline" or "KT dcface"; models of one name differ in their seed alone.
    strategy
        CLS, KT or CL.
    trained_on
        "authentic", or the name of a synthetic set.
    per_class, fmr
        See `PlannedModel`; None but for a model of the sweep, and for one that learnt from a filtered set.
    file
        Its weights, relative to the run folder.
    images, classes
        How many it learnt from; no number of classes where they have no labels.
    accuracies
        Pairs of training step and accuracy in training.
    """

    name: str
    strategy: str
    trained_on: str
    per_class: int | None
    fmr: float | None
    seed: int
    file: str
    images: int
    classes: int | None
    seconds: float
    accuracies: tuple[tuple[int, float], ...]

    @property
    def compared(self) -> bool:
        """Whether it stands side by side with the others: it is not of the sweep, and its set is not filtered."""
        return self.per_class is None and self.fmr is None


@dataclass(frozen=True)
class TrainingResults(Results):
    """The models, and what all of them share.

    Attributes
    ----------
    training_images, classes
        Of the baseline; with `set_size = equal` CLS and CL have as many.
    teacher, teacher_sha256
        Who taught KT and CL, in words, and the hash of its file.
    model_px
        Side of the images that the models see; `image_px` that of each set.
    """

    VERSION = 2

    training_images: int
    classes: int
    steps: int
    batch: int
    models: tuple[TrainedModel, ...]
    teacher: str
    teacher_sha256: str
    backbone: str
    model_px: int
    image_px: dict[str, int | None]
