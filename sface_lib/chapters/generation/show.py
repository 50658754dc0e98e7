"""The tables, figures, contact sheets and sentences of notebook 02."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from PIL import Image

from sface_lib.chapters import plots, sheets
from sface_lib.chapters.data.results import Failures
from sface_lib.chapters.failures import failures
from sface_lib.chapters.generation import drawings
from sface_lib.chapters.generation.compute import (
    AUTHENTIC,
    Findings,
    Quality,
    Snapshot,
    SteeringEffect,
    Training,
    measured_per_class,
)
from sface_lib.chapters.generation.describe import (
    EYE_TOLERANCE,
    FMR,
    MOST_CLASSES,
    MOST_OF_CLASS,
    MOST_SAMPLED,
    MOST_SCORED,
    MOST_VARIED,
    MOST_VARIED_CLASSES,
    PARTS_FMR,
    RESAVED,
    Distinct,
    SetDescription,
)
from sface_lib.chapters.generation.parameters import GenerationParameters
from sface_lib.chapters.looks import Looks, indexed
from sface_lib.chapters.setspec import AUTHENTIC as AUTHENTIC_LABELS
from sface_lib.chapters.setspec import OWN, UNLABELLED
from sface_lib.chapters.synthetic import SHOWN, SyntheticSet
from sface_lib.chapters.words import saw_authentic
from sface_lib.generators import SHIPPED_PATH
from sface_lib.generators.assessment import EER_OF_SAMPLES
from sface_lib.generators.quality import Memorisation
from sface_lib.privacy.persons import FEWEST_JUDGED
from sface_lib.run.fragments import Sheet

LEAST_SIDE_PX = 64  # Of a shown face: smaller ones are enlarged by a whole number.
LOSSES = ("loss_generator", "loss_discriminator")
BALANCE = ("logit_real", "logit_fake", "ada_p")
NOT_MEASURED = ("step", "kimg", "images_per_second")  # In the rows of a log.
CLASSES_ARE = {AUTHENTIC_LABELS: "a training identity", OWN: "an identity of its own", UNLABELLED: "not known"}
UNMATCHED = "classes without a training identity's name"
IDENTITIES, LOWER = f"identities, FMR {100 * FMR:g} %", "identities, lower FMR"
BY_VERIFIER = ("near copies (%)", "EER within (%)", "genuine score", IDENTITIES, LOWER, "several persons (%)")
# What a reader of a set is told of: more near copies than this, fewer persons than so many of as many authentic ones,
# more classes of several persons, an EER from this on, and more faces without eyes in place.
MOST_COPIES, LEAST_DISTINCT, MOST_SEVERAL, NEAR_CHANCE, MOST_WITHOUT_EYES = 0.01, 0.95, 0.05, 0.4, 0.5


def _sheet(rows: Sequence[np.ndarray], row_labels: Sequence[str], column_labels: Sequence[str] = ()) -> np.ndarray:
    return sheets.contact_sheet(rows, row_labels, column_labels, _enlarged(rows))


def _enlarged(rows: Sequence[np.ndarray]) -> int:
    return max(1, LEAST_SIDE_PX // rows[0].shape[-1])


def learning(snapshots: Sequence[Snapshot]) -> np.ndarray:
    """The same classes at every snapshot, a row each, as pixels."""
    return _sheet([each.faces for each in snapshots], [f"{each.kimg:.2f} kimg" for each in snapshots])


def learning_caption(snapshots: Sequence[Snapshot], kimg_before: float) -> str:
    """After how much training each row was drawn."""
    lengths = ", ".join(f"{each.kimg:.1f}" for each in snapshots)
    earlier = f", of which {kimg_before:.1f} were trained before this run" if kimg_before else ""
    return f"Same latents, same classes, after {lengths} kimg{earlier}."


def shipped_learning() -> tuple[np.ndarray, str]:
    """How the shipped generator learnt, as pixels, and the caption."""
    sheet = Image.open(SHIPPED_PATH.with_suffix(".png"))
    caption = f"How the shipped generator learnt, before this run: the same latents after {sheet.info['kimg']} kimg."
    return sheets.label_sheet(np.asarray(sheet), [f"{kimg} kimg" for kimg in sheet.info["kimg"].split(", ")]), caption


def losses(training: Training) -> tuple[Figure, pd.DataFrame] | None:
    """Losses, logits and augmentation over the whole training, and the numbers; None where nothing is known of it."""
    log = [*training.history, *training.log]
    measured = [name for name in (log[0] if log else ()) if name not in NOT_MEASURED]
    if not measured:
        return None
    panels = {"loss": LOSSES, "logit; strength of augmentation": BALANCE}
    if not {*LOSSES, *BALANCE} <= set(measured):  # Another kind of generator measures what it likes.
        panels = {"measured in training": measured}
    figure, axes = plots.new_figure(columns=len(panels), width=5.2, height=3.4)
    for ax, (label, names) in zip(np.ravel(axes), panels.items(), strict=True):
        for i, name in enumerate(names):
            drawn, own = {name.replace("_", ", "): log}, indexed(i)
            plots.plot_progress(ax, drawn, "kimg", name, "images shown (kimg)", label, lambda _, own=own: own)
        if training.history and training.log:
            ax.axvspan(training.kimg_before, training.kimg, color="0.9", zorder=0, label="this run")
        ax.legend(fontsize="small", loc="lower left", bbox_to_anchor=(0, 1.01), ncols=2, borderaxespad=0)
    return figure, pd.DataFrame(log)


def losses_caption(training: Training) -> str:
    """What a point is, and how much of the training was before this run."""
    earlier = f" The first {training.kimg_before:.0f} kimg were trained before this run." if training.history else ""
    return "Training of the generator; each point is the mean since the one before." + earlier


def class_rows(rows: Sequence[np.ndarray], classes: Sequence[int]) -> np.ndarray:
    """Rows of images of a class each, as pixels."""
    return _sheet(rows, [f"class {k}" for k in classes])


def side_by_side(
    authentic: Sequence[np.ndarray], synthetic: Sequence[np.ndarray], classes: Sequence[int]
) -> np.ndarray:
    """Rows of the same classes in turn, authentic above synthetic, as pixels."""
    rows = [row for pair in zip(authentic, synthetic, strict=True) for row in pair]
    return _sheet(rows, [f"{k}, {kind}" for k in classes for kind in ("authentic", "synthetic")])


def quality_caption(p: GenerationParameters, quality: Quality, n_classes: int) -> str:
    """How the synthetic set was drawn, and how much of it is measured."""
    return (
        f"Quality of the synthetic set: psi = {p.psi:g}, seed {p.seed}, "
        f"{'filtered' if p.identity_model else 'unfiltered'}, first {measured_per_class(p)} images of each of "
        f"the first {len(quality.synthetic.consistency)} classes (of {n_classes})."
    )


def classes(quality: Quality, looks: Looks) -> tuple[Figure, pd.DataFrame]:
    """Consistency of each class of every set over its diversity, and the numbers of the synthetic set."""
    figure, axes = plots.new_figure(width=5.4, height=3.8)
    points = {name: (each.consistency, quality.spreads[name].mean(1)) for name, each in quality.samples.items()}
    drawings.plot_classes(axes, points, looks.of_set)
    plots.legend(axes)
    diversity = quality.spread.mean(1)
    numbers = {"class": range(len(diversity)), "consistency": quality.synthetic.consistency, "diversity": diversity}
    return figure, pd.DataFrame(numbers)


def memorised(memorisation: Memorisation | None, synthetic_images: int) -> str:
    """Whether training images can be told from unseen ones by the synthetic set."""
    if memorisation is None:
        return "Not measured: it needs images of the same identities that the generator never saw."
    span = memorisation.interval
    return (
        f"Training images against held-out ones: AUC **{memorisation.auc:.3f}** "
        f"[{span.low:.3f}, {span.high:.3f}] over {len(memorisation.member_best):,} and "
        f"{len(memorisation.held_out_best):,} images and {synthetic_images:,} synthetic ones; 0.5 is no memorisation. "
        "This number is pooled over persons, whose differences may mask some; notebook 03 compares within persons."
    )


def steering(effects: Sequence[SteeringEffect]) -> pd.DataFrame:
    """Every drawn set in a row: its consistency and its link."""
    return pd.DataFrame(
        {
            "set": effect.name,
            "mean consistency": effect.consistency,
            "link AUC": effect.link.auc,
            "link EER": effect.link.eer,
        }
        for effect in effects
    )


def between(ways: Mapping[tuple[int, int], np.ndarray]) -> tuple[np.ndarray, Sheet]:
    """Faces on the way from one class to another, a row for each two classes, as pixels, and where each face lies."""
    rows, count = list(ways.values()), len(next(iter(ways.values())))
    names = tuple(f"class {first} to {second}" for first, second in ways)
    shares = tuple(f"{100 * share:.0f} %" for share in np.linspace(0, 1, count))
    return _sheet(rows, names, shares), Sheet(
        _enlarged(rows) * rows[0].shape[-1],
        sheets.GAP_PX,
        names,
        shares,
        "From one class to another",
        "How far on the way",
    )


def what_was_drawn(findings: Findings) -> str:
    """How long the generator was trained, what it drew, and how well identities are told apart in it."""
    training, n_classes = findings.training, len(findings.synthetic.identities)
    eer = findings.quality.table.set_index("measure").loc[EER_OF_SAMPLES]
    earlier = f", {training.kimg_before:.1f} of them before this run" if training.kimg_before else ""
    return (
        f"The generator ({training.generator.kind}) has seen {training.kimg:.1f} thousand images at "
        f"{training.resolution_px} px{earlier}. "
        f"{len(findings.synthetic):,} faces were drawn, {len(findings.synthetic) // n_classes} for each of "
        f"{n_classes:,} classes. Within the synthetic set identities are told apart with an EER of "
        f"{100 * eer['synthetic']:.1f} %, within as many authentic images of each class with "
        f"{100 * eer['authentic']:.1f} %. " + " ".join(findings.shortcomings)
    )


def origins(sets: Sequence[SyntheticSet]) -> pd.DataFrame:
    """What each synthetic set is said to be, a row for each; columns that no set fills are left out."""
    table = pd.DataFrame(
        {
            "set": each.name,
            "a class is": CLASSES_ARE[each.labels],
            "generator saw the authentic set": saw_authentic(each.name, each.exposed),
            UNMATCHED: len(each.unmatched) or None,
            "credit": each.credit or None,
            "licence": each.licence or None,
        }
        for each in sets
    )
    table = table.astype({UNMATCHED: "Int64"}).dropna(axis=1, how="all")
    return table.fillna({name: "" for name in ("credit", "licence") if name in table})


def origins_caption() -> str:
    """Whose words these are."""
    return "The synthetic sets, as declared by the user: none of this is measured."


def failures_of(sets: Sequence[SyntheticSet], described: Mapping[str, SetDescription]) -> list[Failures]:
    """Failures to decode and to align of each set that was described: of the images looked at, or all with skipped."""
    rows = []
    for each in sets:
        if (own := described.get(each.name)) is not None:
            whole = (len(each.faces) + each.skipped, each.skipped)
            counted = whole if each.skipped else (own.inspected, own.undecodable)
            rows.append(failures(each.name, each.faces, *counted))
    return rows


def unmatched(sets: Sequence[SyntheticSet], names_shown: bool) -> str:
    """How many classes have no training identity's name, and the first of them; empty where there are none.

    Classes of such a set are called by persons: their names are withheld where those of authentic identities are.
    """
    return " ".join(
        f"**{each.name}**: {len(each.unmatched):,} of {len(np.unique(each.faces.labels)):,} classes have no training "
        f"identity's name and take no part in the same-label link{_such_as(each.unmatched, names_shown)}."
        for each in sets
        if each.unmatched
    )


def _such_as(names: Sequence[str], shown: bool) -> str:
    if not shown:
        return "; their names are withheld (show_authentic_images is false)"
    first = ", ".join(f"`{name}`" for name in names[:SHOWN])
    return f": {first}{' and others' if len(names) > SHOWN else ''}"


def descriptions(
    sets: Mapping[str, SetDescription], barred: Mapping[str, str]
) -> tuple[pd.DataFrame, list[tuple[int, str]]]:
    """A row for each set, and the cells that a verifier gave which had a part in the set: see `barred_sets`.

    A cell is empty where something was not measured. Numbers have three digits that count.
    """
    table = pd.DataFrame(
        {
            "set": name,
            "images": each.images,
            "classes": each.classes,
            "size (px)": _sizes(each),
            "copies (%)": _percent(each.copies),
            "near copies (%)": _percent(each.near_copies),
            "EER within (%)": _percent(each.eer),
            "genuine score": each.consistency,
            "diversity (%)": _percent(each.diversity),
            "sharpness (%)": _percent(each.sharpness),
            "eyes not in place (%)": _percent(each.without_eyes),
            IDENTITIES: _identities(each, low=False),
            LOWER: _identities(each, low=True),
            "several persons (%)": _percent(each.several_persons),
        }
        for name, each in sets.items()
    )
    whole, text = ("images", "classes", IDENTITIES, LOWER), ("set", "size (px)")
    rates = [column for column in table if column not in (*whole, *text)]
    doubtful = [(row, column) for row, name in enumerate(sets) if name in barred for column in BY_VERIFIER]
    grey = [(row, column) for row, column in doubtful if not pd.isna(table.loc[row, column])]
    return table.astype(dict.fromkeys(whole, "Int64") | dict.fromkeys(rates, "float64")), grey


def descriptions_caption(sets: Mapping[str, SetDescription], eye_images: int) -> str:
    """What the columns are, and how much of a set they are of."""
    score = next(iter(sets.values())).near_copy_score
    near = (
        "near copies need a verifier that embeds images, which vectors do not."
        if score is None
        else f"near copies score {score:.3f} or more with one: the median of up to {RESAVED} authentic images with "
        "their own JPEG of quality 60, saved at the verifier's size."
    )
    return (
        f"Images and classes are of the whole set, identities of all its classes, or of {MOST_CLASSES:,} drawn at "
        f"random. All else is of a sample of {MOST_SAMPLED:,} images at most: classes drawn at random, the first "
        f"{MOST_OF_CLASS} images of each, and without labels images drawn at random; the EER of {MOST_SCORED:,} of "
        f"these at most, classes drawn at random again, diversity of the first {MOST_VARIED} images of each of "
        f"{MOST_VARIED_CLASSES} classes at most, eyes of {min(eye_images, MOST_SAMPLED):,} images at most. Copies have "
        f"the bytes of an earlier image; {near} The genuine score is the mean within-class score, averaged over "
        "classes. Diversity and sharpness are relative to the authentic set's. "
        "Eyes are not in place where dlib's frontal "
        f"detector finds no face, or an eye more than {100 * EYE_TOLERANCE:g} % of the eyes' distance from its place "
        "in an aligned one: turned and masked faces are among them. Identities are groups of linked class templates."
        f" A class of {FEWEST_JUDGED} images or more holds several persons where its two parts score less than "
        f"the most alike {100 * PARTS_FMR:g} % of pairs of different authentic persons."
    )


def distinct_identities(sets: Mapping[str, SetDescription]) -> pd.DataFrame | None:
    """How many persons the classes are, a row for each set and FMR; None where no set could be counted."""
    rows = [
        {
            "set": name,
            "FMR (%)": 100 * distinct.fmr,
            "images of a template, at most": distinct.images,
            "classes": distinct.classes,
            "identities": distinct.identities,
            "false links expected": distinct.false_links,
            "classes compared": distinct.compared,
            "identities of them": distinct.of_compared,
            "of as many authentic": distinct.of_authentic,
            "authentic recognised (%)": _percent(distinct.recognised),
        }
        for name, each in sets.items()
        for distinct in each.distinct
    ]
    return pd.DataFrame(rows) if rows else None


def distinct_caption() -> str:
    """How identities are counted, and why false links matter."""
    return (
        "Distinct identities: classes are linked where their templates, the means of their first images, score at or "
        "above the threshold of this FMR between authentic persons; each connected group is one identity. False links "
        "chain: where half as many are expected as there are classes, most classes connect by chance. So read the "
        "count beside that of as many authentic persons, and the lower FMR, which allows a false link for every "
        "twentieth class. Recognised: authentic persons whose two templates are linked; others would be "
        "counted twice."
    )


def failed(reasons: Mapping[str, str]) -> str:
    """Which sets could not be described, and why."""
    return "\n\n".join(f"**{name}** could not be described: {why}." for name, why in reasons.items())


def described(sets: Mapping[str, SetDescription], looks: Looks) -> tuple[Figure, pd.DataFrame]:
    """Sets beside one another, a small panel for each number, and the numbers."""
    panels = {
        "near copies (%)": [_percent(each.near_copies) for each in sets.values()],
        "identities (% of authentic)": [_share_of_authentic(each) for each in sets.values()],
        "several persons (% of classes)": [_percent(each.several_persons) for each in sets.values()],
        "EER within (%)": [_percent(each.eer) for each in sets.values()],
        "genuine score": [each.consistency for each in sets.values()],
        "diversity (% of authentic)": [_percent(each.diversity) for each in sets.values()],
        "sharpness (% of authentic)": [_percent(each.sharpness) for each in sets.values()],
        "eyes not in place (%)": [_percent(each.without_eyes) for each in sets.values()],
    }
    columns = len(panels) // 2
    figure, axes = plots.new_figure(columns, 2, width=2.6, height=0.8 + 0.27 * len(sets))
    for i, (ax, (label, values)) in enumerate(zip(axes.flat, panels.items(), strict=True)):
        drawings.plot_by_set(ax, dict(zip(sets, values, strict=True)), label, looks.of_set, AUTHENTIC)
        if i % columns:
            ax.set_yticklabels([])
    return figure, pd.DataFrame({"set": list(sets), **panels}).astype(dict.fromkeys(panels, "float64"))


def described_caption() -> str:
    """What the panels are over."""
    return (
        "The sets side by side, by the numbers of the table. Identities: distinct persons among the classes, in % of "
        "those found among equally many authentic persons, at the lower FMR of the table."
    )


def what_sets_are(sets: Mapping[str, SetDescription], barred: Mapping[str, str]) -> str:
    """What a careful reader must know of each set, in sentences: copies, too few or too many persons, idle labels.

    `barred` is what `barred_sets` gives.
    """
    told = {name: [*_cautions(each), *_caution_of_verifier(barred.get(name))] for name, each in sets.items()}
    sentences = [f"**{name}**: {'; '.join(cautions)}." for name, cautions in told.items() if cautions]
    quiet = [name for name, cautions in told.items() if not cautions]
    if quiet:
        sentences.append(f"No such caution for {', '.join(quiet)}.")
    return " ".join(sentences)


def _cautions(each: SetDescription) -> list[str]:
    sentences = []
    if each.undecodable:
        sentences.append(
            f"{each.undecodable:,} of {each.inspected:,} images looked at cannot be decoded and are left out"
        )
    sentences += _caution_of_copies(each)
    if each.classes is None:
        sentences.append("it has no labels, so that nothing is known of its identities")
    sentences += [
        f"its classes show fewer identities: of {last.compared:,} classes {last.of_compared:,} are distinct, of as "
        f"many authentic persons {last.of_authentic:,} (FMR {100 * last.fmr:.2g} %)"
        for last in each.distinct[-1:]
        if last.of_compared < LEAST_DISTINCT * last.of_authentic
    ]
    if (each.several_persons or 0) > MOST_SEVERAL:
        sentences.append(
            f"{100 * each.several_persons:.0f} % of {each.judged_classes:,} classes hold several persons each"
        )
    if (each.eer or 0) >= NEAR_CHANCE:
        sentences.append(f"its labels hardly tell identities apart (EER {100 * each.eer:.1f} %, chance is 50 %)")
    if (each.without_eyes or 0) > MOST_WITHOUT_EYES:
        sentences.append(
            f"eyes are not in place in {100 * each.without_eyes:.0f} % of {each.looked_at:,} images: it may be aligned "
            "otherwise than recognition models expect"
        )
    return sentences


def _caution_of_copies(each: SetDescription) -> list[str]:
    share, kind = each.near_copies, f" or as near to it as to their own JPEG ({100 * each.copies:.1f} % byte for byte)"
    if share is None:
        share, kind = each.copies, ", byte for byte"
    if share <= MOST_COPIES:
        return []
    return [
        f"{100 * share:.1f} % of {each.sampled:,} images are copies of an earlier one{kind}, so that it holds fewer "
        "images than it counts"
    ]


def _caution_of_verifier(why: str | None) -> list[str]:
    return [f"the verifier {why}, so that its numbers of the set stand in grey"] if why else []


def _identities(each: SetDescription, low: bool) -> int | None:
    return next((distinct.identities for distinct in each.distinct if (distinct.fmr < FMR) == low), None)


def _share_of_authentic(each: SetDescription) -> float | None:
    """Identities of some classes over those of as many authentic persons, at the lowest FMR: 100 where all differ."""
    last: Distinct | None = each.distinct[-1] if each.distinct else None
    return None if last is None else 100 * last.of_compared / last.of_authentic


def _percent(share: float | None) -> float | None:
    return None if share is None else 100 * share


def _sizes(each: SetDescription) -> str:
    """The most common sizes, with their shares where there are several."""
    if len(each.sizes_px) == 1:
        return next(iter(each.sizes_px))
    return ", ".join(f"{size}: {100 * share:.0f} %" for size, share in each.sizes_px.items())
