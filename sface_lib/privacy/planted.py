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
    silence,
)


@dataclasses.dataclass(frozen=True, eq=False)
class Alarm:
    """An alarm that one null calibrates, and what it says of the synthetic set.

    Attributes
    ----------
    null_images
        Images of the null.
    silent
        How often sets of the null raise it.
    threshold
        The ratio of angles that it sounds at; None where the set is too large for the null, and nothing is said.
    share_above
        Share of the synthetic images at or above it.
    power
        How often planted copies raise it; empty without a threshold.
    """

    null_images: int
    silent: Power
    threshold: float | None
    share_above: float | None
    power: list[Power]

    @property
    def detectable(self) -> float | None:
        """Smallest planted share found in 80 % of sets whatever the alteration short of the blend; None: none is."""
        return detectable_share(self.power)

    @property
    def detectable_exact(self) -> float | None:
        """The same of exact copies."""
        return detectable_share([row for row in self.power if row.alteration == "exact copy"])

    def table(self) -> pd.DataFrame:
        """One row for each case, that without copies first."""
        return pd.DataFrame(map(dataclasses.asdict, [self.silent, *self.power]))


@dataclasses.dataclass(frozen=True, eq=False)
class Planted:
    """The alarm by one judge.

    Attributes
    ----------
    strangers
        Calibrated on persons who trained nothing: a likeness of a training person may raise it as a copy does.
    same_persons
        Calibrated on other images of the training persons, so that a copy alone raises it; None without enough.
    largest
        The synthetic set's largest ratio.
    unseen_above
        Share of other images of the training persons at or above the threshold of `strangers`; None without them.
    """

    strangers: Alarm
    same_persons: Alarm | None
    largest: float
    unseen_above: float | None


@dataclasses.dataclass(frozen=True, eq=False)
class Pictures:
    """What every judge embeds: uint8 `[N, 3, S, S]` of the synthetic side's size, blurred to its sharpness.

    Attributes
    ----------
    control, control_identity
        Unseen persons.
    held_out, held_out_identity
        Unseen images of the training persons, or None.
    copies
        Training images by what was done to them.
    """

    control: np.ndarray
    control_identity: np.ndarray
    held_out: np.ndarray | None
    held_out_identity: np.ndarray | None
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
    copies = {name: degrade(alter(originals, random), target) for name, alter in ALTERATIONS.items()}
    unseen = (None, None) if held_out is None else (blurred(held_out), held_out.require_labels())
    return Pictures(blurred(control), control.require_labels(), *unseen, copies)


def plant_copies(
    embed: Callable[[np.ndarray], np.ndarray],
    pictures: Pictures,
    training: np.ndarray,
    synthetic: np.ndarray,
    seed: int,
) -> Planted:
    """Calibrate and measure the alarm of `sface_lib.privacy.power` by one judge.

    Parameters
    ----------
    embed
        Images uint8 `[N, 3, S, S]` to unit embeddings.
    training, synthetic
        Embeddings of both sets, `[N, d]`.
    seed
        Of the draws without copies.
    """

    def ratio(images: np.ndarray) -> np.ndarray:
        return neighbour_ratio(embed(images), training)

    own, copies = neighbour_ratio(synthetic, training), {name: ratio(made) for name, made in pictures.copies.items()}

    def alarm(null: np.ndarray, identity: np.ndarray) -> Alarm:
        about, threshold = (len(null), silence(null, identity, seed)), alarm_threshold(null, identity, len(own))
        if threshold is None:
            return Alarm(*about, None, None, [])
        above = float(np.mean(own >= threshold))
        return Alarm(*about, float(np.exp(threshold)), above, power_table(threshold, copies, len(own)))

    strangers, same_persons, unseen_above = alarm(ratio(pictures.control), pictures.control_identity), None, None
    if pictures.held_out is not None:
        unseen = ratio(pictures.held_out)
        if strangers.threshold is not None:
            unseen_above = float(np.mean(np.exp(unseen) >= strangers.threshold))
        if can_show_tail(pictures.held_out_identity):
            same_persons = alarm(unseen, pictures.held_out_identity)
    return Planted(strangers, same_persons, float(np.exp(own.max())), unseen_above)
