"""Who is found at an error rate that unseen faces set, who is exposed, and whether copies would be noticed."""

import math
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from sface_lib.biometrics import Scored
from sface_lib.biometrics.metrics import ERRORS_FOR_PRECISION
from sface_lib.chapters import plots
from sface_lib.chapters.looks import Look
from sface_lib.chapters.privacy import drawings
from sface_lib.chapters.privacy.exposure import Exposure
from sface_lib.chapters.privacy.sets import View
from sface_lib.chapters.privacy.show import CURVE_POINTS, LOWEST_FMR
from sface_lib.chapters.words import capitalised, points_of, the
from sface_lib.privacy.exposure import GroupDifference
from sface_lib.privacy.identification import OPEN_SET_FPIR, estimate_row
from sface_lib.privacy.planted import Planted

NOT_PRECISE = "not precise"  # Column: what breaks the rule of 30.
STRANGERS, SAME_PERSONS = "strangers", "the same persons"  # Whose images the nulls of the alarm are.


def fixed_rates(views: Sequence[View]) -> pd.DataFrame | None:
    """What is identified and told to be a member at a fixed error rate; None where there are no unseen faces."""
    rows = [row for view in views for row in (*_identified_rows(view), *_member_rows(view))]
    return pd.DataFrame(rows) if rows else None


def _identified_rows(view: View) -> Iterable[dict[str, object]]:
    for whose, scored in _searched(view).items():
        measure = f"open-set identification: TPIR at FPIR {OPEN_SET_FPIR:.0%}, {whose}".replace("%", " %")
        rate = scored.at(OPEN_SET_FPIR)
        about = {"comparisons": rate.comparisons, "subjects": rate.subjects, NOT_PRECISE: "; ".join(rate.too_few)}
        yield {"judge": view.name, "measure": measure} | estimate_row(rate.complement) | about


def _searched(view: View) -> dict[str, Scored]:
    """Whose template a search finds -> the scores: its own identity's where labels tell it, and anyone's."""
    opened = view.evidence.open_set
    if not opened:
        return {}
    own = {"own identity": opened.own} if view.evidence.labelled else {}
    return own | {"any identity": opened.anyone}


def open_set(views: Sequence[View], look: Look) -> tuple[Figure, pd.DataFrame] | None:
    """TPIR over FPIR of each judge with 95 % bands, and the numbers behind; None without unseen faces.

    Found is the own identity where labels tell it, else any.
    """
    searched = {view.label: next(iter(_searched(view).values())) for view in views if _searched(view)}
    if not searched:
        return None
    curves = {name: points_of(scored, "fpir", "tpir", CURVE_POINTS, LOWEST_FMR) for name, scored in searched.items()}
    figure, axes = plots.new_figure(width=5.6, height=3.6)
    styles = look.variants(view.label for view in views)
    plots.plot_banded(axes, curves, "fpir", "tpir", list(curves), styles.get, chance=False)
    plots.legend(axes)
    axes.set(xlabel="false positive identification rate (FPIR)", ylabel="true positive identification rate (TPIR)")
    return figure, pd.concat(curve.assign(judge=name) for name, curve in curves.items())


def _member_rows(view: View) -> Iterable[dict[str, object]]:
    if pooled := view.evidence.images_pooled:
        measure = "membership of images, pooled over persons: AUC"
        about = {"comparisons": pooled.members * pooled.others, "subjects": pooled.identities}
        yield {"judge": view.name, "measure": measure} | estimate_row(pooled.auc) | about
    for unit, membership in (("images", view.evidence.images_pooled), ("persons", view.evidence.persons)):
        for rate, tpr in ((0.01, membership.tpr), (0.001, membership.tpr_1000)) if membership else ():
            above, measure = int(rate * membership.others), f"membership of {unit}: TPR at FPR {100 * rate:g} %"
            if tpr is None:
                why = f"{membership.others:,} unseen {unit} cannot show it"
                yield {"judge": view.name, "measure": measure, NOT_PRECISE: why}
                continue
            few = (
                f"its threshold by {above} of {membership.others:,} unseen {unit}"
                if above < ERRORS_FOR_PRECISION
                else ""
            )
            about = {"comparisons": membership.members, "subjects": membership.identities, NOT_PRECISE: few}
            yield {"judge": view.name, "measure": measure} | estimate_row(tpr) | about


def exposure(breakdown: Exposure) -> pd.DataFrame | None:
    """Link of the identities of each group; None where no trait's groups can be compared."""
    tables = [
        each.groups.assign(attribute=trait)
        for trait, each in breakdown.groups.items()
        if isinstance(each, GroupDifference)
    ]
    if not tables:
        return None
    table = pd.concat(tables)
    table["group"] = table["group"].map(capitalised)
    return table[["attribute", *table.columns.drop("attribute")]]


def exposure_in_words(breakdown: Exposure) -> str:
    """What could not be estimated, and whether more training images mean more exposure."""
    said = [f"By {trait}: not estimable ({why})." for trait, why in breakdown.groups.items() if isinstance(why, str)]
    if not breakdown.groups:
        said.append("By group: not estimable, as the groups of the training identities are not known.")
    trend = breakdown.by_images
    if trend is None:
        said.append("By number of training images: not estimable, as the number or the exposure is the same for all.")
    else:
        said.append(f"Rank correlation with the number of training images: {trend.observed:.2f}.")
    return " ".join([*said, "Whether groups differ beyond chance stands among the claims."])


def power(planted: Mapping[str, Planted]) -> tuple[Figure, pd.DataFrame] | None:
    """Share of sets with an alarm by the planted share, a column for each judge and a row for each null, and numbers.

    None where no alarm is calibrated.
    """
    nulls = {
        STRANGERS: {name: calibration.strangers for name, calibration in planted.items()},
        SAME_PERSONS: {name: calibration.same_persons for name, calibration in planted.items()},
    }
    drawn = {null: alarms for null, alarms in nulls.items() if any(a and a.power for a in alarms.values())}
    if not drawn:
        return None
    figure, axes = plots.new_figure(rows=len(drawn), columns=len(planted), width=5.2, height=3.4)
    tables = []
    for row, (null, alarms) in zip(np.reshape(axes, (len(drawn), -1)), drawn.items(), strict=True):
        for ax, (name, alarm) in zip(row, alarms.items(), strict=True):
            if alarm is None or not alarm.power:
                ax.set_visible(False)
                continue
            tables.append(alarm.table().assign(judge=name, null=null))
            drawings.plot_power(ax, tables[-1], f"{name}, against {null} (alarm at ratio ≥ {alarm.threshold:.2f})")
    plots.legend([ax for ax in np.ravel(axes)[: len(planted)] if ax.get_visible()][-1])
    return figure, pd.concat(tables)


def alarms(planted: Mapping[str, Planted]) -> pd.DataFrame | None:
    """What raises each judge's alarm, and what copies it notices, a row for each null; None where there is none."""
    rows = [
        {
            "judge": name,
            "against": null,
            "sounds from": alarm.threshold,
            "largest of the set": calibration.largest,
            "of the set, above (%)": 100 * alarm.share_above,
            "of unseen images, above (%)": math.nan if unseen is None else 100 * unseen,
            "exact copies are noticed from (%)": _percent(alarm.detectable_exact),
            "altered ones from (%)": _percent(alarm.detectable),
            "silent sets that sound (%)": 100 * alarm.silent.rate,
        }
        for name, calibration in planted.items()
        for null, alarm, unseen in (
            (STRANGERS, calibration.strangers, calibration.unseen_above),
            (SAME_PERSONS, calibration.same_persons, None),
        )
        if alarm is not None and alarm.threshold is not None
    ]
    return pd.DataFrame(rows) if rows else None


def silent_in_words(planted: Mapping[str, Planted], images: int, barred: Mapping[str, str]) -> str:
    """Why there is no alarm on a set of so many images, by which judge; empty where all are calibrated.

    `barred` are the judges that may not judge the set -> why; they are not asked.
    """
    said = [
        f"Not calibrated by {the(f'**{name}**')} against {null}: {alarm.null_images:,} images are too few to bound "
        f"the largest ratio of {images:,}."
        for name, calibration in planted.items()
        for null, alarm in ((STRANGERS, calibration.strangers), (SAME_PERSONS, calibration.same_persons))
        if alarm is not None and alarm.threshold is None
    ]
    said += [f"{capitalised(the(f'**{name}**'))} is not asked, as it {why}." for name, why in barred.items()]
    return " ".join(said if planted or barred else ["Not measured: it needs more images of control persons."])


def _percent(share: float | None) -> str:
    """From what planted share on copies are noticed."""
    return "none up to 1 %" if share is None else f"{100 * share:.3g}"
