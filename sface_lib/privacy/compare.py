"""All scores between two embedded sets, or within one: genuine and impostor by label, in blocks."""

import dataclasses

import numpy as np

from sface_lib.biometrics import VerificationMetrics, verification_metrics
from sface_lib.errors import InputError

BLOCK_ROWS = 512
MOST_SCORES = 10**8
UNIT_TOLERANCE = 1e-3


@dataclasses.dataclass(frozen=True, eq=False)
class Comparison:
    """Scores of a comparison, with the identities behind each.

    Attributes
    ----------
    genuine, impostor
        Cosine similarities, float32 `[G]` and `[I]`.
    genuine_identity
        Label of each genuine score, int32 `[G]`.
    impostor_identity_a, impostor_identity_b
        Labels of the two sides of each impostor score, int32 `[I]`.
    """

    genuine: np.ndarray
    impostor: np.ndarray
    genuine_identity: np.ndarray
    impostor_identity_a: np.ndarray
    impostor_identity_b: np.ndarray

    def metrics(self) -> VerificationMetrics:
        """Error rates and moments, see `sface_lib.biometrics.verification_metrics`."""
        return verification_metrics(self.genuine, self.impostor)


def compare_sets(a: np.ndarray, a_labels: np.ndarray, b: np.ndarray, b_labels: np.ndarray) -> Comparison:
    """Score every row of one set against every row of the other; genuine means the same label.

    Parameters
    ----------
    a, b
        Unit embeddings, float `[Na, d]` and `[Nb, d]`.
    a_labels, b_labels
        Integers `[Na]` and `[Nb]`; a label is one identity in both sets.

    Raises
    ------
    InputError
        A set that is empty, has NaN or rows that are not of unit length, widths that differ, or no label in common.
    """
    a, a_labels = _checked("a", a, a_labels)
    b, b_labels = _checked("b", b, b_labels)
    if a.shape[1] != b.shape[1]:
        raise InputError(f"embeddings differ in width: a has {a.shape[1]}, b has {b.shape[1]}; use one model for both")
    if not np.intersect1d(a_labels, b_labels).size:
        raise InputError("a and b have no label in common, so there is no genuine pair; check the two sets' labels")
    return _compare(a, a_labels, b, b_labels, within=False)


def compare_within(a: np.ndarray, a_labels: np.ndarray) -> Comparison:
    """Score every unordered pair of one set once; no image is compared with itself.

    Raises
    ------
    InputError
        As `compare_sets`; or no identity has two images, or there is one identity only.
    """
    a, a_labels = _checked("a", a, a_labels)
    counts = np.unique(a_labels, return_counts=True)[1]
    if counts.max() < 2 or len(counts) < 2:
        raise InputError(
            f"a has {len(counts)} identities and at most {counts.max()} images of one; "
            "genuine and impostor pairs need two identities and two images of one"
        )
    return _compare(a, a_labels, a, a_labels, within=True)


def _compare(a, a_labels, b, b_labels, within: bool) -> Comparison:
    n_scores = len(a) * (len(a) - 1) // 2 if within else len(a) * len(b)
    if n_scores > MOST_SCORES:
        raise InputError(f"{n_scores:,} scores exceed {MOST_SCORES:,}; compare fewer images of each identity")
    parts = []
    for start in range(0, len(a), BLOCK_ROWS):
        rows = slice(start, start + BLOCK_ROWS)
        scores = a[rows] @ b.T
        kept = np.ones_like(scores, bool)
        if within:
            kept = np.arange(len(b)) > np.arange(start, start + len(scores))[:, None]
        same = a_labels[rows, None] == b_labels
        genuine, impostor = np.nonzero(kept & same), np.nonzero(kept & ~same)
        left, right = a_labels[rows], b_labels
        parts.append((scores[genuine], scores[impostor], left[genuine[0]], left[impostor[0]], right[impostor[1]]))
    return Comparison(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def _checked(name: str, embeddings: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Embeddings as float32 `[N, d]` of unit rows, labels as int32 `[N]`."""
    embeddings, labels = np.asarray(embeddings, np.float32), np.asarray(labels)
    if embeddings.ndim != 2 or not len(embeddings):
        raise InputError(f"set {name} must be embeddings [N, d] with N >= 1, got shape {embeddings.shape}")
    if labels.shape != (len(embeddings),) or labels.dtype.kind not in "iu":
        raise InputError(
            f"set {name} needs one integer label a row: {len(embeddings)}, got {labels.shape} {labels.dtype}"
        )
    with np.errstate(invalid="ignore"):
        bad = np.flatnonzero(~(np.abs(np.linalg.norm(embeddings, axis=1) - 1) < UNIT_TOLERANCE))
    if bad.size:
        raise InputError(f"row {bad[0]} of set {name} is not of unit length (or has NaN); normalise the embeddings")
    return embeddings, labels.astype(np.int32)
