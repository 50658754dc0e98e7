"""The tables that notebook 06 is made of, from annotated sets and from one another."""

from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np
import pandas as pd

from sface_lib.attributes import kind_of
from sface_lib.attributes.comparison import ALPHA, AnnotatedSet, conditional_prevalences, separability
from sface_lib.attributes.drift import gap_by_attribute
from sface_lib.attributes.joint import joint_divergence
from sface_lib.chapters.shared import BASELINE

CONDITIONS = ("Male", "Asian", "White", "Black")


def separability_table(
    first: AnnotatedSet,
    second: AnnotatedSet,
    positions: np.ndarray,
    poorer: Mapping[str, np.ndarray],
    prevalences: pd.DataFrame,
    resamples: int,
    seed: int,
) -> pd.DataFrame:
    """Each attribute's shares in two sets, called and adjusted; its drift; and whether degradations explain it.

    Parameters
    ----------
    positions, poorer
        Images of the first set, and for each degradation their labels: see `attributes.comparison.separability`.
    prevalences
        See `attributes.comparison.prevalences`; adjusted shares are left out where it has none.
    """
    apart = separability(first, second, positions, poorer, resamples, seed)
    known = prevalences[prevalences["attribute"].isin(first.names)].pivot(index="attribute", columns="set")
    table = apart.set_index("attribute")
    shown = [what for what in ("prevalence", "adjusted") if what in prevalences]
    columns = [(each.name, what) for each in (first, second) for what in shown]
    for place, (name, what) in enumerate(columns):
        table.insert(place, f"{name}, {'called' if what == 'prevalence' else what}", known[what, name])
    table.insert(0, "kind", [kind_of(name) for name in table.index])
    return table.reset_index()


def errors_of_shares(truth: pd.DataFrame, attributes: Sequence[str]) -> dict[str, float] | None:
    """Mean distance, as a share, of "prevalence" and "adjusted" from the ground truth; None where none is known.

    Of the attributes whose error rates are known; see `attributes.comparison.against_truth`.
    """
    known = truth[truth["attribute"].isin(attributes)].dropna(subset="adjusted") if len(truth) else truth
    if known.empty:
        return None
    return {what: float((known[what] - known["truth"]).abs().mean()) for what in ("prevalence", "adjusted")}


def without_poor_adjustment(prevalences: pd.DataFrame, errors: dict[str, float] | None) -> pd.DataFrame:
    """Prevalences with the adjusted shares only where those come nearer to the truth than the called ones do."""
    if errors is not None and errors["adjusted"] < errors["prevalence"]:
        return prevalences
    return prevalences.drop(columns=["adjusted", "adjusted_low", "adjusted_high"])


def drifted(drift: pd.DataFrame) -> pd.DataFrame:
    """The attributes that differ beyond chance, corrected for all of them."""
    return drift[drift["p, corrected"] < ALPHA]


def more_and_less_frequent(drift: pd.DataFrame) -> tuple[list[str], list[str]]:
    """Of those that differ, the ones that the second set shows more, and less, the largest divergence first."""
    ordered = drifted(drift).sort_values("js", ascending=False)
    more, less = (ordered["difference"] < 0, ordered["difference"] > 0)
    return ordered.loc[more, "attribute"].tolist(), ordered.loc[less, "attribute"].tolist()


def joint_table(sets: Mapping[str, AnnotatedSet], resamples: int, seed: int) -> pd.DataFrame:
    """Joint divergence of every ordered pair of sets: `p`, `q`, its value and interval, AUC and calibration error."""
    found = {
        (a, b): joint_divergence(sets[a].labels, sets[b].labels, sets[a].units, sets[b].units, resamples, seed)
        for a, b in combinations(sets, 2)
    }
    ways = [(pair, each.forward, each) for pair, each in found.items()]
    ways += [(pair[::-1], each.backward, each) for pair, each in found.items()]
    return pd.DataFrame(
        {"p": p, "q": q, "joint KL(p || q)": way.value, "95 % low": way.interval().low,
         "95 % high": way.interval().high, "AUC": each.auc, "calibration error": each.calibration}
        for (p, q), way, each in ways
    )  # fmt: skip


def attribute_pairs(phi: np.ndarray, names: Sequence[str]) -> pd.DataFrame:
    """Every two attributes once: `one`, `other`, `phi, difference`."""
    one, other = np.triu_indices(len(names), 1)
    labels = np.array(names)
    return pd.DataFrame({"one": labels[one], "other": labels[other], "phi, difference": phi[one, other]})


def largest_first(table: pd.DataFrame, column: str, count: int) -> pd.DataFrame:
    """The rows of the largest absolute values in a column."""
    return table.reindex(table[column].abs().sort_values(ascending=False).index).head(count)


def conditional_shares(first: AnnotatedSet, second: AnnotatedSet) -> pd.DataFrame | None:
    """Share of each attribute within a group, in both sets, and its difference; None where no group is in both."""
    given = conditional_prevalences([first, second], [name for name in CONDITIONS if name in first.names])
    if given.empty or set(given["set"]) != {first.name, second.name}:
        return None
    wide = given.pivot(index=["attribute", "given"], columns="set", values="prevalence").dropna()
    return wide.assign(difference=wide[second.name] - wide[first.name])


def carried_asymmetry(drift: pd.DataFrame, count: int = 10) -> pd.DataFrame:
    """The attributes whose two directions differ most."""
    return largest_first(drift.assign(asymmetry=drift["forward"] - drift["backward"]), "asymmetry", count)


def lost_accuracy(
    correct: Mapping[str, np.ndarray],
    model: str,
    carried: tuple[np.ndarray, np.ndarray],
    names: Sequence[str],
    drift: pd.DataFrame,
) -> pd.DataFrame:
    """Accuracy of the baseline minus another model's on pairs that carry an attribute, beside the attribute's drift.

    Parameters
    ----------
    correct
        Model -> share of its seeds that judge each pair rightly, `[P]`.
    model
        The other one.
    carried
        Attributes of both images of each pair, int8 `[P, A]` each.
    """
    gaps = gap_by_attribute(correct[BASELINE], correct[model], *carried, names)
    gaps = gaps.merge(drift[["attribute", "difference", "forward", "backward"]], on="attribute")
    gaps["drift"] = -gaps["difference"]  # Second minus first.
    return gaps.assign(**{"size of drift": gaps["drift"].abs()}).drop(columns="difference")
