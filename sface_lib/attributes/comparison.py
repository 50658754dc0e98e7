"""The comparison that notebook 06 tells: annotated sets, their prevalences, divergences, and what follows."""

import dataclasses
import math
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from sface_lib.attributes.asymmetry import Asymmetry, asymmetry
from sface_lib.attributes.divergence import DivergenceTest, compare_tallies
from sface_lib.attributes.names import kind_of
from sface_lib.attributes.tally import (
    MOST_IMAGE_UNITS,
    Tally,
    adjusted_interval,
    attribute_draws,
    drawn_together,
    phi_matrix,
    share_intervals,
    tally_attributes,
    tally_variables,
)
from sface_lib.biometrics import Estimate
from sface_lib.privacy.verdict import ALPHA, MOST_P, holm


@dataclasses.dataclass(frozen=True, eq=False)
class AnnotatedSet:
    """A set of faces and what is known of their attributes.

    Attributes
    ----------
    name, role
        What it is called, and "authentic" or "synthetic".
    names
        The attributes.
    labels
        The classifier's, int8 `[N, A]`: 1 or -1.
    probability
        Its calibrated probabilities, float32 `[N, A]`.
    units
        int64 `[N]`: identity of each image, one number being one person in every set; or a number of its own for each.
    by_identity
        Whether they are identities.
    truth
        Ground truth int8 `[N, A]`, 0 undefined; None where it is not known.
    """

    name: str
    role: str
    names: tuple[str, ...]
    labels: np.ndarray
    probability: np.ndarray
    units: np.ndarray
    by_identity: bool
    truth: np.ndarray | None = None

    def only(self, chosen: np.ndarray) -> "AnnotatedSet":
        """The same of some attributes, bool `[A]`."""
        parts = {"labels": self.labels[:, chosen], "probability": self.probability[:, chosen]}
        parts["truth"] = None if self.truth is None else self.truth[:, chosen]
        return dataclasses.replace(self, names=tuple(np.array(self.names)[chosen].tolist()), **parts)

    @property
    def identities(self) -> np.ndarray | None:
        """The units where they are identities."""
        return self.units if self.by_identity else None

    def tally(self, variables: bool = False) -> Tally:
        """Counts of every attribute, or of attributes and groups that exclude one another (`tally_variables`)."""
        return (tally_variables if variables else tally_attributes)(self.labels, self.names, self.identities)


def prevalences(sets: Sequence[AnnotatedSet], reliability: pd.DataFrame, resamples: int, seed: int) -> pd.DataFrame:
    """Prevalence of every attribute in every set.

    Parameters
    ----------
    reliability
        Of the classifier, indexed by attribute: see `AttributeClassifier.reliability`.

    Returns
    -------
    pandas.DataFrame
        `set`, `kind`, `attribute`, `prevalence` (share that the classifier calls present) with its 95 % interval `low`,
        `high`; `adjusted`, freed of the classifier's errors, with `adjusted_low`, `adjusted_high`, which hold how well
        its error rates are known; NaN where that is not known.
    """
    tables = []
    for each in sets:
        tally = each.tally()
        drawn = attribute_draws(tally, resamples, seed)
        rates, share = reliability.reindex(list(each.names)), tally.shares()[::2]
        table = pd.DataFrame({"set": each.name, "kind": [kind_of(n) for n in each.names], "attribute": each.names})
        table["prevalence"] = share
        table["low"], table["high"] = share_intervals(tally, drawn)
        adjusted, ends = adjusted_interval(tally, drawn, rates, seed)
        table["adjusted"], (table["adjusted_low"], table["adjusted_high"]) = adjusted, ends
        tables.append(table)
    return pd.concat(tables, ignore_index=True)


def against_truth(sets: Sequence[AnnotatedSet], reliability: pd.DataFrame, resamples: int, seed: int) -> pd.DataFrame:
    """The same shares in the images in which an attribute is defined, beside the ground truth of those images.

    Returns
    -------
    pandas.DataFrame
        The columns of `prevalences`, `images` (in which the attribute is defined; none without) and `truth`, for the
        sets whose truth is known.
    """
    tables = []
    for each in sets:
        if each.truth is not None:
            defined = dataclasses.replace(each, labels=np.where(each.truth != 0, each.labels, 0).astype(np.int8))
            table = prevalences([defined], reliability, resamples, seed)
            table["images"] = (each.truth != 0).sum(0)
            table["truth"] = (each.truth == 1).sum(0) / np.maximum(table["images"], 1)
            tables.append(table[table["images"] > 0])
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()


def separability(
    authentic: AnnotatedSet,
    synthetic: AnnotatedSet,
    positions: np.ndarray,
    degraded: Mapping[str, np.ndarray],
    resamples: int,
    seed: int,
) -> pd.DataFrame:
    """Whether an attribute's drift is more than what the classifier makes of poorer pictures of the same faces.

    Parameters
    ----------
    positions
        Images of the authentic set that were degraded, int64 `[n]`.
    degraded
        For each degradation the labels of those images, int8 `[n, A]`.

    Returns
    -------
    pandas.DataFrame
        `attribute`, `drift` (share called present in the synthetic set minus that in the authentic one); for each
        degradation its `residual` (the same of the degraded images minus themselves as they were), by how much the
        drift is larger in size with a 95 % interval, `excess`, `low` and `high`, its two-sided `p` after Holm's
        correction for all attributes, and whether the attribute is `separable`: the excess is above 0 and p below 5 %.
    """
    first, second = authentic.tally(), synthetic.tally()
    weights = [np.vstack([np.ones(w.shape[1]), w]) for w in drawn_together(first, second, resamples, seed)]
    own, other = (_shares(tally, w) for tally, w in zip((first, second), weights, strict=True))
    drift = other - own
    table = pd.DataFrame({"attribute": authentic.names, "drift": drift[0]})
    units = authentic.units[positions] if authentic.by_identity else positions % MOST_IMAGE_UNITS
    taken = dataclasses.replace(authentic, labels=authentic.labels[positions], units=units, by_identity=True)
    among = np.isin(first.units, taken.tally().units)
    before = _shares(taken.tally(), weights[0][:, among])
    for name, labels in degraded.items():
        residual = _shares(dataclasses.replace(taken, labels=labels).tally(), weights[0][:, among]) - before
        excess = np.sign(drift[0]) * drift - np.sign(residual[0]) * residual
        estimates = [
            Estimate.of_draws(value, draws, int(among.sum()), is_rate=False)
            for value, draws in zip(excess[0], excess[1:].T, strict=True)
        ]
        spans = [each.interval() for each in estimates]
        table[f"residual, {name}"], table[f"excess, {name}"] = residual[0], excess[0]
        table[f"low, {name}"], table[f"high, {name}"] = [s.low for s in spans], [s.high for s in spans]
        table[f"p, {name}"] = holm([each.p_of_zero() for each in estimates])
        table[f"separable, {name}"] = (table[f"excess, {name}"] > 0) & (table[f"p, {name}"] < ALPHA)
    return table


def _shares(tally: Tally, weights: np.ndarray) -> np.ndarray:
    """Share of images called present in each draw, `[R, A]`, as it is."""
    totals = weights @ tally.counts
    return totals[:, ::2] / np.maximum(totals[:, ::2] + totals[:, 1::2], 1e-9)


def conditional_prevalences(sets: Sequence[AnnotatedSet], given: Sequence[str], fewest: int = 50) -> pd.DataFrame:
    """Share of every attribute among the images that the classifier gives another one, for each set.

    Returns
    -------
    pandas.DataFrame
        `set`, `given`, `images` (that carry it; at least `fewest`), `attribute`, `prevalence`.
    """
    tables = []
    for each in sets:
        for condition in (name for name in given if name in each.names):
            chosen = each.labels[:, each.names.index(condition)] == 1
            if chosen.sum() >= fewest:
                shares = tally_attributes(each.labels[chosen], each.names, None).shares()[::2]
                row = {"set": each.name, "given": condition, "images": int(chosen.sum()), "attribute": each.names}
                tables.append(pd.DataFrame(row | {"prevalence": shares}))
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()


def compare_all(
    sets: Sequence[AnnotatedSet], variables: bool, draws: int, seed: int
) -> dict[tuple[str, str], DivergenceTest]:
    """Every two sets once, earlier against later: see `compare_tallies`."""
    tallies = {each.name: each.tally(variables) for each in sets}
    names = list(tallies)
    return {
        (a, b): compare_tallies(tallies[a], tallies[b], draws, seed)
        for i, a in enumerate(names)
        for b in names[i + 1 :]
    }


def directed_totals(names: Sequence[str], comparisons: Mapping[tuple[str, str], DivergenceTest]) -> pd.DataFrame:
    """Totals of every ordered pair: `p`, `q`, `KL(p || q)`, `null` (95 % of random splits are below), `p-value`."""
    rows = []
    for a in names:
        for b in names:
            for pair, direction in (((a, b), "forward"), ((b, a), "backward")):
                if pair in comparisons:
                    comparison = comparisons[pair]
                    row = {"p": a, "q": b, "KL(p || q)": float(getattr(comparison.observed, direction).sum())}
                    rows.append(row | {"null": comparison.total_reach(direction), "p-value": comparison.p_total})
    return pd.DataFrame(rows)


def divergence_table(comparison: DivergenceTest) -> pd.DataFrame:
    """Each attribute of two sets: its difference, both directions, Jensen-Shannon, their nulls, p, and Holm's."""
    own = comparison.observed
    table = pd.DataFrame({"attribute": comparison.variables, "kind": [kind_of(n) for n in comparison.variables]})
    table["difference"] = comparison.difference
    for name in ("forward", "backward", "js"):
        table[name] = getattr(own, name)
        table[f"{name} null"] = comparison.reach(name)
    table["p"] = comparison.p_values()
    table["p at floor"] = table["p"] <= comparison.p_floor  # It may be smaller than the splits can show.
    table["p, corrected"] = holm(table["p"])
    return table


def splits_for(attributes: int) -> int:
    """How many random splits let one of so many attributes reach a corrected p of 1 %."""
    return math.ceil(attributes / MOST_P) - 1


def phi_difference(a: AnnotatedSet, b: AnnotatedSet) -> np.ndarray:
    """Phi of every two attributes in b minus that in a, float64 `[A, A]`."""
    return phi_matrix(b.labels) - phi_matrix(a.labels)


@dataclasses.dataclass(frozen=True)
class Direction:
    """Which of two sets explains the other better, by the sum over variables as if they were independent.

    Attributes
    ----------
    first, second
        The sets.
    asymmetry
        Their two divergences: forward is KL(first || second). Where the difference is above 0 the first explains the
        second better.
    p_value
        That they differ at all, by random splits.
    p_corrected
        The same for all pairs of sets that are compared (Holm); None of a pair alone. No direction is judged without a
        difference.
    """

    first: str
    second: str
    asymmetry: Asymmetry
    p_value: float
    p_corrected: float | None = None

    @property
    def ratio(self) -> float | None:
        """The larger divergence over the smaller one; None where that is 0, or the corrected difference turns them."""
        smaller, larger = sorted((self.asymmetry.forward, self.asymmetry.backward))
        turned = (self.asymmetry.forward - self.asymmetry.backward) * self.asymmetry.difference < 0
        return None if turned or smaller <= 0 else larger / smaller

    @property
    def verdict(self) -> str:
        """Who explains whom: P explains Q where KL(Q || P) is the smaller one."""
        if (self.p_value if self.p_corrected is None else self.p_corrected) >= ALPHA:
            return "the sets do not differ beyond chance"
        if self.asymmetry.interval.low <= 0 <= self.asymmetry.interval.high:
            return "no direction is decided at this size"
        one, other = (self.first, self.second) if self.asymmetry.interval.low > 0 else (self.second, self.first)
        times = "" if self.ratio is None else f"{self.ratio:.1f} times, "
        return f"{one} explains {other} better than the reverse ({times}summed over variables)"


def directions(
    sets: Mapping[str, AnnotatedSet], comparisons: Mapping[tuple[str, str], DivergenceTest], resamples: int, seed: int
) -> dict[tuple[str, str], Direction]:
    """The direction between every two sets, from their comparisons over `tally_variables`; p-values by Holm."""
    alone = {
        pair: direction(*(sets[name] for name in pair), comparison, resamples, seed)
        for pair, comparison in comparisons.items()
    }
    corrected = holm([each.p_value for each in alone.values()]).tolist()
    return {
        pair: dataclasses.replace(each, p_corrected=p) for (pair, each), p in zip(alone.items(), corrected, strict=True)
    }


def direction(
    first: AnnotatedSet, second: AnnotatedSet, comparison: DivergenceTest, resamples: int, seed: int
) -> Direction:
    """Test the direction between two sets; `comparison` is theirs over `tally_variables`, first against second."""
    asymmetry_test = asymmetry(first.tally(True), second.tally(True), resamples, seed)
    return Direction(first.name, second.name, asymmetry_test, comparison.p_total)
