"""Which recognition models a report trains, and on which images: equal numbers for all that are compared."""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from sface_lib.chapters.setspec import AUTHENTIC, UNLABELLED, Labels
from sface_lib.chapters.shared import BASELINE
from sface_lib.chapters.training.parameters import TrainingParameters
from sface_lib.data import FaceSet, first_of_class, select_images
from sface_lib.errors import ParameterError
from sface_lib.recognition.recipe import STRATEGIES
from sface_lib.run.parameters import parse_numbers


@dataclasses.dataclass(frozen=True, eq=False)
class TrainingSet:
    """Images that models may learn from, and what their labels are: see `SetSpec`."""

    faces: FaceSet
    labels: Labels = AUTHENTIC

    @property
    def sizes(self) -> np.ndarray:
        """Images of each class, int64 `[K]`."""
        return np.bincount(self.faces.labels)


@dataclasses.dataclass(frozen=True, eq=False)
class PlannedModel:
    """A model to be trained.

    Attributes
    ----------
    strategy
        CLS, KT or CL; the baseline's is CLS.
    images
        "authentic", or the name of a synthetic set.
    positions
        Which of those images, int64, sorted.
    per_class
        Images of each class, for a model of the sweep over them.
    fmr
        False match rate of the filter whose set it learns from.
    """

    strategy: str
    images: str
    positions: np.ndarray
    seed: int
    per_class: int | None = None
    fmr: float | None = None

    @property
    def name(self) -> str:
        """Models of one name differ in their seed alone."""
        return model_name(self.strategy, self.images, self.per_class, self.fmr)

    @property
    def file(self) -> str:
        """Name of its files, without suffix."""
        return f"{self.name.lower().replace(' ', '-')}-seed-{self.seed}"

    @property
    def compared(self) -> bool:
        """Whether every report sets it side by side with the others."""
        return self.per_class is None and self.fmr is None


def model_name(strategy: str, images: str, per_class: int | None = None, fmr: float | None = None) -> str:
    """Such as "baseline", "KT dcface", "CLS generated 20" or "CLS generated filtered 0.5"."""
    name = BASELINE if images == AUTHENTIC else f"{strategy} {images}"
    return name + ("" if per_class is None else f" {per_class}") + ("" if fmr is None else f" filtered {fmr:g}")


def taught_sets(p: TrainingParameters, names: Sequence[str]) -> tuple[str, ...]:
    """The sets that KT and CL learn from; raises `ParameterError` where one of `teach_sets` is none of the study's."""
    asked = tuple(name.strip() for name in p.teach_sets.split(",") if name.strip()) or tuple(names[:1])
    unknown = [name for name in asked if name not in names]
    if unknown:
        raise ParameterError(
            f"teach_sets names {unknown[0]!r}, which is no synthetic set; choose of {', '.join(names)}"
        )
    return asked


def chosen_images(p: TrainingParameters, sets: Mapping[str, TrainingSet]) -> dict[str, np.ndarray]:
    """Positions of the images of each set, "authentic" first, that the compared models learn from.

    A class keeps at most `images_per_class` authentic images, drawn at random, and the first of a synthetic one. With
    `set_size = equal` all sets have as many classes, and as many images in each, as the smallest: classes that stand
    for authentic identities are matched by identity, others in the order of their size. A set without labels has as
    many images in all.
    """
    authentic = sets[AUTHENTIC].faces.labels
    chosen = select_images(authentic, 1, p.images_per_class, seed=p.seed)
    if p.set_size == "own":
        own = {name: _first(each, p.images_per_class) for name, each in sets.items() if name != AUTHENTIC}
        return {AUTHENTIC: chosen} | own
    labelled = {name: each for name, each in sets.items() if each.labels != UNLABELLED and name != AUTHENTIC}
    counts = np.bincount(authentic[chosen])
    for each in labelled.values():
        if each.labels == AUTHENTIC:
            counts = np.minimum(counts, _of_length(each.sizes, len(counts)))
    order = np.argsort(-counts, kind="stable")
    for each in labelled.values():
        if each.labels != AUTHENTIC:
            largest = np.sort(each.sizes)[::-1]
            counts[order] = np.minimum(counts[order], _of_length(largest, len(counts)))
    found = {AUTHENTIC: first_of_class(authentic, counts, chosen)}
    for name, each in sets.items():
        if name == AUTHENTIC:
            continue
        if each.labels == UNLABELLED:
            found[name] = np.arange(min(len(each.faces), int(counts.sum())))
            continue
        found[name] = first_of_class(each.faces.labels, _for_classes(each, counts, order))
    return found


def _first(given: TrainingSet, most: int) -> np.ndarray:
    return np.arange(len(given.faces)) if given.labels == UNLABELLED else first_of_class(given.faces.labels, most)


def _of_length(sizes: np.ndarray, classes: int) -> np.ndarray:
    """Sizes of the first so many classes; those that are not there are empty."""
    return np.pad(sizes[:classes], (0, max(0, classes - len(sizes))))


def _for_classes(given: TrainingSet, counts: np.ndarray, order: np.ndarray) -> np.ndarray:
    """How many images each class gives: `counts` by identity, and of a set's own classes the largest, by `order`."""
    if given.labels == AUTHENTIC:
        return _of_length(counts, max(len(given.sizes), len(counts)))
    wanted = np.zeros_like(given.sizes)
    places = np.argsort(-given.sizes, kind="stable")[: len(counts)]
    wanted[places] = counts[order][: len(places)]
    return wanted


def plan_models(
    p: TrainingParameters, sets: Mapping[str, TrainingSet], filtered: Mapping[float, np.ndarray]
) -> list[PlannedModel]:
    """The models of a report, each baseline before those that it teaches.

    Of every seed the baseline, CLS of each set with labels, and KT and CL of the sets of `teach_sets`; KT alone where
    one of those has no labels. The numbers of `sweep_images_per_class` on the sets that are taught, and the filtered
    sets, are trained on from the first seed alone; of a filtered set a class keeps the first images that are left, so
    that further ones replace what the filter took, where there are more.

    Parameters
    ----------
    sets
        "authentic", then each synthetic set by its name.
    filtered
        False match rate of a filter -> the positions of the first synthetic set that it keeps.
    """
    names = [name for name in sets if name != AUTHENTIC]
    taught, chosen = taught_sets(p, names), chosen_images(p, sets)
    planned = []
    for seed in range(p.seed, p.seed + p.recognition_seeds):
        planned.append(PlannedModel("CLS", AUTHENTIC, chosen[AUTHENTIC], seed))
        for name in names:
            for strategy in _strategies(sets[name], name in taught):
                planned.append(PlannedModel(strategy, name, chosen[name], seed))
    for number in parse_numbers(p.sweep_images_per_class):
        planned += _swept(p, sets, taught, chosen, number)
    for fmr, positions in filtered.items():
        own = sets[names[0]].faces.labels
        left = first_of_class(own, np.bincount(own[chosen[names[0]]], minlength=own.max() + 1), positions)
        planned.append(PlannedModel("CLS", names[0], left, p.seed, fmr=fmr))
    return planned


def _strategies(given: TrainingSet, taught: bool) -> tuple[str, ...]:
    """What learns from a set."""
    if given.labels == UNLABELLED:
        return ("KT",) if taught else ()
    return STRATEGIES if taught else ("CLS",)


def _swept(
    p: TrainingParameters,
    sets: Mapping[str, TrainingSet],
    taught: Sequence[str],
    chosen: Mapping[str, np.ndarray],
    number: int,
) -> list[PlannedModel]:
    """The models that learn from so many images of each class; none where the compared ones already do."""
    authentic, planned = sets[AUTHENTIC].faces.labels, []
    counts = np.bincount(authentic[chosen[AUTHENTIC]])
    if (counts == number).all():
        return []
    if np.bincount(authentic).min() >= number:
        own = select_images(authentic, 1, number, seed=p.seed)
        planned.append(PlannedModel("CLS", AUTHENTIC, own, p.seed, per_class=number))
    for name in taught:
        if sets[name].labels != UNLABELLED:
            first = first_of_class(sets[name].faces.labels, number)
            planned += [PlannedModel(strategy, name, first, p.seed, per_class=number) for strategy in STRATEGIES]
    return planned
