"""Counts of attributes by identity: what every prevalence, interval and null is computed from."""

import dataclasses
from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy import stats

from sface_lib.attributes.names import EXCLUSIVE, exclusive_groups
from sface_lib.biometrics import Estimate, identity_weights
from sface_lib.errors import InputError

PSEUDO_COUNT = 0.5
MOST_IMAGE_UNITS = 10_000  # Images of a large set without identities are redrawn in as many lots.


def prevalence(count: np.ndarray | float, n: np.ndarray | float, pseudo_count: float = PSEUDO_COUNT) -> np.ndarray:
    """Share of images with an attribute, smoothed: (count + c) / (n + 2 c), strictly between 0 and 1.

    Raises
    ------
    InputError
        A count below 0 or above n, or a pseudo-count that is not above 0.
    """
    count, n = np.asarray(count, np.float64), np.asarray(n, np.float64)
    if not pseudo_count > 0:
        raise InputError(f"pseudo_count = {pseudo_count}: give a number above 0; without one a share may be 0 or 1")
    if (count < 0).any() or (count > n).any():
        raise InputError("a count is below 0 or above the number of images; give 0 <= count <= n")
    return (count + pseudo_count) / (n + 2 * pseudo_count)


@dataclasses.dataclass(frozen=True, eq=False)
class Tally:
    """How often each value of each variable occurs, by unit: an identity, or an image where those are not known.

    More than 10,000 images without identities are counted in 10,000 lots, each of every 10,000th image: lots of
    independent images vary as the images do, and a set of any size can be redrawn.

    Attributes
    ----------
    variables
        Names: attributes, each with the values present and absent; or groups such as "age" with a value for each member
        and one for none.
    sizes
        Number of values of each variable.
    counts
        float64 `[U, sum(sizes)]`.
    units
        Label of each unit, int64 `[U]`, ascending: two sets of one run share their identities' labels.
    by_identity
        Whether the units are identities.
    """

    variables: tuple[str, ...]
    sizes: tuple[int, ...]
    counts: np.ndarray
    units: np.ndarray
    by_identity: bool

    @property
    def starts(self) -> np.ndarray:
        """Column of the first value of each variable."""
        return np.concatenate([[0], np.cumsum(self.sizes)[:-1]]).astype(int)

    def shares(self, weights: np.ndarray | None = None, pseudo_count: float = PSEUDO_COUNT) -> np.ndarray:
        """Smoothed share of each value, `[..., sum(sizes)]`; `weights` `[..., U]` says how often each unit counts."""
        total = self.counts.sum(0) if weights is None else weights @ self.counts
        return smoothed(total, self.sizes, pseudo_count)

    def known(self, weights: np.ndarray | None = None) -> np.ndarray:
        """Images in which each variable is known, `[..., V]`."""
        total = self.counts.sum(0) if weights is None else weights @ self.counts
        return np.add.reduceat(total, self.starts, axis=-1)


def smoothed(totals: np.ndarray, sizes: Sequence[int], pseudo_count: float) -> np.ndarray:
    """Totals `[..., sum(sizes)]` as shares within each variable, each value with `pseudo_count` more."""
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(int)
    raised = totals + pseudo_count
    return raised / np.repeat(np.add.reduceat(raised, starts, axis=-1), sizes, axis=-1)


def tally_attributes(values: np.ndarray, names: Sequence[str], identities: np.ndarray | None) -> Tally:
    """Every attribute by itself: (present, absent) of values int8 `[N, A]`; identities int64 `[N]`, or None."""
    columns = [values[:, i] == sign for i in range(len(names)) for sign in (1, -1)]
    return _tally(tuple(names), (2,) * len(names), columns, identities, len(values))


def tally_variables(values: np.ndarray, names: Sequence[str], identities: np.ndarray | None) -> Tally:
    """Attributes that exclude one another as one variable, the others by themselves: nothing is counted twice.

    An image in which any member of a group is undefined, or two are present, does not count for the group.
    """
    groups = exclusive_groups(tuple(names))
    grouped = {i for group in groups for i in group}
    alone = [i for i in range(len(names)) if i not in grouped]
    variables, sizes = [names[i] for i in alone], [2] * len(alone)
    columns = [values[:, i] == sign for i in alone for sign in (1, -1)]
    for group in groups:
        members = values[:, group]
        present = members == 1
        known = (members != 0).all(1) & (present.sum(1) < 2)
        variables.append(next(name for name, all_ in EXCLUSIVE.items() if names[group[0]] in all_))
        sizes.append(len(group) + 1)
        columns += [known & present[:, i] for i in range(len(group))] + [known & ~present.any(1)]
    return _tally(tuple(variables), tuple(sizes), columns, identities, len(values))


def _tally(variables, sizes, columns, identities, n) -> Tally:
    if not variables or not n:
        raise InputError(f"{n} images with {len(variables)} attributes: at least one of each is needed")
    hot = np.stack(columns, 1).astype(np.float64)
    by_identity = identities is not None
    if not by_identity:
        identities = np.arange(n) % MOST_IMAGE_UNITS
    counts = pd.DataFrame(hot).groupby(identities).sum()
    return Tally(variables, sizes, counts.to_numpy(), counts.index.to_numpy(), by_identity)


def attribute_draws(tally: Tally, resamples: int, seed: int, pseudo_count: float = PSEUDO_COUNT) -> np.ndarray:
    """Share of each attribute `[R, A]` in each bootstrap draw of the units; `tally` from `tally_attributes`."""
    require_units(tally)
    return tally.shares(identity_weights(len(tally.units), resamples, seed), pseudo_count)[:, ::2]


def drawn_together(a: Tally, b: Tally, resamples: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """How often each unit of two sets is drawn, `[R, U]` each; an identity that both share is drawn for both."""
    if a.by_identity and b.by_identity:
        labels = np.union1d(a.units, b.units)
        weights = identity_weights(len(labels), resamples, seed)
        return weights[:, np.searchsorted(labels, a.units)], weights[:, np.searchsorted(labels, b.units)]
    return identity_weights(len(a.units), resamples, seed), identity_weights(len(b.units), resamples, seed + 1)


def share_intervals(tally: Tally, drawn: np.ndarray, level: float = 0.95) -> tuple[np.ndarray, np.ndarray]:
    """Ends `[A]` of the percentile intervals of `attribute_draws`.

    What no unit shows, or all show, never varies in a bootstrap: there the interval reaches to the share of units at
    which this many would still show none (or all) in (1 - level) / 2 of cases. Where nothing is known it is 0 to 1.
    """
    tail = (1 - level) / 2
    low, high = np.quantile(drawn, [tail, 1 - tail], axis=0)
    present, absent = tally.counts[:, ::2].sum(0), tally.counts[:, 1::2].sum(0)
    units = ((tally.counts[:, ::2] + tally.counts[:, 1::2]) > 0).sum(0)
    reach = 1 - tail ** (1 / np.maximum(units, 1))
    high = np.where(present == 0, np.maximum(high, reach), high)
    low = np.where(absent == 0, np.minimum(low, 1 - reach), low)
    return np.where(units > 0, low, 0.0), np.where(units > 0, high, 1.0)


def unit_mean(values: np.ndarray, units: np.ndarray, resamples: int, seed: int, is_rate: bool = True) -> Estimate:
    """Mean of values `[N]` over images, and its draws: units are redrawn with all their images."""
    codes = np.unique(units, return_inverse=True)[1]
    sums, counts = np.bincount(codes, values), np.bincount(codes)
    weights = identity_weights(len(counts), resamples, seed)
    draws = (weights @ sums) / (weights @ counts)
    return Estimate.of_draws(float(np.mean(values)), draws, len(counts), is_rate)


def require_units(tally: Tally) -> None:
    """Refuse a set whose spread cannot be known; raises `InputError`."""
    if len(tally.units) < 2:
        what = "identity" if tally.by_identity else "image"
        raise InputError(f"a set of one {what} has no spread between them; give a set of two or more")


def adjusted_prevalence(share: np.ndarray, tpr: np.ndarray, fpr: np.ndarray) -> np.ndarray:
    """Prevalence freed of a classifier's errors: (share called present - fpr) / (tpr - fpr), cut to [0, 1].

    The adjusted count (Gart and Buck, 1966; Forman, 2008). It holds where the classifier errs as often in this set as
    where `tpr` and `fpr` were measured; NaN where it tells nothing (tpr <= fpr).

    Examples
    --------
    >>> adjusted_prevalence(np.array([0.5]), np.array([0.9]), np.array([0.1])).round(6)
    array([0.5])
    """
    share, tpr, fpr = (np.asarray(x, np.float64) for x in (share, tpr, fpr))
    with np.errstate(divide="ignore", invalid="ignore"):
        prevalences = np.clip((share - fpr) / (tpr - fpr), 0, 1)
    return np.where(tpr > fpr, prevalences, np.nan)


def adjusted_interval(tally: Tally, drawn: np.ndarray, rates: pd.DataFrame, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Adjusted prevalence `[A]`, and the ends `[2, A]` of its 95 % interval.

    Parameters
    ----------
    tally, drawn
        Of the attributes called present, and their shares in bootstrap draws `[R, A]`; what no unit shows, or all show,
        and so never varies, is drawn from the beta distribution that so many units leave.
    rates
        `tpr`, `fpr`, `tpr_trials`, `fpr_trials` of each attribute: see `calibration.reliability`. Every draw takes
        error rates of its own, from the beta distributions that so many independent images leave (Jeffreys' prior).
        Without the trials all is NaN.
    """
    known = rates.reindex(columns=["tpr", "fpr", "tpr_trials", "fpr_trials"])
    random = np.random.default_rng(seed)

    def rate_draws(name: str) -> np.ndarray:
        hits, misses = known[name] * known[f"{name}_trials"], (1 - known[name]) * known[f"{name}_trials"]
        return stats.beta.ppf(random.random(drawn.shape), hits.to_numpy() + 0.5, misses.to_numpy() + 0.5)

    present, absent = tally.counts[:, ::2], tally.counts[:, 1::2]
    units, constant = ((present + absent) > 0).sum(0), (present.sum(0) == 0) | (absent.sum(0) == 0)
    every = np.where(absent.sum(0) == 0, units, 0)
    steady = stats.beta.ppf(random.random(drawn.shape), every + 0.5, units - every + 0.5)
    drawn = np.where(constant, steady, drawn)
    adjusted = adjusted_prevalence(tally.shares()[::2], known["tpr"].to_numpy(), known["fpr"].to_numpy())
    adjusted = np.where(known.isna().any(axis=1), np.nan, adjusted)
    draws = adjusted_prevalence(drawn, rate_draws("tpr"), rate_draws("fpr"))
    # A draw in which the classifier tells nothing allows any share.
    ends = [np.quantile(np.nan_to_num(draws, nan=end), tail, axis=0) for end, tail in ((0.0, 0.025), (1.0, 0.975))]
    return adjusted, np.where(np.isnan(adjusted), np.nan, ends)


def phi_matrix(values: np.ndarray) -> np.ndarray:
    """Correlation of every two attributes (phi), float64 `[A, A]`, over the images in which both are known.

    0 where one of them is the same in all of these images, 1 on the diagonal.

    Examples
    --------
    >>> phi_matrix(np.array([[1, 1], [1, 1], [-1, -1], [-1, -1]]))[0, 1].round(6).item()
    1.0
    """
    phi = pd.DataFrame(np.where(values == 0, np.nan, values)).corr().fillna(0).to_numpy(copy=True)
    np.fill_diagonal(phi, 1.0)
    return phi
