"""Who explains whom: which images of a set another set has the like of, and what its attributes teach of the other's.

Support is the union of balls around a set's images that reach to their third nearest neighbour (Kynkäänniemi et al.,
NeurIPS 2019), here over attribute profiles or face embeddings. Sets are thinned to one size, for a larger one covers
more; two halves of one set show what is reached where nothing differs but the identities.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score

from sface_lib.attributes.joint import fit_logistic
from sface_lib.attributes.tally import unit_mean
from sface_lib.errors import InputError
from sface_lib.generators.quality import within_support

MOST_IMAGES = 1000
FEWEST = 10  # Images of a half; images with and without an attribute, in every half, to predict it.


def halves(units: np.ndarray, seed: int) -> np.ndarray:
    """Which images are of the first half of the units, bool `[N]`; the units are dealt at random."""
    distinct_units, codes = np.unique(units, return_inverse=True)
    return (np.random.default_rng(seed).permutation(len(distinct_units)) < len(distinct_units) // 2)[codes]


def support_table(
    sets: Mapping[str, tuple[np.ndarray, np.ndarray]], resamples: int, seed: int, most: int = MOST_IMAGES
) -> pd.DataFrame:
    """For every ordered pair of sets the share of one's images within the other's support.

    Parameters
    ----------
    sets
        For each name float `[N, d]` and the unit of each image, int64 `[N]`.
    most
        Images that are compared at most. One half of the identities of a set stands for it as points, the other half
        as support, so that no set is compared with its own identities; as many images of every half, at random.

    Returns
    -------
    pandas.DataFrame
        `of`, `within`, `share`, `low`, `high` (95 %, units of `of` redrawn, the support held fixed), `images`.

    Raises
    ------
    InputError
        A set has too few images for neighbours.
    """
    first = {name: halves(units, seed) for name, (_, units) in sets.items()}
    size = min(most, *(min(side.sum(), (~side).sum()) for side in first.values()))
    if size < FEWEST:
        raise InputError(f"half of a set has {size} images, too few for a support; give a larger one")
    random, rows = np.random.default_rng(seed), []
    parts = {
        name: [_thinned(random, x, units, np.flatnonzero(side), size) for side in (first[name], ~first[name])]
        for name, (x, units) in sets.items()
    }
    for of in sets:
        for within in sets:
            points, units = parts[of][0]
            inside = within_support(points, parts[within][1][0]).astype(np.float64)
            share = unit_mean(inside, units, resamples, seed)
            low, high = share.interval().low, share.interval().high
            row = {"of": of, "within": within, "share": share.value, "low": low, "high": high}
            rows.append(row | {"images": len(points)})
    return pd.DataFrame(rows)


def _thinned(random: np.random.Generator, x: np.ndarray, units: np.ndarray, positions: np.ndarray, size: int):
    chosen = np.sort(random.permutation(positions)[:size])
    return np.asarray(x[chosen], np.float64), units[chosen]


def transfer_table(
    sets: Mapping[str, tuple[np.ndarray, np.ndarray]], names: tuple[str, ...], seed: int
) -> pd.DataFrame:
    """Predict every attribute from the others: taught on one set, tested on another, both ways.

    Parameters
    ----------
    sets
        For each name labels int8 `[N, A]`, 1 or -1, and the unit of each image. Half of the units teach, the other
        half is tested on, so that a set is tested on itself without its own identities.

    Returns
    -------
    pandas.DataFrame
        `taught on`, `tested on`, `auc` (mean over the attributes that can be judged in every set), `attributes`.
    """
    first = {name: halves(units, seed) for name, (_, units) in sets.items()}
    judged = [i for i in range(len(names)) if all(_enough(x[:, i], first[name]) for name, (x, _) in sets.items())]
    aucs = {pair: [] for pair in ((a, b) for a in sets for b in sets)}
    for i in judged:
        others = np.delete(np.arange(len(names)), i)
        for taught, (x, _) in sets.items():
            rows = x[first[taught]]
            model = fit_logistic(rows[:, others].astype(np.float64), rows[:, i])
            for tested, (z, _) in sets.items():
                seen = z[~first[tested]]
                aucs[taught, tested].append(roc_auc_score(seen[:, i] == 1, model.decision_function(seen[:, others])))
    return pd.DataFrame(
        {"taught on": a, "tested on": b, "auc": float(np.mean(v)) if v else np.nan, "attributes": len(v)}
        for (a, b), v in aucs.items()
    )


def _enough(column: np.ndarray, first: np.ndarray) -> bool:
    counts = [(column[side] == sign).sum() for side in (first, ~first) for sign in (1, -1)]
    return min(counts) >= FEWEST
