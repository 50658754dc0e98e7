"""The tables, figures and sentences of notebook 06."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from sface_lib.attributes import ATTRIBUTES, AttributeClassifier
from sface_lib.chapters import plots
from sface_lib.chapters.attributes import compute, drawings, tables
from sface_lib.chapters.attributes.compute import ComparedSets
from sface_lib.chapters.attributes.explore import set_comparer
from sface_lib.chapters.looks import Looks
from sface_lib.chapters.published import published
from sface_lib.chapters.words import attribute_in_words, p_clause, p_in_words
from sface_lib.run import Stage
from sface_lib.run.kernel import in_batch

MEASURED = ["images", "present", "balanced_accuracy", "auc", "ece", "tpr", "fpr"]
HEADS = {"balanced_accuracy": "balanced accuracy", "auc": "AUC", "ece": "calibration error", "tpr": "TPR", "fpr": "FPR"}
MOST_NAMED = 8  # Attributes in a sentence.
MOST_POINTS_NAMED = 14
MOST_BESIDE = 7  # Sets of heat maps that stand beside one another.
AS_WORDS = {name: attribute_in_words(name) for name in ATTRIBUTES if "_" in name}
MOST_DOTTED = 5  # Sets whose shares are dots in the row of an attribute.


def open_page(
    stage: Stage, classifier: AttributeClassifier | None, comparison: ComparedSets | None, looks: Looks
) -> Any:
    """What shows the comparison: a `Page`, or a `Blank` where there is none, which says why and shows nothing else."""
    return Page(stage, classifier, comparison, looks) if comparison else Blank(stage)


class Blank:
    """A page of a notebook that had nothing to compare."""

    def __init__(self, stage: Stage):
        self._stage = stage

    def reliability(self) -> None:
        """Say why nothing was compared."""
        self._stage.say(
            "Not run: `attribute_classifier` is none."
            if self._stage.parameters.attribute_classifier == "none"
            else "Not run: the shipped classifier is for rendered faces only. For faces of your own train "
            "one with `sface attributes train` and give it as `attribute_classifier`."
        )

    def __getattr__(self, name: str) -> Any:
        if not hasattr(Page, name):
            raise AttributeError(name)
        return lambda: None


class Page:
    """Shows a comparison, a method for each step of the notebook."""

    def __init__(self, stage: Stage, classifier: AttributeClassifier, comparison: ComparedSets, looks: Looks):
        self._looks = looks
        self._stage, self._classifier, self._compared = stage, classifier, comparison
        self._first, self._second = comparison.first, comparison.second

    def reliability(self) -> None:
        """How well each attribute is told on unseen identities."""
        classifier, least = self._classifier, self._stage.parameters.attribute_reliability
        reliable, told = classifier.reliable(least), classifier.description
        untaught = [AS_WORDS.get(name, name) for name in ATTRIBUTES if name not in classifier.names]
        checked = published("maad_attributes").set_index("attribute")["human_check_accuracy"]
        table = classifier.reliability[MEASURED].rename(columns=HEADS)
        table["MAAD-Face *"] = checked.reindex(table.index)
        self._table(
            table.reset_index(),
            "reliability",
            f"Reliability of each attribute; {int(reliable.sum())} of {len(reliable)} reach a balanced accuracy of "
            f"{least:g}, on other {told.get('judged_on', 'identities')}. Trained on: {told['trained_on']}. Not taught: "
            f"{', '.join(untaught) or 'none'}. *: published accuracy of MAAD-Face's own labels, where humans checked "
            "them.",
            floats="%.3f",
            grey=[(row, "balanced accuracy") for row in np.flatnonzero(~reliable)],
        )

    def sets(self) -> None:
        """What is compared."""
        rows = [
            {
                "set": each.name,
                "role": each.role,
                "images": len(each.faces),
                "units": "identities" if each.by_identity else "images",
                "number of units": len(np.unique(each.units)),
                "mean confidence": self._compared.confidence[each.name],
            }
            for each in self._compared.given
        ]
        caption = "What is compared. Mean confidence of the labels over stochastic passes."
        self._table(pd.DataFrame(rows), "sets", caption, floats="%.3f")

    def _table(self, frame: pd.DataFrame, name: str, caption: str, **shown: Any) -> None:
        """A table in which the names of attributes are written as words; `shown` is handed to `Stage.table`."""
        self._stage.table(frame.replace(AS_WORDS), name, caption, **shown)

    def plan(self) -> None:
        """What will be claimed of the sets."""
        (drift, attributes), (differ, pairs), (lost, measures) = self._compared.plans.plans[-1]["families"].items()
        self._stage.say(
            f"The claims that were planned before any image was annotated, in three families: that {drift} differ, "
            f"{len(attributes['claims'])} claims ({attributes['splits']:,} random splits); {differ}, "
            f"{len(pairs['claims'])} claims ({pairs['splits']:,}); and {lost}, {len(measures['claims'])} claims "
            f"({measures['shuffles']:,} random signs). Each family is corrected for its number of claims (Holm; alpha "
            f"{pairs['alpha']:g}). {self._compared.plans.in_words()}"
        )

    def prevalence(self) -> None:
        """Prevalence of every attribute in every set."""
        classifier = self._classifier
        reliable = classifier.reliable(self._stage.parameters.attribute_reliability)
        unreliable = [name for name, good in zip(classifier.names, reliable, strict=True) if not good]
        figure, axes = plots.new_figure(width=7.4, height=11.5)
        untaught = [name for name in ATTRIBUTES if name not in classifier.names]
        table, dotted = self._compared.prevalences, len(self._compared.sets) <= MOST_DOTTED
        if dotted:
            drawings.plot_attribute_shares(axes, table, self._looks.of_set, unreliable, untaught)
        else:
            drawings.plot_attribute_matrix(axes, table, unreliable)
        each = "a dot for each set with its interval" if dotted else "a column for each set"
        spans = "with 95 % intervals" if dotted else "in %; their intervals are in the numbers behind"
        self._stage.figure(
            (figure, table),
            "prevalence",
            alt=f"Share of images called present, a row for each of 47 attributes, {each}.",
            caption=f"Prevalence of the attributes {spans}. Grey: too unreliable{', or not taught' * dotted}.",
        )

    def comparer(self) -> None:
        """Two sets side by side under the reader's hand, where there is a reader."""
        if not in_batch():
            from IPython.display import display

            display(set_comparer(self._compared.prevalences, self._looks))

    def separability(self) -> None:
        """Whether the drift is of the faces or of the pictures' quality."""
        table = self._compared.separability.copy()
        for name in self._compared.degradations:
            low, high = (table.pop(f"{end}, {name}") for end in ("low", "high"))
            spans = zip(table[f"excess, {name}"], low, high, strict=True)
            table[f"excess, {name}"] = [f"{value:.3f} [{start:.3f}, {end:.3f}]" for value, start, end in spans]
            judged = zip(table[f"separable, {name}"], table.pop(f"p, {name}"), strict=True)
            table[f"separable, {name}"] = [f"{'yes' if yes else 'no'} (p {p_in_words(p, False)})" for yes, p in judged]
        self._table(
            table,
            "separability",
            f"Shares in {self._first} and {self._second}. Drift: called in {self._second} minus {self._first}; "
            f"residual: degraded images of {self._first} minus the originals; excess: by how much the drift exceeds "
            "the residual, with its 95 % interval; p: that it does not, corrected for all attributes (Holm).",
            floats="%.3f",
        )

    def truth(self) -> None:
        """How far the shares are off where the truth is known, and so whether adjusting them helps."""
        table, off = self._compared.truth, tables.errors_of_shares(self._compared.truth, self._compared.attributes)
        if off is None:
            self._stage.say(
                "Adjusted shares are not shown: no set's truth is known here, or the classifier does not say how well "
                "its error rates are known, so that nobody can tell whether they come nearer to the truth."
            )
            return
        columns = {"set": "set", "attribute": "attribute", "images": "images", "truth": "truth", "prevalence": "called"}
        nearer = off["adjusted"] < off["prevalence"]
        if nearer:
            columns |= {"adjusted": "adjusted", "adjusted_low": "95 % low", "adjusted_high": "95 % high"}
        self._table(
            table[list(columns)].rename(columns=columns),
            "truth",
            "Shares in the images in which an attribute is defined, and the ground truth of these images.",
            floats="%.3f",
            folded=True,
        )
        self._stage.say(
            f"Over these images the share called present is off by {100 * off['prevalence']:.1f} points in the mean, "
            f"the adjusted one by {100 * off['adjusted']:.1f}."
            + ("" if nearer else " It comes no nearer, and is not shown.")
        )

    def divergence(self) -> None:
        """The attributes that differ most, in both directions."""
        drift, forward = self._compared.drift, f"KL({self._first} || {self._second})"
        figure, axes = plots.new_figure(width=7.2, height=6.2)
        largest = drift.sort_values("js", ascending=False).head(20)
        colours = tuple(self._looks.of_set(name).colour for name in (self._first, self._second))
        drawings.plot_both_ways(axes, largest, forward, f"KL({self._second} || {self._first})", colours)
        self._stage.figure(
            (figure, drift),
            "divergence",
            alt=f"Divergence of the twenty attributes that differ most between {self._first} and {self._second}, "
            "in both directions.",
            caption=f"The attributes that differ most between {self._first} and {self._second}.",
        )

    def drifted(self) -> None:
        """Which attributes differ beyond chance, and by more than poorer pictures explain."""
        drift, counts = self._compared.drift, compute.separable_counts(self._compared)
        more, less = (
            ", ".join(map(attribute_in_words, names[:MOST_NAMED])) or "none"
            for names in tables.more_and_less_frequent(drift)
        )
        bounds = " and ".join(f"{count} ({name})" for name, count in counts.items())
        self._stage.say(
            f"{len(tables.drifted(drift))} of {len(drift)} attributes differ beyond chance; {bounds} of these by "
            f"more than poorer pictures explain. More frequent in {self._second}: {more}; less frequent: {less}."
        )

    def directed(self) -> None:
        """Divergence of every set from every other."""
        figure, panels = self._matrices(2, 5.6)
        titles = {"KL(p || q)": "sum over variables", "joint KL(p || q)": "all together"}
        for ax, (column, title) in zip(panels, titles.items(), strict=True):
            self._matrix(ax, self._compared.directed, ("p", "q", column), "nats")
            ax.set(title=f"KL(row || column), {title}", xlabel="column", ylabel="row")
        self._stage.figure(
            (figure, self._compared.directed),
            "directed",
            alt="Two heat maps of the divergence of every set from every other, by variable and jointly.",
            caption="Directed divergence. A small number means that the column's set explains the row's.",
        )

    def together(self) -> None:
        """Which attributes go together more or less in the second set."""
        phi, names = self._compared.phi, self._compared.attributes
        pairs = tables.attribute_pairs(phi, names)
        figure, axes = plots.new_figure(width=9.2, height=7.6)
        labels = [attribute_in_words(name) for name in names]
        once = np.where(np.tri(len(names), k=-1, dtype=bool), phi, np.nan)
        change = f"phi in {self._second} minus {self._first}"
        plots.plot_matrix(axes, once[1:, :-1], labels[1:], labels[:-1], change, signed=True, digits=None)
        axes.tick_params(labelsize=7)
        self._stage.figure(
            (figure, pairs),
            "together",
            alt="Heat map of the difference in correlation of every two attributes, "
            f"{self._second} minus {self._first}.",
            caption=f"Which attributes go together more (red) or less (blue) in {self._second} than in {self._first}.",
        )
        strongest = tables.largest_first(pairs, "phi, difference", 8)
        caption = "The pairs whose correlation changes most."
        self._table(strongest, "together_most", caption, floats="%.3f")

    def conditional(self) -> None:
        """Where shares within a group differ most."""
        if self._compared.conditional is None:
            self._stage.say(
                "Shares within a group are not shown: no reliably classified group has enough images in both sets."
            )
            return
        widest = tables.largest_first(self._compared.conditional, "difference", 12).reset_index()
        caption = "Attributes whose share among men or within an ancestry differs most."
        self._table(widest, "conditional", caption, floats="%.3f")

    def support(self) -> None:
        """Who lies within whose support, and whose attributes predict whose."""
        transfers = self._compared.transfer["auc"].notna().any()
        figure, panels = self._matrices(2 + transfers, 4.6)
        for ax, (by, part) in zip(panels, self._compared.support.groupby("by", sort=False), strict=False):
            self._matrix(ax, part, ("of", "within", "share"), "share")
            ax.set(title=by, xlabel="within the support of", ylabel="images of")
        if transfers:
            self._matrix(panels[2], self._compared.transfer, ("taught on", "tested on", "auc"), "mean AUC")
            panels[2].set(title="attributes from the others", xlabel="tested on", ylabel="taught on")
        self._stage.figure(
            (figure, self._compared.support),
            "support",
            alt="Heat maps: share of each set's images within another's support, by profile and by embedding; "
            "transfer AUC.",
            caption="Support and transfer between the sets. On the diagonal, two halves of one set that share no "
            "identity.",
        )
        caption = "Attributes predicted from the others, mean AUC."
        self._table(self._compared.transfer, "transfer", caption, floats="%.3f", folded=True)

    def _matrices(self, count: int, width: float) -> tuple[Figure, Any]:
        """Room for heat maps of all sets, each with its numbers: beside one another, or below where sets are many."""
        sets = len(self._compared.sets)
        if sets <= MOST_BESIDE:
            return plots.new_figure(columns=count, width=width, height=0.8 * width)
        return plots.new_figure(rows=count, width=2.4 + 0.38 * sets, height=1.8 + 0.3 * sets)

    def _matrix(self, axes: Any, table: pd.DataFrame, columns: tuple[str, str, str], label: str) -> None:
        """A table of row set, column set and value as a heat map of all sets."""
        names = list(self._compared.sets)
        row, column, value = columns
        square = table.pivot(index=row, columns=column, values=value).reindex(index=names, columns=names)
        plots.plot_matrix(axes, square.to_numpy(), names, names, label)

    def direction(self) -> None:
        """Who explains whom."""
        rows = [
            {
                "first": d.first,
                "second": d.second,
                "KL(first || second)": d.asymmetry.forward,
                "KL(second || first)": d.asymmetry.backward,
                "ratio": d.ratio,
                "difference": d.asymmetry.difference,
                "95 % low": d.asymmetry.interval.low,
                "95 % high": d.asymmetry.interval.high,
                "p that they differ, corrected": p_in_words(d.p_corrected, self._at_floor(d.p_value)),
                "verdict": d.verdict,
            }
            for d in self._compared.directions.values()
        ]
        caption = (
            "Which of two sets explains the other, by the sum over variables; the difference is corrected for the "
            "small number of identities, and above 0 the first explains the second better."
        )
        self._table(pd.DataFrame(rows), "direction", caption, floats="%.3f")

    def _at_floor(self, p: float) -> bool:
        """Whether no random split or shuffle came as far."""
        return p * (1 + self._stage.parameters.shuffles) < 1.5

    def _clause(self, p: float, corrected: float | None = None) -> str:
        return p_clause(p if corrected is None else corrected, self._at_floor(p))

    def asymmetry(self) -> None:
        """What rare values add to the divergence, and which attributes carry the asymmetry."""
        first, second = self._first, self._second
        caption = f"{first} against {second} at several pseudo-counts: what rare values add."
        self._table(self._compared.smoothing, "pseudo_counts", caption, floats="%.3f")
        self._table(
            tables.carried_asymmetry(self._compared.drift)[
                ["attribute", "difference", "forward", "backward", "asymmetry"]
            ],
            "asymmetry",
            f"The attributes that carry the asymmetry between {first} (forward: KL({first} || {second})) and {second}.",
            floats="%.4f",
        )

    def drift_and_accuracy(self) -> None:
        """Whether accuracy is lost where attributes drift."""
        if self._compared.gaps.empty:
            return
        figure, axes = plots.new_figure(width=8.2, height=5.8)
        plots.plot_named_points(axes, self._compared.gaps, "drift", "gap", "attribute", most_named=MOST_POINTS_NAMED)
        axes.set(xlabel=f"prevalence in {self._second} minus {self._first}", ylabel="accuracy, baseline minus CLS")
        self._stage.figure(
            (figure, self._compared.gaps),
            "drift_accuracy",
            alt="Accuracy lost on pairs that carry an attribute, over the drift of the attribute's prevalence.",
            caption="Is accuracy lost where attributes drift? The outermost points are named; the numbers behind "
            "this figure hold the names of all.",
        )

    def correlations(self) -> None:
        """How the accuracy lost goes with each measure of drift."""
        measures = {
            "size of drift": "the size of the drift",
            "forward": f"KL({self._first} || {self._second})",
            "backward": f"KL({self._second} || {self._first})",
        }
        correlations = {name: each for name, each in self._compared.correlations.items() if each is not None}
        for name, each in correlations.items():
            self._stage.say(
                f"Rank correlation of the accuracy lost with {measures[name]}: {each.value:.2f} over {each.attributes} "
                f"attributes, {self._clause(each.p_value, each.p_corrected)}, corrected for {len(correlations)} such "
                f"measures; with signs flipped at random by kind of attribute, it is {each.low:.2f} to {each.high:.2f} "
                "in 95 %."
            )
        if not correlations:
            self._stage.say("Not estimable: fewer than five attributes are carried by enough pairs.")

    def what_was_found(self) -> None:
        """The second paper's claim, on these sets."""
        first, second = self._first, self._second
        way, directed = self._compared.directions[first, second], self._compared.directed.set_index(["p", "q"])
        joint, span = directed["joint KL(p || q)"], way.asymmetry.interval
        self._stage.say(
            "The second paper found that authentic samples explain the synthetic ones and not the reverse: "
            "KL(synthetic || authentic) far below KL(authentic || synthetic). Here, over "
            f"{len(self._compared.attributes)} attributes, the former is {way.asymmetry.backward:.3f} nats and the "
            f"latter {way.asymmetry.forward:.3f} (that the sets differ: {self._clause(way.p_value, way.p_corrected)}); "
            "the latter minus the former, corrected for the small number of identities, is "
            f"{way.asymmetry.difference:.3f} [{span.low:.3f}, {span.high:.3f}]: **{way.verdict}**. The variables are "
            "summed as if they were independent. All attributes together give "
            f"{joint[second, first]:.3f} and {joint[first, second]:.3f} nats, from which no direction is judged, since "
            f"their intervals treat the classifier as fixed. {self._yardstick()}{self._limits()}"
        )

    def _yardstick(self) -> str:
        """The same between authentic sets."""
        roles = {name: each.role for name, each in self._compared.sets.items()}
        return "".join(
            f"Between the authentic sets {d.first} and {d.second} the two are {d.asymmetry.forward:.3f} and "
            f"{d.asymmetry.backward:.3f} "
            f"nats ({d.verdict}). "
            for (a, b), d in self._compared.directions.items()
            if roles[a] == roles[b] == "authentic"
        )

    def _limits(self) -> str:
        """What the rendered sets can't tell."""
        if self._compared.sets[self._first].truth is None:
            return ""
        return (
            "Both authentic sets come from one renderer and both synthetic ones from one generator that was trained on "
            "one of them, so that a part of any asymmetry is by construction; and nothing here applies to real people."
        )
