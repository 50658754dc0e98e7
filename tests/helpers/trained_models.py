"""What notebook 04 left of its models, without a training."""

from sface_lib.chapters.training.results import TrainedModel, TrainingResults

NAMES = ("baseline", "CLS generated", "KT generated", "CL generated")


def trained(name, images=40, seed=0, accuracies=()):
    """A model of five classes by its name: "baseline" or a strategy and its set, perhaps a number or a filter."""
    strategy, on, *rest = name.replace("baseline", "CLS authentic").split()
    per_class, fmr = (int(rest[0]), None) if len(rest) == 1 else (None, float(rest[1]) if rest else None)
    file = f"weights/{name}-{seed}"
    return TrainedModel(name, strategy, on, per_class, fmr, seed, file, images, 5, 1.0, accuracies)


def training(*models, names=NAMES):
    """Of five classes, so that 40 images are eight of each."""
    return TrainingResults(40, 5, 16, 64, (*map(trained, names), *models), "the baseline", "teacher", "small", 32, {})
