"""Verification accuracy of embeddings on a protocol, with its interval, against another model's, and by group."""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from accelerate import Accelerator

from sface_lib.biometrics import (
    Estimate,
    Interval,
    KfoldAccuracy,
    PairMean,
    Scored,
    VerificationMetrics,
    accuracy_over_pairs,
    kfold_accuracy,
    verification_metrics,
)
from sface_lib.data import FaceSet, Protocol
from sface_lib.errors import InputError
from sface_lib.recognition.embedding import embed_faces
from sface_lib.recognition.models import RecognitionModel

FEWEST_PAIRS, FEWEST_PERSONS = 30, 2  # Of each kind, to state a group's accuracy.
TRAINED_OUT = 0.003  # 0.3 points.


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
        Labels of the two sides, int64 `[P]`; -1 everywhere where the set has none.
    """

    left: np.ndarray
    right: np.ndarray
    same: np.ndarray
    fold: np.ndarray
    left_identity: np.ndarray
    right_identity: np.ndarray

    @property
    def identities(self) -> tuple[np.ndarray | None, np.ndarray | None]:
        """Labels of the two sides, or (None, None) where the set has none."""
        return (self.left_identity, self.right_identity) if (self.left_identity >= 0).all() else (None, None)

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

    def scored(self, scores: np.ndarray) -> Scored:
        """Scores `[P]` with the identities of both sides; where those are not known a pair is one of its own."""
        left, right = self.identities
        if left is None or right is None:
            left = right = np.arange(len(scores))
        other = ~self.same
        return Scored(scores[self.same], left[self.same], scores[other], left[other], right[other])


@dataclasses.dataclass(frozen=True, eq=False)
class Evaluation:
    """Accuracy of one model on one protocol.

    Attributes
    ----------
    accuracy
        K-fold accuracy.
    mean
        The mean accuracy over pairs of persons, or over independent pairs where those are not known.
    scored
        The scores of all pairs.
    metrics
        Error rates over all pairs.
    """

    accuracy: KfoldAccuracy
    mean: PairMean
    scored: Scored
    metrics: VerificationMetrics

    @property
    def interval(self) -> Interval:
        """The 95 % interval of the mean accuracy."""
        return self.mean.estimate().interval()


def resolve_pairs(protocol: Protocol, faces: FaceSet, readable: np.ndarray | None = None) -> ProtocolPairs:
    """The pairs of a protocol as positions in a set, without those that name an image which cannot be decoded.

    `readable`, bool `[N]`, tells which can be, where that is known of the images that the pairs name.

    Raises
    ------
    InputError
        Fewer than two folds are left.
    BadImageError
        An image of the pairs cannot be decoded, and the set was opened with `on_bad_image="stop"`.
    ProtocolError
        See `Protocol.resolve`.
    """
    labels = np.full(len(faces), -1) if faces.labels is None else faces.labels
    left, right = protocol.resolve(faces)
    if readable is None:
        used = np.unique(np.concatenate([left, right]))
        readable = np.zeros(len(faces), bool)
        readable[used] = faces.subset(used).good
    kept = readable[left] & readable[right]
    columns = (left, right, protocol.same, protocol.fold, labels[left], labels[right])
    if len(np.unique(protocol.fold[kept])) < 2:
        left_over = np.unique(protocol.fold[kept]).tolist()
        raise InputError(f"the pairs are in the folds {left_over}; k-fold accuracy needs two or more")
    return ProtocolPairs(*(column[kept] for column in columns))


def evaluate(embeddings: np.ndarray, pairs: ProtocolPairs) -> Evaluation:
    """Judge unit embeddings `[N, d]` on pairs: k-fold accuracy, its interval, the ROC.

    Raises
    ------
    InputError
        A pair lies outside the embedded set, or the pairs can't be judged (one kind only, one fold).
    """
    scores = pairs.scores(embeddings)
    accuracy = kfold_accuracy(scores, pairs.same, pairs.fold)
    mean = accuracy_over_pairs(accuracy.correct, pairs.same, *pairs.identities, pairs.fold)
    scored = pairs.scored(scores)
    return Evaluation(accuracy, mean, scored, verification_metrics(scored.mated, scored.other))


def used_images(faces: FaceSet, pairs: ProtocolPairs) -> tuple[FaceSet, ProtocolPairs]:
    """The images of a set that the pairs name, each once, and the pairs as positions in those."""
    used, positions = np.unique(np.stack([pairs.left, pairs.right]), return_inverse=True)
    left, right = positions.reshape(2, -1)
    return faces.subset(used), dataclasses.replace(pairs, left=left, right=right)


def verify(
    model: RecognitionModel, protocol: Protocol, faces: FaceSet, accelerator: Accelerator
) -> tuple[Evaluation, ProtocolPairs]:
    """Judge a model on a protocol from the images on; the pairs are positions in the images that they name."""
    faces, pairs = used_images(faces, resolve_pairs(protocol, faces))
    return evaluate(embed_faces(model, faces, accelerator), pairs), pairs


def learnt(model: Estimate, references: Sequence[Estimate]) -> bool:
    """Whether a model's lower bound is above the accuracy of every reference (raw pixels, the untrained network)."""
    return all(model.interval().low > reference.value for reference in references)


def late_spread(steps: Sequence[int], accuracies: Sequence[float]) -> float | None:
    """Largest minus smallest accuracy in the last third of a training; None with fewer than two judgements there.

    A model is called trained out where it is below `TRAINED_OUT`.
    """
    late = [value for step, value in zip(steps, accuracies, strict=True) if step >= steps[-1] * 2 / 3]
    return None if len(late) < 2 else max(late) - min(late)


def accuracy_by_group(evaluation: Evaluation, pairs: ProtocolPairs, group: Mapping[int, str]) -> pd.DataFrame:
    """Accuracy in each demographic group, over the pairs whose both persons belong to it.

    Thresholds are those of the whole benchmark's folds: one threshold for all, as in use. Genuine and impostor pairs
    count alike.

    Parameters
    ----------
    group
        Identity's label -> its group.

    Returns
    -------
    One row a group of at least `FEWEST_PAIRS` pairs of each kind, of two persons: group, genuine and impostor (numbers
    of pairs), subjects (of persons in them), accuracy, low, high (95 %), fmr and fnmr at those thresholds.
    """
    left, right = (
        np.array([group.get(int(i), "") for i in side]) for side in (pairs.left_identity, pairs.right_identity)
    )
    correct, rows = evaluation.accuracy.correct, []
    for name in sorted(set(left) - {""}):
        inside = (left == name) & (right == name)
        same, right_ones = pairs.same[inside], correct[inside]
        if min(same.sum(), (~same).sum()) < FEWEST_PAIRS:
            continue
        identities = (pairs.left_identity[inside], pairs.right_identity[inside])
        # The kind of a pair stands for its fold, so that both kinds weigh the same.
        mean = accuracy_over_pairs(right_ones, same, *identities, same.astype(int))
        if mean.identities < FEWEST_PERSONS:
            continue
        span = mean.estimate().interval()
        rows.append(
            {"group": name, "genuine": int(same.sum()), "impostor": int((~same).sum())}
            | {"subjects": len(np.union1d(*identities)), "accuracy": mean.value}
            | {"low": span.low, "high": span.high}
            | {"fmr": float((~right_ones[~same]).mean()), "fnmr": float((~right_ones[same]).mean())}
        )
    return pd.DataFrame(rows)


def trade_off(groups: pd.DataFrame) -> float | None:
    """FRCSyn's figure: mean minus standard deviation (ddof = 0) of the groups' accuracies; None with under two groups.

    Source: Melzi et al., "FRCSyn challenge at WACV 2024".
    """
    return None if len(groups) < 2 else float(groups["accuracy"].mean() - groups["accuracy"].std(ddof=0))
