"""Divergence of two sets' attributes: Kullback-Leibler in both directions, Jensen-Shannon, each against its null.

Divergences are in nats and biased upward at finite size, so that none is judged by an interval around zero: random
splits of both sets' identities show what no difference looks like.
"""

import dataclasses

import numpy as np
import pandas as pd
from scipy.special import rel_entr

from sface_lib.attributes.tally import PSEUDO_COUNT, Tally, require_units, smoothed
from sface_lib.errors import InputError

SUM_TOLERANCE = 1e-6
TINY = 1e-12  # Where a half knows nothing of a variable, its values count alike.


def kl_divergence(p: np.ndarray, q: np.ndarray) -> np.ndarray:
    """KL(p || q) = sum of p log(p / q) over the last axis, in nats: how badly q explains p.

    Parameters
    ----------
    p, q
        Distributions `[..., K]`, each summing to 1. Nothing is smoothed: see `tally.prevalence`.

    Returns
    -------
    numpy.ndarray
        float64 `[...]`, never below 0; 0 where p is q.

    Raises
    ------
    InputError
        Shapes that differ, negative or non-finite entries, a sum that is not 1, or q = 0 where p > 0: infinite.

    Examples
    --------
    >>> kl_divergence(np.array([0.5, 0.5]), np.array([0.25, 0.75])).round(4).item()
    0.1438
    """
    p, q = np.asarray(p, np.float64), np.asarray(q, np.float64)
    _require_alike(p, q)
    for name, x in (("p", p), ("q", q)):
        if not np.isfinite(x).all() or (x < 0).any() or (np.abs(x.sum(-1) - 1) > SUM_TOLERANCE).any():
            raise InputError(
                f"{name} is no distribution: entries from 0 on that sum to 1 over the last axis are needed"
            )
    if ((q == 0) & (p > 0)).any():
        raise InputError("q is 0 where p is not, so that KL(p || q) is infinite; smooth the shares with a pseudo-count")
    return np.maximum(rel_entr(p, q).sum(-1), 0)


def js_divergence(p: np.ndarray, q: np.ndarray) -> np.ndarray:
    """Jensen-Shannon divergence of distributions `[..., K]`, in nats: symmetric, 0 to log 2. Raises as above.

    Examples
    --------
    >>> js_divergence(np.array([0.5, 0.5]), np.array([0.5, 0.5])).item()
    0.0
    """
    p, q = np.asarray(p, np.float64), np.asarray(q, np.float64)
    _require_alike(p, q)
    middle = (p + q) / 2
    return (kl_divergence(p, middle) + kl_divergence(q, middle)) / 2


def _require_alike(p: np.ndarray, q: np.ndarray) -> None:
    if p.shape != q.shape or not p.ndim:
        raise InputError(f"p and q must be distributions [..., K] of one shape, got {p.shape} and {q.shape}")


@dataclasses.dataclass(frozen=True, eq=False)
class Divergences:
    """Of each variable; `[V]`, or `[draws, V]` of a null.

    Attributes
    ----------
    forward
        KL(a || b), in nats.
    backward
        KL(b || a).
    js
        Jensen-Shannon.
    """

    forward: np.ndarray
    backward: np.ndarray
    js: np.ndarray


@dataclasses.dataclass(frozen=True, eq=False)
class DivergenceTest:
    """Two sets' tallies against each other.

    Attributes
    ----------
    variables
        Their names.
    observed
        Divergences `[V]`.
    nulls
        Those of random splits `[draws, V]`, of one kind or of two: see `compare_tallies`.
    difference
        Share of each variable's first value (of an attribute: present) in a minus that in b, `[V]`.
    """

    variables: tuple[str, ...]
    observed: Divergences
    nulls: tuple[Divergences, ...]
    difference: np.ndarray

    def p_values(self) -> np.ndarray:
        """(1 + splits whose Jensen-Shannon divergence is as large) / (1 + splits), `[V]`; the larger of the nulls'."""
        return np.max([_p_value(self.observed.js, null.js) for null in self.nulls], 0)

    @property
    def p_floor(self) -> float:
        """The smallest p-value that so many splits can give."""
        return 1 / (1 + len(self.nulls[0].js))

    @property
    def p_total(self) -> float:
        """The same of the sum over all variables."""
        return max(float(_p_value(self.observed.js.sum(), null.js.sum(1))) for null in self.nulls)

    def reach(self, direction: str, level: float = 0.95) -> np.ndarray:
        """What `level` of the random splits stay below, `[V]`, of "forward", "backward" or "js"."""
        return np.max([np.quantile(getattr(null, direction), level, axis=0) for null in self.nulls], 0)

    def total_reach(self, direction: str, level: float = 0.95) -> float:
        """The same of the sum over all variables."""
        return max(float(np.quantile(getattr(null, direction).sum(1), level)) for null in self.nulls)


def _p_value(observed: np.ndarray | float, null: np.ndarray) -> np.ndarray:
    return (1 + (null >= observed - 1e-12).sum(0)) / (1 + len(null))


def compare_tallies(
    a: Tally, b: Tally, draws: int = 2000, seed: int = 0, pseudo_count: float = PSEUDO_COUNT
) -> DivergenceTest:
    """Divergences of two sets, and their null.

    Both sets' units are split into halves at random: a half of a with a half of b stand on one side, the rest on the
    other, so that the sides differ by chance alone, whatever the sets; each set weighs a half in both sides, and the
    sides are smoothed as if they had the images of a and of b. An identity that both sets share (`Tally.units`; the
    synthetic class k is drawn after the authentic identity k) stands on one side with its images of a and on the other
    with those of b.

    Where both sets have identities and share none, these are dealt out anew, too, as many to each side as it has; the
    larger p-value counts. Halves alone find too much where a small set meets a large one or an attribute is rare, for
    what a set does not show seems not to vary in it; dealing out alone does where one set has more images of a person.

    Raises
    ------
    InputError
        The tallies differ in their variables, or a set has one unit.
    """
    if a.variables != b.variables or a.sizes != b.sizes:
        raise InputError("the two sets are annotated with different attributes; annotate both with one classifier")
    require_units(a)
    require_units(b)
    random = np.random.default_rng(seed)
    splits = [_halved(a, b, draws, random)]
    if a.by_identity and b.by_identity and not len(np.intersect1d(a.units, b.units)):
        splits.append(_dealt(a, b, draws, random))
    nulls = (
        directed_divergences(*(smoothed(side, a.sizes, pseudo_count) for side in sides), a.starts) for sides in splits
    )
    observed = [tally.shares(pseudo_count=pseudo_count) for tally in (a, b)]
    difference = (observed[0] - observed[1])[a.starts]
    return DivergenceTest(a.variables, directed_divergences(*observed, a.starts), tuple(nulls), difference)


def _dealt(a: Tally, b: Tally, draws: int, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Totals `[draws, sum(sizes)]` of both sides, all units dealt out at random."""
    counts, n_a = np.concatenate([a.counts, b.counts]), len(a.units)
    first = (_orders(random, draws, len(counts)) < n_a).astype(np.float64) @ counts
    return first, counts.sum(0) - first


def _halved(a: Tally, b: Tally, draws: int, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Totals `[draws, sum(sizes)]` of both sides, each a half of a and a half of b."""
    half_a, half_b = (_orders(random, draws, len(tally.units)) < len(tally.units) // 2 for tally in (a, b))
    if a.by_identity and b.by_identity:
        _, in_a, in_b = np.intersect1d(a.units, b.units, return_indices=True)
        half_b[:, in_b] = ~half_a[:, in_a]
    firsts, seconds = zip(*(_half_shares(t, half) for t, half in ((a, half_a), (b, half_b))), strict=True)
    images = [np.repeat(tally.known(), tally.sizes) for tally in (a, b)]
    return sum(firsts) / 2 * images[0], sum(seconds) / 2 * images[1]


def _orders(random: np.random.Generator, draws: int, count: int) -> np.ndarray:
    return random.permuted(np.tile(np.arange(count), (draws, 1)), axis=1)


def _half_shares(tally: Tally, half: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Share of each value in the chosen units and in the others, `[draws, sum(sizes)]` each."""
    chosen = half.astype(np.float64) @ tally.counts
    sides = (chosen, tally.counts.sum(0) - chosen)
    return tuple(smoothed(side, tally.sizes, TINY) for side in sides)


def directed_divergences(p: np.ndarray, q: np.ndarray, starts: np.ndarray) -> Divergences:
    """Of shares `[..., sum(sizes)]` whose variables begin at `starts`, each `[..., V]`."""

    def kl(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return np.maximum(np.add.reduceat(rel_entr(x, y), starts, axis=-1), 0)

    middle = (p + q) / 2
    return Divergences(kl(p, q), kl(q, p), (kl(p, middle) + kl(q, middle)) / 2)


def by_pseudo_count(a: Tally, b: Tally, pseudo_counts: tuple[float, ...] = (0.1, 0.5, 1.0)) -> pd.DataFrame:
    """Totals in both directions at several pseudo-counts: rare attributes drive the asymmetry, and these rule them."""
    rows = []
    for c in pseudo_counts:
        divergences = directed_divergences(a.shares(pseudo_count=c), b.shares(pseudo_count=c), a.starts)
        rows.append({"pseudo-count": c, "forward": divergences.forward.sum(), "backward": divergences.backward.sum()})
    return pd.DataFrame(rows).assign(asymmetry=lambda table: table["forward"] - table["backward"])
