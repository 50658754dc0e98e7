"""What notebooks embed and score, and what that costs: counted from sizes, measured on noise and on a few images."""

import dataclasses
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator

from sface_lib.attributes import annotate_images
from sface_lib.biometrics.bootstrap import affordable_bins
from sface_lib.chapters.attributes.sets import PASSES, attribute_classifier
from sface_lib.chapters.data.compute import evaluated_pairs
from sface_lib.chapters.generation.describe import COMMON_PX, MOST_SAMPLED
from sface_lib.chapters.privacy.remedies import rates
from sface_lib.chapters.privacy.sets import compared_images
from sface_lib.chapters.registry import ReportParameters, chapters_of
from sface_lib.chapters.setspec import AUTHENTIC, UNLABELLED
from sface_lib.chapters.study import IMAGES_CONTROL, IMAGES_HELD_OUT, Study, open_persons
from sface_lib.chapters.training.launch import make_recipe
from sface_lib.chapters.training.plan import TrainingSet
from sface_lib.chapters.words import the
from sface_lib.data import FaceSet
from sface_lib.data.landmarks import find_eyes, load_models
from sface_lib.engine import time_calls
from sface_lib.errors import InputError
from sface_lib.matching import compare_within, nearest_scores
from sface_lib.matching.intervals import BINS
from sface_lib.privacy.judges import PIXELS, Judge, open_judge
from sface_lib.recognition import Embedder, embed_batches, untrained_model
from sface_lib.recognition.dlib_model import dlib_file
from sface_lib.recognition.embedding import PIXELS_PX, batch_size

SAMPLED = 32  # Images of a set that are read and decoded.
ROWS, WIDTH = 2048, 512  # Of noise that is scored.
WEIGHED = 1000  # Pairs of identities that are weighed together.
NOTEBOOK = "import sface_lib.chapters.privacy.compute, sface_lib.chapters.privacy.show"  # What a notebook imports.


@dataclasses.dataclass(frozen=True)
class Cost:
    """Something that the report computes over images, or scores.

    Attributes
    ----------
    what
        In words.
    images
        How many in all.
    seconds
        For one of them, by one process of this machine.
    gib
        Memory of a process beyond the libraries', where it was measured.
    unit
        What is counted, where it is not images.
    alone
        Whether the notebook's own process does it, however many share trainings and embeddings.
    """

    what: str
    images: int
    seconds: float
    gib: float | None = None
    unit: str = "images"
    alone: bool = False

    @property
    def total(self) -> float:
        """Seconds in all, by one process."""
        return self.images * self.seconds


@dataclasses.dataclass(frozen=True)
class Sizes:
    """How many images stand beside the sets: of control persons, held out, and named by the evaluated pairs."""

    control: int
    held_out: int
    evaluated: int

    @classmethod
    def of(cls, p: ReportParameters, study: Study, faces: FaceSet) -> "Sizes":
        """Those of a study whose training images are `faces`; its evaluated images are control persons by default."""
        benchmarks = evaluated_pairs(*study.pairs, p.evaluation_folds)
        evaluated = len(benchmarks.images)
        if study.rendered:
            persons = len(faces.identities)
            return cls(IMAGES_CONTROL * persons, IMAGES_HELD_OUT * persons, evaluated)
        default = 0 if benchmarks.faces.labels is None else evaluated
        return cls(_apart(p, "control", faces) or default, _apart(p, "held_out", faces), evaluated)


def _apart(p: ReportParameters, name: str, faces: FaceSet) -> int:
    """Images of a set that is given, or split off the training images."""
    path = getattr(p, name)
    return len(open_persons(name, path)) if path else round(getattr(p, f"{name}_split") * len(faces))


def look_cost(study: Study) -> Cost:
    """Notebook 01 decodes every authentic image."""
    return Cost("decoding of the authentic set", len(study.faces), _decoding(study.faces, None), alone=True)


def start_cost(p: ReportParameters) -> Cost:
    """Every notebook starts a process that imports the library."""
    seconds = time_calls(lambda: subprocess.run([sys.executable, "-c", NOTEBOOK], check=True), warm_up=False, calls=1)
    return Cost("start of the notebooks", len(chapters_of(p)), seconds, unit="notebooks", alone=True)


def eyes_cost(p: ReportParameters, sets: Mapping[str, TrainingSet]) -> Cost | None:
    """Notebook 02 looks for eyes in images of every set; None without the extra `align`, where it doesn't."""
    try:
        load_models()
    except InputError:
        return None
    images = sum(min(p.eye_images, MOST_SAMPLED, _count(each)) for each in sets.values())
    noise = np.random.default_rng(0).integers(0, 256, (SAMPLED, 3, COMMON_PX, COMMON_PX), dtype=np.uint8)
    seconds = time_calls(lambda: find_eyes(torch.from_numpy(noise))) / len(noise)
    return Cost("looking for eyes", images, seconds, alone=True)


def audit_costs(
    p: ReportParameters, study: Study, sets: Mapping[str, TrainingSet], sizes: Sizes, accelerator: Accelerator
) -> Iterator[Cost]:
    """Embeddings, scores and intervals of notebook 03.

    Parameters
    ----------
    sets
        "authentic", the training images, then each synthetic set by its name; of a set that is not there yet, the
        labels alone.
    """
    audit = _Audit(p, sets, sizes)
    judges = [open_judge(name, path, Embedder(accelerator)) for name, path in study.judges(dlib_file()).items()]
    for place, judge in enumerate(judges):
        if judge.embed_images is not None:  # Else its vectors were given.
            yield _embedding(audit, judge, filters=place == 0 and sizes.control > 0, accelerator=accelerator)
    pixels = _decoding(sets[AUTHENTIC].faces, PIXELS_PX)
    yield Cost(f"reading of the sets as {PIXELS}", audit.images_by_pixels, pixels, alone=True)
    count = len(judges) + 1
    yield Cost("scores of all judges", count * audit.scores, _seconds_of_score(accelerator), unit="scores", alone=True)
    if sizes.control:
        yield Cost("scores of the filters", audit.filter_scores, _seconds_of_nearest(), unit="scores", alone=True)
    products, seconds = count * audit.products, _seconds_of_product(p.bootstrap_resamples)
    yield Cost("intervals of all judges", products, seconds, unit="multiplications", alone=True)


def evaluation_cost(p: ReportParameters, study: Study, models: int, sizes: Sizes, accelerator: Accelerator) -> Cost:
    """Notebook 05 embeds the images of the evaluated pairs by every model."""
    network = untrained_model(make_recipe(p, p.seed))
    seconds = _on_noise(lambda x: embed_batches(network, [torch.from_numpy(x)], accelerator), network, accelerator)
    seconds += _decoding(study.pairs[0], network.spec.size_px)
    return Cost(f"evaluation of {models} recognition models", models * sizes.evaluated, seconds, alone=True)


def attribute_cost(
    p: ReportParameters, study: Study, sets: Mapping[str, TrainingSet], sizes: Sizes, accelerator: Accelerator
) -> Cost | None:
    """Notebook 06 annotates every image of the sets, and the evaluated ones; None without a classifier."""
    classifier = attribute_classifier(study)
    if classifier is None:
        return None
    network = classifier.embedder
    seconds = _on_noise(lambda x: annotate_images(classifier, x, accelerator, p.seed, PASSES), network, accelerator)
    seconds += _decoding(sets[AUTHENTIC].faces, network.spec.size_px)
    images = sum(_count(each) for each in sets.values()) + (0 if study.rendered else sizes.evaluated)
    return Cost("annotation of attributes", images, seconds)


class _Audit:
    """How much notebook 03 embeds and scores, by each judge."""

    def __init__(self, p: ReportParameters, sets: Mapping[str, TrainingSet], sizes: Sizes):
        self.sets, self.sizes, self._p = sets, sizes, p
        trained, self._first = sets[AUTHENTIC].faces.labels, None
        self.compared: dict[str, tuple[int, int]] = {}
        self.scores = self.products = 0
        for name, each in self.synthetic.items():
            rows = compared_images(trained, each.labels, each.faces.labels, _count(each))
            self.compared[name] = tuple(map(len, rows))
            self._add(each, trained, *rows)

    @property
    def synthetic(self) -> dict[str, TrainingSet]:
        """The synthetic sets by their names."""
        return {name: each for name, each in self.sets.items() if name != AUTHENTIC}

    @property
    def beside(self) -> int:
        """Images that every set is held against, beside the authentic ones."""
        return self.sizes.control + self.sizes.held_out

    @property
    def images_by_pixels(self) -> int:
        """Images that are read as pixels: anew for every set."""
        return sum(sum(counts) + self.beside for counts in self.compared.values())

    @property
    def filter_scores(self) -> int:
        """Scores of whole sets, and of control persons, with all training identities, at every rate."""
        against = len(np.unique(self.sets[AUTHENTIC].faces.labels)) * len(rates(self._p))
        return sum((_count(each) + self.sizes.control) * against for each in self.synthetic.values())

    def _add(self, each: TrainingSet, trained: np.ndarray, own: np.ndarray, drawn: np.ndarray) -> None:
        """Count what is scored of a set, and what its intervals multiply, those of every score and of every pair."""
        persons = len(np.unique(trained[own]))
        if self._first is None or not np.array_equal(self._first, own):
            self._first = own if self._first is None else self._first
            self.scores += len(own) ** 2 // 2
            self.products += self._multiplied(persons) // 2
        self.scores += len(own) * len(drawn)
        if each.labels != UNLABELLED:
            self.scores += len(drawn) ** 2 // 2
            self.products += self._multiplied(len(np.unique(each.faces.labels[drawn]))) // 2
        if each.labels == AUTHENTIC:
            self.products += self._multiplied(persons)

    def _multiplied(self, identities: int) -> int:
        draws = self._p.bootstrap_resamples + 1
        return 2 * draws * identities**2 * affordable_bins(BINS, draws, identities**2)


def _embedding(audit: _Audit, judge: Judge, filters: bool, accelerator: Accelerator) -> Cost:
    """Of all that a judge sees, each image once: the whole sets where it is the one that filters."""
    size_px, authentic = judge.model.spec.size_px, audit.sets[AUTHENTIC].faces
    whole = {name: _count(each) for name, each in audit.synthetic.items()}
    counts = whole if filters else {name: drawn for name, (_, drawn) in audit.compared.items()}
    own = len(authentic) if filters else max(own for own, _ in audit.compared.values())
    decoding = _decoding(authentic, size_px)
    read = (own + audit.beside) * decoding
    for name, count in counts.items():
        faces = audit.sets[name].faces
        read += count * (_decoding(faces, size_px) if isinstance(faces, FaceSet) else decoding)
    images = own + audit.beside + sum(counts.values())
    seconds = _on_noise(judge.embed_images, judge.model, accelerator) + read / images
    return Cost(f"embedding by {the(judge.name)}", images, seconds)


def _count(each: TrainingSet) -> int:
    return len(each.faces) if each.faces.labels is None else len(each.faces.labels)


def _on_noise(step: Callable[[np.ndarray], Any], model: Any, accelerator: Accelerator) -> float:
    """Seconds for an image, in a batch uint8 `[N, 3, S, S]` of the size that is usual on the device."""
    shape = (batch_size(accelerator), 3, model.spec.size_px, model.spec.size_px)
    noise = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    return time_calls(lambda: step(noise)) / len(noise)


def _decoding(faces: FaceSet, size_px: int | None) -> float:
    """Seconds to read, decode and resize an image of a set, of some in its middle that follow each other."""
    start = (len(faces) - min(SAMPLED, len(faces))) // 2
    some = range(start, start + min(SAMPLED, len(faces)))
    if size_px is None:
        return time_calls(lambda: [faces[i] for i in some]) / len(some)
    return time_calls(lambda: faces.load(some, size_px=size_px)) / len(some)


def _unit_noise(rows: int) -> np.ndarray:
    noise = np.random.default_rng(rows).normal(size=(rows, WIDTH)).astype(np.float32)
    return noise / np.linalg.norm(noise, axis=1, keepdims=True)


def _seconds_of_score(accelerator: Accelerator) -> float:
    """For a score that is kept and counted, and its share of the metrics."""
    rows, labels = _unit_noise(ROWS), np.repeat(np.arange(ROWS // 8), 8)
    return time_calls(lambda: compare_within(rows, labels, accelerator=accelerator).metrics()) / (ROWS * (ROWS - 1) / 2)


def _seconds_of_nearest() -> float:
    """For a score of which the best of a row is kept."""
    rows, others = _unit_noise(ROWS), _unit_noise(2 * ROWS)
    return time_calls(lambda: nearest_scores(rows, others, 1)) / (len(rows) * len(others))


def _seconds_of_product(resamples: int) -> float:
    """For a weight times a count."""
    random, bins = np.random.default_rng(0), BINS // 2
    weights, counts = random.random((resamples + 1, WEIGHED)), random.random((WEIGHED, bins))
    return time_calls(lambda: weights @ counts) / (len(weights) * WEIGHED * bins)
