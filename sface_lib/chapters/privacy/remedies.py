"""The remedy at several rates: what a filter leaves of the synthetic set, as every judge sees it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sface_lib.biometrics import templates
from sface_lib.chapters import handover
from sface_lib.chapters.privacy.parameters import AuditSettings
from sface_lib.chapters.privacy.results import RemedyFacts
from sface_lib.chapters.privacy.sets import AuditedSets, View
from sface_lib.errors import InputError
from sface_lib.privacy import Filtered, filter_synthetic
from sface_lib.privacy.evidence import left_of


@dataclass(frozen=True, eq=False)
class Remedy:
    """The synthetic set without the images that come too near to a training identity.

    Attributes
    ----------
    fmr
        Share of control images that were to be above the filter's threshold.
    kept
        Positions of the images that are left, int64, in the whole set.
    left
        What is left as each judge sees it.
    """

    fmr: float
    kept: np.ndarray
    left: tuple[RemedyFacts, ...]


@dataclass(frozen=True, eq=False)
class Remedies:
    """What filtering gives.

    Attributes
    ----------
    filterer
        The judge that filters: the first competent one that may judge the set; None without one. Its own view of what
        it left is flattered.
    done
        A remedy for each rate, in the order asked for.
    refused
        Why a rate could not be had.
    """

    filterer: str | None
    done: tuple[Remedy, ...] = ()
    refused: tuple[str, ...] = ()


def filter_at_rates(sets: AuditedSets, views: Sequence[View], settings: AuditSettings) -> Remedies:
    """Filter the set by the first competent judge that may judge it; nothing is filtered without control persons.

    All that was drawn is filtered, against all who trained, also where a part of either was compared.
    """
    filterer = next((view for view in views if view.may_judge), None)
    if filterer is None or sets.control is None:
        return Remedies(filterer.name if filterer else None)
    drawn, trained = _whole(filterer, sets)
    remedies, refused = [], []
    for fmr in rates(settings):
        try:
            filtered = filter_synthetic(drawn, trained, *filterer.sets.control, fmr, settings.seed)
        except InputError as error:
            refused.append(str(error))
            continue
        remedies.append(_remedy(filtered, sets, views))
    return Remedies(filterer.name, tuple(remedies), tuple(refused))


def rates(settings: AuditSettings) -> list[float]:
    """The false match rates that the filter is asked for."""
    return [float(fmr) for fmr in settings.filter_fmrs.split(",")]


def _whole(view: View, sets: AuditedSets) -> tuple[np.ndarray, np.ndarray]:
    """Embeddings of all synthetic images, and templates of all training identities."""
    rows, labels = view.sets.authentic
    if len(sets.authentic) < len(sets.whole_authentic):
        rows, labels = view.judge.embed(sets.whole_authentic), sets.whole_authentic.labels
    complete = len(sets.synthetic) == len(sets.whole_synthetic)
    drawn = view.sets.synthetic.rows if complete else view.judge.embed(sets.whole_synthetic)
    return drawn, templates(rows, labels)[1]


def _remedy(filtered: Filtered, sets: AuditedSets, views: Sequence[View]) -> Remedy:
    kept, compared = np.flatnonzero(filtered.kept), np.flatnonzero(filtered.kept[sets.positions])
    left = tuple(
        RemedyFacts(
            fmr=filtered.fmr,
            tested_fmr=filtered.tested_fmr,
            kept=len(kept),
            judge=view.name,
            **left_of(view.sets, compared),
        )
        for view in views
    )
    return Remedy(filtered.fmr, kept, left)


def hand_over(stage: Any, name: str, remedies: Remedies) -> None:
    """Leave the positions that each remedy keeps of a set, for notebook 04 to train on."""
    for remedy in remedies.done:
        handover.write_filtered(stage, name, remedy.fmr, remedy.kept)
