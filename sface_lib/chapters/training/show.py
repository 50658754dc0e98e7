"""The table, figures and sentences of notebook 04."""

import itertools
from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from sface_lib.chapters import plots
from sface_lib.chapters.training.compute import Plan, Training
from sface_lib.chapters.training.parameters import TrainingParameters
from sface_lib.chapters.training.plan import PlannedModel

LEARNS = {"CLS": "labels", "KT": "teacher", "CL": "labels and teacher"}


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
            "images": model.images + (", filtered" if model.fmr is not None else ""),
            "learns from": LEARNS[model.strategy],
            "number": len(model.positions),
            "classes": plan.classes(model),
            "steps": trainings[model.file].log[-1]["step"],
            "last loss": trainings[model.file].log[-1]["loss"],
            "images/s": trainings[model.file].log[-1]["images_per_second"],
            "seconds": trainings[model.file].seconds,
        }
        for model in plan.models
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
    first = plan.compared[0]
    size = f"{plan.classes(first):,} classes and {len(first.positions):,} images"
    equal = p.set_size == "equal"
    said = [f"All sets are cut to the size of the smallest: {size}." if equal else "Sets are of their own sizes."]
    said += [f"{name} has no labels, so that no CLS is trained on it." for name in plan.unlabelled]
    return " ".join(said)


def losses(plan: Plan, trainings: Mapping[str, Training]) -> tuple[Figure, pd.DataFrame]:
    """Loss of the compared models over training steps, a panel each, and the numbers behind."""
    logs = {model.name: trainings[model.file].log for model in plan.compared}
    columns = min(4, len(logs)) if len(logs) > 4 else 2
    rows = -(-len(logs) // columns)
    figure, axes = plots.new_figure(columns=columns, rows=rows, width=8.8 / columns, height=2.6)
    for ax, found in itertools.zip_longest(np.ravel(axes), logs.items()):
        if found is None:
            ax.set_axis_off()
        else:
            plots.plot_progress(ax, dict([found]), "step", "loss", "training step", "loss")
    return figure, _stacked(logs)


def validation(plan: Plan, trainings: Mapping[str, Training]) -> tuple[Figure, pd.DataFrame] | None:
    """Accuracy of the compared models over training steps, and the numbers behind; None where it was not taken."""
    logs = {model.name: [row for row in trainings[model.file].log if "accuracy" in row] for model in plan.compared}
    if not any(logs.values()):
        return None
    figure, axes = plots.new_figure(width=5.4, height=3.4)
    plots.plot_progress(axes, logs, "step", "accuracy", "training step", "accuracy (1 - EER)")
    plots.legend_beside(axes)
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
    first, seeds = plan.models[0], f"{p.recognition_seeds} seed{'s' * (p.recognition_seeds > 1)}"
    return (
        f"{len(plan.models)} models, of {seeds}. The {len(plan.compared)} to be compared saw up to "
        f"{p.training_steps * p.recognition_batch:,} images in {p.training_steps:,} steps, the baseline from "
        f"{len(first.positions):,} images of {plan.classes(first):,} classes. The teacher of KT and CL is {teacher}; "
        "it has seen authentic faces, and what KT and CL know they owe to it in part."
    )
