"""Which recognition models a report trains, and on which images: equal numbers for all that are compared."""

import dataclasses
from collections.abc import Mapping

import numpy as np

from sface_lib.chapters.shared import BASELINE
from sface_lib.chapters.training.parameters import TrainingParameters
from sface_lib.data import first_of_class, select_images
from sface_lib.recognition.recipe import STRATEGIES
from sface_lib.run.parameters import parse_numbers

COMPARED = (BASELINE, *STRATEGIES)  # The models that every report trains and sets side by side.


@dataclasses.dataclass(frozen=True, eq=False)
class PlannedModel:
    """A model to be trained.

    Attributes
    ----------
    name
        e.g. "CLS", "KT 20" or "CLS filtered 0.5"; models of one name differ in their seed alone.
    strategy
        CLS, KT or CL; the baseline's is CLS.
    images
        "authentic" or "synthetic".
    positions
        Which of those images, int64, sorted.
    """

    name: str
    strategy: str
    images: str
    positions: np.ndarray
    seed: int

    @property
    def file(self) -> str:
        """Name of its files, without suffix."""
        return f"{self.name.lower().replace(' ', '-')}-seed-{self.seed}"


def plan_models(
    p: TrainingParameters, authentic: np.ndarray, synthetic: np.ndarray, filtered: Mapping[str, np.ndarray]
) -> list[PlannedModel]:
    """The models of a report, each baseline before those that it teaches.

    A class keeps at most `images_per_class` authentic images, drawn at random; of the synthetic class with the same
    label the first are used, as many; of a filtered set the first that are left, so that further images of the class
    replace what the filter took, where more were drawn. The numbers of `sweep_images_per_class` and the filtered sets
    are trained on from the first seed alone.

    Parameters
    ----------
    authentic, synthetic
        Labels of both sets, int64 `[N]` and `[M]`.
    filtered
        Name of a model -> the positions of the synthetic set that it learns from.
    """
    chosen = select_images(authentic, 1, p.images_per_class, seed=p.seed)
    counts = np.bincount(authentic[chosen])
    matched = first_of_class(synthetic, counts)
    planned = []
    for seed in range(p.seed, p.seed + p.recognition_seeds):
        planned.append(PlannedModel(BASELINE, "CLS", "authentic", chosen, seed))
        planned += [PlannedModel(strategy, strategy, "synthetic", matched, seed) for strategy in STRATEGIES]
    for number in parse_numbers(p.sweep_images_per_class):
        if (counts == number).all():
            continue  # The models above are those.
        if np.bincount(authentic).min() >= number:
            own = select_images(authentic, 1, number, seed=p.seed)
            planned.append(PlannedModel(f"{BASELINE} {number}", "CLS", "authentic", own, p.seed))
        first = first_of_class(synthetic, number)
        planned += [PlannedModel(f"{name} {number}", name, "synthetic", first, p.seed) for name in STRATEGIES]
    for name, positions in filtered.items():
        refilled = first_of_class(synthetic, counts, positions)
        planned.append(PlannedModel(name, "CLS", "synthetic", refilled, p.seed))
    return planned
