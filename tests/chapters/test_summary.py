"""Which judge's link stands beside the accuracies, and what the summary may say of it."""

from dataclasses import replace

import pytest

from sface_lib.biometrics import verification_metrics
from sface_lib.chapters.attributes.results import AttributeFindings, ClassifierFacts, DirectionFacts
from sface_lib.chapters.data.results import DataResults
from sface_lib.chapters.evaluation.results import Accuracy, EvaluationResults
from sface_lib.chapters.generation.results import GenerationResults
from sface_lib.chapters.privacy.results import ChanceFacts, JudgeFacts, LinkAtChance, PrivacyResults
from sface_lib.chapters.summary import show
from sface_lib.chapters.summary.compute import choose_judge, summarise
from sface_lib.chapters.training.results import TrainingResults

LINKED = verification_metrics([0.9, 0.8], [0.1, 0.2])  # AUC 1, EER 0.
AT_CHANCE = verification_metrics([0.9, 0.1], [0.9, 0.1])  # AUC 0.5.
BETWEEN = verification_metrics([0.9, 0.3], [0.1, 0.5])  # AUC 0.75.


def judge(link, competent=True, sha256="judge"):
    metrics = {"authentic-authentic": LINKED, "synthetic-synthetic": LINKED, "authentic-synthetic": link}
    return JudgeFacts(competent, sha256, "others", metrics, 0.5)


PIXELS = judge(LINKED, competent=False, sha256=None)


def test_the_judge_is_the_one_that_sees_the_larger_link():
    found = choose_judge({"a": judge(AT_CHANCE), "b": judge(BETWEEN), "raw pixels": PIXELS}, "teacher")
    assert (found.name, found.standing) == ("b", "impartial")
    assert not any(map(found.doubts, ("baseline", "CLS", "KT", "CL")))


def test_a_teacher_does_not_judge_where_another_can_though_it_sees_more():
    found = choose_judge({"a": judge(BETWEEN), "b": judge(LINKED, sha256="teacher")}, "teacher")
    assert (found.name, found.standing) == ("a", "impartial")


def test_a_teacher_that_is_the_only_competent_judge_is_doubted_for_those_it_taught():
    judges = {"a": judge(BETWEEN, sha256="teacher"), "b": judge(LINKED, competent=False), "raw pixels": PIXELS}
    found = choose_judge(judges, "teacher")
    assert (found.name, found.standing) == ("a", "teacher")
    assert [found.doubts(model) for model in ("baseline", "CLS", "KT", "CL")] == [False, False, True, True]


def test_without_a_competent_judge_every_link_is_doubted():
    """Raw pixels are no judge, even where they tell the identities apart."""
    found = choose_judge({"a": judge(AT_CHANCE, competent=False), "raw pixels": replace(PIXELS, competent=True)}, "")
    assert (found.name, found.standing) == ("raw pixels", "incompetent")
    assert all(map(found.doubts, ("baseline", "CLS", "KT", "CL")))


def accuracy(mean, verdict="learnt"):
    return Accuracy(mean, 0.0, mean - 0.05, mean + 0.05, verdict)


MODELS = {"baseline": accuracy(0.9), "CLS": accuracy(0.8), "KT": accuracy(0.85), "CL": accuracy(0.6, "did not learn")}
FLOORS = {"raw pixels": accuracy(0.55, "floor"), "untrained": accuracy(0.56, "floor")}
TRAINING = TrainingResults(96, 12, 16, 64, (), "the baseline", "teacher", "small", 32, {})
DATA = DataResults(True, 4000, 200, 0, "f", 2400, 120, 0, 3000, ("first", "second"), 60, (1, 2))
GENERATION = GenerationResults(25.0, 0.0, 100.0, 1000, 1440, 120, 64, {}, None, (), "no", "cpu")


def evaluation(benchmarks=("first", "second")):
    found = {name: FLOORS | MODELS | {"KT 20": accuracy(0.7)} for name in benchmarks}
    means = {name: each.mean for name, each in found["first"].items()}
    return EvaluationResults({}, (1, 2), 64, {}, 1, found, means, {}, None, False)


def privacy(judges, low=0.45, high=0.55):
    shuffle = {
        name: LinkAtChance(facts.metrics["authentic-synthetic"].auc, low, high, 0.01, False)
        for name, facts in judges.items()
    }
    chance = ChanceFacts((), False, 0, 0)
    return PrivacyResults(judges, None, 0.1, chance, "", shuffle, (), {}, (), None, True, {})


def test_each_model_stands_beside_the_link_of_its_own_training_images():
    summary = summarise(privacy({"a": judge(BETWEEN)}), TRAINING, evaluation())
    assert summary.benchmark == "first"
    assert [(m.name, m.learns_from, m.accuracy.mean, m.link.auc) for m in summary.models] == [
        ("baseline", "authentic", 0.9, 1.0),
        ("CLS", "synthetic", 0.8, 0.75),
        ("KT", "synthetic", 0.85, 0.75),
        ("CL", "synthetic", 0.6, 0.75),
    ]
    assert [(floor.name, floor.learns_from, floor.link) for floor in summary.floors] == [
        ("raw pixels", "none", None),
        ("untrained", "none", None),
    ]


def test_the_table_greys_the_links_that_are_doubted_and_those_alone():
    table, grey = show.overview(summarise(privacy({"a": judge(BETWEEN, sha256="teacher")}), TRAINING, evaluation()))
    assert table["model"].tolist() == ["baseline", "CLS", "KT", "CL", "raw pixels", "untrained"]
    assert grey == [(2, "link EER"), (2, "link AUC"), (3, "link EER"), (3, "link AUC")]
    assert "mean of benchmarks" in table and table["link AUC"].isna().tolist() == [False] * 4 + [True] * 2


def test_one_benchmark_has_no_mean_beside_it():
    table, _ = show.overview(summarise(privacy({"a": judge(BETWEEN)}), TRAINING, evaluation(("first",))))
    assert "mean of benchmarks" not in table


def test_the_frontier_is_drawn_over_one_minus_the_error_rate():
    figure, numbers = show.frontier(summarise(privacy({"a": judge(BETWEEN)}), TRAINING, evaluation()))
    places = [line.get_xdata()[0] for line in figure.axes[0].lines if line.get_marker() not in ("_", "None")]
    assert places[:4] == [1 - eer for eer in numbers["link EER"]]


@pytest.mark.parametrize(("link", "word"), [(AT_CHANCE, "inside"), (BETWEEN, "outside")])
def test_a_link_is_called_outside_only_beyond_its_null(link, word):
    found = privacy({"a": judge(link)})
    said = show.what_was_found(summarise(found, TRAINING, evaluation()), DATA, GENERATION, found)
    assert f"By the a the same-label link has an AUC of {link.auc:.3f}, {word} the 0.450 to 0.550" in said
    assert "80.0 % (first; learnt), on authentic images 90.0 %" in said and "learnt for 25.0 kimg" in said


def test_nothing_is_said_of_a_link_without_a_competent_judge():
    found = privacy({"a": judge(BETWEEN, competent=False)})
    summary = summarise(found, TRAINING, evaluation())
    assert "nothing can be said about the link" in show.what_was_found(summary, DATA, GENERATION, found)
    assert "of given weights" in show.what_was_found(summary, DATA, replace(GENERATION, kimg=0.0), found)


def test_who_has_seen_the_persons_is_known_of_the_embedded_pair_alone():
    found = privacy({"a": judge(BETWEEN)})
    summary = summarise(found, TRAINING, evaluation())
    assert "share no identity" in show.who_may_know_whom(summary, DATA, found)[0]
    for data, other in ((replace(DATA, rendered=False), found), (DATA, replace(found, verifier_shipped=False))):
        assert "is unknown to this program" in show.who_may_know_whom(summary, data, other)[0]


def test_an_only_judge_that_taught_is_told():
    found = privacy({"a": judge(BETWEEN, sha256="teacher")})
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
    assert "Of 2 attributes that the classifier tells reliably, 1 differ between authentic and synthetic" in said
    assert "KL(synthetic || authentic) is 0.500 nats, KL(authentic || synthetic) 1.250: the first explains" in said
    assert "had no classifier" in show.attributes_that_drift(None)
