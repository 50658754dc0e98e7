"""Verification accuracy of embeddings on a protocol, with its interval."""

import dataclasses

import numpy as np

from sface_lib.biometrics import Interval, KfoldAccuracy, RocCurve, accuracy_interval, kfold_accuracy, roc
from sface_lib.data import FaceSet, Protocol
from sface_lib.errors import InputError


@dataclasses.dataclass(frozen=True, eq=False)
class ProtocolPairs:
    """Pairs of a protocol as positions in an embedded set.

    Attributes
    ----------
    left, right
        Positions, int64 `[P]`.
    same
        Whether both show one identity, bool `[P]`.
    fold
        Fold of each pair, int64 `[P]`.
    left_identity, right_identity
        Labels of the two sides, int64 `[P]`.
    """

    left: np.ndarray
    right: np.ndarray
    same: np.ndarray
    fold: np.ndarray
    left_identity: np.ndarray
    right_identity: np.ndarray

    def scores(self, embeddings: np.ndarray) -> np.ndarray:
        """Cosine similarity of each pair, float64 `[P]`; `embeddings` are of unit length, `[N, d]`.

        Raises
        ------
        InputError
            A pair lies outside the embedded set.
        """
        last = max(self.left.max(), self.right.max())
        if last >= len(embeddings):
            raise InputError(f"a pair names position {last} of {len(embeddings)} embeddings")
        return np.einsum("pd,pd->p", embeddings[self.left], embeddings[self.right], dtype=np.float64)


@dataclasses.dataclass(frozen=True, eq=False)
class Evaluation:
    """Accuracy of one model on one protocol.

    Attributes
    ----------
    accuracy
        K-fold accuracy.
    interval
        Identity-bootstrap interval of the mean accuracy.
    curve
        ROC over all pairs.
    """

    accuracy: KfoldAccuracy
    interval: Interval
    curve: RocCurve


def resolve_pairs(protocol: Protocol, faces: FaceSet) -> ProtocolPairs:
    """The pairs of a protocol as positions in a set, without those that name an image which cannot be decoded.

    Raises
    ------
    InputError
        The set has no labels, or fewer than two folds are left.
    BadImageError
        An image of the pairs cannot be decoded, and the set was opened with `on_bad_image="stop"`.
    ProtocolError
        See `Protocol.resolve`.
    """
    labels = faces.require_labels()
    left, right = protocol.resolve(faces)
    used = np.unique(np.concatenate([left, right]))
    readable = np.zeros(len(faces), bool)
    readable[used] = faces.subset(used).good
    kept = readable[left] & readable[right]
    columns = (left, right, protocol.same, protocol.fold, labels[left], labels[right])
    if len(np.unique(protocol.fold[kept])) < 2:
        raise InputError(f"the pairs are in the folds {list(protocol.fold_ids)}; k-fold accuracy needs two or more")
    return ProtocolPairs(*(column[kept] for column in columns))


def evaluate(embeddings: np.ndarray, pairs: ProtocolPairs, resamples: int, seed: int) -> Evaluation:
    """Judge unit embeddings `[N, d]` on pairs: k-fold accuracy, its interval, the ROC.

    Raises
    ------
    InputError
        A pair lies outside the embedded set, or the pairs can't be judged (one kind only, one fold).
    """
    scores = pairs.scores(embeddings)
    accuracy = kfold_accuracy(scores, pairs.same, pairs.fold)
    interval = accuracy_interval(
        accuracy.correct, pairs.same, pairs.left_identity, pairs.right_identity, pairs.fold, resamples, seed=seed
    )
    return Evaluation(accuracy, interval, roc(scores[pairs.same], scores[~pairs.same]))


def learnt(model: Evaluation, floors: list[Evaluation]) -> bool:
    """Whether a model's lower bound is above the accuracy of every floor (raw pixels, the untrained network)."""
    return all(model.interval.low > floor.accuracy.mean for floor in floors)
