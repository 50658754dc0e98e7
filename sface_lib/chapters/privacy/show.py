"""The link of one set by every judge: scores, rates, identification, chance, and the strongest pairs."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from sface_lib.biometrics import RocCurve, VerificationMetrics
from sface_lib.biometrics.rates import RESOLVED
from sface_lib.chapters import plots, sheets
from sface_lib.chapters.looks import OF_AUTHENTIC, Look
from sface_lib.chapters.privacy import drawings
from sface_lib.chapters.privacy.results import ChanceFacts
from sface_lib.chapters.privacy.sets import AuditedSets, View
from sface_lib.chapters.thresholds import thresholds
from sface_lib.chapters.words import points_of, the
from sface_lib.matching import PairScores, PooledComparisons
from sface_lib.privacy.identification import by_score, estimate_row
from sface_lib.privacy.identification import tail as equal_labels
from sface_lib.privacy.settings import LINK, SETTINGS

TITLES = {
    "eer": "EER", "auc": "AUC", "fmr100": "FMR100", "fmr1000": "FMR1000", "genuine_mean": "G-mean",
    "impostor_mean": "I-mean",
}  # fmt: skip
POINTS_KEPT = 200  # Of each curve, in the table behind it.
CURVE_POINTS, LOWEST_FMR = 20, 1e-5
BINS_OF_SCORES, BINS = 20, 80  # Of a table and of a figure.
STRONGEST_SHOWN, FEWEST_STRONGEST = 10, 10  # Of a sheet, and from where on their share of equal labels is drawn.
TARGETS = (1e-2, 1e-3, 1e-4)  # FMR of the table of the link.
TOO_FEW = "too few comparisons"
OVER, EQUAL_LABELS = "images, or pairs", "equal labels"  # A column, and a measure, of the numbers of growth.
LEAST_SIDE_PX = 96  # Of a face on the sheet of the strongest pairs.


def link(views: Sequence[View]) -> pd.DataFrame:
    """The scores' figures in the settings that the labels allow, by every judge."""
    return pd.DataFrame(
        {"judge": view.name, "setting": setting}
        | {"subjects": len(np.unique(comparison.genuine_identity))}
        | _metrics_row(view.scores.metrics[setting])
        for view in views
        for setting, comparison in view.scores.comparisons.items()
    )


def fnmr(views: Sequence[View]) -> pd.DataFrame:
    """FNMR at fixed FMR with 95 % intervals, by judge and setting."""
    return pd.DataFrame(
        {"judge": view.name, "setting": setting}
        | {f"FNMR at FMR {100 * target:g} %": _fnmr(PooledComparisons(comparison), target) for target in TARGETS}
        for view in views
        for setting, comparison in view.scores.comparisons.items()
    )


def _metrics_row(metrics: VerificationMetrics) -> dict[str, object]:
    return {
        "genuine": metrics.n_genuine,
        "impostor": metrics.n_impostor,
        "G-mean (sd)": f"{metrics.genuine_mean:.3f} ({metrics.genuine_sd:.3f})",
        "I-mean (sd)": f"{metrics.impostor_mean:.3f} ({metrics.impostor_sd:.3f})",
        "EER": metrics.eer,
        "AUC": metrics.auc,
        "FDR": metrics.fdr,
        "d'": metrics.d_prime,
    }


def _fnmr(comparisons: PooledComparisons, target: float) -> str:
    """FNMR at an FMR with its interval, with a question mark where it breaks the rule of 30; at the lowest FMR none."""
    rate = comparisons.at(target) if comparisons.shows(target) else None
    if rate is None or (rate.imprecise and target == TARGETS[-1]):
        return TOO_FEW
    low, high = list(estimate_row(rate.estimate).values())[1:]
    return f"{rate.value:.3f} [{low:.3f}, {high:.3f}]{' ?' if rate.imprecise else ''}"


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


def scores(view: View, look: Look) -> Figure:
    """Densities of the scores in the settings that the labels allow, on one axis of scores."""
    comparisons = {setting: view.scores.comparisons[setting] for setting in _settings(view)}
    edges = plots.score_edges([side for each in comparisons.values() for side in (each.genuine, each.impostor)], BINS)
    figure, panels = plots.new_panels(len(comparisons), 1, width=7.2, height=2.0, sharex=True, sharey=True)
    for ax, (setting, each) in zip(panels, comparisons.items(), strict=True):
        own = OF_AUTHENTIC if setting == SETTINGS[0] else look
        plots.plot_scores(ax, each.genuine, each.impostor, setting, edges, own.colour)
    plots.label_outside(panels, 1)
    return figure


def by_threshold(view: View) -> tuple[str, pd.DataFrame] | None:
    """The link where labels allow it, else the setting within the set, and its scores by threshold: see `thresholds`.

    None for a set without labels, which has neither.
    """
    setting = _settings(view)[-1]
    if setting == SETTINGS[0]:
        return None
    comparison = view.scores.comparisons[setting]
    return setting, thresholds(comparison.genuine, comparison.impostor)


def _settings(view: View) -> list[str]:
    return [setting for setting in SETTINGS if setting in view.scores.comparisons]


def roc_det(views: Sequence[View], shown: View, look: Look) -> tuple[Figure, pd.DataFrame]:
    """ROC and DET of the shown judge's settings and of the other judges' links with 95 % bands, and their points.

    From where the number of scores resolves them.
    """
    compared = {setting: shown.scores.comparisons[setting] for setting in _settings(shown)}
    if LINK in compared:
        compared |= {f"{LINK} ({view.label})": view.link for view in views if view is not shown}
    curves = {name: _curve(comparison) for name, comparison in compared.items()}
    figure, (left, right) = plots.new_figure(columns=2, width=5.4, height=4.6)
    of_judge = look.variants(view.label for view in views)
    styles = {f"{LINK} ({view.label})": of_judge[view.label] for view in views}
    styles |= {SETTINGS[0]: OF_AUTHENTIC, SETTINGS[1]: look.variant(5), LINK: of_judge[shown.label]}
    plots.plot_banded(left, curves, "fmr", "tmr", list(curves), styles.get)
    left.set(xlabel="false match rate (FMR)", ylabel="true match rate (1 - FNMR)", title="ROC")
    drawings.plot_det(right, curves, styles.get)
    plots.legend(right)
    return figure, pd.concat(curve.assign(curve=name) for name, curve in curves.items())


def roc_det_caption(name: str, view: View, by_label: bool) -> str:
    """By whom the settings of a set are judged, and whether other judges' links are drawn."""
    others = ", and the link by the other judges" if by_label else ""
    return f"{name}: ROC and DET by {the(view.name)}{others}."


def _curve(comparison: PairScores) -> pd.DataFrame:
    """Points `fmr`, `tmr` of a ROC with the interval of TMR, `low` and `high`; NaN where scores were only counted."""
    if comparison.blocks is None:
        curve = comparison.roc()
        kept = curve.fmr >= max(LOWEST_FMR, RESOLVED / comparison.impostors.counts.sum())
        points = RocCurve(curve.threshold[kept], curve.fmr[kept], curve.fnmr[kept]).thin(POINTS_KEPT)
        return pd.DataFrame({"fmr": points.fmr, "tmr": points.tmr, "low": np.nan, "high": np.nan})
    return points_of(PooledComparisons(comparison), "fmr", "tmr", CURVE_POINTS, LOWEST_FMR)


def identification(views: Sequence[View], identities: int, look: Look) -> tuple[Figure, pd.DataFrame]:
    """Share of probes found within each rank, synthetic probes first, then authentic ones, and the numbers behind."""
    panels = {
        "synthetic probes, authentic templates": {view.label: view.scores.ranks for view in views},
        "authentic probes, synthetic templates": {view.label: view.scores.ranks_back for view in views},
    }
    table = pd.DataFrame(
        {"probes": title.split()[0], "judge": name, "rank": k, "chance": k / identities} | estimate_row(share)
        for title, judges in panels.items()
        for name, shares in judges.items()
        for k, share in enumerate(shares, 1)
    )
    figure, axes = plots.new_figure(columns=2, width=5.2, height=3.8)
    for ax, title in zip(axes, panels, strict=True):
        own = table[table["probes"] == title.split()[0]]
        drawings.plot_ranks(ax, own, identities, look.variants(view.label for view in views).get)
        ax.set_title(title)
    plots.legend(axes[-1])
    return figure, table


def chance_in_words(facts: ChanceFacts) -> str:
    """Within what groups chance is taken, who is left out, and what is not excluded without groups."""
    if not facts.within:
        return (
            "The groups of the training identities are not known, or fewer than five share theirs with another. So "
            "chance permutes names among all identities: that a class shows gender or ancestry alone is **not "
            "excluded**. Give `groups`, a CSV with the columns identity and group, or an `attribute_classifier` that "
            "predicts them."
        )
    called = ", as the attribute classifier predicts them, with its errors" if facts.called else ""
    left_out = (
        f" {facts.left_out} identities are alone in their group and excluded from label-based tests."
        if facts.left_out
        else ""
    )
    return (
        f"Names are exchanged within the {facts.groups} groups of equal {' and '.join(facts.within)}{called}: what "
        f"groups share counts as chance.{left_out}"
    )


def chance(view: View, look: Look) -> tuple[Figure, pd.DataFrame] | None:
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
        drawings.plot_null(ax, test.null, test.observed, title, look.colour)
    return figure, pd.DataFrame({f"null of the {title}": pd.Series(test.null) for title, test in drawn.items()})


def chance_caption(name: str, view: View) -> str:
    """Which links of a set are drawn."""
    labelled, free = view.evidence.labelled, view.evidence.label_free
    drawn = [kind for kind, test in (("same-label", labelled), ("label-free", free)) if test]
    links = f"{' and '.join(drawn)} link{'s' * (len(drawn) > 1)} by {the(view.name)}"
    return f"{name}: {links}; chance in grey, observed as a line."


def growth(views: Sequence[View], identities: int, look: Look) -> tuple[Figure, pd.DataFrame]:
    """Rank 1 and the link by the images of a template, equal labels among the strongest pairs, and the numbers."""
    grown = pd.concat(view.evidence.labelled.growth.assign(judge=view.label) for view in views)
    pairs = pd.concat(_strongest_by_number(view).assign(judge=view.label) for view in views)
    table = pd.concat([grown.rename(columns={"images": OVER}), pairs], ignore_index=True)
    figure, axes = plots.new_figure(columns=3, width=4.2, height=3.4)
    styles = look.variants(view.label for view in views).get
    titles = {"rank 1": "share of classes identified (rank 1)", "AUC": "AUC of the same-label link"}
    for ax, (measure, title) in zip(axes, (titles | {EQUAL_LABELS: "share of equal labels"}).items(), strict=True):
        drawings.plot_bands(ax, table[table["measure"] == measure], OVER, styles, joined=measure in titles)
        ax.set(xlabel="synthetic images in a class's template", ylabel=title, xscale="log")
        if measure in titles:
            ax.set_xticks(grown["images"].unique(), grown["images"].unique())
        if measure != "AUC":
            ax.axhline(1 / identities, color="0.6", linestyle=":", label="chance")
            ax.set_ylim(bottom=0)
        ax.minorticks_off()
    axes[-1].set_xlabel("number of strongest pairs")
    plots.legend(axes[-1])
    return figure, table[["judge", "measure", OVER, "value", "95 % low", "95 % high"]]


def _strongest_by_number(view: View) -> pd.DataFrame:
    """The share of equal labels among the strongest pairs, from ten of them on."""
    best = view.scores.strongest
    sizes = np.unique(np.geomspace(FEWEST_STRONGEST, max(FEWEST_STRONGEST, len(best.scores)), CURVE_POINTS).astype(int))
    shares = equal_labels(best, view.sets.authentic.labels, view.sets.synthetic.labels, tuple(sizes.tolist()))
    return shares.rename(columns={"strongest pairs": OVER, "same label": "value"}).assign(measure=EQUAL_LABELS)


def tail(views: Sequence[View]) -> pd.DataFrame:
    """Equal labels among the strongest pairs, by every judge."""
    table = pd.concat(view.evidence.labelled.tail.assign(judge=view.name) for view in views)
    return table[["judge", *table.columns.drop("judge")]]


def equal_labels_by_score(view: View) -> pd.DataFrame:
    """Equal labels among the pairs of each range of scores."""
    genuine, impostor = view.link.genuine, view.link.impostor
    ends = min(genuine.min(), impostor.min()), max(genuine.max(), impostor.max())
    return by_score(genuine, impostor, np.linspace(*ends, BINS_OF_SCORES + 1))


def strongest(sets: AuditedSets, view: View) -> tuple[np.ndarray, str]:
    """The strongest pairs, authentic faces above synthetic ones, uint8 `[H, W, 3]`, and what they are."""
    best, side = view.scores.strongest, sets.synthetic.resolution
    count = min(STRONGEST_SHOWN, len(best.scores))
    rows = (sets.authentic, best.a_rows[:count]), (sets.synthetic, best.b_rows[:count])
    faces = [of.load(positions, size_px=side).numpy() for of, positions in rows]
    labels = f"; {int(best.same_label[:count].sum())} of {count} of one label" if sets.by_label else ""
    caption = (
        f"{sets.name}: the strongest pairs by {the(view.name)}, scores {best.scores[0]:.2f} to "
        f"{best.scores[count - 1]:.2f}{labels}. Authentic above, synthetic below."
    )
    scores = [f"{score:.2f}" for score in best.scores[:count]]
    return sheets.contact_sheet(faces, ("authentic", "synthetic"), scores, max(1, LEAST_SIDE_PX // side)), caption
