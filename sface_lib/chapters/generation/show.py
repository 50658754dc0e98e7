"""The tables, figures, contact sheets and sentences of notebook 02."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from PIL import Image

from sface_lib.chapters import plots
from sface_lib.chapters.generation.compute import (
    Findings,
    Quality,
    Snapshot,
    SteeringEffect,
    Training,
    measured_per_class,
)
from sface_lib.chapters.generation.parameters import GenerationParameters
from sface_lib.generator import SHIPPED_PATH
from sface_lib.generator.assessment import EER_OF_SAMPLES
from sface_lib.generator.quality import Memorisation

LEAST_SIDE_PX = 64  # Of a shown face: smaller ones are enlarged by a whole number.
LOSSES = ("loss_generator", "loss_discriminator")
BALANCE = ("logit_real", "logit_fake", "ada_p")


def _sheet(images: np.ndarray, columns: int) -> np.ndarray:
    return plots.contact_sheet(images, columns, max(1, LEAST_SIDE_PX // images.shape[-1]))


def learning(snapshots: Sequence[Snapshot]) -> np.ndarray:
    """The same classes at every snapshot, a row each, as pixels."""
    return _sheet(np.concatenate([each.faces for each in snapshots]), columns=len(snapshots[0].faces))


def learning_caption(snapshots: Sequence[Snapshot], kimg_before: float) -> str:
    """After how much training each row was drawn."""
    lengths = ", ".join(f"{each.kimg:.1f}" for each in snapshots)
    earlier = f", of which {kimg_before:.1f} were trained before this run" if kimg_before else ""
    return f"Same latents, same classes, after {lengths} kimg{earlier}."


def shipped_learning() -> tuple[np.ndarray, str]:
    """How the shipped generator learnt, as pixels, and the caption."""
    sheet = Image.open(SHIPPED_PATH.with_suffix(".png"))
    caption = f"How the shipped generator learnt, before this run: the same latents after {sheet.info['kimg']} kimg."
    return np.asarray(sheet), caption


def losses(training: Training) -> tuple[Figure, pd.DataFrame] | None:
    """Losses, logits and augmentation over the whole training, and the numbers; None where nothing is known of it."""
    log = [*training.history, *training.log]
    if not log:
        return None
    figure, axes = plots.new_figure(columns=2, width=5.2, height=3.4)
    for ax, names, label in zip(axes, (LOSSES, BALANCE), ("loss", "logit; strength of augmentation"), strict=True):
        for name in names:
            plots.plot_progress(ax, {name.replace("_", ", "): log}, "kimg", name, "images shown (kimg)", label)
        for i, line in enumerate(ax.lines):
            line.set(**plots.style(i), marker="." if len(log) == 1 else "")
        if training.history and training.log:
            ax.axvspan(training.kimg_before, training.kimg, color="0.9", zorder=0, label="this run")
        ax.legend(fontsize="small")
    return figure, pd.DataFrame(log)


def losses_caption(training: Training) -> str:
    """What a point is, and how much of the training was before this run."""
    earlier = f" The first {training.kimg_before:.0f} kimg were trained before this run." if training.history else ""
    return "Training of the generator; each point is the mean since the one before." + earlier


def class_rows(rows: Sequence[np.ndarray]) -> np.ndarray:
    """Rows of images of a class each, as pixels."""
    columns = max(map(len, rows))
    return _sheet(plots.rows_of(rows, columns), columns)


def side_by_side(authentic: Sequence[np.ndarray], synthetic: Sequence[np.ndarray]) -> np.ndarray:
    """Rows of the same classes in turn, authentic above synthetic, as pixels."""
    return class_rows([row for pair in zip(authentic, synthetic, strict=True) for row in pair])


def quality_caption(p: GenerationParameters, quality: Quality, n_classes: int) -> str:
    """How the synthetic set was drawn, and how much of it is measured."""
    return (
        f"Quality of the synthetic set: psi = {p.psi:g}, seed {p.seed}, "
        f"{'filtered' if p.identity_model else 'unfiltered'}, first {measured_per_class(p)} images of each of "
        f"{len(quality.synthetic.consistency)} classes (of {n_classes})."
    )


def classes(quality: Quality) -> tuple[Figure, pd.DataFrame]:
    """Consistency of each class of every set over its diversity, and the numbers of the synthetic set."""
    figure, axes = plots.new_figure(width=5.4, height=3.8)
    points = {name: (each.consistency, quality.spreads[name].mean(1)) for name, each in quality.samples.items()}
    plots.plot_classes(axes, points)
    diversity = quality.spread.mean(1)
    numbers = {"class": range(len(diversity)), "consistency": quality.synthetic.consistency, "diversity": diversity}
    return figure, pd.DataFrame(numbers)


def memorised(found: Memorisation | None, synthetic_images: int) -> str:
    """Whether training images can be told from unseen ones by the synthetic set."""
    if found is None:
        return "Not measured: it needs images of the same identities that the generator never saw."
    return (
        f"Training images against held-out ones: AUC **{found.auc:.3f}** "
        f"[{found.interval.low:.3f}, {found.interval.high:.3f}] over {len(found.member_best):,} and "
        f"{len(found.held_out_best):,} images and {synthetic_images:,} synthetic ones; 0.5 is nothing memorised."
    )


def steering(effects: Sequence[SteeringEffect]) -> pd.DataFrame:
    """Every drawn set in a row: its consistency and its link."""
    return pd.DataFrame(
        {
            "set": effect.name,
            "mean consistency": effect.consistency,
            "link AUC": effect.link.auc,
            "link EER": effect.link.eer,
        }
        for effect in effects
    )


def between(faces: np.ndarray) -> np.ndarray:
    """Faces on the way from one class to another in a row, as pixels."""
    return _sheet(faces, len(faces))


def what_was_drawn(found: Findings) -> str:
    """How long the generator was trained, what it drew, and how well identities are told apart in it."""
    training, n_classes = found.training, len(found.synthetic.identities)
    eer = found.quality.table.set_index("measure").loc[EER_OF_SAMPLES]
    earlier = f", {training.kimg_before:.1f} of them before this run" if training.kimg_before else ""
    return (
        f"The generator has seen {training.kimg:.1f} thousand images at {training.resolution_px} px{earlier}. "
        f"{len(found.synthetic):,} faces were drawn, {len(found.synthetic) // n_classes} for each of {n_classes:,} "
        f"classes. Within the synthetic set identities are told apart with an EER of {100 * eer['synthetic']:.1f} %, "
        f"within as many authentic images of each class with {100 * eer['authentic']:.1f} %. "
        + " ".join(found.shortcomings)
    )
