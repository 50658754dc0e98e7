"""What is said of every set of faces, drawn in this run or given, with labels or without.

Everything is measured in the same way in every set, with the authentic training set beside it: its persons set the
thresholds, and its own figures say what to expect of a good set. A set may be large, so that most figures are of a
seeded sample: classes in a random order, the first images of each. What is too dear for all of a sample is of classes
drawn from it at random in turn.
"""

from dataclasses import dataclass

import numpy as np
import torch

from sface_lib.biometrics import templates
from sface_lib.chapters.generation.results import Distinct, SetDescription
from sface_lib.data import FaceSet, first_of_class, place_in_class
from sface_lib.data.align import PLACES_112
from sface_lib.data.landmarks import find_eyes, load_models
from sface_lib.errors import InputError
from sface_lib.generators import assessment, quality
from sface_lib.generators.assessment import Sample
from sface_lib.matching import compare_within
from sface_lib.population.nuisance import load_nuisance_regressor
from sface_lib.privacy.alterations import compressed, sharpness
from sface_lib.privacy.persons import best_earlier, can_show, components, several_persons, threshold_between
from sface_lib.recognition import Embedder, GivenEmbeddings, RecognitionModel, embed_batches
from sface_lib.recognition.embedding import batch_size

MOST_SAMPLED, MOST_OF_CLASS = 20_000, 20  # Images of a sample, and of each of its classes.
MOST_SCORED = 6_000  # Images of it that are scored against one another for the EER: 18 million pairs.
MOST_OF_REFERENCE = 10  # Images of an authentic class.
MOST_VARIED, MOST_VARIED_CLASSES = 10, assessment.MOST_CLASSES  # Images of a class that diversity is of, and classes.
MOST_CLASSES = 100_000  # Whose templates are scored against one another: 5 billion pairs.
MOST_OF_TEMPLATE, LEAST_OF_TEMPLATE = 5, 2  # Images.
RESAVED = 200  # Images that are saved again to learn what a copy scores.
COMMON_PX = 112  # Size at which sets are compared for sharpness.
BLOCK = 250  # Images that are held at a time.
FMR = 1e-3  # Between templates of different persons, at which two classes are one person.
FALSE_LINKS = 0.05  # False links for each class that the stricter rate allows.
PARTS_FMR = 0.05  # Parts of a class that score less than all but so many different persons are several persons.
# Where the detector finds the eyes of a face that is aligned to the ArcFace template, as shares of the side, and how
# far off they may lie, as a share of their distance. Of faces that are found, 97 % of LFW's aligned ones and 95 % of
# the rendered ones keep to it, and 4 % of LFW's photographs as published, which are not aligned to that template.
EYES, EYE_TOLERANCE = PLACES_112[:2] / 112, 0.2
SIZES_NAMED = 3


@dataclass(frozen=True, eq=False)
class Reference:
    """What is known of the authentic training set, which all sets are held against.

    Attributes
    ----------
    embeddings, labels
        Of a sample with ten images of a person at most: float32 `[N, d]` by the verifier, and int64 `[N]` from 0.
    varied
        What diversity is over.
    near_copy_score
        See `SetDescription`.
    sharpness
        Of a sample as every set gives one, in squared grey levels, at 112 px.
    """

    embeddings: np.ndarray
    labels: np.ndarray
    varied: Sample
    near_copy_score: float | None
    sharpness: float

    def templates(self, images: int, later: bool = False) -> np.ndarray:
        """One template of exactly so many images of each person who has them, float64 `[K, d]`.

        `later` makes them of the images after those, of each person who has twice as many.
        """
        enough = np.bincount(self.labels)[self.labels] >= images * (1 + later)
        chosen = enough & (place_in_class(self.labels) >= images * later)
        return templates(self.embeddings[chosen], self.labels[chosen], images)[1]

    def persons(self, images: int) -> np.ndarray:
        """Labels of the persons who have so many images, int64 `[K]`."""
        return np.flatnonzero(np.bincount(self.labels) >= images)

    def recognised(self, images: int, threshold: float) -> float | None:
        """Share of persons whose two templates of so many images score a threshold or more."""
        both = np.isin(self.persons(images), self.persons(2 * images))
        if not both.any():
            return None
        scores = (self.templates(images)[both] * self.templates(images, later=True)).sum(1)
        return float(np.mean(scores >= threshold))

    def most_images(self, fmr: float, at_most: int = MOST_OF_TEMPLATE) -> int | None:
        """Most images of a template that enough persons have to show an FMR; None where too few have one."""
        sizes = range(at_most, 0, -1)
        return next((images for images in sizes if can_show(len(self.persons(images)), fmr)), None)


def measure_reference(faces: FaceSet, *, verifier: RecognitionModel, embedder: Embedder, seed: int) -> Reference:
    """Measure the authentic training set; raises `InputError` where it has no labels."""
    faces.require_labels()
    part = faces.subset(sample_images(faces, MOST_OF_REFERENCE, seed))
    return Reference(
        embeddings=embedder.embed(verifier, part),
        labels=part.labels,
        varied=_varied(part, verifier, embedder, seed),
        near_copy_score=_near_copy_score(part, verifier, embedder, seed),
        sharpness=_sharpness(faces.subset(sample_images(faces, MOST_OF_CLASS, seed))),
    )


@dataclass(frozen=True)
class Limits:
    """Images at most of a sample, of those scored against one another, and classes at most that diversity is of."""

    sampled: int = MOST_SAMPLED
    scored: int = MOST_SCORED
    varied_classes: int = MOST_VARIED_CLASSES


LIMITS = Limits()


def describe(
    faces: FaceSet,
    *,
    reference: Reference,
    verifier: RecognitionModel,
    embedder: Embedder,
    seed: int,
    eye_images: int = MOST_SAMPLED,
    fmr: float = FMR,
    limits: Limits = LIMITS,
) -> SetDescription:
    """Describe a set, which may be the authentic one.

    Parameters
    ----------
    reference
        The authentic training set, by the same verifier.
    eye_images
        Images of the sample in which eyes are looked for, at most.
    fmr
        Between templates of different persons, at which two classes are one person.
    limits
        How much of a large set is looked at.

    Raises
    ------
    BadImageError
        An image cannot be decoded, and the set was opened with `on_bad_image="stop"`.
    InputError
        None of the images can be decoded.
    """
    images_of_template = _images_of_template(faces.labels, reference, fmr, limits.sampled)
    chosen = sample_images(faces, MOST_OF_CLASS, seed, limits.sampled)
    enrolled = _enrolled(faces.labels, images_of_template, seed)
    sampled, sizes = _decodable(faces, chosen)
    further, _ = _decodable(faces, np.setdiff1d(enrolled, chosen))
    inspected = len(np.union1d(chosen, enrolled))
    if not len(sampled):
        raise InputError(f"'{faces.path}': none of {len(chosen):,} images can be decoded; give another set")
    used = np.union1d(sampled, further)
    part = faces.subset(used, relabel=False)
    embeddings, near = embedder.embed(verifier, part), reference.near_copy_score
    in_sample, in_templates = np.isin(used, sampled), np.isin(used, enrolled)
    sample, rows = part.subset(in_sample), embeddings[in_sample]
    without_eyes, looked_at = _without_eyes(sample, eye_images, seed)
    return SetDescription(
        images=len(faces),
        classes=None if faces.labels is None else len(np.unique(faces.labels)),
        sampled=len(sample),
        inspected=inspected,
        undecodable=inspected - len(used),
        sizes_px={size: count / len(sample) for size, count in list(sizes.items())[:SIZES_NAMED]},
        copies=1 - len({sample.digest(i) for i in range(len(sample))}) / len(sample),
        near_copies=None if near is None else float(np.mean(best_earlier(rows) >= near)),
        near_copy_score=near,
        sharpness=_sharpness(sample) / reference.sharpness,
        without_eyes=without_eyes,
        looked_at=looked_at,
        **_of_classes(sample, rows, reference, verifier, embedder, seed, limits),
        distinct=_distinct(
            embeddings[in_templates], part.labels, in_templates, images_of_template, reference, seed, fmr
        ),
    )


def _decodable(faces: FaceSet, positions: np.ndarray) -> tuple[np.ndarray, dict[str, int]]:
    """Those of some positions whose images can be decoded, and how many have each size, the most common first."""
    if not len(positions):
        return positions, {}
    part = faces.subset(positions)
    sizes = part.inspect().sizes
    return positions[part.good], sizes


def sample_images(faces: FaceSet, of_class: int, seed: int, most: int = MOST_SAMPLED) -> np.ndarray:
    """Positions, ascending int64, of `most` images or fewer: classes in a random order, the first images of each.

    Images at random where there are no labels. Of each class that is taken there are `of_class` images, or all that it
    has.
    """
    random = np.random.default_rng(seed)
    if faces.labels is None:
        return np.sort(random.permutation(len(faces))[:most])
    positions = first_of_class(faces.labels, of_class)
    classes, counts = np.unique(faces.labels[positions], return_counts=True)
    order = random.permutation(len(classes))
    taken = classes[order[np.cumsum(counts[order]) <= most]]
    return positions[np.isin(faces.labels[positions], taken)]


def _images_of_template(labels: np.ndarray | None, reference: Reference, fmr: float, most_sampled: int) -> int | None:
    """Images of a class template: five, or fewer where classes are many or small; None where persons can't be told."""
    if labels is None:
        return None
    counts = np.unique(labels, return_counts=True)[1]
    affordable = max(LEAST_OF_TEMPLATE, most_sampled // len(counts))
    return reference.most_images(fmr, min(MOST_OF_TEMPLATE, affordable, int(np.median(counts))))


def _enrolled(labels: np.ndarray | None, images: int | None, seed: int) -> np.ndarray:
    """Positions, ascending int64, of the images that class templates are made of."""
    if images is None:
        return np.zeros(0, np.int64)
    classes = np.random.default_rng(seed).permutation(np.unique(labels))[:MOST_CLASSES]
    return first_of_class(labels, images, np.flatnonzero(np.isin(labels, classes)))


def _distinct(
    embeddings: np.ndarray,
    labels: np.ndarray | None,
    enrolled: np.ndarray,
    images: int | None,
    reference: Reference,
    seed: int,
    fmr: float = FMR,
) -> tuple[Distinct, ...]:
    if images is None:
        return ()
    own, known = templates(embeddings, labels[enrolled], images)[1], reference.templates(images)
    rates = dict.fromkeys((fmr, min(fmr, 2 * FALSE_LINKS / len(own))))
    random, compared = np.random.default_rng(seed), min(len(own), len(known))
    some, others = (rows[random.permutation(len(rows))[:compared]] for rows in (own, known))
    at_rates = []
    for rate in (rate for rate in rates if can_show(len(known), rate)):
        threshold = threshold_between(known, rate)
        counts = [int(components(rows, threshold).max()) + 1 for rows in (own, some, others)]
        at_rates.append(
            Distinct(
                fmr=rate,
                images=images,
                classes=len(own),
                identities=counts[0],
                false_links=len(own) * (len(own) - 1) / 2 * rate,
                compared=compared,
                of_compared=counts[1],
                of_authentic=counts[2],
                recognised=reference.recognised(images, threshold),
            )
        )
    return tuple(at_rates)


def _of_classes(
    sample: FaceSet,
    rows: np.ndarray,
    reference: Reference,
    verifier: RecognitionModel,
    embedder: Embedder,
    seed: int,
    limits: Limits,
) -> dict[str, float | int | None]:
    """What the labels of a sample are good for, by the names of `SetDescription`; None where it can't be told."""
    nothing = dict.fromkeys(("eer", "consistency", "diversity", "several_persons"))
    measures = nothing | dict.fromkeys(("scored_images", "scored_classes", "judged_classes"), 0)
    if sample.labels is None:
        return measures
    counts = np.bincount(sample.labels)
    if counts.max() > 1:
        measures["consistency"] = float(np.nanmean(quality.class_consistency(rows, sample.labels)))
        varied = _varied(sample, verifier, embedder, seed, limits.varied_classes)
        spread = assessment.diversity(reference.varied, varied)
        measures["diversity"] = float(np.nanmean(spread)) if np.isfinite(spread).any() else None
    scored = sample_images(sample, MOST_OF_CLASS, seed, limits.scored)
    compared = np.unique(sample.labels[scored], return_counts=True)[1]
    if len(compared) > 1 and compared.max() > 1:
        measures["eer"] = compare_within(rows[scored], sample.labels[scored]).metrics().eer
        measures |= {"scored_images": len(scored), "scored_classes": len(compared)}
    images = reference.most_images(PARTS_FMR)
    if images is not None:
        threshold = threshold_between(reference.templates(images), PARTS_FMR)
        several = several_persons(rows, sample.labels, threshold)
        measures["judged_classes"] = len(several)
        measures["several_persons"] = float(several.mean()) if len(several) else None
    return measures


def _varied(
    faces: FaceSet,
    verifier: RecognitionModel,
    embedder: Embedder,
    seed: int,
    most_classes: int = MOST_VARIED_CLASSES,
) -> Sample:
    """What diversity is of: the first images of some classes, drawn at random."""
    classes = np.random.default_rng(seed).permutation(np.unique(faces.labels))[:most_classes]
    faces = faces.subset(np.isin(faces.labels, classes))
    return assessment.take_sample(faces, MOST_VARIED, verifier, load_nuisance_regressor(), embedder)


def _near_copy_score(
    faces: FaceSet, verifier: RecognitionModel | GivenEmbeddings, embedder: Embedder, seed: int
) -> float | None:
    """Median score of images with themselves saved as JPEG of quality 60; None where vectors were given, not made."""
    if isinstance(verifier, GivenEmbeddings):
        return None
    random = np.random.default_rng(seed)
    images = faces.load(random.permutation(len(faces))[:RESAVED], size_px=verifier.spec.size_px).numpy()
    accelerator = embedder.accelerator
    before, after = (
        embed_batches(verifier, torch.from_numpy(each).split(batch_size(accelerator)), accelerator)
        for each in (images, compressed(images, random))
    )
    return float(np.median((before * after).sum(1)))


def _sharpness(faces: FaceSet) -> float:
    """Mean over the images of a set, at one size for all sets."""
    blocks = [range(start, min(start + BLOCK, len(faces))) for start in range(0, len(faces), BLOCK)]
    sharpnesses = [sharpness(faces.load(block, size_px=COMMON_PX).numpy()) for block in blocks]
    return float(np.average(sharpnesses, weights=[len(block) for block in blocks]))


def _without_eyes(faces: FaceSet, most: int, seed: int) -> tuple[float | None, int]:
    """Share of some images whose eyes are not in place, and how many; (None, 0) without the extra `align`."""
    try:
        load_models()
    except InputError:
        return None, 0
    chosen = np.random.default_rng(seed).permutation(len(faces))[:most]
    blocks = np.split(chosen, range(BLOCK, len(chosen), BLOCK))
    eyes = np.concatenate([find_eyes(faces.load(block, size_px=COMMON_PX)) for block in blocks])
    away = np.linalg.norm(eyes - EYES, axis=2).max(1) / np.linalg.norm(EYES[1] - EYES[0])
    return float(np.mean(~(away <= EYE_TOLERANCE))), len(chosen)  # NaN, where no face is found, is not in place.
