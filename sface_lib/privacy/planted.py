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
from sface_lib.privacy.settings import EmbeddedSets

FEWEST_UNSEEN = 2000


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
class Unseen:
    """Images that copy none of the training set.

    Attributes
    ----------
    positions
        Where they lie in their set, int64 `[N]`.
    identity
        Their persons, int64 `[N]`.
    images
        As every judge embeds them, uint8 `[N, 3, S, S]`; None where that is as they are.
    """

    positions: np.ndarray
    identity: np.ndarray
    images: np.ndarray | None


@dataclasses.dataclass(frozen=True, eq=False)
class Pictures:
    """What every judge embeds: images of the synthetic side's size, blurred to its sharpness.

    Attributes
    ----------
    control
        Of unseen persons.
    held_out
        Unseen images of the training persons, or None.
    copies
        Training images uint8 `[N, 3, S, S]` by what was done to them.
    """

    control: Unseen
    held_out: Unseen | None
    copies: dict[str, np.ndarray]


def make_pictures(
    training: FaceSet, synthetic: FaceSet, control: FaceSet | None, held_out: FaceSet | None, images: int, seed: int
) -> Pictures | None:
    """Prepare what is embedded; None where there are too few unseen persons to know the tail of their ratios.

    `images` training images, drawn at random, are altered in every way of `ALTERATIONS`. Of unseen images as many as
    the synthetic set has are enough, and 2,000 at least: whole persons are drawn at random.
    """
    if control is None or not can_show_tail(control.require_labels()):
        return None
    random, side = np.random.default_rng(seed), synthetic.resolution

    def loaded(faces: FaceSet, positions: np.ndarray) -> np.ndarray:
        return faces.load(positions, size_px=side).numpy()

    target = sharpness(loaded(synthetic, random.permutation(len(synthetic))[:SAMPLE]))

    def unseen(faces: FaceSet) -> Unseen:
        labels = faces.require_labels()
        positions = _of_persons(labels, max(FEWEST_UNSEEN, len(synthetic)), seed)
        images = loaded(faces, positions)
        made = degrade(images, target)
        as_they_are = made is images and faces.resolution == side
        return Unseen(positions, labels[positions], None if as_they_are else made)

    originals = loaded(training, random.permutation(len(training))[:images])
    copies = {name: degrade(alter(originals, random), target) for name, alter in ALTERATIONS.items()}
    return Pictures(unseen(control), None if held_out is None else unseen(held_out), copies)


def _of_persons(labels: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Positions, ascending, of the images of persons drawn at random until they have `count`; of all, if those are few.

    Whole persons, as their images vary together.
    """
    persons, sizes = np.unique(labels, return_counts=True)
    order = np.random.default_rng(seed).permutation(len(persons))
    enough = np.searchsorted(np.cumsum(sizes[order]), count) + 1
    return np.flatnonzero(np.isin(labels, persons[order[:enough]]))


def plant_copies(
    embed: Callable[[np.ndarray], np.ndarray],
    pictures: Pictures,
    sets: EmbeddedSets,
    seed: int,
) -> Planted:
    """Calibrate and measure the alarm of `sface_lib.privacy.power` by one judge.

    Parameters
    ----------
    embed
        Images uint8 `[N, 3, S, S]` to unit embeddings.
    sets
        What the judge sees of the sets that the pictures are of.
    seed
        Of the draws without copies.
    """
    training, synthetic = sets.authentic.rows, sets.synthetic.rows

    def ratio(images: np.ndarray) -> np.ndarray:
        return neighbour_ratio(embed(images), training)

    def ratio_of(unseen: Unseen, as_they_are: np.ndarray) -> np.ndarray:
        if unseen.images is not None:
            return ratio(unseen.images)
        return neighbour_ratio(as_they_are[unseen.positions], training)

    own, copies = neighbour_ratio(synthetic, training), {name: ratio(made) for name, made in pictures.copies.items()}

    def alarm(null: np.ndarray, identity: np.ndarray) -> Alarm:
        about, threshold = (len(null), silence(null, identity, seed)), alarm_threshold(null, identity, len(own))
        if threshold is None:
            return Alarm(*about, None, None, [])
        above = float(np.mean(own >= threshold))
        return Alarm(*about, float(np.exp(threshold)), above, power_table(threshold, copies, len(own)))

    strangers = alarm(ratio_of(pictures.control, sets.control.rows), pictures.control.identity)
    same_persons = unseen_above = None
    if pictures.held_out is not None:
        unseen = ratio_of(pictures.held_out, sets.held_out.rows)
        if strangers.threshold is not None:
            unseen_above = float(np.mean(np.exp(unseen) >= strangers.threshold))
        if can_show_tail(pictures.held_out.identity):
            same_persons = alarm(unseen, pictures.held_out.identity)
    return Planted(strangers, same_persons, float(np.exp(own.max())), unseen_above)
