"""Speed of annotation and of the comparison behind notebook 06, and the classifier against ground truth.

Images a second from embeddings and end to end (decoding, embedding, twenty stochastic passes), beside the rate of the
embedding network alone in the same run; seconds of the comparisons of four sets; balanced accuracy on `global`.
"""

import functools

import numpy as np
from rows import Rows, in_turn, median_seconds
from sklearn.metrics import balanced_accuracy_score

from sface_lib.attributes import AttributeClassifier, annotate_faces, joint_divergence, open_classifier
from sface_lib.attributes.comparison import AnnotatedSet, compare_all
from sface_lib.engine import make_accelerator
from sface_lib.population import shipped_faces, shipped_truth
from sface_lib.recognition import Embedder, image_batches
from sface_lib.recognition.embedding import batch_size

SPLITS, RESAMPLES, SEED, SECONDS = 1000, 500, 0, 8


def measure(rows: Rows) -> None:
    """Rates of annotation, the comparison's seconds, and how often the classifier is right."""
    classifier, accelerator, faces = open_classifier(), make_accelerator(), shipped_faces("global")
    pixels = list(image_batches(faces, classifier.embedder.spec.size_px, batch_size(accelerator)))
    embeddings = np.concatenate(list(classifier.embeddings(pixels, accelerator)))
    labels = classifier.annotate(embeddings, SEED, 0).label
    many, good = np.tile(embeddings, (5, 1)), classifier.reliable()

    def whole() -> dict[str, float]:
        taken = in_turn(
            {
                "end to end": lambda: annotate_faces(classifier, faces, Embedder(accelerator)),
                "network": lambda: list(classifier.embeddings(pixels, accelerator)),
            },
            SECONDS,
        )
        rates = {f"{way} images/s": len(faces) / seconds for way, seconds in taken.items()}
        return rates | {"share of the network": taken["network"] / taken["end to end"]}

    def from_embeddings() -> dict[str, float]:
        parts = np.array_split(many, 8)
        work = lambda: [classifier.annotate(part, SEED, i) for i, part in enumerate(parts)]  # noqa: E731
        return {"images/s": len(many) / median_seconds(work, 3)}

    rows.row("annotation: decoding, embedding, stochastic passes", whole)
    rows.row("annotation from embeddings", from_embeddings)
    rows.row("balanced accuracy of reliable attributes on `global`", lambda: accuracy(classifier, labels))
    units, tiled = np.arange(len(many)) // 20, np.tile(labels, (5, 1))
    sets = [
        AnnotatedSet(name, "authentic", classifier.names, tiled, tiled, units + start, True)
        for name, start in (("a", 0), ("b", 10**6), ("c", 10**7), ("d", 10**8))
    ]
    rows.row(
        f"six comparisons of four sets of {len(many):,}, {SPLITS} splits",
        lambda: {"s": median_seconds(lambda: compare_all(sets, True, SPLITS, SEED), 1)},
    )
    one, other = (each.only(good) for each in sets[:2])
    joint = functools.partial(joint_divergence, one.labels, other.labels, one.units, other.units, RESAMPLES, SEED)
    rows.row(f"one joint divergence over {good.sum()} attributes", lambda: {"s": median_seconds(joint, 1)})


def accuracy(classifier: AttributeClassifier, labels: np.ndarray) -> dict[str, float]:
    """Mean balanced accuracy of the attributes that count as reliable, beside what the classifier states."""
    truth = shipped_truth("global")[list(classifier.names)].to_numpy(np.int8)
    scores = [
        balanced_accuracy_score(truth[known, i], labels[known, i])
        for i in np.flatnonzero(classifier.reliable())
        if len(np.unique(truth[known := truth[:, i] != 0, i])) == 2
    ]
    stated = classifier.reliability["balanced_accuracy"].to_numpy()[classifier.reliable()]
    return {"measured": float(np.mean(scores)), "stated": float(stated.mean())}
