"""The generator's training, the sets that it draws, and what is measured of them."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from accelerate import Accelerator

from sface_lib.biometrics import VerificationMetrics
from sface_lib.chapters import handover
from sface_lib.chapters.generation.describe import SetDescription, describe, measure_reference
from sface_lib.chapters.generation.explore import morph
from sface_lib.chapters.generation.launch import (
    given_generator,
    given_weights,
    grid_writer,
    kimg_before,
    launch_generator,
    make_trainer,
)
from sface_lib.chapters.generation.parameters import GenerationParameters
from sface_lib.chapters.generation.results import GeneratedFacts, GenerationResults
from sface_lib.chapters.setspec import GENERATED
from sface_lib.chapters.shared import check_batch
from sface_lib.chapters.study import Study
from sface_lib.chapters.synthetic import SyntheticSet
from sface_lib.chapters.vectors import check_vectors
from sface_lib.data import FaceBatches, FaceSet, first_of_class, open_faces
from sface_lib.engine import read_log
from sface_lib.errors import SfaceError
from sface_lib.files import sha256_of_file
from sface_lib.generators import (
    SHIPPED_PATH,
    FaceGenerator,
    HasLatents,
    Order,
    Steering,
    assessment,
    class_means,
    generate_set,
    memorisation,
    pack_set,
    save_generator,
    shipped_log,
)
from sface_lib.generators.assessment import Sample
from sface_lib.generators.quality import Memorisation
from sface_lib.matching import compare_sets
from sface_lib.population.nuisance import load_nuisance_regressor
from sface_lib.privacy.judges import open_judge
from sface_lib.recognition import Embedder, RecognitionModel, open_model

WEIGHTS = "weights/generator.safetensors"
AUTHENTIC, AS_DRAWN, STEERED = "authentic", "as drawn", "steered"
MOST_SHOWN = 6  # Snapshots, and classes, in a contact sheet.
MOST_IN_A_ROW = 10  # Images of a class in a contact sheet.
MOST_MEASURED = 10  # Images of a class whose quality is measured.
MORPHED = 9  # Faces on the way between two classes.


@dataclass(frozen=True, eq=False)
class Training:
    """A generator, and how it came to be.

    Attributes
    ----------
    generator
        In evaluation mode, on the accelerator's device.
    kimg_before
        Thousand images that it had seen before this run.
    log
        Rows of this run's training, one a snapshot; none where the given weights are used as they are.
    history
        Rows of the shipped generator's training, which came before; none with other weights.
    folder
        Where the training left its grids.
    """

    generator: FaceGenerator
    kimg_before: float
    log: tuple[Mapping[str, Any], ...]
    history: tuple[Mapping[str, Any], ...]
    folder: Path

    @property
    def kimg(self) -> float:
        """Thousand images that the generator has seen in all."""
        return self.log[-1]["kimg"] if self.log else self.kimg_before

    @property
    def has_latents(self) -> bool:
        """Whether there are ways between its classes."""
        return isinstance(self.generator, HasLatents)

    @property
    def resolution_px(self) -> int:
        """Side of its images."""
        return self.generator.resolution_px


@dataclass(frozen=True, eq=False)
class Snapshot:
    """Faces that were drawn in training after `kimg`, one of each of some classes: uint8 RGB `[C, 3, R, R]`."""

    kimg: float
    faces: np.ndarray


@dataclass(frozen=True, eq=False)
class DrawnSets:
    """What the generator drew.

    Attributes
    ----------
    by_name
        "generated"; or "as drawn" and "steered" where a model steers.
    synthetic
        The last of them, as later notebooks open it.
    """

    by_name: Mapping[str, FaceSet]
    synthetic: FaceSet


@dataclass(frozen=True, eq=False)
class Quality:
    """The authentic and the drawn sets, measured.

    Attributes
    ----------
    samples
        Of the authentic set, which comes first, and of every drawn one; the last is the synthetic set.
    table
        The synthetic set beside the authentic one: see `assessment.quality_table`.
    """

    samples: Mapping[str, Sample]
    table: pd.DataFrame

    @property
    def authentic(self) -> Sample:
        """The authentic sample."""
        return self.samples[AUTHENTIC]

    @property
    def synthetic(self) -> Sample:
        """The sample of the synthetic set."""
        return self.samples[next(reversed(self.samples))]

    @cached_property
    def spreads(self) -> Mapping[str, np.ndarray]:
        """Diversity of each class of every set, float64 `[K, 7]`: see `assessment.diversity`."""
        return {name: assessment.diversity(self.authentic, sample) for name, sample in self.samples.items()}

    @property
    def spread(self) -> np.ndarray:
        """That of the synthetic set."""
        return self.spreads[next(reversed(self.samples))]


@dataclass(frozen=True)
class SteeringEffect:
    """A drawn set's mean identity consistency, and its same-label link with the authentic set, by the verifier."""

    name: str
    consistency: float
    link: VerificationMetrics


@dataclass(frozen=True, eq=False)
class Findings:
    """All that the notebook concludes from; `memorised` is None where it could not be measured."""

    training: Training
    synthetic: FaceSet
    quality: Quality
    memorised: Memorisation | None

    @property
    def shortcomings(self) -> list[str]:
        """What a careful reader must be told of the synthetic set, in sentences."""
        return assessment.shortcomings(self.quality.spread, self.memorised)


def check_inputs(p: GenerationParameters, study: Study) -> None:
    """Refuse, before anything is trained, what would fail afterwards.

    Raises
    ------
    ParameterError
        A generator is trained, and its batch is larger than the training set.
    InputError
        The verifier is vectors that lack an image of the sets; see `check_vectors`.
    """
    if p.generates and p.total_kimg:
        check_batch(p, "generator_batch", len(study.training))
    given = (study.open_set(spec).faces for spec in p.synthetic if not spec.generated)
    check_vectors({"verifier": study.verifier}, itertools.chain([study.training], given), p.generates)


def train(stage: Any, authentic: FaceSet, accelerator: Accelerator) -> Training:
    """Train a generator on the authentic set, or take the given weights as they are; write its weights.

    Raises
    ------
    WeightsError
        The given weights do not fit the set: see `require_fit`.
    """
    p, work = stage.parameters, stage.scratch("generator")
    if p.total_kimg == 0:
        generator = given_generator(p, len(authentic.identities))
    elif p.processes > 1:
        generator = launch_generator(p, work, stage.input(handover.SELECTION))
    else:
        data = FaceBatches(authentic, p.generator_resolution_px)
        trainer = make_trainer(p, data, accelerator, work)
        generator = trainer.train(grid_writer(work, data.n_classes, accelerator, p.seed))
    from_shipped = given_weights(p) == SHIPPED_PATH
    save_generator(stage.output(WEIGHTS), generator.to(accelerator.device))
    return Training(
        generator=generator,
        kimg_before=kimg_before(p),
        log=tuple(read_log(work / "log.jsonl")),
        history=tuple(shipped_log()) if from_shipped else (),
        folder=work,
    )


def shown(count: int) -> np.ndarray:
    """Which of `count` snapshots or classes a contact sheet shows: six at most, the first and the last among them."""
    return np.unique(np.linspace(0, count - 1, min(MOST_SHOWN, count)).astype(int))


def shown_snapshots(training: Training) -> tuple[Snapshot, ...]:
    """The snapshots of this run's training that are shown, in its order."""
    rows = [training.log[i] for i in shown(len(training.log))] if training.log else []
    return tuple(Snapshot(row["kimg"], np.load(training.folder / f"grid-{row['step']:09d}.npy")) for row in rows)


def draw_sets(stage: Any, generator: FaceGenerator, classes: int, accelerator: Accelerator) -> DrawnSets:
    """Draw `images_per_class` images of each class, steered as well where a model is given to; hand the last set on."""
    p, work = stage.parameters, stage.scratch("generator")
    order = Order(classes, p.images_per_class, p.seed, p.psi)
    arguments = (generator, accelerator, order, sha256_of_file(stage.output(WEIGHTS)))
    folders = {AS_DRAWN if p.identity_model else GENERATED: generate_set(work / "plain", *arguments)}
    if p.identity_model:
        guide = open_model(p.identity_model)
        means = class_means(generator, accelerator, guide, classes, p.seed)
        steering = Steering(guide, means, p.identity_steps, least_score=p.identity_score)
        folders[STEERED] = generate_set(work / "steered", *arguments, steering)
    last = next(reversed(folders.values()))
    packed = pack_set(last, stage.output(handover.SYNTHETIC))
    return DrawnSets({name: open_faces(folder) for name, folder in folders.items()}, open_faces(packed))


def rows_of_classes(p: GenerationParameters, faces: FaceSet, classes: Sequence[int]) -> list[np.ndarray]:
    """The first images of each of some classes, a row a class, at the generator's size R: uint8 RGB `[n, 3, R, R]`."""
    most = min(MOST_IN_A_ROW, p.images_per_class)
    positions = [np.flatnonzero(faces.labels == label)[:most] for label in classes]
    return [faces.load(row, size_px=p.generator_resolution_px).numpy() for row in positions]


def measure(
    p: GenerationParameters, sets: Mapping[str, FaceSet], verifier: RecognitionModel, embedder: Embedder
) -> Quality:
    """Measure sets by the verifier, and compare the last one with "authentic", which comes first."""
    regressor, per_class = load_nuisance_regressor(), measured_per_class(p)
    samples = {
        name: assessment.take_sample(faces, per_class, verifier, regressor, embedder) for name, faces in sets.items()
    }
    last = next(reversed(samples.values()))
    return Quality(samples, assessment.quality_table(samples[AUTHENTIC], last, p.bootstrap_resamples, p.seed))


def measured_per_class(p: GenerationParameters) -> int:
    """How many images of a class are measured, at most."""
    return min(MOST_MEASURED, p.images_per_class)


def find_memorised(
    p: GenerationParameters,
    study: Study,
    synthetic: Sample,
    *,
    verifier: RecognitionModel,
    embedder: Embedder,
) -> Memorisation | None:
    """Whether the synthetic set lies closer to training images than to unseen ones of the same identities.

    None where there are no unseen images.
    """
    training, unseen = study.training, study.held_out
    if unseen is None:
        return None
    as_many = int(np.bincount(unseen.labels).max())
    seen = training.subset(first_of_class(training.labels, as_many))
    members, others = (embedder.embed(verifier, faces) for faces in (seen, unseen))
    both = (members, seen.labels, others, unseen.labels)
    return memorisation(synthetic.embeddings, *both, p.bootstrap_resamples, p.seed)


def steering_effects(quality: Quality) -> tuple[SteeringEffect, ...]:
    """What steering gains in consistency and costs in privacy: each drawn set; none where no model steers."""
    if STEERED not in quality.samples:
        return ()
    source = quality.authentic
    return tuple(
        SteeringEffect(
            name,
            float(sample.consistency.mean()),
            compare_sets(source.embeddings, source.labels, sample.embeddings, sample.labels).metrics(),
        )
        for name, sample in quality.samples.items()
        if name != AUTHENTIC
    )


def between(
    p: GenerationParameters, generator: FaceGenerator, classes: Sequence[int], accelerator: Accelerator
) -> dict[tuple[int, int], np.ndarray]:
    """Nine faces on the way from each class to the next, of one latent: two classes -> uint8 RGB `[9, 3, R, R]`.

    The generator has latents.
    """
    mix = np.linspace(0, 1, MORPHED)
    ways = itertools.pairwise(map(int, classes))
    return {ends: morph(generator, accelerator, *ends, mix, p.seed, psi=p.psi) for ends in ways}


def open_sets(p: GenerationParameters, study: Study, drawn: DrawnSets | None) -> tuple[SyntheticSet, ...]:
    """Every synthetic set, the one drawn in this notebook among them."""
    return tuple(study.open_set(spec, None if drawn is None else drawn.synthetic) for spec in p.synthetic)


def barred_sets(study: Study, synthetic: Sequence[SyntheticSet], embedder: Embedder) -> dict[str, str]:
    """Synthetic sets that the verifier had a part in, by their names -> which part."""
    verifier = open_judge("verifier", study.verifier, embedder)
    return {each.name: why for each in synthetic if (why := verifier.part_in(each.barred_models))}


def describe_all(
    p: GenerationParameters, study: Study, synthetic: Sequence[SyntheticSet], embedder: Embedder
) -> tuple[dict[str, SetDescription], dict[str, str]]:
    """The authentic training set, and every synthetic one, described alike: see `describe`; and which fail, and why.

    Raises
    ------
    SfaceError
        The authentic set cannot be described, or no synthetic one can.
    """
    about = {"verifier": open_model(study.verifier), "embedder": embedder, "seed": p.seed}
    about |= {"reference": measure_reference(study.training, **about), "eye_images": p.eye_images}
    described, failed = {AUTHENTIC: describe(study.training, **about)}, {}
    for each in synthetic:
        try:
            described[each.name] = describe(each.faces, **about)
        except SfaceError as error:
            failed[each.name] = str(error)
            if len(failed) == len(synthetic):
                raise
    return described, failed


def results(
    findings: Findings | None,
    described: Mapping[str, SetDescription],
    failed: Mapping[str, str],
    accelerator: Accelerator,
) -> GenerationResults:
    """What later chapters and readers of the run folder find; `findings` is None where nothing was generated."""
    return GenerationResults(None if findings is None else _facts(findings, accelerator), dict(described), dict(failed))


def _facts(findings: Findings, accelerator: Accelerator) -> GeneratedFacts:
    training, table = findings.training, findings.quality.table
    return GeneratedFacts(
        kind=training.generator.kind,
        kimg=training.kimg,
        kimg_before=training.kimg_before,
        images_per_second=training.log[-1]["images_per_second"] if training.log else None,
        generator_parameters=sum(weights.numel() for weights in training.generator.parameters()),
        synthetic_images=len(findings.synthetic),
        classes=len(findings.synthetic.identities),
        resolution_px=training.resolution_px,
        quality=table.dropna(subset="synthetic").set_index("measure")["synthetic"].to_dict(),
        memorisation_auc=findings.memorised.auc if findings.memorised else None,
        shortcomings=tuple(findings.shortcomings),
        precision=accelerator.mixed_precision,
        device=str(accelerator.device),
    )
