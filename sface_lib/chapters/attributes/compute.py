"""The comparison of notebook 06: what each set shows, which differ, and whom the differences explain."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from accelerate import Accelerator

from sface_lib.attributes import Annotations, AttributeClassifier
from sface_lib.attributes.comparison import (
    AnnotatedSet,
    Direction,
    against_truth,
    compare_all,
    directed_totals,
    directions,
    divergence_table,
    phi_difference,
    prevalences,
    splits_for,
)
from sface_lib.attributes.divergence import by_pseudo_count, compare_tallies
from sface_lib.attributes.drift import RankCorrelation, correlate
from sface_lib.attributes.support import support_table, transfer_table
from sface_lib.chapters.attributes import sets as gathering
from sface_lib.chapters.attributes import tables
from sface_lib.chapters.attributes.parameters import AttributesParameters
from sface_lib.chapters.attributes.results import (
    AttributeFindings,
    AttributesResults,
    DirectedFacts,
    DirectionFacts,
    DriftCorrelation,
    SetFacts,
)
from sface_lib.chapters.attributes.sets import AttributeSet
from sface_lib.chapters.handover import CORRECT
from sface_lib.chapters.plans import Plans, record_plan
from sface_lib.chapters.shared import BASELINE
from sface_lib.chapters.study import Study
from sface_lib.chapters.training.plan import model_name
from sface_lib.chapters.training.results import BY_LABELS
from sface_lib.data import open_faces
from sface_lib.generators import generate_unlabelled, open_generator
from sface_lib.generators.sampling import can_mix
from sface_lib.privacy.verdict import ALPHA, holm
from sface_lib.recognition import Embedder, RecognitionModel, open_model

PLAN = "plans/attributes.json"
COLUMNS = {
    "KL(p || q)": "sum_over_variables",
    "p-value": "p_value",
    "joint KL(p || q)": "joint",
    "95 % low": "low",
    "95 % high": "high",
    "AUC": "auc",
    "calibration error": "calibration_error",
}  # Of the table of directed divergence, as the results name them.
DRIFTS = ("size of drift", "forward", "backward")


@dataclass(frozen=True, eq=False)
class ComparedSets:
    """Everything that notebook 06 shows and says; tables are `pandas.DataFrame`s.

    Attributes
    ----------
    plans
        Of the claims, recorded before any image was annotated.
    first, second
        The authentic and the synthetic set whose drift is told.
    given, sets
        The compared sets, and what is annotated of them, by name: the reliable attributes alone.
    confidence
        Set -> mean confidence of its labels.
    prevalences
        Of every attribute, the unreliable ones too: see `attributes.comparison.prevalences`; adjusted shares only
        where they come nearer to the truth than the called ones.
    truth
        Shares beside the ground truth, where it is known: see `attributes.comparison.against_truth`.
    degradations, separability
        What was done to images of the first set, and whether an attribute's drift is more than it explains.
    drift
        Each attribute of the two: see `attributes.comparison.divergence_table`.
    directed
        Divergence of every set from every other, by variable and jointly.
    directions
        Who explains whom, for every two sets.
    phi
        Correlation of every two attributes in the second set minus that in the first, float64 `[A, A]`.
    conditional
        Shares within a group in both sets; None where no group is told reliably and has images enough in both.
    support, transfer, smoothing
        See `attributes.support` and `attributes.divergence.by_pseudo_count`.
    gaps, correlations
        Accuracy lost on pairs that carry an attribute, and its rank correlation with measures of drift: see
        `correlations`.
    """

    plans: Plans
    first: str
    second: str
    given: tuple[AttributeSet, ...]
    sets: Mapping[str, AnnotatedSet]
    confidence: Mapping[str, float]
    prevalences: pd.DataFrame
    truth: pd.DataFrame
    degradations: tuple[str, ...]
    separability: pd.DataFrame
    drift: pd.DataFrame
    directed: pd.DataFrame
    directions: Mapping[tuple[str, str], Direction]
    phi: np.ndarray
    conditional: pd.DataFrame | None
    support: pd.DataFrame
    transfer: pd.DataFrame
    smoothing: pd.DataFrame
    gaps: pd.DataFrame
    correlations: Mapping[str, RankCorrelation | None]

    @property
    def attributes(self) -> tuple[str, ...]:
        """Those that are told reliably."""
        return self.sets[self.first].names


def compare(
    stage: Any, study: Study, classifier: AttributeClassifier | None, embedder: Embedder
) -> ComparedSets | None:
    """Annotate and compare all sets of a stage; None without a classifier."""
    if classifier is None:
        return None
    p, accelerator = stage.parameters, embedder.accelerator
    given = open_sets(stage, study, accelerator)
    plans = record_plan(stage, PLAN, plan_comparison(given, classifier, p))
    told = {each.name: gathering.annotate(each, classifier, embedder, p.seed) for each in given}
    annotations = {name: of_set for name, (_, of_set) in told.items()}
    reliable = classifier.reliable(p.attribute_reliability)
    sets = {name: whole.only(reliable) for name, (whole, _) in told.items()}
    first, second = compared_pair(list(sets.values()))
    given_draws = classifier.reliability, p.bootstrap_resamples, p.seed
    truth = against_truth(list(sets.values()), *given_draws)
    shares = prevalences([whole for whole, _ in told.values()], *given_draws)
    shares = tables.without_poor_adjustment(shares, tables.errors_of_shares(truth, sets[first].names))
    whose = {each.name: each for each in given}
    positions, poorer = gathering.degraded(whose[first], whose[second], classifier, accelerator, p.seed)
    poorer = {name: labels[:, reliable] for name, labels in poorer.items()}
    tallies = [sets[name].tally(variables=False) for name in (first, second)]
    by_attribute = compare_tallies(*tallies, max(p.shuffles, splits_for(len(tallies[0].variables))), p.seed)
    together = compare_all(list(sets.values()), True, p.shuffles, p.seed)
    drift = divergence_table(by_attribute)
    totals = directed_totals(list(sets), together)
    gaps = _lost_accuracy(stage, study, classifier, embedder, reliable, second, drift)
    return ComparedSets(
        plans=plans,
        first=first,
        second=second,
        given=tuple(given),
        sets=sets,
        confidence={name: float(of_set.confidence[:, reliable].mean()) for name, (_, of_set) in told.items()},
        prevalences=shares,
        truth=truth,
        degradations=tuple(poorer),
        separability=tables.separability_table(
            sets[first], sets[second], positions, poorer, shares, p.bootstrap_resamples, p.seed
        ),
        drift=drift,
        directed=totals.merge(tables.joint_table(sets, p.bootstrap_resamples, p.seed), on=["p", "q"]),
        directions=directions(sets, together, p.bootstrap_resamples, p.seed),
        phi=phi_difference(sets[first], sets[second]),
        conditional=tables.conditional_shares(sets[first], sets[second]),
        support=_support(p, open_model(study.verifier), given, sets, classifier, annotations, embedder),
        transfer=transfer_table({n: (each.labels, each.units) for n, each in sets.items()}, sets[first].names, p.seed),
        smoothing=by_pseudo_count(sets[first].tally(True), sets[second].tally(True)),
        gaps=gaps,
        correlations=correlations(gaps, p.shuffles, p.seed),
    )


def correlations(gaps: pd.DataFrame, shuffles: int, seed: int) -> dict[str, RankCorrelation | None]:
    """Rank correlation of the accuracy lost with each of `DRIFTS`, p-values corrected for all of them by Holm."""
    each = {} if gaps.empty else {column: correlate(gaps, column, "gap", shuffles, seed) for column in DRIFTS}
    estimated = {name: correlation for name, correlation in each.items() if correlation is not None}
    corrected = holm([correlation.p_value for correlation in estimated.values()]).tolist()
    pairs = zip(estimated.items(), corrected, strict=True)
    return dict.fromkeys(DRIFTS) | {name: replace(correlation, p_corrected=p) for (name, correlation), p in pairs}


def _lost_accuracy(
    stage: Any,
    study: Study,
    classifier: AttributeClassifier,
    embedder: Embedder,
    reliable: np.ndarray,
    name: str,
    drift: pd.DataFrame,
) -> pd.DataFrame:
    """See `tables.lost_accuracy`, of the model by labels of a set; empty where that or the baseline is missing."""
    correct = pd.read_csv(stage.input(CORRECT)) if stage.inputs(CORRECT) else pd.DataFrame()
    model = next((each for each in (model_name(way, name) for way in BY_LABELS) if each in correct), None)
    if model is None or BASELINE not in correct:
        return pd.DataFrame()
    carried = gathering.evaluated_attributes(study, classifier, embedder, stage.parameters.seed)
    names = tuple(np.array(classifier.names)[reliable])
    return tables.lost_accuracy(correct, model, tuple(side[:, reliable] for side in carried), names, drift)


def open_sets(stage: Any, study: Study, accelerator: Accelerator) -> list[AttributeSet]:
    """The sets to compare; the unlabelled one, whose images mix two classes, is drawn now."""
    p = stage.parameters
    drawn = next((each for each in study.synthetic if each.generated), None)
    if drawn is None:
        return gathering.attribute_sets(study, None)
    generator, mixed = open_generator(stage.input("weights/generator.safetensors")), None
    if can_mix(generator):
        out = stage.output(gathering.UNLABELLED)
        generator.to(accelerator.device)
        mixed = open_faces(generate_unlabelled(out, generator, accelerator, len(drawn.faces) // 2, p.seed, p.psi))
    return gathering.attribute_sets(study, mixed)


def plan_comparison(
    given: Sequence[AttributeSet], classifier: AttributeClassifier, p: AttributesParameters
) -> dict[str, Any]:
    """The three families of claims, as JSON: fixed before any image of the sets is annotated."""
    first, second = compared_pair(given)
    names = np.array(classifier.names)[classifier.reliable(p.attribute_reliability)].tolist()
    shared = {
        "classifier": classifier.fingerprint,
        "sets": {each.name: each.faces.fingerprint for each in given},
        "resamples": p.bootstrap_resamples,
        "seed": p.seed,
        "alpha": ALPHA,
    }
    drift = {"claims": names, "splits": max(p.shuffles, splits_for(len(names))), "correction": "Holm, over attributes"}
    pairs = [f"{one.name} against {other.name}" for one, other in itertools.combinations(given, 2)]
    differ = {"claims": pairs, "splits": p.shuffles, "correction": "Holm, over all pairs of sets"}
    lost = {"claims": list(DRIFTS), "shuffles": p.shuffles, "correction": "Holm, over the measures of drift"}
    return {
        f"attributes of {first} and {second}": drift | shared,
        "divergence of sets": differ | shared,
        f"accuracy lost with {second}, by drift": lost | shared,
    }


def compared_pair(sets: Sequence[AnnotatedSet | AttributeSet]) -> tuple[str, str]:
    """Names of the first set and of the first synthetic one."""
    return sets[0].name, next(each.name for each in sets if each.role == "synthetic")


def separable_counts(comparison: ComparedSets) -> dict[str, int]:
    """Degradation -> how many of the attributes that differ do so by more than it explains."""
    table, differ = comparison.separability, tables.drifted(comparison.drift)["attribute"]
    beyond = table[table["attribute"].isin(differ)]
    return {name: int(beyond[f"separable, {name}"].sum()) for name in comparison.degradations}


def _support(
    p: AttributesParameters,
    verifier: RecognitionModel,
    given: Sequence[AttributeSet],
    sets: Mapping[str, AnnotatedSet],
    classifier: AttributeClassifier,
    annotations: Mapping[str, Annotations],
    embedder: Embedder,
) -> pd.DataFrame:
    """Support of every set within every other, by attribute profile and by the verifier's embedding (column `by`)."""
    by = {
        "attribute profile": {name: (each.probability, each.units) for name, each in sets.items()},
        "face embedding": {
            each.name: gathering.sample_embeddings(verifier, each, classifier, annotations[each.name], embedder, p.seed)
            for each in given
        },
    }
    return pd.concat(support_table(each, p.bootstrap_resamples, p.seed).assign(by=name) for name, each in by.items())


def results(comparison: ComparedSets | None, classifier: AttributeClassifier | None, least: float) -> AttributesResults:
    """What later chapters and readers of the run folder find; `least` is the reliability that was asked for."""
    if comparison is None:
        return AttributesResults(None)
    renamed = comparison.directed.rename(columns=COLUMNS)
    return AttributesResults(
        AttributeFindings(
            classifier=gathering.classifier_facts(classifier, least),
            sets=tuple(SetFacts(each.name, each.role, len(each.faces)) for each in comparison.given),
            compared=(comparison.first, comparison.second),
            drifted=tuple(tables.drifted(comparison.drift)["attribute"]),
            attributes=comparison.attributes,
            separable=separable_counts(comparison),
            directed=tuple(DirectedFacts(**row) for row in renamed.to_dict("records")),
            directions=tuple(map(_facts, comparison.directions.values())),
            drift_accuracy={
                name: each and DriftCorrelation(each.value, each.p_corrected)
                for name, each in comparison.correlations.items()
            },
        )
    )


def _facts(d: Direction) -> DirectionFacts:
    return DirectionFacts(
        first=d.first,
        second=d.second,
        forward=d.asymmetry.forward,
        backward=d.asymmetry.backward,
        ratio=d.ratio,
        difference=d.asymmetry.difference,
        low=d.asymmetry.interval.low,
        high=d.asymmetry.interval.high,
        p=d.p_corrected,
        verdict=d.verdict,
    )
