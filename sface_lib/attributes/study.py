"""The comparison that notebook 06 tells: annotated sets, their prevalences, divergences, and what follows."""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from sface_lib.attributes.divergence import Comparison, bootstrap_totals, compare_tallies
from sface_lib.attributes.names import kind_of
from sface_lib.attributes.tally import (
    Tally,
    adjusted_prevalence,
    attribute_draws,
    phi_matrix,
    share_intervals,
    tally_attributes,
    tally_variables,
)
from sface_lib.biometrics import Interval
from sface_lib.privacy.verdict import holm

ALPHA = 0.05


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
        `high`; `adjusted`, freed of the classifier's errors, with `adjusted_low`, `adjusted_high`; `truth`, the share
        in the ground truth, NaN where that is not known.
    """
    tables = []
    for each in sets:
        tally = each.tally()
        drawn = attribute_draws(tally, resamples, seed)
        rates = reliability.loc[list(each.names)]
        share, tpr, fpr = tally.shares()[::2], rates["tpr"].to_numpy(), rates["fpr"].to_numpy()
        adjusted = adjusted_prevalence(drawn, tpr, fpr)
        truth = np.full(len(each.names), np.nan)
        if each.truth is not None:
            known = (each.truth != 0).sum(0)
            truth = np.where(known > 0, (each.truth == 1).sum(0) / np.maximum(known, 1), np.nan)
        table = pd.DataFrame({"set": each.name, "kind": [kind_of(n) for n in each.names], "attribute": each.names})
        table["prevalence"] = share
        table["low"], table["high"] = share_intervals(tally, drawn)
        table["adjusted"] = adjusted_prevalence(share, tpr, fpr)
        table["adjusted_low"], table["adjusted_high"] = np.quantile(adjusted, [0.025, 0.975], axis=0)
        tables.append(table.assign(truth=truth))
    return pd.concat(tables, ignore_index=True)


def separability(
    authentic: AnnotatedSet, synthetic: AnnotatedSet, positions: np.ndarray, degraded: Mapping[str, np.ndarray]
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
        degradation its `residual` (the same of the degraded images minus themselves as they were), and whether the
        attribute is `separable`: the drift is larger.
    """
    share = {each.name: each.tally().shares()[::2] for each in (authentic, synthetic)}
    table = pd.DataFrame({"attribute": authentic.names, "drift": share[synthetic.name] - share[authentic.name]})
    before = (authentic.labels[positions] == 1).mean(0)
    for name, labels in degraded.items():
        table[f"residual, {name}"] = (labels == 1).mean(0) - before
        table[f"separable, {name}"] = table["drift"].abs() > table[f"residual, {name}"].abs()
    return table


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
) -> dict[tuple[str, str], Comparison]:
    """Every two sets once, earlier against later: see `compare_tallies`."""
    tallies = {each.name: each.tally(variables) for each in sets}
    names = list(tallies)
    return {
        (a, b): compare_tallies(tallies[a], tallies[b], draws, seed)
        for i, a in enumerate(names)
        for b in names[i + 1 :]
    }


def directed_totals(names: Sequence[str], comparisons: Mapping[tuple[str, str], Comparison]) -> pd.DataFrame:
    """Totals of every ordered pair: `p`, `q`, `KL(p || q)`, `null` (95 % of random splits are below), `p-value`."""
    rows = []
    for a in names:
        for b in names:
            for pair, direction in (((a, b), "forward"), ((b, a), "backward")):
                if pair in comparisons:
                    found = comparisons[pair]
                    row = {"p": a, "q": b, "KL(p || q)": float(getattr(found.observed, direction).sum())}
                    rows.append(row | {"null": found.total_reach(direction), "p-value": found.p_total})
    return pd.DataFrame(rows)


def divergence_table(comparison: Comparison) -> pd.DataFrame:
    """Each attribute of two sets: its difference, both directions, Jensen-Shannon, their nulls, p, and Holm's."""
    own = comparison.observed
    table = pd.DataFrame({"attribute": comparison.variables, "kind": [kind_of(n) for n in comparison.variables]})
    table["difference"] = comparison.difference
    for name in ("forward", "backward", "js"):
        table[name] = getattr(own, name)
        table[f"{name} null"] = comparison.reach(name)
    table["p"] = comparison.p_values()
    table["p, corrected"] = holm(table["p"])
    return table


def phi_difference(a: AnnotatedSet, b: AnnotatedSet) -> np.ndarray:
    """Phi of every two attributes in b minus that in a, float64 `[A, A]`."""
    return phi_matrix(b.labels) - phi_matrix(a.labels)


@dataclasses.dataclass(frozen=True)
class Direction:
    """Which of two sets explains the other better.

    Attributes
    ----------
    first, second
        The sets.
    forward, backward
        KL(first || second) and KL(second || first), totals in nats.
    interval
        95 % identity-bootstrap interval of forward - backward; above 0 the first explains the second better.
    p_value
        Of the difference, by random splits.
    """

    first: str
    second: str
    forward: float
    backward: float
    interval: Interval
    p_value: float

    @property
    def verdict(self) -> str:
        """Who explains whom: P explains Q where KL(Q || P) is the smaller one."""
        if self.p_value >= ALPHA or self.interval.low <= 0 <= self.interval.high:
            return "no direction is decided at this size"
        if self.forward > self.backward:
            return f"{self.first} explains {self.second} better than the reverse"
        return f"{self.second} explains {self.first} better than the reverse"


def direction(
    first: AnnotatedSet, second: AnnotatedSet, comparison: Comparison, resamples: int, seed: int
) -> Direction:
    """Test the direction between two sets; `comparison` is theirs over `tally_variables`, first against second."""
    forward, backward, draws = bootstrap_totals(first.tally(True), second.tally(True), resamples, seed)
    interval = Interval(*map(float, np.quantile(draws, [0.025, 0.975])), 0.95)
    return Direction(first.name, second.name, forward, backward, interval, comparison.p_asymmetry())
