"""What notebook 04 left of its models, without a training."""

from sface_lib.chapters.training.results import TrainedModel, TrainingResults

NAMES = ("baseline", "CLS generated", "KT generated", "CL generated")


def trained(name, images=40, seed=0, accuracies=()):
    """A model of five classes by its name: "baseline", or a strategy and its set, perhaps a number, filter or mix."""
    strategy, on, *rest = name.replace("baseline", "CLS authentic").split()
    told = {"per_class": None, "fmr": None, "mix": None}
    if rest:
        key = {"filtered": "fmr", "mixed": "mix"}.get(rest[0], "per_class")
        told[key] = int(rest[0]) if key == "per_class" else float(rest[1])
    where = {"file": f"weights/{name}-{seed}", "sha256": "given" if strategy == "given" else None}
    about = {"images": images, "classes": 5, "seconds": 1.0, "accuracies": accuracies}
    about["taught"] = strategy in ("KT", "CL")
    return TrainedModel(name=name, strategy=strategy, trained_on=on, seed=seed, **told, **where, **about)


def training(*models, names=NAMES):
    """Of five classes, so that 40 images are eight of each."""
    return TrainingResults(16, 64, (*map(trained, names), *models), "the baseline", "teacher", "small", 32, {})
