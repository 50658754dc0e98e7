"""Joint divergence of two sets' attribute profiles, by a classifier that tells the sets apart.

The log-odds of a calibrated classifier of set a against set b are log a(x) / b(x), and their mean over a is KL(a || b).
Terms of second order make it exact for Gaussians, and for binary profiles whose attributes interact two by two; where a
set has few identities they learn those, and fewer terms or a stronger penalty tell more of unseen ones: what does so is
taken. Every image is judged by a classifier that saw neither it nor its identity. Source: Sugiyama et al., "Density
Ratio Estimation in Machine Learning" (2012), section 4.
"""

import dataclasses
import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss, roc_auc_score

from sface_lib.attributes.calibration import calibration_error
from sface_lib.attributes.tally import unit_mean
from sface_lib.biometrics import Estimate
from sface_lib.errors import InputError

FOLDS = 5
# What is tried: terms of first or second order, and the inverse strength of the penalty on them, standardised.
FIRST, SECOND = (0.1,), (0.001, 0.1)
CONSTANT = 1e-9
MOST_IMAGES = 10_000  # Of a set, at random.


@dataclasses.dataclass(frozen=True, eq=False)
class JointDivergence:
    """How far two sets are apart in all attributes together.

    Attributes
    ----------
    forward, backward
        KL(a || b) and KL(b || a) in nats with bootstrap draws; what chance alone gives is about 0, or a little below.
        A classifier of few identities misses a part of what there is: the numbers are rather too small.
        The draws hold the classifier as it is, so that their intervals are somewhat too narrow.
    auc
        Of the classifier on unseen identities; 0.5 where the sets cannot be told apart.
    calibration
        Its expected calibration error on them.
    """

    forward: Estimate
    backward: Estimate
    auc: float
    calibration: float


def second_order(x: np.ndarray) -> np.ndarray:
    """Columns of `[N, m]` with all their products of two, squares too, `[N, m + m (m + 1) / 2]`."""
    rows, columns = np.triu_indices(x.shape[1])
    return np.concatenate([x, x[:, rows] * x[:, columns]], 1)


def joint_divergence(
    a: np.ndarray, b: np.ndarray, a_units: np.ndarray, b_units: np.ndarray, resamples: int = 500, seed: int = 0
) -> JointDivergence:
    """Compare two sets of profiles.

    Parameters
    ----------
    a, b
        float or int `[N, m]`: labels 1 and -1, or any numbers; 10,000 of a larger set are taken at random.
    a_units, b_units
        int `[N]`: identity of each image, one number being one person in both sets; or a number of its own for each
        image.

    Raises
    ------
    InputError
        Widths that differ, or fewer than `FOLDS` units in a set.
    """
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[1]:
        raise InputError(f"profiles must be [N, m] of one width, got {a.shape} and {b.shape}")
    if min(len(np.unique(a_units)), len(np.unique(b_units))) < FOLDS:
        raise InputError(f"a set has fewer than {FOLDS} identities, too few for a cross-validation; give more")
    random = np.random.default_rng(seed)
    (a, a_units), (b, b_units) = (_thinned(random, *each) for each in ((a, a_units), (b, b_units)))
    x, y = np.concatenate([a, b]).astype(np.float64), np.repeat([1, 0], [len(a), len(b)])
    units, codes = np.unique(np.concatenate([a_units, b_units]), return_inverse=True)
    fold = _folds(codes, y, len(units), seed)
    tried = [_held_out(_standardised(x), y, fold, c) for c in FIRST]
    tried += [_held_out(_standardised(second_order(x)), y, fold, c) for c in SECOND]
    odds = min(tried, key=lambda logits: log_loss(y, 1 / (1 + np.exp(-logits))))
    odds = _calibrated(odds, y, fold)
    ratio = odds - np.log(len(a) / len(b))
    return JointDivergence(
        forward=unit_mean(ratio[y == 1], codes[y == 1], resamples, seed, is_rate=False),
        backward=unit_mean(-ratio[y == 0], codes[y == 0], resamples, seed, is_rate=False),
        auc=float(roc_auc_score(y, odds)),
        calibration=calibration_error(1 / (1 + np.exp(-odds)), y == 1),
    )


def _standardised(terms: np.ndarray) -> np.ndarray:
    """Columns of mean 0 and deviation 1, float32 for speed; constant ones are left out."""
    spread = terms.std(0)
    return ((terms - terms.mean(0))[:, spread > CONSTANT] / spread[spread > CONSTANT]).astype(np.float32)


def _held_out(terms: np.ndarray, y: np.ndarray, fold: np.ndarray, strength: float) -> np.ndarray:
    """Log-odds of each image by the classifier of the other folds, `[N]`; 0 where there is nothing to tell by."""
    odds = np.zeros(len(terms))
    for k in range(FOLDS) if terms.shape[1] else ():
        odds[fold == k] = fit_logistic(terms[fold != k], y[fold != k], strength).decision_function(terms[fold == k])
    return odds


def _thinned(random: np.random.Generator, x: np.ndarray, units: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    rows = np.sort(random.permutation(len(x))[:MOST_IMAGES])
    return x[rows], np.asarray(units)[rows]


def _folds(codes: np.ndarray, y: np.ndarray, count: int, seed: int) -> np.ndarray:
    """A fold for each image: units of both sets are dealt out evenly, then those of each set alone."""
    random, fold = np.random.default_rng(seed), np.full(count, -1)
    both = np.intersect1d(codes[y == 1], codes[y == 0])
    for part in (both, np.setdiff1d(codes[y == 1], both), np.setdiff1d(codes[y == 0], both)):
        fold[random.permutation(part)] = np.arange(len(part)) % FOLDS
    return fold[codes]


def fit_logistic(x: np.ndarray, y: np.ndarray, strength: float = 1.0) -> LogisticRegression:
    """Logistic regression of two classes `[N]` on terms `[N, m]`; `strength` is the inverse of the penalty's."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return LogisticRegression(C=strength, solver="newton-cholesky", max_iter=50).fit(x, y)


def _calibrated(odds: np.ndarray, y: np.ndarray, fold: np.ndarray) -> np.ndarray:
    """Platt-scaled log-odds: of each fold by what the others' images showed."""
    if not np.ptp(odds):
        return odds + np.log(y.mean() / (1 - y.mean()))
    scaled = np.empty_like(odds)
    for k in range(FOLDS):
        fitted = fit_logistic(odds[fold != k, None], y[fold != k], np.inf)
        scaled[fold == k] = fitted.decision_function(odds[fold == k, None])
    return scaled
