"""From logits to probabilities that hold, labels that count right, and how reliable both are."""

import numpy as np
import pandas as pd
import torch
from sklearn.metrics import roc_auc_score

from sface_lib.attributes.head import AttributeLoss, group_log_probabilities
from sface_lib.attributes.names import exclusive_groups

BINS = 15
SMALLEST_VARIANCE = 1e-12  # Below it is rounding.
NEVER = 2.0  # A threshold that no probability reaches.


def fit_calibration(logits: np.ndarray, values: np.ndarray, names: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Scale and bias float64 `[A]` of each logit that make annotations of unseen identities most likely.

    Platt scaling for an attribute alone; for attributes that exclude one another one temperature and a bias each.

    Parameters
    ----------
    logits
        float `[N, A]`, of identities that taught nothing.
    values
        int8 `[N, A]`: 1, -1, or 0 undefined, which is left out.

    Notes
    -----
    Scale and bias are held near 1 and 0 by a prior as strong as one image, so that an attribute that is told without
    error gets no infinite scale.
    """
    x = torch.from_numpy(np.asarray(logits, np.float64))
    y = torch.from_numpy(np.asarray(values, np.int8))
    members = _scale_index(names)
    raw_scale = torch.zeros(int(members.max()) + 1, dtype=torch.float64, requires_grad=True)
    bias = torch.zeros(len(names), dtype=torch.float64, requires_grad=True)
    loss = AttributeLoss(names)
    optimiser = torch.optim.LBFGS([raw_scale, bias], max_iter=200, line_search_fn="strong_wolfe")

    def closure() -> torch.Tensor:
        optimiser.zero_grad()
        scale = raw_scale.exp()[members]
        prior = (raw_scale.square().sum() + bias.square().sum()) / 2
        value = loss(x * scale + bias, y) * y.numel() + prior
        value.backward()
        return value

    optimiser.step(closure)
    return raw_scale.detach().exp()[members].numpy(), bias.detach().numpy()


def _scale_index(names: tuple[str, ...]) -> torch.Tensor:
    """Which scale each attribute has: one for a group, its own for any other."""
    index = list(range(len(names)))
    for group in exclusive_groups(names):
        for i in group:
            index[i] = group[0]
    return torch.from_numpy(np.unique(index, return_inverse=True)[1])


def probabilities(logits: torch.Tensor, names: tuple[str, ...]) -> torch.Tensor:
    """Probability of each attribute `[..., A]` from calibrated logits; of members of a group they sum to at most 1."""
    p = torch.sigmoid(logits)
    for group in exclusive_groups(names):
        members = list(group)
        flat = logits[..., members].flatten(0, -2)
        p[..., members] = group_log_probabilities(flat)[:, :-1].exp().reshape(*logits.shape[:-1], len(group))
    return p


def fit_thresholds(p: np.ndarray, values: np.ndarray) -> np.ndarray:
    """The probability from which on an attribute is called present, float64 `[A]`.

    As many images are called present as are: the two errors balance in number, and a count is right where the shares
    are those of these images; of images that tie at the border all are called present. An attribute that is never
    present gets `NEVER`.
    """
    thresholds = np.full(p.shape[1], NEVER)
    for i in range(p.shape[1]):
        known = values[:, i] != 0
        count = int((values[known, i] == 1).sum())
        if count:
            ordered = np.sort(p[known, i])[::-1]
            below = ordered[count] if count < len(ordered) else 0.0
            thresholds[i] = (ordered[count - 1] + below) / 2
    return thresholds


def labels_of(p: np.ndarray, thresholds: np.ndarray, names: tuple[str, ...]) -> np.ndarray:
    """Labels int8 `[N, A]`, 1 or -1: at or above the threshold; of a group at most one, the one furthest above."""
    present = p >= thresholds
    ratio = p / np.maximum(thresholds, np.finfo(np.float64).tiny)
    for group in exclusive_groups(names):
        members = list(group)
        best = np.argmax(np.where(present[:, members], ratio[:, members], -1), 1)
        present[:, members] &= np.arange(len(members)) == best[:, None]
    return np.where(present, 1, -1).astype(np.int8)


def calibration_error(p: np.ndarray, present: np.ndarray, bins: int = BINS) -> float:
    """Expected calibration error: the mean distance of probability and share, over equally filled bins.

    Parameters
    ----------
    p, present
        Probabilities `[N]` and whether the attribute is there, bool `[N]`.
    """
    edges = np.unique(np.quantile(p, np.linspace(0, 1, bins + 1)[1:-1]))
    place = np.searchsorted(edges, p, side="right")  # Equal probabilities share a bin.
    sums = np.bincount(place, np.asarray(p, np.float64) - present)
    return float(np.abs(sums).sum() / len(p))


def reliability(
    p: np.ndarray, labels: np.ndarray, values: np.ndarray, names: tuple[str, ...], units: np.ndarray
) -> pd.DataFrame:
    """How well each attribute is told, on identities that neither taught nor calibrated.

    Parameters
    ----------
    p, labels, values
        Probabilities, labels and annotations `[N, A]`; where the annotation is 0 an image does not count.
    units
        Identity of each image, int64 `[N]`, or a number of its own.

    Returns
    -------
    pandas.DataFrame
        A row for each attribute: `attribute`, `images` (annotated), `present` (their share), `tpr` and `fpr` (share of
        the present and of the absent called present), `tpr_trials` and `fpr_trials` (independent images that would tell
        those as well), `balanced_accuracy`, `auc`, `ece`. What cannot be known, as an attribute is never present or
        never absent, is NaN.
    """
    rows = []
    for i, name in enumerate(names):
        known = values[:, i] != 0
        present, called = values[known, i] == 1, labels[known, i] == 1
        row = {"attribute": name, "images": int(known.sum()), "present": _mean(present)}
        row |= {"tpr": _mean(called[present]), "fpr": _mean(called[~present])}
        row |= {f"{k}_trials": _trials(called[x], units[known][x]) for k, x in (("tpr", present), ("fpr", ~present))}
        row["balanced_accuracy"] = (row["tpr"] + 1 - row["fpr"]) / 2
        both = 0 < present.sum() < len(present)
        row["auc"] = float(roc_auc_score(present, p[known, i])) if both else np.nan
        row["ece"] = calibration_error(p[known, i], present) if known.any() else np.nan
        rows.append(row)
    return pd.DataFrame(rows)


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if len(values) else np.nan


def _trials(called: np.ndarray, units: np.ndarray) -> float:
    """Independent images whose share would vary as this one does between units; as many as units where none errs."""
    if not len(called):
        return np.nan
    codes = np.unique(units, return_inverse=True)[1]
    apart, count = np.bincount(codes, called - called.mean()), codes.max() + 1
    variance = (apart**2).sum() / len(called) ** 2 * count / max(1, count - 1)
    spread = called.mean() * (1 - called.mean())
    if count < 2 or variance < SMALLEST_VARIANCE:
        return float(count)
    return float(min(len(called), spread / variance))
