"""Demographic differentials: error rates by group at one threshold for all, and how unequal they are.

Sources: Grother, "Face Recognition Vendor Test Part 8: Summarizing Demographic Differentials", NIST IR 8429 (2022), for
the maximum over the geometric mean; Howard, Laird, Sirotin, Rubin, Tipton and Vemury, "Evaluating Proposed Fairness
Models for Face Recognition Algorithms" (2022), for the Gini aggregation rate for biometric equitability (GARBE).
"""

from collections.abc import Mapping, Sequence

import numpy as np

from sface_lib.biometrics.rates import Counts, ErrorRate, error_rate
from sface_lib.errors import InputError

EQUAL_WEIGHT = 0.5  # Of FMR beside FNMR.


def between_groups(counts: Counts, group: Mapping[int, str]) -> dict[tuple[str, str], ErrorRate]:
    """Error rate of each two groups, the alphabetically first in front, from comparisons whose persons' are known.

    Of one group twice: within it. Couples of groups that are never compared are left out.

    Parameters
    ----------
    group
        Identity's label -> its group.
    """
    names = sorted(set(group.values()))
    labels = np.union1d(counts.left, counts.right)
    sides = [np.searchsorted(labels, side) for side in (counts.left, counts.right)]
    codes = np.array([names.index(group[label]) if label in group else -1 for label in labels.tolist()], int)
    first, second = (choose(*(codes[side] for side in sides)) for choose in (np.minimum, np.maximum))
    found = {}
    for i, one in enumerate(names):
        for j, other in enumerate(names[i:], start=i):
            chosen = (first == i) & (second == j) & (counts.comparisons > 0)
            if chosen.any():
                found[one, other] = error_rate(counts.only(chosen))
    return found


def within_groups(counts: Counts, group: Mapping[int, str]) -> dict[str, ErrorRate]:
    """Error rate within each group: see `between_groups`."""
    return {one: rate for (one, other), rate in between_groups(counts, group).items() if one == other}


def max_over_geometric_mean(rates: Sequence[float]) -> float | None:
    """The largest of the groups' rates over their geometric mean; 1 where all are equal, None where one is 0.

    Raises
    ------
    InputError
        Fewer than two rates, or one outside 0 to 1.
    """
    rates = _checked(rates)
    return None if rates.min() == 0 else float(rates.max() / np.exp(np.log(rates).mean()))


def gini(rates: Sequence[float]) -> float:
    """Gini coefficient of the groups' rates, corrected for their number: 0 where all are equal, 1 where one has all.

    n / (n - 1) times the mean absolute difference of every two, over twice the mean. Raises as above.
    """
    rates = _checked(rates)
    if rates.sum() == 0:
        return 0.0
    n = len(rates)
    return float(n / (n - 1) * np.abs(rates[:, None] - rates).mean() / (2 * rates.mean()))


def garbe(fmr: Sequence[float], fnmr: Sequence[float], weight: float = EQUAL_WEIGHT) -> float:
    """GARBE: `weight` times the Gini coefficient of the groups' FMR plus the rest times that of their FNMR."""
    return weight * gini(fmr) + (1 - weight) * gini(fnmr)


def _checked(rates: Sequence[float]) -> np.ndarray:
    found = np.asarray(rates, np.float64)
    if found.ndim != 1 or len(found) < 2 or not ((found >= 0) & (found <= 1)).all():
        raise InputError(f"rates are {list(rates)}; give two groups' at least, from 0 to 1")
    return found
