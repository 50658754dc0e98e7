"""Speed of annotation and of the comparison behind notebook 06, and the classifier against ground truth.

    python tests/benchmarks/attributes.py

Images a second from embeddings and end to end (decoding, embedding, twenty stochastic passes), beside the rate of the
embedding network alone in the same run; seconds of the comparisons of four sets; balanced accuracy on `global`.
"""

import time

import numpy as np
from sklearn.metrics import balanced_accuracy_score

from sface_lib.attributes import annotate_faces, joint_divergence, open_classifier
from sface_lib.attributes.comparison import AnnotatedSet, compare_all
from sface_lib.engine import make_accelerator
from sface_lib.population import shipped_faces, shipped_truth
from sface_lib.recognition import image_batches
from sface_lib.recognition.embedding import batch_size

SPLITS, RESAMPLES, SEED = 1000, 500, 0


def timed(work, *arguments) -> tuple[float, object]:
    """Seconds of the second of two calls, and its result."""
    work(*arguments)
    started = time.perf_counter()
    result = work(*arguments)
    return time.perf_counter() - started, result


def main() -> None:
    """Print the figures."""
    classifier, accelerator, faces = open_classifier(), make_accelerator(), shipped_faces("global")
    truth = shipped_truth("global")[list(classifier.names)].to_numpy(np.int8)
    seconds, found = timed(annotate_faces, classifier, faces, accelerator)
    print(f"end to end: {len(faces) / seconds:,.0f} images/s")
    pixels = list(image_batches(faces, classifier.embedder.spec.size_px, batch_size(accelerator)))
    alone, embeddings = timed(lambda: np.concatenate(list(classifier.embeddings(pixels, accelerator))))
    print(f"the embedding network alone: {len(faces) / alone:,.0f} images/s, {alone / seconds:.0%} of that time")
    many = np.tile(embeddings, (5, 1))
    seconds, _ = timed(lambda: [classifier.annotate(part, SEED, i) for i, part in enumerate(np.array_split(many, 8))])
    print(f"from embeddings: {len(many) / seconds:,.0f} images/s")
    good = classifier.reliable()
    scores = [
        balanced_accuracy_score(truth[known, i], found.label[known, i])
        for i in np.flatnonzero(good)
        if len(np.unique(truth[known := truth[:, i] != 0, i])) == 2
    ]
    stated = classifier.reliability["balanced_accuracy"].to_numpy()[good].mean()
    print(
        f"balanced accuracy of {good.sum()} reliable attributes on `global`: {np.mean(scores):.3f}, stated {stated:.3f}"
    )
    print(f"of all {len(good)}: stated {classifier.reliability['balanced_accuracy'].mean():.3f}")
    units, labels = np.arange(len(many)) // 20, np.tile(found.label, (5, 1))
    sets = [
        AnnotatedSet(name, "authentic", found.names, labels, labels, units + start, True)
        for name, start in (("a", 0), ("b", 10**6), ("c", 10**7), ("d", 10**8))
    ]
    seconds, _ = timed(compare_all, sets, True, SPLITS, SEED)
    print(f"six comparisons of four sets of {len(many):,}, {SPLITS} splits: {seconds:.1f} s")
    one, other = (each.only(good) for each in sets[:2])
    seconds, _ = timed(joint_divergence, one.labels, other.labels, one.units, other.units, RESAMPLES, SEED)
    print(f"one joint divergence of them over {good.sum()} attributes: {seconds:.1f} s")


if __name__ == "__main__":
    main()
