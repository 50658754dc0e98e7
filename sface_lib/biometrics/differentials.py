"""Demographic differentials: error rates by group at one threshold for all, and how unequal they are.

Sources: Grother, "Face Recognition Vendor Test Part 8: Summarizing Demographic Differentials", NIST IR 8429 (2022), for
the maximum over the geometric mean; Howard, Laird, Sirotin, Rubin, Tipton and Vemury, "Evaluating Proposed Fairness
Models for Face Recognition Algorithms" (2022), for the Gini aggregation rate for biometric equitability (GARBE).
"""

from collections.abc import Mapping, Sequence

import numpy as np

from sface_lib.biometrics.rates import Counts, ErrorRate, error_rate
from sface_lib.errors import InputError

EQUAL_WEIGHT = 0.5  # Of the FMR's Gini coefficient in GARBE; the rest is that of the FNMR's.


def between_groups(counts: Counts, group: Mapping[int, str]) -> dict[tuple[str, str], ErrorRate]:
    """Error rate between every two groups, and within each, from the comparisons of persons whose groups are known.

    A key is (group, group) in alphabetical order, with both equal for comparisons within a group. Pairs of groups that
    are never compared are missing.

    Parameters
    ----------
    counts
        Errors and comparisons by pair of identities.
    group
        Label of an identity -> its group; comparisons with other identities are left out.
    """
    names = sorted(set(group.values()))
    labels = np.union1d(counts.left, counts.right)
    sides = [np.searchsorted(labels, side) for side in (counts.left, counts.right)]
    codes = np.array([names.index(group[label]) if label in group else -1 for label in labels.tolist()], int)
    first, second = (choose(*(codes[side] for side in sides)) for choose in (np.minimum, np.maximum))
    rates = {}
    for i, one in enumerate(names):
        for j, other in enumerate(names[i:], start=i):
            chosen = (first == i) & (second == j) & (counts.comparisons > 0)
            if chosen.any():
                rates[one, other] = error_rate(counts.only(chosen))
    return rates


def within_groups(counts: Counts, group: Mapping[int, str]) -> dict[str, ErrorRate]:
    """Error rate within each group: see `between_groups`."""
    return {one: rate for (one, other), rate in between_groups(counts, group).items() if one == other}


def max_over_geometric_mean(rates: Sequence[float]) -> float | None:
    """The largest of the groups' rates over their geometric mean, 1 or more; None where a rate is 0.

    Raises
    ------
    InputError
        Fewer than two rates, or one outside 0 to 1.

    Examples
    --------
    >>> round(max_over_geometric_mean([0.01, 0.04]), 6)
    2.0
    """
    rates = _checked(rates)
    return None if rates.min() == 0 else float(rates.max() / np.exp(np.log(rates).mean()))


def gini(rates: Sequence[float]) -> float:
    """Gini coefficient of the groups' rates, corrected for their number: 0 for equal rates, 1 where all but one are 0.

    n / (n - 1) times the mean absolute difference over all ordered pairs, divided by twice the mean; 0 where all are 0.

    Raises
    ------
    InputError
        Fewer than two rates, or one outside 0 to 1.

    Examples
    --------
    >>> round(gini([0.01, 0.01, 0.04]), 6)
    0.5
    """
    rates = _checked(rates)
    if rates.sum() == 0:
        return 0.0
    n = len(rates)
    return float(n / (n - 1) * np.abs(rates[:, None] - rates).mean() / (2 * rates.mean()))


def garbe(fmr: Sequence[float], fnmr: Sequence[float], weight: float = EQUAL_WEIGHT) -> float:
    """GARBE, 0 to 1: `weight` times `gini(fmr)` plus (1 - `weight`) times `gini(fnmr)`; raises as `gini` does.

    Examples
    --------
    >>> garbe([0.01, 0.01], [0.1, 0.1])
    0.0
    """
    return weight * gini(fmr) + (1 - weight) * gini(fnmr)


def _checked(rates: Sequence[float]) -> np.ndarray:
    error_rates = np.asarray(rates, np.float64)
    if error_rates.ndim != 1 or len(error_rates) < 2 or not ((error_rates >= 0) & (error_rates <= 1)).all():
        raise InputError(f"rates are {list(rates)}; give those of at least two groups, each from 0 to 1")
    return error_rates
