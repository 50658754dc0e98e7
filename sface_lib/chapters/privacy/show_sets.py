"""What stands side by side over all sets: the plan, the judges, the statistics, and what was found."""

from collections.abc import Callable, Iterable, Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from sface_lib.biometrics import VerificationMetrics
from sface_lib.chapters import plots
from sface_lib.chapters.looks import Looks
from sface_lib.chapters.plans import Plans
from sface_lib.chapters.privacy import drawings
from sface_lib.chapters.privacy.claims import StudyPlan
from sface_lib.chapters.privacy.compute import Audit, Audits
from sface_lib.chapters.privacy.sets import View
from sface_lib.chapters.words import saw_authentic, the
from sface_lib.privacy.settings import SETTINGS
from sface_lib.privacy.statistics import MEMBERSHIP_OF_IMAGES, STATISTICS
from sface_lib.recognition import PIXELS_PX

CLASSES = {"authentic": "authentic identities", "own": "identities of its own", "none": "none: images alone"}
WITHIN = "EER within (%)"
CHANCE = "chance, 2.5 %", "chance, 97.5 %"
# Statistics that stand side by side, and their titles there.
OVERVIEW = {
    "same-label link, AUC": "same-label link (AUC)",
    "label-free link, share of classes": "label-free link (share)",
    "membership of persons, AUC": "membership of persons (AUC)",
    MEMBERSHIP_OF_IMAGES: "membership of images (AUC)",
}

EVERY_SET = "every set"  # In whose place the authentic images stand.


def sets(audits: Audits) -> pd.DataFrame:
    """The audited sets: what their classes stand for, and how many of their images are compared."""
    rows = [
        {
            "set": own.name,
            "classes are": CLASSES[own.labels],
            "generator saw the authentic set": saw_authentic(own.name, own.exposed),
            "images": len(own.whole_synthetic),
            "compared": len(own.synthetic),
            "authentic images": len(own.whole_authentic),
            "authentic compared": len(own.authentic),
        }
        for own in (each.sets for each in audits.done)
    ]
    return pd.DataFrame(rows)


def failures_in_words(audits: Audits) -> str:
    """Which sets could not be audited, and why; empty where all could."""
    return "\n\n".join(f"**{name}** could not be audited: {why}." for name, why in audits.failed.items())


def plan_in_words(plan: StudyPlan, recorded: Plans) -> str:
    """What will be claimed, its hash, and what of it was changed since the first plan in the run folder."""
    first = next(iter(plan.sets.values()))
    families = ", ".join(
        f"{len(own.claims)} on {name} by each of {len(own.judges)} models ({own.shuffles:,} shuffles)"
        for name, own in plan.sets.items()
    )
    return (
        f"The claims that were planned before any score of this notebook: {families}. The claims on a set are one "
        f"family ({first.correction}; alpha {first.alpha:g}). {recorded.in_words()}"
    )


def judges(views: Sequence[View]) -> pd.DataFrame:
    """How well each judge tells authentic identities apart."""
    return pd.DataFrame(_judge_row(view, view.scores.metrics[SETTINGS[0]]) for view in views)


def _judge_row(view: View, metrics: VerificationMetrics) -> dict[str, object]:
    model = view.judge.model
    return {
        "judge": view.name,
        "trained on": model.description["trained_on"] if model else "nothing",
        "sees (px)": model.spec.size_px if model else PIXELS_PX,
        "authentic EER": metrics.eer,
        "authentic AUC": metrics.auc,
        "judges": "reference" if model is None else "yes" if view.competent else "no: not competent",
    }


def barred_in_words(audits: Audits) -> str:
    """Which judges may not judge which sets, and why; empty where all may."""
    cases = [each for each in audits.done if each.barred]
    return "\n\n".join(f"**{each.name}**: {barred_of(each)}" for each in cases)


def barred_of(audit: Audit) -> str:
    """Which judges may not judge a set, and why."""
    why = "; ".join(f"{the(name)} {reason}" for name, reason in audit.barred.items())
    if audit.larger is None:
        return f"nothing is claimed about it, as no admissible judge is left ({why})."
    return f"{why}. Numbers of this set in grey support no claim."


def barred_cells(audits: Audits, table: pd.DataFrame) -> list[tuple[int, str]]:
    """The numbers, in a table by set and judge, of judges that may not judge the set.

    What a judge sees of the authentic images alone is none of them.
    """
    of = {each.name: each.barred for each in audits.done}
    columns = table.columns.drop(["set", "judge", "setting", "measure"], errors="ignore")
    rows = [
        i
        for i, row in enumerate(table.to_dict("records"))
        if row["judge"] in of.get(row["set"], ()) and row.get("setting") != SETTINGS[0]
    ]
    return [(i, column) for i in rows for column in columns if not pd.isna(table.loc[i, column])]


def overview(audits: Audits) -> tuple[pd.DataFrame, list[tuple[int, str]]]:
    """What every judge sees of every set, a row each, and the cells that support no claim."""
    rows, grey = [], []
    for own, view in _by_models(audits):
        row = _overview_row(own, view)
        grey += [(len(rows), column) for column in _doubted(view) if not pd.isna(row[column])]
        rows.append(row)
    return pd.DataFrame(rows), grey


def _by_models(audits: Audits) -> Iterable[tuple[Audit, View]]:
    """Every set with the view of every judge that is a model."""
    return ((own, view) for own in audits.done for view in own.views if view.judge.model is not None)


def _doubted(view: View) -> list[str]:
    """Columns of the overview from which nothing is claimed."""
    if view.barred:
        return [WITHIN, *OVERVIEW.values()]
    if not view.competent:
        return [*OVERVIEW.values()]
    return [OVERVIEW[s.name] for s in STATISTICS.values() if s.needs in view.sets.barred and s.name in OVERVIEW]


def _overview_row(audit: Audit, view: View) -> dict[str, object]:
    values = {claim.claim: claim for claim in audit.claims if claim.judge == view.name}
    above = [claim for claim in values.values() if claim.above]
    judged = sum(claim.p_corrected is not None for claim in values.values())
    planted = audit.planted.get(view.name)
    copies = planted.strangers.share_above if planted and planted.strangers.threshold is not None else None
    return {
        "set": audit.name,
        "judge": view.name,
        WITHIN: _percent_of(view.scores.metrics.get(SETTINGS[1])),
        **{title: values[name].value if name in values else np.nan for name, title in OVERVIEW.items()},
        "above the copy alarm (%)": np.nan if copies is None else 100 * copies,
        "claims above chance": f"none: {view.barred}" if view.barred else f"{len(above)} of {judged}",
    }


def _percent_of(metrics: VerificationMetrics | None) -> float:
    return np.nan if metrics is None else 100 * metrics.eer


def side_by_side(audits: Audits, looks: Looks) -> tuple[Figure, pd.DataFrame]:
    """The statistics of every set by every model with 95 % intervals, a panel each, and the numbers behind.

    Each stands on the 95 % band of its own chance: a set of few distinct persons has a wide one.
    """
    numbers = pd.DataFrame(
        {
            "set": own.name,
            "judge": view.name,
            "statistic": statistic.name,
            "value": tested[0].estimate.value,
            "95 % low": tested[0].estimate.interval().low,
            "95 % high": tested[0].estimate.interval().high,
            "chance": float(tested[0].test.null.mean()),
            **dict(zip(CHANCE, np.quantile(tested[0].test.null, (0.025, 0.975)).tolist(), strict=True)),
            "comparisons": tested[0].comparisons,
            "subjects": tested[1],
            "supports a claim": statistic.needs not in view.sets.barred,
        }
        for own, view in _by_models(audits)
        for statistic in STATISTICS.values()
        if statistic.name in OVERVIEW and (tested := statistic.tested(view.evidence))
    )
    names = list(dict.fromkeys(numbers["statistic"]))
    figure, axes = plots.new_figure(columns=len(names), width=3.1, height=1.2 + 0.34 * len(audits.done))
    sets, judges = [own.name for own in audits.done], list(dict.fromkeys(numbers["judge"]))
    for ax, name in zip(np.ravel(axes), names, strict=True):
        drawings.plot_sets(
            ax, numbers[numbers["statistic"] == name], sets, judges, OVERVIEW[name], looks.of_set, _why_empty(name)
        )
    plots.legend(np.ravel(axes)[-1])
    return figure, numbers


def _why_empty(statistic: str) -> str:
    """Why a set has no number of a statistic: the same-label link alone goes by labels."""
    return "no authentic labels" if statistic.startswith("same-label") else "not measured"


def by_set(audits: Iterable[Audit], table: Callable[[Audit], pd.DataFrame | None]) -> pd.DataFrame | None:
    """The tables of several sets as one, with the name of the set in front; None where no set has one."""
    tables = [(each.name, frame) for each in audits if (frame := table(each)) is not None and len(frame)]
    if not tables:
        return None
    whole = pd.concat([frame.assign(set=name) for name, frame in tables], ignore_index=True)
    return whole[["set", *whole.columns.drop("set")]]


def authentic_once(table: pd.DataFrame) -> pd.DataFrame:
    """A table by set, judge and setting in which rows within the authentic set that repeat another set's stand once."""
    others = list(table.columns.drop("set"))
    authentic = table["setting"] == SETTINGS[0]
    shared = authentic & table.duplicated(others, keep=False)
    whole = table.assign(set=table["set"].mask(shared, EVERY_SET))
    return whole[~(shared & table.duplicated(others))].reset_index(drop=True)
