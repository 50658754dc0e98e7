"""The tables, figures and sentences of notebook 03."""

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from sface_lib.biometrics import Estimate, RocCurve, Scored, VerificationMetrics
from sface_lib.biometrics.rates import RESOLVED
from sface_lib.chapters import plots
from sface_lib.chapters.privacy.claims import PLAN, StudyPlan, deviations
from sface_lib.chapters.privacy.compute import Audit, Audits
from sface_lib.chapters.privacy.exposure import Exposure
from sface_lib.chapters.privacy.results import ChanceFacts, ClaimFacts
from sface_lib.chapters.privacy.sets import AuditedSets, View
from sface_lib.chapters.words import p_in_words, points_of
from sface_lib.privacy import Comparison, PooledComparisons, study
from sface_lib.privacy.exposure import GroupDifference
from sface_lib.privacy.identification import OPEN_SET_FPIR, by_score
from sface_lib.privacy.planted import Alarm, Planted
from sface_lib.privacy.verdict import BARRED
from sface_lib.recognition import PIXELS_PX

TITLES = {"eer": "EER", "auc": "AUC", "fmr100": "FMR100", "genuine_mean": "G-mean", "impostor_mean": "I-mean"}
CLASSES = {"authentic": "authentic identities", "own": "identities of its own", "none": "none: images alone"}
# Statistics that stand side by side, and their titles there.
OVERVIEW = {
    "same-label link, AUC": "same-label link (AUC)",
    "label-free link, share of classes": "label-free link (share)",
    "membership of persons, AUC": "membership of persons (AUC)",
    study.MEMBERSHIP_OF_IMAGES: "membership of images (AUC)",
}
POINTS_KEPT = 200  # Of each curve, in the table behind it.
CURVE_POINTS, LOWEST_FMR = 20, 1e-5
BINS_OF_SCORES = 20
STRONGEST_SHOWN = 10
LEAST_SIDE_PX = 96  # Of a face on the sheet of the strongest pairs.


def sets(audits: Audits) -> pd.DataFrame:
    """The audited sets: what their classes stand for, and how many of their images are compared."""
    rows = [
        {
            "set": own.name,
            "classes are": CLASSES[own.labels],
            "generator saw the authentic set": "perhaps" if own.exposed else "no",
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


def plan_in_words(plan: StudyPlan, plans: Sequence[Mapping[str, object]], changed: Sequence[str]) -> str:
    """What will be claimed, its hash, and what of it was changed since the first plan in the run folder."""
    first = next(iter(plan.sets.values()))
    families = ", ".join(f"{len(own.claims)} on {name} ({own.shuffles:,} shuffles)" for name, own in plan.sets.items())
    said = (
        f"Before any score, the claims by each of {len(first.judges)} models: {families}. The claims on a set are one "
        f"family ({first.correction}; alpha {first.alpha:g}). The plan is `{PLAN}`, SHA-256 `{plan.sha256}`."
    )
    if not changed:
        return said
    return (
        f"{said}\n\n**This is plan {len(plans)} of this run folder.** The first was `{plans[0]['sha256']}`; since then "
        f"{', '.join(changed)} changed, perhaps with the scores in view."
    )


def judges(views: Sequence[View]) -> pd.DataFrame:
    """How well each judge tells authentic identities apart."""
    return pd.DataFrame(_judge_row(view, view.settings.metrics[study.SETTINGS[0]]) for view in views)


def _judge_row(view: View, metrics: VerificationMetrics) -> dict[str, object]:
    model = view.judge.model
    return {
        "judge": view.name,
        "trained on": model.description["trained_on"] if model else "nothing",
        "sees (px)": model.spec.size_px if model else PIXELS_PX,
        "authentic EER": metrics.eer,
        "authentic AUC": metrics.auc,
        "judges": "floor" if model is None else "yes" if view.competent else "no: not competent",
    }


def overview(audits: Audits) -> tuple[pd.DataFrame, list[tuple[int, str]]]:
    """What every judge sees of every set, a row each, and the cells that support no claim."""
    rows, grey = [], []
    for own, view in _by_models(audits):
        row, doubted = _overview_row(own, view), [OVERVIEW[name] for name in _doubted(own)]
        shown = doubted if view.competent else OVERVIEW.values()
        grey += [(len(rows), column) for column in shown if not pd.isna(row[column])]
        rows.append(row)
    return pd.DataFrame(rows), grey


def _by_models(audits: Audits) -> Iterable[tuple[Audit, View]]:
    """Every set with the view of every judge that is a model."""
    return ((own, view) for own in audits.done for view in own.views if view.judge.model is not None)


def _doubted(found: Audit) -> list[str]:
    """Statistics of the overview from which nothing is claimed."""
    return [s.name for s in study.STATISTICS if s.needs in found.sets.barred and s.name in OVERVIEW]


def _overview_row(found: Audit, view: View) -> dict[str, object]:
    values = {claim.claim: claim for claim in found.claims if claim.judge == view.name}
    above = [claim for claim in values.values() if claim.above]
    judged = sum(claim.p_corrected is not None for claim in values.values())
    planted = found.planted.get(view.name)
    copies = planted.strangers.share_above if planted and planted.strangers.threshold is not None else None
    return {
        "set": found.name,
        "judge": view.name,
        "EER within (%)": _percent_of(view.settings.metrics.get(study.SETTINGS[1])),
        **{title: values[name].value if name in values else np.nan for name, title in OVERVIEW.items()},
        "above the copy alarm (%)": np.nan if copies is None else 100 * copies,
        "claims above chance": f"{len(above)} of {judged}",
    }


def _percent_of(metrics: VerificationMetrics | None) -> float:
    return np.nan if metrics is None else 100 * metrics.eer


def side_by_side(audits: Audits) -> tuple[Figure, pd.DataFrame]:
    """The statistics of every set by every model with 95 % intervals, a panel each, and the numbers behind."""
    numbers = pd.DataFrame(
        {
            "set": own.name,
            "judge": view.name,
            "statistic": statistic.name,
            "value": tested[0].estimate.value,
            "95 % low": tested[0].estimate.interval().low,
            "95 % high": tested[0].estimate.interval().high,
            "chance": float(tested[0].test.null.mean()),
            "supports a claim": statistic.needs not in own.sets.barred,
        }
        for own, view in _by_models(audits)
        for statistic in study.STATISTICS
        if statistic.name in OVERVIEW and (tested := statistic.tested(view.evidence))
    )
    names = list(dict.fromkeys(numbers["statistic"]))
    figure, axes = plots.new_figure(columns=len(names), width=3.1, height=1.2 + 0.34 * len(audits.done))
    for ax, name in zip(np.ravel(axes), names, strict=True):
        plots.plot_sets(ax, numbers[numbers["statistic"] == name], [own.name for own in audits.done], OVERVIEW[name])
    plots.legend_beside(np.ravel(axes)[-1])
    return figure, numbers


def by_set(audits: Iterable[Audit], table: Callable[[Audit], pd.DataFrame | None]) -> pd.DataFrame | None:
    """The tables of several sets as one, with the name of the set in front; None where no set has one."""
    tables = [(each.name, found) for each in audits if (found := table(each)) is not None and len(found)]
    if not tables:
        return None
    whole = pd.concat([found.assign(set=name) for name, found in tables], ignore_index=True)
    return whole[["set", *whole.columns.drop("set")]]


def link(views: Sequence[View]) -> pd.DataFrame:
    """The scores' figures in the settings that the labels allow, by every judge."""
    return pd.DataFrame(
        {"judge": view.name, "setting": setting}
        | {"subjects": len(np.unique(view.settings.comparisons[setting].genuine_identity))}
        | _metrics_row(metrics)
        for view in views
        for setting, metrics in view.settings.metrics.items()
    )


def _metrics_row(metrics: VerificationMetrics) -> dict[str, object]:
    return {
        "genuine": metrics.n_genuine,
        "impostor": metrics.n_impostor,
        "G-mean (sd)": f"{metrics.genuine_mean:.3f} ({metrics.genuine_sd:.3f})",
        "I-mean (sd)": f"{metrics.impostor_mean:.3f} ({metrics.impostor_sd:.3f})",
        "EER": metrics.eer,
        "FMR100": _rate(metrics, "fmr100"),
        "FMR1000": _rate(metrics, "fmr1000"),
        "AUC": metrics.auc,
        "FDR": metrics.fdr,
        "d'": metrics.d_prime,
    }


def _rate(metrics: VerificationMetrics, field: str) -> str:
    """A rate, with a question mark where it is not precise."""
    value = getattr(metrics, field)
    return "none" if value is None else f"{value:.3f}{' ?' if field in metrics.imprecise else ''}"


def spans(views: Sequence[View]) -> pd.DataFrame:
    """95 % intervals of the figures in the settings, every pair counting alike, then every identity."""
    return pd.DataFrame(
        {
            "judge": view.name,
            "setting": setting,
            "weighted by": weighting,
            "measure": TITLES[measure],
            "value": estimate.value,
            "95 % low": estimate.interval().low,
            "95 % high": estimate.interval().high,
        }
        for view in views
        for weighting, settings in (("pair", view.evidence.by_pair), ("identity", view.evidence.by_identity))
        for setting, estimates in settings.items()
        for measure, estimate in estimates.items()
        if measure in TITLES
    )


def intervals(table: pd.DataFrame) -> pd.DataFrame:
    """EER and AUC with their intervals from `spans` of several sets, a judge's setting in a row."""
    some, row = table[table["measure"].isin(["EER", "AUC"])], ["set", "judge", "setting"]
    texts = [f"{value:.3f} [{low:.3f}, {high:.3f}]" for value, low, high in some.iloc[:, -3:].to_numpy()]
    columns = some["measure"] + " by " + some["weighted by"]
    wide = some.assign(text=texts, column=columns).pivot(index=row, columns="column", values="text")
    return wide.loc[list(dict.fromkeys(some[row].itertuples(index=False, name=None)))].reset_index()


def scores(view: View) -> Figure:
    """Densities of the scores in the settings that the labels allow, on one axis of scores."""
    settings = _settings(view)
    figure, axes = plots.new_figure(rows=len(settings), width=7.2, height=1.9)
    axes = np.atleast_1d(axes)
    for ax, setting in zip(axes, settings, strict=True):
        comparison = view.settings.comparisons[setting]
        plots.plot_scores(ax, comparison.genuine, comparison.impostor, setting)
    low, high = min(ax.get_xlim()[0] for ax in axes), max(ax.get_xlim()[1] for ax in axes)
    top = max(ax.get_ylim()[1] for ax in axes)
    for ax in axes:
        ax.set(xlim=(low, high), ylim=(0, top))
        ax.label_outer()
    return figure


def _settings(view: View) -> list[str]:
    return [setting for setting in study.SETTINGS if setting in view.settings.comparisons]


def roc_det(views: Sequence[View], shown: View) -> tuple[Figure, pd.DataFrame]:
    """ROC and DET of the shown judge's settings and of the other judges' links with 95 % bands, and their points.

    From where the number of scores resolves them.
    """
    compared = {setting: shown.settings.comparisons[setting] for setting in _settings(shown)}
    if study.LINK in compared:
        compared |= {f"{study.LINK} ({view.name})": view.link for view in views if view is not shown}
    curves = {name: _curve(comparison) for name, comparison in compared.items()}
    figure, (left, right) = plots.new_figure(columns=2, width=5.4, height=4.6)
    plots.plot_banded(left, curves, "fmr", "tmr", list(curves))
    left.set(xlabel="false match rate (FMR)", ylabel="true match rate (1 - FNMR)", title="ROC")
    left.get_legend().remove()
    plots.plot_det(right, curves)
    plots.legend_beside(right)
    return figure, pd.concat(curve.assign(curve=name) for name, curve in curves.items())


def _curve(comparison: Comparison) -> pd.DataFrame:
    """Points `fmr`, `tmr` of a ROC with the interval of TMR, `low` and `high`; NaN where scores were only counted."""
    if comparison.blocks is None:
        curve = comparison.roc()
        kept = curve.fmr >= max(LOWEST_FMR, RESOLVED / comparison.impostors.counts.sum())
        points = RocCurve(curve.threshold[kept], curve.fmr[kept], curve.fnmr[kept]).thin(POINTS_KEPT)
        return pd.DataFrame({"fmr": points.fmr, "tmr": points.tmr, "low": np.nan, "high": np.nan})
    return points_of(PooledComparisons(comparison), "fmr", "tmr", CURVE_POINTS, LOWEST_FMR)


def identification(views: Sequence[View], identities: int) -> tuple[Figure, pd.DataFrame]:
    """Share of probes found within each rank, synthetic probes first, then authentic ones, and the numbers behind."""
    forward = {view.name: view.settings.found for view in views}
    backward = {view.name: view.settings.found_back for view in views}
    figure, (left, right) = plots.new_figure(columns=2, width=5.2, height=3.8)
    plots.plot_ranks(left, forward, identities)
    plots.plot_ranks(right, backward, identities)
    left.set_title("synthetic probes, authentic templates")
    right.set_title("authentic probes, synthetic templates")
    ranks = np.arange(1, len(views[0].settings.found) + 1)
    table = pd.DataFrame(
        {"rank": ranks}
        | {f"synthetic: {name}": shares for name, shares in forward.items()}
        | {f"authentic: {name}": shares for name, shares in backward.items()}
        | {"chance": ranks / identities}
    )
    return figure, table


def chance_in_words(found: ChanceFacts) -> str:
    """Within what groups chance is taken, who is left out, and what is not excluded without groups."""
    if not found.within:
        return (
            "The groups of the training identities are not known, or fewer than five share theirs with another. So "
            "chance exchanges the names of all: that a class shows its person's gender or ancestry alone is **not "
            "excluded**. Give `groups`, a CSV with the columns identity and group, or an `attribute_classifier` that "
            "calls them."
        )
    called = ", as the attribute classifier calls them, with its errors" if found.called else ""
    left_out = (
        f" {found.left_out} identities are alone in theirs and left out of what rests on equal labels."
        if found.left_out
        else ""
    )
    return (
        f"Names are exchanged within the {found.groups} groups of equal {' and '.join(found.within)}{called}: what a "
        f"group shares belongs to chance.{left_out}"
    )


def chance(view: View) -> tuple[Figure, pd.DataFrame] | None:
    """The links that a set has, by labels and without, beside their nulls, and the nulls; None where it has neither."""
    labelled, free = view.evidence.labelled, view.evidence.label_free
    drawn = {
        "AUC of the same-label link": labelled and labelled.link.test,
        "share of classes nearer to training": free and free.test,
    }
    drawn = {title: test for title, test in drawn.items() if test}
    if not drawn:
        return None
    figure, axes = plots.new_figure(columns=len(drawn), width=5.2, height=3.2)
    for ax, (title, test) in zip(np.ravel(axes), drawn.items(), strict=True):
        plots.plot_null(ax, test.null, test.observed, title)
    return figure, pd.DataFrame({f"null of the {title}": pd.Series(test.null) for title, test in drawn.items()})


def growth(views: Sequence[View], identities: int) -> tuple[Figure, pd.DataFrame]:
    """The link by the images of a template, equal labels among the strongest pairs, and the numbers of the first."""
    figure, (left, right) = plots.new_figure(columns=2, width=5.2, height=3.4)
    for i, view in enumerate(views):
        grown, same = view.evidence.labelled.growth, view.settings.strongest.same_label
        left.plot(grown["images"], grown["AUC"], marker=plots.MARKERS[i], **plots.style(i), label=view.name)
        pairs = np.arange(1, len(same) + 1)
        right.plot(pairs, np.cumsum(same) / pairs, **plots.style(i), label=view.name)
    left.set(xlabel="synthetic images in a class's template", ylabel="AUC of the same-label link", xscale="log")
    left.set_xticks(grown["images"], grown["images"])
    right.axhline(1 / identities, color="0.6", linestyle=":", label="chance")
    right.set(xlabel="number of strongest pairs", ylabel="share of equal labels", xscale="log", ylim=(0, 1.02))
    for ax in (left, right):
        ax.minorticks_off()
        ax.legend(fontsize="small")
    return figure, pd.concat(view.evidence.labelled.growth.assign(judge=view.name) for view in views)


def tail(views: Sequence[View]) -> pd.DataFrame:
    """Equal labels among the strongest pairs, by every judge."""
    table = pd.concat(view.evidence.labelled.tail.assign(judge=view.name) for view in views)
    return table[["judge", *table.columns.drop("judge")]]


def equal_labels_by_score(view: View) -> pd.DataFrame:
    """Equal labels among the pairs of each range of scores."""
    genuine, impostor = view.link.genuine, view.link.impostor
    ends = min(genuine.min(), impostor.min()), max(genuine.max(), impostor.max())
    return by_score(genuine, impostor, np.linspace(*ends, BINS_OF_SCORES + 1))


def fixed_rates(views: Sequence[View]) -> pd.DataFrame | None:
    """What is identified and told to be a member at a fixed error rate; None where there are no unseen faces."""
    rows = [row for view in views for row in (*_identified_rows(view), *_member_rows(view))]
    return pd.DataFrame(rows) if rows else None


def _identified_rows(view: View) -> Iterable[dict[str, object]]:
    for whose, scored in _searched(view).items():
        measure = f"open-set identification: TPIR at FPIR {OPEN_SET_FPIR:.0%}, {whose}".replace("%", " %")
        yield {"judge": view.name, "measure": measure} | _estimate_row(scored.at(OPEN_SET_FPIR).complement)


def _searched(view: View) -> dict[str, Scored]:
    """Whose template a search finds -> the scores: its own identity's where labels tell it, and anyone's."""
    opened = view.evidence.open_set
    if not opened:
        return {}
    own = {"own identity": opened.own} if view.evidence.labelled else {}
    return own | {"any identity": opened.anyone}


def open_set(views: Sequence[View]) -> tuple[Figure, pd.DataFrame] | None:
    """TPIR over FPIR of each judge with 95 % bands, and the numbers behind; None without unseen faces.

    Found is the own identity where labels tell it, else any.
    """
    searched = {view.name: next(iter(_searched(view).values())) for view in views if _searched(view)}
    if not searched:
        return None
    curves = {name: points_of(scored, "fpir", "tpir", CURVE_POINTS, LOWEST_FMR) for name, scored in searched.items()}
    figure, axes = plots.new_figure(width=5.6, height=3.6)
    plots.plot_banded(axes, curves, "fpir", "tpir", list(curves), chance=False)
    axes.set(xlabel="false positive identification rate (FPIR)", ylabel="true positive identification rate (TPIR)")
    return figure, pd.concat(curve.assign(judge=name) for name, curve in curves.items())


def _member_rows(view: View) -> Iterable[dict[str, object]]:
    if pooled := view.evidence.images_pooled:
        measure = "membership of images, pooled over persons: AUC"
        yield {"judge": view.name, "measure": measure} | _estimate_row(pooled.auc)
    for unit, members in (("images", view.evidence.images_pooled), ("persons", view.evidence.persons)):
        for rate, found in (("1 %", members.tpr), ("0.1 %", members.tpr_1000)) if members else ():
            if found is not None:
                yield {"judge": view.name, "measure": f"membership of {unit}: TPR at FPR {rate}"} | _estimate_row(found)


def _estimate_row(estimate: Estimate) -> dict[str, float]:
    span = estimate.interval()
    return {"value": estimate.value, "95 % low": span.low, "95 % high": span.high}


def exposure(found: Exposure) -> pd.DataFrame | None:
    """Link of the identities of each group; None where no trait's groups can be compared."""
    tables = [
        each.groups.assign(attribute=trait) for trait, each in found.groups.items() if isinstance(each, GroupDifference)
    ]
    if not tables:
        return None
    table = pd.concat(tables)
    return table[["attribute", *table.columns.drop("attribute")]]


def exposure_in_words(found: Exposure) -> str:
    """What could not be estimated, and whether more training images mean more exposure."""
    said = [f"By {trait}: not estimable ({why})." for trait, why in found.groups.items() if isinstance(why, str)]
    if not found.groups:
        said.append("By group: not estimable, as the groups of the training identities are not known.")
    trend = found.by_images
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
        "strangers": {name: found.strangers for name, found in planted.items()},
        "the same persons": {name: found.same_persons for name, found in planted.items()},
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
            plots.plot_power(ax, tables[-1], f"{name}, against {null}: from a ratio of {alarm.threshold:.2f} on")
    plots.legend_beside([ax for ax in np.ravel(axes)[: len(planted)] if ax.get_visible()][-1])
    return figure, pd.concat(tables)


def planted_in_words(planted: Mapping[str, Planted], images: int) -> str:
    """What each judge notices of planted copies, and what it says of the synthetic set of so many images."""
    said = (_alarms_in_words(name, found, images) for name, found in planted.items())
    return "\n\n".join(said) or "Not measured: it needs more images of persons who trained nothing."


def _alarms_in_words(name: str, found: Planted, images: int) -> str:
    said = [f"By the **{name}** the largest ratio of the synthetic set is {found.largest:.2f}."]
    said.append(_alarm_in_words("**a copy or a likeness** (against strangers)", found.strangers, images))
    if found.unseen_above is not None:
        said.append(f"Of unseen images of the training persons {_percent(found.unseen_above)} raise it, too.")
    if found.same_persons:
        said.append(
            _alarm_in_words("**a copy** (against other images of the same persons)", found.same_persons, images)
        )
    return " ".join(said)


def _alarm_in_words(what: str, alarm: Alarm, images: int) -> str:
    if alarm.threshold is None:
        return (
            f"For {what}: not calibrated at this size, as {alarm.null_images:,} images do not tell what the largest "
            f"ratio of {images:,} is."
        )
    silent = alarm.silent
    exact = _from_share(alarm.detectable_exact, images)
    return (
        f"For {what} the alarm sounds from {alarm.threshold:.2f} on: {_percent(alarm.share_above)} of the images are "
        f"above. It sounds in 80 % of sets with exact copies {exact}, and whatever the alteration short of the blend "
        f"{_from_share(alarm.detectable, images)}; sets of {silent.set_size:,} without copies raise it in "
        f"{_percent(silent.rate)} of draws, where 5 % are nominal."
    )


def _from_share(share: float | None, images: int) -> str:
    """From what planted share on, in words."""
    if share is None:
        return "at no share up to 1 %"
    return f"from {100 * share:.3g} % on ({round(share * images)} of {images:,} images)"


def _percent(share: float) -> str:
    return f"{100 * share:.2f} %"


def claims(found: Sequence[ClaimFacts]) -> pd.DataFrame:
    """What the evidence on a set supports, claim by claim."""
    rows = [
        {
            "claim": claim.claim,
            "judge": claim.judge,
            "value": claim.value,
            "chance": claim.chance,
            "90 % low": claim.low,
            "90 % high": claim.high,
            "p, corrected": p_in_words(claim.p_corrected, claim.p_at_floor),
            "verdict": claim.verdict + (f" ({'; '.join(claim.notes)})" if claim.notes else ""),
        }
        for claim in found
    ]
    return pd.DataFrame(rows).sort_values("claim", kind="stable")


def all_claims(audits: Audits) -> tuple[pd.DataFrame, list[tuple[int, str]]]:
    """The claims on every set, and the cells of values that support none."""
    table = by_set(audits.done, lambda found: claims(found.claims))
    barred = np.flatnonzero(table["verdict"].str.startswith(BARRED))
    return table, [(int(row), column) for row in barred for column in ("value", "90 % low", "90 % high")]


def claims_in_words(audits: Audits) -> str:
    """Whether the claims are those that were planned, and what a single competent judge means."""
    differing = {each.name: deviations(each.plan, each.claims) for each in audits.done}
    said = [f"**Not as planned for {name}**: {'; '.join(how)}." for name, how in differing.items() if how]
    said = said or ["The claims are those of the plan."]
    competent = [view.name for view in audits.views if view.competent]
    if len(competent) == 1:
        said.append(
            f"The {competent[0]} is the only competent judge, so that no other confirms it; a second one comes with "
            "the extra `align`, or as `second_verifier=PATH`."
        )
    return " ".join(said)


def remedy(audits: Audits) -> tuple[pd.DataFrame, list[tuple[int, str]]] | None:
    """What each filter leaves as every judge sees it, and the cells that must not be relied on.

    Those are the filter's own, flattered view, and its rates where control persons are not exchangeable.
    """
    titles = {
        "set": "set",
        "fmr": "control images above",
        "tested_fmr": "on the other half",
        "kept": "kept",
        "judge": "judge",
        "link_auc": "link AUC",
        "link_eer": "link EER",
        "rank1": "rank 1",
    }
    table = by_set(audits.done, _left)
    if table is None:
        return None
    table = table[list(titles)].rename(columns=titles)
    of = {each.name: each for each in audits.done}
    own = np.flatnonzero(table["judge"] == [of[name].remedies.filterer for name in table["set"]])
    grey = [(int(row), column) for row in own for column in ("link AUC", "link EER", "rank 1")]
    doubted = [i for i, name in enumerate(table["set"]) if "control" in of[name].sets.barred]
    grey += [(i, column) for i in doubted for column in ("control images above", "on the other half", "kept")]
    return table, [(row, column) for row, column in grey if not pd.isna(table.loc[row, column])]


def _left(found: Audit) -> pd.DataFrame:
    return pd.DataFrame(dataclasses.asdict(facts) for each in found.remedies.found for facts in each.left)


def strongest(sets: AuditedSets, view: View) -> tuple[np.ndarray, str]:
    """The strongest pairs, authentic faces above synthetic ones, uint8 `[H, W, 3]`, and what they are."""
    best, side = view.settings.strongest, sets.synthetic.resolution
    count = min(STRONGEST_SHOWN, len(best.scores))
    rows = (sets.authentic, best.a_rows[:count]), (sets.synthetic, best.b_rows[:count])
    faces = np.concatenate([of.load(positions, size_px=side).numpy() for of, positions in rows])
    labels = f"; {int(best.same_label[:count].sum())} of {count} of one label" if sets.by_label else ""
    caption = (
        f"{sets.name}: the strongest pairs by the {view.name}, scores {best.scores[0]:.2f} to "
        f"{best.scores[count - 1]:.2f}{labels}. Authentic above, synthetic below."
    )
    return plots.contact_sheet(faces, count, max(1, LEAST_SIDE_PX // side)), caption


def what_was_found(audits: Audits) -> str:
    """For every set what is nearest to a link, how many claims are above chance, and what that cannot show."""
    if not any(view.competent for view in audits.views):
        return "No judge tells the authentic identities apart well enough: **nothing can be said about the link**."
    said = [f"**{each.name}**: {_found_of(each)}" for each in audits.done]
    said.append(
        "This cannot show that a set gives nothing away: another judge, or another test, may see what these do not."
    )
    return "\n\n".join(said)


def _found_of(found: Audit) -> str:
    view, parts = found.shown, []
    if view.evidence.labelled:
        metrics, rank_1 = view.link_metrics, view.evidence.labelled.rank_1
        low, high = view.evidence.labelled.link.test.band()
        parts.append(
            f"The larger link is the {view.name}'s: EER {100 * metrics.eer:.1f} %, AUC {metrics.auc:.3f}, where "
            f"renamed classes give {low:.3f} to {high:.3f}; rank-1 identification "
            f"{100 * rank_1.estimate.value:.1f} %, chance {100 * rank_1.test.null.mean():.1f} %."
        )
    elif view.evidence.label_free:
        free = view.evidence.label_free.test
        low, high = free.band()
        doubt = ", which is no claim here" if "control" in found.sets.barred else ""
        whole = "images" if found.sets.labels == "none" else "classes"
        parts.append(
            f"By the {view.name} {100 * free.observed:.1f} % of its {whole} are nearer to a training person than to "
            f"any control person, where random halves give {100 * low:.1f} to {100 * high:.1f} %{doubt}."
        )
    judged = sum(claim.p_corrected is not None for claim in found.claims)
    parts.append(f"Of {judged} claims that are judged {len(found.above_chance)} are above chance.")
    return " ".join(parts)
