"""Which recognition models a report trains, and on which images: equal numbers for all that are compared."""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from sface_lib.chapters.setspec import AUTHENTIC, UNLABELLED, Labels
from sface_lib.chapters.shared import BASELINE
from sface_lib.chapters.training.parameters import TrainingParameters
from sface_lib.chapters.training.results import CLS
from sface_lib.data import FaceSet, first_of_class, select_images
from sface_lib.errors import ParameterError
from sface_lib.recognition import STRATEGIES
from sface_lib.run.parameters import parse_numbers


@dataclasses.dataclass(frozen=True, eq=False)
class TrainingSet:
    """Images that models may learn from.

    Attributes
    ----------
    labels
        What a class is: see `SetSpec`.
    model
        Weights of a network that was given with the set and takes the place of CLS; empty without one.
    """

    faces: FaceSet
    labels: Labels = AUTHENTIC
    model: str = ""

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
        A name of `STRATEGIES`; the baseline's is CLS.
    images
        "authentic", or the name of a synthetic set.
    positions
        Which of those images, int64, sorted; with `mix`, of the set's and then of the authentic ones.
    per_class
        Images of each class, for a model of the sweep over them.
    fmr
        False match rate of the filter whose set it learns from.
    mix
        Share of the images that are authentic.
    """

    strategy: str
    images: str
    positions: np.ndarray
    seed: int
    per_class: int | None = None
    fmr: float | None = None
    mix: float | None = None

    @property
    def name(self) -> str:
        """Models of one name differ in their seed alone."""
        return model_name(self.strategy, self.images, self.per_class, self.fmr, self.mix)

    @property
    def file(self) -> str:
        """Name of its files, without suffix."""
        return f"{self.name.lower().replace(' ', '-')}-seed-{self.seed}"

    @property
    def compared(self) -> bool:
        """Whether every report sets it side by side with the others."""
        return self.per_class is None and self.fmr is None and self.mix is None


def model_name(
    strategy: str, images: str, per_class: int | None = None, fmr: float | None = None, mix: float | None = None
) -> str:
    """Such as "baseline", "KT dcface", "CLS generated 20", "CLS generated filtered 0.5" or "CLS dcface mixed 0.1"."""
    name = BASELINE if images == AUTHENTIC else f"{strategy} {images}"
    told = ((per_class, "{}"), (fmr, "filtered {:g}"), (mix, "mixed {:g}"))
    return " ".join([name, *(words.format(value) for value, words in told if value is not None)])


def taught_sets(p: TrainingParameters, sets: Mapping[str, TrainingSet]) -> tuple[str, ...]:
    """The sets that KT and CL learn from; raises `ParameterError` where one of `teach_sets` is none of the study's."""
    names = [name for name in sets if name != AUTHENTIC]
    asked = tuple(name.strip() for name in p.teach_sets.split(",") if name.strip())
    if not asked:
        return tuple(name for name in names if not sets[name].model)[:1]
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
    positions = {AUTHENTIC: first_of_class(authentic, counts, chosen)}
    for name, each in sets.items():
        if name == AUTHENTIC:
            continue
        if each.labels == UNLABELLED:
            positions[name] = np.arange(min(len(each.faces), int(counts.sum())))
            continue
        positions[name] = first_of_class(each.faces.labels, _for_classes(each, counts, order))
    return positions


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
    """The models that a report trains, each baseline before those that it teaches; none without `train`.

    Of every seed the baseline, CLS of each set with labels and of its mixtures with authentic images, and KT and CL of
    the sets of `teach_sets`; KT alone where one of those has no labels. A network that is given takes the place of the
    baseline, or of CLS of its set; a set that nothing is trained on cuts no other one's size. The numbers of
    `sweep_images_per_class` on the sets that are taught, and the filtered sets, are trained on from the first seed
    alone; of a filtered set a class keeps the first images that are left, so that further ones replace what the filter
    took, where there are more.

    Parameters
    ----------
    sets
        "authentic", then each synthetic set by its name.
    filtered
        False match rate of a filter -> the positions of the first synthetic set that it keeps.
    """
    if not p.train:
        return []
    taught = taught_sets(p, sets)
    strategies = {name: _strategies(each, name in taught) for name, each in sets.items() if name != AUTHENTIC}
    names = [name for name, own in strategies.items() if own]
    chosen = chosen_images(p, {AUTHENTIC: sets[AUTHENTIC]} | {name: sets[name] for name in names})
    mixed = {
        (name, share): mixed_images(name, sets, chosen, share, p.seed)
        for name in names if CLS in strategies[name]
        for share in p.mixed_shares
    }  # fmt: skip
    planned = []
    for seed in range(p.seed, p.seed + p.recognition_seeds):
        if not p.baseline_model:
            planned.append(PlannedModel(CLS, AUTHENTIC, chosen[AUTHENTIC], seed))
        for name in names:
            for strategy in strategies[name]:
                planned.append(PlannedModel(strategy, name, chosen[name], seed))
        for (name, share), positions in mixed.items():
            planned.append(PlannedModel(CLS, name, positions, seed, mix=share))
    for number in parse_numbers(p.sweep_images_per_class):
        planned += _swept(p, sets, taught, chosen, number)
    first = next(name for name in sets if name != AUTHENTIC)
    for fmr, positions in filtered.items() if CLS in strategies[first] else ():
        own = sets[first].faces.labels
        left = first_of_class(own, np.bincount(own[chosen[first]], minlength=own.max() + 1), positions)
        planned.append(PlannedModel(CLS, first, left, p.seed, fmr=fmr))
    return planned


def mixed_images(
    name: str, sets: Mapping[str, TrainingSet], chosen: Mapping[str, np.ndarray], share: float, seed: int
) -> np.ndarray:
    """Positions of a synthetic set's images, and behind all of them the authentic ones, of which a share is authentic.

    As many images as `chosen` has of the set. The authentic ones are whole training identities, drawn at random; of a
    larger share they are the same and more. Whole classes of the set give way: those of the same identities first, so
    that no identity has two classes, and others at random; one class may lose a part.

    Raises
    ------
    ParameterError
        There are fewer authentic images than the share asks for.
    """
    authentic, own = chosen[AUTHENTIC], chosen[name]
    of_authentic, of_own = sets[AUTHENTIC].faces.labels[authentic], sets[name].faces.labels
    draws = np.random.default_rng(seed)
    identities = draws.permutation(np.unique(of_authentic))
    counted = np.cumsum(np.bincount(of_authentic)[identities])
    wanted = share * len(own)
    if counted[-1] < wanted:
        raise ParameterError(
            f"mix = {share:g} of the {len(own):,} images of {name} needs {round(wanted):,} authentic images, and there "
            f"are {counted[-1]:,}; lower it, or set set_size=equal"
        )
    entering = identities[: 1 + int(np.argmin(np.abs(counted - wanted)))]
    entered = authentic[np.isin(of_authentic, entering)]
    leaving = draws.permutation(np.unique(of_own[own]))
    if sets[name].labels == AUTHENTIC:
        leaving = np.concatenate([entering, leaving[~np.isin(leaving, entering)]])
    rank = np.zeros(1 + max(of_own.max(), leaving.max()), np.int64)
    rank[leaving] = np.arange(len(leaving))
    in_order = own[np.argsort(rank[of_own[own]], kind="stable")]
    return np.concatenate([np.sort(in_order[len(entered) :]), len(of_own) + entered])


def _strategies(given: TrainingSet, taught: bool) -> tuple[str, ...]:
    """What learns from a set."""
    labelled = given.labels != UNLABELLED
    return tuple(
        name
        for name, strategy in STRATEGIES.items()
        if (labelled or not strategy.needs_labels)
        and (taught if strategy.needs_teacher else name != CLS or not given.model)
    )


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
    if np.bincount(authentic).min() >= number and not p.baseline_model:
        own = select_images(authentic, 1, number, seed=p.seed)
        planned.append(PlannedModel(CLS, AUTHENTIC, own, p.seed, per_class=number))
    for name in taught:
        if sets[name].labels != UNLABELLED:
            first = first_of_class(sets[name].faces.labels, number)
            planned += [
                PlannedModel(strategy, name, first, p.seed, per_class=number)
                for strategy in _strategies(sets[name], True)
            ]
    return planned
