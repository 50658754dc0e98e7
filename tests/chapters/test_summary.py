"""Which judge's link stands beside the accuracies, and what the summary may say of it."""

from dataclasses import replace

import numpy as np
import pytest
from audit_facts import PERFECT, a_judge, audit_facts, privacy_results
from trained_models import NAMES, trained, training

from sface_lib.biometrics import verification_metrics
from sface_lib.chapters.attributes.results import (
    AttributeFindings,
    AttributesResults,
    ClassifierFacts,
    DirectionFacts,
)
from sface_lib.chapters.data.results import DataResults
from sface_lib.chapters.evaluation.results import Accuracy, EvaluationResults, Gap
from sface_lib.chapters.generation.results import GeneratedFacts, GenerationResults
from sface_lib.chapters.looks import Looks
from sface_lib.chapters.privacy.results import (
    AlarmFacts,
    ChanceFacts,
    ClaimFacts,
    LeakFacts,
    LinkAtChance,
    PlantedFacts,
)
from sface_lib.chapters.published import SAME_SETS, published
from sface_lib.chapters.summary import headline, show
from sface_lib.chapters.summary.answer import gives_away
from sface_lib.chapters.summary.compute import choose_judge, results, summarise

LOOKS = Looks([])

LINKED = PERFECT
AT_CHANCE = verification_metrics([0.9, 0.1], [0.9, 0.1])  # AUC 0.5.
BETWEEN = verification_metrics([0.9, 0.3], [0.1, 0.5])  # AUC 0.75.


PIXELS = a_judge(competent=False, sha256=None)


def chosen(judges, links, teacher="teacher"):
    return choose_judge(judges, [audit_facts(links)], teacher)


def test_the_judge_is_the_one_that_sees_the_larger_link():
    judges = {"a": a_judge(), "b": a_judge(), "raw pixels": PIXELS}
    found = chosen(judges, {"a": AT_CHANCE, "b": BETWEEN, "raw pixels": LINKED})
    assert (found.name, found.standing) == ("b", "impartial")
    assert not any(map(found.doubts, (False, True)))


def test_a_teacher_does_not_judge_where_another_can_though_it_sees_more():
    found = chosen({"a": a_judge(), "b": a_judge(sha256="teacher")}, {"a": BETWEEN, "b": LINKED})
    assert (found.name, found.standing) == ("a", "impartial")


def test_a_teacher_that_is_the_only_competent_judge_is_doubted_for_those_it_taught():
    judges = {"a": a_judge(sha256="teacher"), "b": a_judge(competent=False), "raw pixels": PIXELS}
    found = chosen(judges, {"a": BETWEEN, "b": LINKED, "raw pixels": LINKED})
    assert (found.name, found.standing) == ("a", "teacher")
    assert not found.doubts(taught=False) and found.doubts(taught=True)


def test_without_a_competent_judge_every_link_is_doubted():
    """Raw pixels are no judge, even where they tell the identities apart."""
    judges = {"a": a_judge(competent=False), "raw pixels": replace(PIXELS, competent=True)}
    found = chosen(judges, {"a": AT_CHANCE, "raw pixels": LINKED}, "")
    assert (found.name, found.standing) == ("raw pixels", "incompetent")
    assert all(map(found.doubts, (False, True)))


CLS = "CLS generated"


def accuracy(mean, verdict="learnt"):
    return Accuracy(mean, 0.0, mean - 0.05, mean + 0.05, verdict)


MEANS = (0.9, 0.8, 0.85, 0.6)
MODELS = {name: accuracy(mean) for name, mean in zip(NAMES, MEANS, strict=True)} | {
    "CL generated": accuracy(0.6, "did not learn")
}
REFERENCES = {"raw pixels": accuracy(0.55, "reference"), "untrained": accuracy(0.56, "reference")}
TRAINING = training()
DATA = DataResults(True, 4000, 200, 0, "f", 2400, 120, 0, 0, 0, 0, 3000, ("first", "second"), 60, (1, 2), ())
GENERATED = GeneratedFacts("stylegan2", 25.0, 0.0, 100.0, 1000, 1440, 120, 64, {}, None, (), "no", "cpu")
GENERATION = GenerationResults(GENERATED, {}, {})


def evaluation(benchmarks=("first", "second")):
    found = {name: REFERENCES | MODELS | {"KT generated 20": accuracy(0.7)} for name in benchmarks}
    means = {name: each.mean for name, each in found["first"].items()}
    gap = {name: {CLS: Gap(0.1, None, None)} for name in benchmarks}
    if len(benchmarks) > 1:
        gap["mean"] = {CLS: Gap(0.09, 0.05, 0.13)}
    return EvaluationResults({}, (1, 2), 64, {}, 1, found, means, gap, (), None, ("it is small",))


def privacy(sha256="judge", low=0.45, high=0.55, link=BETWEEN, **changes):
    return privacy_results({"a": a_judge(sha256=sha256)}, audit_facts({"a": link}, low, high, **changes))


def test_each_model_stands_beside_the_link_of_its_own_training_images():
    summary = summarise(privacy(), TRAINING, evaluation())
    assert summary.benchmark == "first"
    assert [(m.name, m.learns_from, m.accuracy.mean, m.link.auc) for m in summary.models] == [
        ("baseline", "authentic", 0.9, 1.0),
        (CLS, "generated", 0.8, 0.75),
        ("KT generated", "generated", 0.85, 0.75),
        ("CL generated", "generated", 0.6, 0.75),
    ]
    assert [(each.name, each.learns_from, each.link) for each in summary.references] == [
        ("raw pixels", "none", None),
        ("untrained", "none", None),
    ]


def test_the_table_greys_the_links_that_are_doubted_and_those_alone():
    table, grey = show.overview(summarise(privacy("teacher"), TRAINING, evaluation()))
    assert table["model"].tolist() == [*NAMES, "raw pixels", "untrained"]
    assert grey == [(2, "link EER"), (2, "link AUC"), (3, "link EER"), (3, "link AUC")]
    assert "mean of benchmarks" in table and table["link AUC"].isna().tolist() == [False] * 4 + [True] * 2


def test_one_benchmark_has_no_mean_beside_it():
    table, _ = show.overview(summarise(privacy(), TRAINING, evaluation(("first",))))
    assert "mean of benchmarks" not in table


def test_the_frontier_is_drawn_over_the_links_auc_from_chance_on():
    found = privacy(low=0.45, high=0.6)
    figure, numbers = show.frontier(summarise(found, TRAINING, evaluation()), LOOKS)
    places = [line.get_xdata()[0] for line in figure.axes[0].lines if line.get_marker() not in ("_", "None")]
    assert numbers["link AUC"].tolist() == [1.0, 0.75, 0.75, 0.75]
    assert places[0] == 1 and places[2] == 0.75 == pytest.approx(np.mean(places[1:4]))  # Side by side where equal.
    assert 0.4 < figure.axes[0].get_xlim()[0] < 0.45


def test_a_link_below_chance_is_drawn_too():
    found = privacy(low=0.55, high=0.6, link=AT_CHANCE)
    figure, _ = show.frontier(summarise(found, TRAINING, evaluation()), LOOKS)
    assert 0.45 < figure.axes[0].get_xlim()[0] < 0.5


# Without models, and with given ones


def test_without_models_every_set_stands_beside_its_links():
    summary = summarise(privacy(), None, None)
    assert (summary.benchmark, summary.references) == (None, ())
    table, grey = show.overview(summary)
    assert table.columns.tolist() == ["set", "link EER", "link AUC", "label-free"] and grey == []
    assert table[["set", "link AUC"]].to_numpy().tolist() == [["generated", 0.75]]
    assert show.overview_caption(summary) == "The links of each set by the a."
    assert show.teaches(summary, DATA, GENERATION, None).endswith("Nothing was trained and no network given.")
    assert "accuracy" not in " ".join(show.beside_published(summary, None)[0]["what"])


def test_given_networks_are_told_without_a_gap_where_there_is_no_baseline():
    given = trained("given generated")
    found = evaluation()
    accuracies = {b: REFERENCES | {given.name: accuracy(0.7)} for b in found.accuracy}
    means = {given.name: 0.7} | dict.fromkeys(REFERENCES, 0.55)
    found = replace(found, accuracy=accuracies, mean_accuracy=means, gap={}, doubts=())
    summary = summarise(privacy(), replace(TRAINING, models=(given,), teacher_sha256=None), found)
    assert [(m.name, m.link.auc) for m in summary.models] == [("given generated", 0.75)]
    said = show.teaches(summary, DATA, GENERATION, found)
    assert "without a baseline to compare with" in said and "gap" not in said
    assert (
        "- generated: 70.0 % [65.0, 75.0] on first (learnt), 70.0 % in the mean, by the network that was given" in said
    )


# The answer

LINK, RANK, IMAGES = "same-label link, AUC", "rank-1 identification", "membership of images within persons, AUC"


def claim(verdict, name=LINK, by="a", notes=(), p=0.01, value=0.9):
    return ClaimFacts(
        name,
        by,
        value,
        0.5,
        0.85,
        0.95,
        p,
        False,
        verdict,
        verdict == "above chance",
        verdict.startswith("no claim"),
        notes,
        100,
        10,
    )


def asked(*claims, sounding=None):
    """The answer to these claims; an alarm of judge "a" sounds for a share of the images."""
    alarm = AlarmFacts(1.4, 0.001, 0.05, sounding)
    found = privacy(claims=claims, planted={"a": PlantedFacts(alarm, None)})
    return gives_away(found, found.sets[0]), found.sets[0]


EQUIVALENT = "equivalent to chance (within ±0.02)"


def test_one_claim_above_chance_by_a_competent_judge_is_a_yes():
    found, _ = asked(claim("above chance"), claim("not decided at this size", IMAGES, p=0.4))
    assert (found.word, len(found.judged), [c.claim for c in found.above]) == ("yes", 2, [LINK])


@pytest.mark.parametrize("note", ["exploratory", "demographics not excluded"])
def test_a_claim_with_a_restriction_decides_nothing_by_itself(note):
    found, run = asked(claim("above chance", notes=(note,)))
    assert (found.word, found.above, len(found.restricted)) == ("undecided", (), 1)
    assert f"Above chance with a restriction: {LINK}, by the a ({note})" in show.gives_away(found, run)
    assert asked(claim("above chance", notes=(note,)), claim("above chance", RANK))[0].word == "yes"


def test_one_judge_alone_is_enough_and_is_said():
    found, run = asked(claim("above chance", notes=("one judge alone",)))
    assert found.word == "yes" and "(p = 0.01, a, one judge alone)" in show.gives_away(found, run)


def test_no_needs_all_that_can_be_equivalent_and_no_alarm():
    """Identification has no margin within which it would count as equivalent."""
    equal = claim(EQUIVALENT, p=0.8), claim(EQUIVALENT, IMAGES, notes=("exploratory",), p=0.6)
    undecided = claim("not decided at this size (detectable effect ±0.1)", RANK, p=0.7)
    assert asked(*equal, undecided)[0].word == "no"
    assert asked(*equal, claim("not decided at this size", p=0.7))[0].word == "undecided"
    assert asked(*equal, claim("above chance", IMAGES, notes=("exploratory",)))[0].word == "undecided"
    found, run = asked(*equal, sounding=0.01)
    said = show.gives_away(found, run)
    assert found.word == "undecided" and "An alarm for copies sounds by a." in said
    assert "is above chance, and all testable for equivalence are equivalent." in said
    found, run = asked(*equal, undecided, sounding=0.0)
    assert "away? No.** None of 3 claims on the link by the judge a, after Holm" in show.gives_away(found, run)
    assert "No alarm for copies sounds" in show.gives_away(found, run)
    unknown = replace(run, planted={"a": PlantedFacts(AlarmFacts(None, None, 0.0, None), None)})
    nowhere = replace(run, planted={})
    assert gives_away(privacy(), unknown).word == "undecided" == gives_away(privacy(), nowhere).word
    assert "are not calibrated at this size" in show.gives_away(gives_away(privacy(), unknown), unknown)
    assert "Copies were not looked for" in show.gives_away(gives_away(privacy(), nowhere), nowhere)


def test_without_a_competent_judge_nothing_is_answered():
    _, run = asked(claim("not judged: no competent judge", p=None))
    found = gives_away(privacy_results({"a": a_judge(competent=False)}, run), run)
    assert (found.word, found.judged) == ("undecided", ())
    assert "Undecided.** No judge tells" in show.gives_away(found, run)
    nothing, _ = asked()  # A competent judge, but neither equal labels nor persons to compare with.
    assert "Undecided.** No claim can be made of it without unseen faces" in show.gives_away(nothing, run)


def test_a_value_that_supports_no_claim_decides_nothing():
    """The label-free link of control persons who are not exchangeable with the training persons."""
    barred = claim("no claim: control and training persons differ", "label-free link, share of classes", p=None)
    assert asked(barred)[0].judged == () and asked(claim("above chance"), barred)[0].word == "yes"


BARRED = {"a": "taught the set's generator"}


def test_a_judge_that_taught_the_generator_is_not_counted_in_the_answer():
    """Neither its claims, which have no p, nor its alarm; its link is chosen only where no other may judge."""
    alarm = PlantedFacts(AlarmFacts(1.4, 0.001, 0.05, 0.01), None)
    made = claim("no claim: taught the set's generator", p=None), claim(EQUIVALENT, by="b", value=0.5, p=0.8)
    run = audit_facts({"a": LINKED, "b": BETWEEN}, claims=made, planted={"a": alarm}, barred=BARRED)
    judges = {"a": a_judge(), "b": a_judge(sha256="other")}
    found = gives_away(privacy_results(judges, run), run)
    assert (found.word, found.judges, found.judged) == ("undecided", ("b",), made[1:])
    assert found.alarms == () and not found.looked_for_copies
    said = show.gives_away(found, run)
    assert (
        "None of 1 claims on the link by the judge b" in said
        and "Not asked: the a, which taught the set's generator." in said
    )
    free = gives_away(privacy_results(judges, replace(run, barred={})), replace(run, barred={}))
    assert free.alarms == ("a",) and free.looked_for_copies


def test_where_no_judge_is_left_the_answer_says_why():
    run = audit_facts({"a": LINKED}, claims=(claim("no claim: taught the set's generator", p=None),), barred=BARRED)
    found = gives_away(privacy_results({"a": a_judge()}, run), run)
    assert (found.word, found.judges) == ("undecided", ())
    assert "No judge is left that may judge it (the a taught the set's generator), so" in show.gives_away(found, run)


def test_the_chosen_judge_is_one_that_may_judge_most_sets():
    judges = {"a": a_judge(), "b": a_judge(sha256="other"), "teacher": a_judge(sha256="teacher")}
    links = {"a": LINKED, "b": BETWEEN, "teacher": AT_CHANCE}
    first, second = audit_facts(links), audit_facts(links, name="second", barred=BARRED)
    assert choose_judge(judges, [first], "teacher").name == "a"
    found = choose_judge(judges, [first, second], "teacher")
    assert (found.name, found.standing, found.barred) == ("b", "impartial", {})
    two = {name: judges[name] for name in ("a", "teacher")}
    found = choose_judge(two, [first, second], "teacher")
    assert (found.name, found.standing, found.barred) == ("a", "impartial", {"second": BARRED["a"]})
    assert found.doubts(False, "second") and not found.doubts(True, first.name)
    found = choose_judge(two, [second], "teacher")  # Nothing that the first sees of the only set counts.
    assert (found.name, found.standing) == ("teacher", "teacher")
    assert second.nearness("a") == 0 < second.nearness("b")


def test_the_links_of_a_set_whose_generator_the_judge_taught_are_grey_and_told():
    run = privacy(barred=BARRED)
    summary = summarise(run, TRAINING, evaluation())
    _, grey = show.overview(summary)
    assert grey == [(row, column) for row in (1, 2, 3) for column in ("link EER", "link AUC")]
    said = show.who_may_know_whom(summary, DATA, run)
    assert said[0] == "The a taught the set's generator, so the links of generated are shown in grey."


def test_an_unexposed_set_says_that_a_yes_would_be_a_false_alarm():
    found, run = asked(claim("not decided", p=0.4))
    assert "would be a false alarm" not in show.gives_away(found, run)
    floor = replace(run, name="floor", exposed=False, labels="own")
    said = show.gives_away(gives_away(privacy(), floor), floor)
    assert "Does floor give" in said and "would be a false alarm" in said and "No claim uses labels" in said


def test_each_set_has_its_own_answer_in_the_results():
    first, second = privacy(claims=(claim("above chance"),)).sets[0], replace(privacy().sets[0], name="other")
    run = privacy_results({"a": a_judge()}, first, second)
    found = [gives_away(run, each) for each in run.sets]
    kept = results(found, summarise(run, TRAINING, evaluation()))
    assert kept.gives_away == {"generated": "yes", "other": "undecided"}
    assert kept.by == {"generated": (f"{LINK}, a",), "other": ()} and not kept.verifier_is_teacher


def segments(axes):
    """The bars of chance beneath the points; those of accuracies are upright."""
    lines = [
        segment for found in axes.collections if hasattr(found, "get_segments") for segment in found.get_segments()
    ]
    return [segment for segment in lines if np.ptp(segment[:, 1]) == 0]


def test_a_set_without_authentic_labels_stands_over_its_label_free_link():
    free = {"a": LinkAtChance(0.7, 0.4, 0.6, 0.01, False)}
    first = replace(privacy().sets[0], label_free={"a": LinkAtChance(0.9, 0.4, 0.6, 0.01, False)})
    none = {"metrics": {"a": {"authentic-authentic": PERFECT}}, "shuffle": {}}
    own = replace(first, name="own", labels="own", label_free=free, **none)
    models = {"CLS own": accuracy(0.75)}
    found = evaluation(("first",))
    found = replace(found, accuracy={"first": found.accuracy["first"] | models})
    found = replace(found, mean_accuracy=found.mean_accuracy | {"CLS own": 0.75})
    summary = summarise(privacy_results({"a": a_judge()}, first, own), training(trained("CLS own")), found)
    assert summary["CLS own"].link is None and summary["CLS own"].label_free.observed == 0.7
    assert summary[CLS].link.auc == 0.75 and summary["baseline"].label_free is None
    figure, numbers = show.frontier(summary, LOOKS)
    assert [ax.get_xlabel() for ax in figure.axes] == list(show.AXES.values())
    assert numbers.set_index("model").loc["CLS own", ["link AUC", "label-free"]].isna().tolist() == [True, False]
    first_null, own_null = first.label_free["a"], replace(free["a"], low=0.3, high=0.55)
    assert not segments(figure.axes[1])  # Both sets have one band, which is drawn over the whole height.
    other = replace(own, label_free={"a": own_null})
    figure, numbers = show.frontier(
        summarise(privacy_results({"a": a_judge()}, first, other), training(trained("CLS own")), found),
        LOOKS,
    )
    bars = {tuple(np.round(segment[:, 0], 9)) for segment in segments(figure.axes[1])}
    assert bars == {(first_null.low, first_null.high), (0.3, 0.55)} and 0.25 < figure.axes[1].get_xlim()[0] < 0.3
    ends = numbers.set_index("model")[["label-free, chance low", "label-free, chance high"]]
    assert ends.loc["CLS own"].tolist() == [0.3, 0.55] and ends.loc[CLS].tolist() == [0.4, 0.6]
    alone = summarise(privacy_results({"a": a_judge()}, own), training(trained("CLS own"), names=NAMES[:1]), found)
    assert len(show.frontier(alone, LOOKS)[0].axes) == 1


def test_who_is_exposed_more_is_no_answer():
    assert asked(claim("above chance", "exposure by gender, SD of group means"))[0].judged == ()


def test_the_answer_lists_each_claim_once_by_the_judge_that_sees_most():
    found, run = asked(
        claim("above chance", by="a", value=0.7),
        claim("above chance", by="b", value=0.9),
        claim("above chance", RANK, by="a", p=0.03),
    )
    assert [(c.claim, c.judge) for c in found.strongest] == [(LINK, "b"), (RANK, "a")]
    said = show.gives_away(found, run)
    counted = "3 of 3 claims on the link by the judges a and b, after Holm's correction over all planned ones,"
    assert f"Yes.** {counted} are above chance" in said
    assert f"- {LINK}: 0.900 [0.850, 0.950] where chance is 0.500 (p = 0.01, b)" in said
    assert "Demographics are not excluded" in said
    within = replace(run, chance=ChanceFacts(("gender",), True, 2, 0))
    assert "within gender, as a classifier predicts them" in show.gives_away(found, within)


def test_what_it_teaches_keeps_the_intervals_and_the_doubts_of_notebook_05():
    summary = summarise(privacy(), TRAINING, evaluation())
    said = show.teaches(summary, DATA, GENERATION, evaluation())
    assert "on authentic images reaches 90.0 % [85.0, 95.0] on first (learnt)" in said
    assert "- generated: 80.0 % [75.0, 85.0] on first (learnt), 80.0 % in the mean; gap 9.0 points [5.0, 13.0]" in said
    assert "trained for 25.0 kimg" in said and "accuracy in the mean of 2 benchmarks" in said
    assert "The gaps are **not to be relied on**, for the baseline may not have converged: it is small." in said
    sure = replace(evaluation(("first",)), doubts=())
    alone = summarise(privacy(), TRAINING, sure)
    said = show.teaches(alone, DATA, GenerationResults(replace(GENERATED, kimg=0.0), {}, {}), sure)
    assert "a generator" not in show.teaches(alone, DATA, GenerationResults(None, {}, {}), sure)
    assert (
        "accuracy:\n" in said and said.endswith("on first (learnt); gap 10.0 points") and "with given weights" in said
    )


def test_published_figures_stand_beside_those_of_this_run():
    found = privacy(claims=(claim("above chance", show.NEAREST, value=0.8),))
    table, grey = show.beside_published(summarise(found, TRAINING, evaluation()), evaluation())
    rows = {row.what: (row.here, row.published) for row in table.itertuples()}
    assert rows["authentic-synthetic, EER"] == (BETWEEN.eer, 0.292)
    assert rows[show.NEAREST] == (0.8, 0.045)
    assert rows["accuracy of baseline, mean of benchmarks"] == (0.9, pytest.approx(0.9482))
    assert (
        set(table["kind"]) == {"read", "derived"}
        and table["published"].notna().all()
        and table["what was published"].str.contains("SFace|CASIA").all()
    )
    assert grey == []
    barred = privacy(claims=(claim("above chance", show.NEAREST, value=0.8),), barred={"a": "taught its generator"})
    table, grey = show.beside_published(summarise(barred, TRAINING, evaluation()), evaluation())
    doubted = table["what"][[row for row, _ in grey]].tolist()
    assert "authentic-synthetic, AUC" in doubted and show.NEAREST in doubted
    assert not any("authentic-authentic" in what or "accuracy" in what for what in doubted)


def test_published_sets_are_joined_by_name_and_those_of_one_table_alone_stay():
    figure, table = show.published_frontier()
    known = table.set_index("set")
    assert known.loc["SFace", ["AUC against DigiFace-1M", "accuracy"]].tolist() == [0.793, 77.71]
    assert known.loc["IDnet", "accuracy"] == 79.13 and np.isnan(known.loc["MorphFace", "accuracy"])
    assert np.isnan(known.loc["Arc2Face", "AUC against DigiFace-1M"])
    assert not known.index.str.contains("authentic").any()
    assert set(SAME_SETS.values()) <= set(published("nearest_matches")["set"])
    assert set(SAME_SETS) <= set(published("field_accuracy")["method"]) and known.index.is_unique
    assert len(figure.axes[0].texts) == known[["AUC against DigiFace-1M", "accuracy"]].notna().all(axis=1).sum() == 10


def test_who_has_seen_the_persons_is_known_of_the_embedded_pair_alone():
    found = privacy()
    summary = summarise(found, TRAINING, evaluation())
    assert "share no identity" in show.who_may_know_whom(summary, DATA, found)[0]
    for data, other in ((replace(DATA, rendered=False), found), (DATA, replace(found, verifier_shipped=False))):
        assert "is unknown to this program" in show.who_may_know_whom(summary, data, other)[0]


def test_an_only_judge_that_taught_is_told():
    found = privacy("teacher")
    first, second = show.who_may_know_whom(summarise(found, TRAINING, evaluation()), DATA, found)
    assert "only competent judge" in first and "share no identity" in second


def test_drift_is_told_of_the_compared_pair():
    other = DirectionFacts("authentic", "second", 9.0, 9.0, 1.0, 0.0, 0.0, 1.0, 0.5, "another")
    asked = DirectionFacts(
        "authentic", "synthetic", 1.25, 0.5, 2.5, 0.7, 0.1, 0.9, 0.01, "the first explains the second"
    )
    classifier = ClassifierFacts("s", "t", ("Male", "Young"), 2)
    drift = {"same sharpness": 1, "half the resolution": 0}
    found = AttributeFindings(
        classifier, (), ("authentic", "synthetic"), ("Male", "Young"), ("Young",), drift, (), (other, asked), {}
    )
    said = show.attributes_that_drift(found)
    assert "Of 2 reliably classified attributes, 1 differ between authentic and synthetic" in said
    assert "KL(synthetic || authentic) is 0.500 nats, KL(authentic || synthetic) 1.250: the first explains" in said
    assert "had no classifier" in show.attributes_that_drift(None)


def test_a_label_free_link_that_supports_no_claim_is_left_out():
    free = {"a": LinkAtChance(0.9, 0.4, 0.6, 0.01, False)}
    for exchangeable in (True, False):
        own = replace(privacy().sets[0], label_free=free, control_is_exchangeable=exchangeable)
        summary = summarise(privacy_results({"a": a_judge()}, own), TRAINING, evaluation())
        assert (summary[CLS].label_free is not None) == exchangeable


# The first screen


def cards(*sets, found=None):
    run = privacy_results({"a": a_judge()}, *sets)
    answers = [gives_away(run, each) for each in run.sets]
    evaluated = found or evaluation()
    summary = summarise(run, TRAINING, evaluated)
    given = (answers, summary, run)
    return (
        headline.findings(*given, evaluated, AttributesResults(None)),
        headline.row_for_each_set(*given),
        headline.limits(answers, summary, DATA, run, evaluated),
    )


def test_a_set_that_leaks_shows_its_bound_and_one_at_chance_none():
    leak = {"a": LeakFacts(0.12, 0.95, 100, 100, 5)}
    loud = privacy(claims=(claim("above chance"),), leak=leak).sets[0]
    silent = replace(
        loud, name="other", claims=(claim("not decided", p=0.4),), leak={"a": replace(leak["a"], bound=0.0)}
    )
    (first, second, taught), table, limits = cards(loud, silent)
    assert (first.number, first.badge) == ("≥ 12.0 %", "yes")
    assert (second.number, second.badge) == ("none shown", "undecided")
    assert "1 of its 1 claims are above chance" in first.sentence
    assert table["set"].tolist() == ["generated", "other"] and table.iloc[0, 2] == 12
    assert table["gives training persons away"].tolist() == [first.badge, second.badge]  # One word for one fact.
    assert "A leak share from fewer than 5 training persons could not be found." in limits
    assert "For other, neither a link nor its absence is shown at this size." in limits


def test_the_card_on_accuracy_tells_the_distance_to_the_baseline_and_its_doubts():
    only = privacy(claims=(claim("above chance"),)).sets[0]
    (first, taught), table, _ = cards(only)
    assert first.number == "0.900" and table is None
    assert (taught.number, taught.interval, taught.badge) == ("gap 9.0 points", "[5.0, 13.0], 95 %", "not reliable")
    said = "reaches 80.0 % in the mean of 2 benchmarks, the baseline, trained on authentic images, 90.0 %"
    assert taught.sentence.startswith(
        f"The set generated: a network trained on it by its labels alone {said}: the gap is authentic minus"
    )
    sure = cards(only, found=replace(evaluation(), doubts=()))[0][1]
    assert sure.badge == "yes"


def test_a_gap_has_one_sign_on_the_first_screen_and_in_the_text():
    """CLS is a little better than the baseline: -0.1 points in both places, with what is subtracted from what."""
    found = evaluation()
    better = replace(found, gap=found.gap | {"mean": {CLS: Gap(-0.001, -0.011, 0.009)}}, doubts=())
    summary = summarise(privacy(), TRAINING, better)
    card, text = headline._teaches(summary, better), show.teaches(summary, DATA, GENERATION, better)
    assert card.number == "gap -0.1 points" and card.interval == "[-1.1, 0.9], 95 %"
    assert "gap -0.1 points [-1.1, 0.9]" in text
    assert all("the gap is authentic minus synthetic accuracy" in said for said in (card.sentence, text))


def test_an_accuracy_beside_a_gap_says_of_which_benchmark_it_is():
    """The gap is taken in the mean: beside it stand the means, each with its name, not the first benchmark's alone."""
    found = evaluation()
    means = found.mean_accuracy | {"baseline": 0.87, CLS: 0.78}
    summary = summarise(privacy(), TRAINING, replace(found, mean_accuracy=means))
    said = show.teaches(summary, DATA, GENERATION, found)
    assert "reaches 90.0 % [85.0, 95.0] on first (learnt), 87.0 % in the mean," in said
    assert "- generated: 80.0 % [75.0, 85.0] on first (learnt), 78.0 % in the mean; gap 9.0 points [5.0, 13.0]" in said
    assert "the gap is authentic minus synthetic accuracy in the mean of 2 benchmarks" in said
    table = show.overview(summary)[0]
    assert table.columns[2:4].tolist() == ["accuracy on first", "95 % low"]


def test_a_set_that_no_judge_may_judge_is_not_reliable():
    (first, *_), _, _ = cards(privacy(barred=BARRED).sets[0])
    assert (first.badge, first.number) == ("not reliable", "")
    assert first.sentence == "Nothing can be said: no admissible judge is left."


def test_no_frontier_is_drawn_where_no_set_of_a_model_has_a_link():
    """An audit with a baseline alone: its link is of no synthetic set, and has no null."""
    whole = summarise(privacy(), TRAINING, evaluation())
    alone = replace(whole, models=tuple(model for model in whole.models if model.name == "baseline"))
    assert show.frontier(whole, LOOKS) is not None and len(alone.models) == 1
    assert show.frontier(alone, LOOKS) is None
