"""What the accuracies are made of: groups, images per class, the link, the hardest pairs."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from sface_lib.chapters.evaluation.models import Evaluated
from sface_lib.chapters.evaluation.results import Accuracy
from sface_lib.chapters.privacy.results import AuditFacts
from sface_lib.chapters.setspec import AUTHENTIC
from sface_lib.chapters.training.plan import model_name
from sface_lib.chapters.training.results import TrainedModel
from sface_lib.recognition import ProtocolPairs, accuracy_by_group, trade_off

FEWEST_GROUPS = 2  # To compare groups on a benchmark.
HARDEST = 4  # Pairs of each kind and benchmark.


@dataclass(frozen=True)
class SweepPoint:
    """A model at a number of images of a class: its accuracy on the first benchmark and in the mean of all.

    `model` is the name of the compared one, which differs in the number alone.
    """

    model: str
    images_per_class: float
    accuracy: Accuracy
    mean_accuracy: float


@dataclass(frozen=True)
class FrontierPoint:
    """A model, how many images it learnt from, the AUC of their link, and its accuracy on the first benchmark."""

    model: str
    images: int
    link_auc: float
    accuracy: Accuracy


@dataclass(frozen=True, eq=False)
class HardestPairs:
    """The pairs of a kind that a model gets most wrong, the worst first.

    Attributes
    ----------
    scores
        float64 `[n]`: of genuine pairs ascending, of impostors descending.
    left, right
        Positions in the evaluated images, int64 `[n]`.
    """

    benchmark: str
    kind: Literal["genuine", "impostor"]
    scores: np.ndarray
    left: np.ndarray
    right: np.ndarray


def groups(evaluated: Evaluated, group: Mapping[int, str]) -> pd.DataFrame | None:
    """Accuracy of the compared models' first seeds within groups, on each benchmark that has pairs enough in two.

    Parameters
    ----------
    group
        Identity's label -> its group; empty where none is known.

    Returns
    -------
    See `accuracy_by_group`, with the columns benchmark, model and trade_off; None where no benchmark has two groups.
    """
    tables = []
    for benchmark, models in evaluated.by_benchmark.items() if group else ():
        for name in evaluated.compared:
            table = accuracy_by_group(models[name].first, evaluated.pairs[benchmark], group)
            if len(table) >= FEWEST_GROUPS:
                tables.append(table.assign(benchmark=benchmark, model=name, trade_off=trade_off(table)))
    return pd.concat(tables) if tables else None


def sweep(evaluated: Evaluated) -> list[SweepPoint]:
    """The baseline and the models of each set that was swept, by ascending images per class; none without a sweep."""
    swept = {name: model for name, model in evaluated.trained.items() if model.per_class is not None}
    sets = {AUTHENTIC, *(model.trained_on for model in swept.values())}
    compared = {n: m for n, m in evaluated.trained.items() if m.compared and m.trained_on in sets}
    points = [_sweep_point(name, model, evaluated) for name, model in (swept | compared).items()] if swept else []
    order = list(evaluated.compared)
    return sorted(points, key=lambda point: (order.index(point.model), point.images_per_class))


def _sweep_point(name: str, model: TrainedModel, evaluated: Evaluated) -> SweepPoint:
    number = float(model.per_class) if model.per_class is not None else model.images / model.classes
    accuracy = evaluated.by_benchmark[evaluated.first_benchmark][name].accuracy
    return SweepPoint(model_name(model.strategy, model.trained_on), number, accuracy, evaluated.mean(name))


def frontier(evaluated: Evaluated, audited: AuditFacts) -> list[FrontierPoint]:
    """CLS on a whole synthetic set and on what each filter left of it, by the link that the impartial judge still sees.

    There are no points where no judge is impartial, labels are not those of authentic identities, or the set, or no
    filtered set whose link it judged, was trained on.
    """
    judge, whole = audited.impartial_judge, model_name("CLS", audited.name)
    if judge is None or not audited.by_label or whole not in evaluated.names:
        return []
    links = {whole: audited.link(judge).auc}
    left = {model_name("CLS", audited.name, fmr=r.fmr): r.link_auc for r in audited.remedy if r.judge == judge}
    links |= {name: auc for name, auc in left.items() if name in evaluated.names and auc is not None}
    trained, models = evaluated.trained, evaluated.by_benchmark[evaluated.first_benchmark]
    points = [FrontierPoint(name, trained[name].images, auc, models[name].accuracy) for name, auc in links.items()]
    return points if len(points) > 1 else []


def hardest_pairs(pairs: Mapping[str, ProtocolPairs], embeddings: np.ndarray) -> list[HardestPairs]:
    """Of each benchmark the genuine pairs that score lowest, then the impostors that score highest.

    Parameters
    ----------
    embeddings
        Rows of unit length `[N, d]`.
    """
    return [
        _hardest(benchmark, kind, own, own.scores(embeddings))
        for benchmark, own in pairs.items()
        for kind in ("genuine", "impostor")
    ]


def _hardest(
    benchmark: str, kind: Literal["genuine", "impostor"], own: ProtocolPairs, scores: np.ndarray
) -> HardestPairs:
    of_kind = np.flatnonzero(own.same == (kind == "genuine"))
    ascending = scores[of_kind] if kind == "genuine" else -scores[of_kind]
    rows = of_kind[np.argsort(ascending, kind="stable")][:HARDEST]
    return HardestPairs(benchmark, kind, scores[rows], own.left[rows], own.right[rows])
