"""A synthetic set beside its authentic source, as one table of quality numbers, each with its protocol and N."""

import dataclasses

import numpy as np
import pandas as pd

from sface_lib.biometrics import (
    Interval,
    bootstrap_mean,
    bootstrap_metrics,
)
from sface_lib.data import FaceSet, place_in_class
from sface_lib.generators import quality
from sface_lib.matching import compare_within
from sface_lib.population import first_images
from sface_lib.population.nuisance import NUISANCES, NuisanceRegressor
from sface_lib.recognition import Embedder, GivenEmbeddings, RecognitionModel

LEAST_DIVERSITY, MOST_MEMORISATION = 0.6, 0.6
MOST_CLASSES = 500
PIXELS_PX = 112
EER_OF_SAMPLES = "EER within equal samples"  # Of as many images of each class; the EER of all of them is another.


@dataclasses.dataclass(frozen=True)
class Sample:
    """What is measured of a labelled set.

    Attributes
    ----------
    embeddings
        float32 `[N, d]`, unit rows.
    labels
        int64 `[N]`.
    nuisances
        Predicted, float32 `[N, 6]` in the order of `population.nuisance.NUISANCES`.
    pixel_spread
        Of each class, in grey levels, float64 `[K]`.
    """

    embeddings: np.ndarray
    labels: np.ndarray
    nuisances: np.ndarray
    pixel_spread: np.ndarray

    @property
    def consistency(self) -> np.ndarray:
        """Mean genuine score of each class, float64 `[K]`."""
        return quality.class_consistency(self.embeddings, self.labels)

    def halves(self) -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
        """Embeddings and labels of every other image of each class: two samples of one distribution, of equal size."""
        order = place_in_class(self.labels)
        even = order < 2 * (np.bincount(self.labels) // 2)[self.labels]
        return tuple((self.embeddings[part], self.labels[part]) for part in (even & (order % 2 == i) for i in (0, 1)))


def take_sample(
    faces: FaceSet,
    per_class: int,
    model: RecognitionModel | GivenEmbeddings,
    regressor: NuisanceRegressor,
    embedder: Embedder,
) -> Sample:
    """Measure the first `per_class` images of each class, of the first 500 classes: all their pairs are scored.

    Pixels are compared at the size that the model takes, and at 112 px where vectors were given.
    """
    faces = faces.subset(first_images(faces, min(len(faces.identities), MOST_CLASSES), per_class))
    images = faces.load(size_px=model.spec.size_px or PIXELS_PX).numpy()
    return Sample(
        embedder.embed(model, faces),
        faces.labels,
        regressor.predict(faces, embedder.accelerator),
        quality.pixel_spread(images, faces.labels),
    )


def diversity(authentic: Sample, synthetic: Sample) -> np.ndarray:
    """Spread within each class over the authentic mean spread, float64 `[K, 7]`: six nuisances, then pixels."""
    spreads = [
        np.column_stack([quality.class_spread(s.nuisances, s.labels), s.pixel_spread]) for s in (authentic, synthetic)
    ]
    return spreads[1] / np.nanmean(spreads[0], 0)


def quality_table(authentic: Sample, synthetic: Sample, resamples: int, seed: int) -> pd.DataFrame:
    """Distances between the sets, identity consistency and diversity, one row a measure.

    Columns: measure, authentic, synthetic, `95 % low`, `95 % high` (identity bootstrap of the synthetic value; missing
    where none is valid), protocol. Distances, precision and recall of the authentic column are those between two
    halves of the set: what the same faces come to at half the size.
    """
    n, classes = len(synthetic.embeddings), len(np.unique(synthetic.labels))
    a, b, labels = authentic.embeddings, synthetic.embeddings, synthetic.labels
    (half, half_labels), (rest, rest_labels) = authentic.halves()
    floor = half, rest
    same = float("nan")
    if np.sum(np.bincount(half_labels, minlength=1) >= 2) >= 2:
        same, _ = quality.class_kernel_distance(half, half_labels, rest, rest_labels, resamples, seed=seed)
    distance, between = quality.class_kernel_distance(a, authentic.labels, b, labels, resamples, seed=seed)
    size = min(len(a), n)
    even = [x[np.random.default_rng(seed).permutation(len(x))[:size]] for x in (a, b)]
    floor_precision, floor_recall = quality.precision_recall(*floor)
    precision, recall = quality.precision_recall(a, b)
    scores = compare_within(b, labels)
    own, within = compare_within(a, authentic.labels).metrics(), scores.metrics()
    both = scores.genuine, scores.genuine_identity, scores.impostor, *scores.blocks.impostor_identities()
    bounds = bootstrap_metrics(*both, resamples=resamples, seed=seed)
    rows = [
        ("kernel distance x 1000", 1000 * same, 1000 * distance, 1000 * between.low, 1000 * between.high,
         f"{len(a):,} and {n:,} embeddings, by class"),
        ("Fréchet distance", _frechet(*floor), _frechet(*even), None, None,
         f"{size:,} embeddings of each; needs more than {a.shape[1]}"),
        ("precision", floor_precision, precision, None, None, f"{quality.NEIGHBOURS} neighbours"),
        ("recall", floor_recall, recall, None, None, f"{quality.NEIGHBOURS} neighbours"),
        (EER_OF_SAMPLES, own.eer, within.eer, *_ends(bounds["eer"].interval()),
         f"all pairs of {len(a):,} and {n:,} images, {classes} classes; notebook 03 takes all training images"),
        ("genuine score", own.genuine_mean, within.genuine_mean, *_ends(bounds["genuine_mean"].interval()),
         f"{within.n_genuine:,} pairs"),
        ("impostor score", own.impostor_mean, within.impostor_mean, *_ends(bounds["impostor_mean"].interval()),
         f"{within.n_impostor:,} pairs"),
    ]  # fmt: skip
    spread = diversity(authentic, synthetic)
    for i, name in enumerate((*NUISANCES, "pixels")):
        values = spread[~np.isnan(spread[:, i]), i]
        ends = _ends(bootstrap_mean(values, resamples, seed, is_rate=False).interval())
        protocol = f"spread within a class over the authentic mean, {len(values)} classes"
        rows.append((f"diversity, {name.replace('_', ' ')}", 1.0, float(values.mean()), *ends, protocol))
    columns = ["measure", "authentic", "synthetic", "95 % low", "95 % high", "protocol"]
    return pd.DataFrame(rows, columns=columns)


def shortcomings(spread: np.ndarray, memorised: quality.Memorisation | None) -> list[str]:
    """What a careful reader must be told: classes that hardly vary, and images that were copied."""
    told = []
    mean = float(np.nanmean(spread))
    if mean < LEAST_DIVERSITY:
        told.append(f"Classes vary {mean:.0%} as much as authentic ones, below {LEAST_DIVERSITY:.0%}.")
    poor = int((np.nanmean(spread, 1) < LEAST_DIVERSITY / 2).sum())
    if poor:
        told.append(f"{poor} of {len(spread)} classes vary less than {LEAST_DIVERSITY / 2:.0%} as much: collapsed.")
    if memorised is not None and memorised.auc > MOST_MEMORISATION:
        told.append(
            f"Training images can be told from held-out ones of the same identities (AUC {memorised.auc:.2f}, above "
            f"{MOST_MEMORISATION:.2f}): images were memorised."
        )
    return told


def _ends(interval: Interval) -> tuple[float, float]:
    return interval.low, interval.high


def _frechet(a: np.ndarray, b: np.ndarray) -> float:
    """The distance, NaN where the sets are too small for the embedding's width."""
    return quality.frechet_distance(a, b) if len(a) > a.shape[1] else float("nan")
