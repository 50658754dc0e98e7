"""The table, figures and sentences of notebook 04."""

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
            "images": model.images + (", filtered" if model.name in plan.filtered else ""),
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
        f"All see {p.recognition_resolution_px} px; authentic images have {plan.sets['authentic'].resolution} px, "
        f"synthetic ones {plan.sets['synthetic'].resolution}. Losses of different strategies are not comparable."
    )


def losses(plan: Plan, trainings: Mapping[str, Training]) -> tuple[Figure, pd.DataFrame]:
    """Loss of the compared models over training steps, a panel each, and the numbers behind."""
    logs = {model.name: trainings[model.file].log for model in plan.compared}
    figure, axes = plots.new_figure(columns=2, rows=2, width=4.4, height=2.6)
    for ax, (name, log) in zip(np.ravel(axes), logs.items(), strict=True):
        plots.plot_progress(ax, {name: log}, "step", "loss", "training step", "loss")
    return figure, _stacked(logs)


def validation(plan: Plan, trainings: Mapping[str, Training]) -> tuple[Figure, pd.DataFrame] | None:
    """Accuracy of the compared models over training steps, and the numbers behind; None where it was not taken."""
    logs = {model.name: [row for row in trainings[model.file].log if "accuracy" in row] for model in plan.compared}
    if not any(logs.values()):
        return None
    figure, axes = plots.new_figure(width=5.4, height=3.4)
    plots.plot_progress(axes, logs, "step", "accuracy", "training step", "accuracy (1 - EER)")
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
    first = plan.models[0]
    return (
        f"{len(plan.models)} models, of {p.recognition_seeds} seed{'s' * (p.recognition_seeds > 1)}. The four to be "
        f"compared saw up to {p.training_steps * p.recognition_batch:,} images in {p.training_steps:,} steps, from "
        f"{len(first.positions):,} images of {plan.classes(first):,} classes. The teacher of KT and CL is {teacher}; "
        "it has seen authentic faces, and what KT and CL know they owe to it in part."
    )
