"""Planted copies: what a judge would make of a set that holds some training images, altered."""

import dataclasses
from collections.abc import Callable

import numpy as np
import pandas as pd

from sface_lib.data import FaceSet
from sface_lib.privacy.alterations import ALTERATIONS, SAMPLE, degrade, sharpness
from sface_lib.privacy.power import (
    Power,
    alarm_threshold,
    can_show_tail,
    detectable_share,
    neighbour_ratio,
    power_table,
)


@dataclasses.dataclass(frozen=True, eq=False)
class Planted:
    """Power of the alarm, and what it says of the synthetic set itself.

    Attributes
    ----------
    power
        Sets without copies, and with, see `power_table`.
    threshold
        The ratio of angles that the alarm sounds at, from all unseen persons.
    largest
        The synthetic set's largest ratio.
    share_above
        Share of its images at or above the threshold.
    unseen_above
        The same of unseen images of the training persons, degraded alike; None without them: what is above may be a
        likeness and no copy.
    detectable
        Smallest planted share found in 80 % of sets whatever the alteration short of the blend; None where none is.
    """

    power: list[Power]
    threshold: float
    largest: float
    share_above: float
    unseen_above: float | None
    detectable: float | None

    def table(self) -> pd.DataFrame:
        """One row for each case."""
        return pd.DataFrame([dataclasses.asdict(row) | {"rate": row.rate} for row in self.power])


@dataclasses.dataclass(frozen=True, eq=False)
class Pictures:
    """What every judge embeds: uint8 `[N, 3, S, S]` of the synthetic side's size.

    Attributes
    ----------
    control, control_identity
        Unseen persons, blurred to the synthetic sharpness.
    held_out
        Unseen images of the training persons, blurred alike, or None.
    copies
        Training images by what was done to them.
    """

    control: np.ndarray
    control_identity: np.ndarray
    held_out: np.ndarray | None
    copies: dict[str, np.ndarray]


def make_pictures(
    training: FaceSet, synthetic: FaceSet, control: FaceSet | None, held_out: FaceSet | None, images: int, seed: int
) -> Pictures | None:
    """Prepare what is embedded; None where there are too few unseen persons to know the tail of their ratios.

    `images` training images, drawn at random, are altered in every way of `ALTERATIONS`.
    """
    if control is None or not can_show_tail(control.require_labels()):
        return None
    random, side = np.random.default_rng(seed), synthetic.resolution

    def loaded(faces: FaceSet, positions: np.ndarray) -> np.ndarray:
        return faces.load(positions, size_px=side).numpy()

    target = sharpness(loaded(synthetic, random.permutation(len(synthetic))[:SAMPLE]))

    def blurred(faces: FaceSet) -> np.ndarray:
        return degrade(loaded(faces, np.arange(len(faces))), target)

    originals = loaded(training, random.permutation(len(training))[:images])
    copies = {name: alter(originals, random) for name, alter in ALTERATIONS.items()}
    unseen = None if held_out is None else blurred(held_out)
    return Pictures(blurred(control), control.require_labels(), unseen, copies)


def plant_copies(
    embed: Callable[[np.ndarray], np.ndarray],
    pictures: Pictures,
    training: np.ndarray,
    synthetic: np.ndarray,
    draws: int,
    seed: int,
) -> Planted:
    """Measure the alarm of `sface_lib.privacy.power` by one judge.

    Parameters
    ----------
    embed
        Images uint8 `[N, 3, S, S]` to unit embeddings.
    training, synthetic
        Embeddings of both sets, `[N, d]`.
    draws
        Sets of each case.
    """

    def ratio(images: np.ndarray) -> np.ndarray:
        return neighbour_ratio(embed(images), training)

    null, own = ratio(pictures.control), neighbour_ratio(synthetic, training)
    copies = {name: ratio(images) for name, images in pictures.copies.items()}
    table = power_table(null, pictures.control_identity, copies, len(synthetic), draws, seed)
    threshold = alarm_threshold(null, pictures.control_identity, len(synthetic))
    return Planted(
        power=table,
        threshold=float(np.exp(threshold)),
        largest=float(np.exp(own.max())),
        share_above=float(np.mean(own >= threshold)),
        unseen_above=None if pictures.held_out is None else float(np.mean(ratio(pictures.held_out) >= threshold)),
        detectable=detectable_share(table),
    )
