"""Each image's nearest neighbours in another set: their scores."""

import numpy as np
import torch

from sface_lib.biometrics import checks
from sface_lib.errors import InputError
from sface_lib.matching.stream import Nearest, stream, unit_rows


def nearest_scores(images: np.ndarray, others: np.ndarray, k: int) -> np.ndarray:
    """Each image's `k` best scores over another set: unit embeddings float `[N, d]` and `[M, d]` -> float32 `[N, k]`.

    Raises
    ------
    InputError
        Rows that are not of unit length, or of two widths; fewer than `k` in the other set.
    """
    images, others = unit_rows("images", images), unit_rows("others", others)
    checks.same_width(images=images, others=others)
    if len(others) < k:
        raise InputError(f"the {k} best scores of each image need as many others, which are {len(others)}")
    of, over = (torch.from_numpy(np.ascontiguousarray(rows)) for rows in (images, others))
    nearest = Nearest(len(of), k, False, of.device)
    stream(of, over, [nearest])
    return nearest.scores.numpy()


def best_scores(images: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Each image's best score over another set, float32 `[N]`, see `nearest_scores`."""
    return nearest_scores(images, others, 1)[:, 0]
