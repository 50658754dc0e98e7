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
    """Each attribute's prevalence in two sets, as called and adjusted; its drift; and whether degradations explain it.

    Parameters
    ----------
    positions, poorer
        Images of the first set that were degraded, int64 `[n]`, and for each degradation their labels, int8 `[n, A]`:
        see `attributes.comparison.separability`.
    prevalences
        See `attributes.comparison.prevalences`; adjusted shares are left out where it has none.
    """
    separable = separability(first, second, positions, poorer, resamples, seed)
    known = prevalences[prevalences["attribute"].isin(first.names)].pivot(index="attribute", columns="set")
    table = separable.set_index("attribute")
    kinds = [what for what in ("prevalence", "adjusted") if what in prevalences]
    columns = [(annotated.name, what) for annotated in (first, second) for what in kinds]
    for place, (name, what) in enumerate(columns):
        table.insert(place, f"{name}, {'called' if what == 'prevalence' else what}", known[what, name])
    table.insert(0, "kind", [kind_of(name) for name in table.index])
    return table.reset_index()


def errors_of_shares(truth: pd.DataFrame, attributes: Sequence[str]) -> dict[str, float] | None:
    """Mean absolute error, 0 to 1, of "prevalence" and "adjusted" against the ground truth; None where none is known.

    Over the attributes whose classifier error rates are known; `truth` is from `attributes.comparison.against_truth`.
    """
    known = truth[truth["attribute"].isin(attributes)].dropna(subset="adjusted") if len(truth) else truth
    if known.empty:
        return None
    return {what: float((known[what] - known["truth"]).abs().mean()) for what in ("prevalence", "adjusted")}


def without_poor_adjustment(prevalences: pd.DataFrame, errors: dict[str, float] | None) -> pd.DataFrame:
    """Prevalences, without the adjusted columns unless those have the smaller mean error (`errors_of_shares`)."""
    if errors is not None and errors["adjusted"] < errors["prevalence"]:
        return prevalences
    return prevalences.drop(columns=["adjusted", "adjusted_low", "adjusted_high"])


def drifted(drift: pd.DataFrame) -> pd.DataFrame:
    """The attributes that differ beyond chance, corrected for all of them."""
    return drift[drift["p, corrected"] < ALPHA]


def more_and_less_frequent(drift: pd.DataFrame) -> tuple[list[str], list[str]]:
    """Names of the `drifted` attributes more, and less, frequent in the second set, largest Jensen-Shannon first."""
    ordered = drifted(drift).sort_values("js", ascending=False)
    more, less = (ordered["difference"] < 0, ordered["difference"] > 0)
    return ordered.loc[more, "attribute"].tolist(), ordered.loc[less, "attribute"].tolist()


def joint_table(sets: Mapping[str, AnnotatedSet], resamples: int, seed: int) -> pd.DataFrame:
    """Joint divergence KL(p || q), nats, of every ordered pair of sets, its interval, AUC and calibration error."""
    divergences = {
        (a, b): joint_divergence(sets[a].labels, sets[b].labels, sets[a].units, sets[b].units, resamples, seed)
        for a, b in combinations(sets, 2)
    }
    directions = [(pair, divergence.forward, divergence) for pair, divergence in divergences.items()]
    directions += [(pair[::-1], divergence.backward, divergence) for pair, divergence in divergences.items()]
    return pd.DataFrame(
        {"p": p, "q": q, "joint KL(p || q)": direction.value, "95 % low": direction.interval().low,
         "95 % high": direction.interval().high, "AUC": divergence.auc, "calibration error": divergence.calibration}
        for (p, q), direction, divergence in directions
    )  # fmt: skip


def attribute_pairs(phi: np.ndarray, names: Sequence[str]) -> pd.DataFrame:
    """Every two attributes once, from `phi` `[A, A]`: columns `one`, `other`, and `phi, difference`, -2 to 2."""
    one, other = np.triu_indices(len(names), 1)
    labels = np.array(names)
    return pd.DataFrame({"one": labels[one], "other": labels[other], "phi, difference": phi[one, other]})


def largest_first(table: pd.DataFrame, column: str, count: int) -> pd.DataFrame:
    """The rows of the largest absolute values in a column."""
    return table.reindex(table[column].abs().sort_values(ascending=False).index).head(count)


def conditional_shares(first: AnnotatedSet, second: AnnotatedSet) -> pd.DataFrame | None:
    """Prevalence of each attribute among images with one of `CONDITIONS`, in both sets, and second minus first.

    None unless both sets have such images.
    """
    given = conditional_prevalences([first, second], [name for name in CONDITIONS if name in first.names])
    if given.empty or set(given["set"]) != {first.name, second.name}:
        return None
    wide = given.pivot(index=["attribute", "given"], columns="set", values="prevalence").dropna()
    return wide.assign(difference=wide[second.name] - wide[first.name])


def carried_asymmetry(drift: pd.DataFrame, count: int = 10) -> pd.DataFrame:
    """The `count` attributes with the largest absolute `asymmetry`, KL forward minus backward, which it adds."""
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
        Model -> share of its seeds that judge each pair correctly, float64 `[P]`, 0 to 1.
    model
        Name of the model that is compared to the baseline.
    carried
        Attributes of both images of each pair, int8 `[P, A]` each.
    """
    gaps = gap_by_attribute(correct[BASELINE], correct[model], *carried, names)
    gaps = gaps.merge(drift[["attribute", "difference", "forward", "backward"]], on="attribute")
    gaps["drift"] = -gaps["difference"]  # Second minus first.
    return gaps.assign(**{"size of drift": gaps["drift"].abs()}).drop(columns="difference")
