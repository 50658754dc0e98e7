"""The table, figures and sentences of notebook 04."""

from collections.abc import Mapping

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from sface_lib.chapters import plots
from sface_lib.chapters.looks import Looks
from sface_lib.chapters.training.compute import Plan, Training
from sface_lib.chapters.training.parameters import TrainingParameters
from sface_lib.chapters.training.plan import PlannedModel, model_name
from sface_lib.chapters.training.results import GIVEN
from sface_lib.chapters.words import listed
from sface_lib.recognition import STRATEGIES, open_model


def left_out(plan: Plan, model: PlannedModel, batch: int) -> str:
    """Why a model is not trained."""
    return (
        f"{model.name}: {len(model.positions)} images of {plan.classes(model)} classes are left, too few for a "
        f"batch of {batch} of two classes; it is not trained."
    )


def models(plan: Plan, trainings: Mapping[str, Training]) -> pd.DataFrame:
    """Every model, its training images, and how its training ended."""
    return pd.DataFrame(
        {
            "model": model.name,
            "seed": model.seed,
            "images": _images_in_words(model),
            "learns from": STRATEGIES[model.strategy].learns_from,
            "number": len(model.positions),
            "classes": plan.classes(model),
            "steps": trainings[model.file].log[-1]["step"],
            "last loss": trainings[model.file].log[-1]["loss"],
            "images/s": trainings[model.file].log[-1]["images_per_second"],
            "seconds": trainings[model.file].seconds,
        }
        for model in plan.models
    )


def _images_in_words(model: PlannedModel) -> str:
    if model.mix is not None:
        return f"{model.images}, {100 * model.mix:g} % authentic"
    return model.images + (", filtered" if model.fmr is not None else "")


def given_models(plan: Plan) -> pd.DataFrame:
    """The networks that were trained elsewhere, by the set that each was trained on; no rows without any."""
    opened = {name: open_model(path) for name, path in plan.given.items()}
    return pd.DataFrame(
        {
            "model": model_name(GIVEN, name),
            "said to be trained on": name,
            "its own words": model.description["trained_on"],
            "network": model.description["architecture"],
            "sees (px)": model.spec.size_px,
        }
        for name, model in opened.items()
    )


def models_caption(plan: Plan, p: TrainingParameters) -> str:
    """What all of them have in common."""
    return (
        f"The models, by what they see and how often: batches of {p.recognition_batch}, augmentation {p.augmentation}. "
        f"All see {p.recognition_resolution_px} px; the images have {_sizes(plan)}. Losses of different strategies are "
        "not comparable."
    )


def _sizes(plan: Plan) -> str:
    return ", ".join(f"{each.faces.resolution} px ({name})" for name, each in plan.sets.items())


def set_sizes(plan: Plan, p: TrainingParameters) -> str:
    """How much of each set is trained on, and which sets train less."""
    said = [f"Networks that were given stand for {', '.join(plan.given)}."] if plan.given else []
    if not plan.compared:
        return " ".join([*said, "Nothing is trained."])
    first = plan.compared[0]
    size = f"{plan.classes(first):,} classes and {len(first.positions):,} images"
    equal = p.set_size == "equal"
    said += [f"All sets are cut to the size of the smallest: {size}." if equal else "Each set is used whole."]
    said += [f"{name} has no labels, so that no CLS is trained on it." for name in plan.unlabelled]
    return " ".join(said)


def losses(plan: Plan, trainings: Mapping[str, Training], looks: Looks) -> tuple[Figure, pd.DataFrame]:
    """Loss of the compared models over training steps, a panel each, and the numbers behind."""
    logs = {model.name: trainings[model.file].log for model in plan.compared}
    columns, _ = plots.grid(len(logs))
    figure, panels = plots.new_panels(len(logs), columns, width=2.9, height=2.4, sharex=True)
    for ax, (name, log) in zip(panels, logs.items(), strict=True):
        plots.plot_progress(ax, {name: log}, "step", "loss", "training step", "loss", looks.of_model)
        ax.set(title=name, ylim=(0, None))
    plots.label_outside(panels, columns)
    return figure, _stacked(logs)


def validation(plan: Plan, trainings: Mapping[str, Training], looks: Looks) -> tuple[Figure, pd.DataFrame] | None:
    """Accuracy of the compared models over training steps, and the numbers behind; None where it was not taken."""
    logs = {model.name: [row for row in trainings[model.file].log if "accuracy" in row] for model in plan.compared}
    if not any(logs.values()):
        return None
    figure, axes = plots.new_figure(width=5.4, height=3.4)
    plots.plot_progress(axes, logs, "step", "accuracy", "training step", "accuracy (1 - EER)", looks.of_model)
    axes.yaxis.set_major_formatter(PercentFormatter(1))
    plots.mark_truncated(axes, "y")
    plots.legend(axes)
    return figure, _stacked(logs)


def validation_caption(p: TrainingParameters) -> str:
    """What validation judges on."""
    where = (
        f"on {p.validation_identities} training identities kept aside"
        if p.validation_identities
        else "on the first benchmark"
    )
    return f"Accuracy in training, {where}."


def _stacked(logs: Mapping[str, object]) -> pd.DataFrame:
    return pd.concat([pd.DataFrame(log).assign(model=name) for name, log in logs.items()])


def what_was_trained(plan: Plan, p: TrainingParameters, teacher: str) -> str:
    """How many models saw how many images, and who taught."""
    if not plan.models:
        return f"Nothing was trained; {len(plan.given)} networks were given, and their training is not known here."
    first, seeds = plan.models[0], f"{p.recognition_seeds} seed{'s' * (p.recognition_seeds > 1)}"
    taught = dict.fromkeys(model.strategy for model in plan.models if STRATEGIES[model.strategy].needs_teacher)
    said = [
        f"{len(plan.models)} models, of {seeds}. The {len(plan.compared)} to be compared saw up to "
        f"{p.training_steps * p.recognition_batch:,} images in {p.training_steps:,} steps, {first.name} from "
        f"{len(first.positions):,} images of {plan.classes(first) or 0:,} classes."
    ]
    if plan.given:
        said += [
            f"{len(plan.given)} networks were given, and their training is not known here: differences from them also "
            "reflect the recipe."
        ]
    if taught:
        said += [
            f"The teacher of {listed(taught)} is {teacher}; it has seen authentic faces, and they owe "
            "it part of what they know."
        ]
    return " ".join(said)
