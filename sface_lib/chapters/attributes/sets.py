"""The sets that notebook 06 compares: its classifier, their persons and truth, and what is annotated of them."""

import dataclasses
import itertools

import numpy as np
import pandas as pd
from accelerate import Accelerator

from sface_lib.attributes import (
    ATTRIBUTES,
    SHIPPED_PATH,
    Annotations,
    AttributeClassifier,
    annotate_faces,
    annotate_images,
    open_classifier,
)
from sface_lib.attributes.comparison import AnnotatedSet
from sface_lib.attributes.support import MOST_IMAGES
from sface_lib.chapters.attributes.results import ClassifierFacts
from sface_lib.chapters.study import Study
from sface_lib.data import FaceSet
from sface_lib.privacy.alterations import SAMPLE, degrade, halved, sharpness
from sface_lib.recognition import Embedder, RecognitionModel

UNLABELLED = "data/unlabelled.zip"
DEGRADED = 1000  # Images that are degraded.
PASSES = 10  # Behind a confidence whose mean over a set is shown.
UNITS_APART = 10**9  # Between the numbers of two sets' persons.


@dataclasses.dataclass(frozen=True, eq=False)
class AttributeSet:
    """A set whose attributes notebook 06 compares.

    Attributes
    ----------
    role
        "authentic" or "synthetic".
    units
        int64 `[N]`: number of each image's person, one number being one person in all sets; or a number of its own.
    truth
        Ground truth of the rendered population, int8 `[N, 47]`; None elsewhere.
    """

    name: str
    role: str
    faces: FaceSet
    units: np.ndarray
    by_identity: bool
    truth: np.ndarray | None = None


def attribute_classifier(study: Study) -> AttributeClassifier | None:
    """The study's classifier; None where it has none, so that nothing is compared."""
    path = study.attribute_classifier(SHIPPED_PATH)
    return open_classifier(path) if path else None


def classifier_facts(classifier: AttributeClassifier, least: float) -> ClassifierFacts:
    """What the results say of a classifier."""
    return ClassifierFacts(
        sha256=classifier.fingerprint,
        trained_on=classifier.description["trained_on"],
        attributes=tuple(classifier.names),
        reliable=int(classifier.reliable(least).sum()),
    )


def attribute_sets(study: Study, unlabelled: FaceSet | None) -> list[AttributeSet]:
    """The sets that notebook 06 compares: those in the authentic role, the synthetic ones, and the unlabelled one.

    Class k of a set with authentic labels counts as the training identity k; no other two sets share a person.
    """
    number, sets = itertools.count(), []
    for own in study.authentic_sets:
        sets.append(_labelled(own.name, "authentic", own.faces, next(number), own.truth))
    for own in study.synthetic:
        sets.append(_labelled(own.name, "synthetic", own.faces, 0 if own.by_label else next(number), own.truth))
        if unlabelled is not None and own.generated:
            sets.append(_labelled("unlabelled", "synthetic", unlabelled, next(number)))
    return sets


def _labelled(name: str, role: str, faces: FaceSet, number: int, truth: pd.DataFrame | None = None) -> AttributeSet:
    own = np.arange(len(faces)) if faces.labels is None else faces.labels
    values = None if truth is None else truth[list(ATTRIBUTES)].to_numpy(np.int8)
    return AttributeSet(name, role, faces, own + number * UNITS_APART, faces.labels is not None, values)


def annotate(
    given: AttributeSet, classifier: AttributeClassifier, embedder: Embedder, seed: int
) -> tuple[AnnotatedSet, Annotations]:
    """A set as notebook 06 compares it, and all that the classifier says of it."""
    annotations = annotate_faces(classifier, given.faces, embedder, seed, PASSES)
    known = [ATTRIBUTES.index(name) for name in classifier.names]
    truth = None if given.truth is None else given.truth[:, known]
    told = annotations.names, annotations.label, annotations.probability
    return AnnotatedSet(given.name, given.role, *told, given.units, given.by_identity, truth), annotations


def degraded(
    given: AttributeSet,
    like: AttributeSet,
    classifier: AttributeClassifier,
    accelerator: Accelerator,
    seed: int,
    most: int = DEGRADED,
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Positions of at most `most` images of a set, and their labels int8 `[n, A]` after each of two degradations.

    They are blurred to the sharpness of another set, where they are sharper; and brought to half the resolution and
    back, which is more than any generator worth its name does.
    """
    random, side = np.random.default_rng(seed), like.faces.resolution
    positions = np.sort(random.permutation(len(given.faces))[:most])
    images = given.faces.load(positions, size_px=side).numpy()
    others = like.faces.load(random.permutation(len(like.faces))[:SAMPLE], size_px=side).numpy()
    made = {"same sharpness": degrade(images, sharpness(others)), "half the resolution": halved(images, random)}
    return positions, {name: annotate_images(classifier, x, accelerator, seed, 1).label for name, x in made.items()}


def sample_embeddings(
    verifier: RecognitionModel,
    given: AttributeSet,
    classifier: AttributeClassifier,
    annotations: Annotations,
    embedder: Embedder,
    seed: int,
    most: int = MOST_IMAGES,
) -> tuple[np.ndarray, np.ndarray]:
    """The verifier's embeddings float32 `[n, d]` of a set's images, `most` of them, at random, and their units.

    Those that the classifier has read, where it reads the verifier's; without the mirror image in any case.
    """
    chosen = np.sort(np.random.default_rng(seed).permutation(len(given.faces))[:most])
    if verifier.fingerprint == classifier.embedder.fingerprint:
        return annotations.embedding[chosen], given.units[chosen]
    return embedder.embed(verifier, given.faces.subset(chosen), fuse=False), given.units[chosen]


def evaluated_attributes(
    study: Study, classifier: AttributeClassifier, embedder: Embedder, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Attributes of both images of every evaluated pair, int8 `[P, A]` each, in the order of `write_correct`.

    The ground truth where it is known, else what the classifier says.
    """
    (faces, pairs), truth = study.evaluated, study.evaluated_truth
    if truth is None:
        values = annotate_faces(classifier, faces, embedder, seed).label
    else:
        values = truth[list(classifier.names)].to_numpy(np.int8)
    sides = (np.concatenate([getattr(benchmark, side) for benchmark in pairs.values()]) for side in ("left", "right"))
    return tuple(values[side] for side in sides)
