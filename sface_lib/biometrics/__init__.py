"""Scores to numbers: error rates, curves, ranks, k-fold accuracy and their intervals.

Arrays in, numbers out: no files, no plots. A score is a similarity, higher is more alike, and a pair is
accepted when ``score >= threshold``. Everything is computed in float64.
"""

from sface_lib.biometrics.accuracy import PairMean, accuracy_over_pairs, average, seed_variances
from sface_lib.biometrics.binned import BinnedImpostors, binned_metrics, binned_roc
from sface_lib.biometrics.bootstrap import bootstrap_metrics, bootstrap_samples
from sface_lib.biometrics.curves import RocCurve, roc
from sface_lib.biometrics.differentials import (
    between_groups,
    garbe,
    gini,
    max_over_geometric_mean,
    within_groups,
)
from sface_lib.biometrics.folds import KfoldAccuracy, kfold_accuracy
from sface_lib.biometrics.identification import cmc, cmc_estimates, open_set, templates
from sface_lib.biometrics.intervals import (
    Estimate,
    Interval,
    SeedVariance,
    bootstrap_mean,
    identity_weights,
)
from sface_lib.biometrics.metrics import VerificationMetrics, fnmr_at_fmr, verification_metrics
from sface_lib.biometrics.rates import Comparisons, Counts, ErrorRate, Scored, error_rate

__all__ = [
    "BinnedImpostors",
    "Comparisons",
    "Counts",
    "ErrorRate",
    "Estimate",
    "Interval",
    "SeedVariance",
    "KfoldAccuracy",
    "PairMean",
    "RocCurve",
    "Scored",
    "VerificationMetrics",
    "accuracy_over_pairs",
    "average",
    "between_groups",
    "binned_metrics",
    "binned_roc",
    "bootstrap_mean",
    "bootstrap_metrics",
    "bootstrap_samples",
    "cmc",
    "cmc_estimates",
    "error_rate",
    "fnmr_at_fmr",
    "garbe",
    "gini",
    "identity_weights",
    "max_over_geometric_mean",
    "open_set",
    "seed_variances",
    "kfold_accuracy",
    "roc",
    "templates",
    "verification_metrics",
    "within_groups",
]
