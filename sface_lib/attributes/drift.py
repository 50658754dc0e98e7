"""Whether attributes that drift are those where a model trained on synthetic faces loses accuracy."""

import dataclasses

import numpy as np
import pandas as pd
from scipy import stats

from sface_lib.attributes.names import kind_of

FEWEST_PAIRS = 200
FEWEST_ATTRIBUTES = 5


def gap_by_attribute(
    baseline: np.ndarray, other: np.ndarray, left: np.ndarray, right: np.ndarray, names: tuple[str, ...],
    fewest: int = FEWEST_PAIRS,
) -> pd.DataFrame:  # fmt: skip
    """Accuracy of the baseline minus that of another model, on the pairs in which both images have an attribute.

    Parameters
    ----------
    baseline, other
        Whether each pair was judged correctly, bool `[P]`, or the share of seeds that did so, float `[P]`, 0 to 1.
    left, right
        Attributes of the two images of each pair, int8 `[P, A]`: 1 present, -1 absent, 0 not known.
    names
        Of the A attributes.
    fewest
        Pairs from which on an attribute is reported.

    Returns
    -------
    pandas.DataFrame
        `attribute`, `pairs`, `gap` (-1 to 1); only attributes that both images of at least `fewest` pairs have.
    """
    carried = (left == 1) & (right == 1)
    gain = np.asarray(baseline, np.float64) - np.asarray(other, np.float64)
    rows = [
        {"attribute": name, "pairs": int(on.sum()), "gap": float(gain[on].mean())}
        for name, on in zip(names, carried.T, strict=True)
        if on.sum() >= fewest
    ]
    return pd.DataFrame(rows, columns=["attribute", "pairs", "gap"])


@dataclasses.dataclass(frozen=True)
class RankCorrelation:
    """Spearman's correlation over attributes.

    Attributes
    ----------
    value
        -1 to 1.
    low, high
        Central 95 % of the null, in which the contribution of each kind of attributes has a random sign; not a
        confidence interval of `value`.
    p_value
        Two-sided, against that null.
    attributes
        Number of attributes that are correlated.
    p_corrected
        For the other correlations of a family; None where it is of none.
    """

    value: float
    low: float
    high: float
    p_value: float
    attributes: int
    p_corrected: float | None = None


def correlate(table: pd.DataFrame, x: str, y: str, shuffles: int, seed: int) -> RankCorrelation | None:
    """Rank correlation of two columns over attributes, against a null that keeps kinds of attributes together.

    Attributes of one kind (hair, beard) vary together and are not independent: in each draw of the null, the whole
    contribution of a kind to the correlation keeps its sign or changes it, at random. None with fewer than five
    attributes, or where a column does not vary; rows with NaN are left out. `table` also needs a column `attribute`.
    """
    table = table.dropna(subset=[x, y])
    if len(table) < FEWEST_ATTRIBUTES or table[x].nunique() < 2 or table[y].nunique() < 2:
        return None
    ranks = stats.zscore(stats.rankdata(table[[x, y]], axis=0))
    products = pd.Series(ranks.prod(1) / len(table))
    by_kind = products.groupby(table["attribute"].map(kind_of).to_numpy()).sum().to_numpy()
    observed = float(by_kind.sum())
    null = np.random.default_rng(seed).choice([-1.0, 1.0], (shuffles, len(by_kind))) @ by_kind
    low, high = np.quantile(null, [0.025, 0.975])
    p = (1 + (np.abs(null) >= abs(observed) - 1e-12).sum()) / (1 + shuffles)
    return RankCorrelation(observed, float(low), float(high), float(p), len(table))
