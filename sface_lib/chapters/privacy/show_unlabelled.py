"""What is said of a set whose classes nobody can name: how much of it follows training persons, how near it comes."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from sface_lib.chapters.privacy.compute import Audit, Audits, facts_of_leak
from sface_lib.chapters.privacy.sets import View
from sface_lib.chapters.privacy.show_sets import CHANCE, barred_cells
from sface_lib.chapters.published import published
from sface_lib.chapters.words import the
from sface_lib.privacy.settings import NOT_EXCHANGEABLE

NEARER, BOUND = "nearer to training (%)", "follow a training person, at least (%)"


def unlabelled(views: Sequence[View]) -> pd.DataFrame | None:
    """How many images and classes are nearer to training than to control persons; None without control persons."""
    rows = []
    for view in views:
        for each in view.evidence.unlabelled if view.judge.model is not None else ():
            low, high = each.nearer.band()
            rows.append(
                {
                    "judge": view.name,
                    "compared": each.name,
                    "images or classes": each.units,
                    NEARER: 100 * each.nearer.observed,
                    **dict(zip(CHANCE, (100 * low, 100 * high), strict=True)),
                    BOUND: 100 * each.leak.bound if each.leak and view.may_judge else np.nan,
                    "persons behind the strongest 100": each.hit,
                }
            )
    return pd.DataFrame(rows) if rows else None


def unsupported(audits: Audits, table: pd.DataFrame) -> list[tuple[int, str]]:
    """Cells of `unlabelled`, of all sets, from which nothing is claimed."""
    doubted = {each.name for each in audits.done if "control" in each.sets.barred}
    rows = [i for i, name in enumerate(table["set"]) if name in doubted]
    return barred_cells(audits, table) + [(i, column) for i in rows for column in (NEARER, *CHANCE)]


def nearer(views: Sequence[View]) -> pd.DataFrame | None:
    """How much nearer to the training persons a set is than each unexposed one; None without one."""
    rows = [
        {
            "judge": view.name,
            "unexposed set": name,
            "classes of both": difference.classes,
            "difference": difference.best.estimate.value,
            "95 % low": (span := difference.best.estimate.interval()).low,
            "95 % high": span.high,
            "difference of the lead": difference.lead.estimate.value,
            "AUC of best scores": difference.auc.value,
        }
        for view in views
        if view.judge.model is not None
        for name, difference in view.evidence.nearer.items()
    ]
    return pd.DataFrame(rows) if rows else None


def published_nearest() -> pd.DataFrame:
    """How near published sets come to CASIA-WebFace, by an ArcFace-R100 that was trained on MS1MV3."""
    titles = {
        "set": "set",
        "images": "images",
        "mean_best_score": "mean best score",
        "auc_vs_digiface": "AUC against DigiFace-1M",
        "auc_vs_hyperface": "AUC against HyperFace",
        "auc_vs_digi2real": "AUC against Digi2Real",
        "note": "note",
    }
    return published("nearest_matches").rename(columns=titles)[list(titles.values())]


def leak_in_words(audit: Audit) -> str:
    """The lower bound on the share of classes that follow a training person, or why there is none."""
    leaks = {view.name: leak for view in audit.views if (leak := facts_of_leak(view))}
    if audit.sets.control is None:
        return "no leak share: it needs control persons, whom no generator saw."
    if "control" in audit.sets.barred:
        return f"no leak share, as {NOT_EXCHANGEABLE}."
    if not leaks:
        return "no leak share: no admissible judge, or fewer than two distinguishable persons."
    name, largest = max(leaks.items(), key=lambda item: item[1].bound)
    unit = "images" if audit.sets.labels == "none" else "classes"
    others = ", ".join(f"{100 * leak.bound:.1f} % by {the(other)}" for other, leak in leaks.items() if other != name)
    said = (
        f"at least {100 * largest.bound:.1f} % of its {unit} are nearer to a training person than the floor explains, "
        f"by {the(name)}"
        if largest.bound
        else f"none of its {unit} is shown to be nearer to a training person than the floor explains, by any judge"
    )
    beside = f" ({others})" if others and largest.bound else ""
    return (
        f"{said}{beside}. Each bound holds at {100 * largest.level:.3g} % confidence, with {largest.persons} training "
        f"and as many control persons; a leak from fewer than {largest.fewest_persons} training persons "
        "could not have been found."
    )
