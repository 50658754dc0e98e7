"""What notebook 04 finds."""

from dataclasses import dataclass

from sface_lib.run import Facts, Results


@dataclass(frozen=True)
class TrainedModel(Facts):
    """A model that was trained.

    Attributes
    ----------
    name
        e.g. "baseline", "KT 20" or "CLS filtered 0.5"; models of one name differ in their seed alone.
    file
        Its weights, relative to the run folder.
    images
        How many images it learnt from.
    trained_on
        "authentic" or "synthetic".
    accuracies
        Pairs of training step and accuracy in training.
    """

    name: str
    seed: int
    file: str
    images: int
    trained_on: str
    seconds: float
    accuracies: tuple[tuple[int, float], ...]


@dataclass(frozen=True)
class TrainingResults(Results):
    """The models, and what all of them share.

    Attributes
    ----------
    training_images, classes
        Of the baseline; CLS, KT and CL have as many.
    teacher, teacher_sha256
        Who taught KT and CL, in words, and the hash of its file.
    model_px
        Side of the images that the models see; `image_px` that of the sets, "authentic" and "synthetic".
    """

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
