"""What a model is said to have learnt, when a gap counts, and what the accuracies are broken down into."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from audit_facts import audit_facts
from scipy import stats
from stage_folder import StageFolder
from trained_models import trained, training

from sface_lib.biometrics import Estimate, PairMean, SeedVariance, verification_metrics
from sface_lib.chapters.evaluation import breakdown, compute, show, show_rates
from sface_lib.chapters.evaluation.compute import BaselineTraining
from sface_lib.chapters.evaluation.models import (
    Evaluated,
    ModelEmbeddings,
    ModelOnBenchmark,
    embed_all,
    evaluate_all,
    pool_seeds,
    share_correct,
    verdict,
    weights_to_evaluate,
)
from sface_lib.chapters.evaluation.parameters import EvaluationParameters
from sface_lib.chapters.looks import Looks
from sface_lib.chapters.plans import record_plan
from sface_lib.chapters.privacy.results import LinkAtChance, RemedyFacts
from sface_lib.chapters.published import published
from sface_lib.data import open_faces
from sface_lib.engine import make_accelerator
from sface_lib.files import sha256_of_file
from sface_lib.population import VERIFIER_PATH
from sface_lib.recognition import ProtocolPairs, evaluate, open_model
from sface_lib.run.parameters import check

LOOKS = Looks([])

CLS, KT, CL = (f"{strategy} generated" for strategy in ("CLS", "KT", "CL"))

# Two persons of two images each in both folds: genuine 0-1, 2-3, 4-5, 6-7 and impostor 0-2, 1-3, 4-6, 5-7.
LABELS = np.repeat(np.arange(4), 2)
LEFT, RIGHT = np.array([0, 2, 4, 6, 0, 1, 4, 5]), np.array([1, 3, 5, 7, 2, 3, 6, 7])
FOLDS = np.array([1, 1, 2, 2, 1, 1, 2, 2])
PAIRS = ProtocolPairs(LEFT, RIGHT, LABELS[LEFT] == LABELS[RIGHT], FOLDS, LABELS[LEFT], LABELS[RIGHT])


def at_angles(*degrees):
    """Embeddings in the plane: the score of two is the cosine of the angle between them."""
    radians = np.radians(degrees)
    return np.stack([np.cos(radians), np.sin(radians)], 1)


KNOWS_ALL = at_angles(0, 5, 90, 95, 0, 5, 90, 95)
# As above, but person 1's images are 160 degrees apart: the genuine pair 2-3 is rejected, and 7 of 8 pairs are right.
MISSES = at_angles(0, 5, 90, 250, 0, 5, 90, 95)


def judged(rows=KNOWS_ALL, pairs=PAIRS):
    return evaluate(rows, pairs)


MANY = 10**6  # Identities, so that Student's interval is the normal one.


def known(value, low, seeds=None):
    """An estimate whose 95 % interval begins at low, and ends as far above the value."""
    return Estimate(value, ((value - low) / 1.959964) ** 2, MANY, is_rate=False, seeds=seeds)


def over_persons(value, *parts):
    """A mean over genuine pairs of some persons, each of whom adds so much to its error."""
    persons = np.arange(len(parts))
    return PairMean(value, persons, persons, np.array(parts), MANY, is_rate=False)


def by_seeds(*values):
    """The evaluations of a model with these accuracies by its seeds, each with an interval of +- 5 points."""
    return tuple(replace(judged(), mean=over_persons(value, 0.05 / 1.959964)) for value in values)


def stands(value, low=None, said="learnt", seeds=1):
    """A model of this accuracy on a benchmark, by default with an interval of +- 5 points."""
    return ModelOnBenchmark(by_seeds(*[value] * seeds), known(value, value - 0.05 if low is None else low), said)


REFERENCE = {"raw pixels": stands(0.55, said="reference"), "untrained": stands(0.6, said="reference")}
FOUR = {"baseline": stands(0.9), CLS: stands(0.8), KT: stands(0.85), CL: stands(0.7)}


def evaluated(found=None, pairs=PAIRS):
    """Models on the benchmarks, all of the same pairs."""
    found = found or {"first": REFERENCE | FOUR}
    return evaluated_on(dict.fromkeys(found, pairs), found)


def evaluated_on(pairs, found):
    models = next(iter(found.values()))
    return Evaluated(pairs, found, {name: trained(name) for name in models if name not in REFERENCE})


REFERENCES = {"raw pixels": known(0.55, 0.5), "untrained": known(0.6, 0.55)}


def of(low):
    return verdict(CLS, REFERENCES | {CLS: known(0.7, low)})


def test_a_model_learnt_where_its_lower_bound_is_above_both_references():
    assert of(0.61) == "learnt"


def test_a_model_between_the_references_did_not_learn():
    assert of(0.58) == "did not learn"


def test_a_model_whose_lower_bound_is_below_or_at_a_floor_did_not_learn():
    assert (of(0.5), of(0.6)) == ("did not learn", "did not learn")


def test_a_floor_is_a_floor_however_accurate_it_is():
    assert [verdict(name, REFERENCES | {name: known(0.99, 0.98)}) for name in REFERENCES] == ["reference", "reference"]


def test_embeddings_that_know_everybody_judge_every_pair_rightly():
    """Genuine scores are cos 5 degrees, impostor ones 0: the threshold of each fold parts them."""
    found = judged()
    assert found.accuracy.mean == 1 and found.accuracy.correct.all()


def test_seeds_are_averaged_and_their_spread_is_told():
    """One seed is right on all of both folds, the other on 3 of 4 pairs of the first: 1 and 7/8."""
    by_seed = [judged(), judged(MISSES)]
    found = pool_seeds(dict.fromkeys((*REFERENCE, CLS), by_seed))[CLS]
    assert found.accuracy.mean == pytest.approx(15 / 16)
    assert found.accuracy.sd == pytest.approx(1 / 16)  # Of two values: half their distance.
    assert found.sd_over_folds == pytest.approx(1 / 16)  # 0, and half of 1 - 3/4.
    assert found.first is by_seed[0]
    assert found.share_correct.tolist() == [1, 0.5, 1, 1, 1, 1, 1, 1]


def test_intervals_hold_what_seeds_add_in_common_to_all_models():
    """CLS by its seeds 0.6 and 0.8, KT 0.7 and 0.7: a common variance of 0.01 on two degrees, half of it in a mean."""
    references = {"raw pixels": by_seeds(0.55), "untrained": by_seeds(0.6)}
    found = pool_seeds(references | {CLS: by_seeds(0.6, 0.8), KT: by_seeds(0.7, 0.7)})
    assert (
        found[CLS].estimate.seeds
        == found[KT].estimate.seeds
        == SeedVariance(pytest.approx(0.005), pytest.approx(0.005), 2)
    )
    assert found["untrained"].estimate.seeds is None
    own, seeds = (0.05 / 1.959964) ** 2, 0.005
    degrees = (own + seeds) ** 2 / (own**2 / MANY + seeds**2 / 2)
    reach = stats.t.ppf(0.975, degrees) * (own + seeds) ** 0.5
    assert found[KT].accuracy.low == pytest.approx(0.7 - reach, abs=1e-6) and found[KT].verdict == "did not learn"


def test_the_gap_is_taken_within_a_seed():
    """Both lose ten points by the second seed, and CLS two less: the gaps are 0.10 and 0.08."""
    four = FOUR | {
        "baseline": replace(FOUR["baseline"], evaluations=by_seeds(0.95, 0.85)),
        CLS: replace(FOUR[CLS], evaluations=by_seeds(0.85, 0.77)),
        KT: replace(FOUR[KT], evaluations=by_seeds(0.9, 0.8)),
        CL: replace(FOUR[CL], evaluations=by_seeds(0.75, 0.65)),
    }
    (row,) = compute.gaps(evaluated({"first": REFERENCE | four}))
    # Of six differences only those of CLS vary: 2 * 0.01^2 on three degrees, of which a mean of two has half.
    own = (four["baseline"].mean - four[CLS].mean).estimate()
    expected = replace(own, seeds=SeedVariance(0.01**2 / 3, 0.01**2 / 3, 3)).interval()
    found = row.gaps[CLS]
    assert found.low == pytest.approx(expected.low) and found.high == pytest.approx(expected.high)
    assert found.high - found.low > 0.03 and own.interval().high - own.interval().low < 1e-6


def test_the_page_says_over_what_intervals_are_taken():
    one, two = (
        show.benchmarks_caption(evaluated({"first": REFERENCE | {"baseline": stands(0.9, seeds=seeds)}}), 64)
        for seeds in (1, 2)
    )
    assert "with one seed, the variation between trainings is unknown" in one and "from 2 seeds, of trainings" in two


def test_the_mean_of_a_model_is_over_all_benchmarks():
    found = evaluated({"first": REFERENCE | FOUR, "second": REFERENCE | FOUR | {CLS: stands(0.6)}})
    assert (found.mean("baseline"), found.mean(CLS)) == pytest.approx((0.9, 0.7))


def with_gap_of(*points):
    """A benchmark of two persons, on whom CLS loses so many points to the baseline, which is better on the first."""
    baseline, lost = np.array([0.05, -0.05]) / 2**0.5, np.array(points) / 100
    parts = {"baseline": (0.85, baseline)}
    parts[CLS] = 0.85 - float(lost.mean()), baseline - (lost - lost.mean()) / 2**0.5
    models = {
        name: replace(FOUR[name], evaluations=(replace(judged(), mean=over_persons(value, *part)),))
        for name, (value, part) in parts.items()
    }
    return REFERENCE | FOUR | models


def test_a_gap_is_of_the_same_persons():
    """The baseline varies by ten points, and CLS with it: the gap does not."""
    (row,) = compute.gaps(evaluated({"first": with_gap_of(5, 5)}))
    gap = row.gaps[CLS]
    assert (row.benchmark, row.baseline, list(row.gaps)) == ("first", 0.85, [CLS, KT, CL])
    assert (gap.value, gap.low, gap.high) == pytest.approx((0.05, 0.05, 0.05))


def test_the_mean_gap_pairs_benchmarks_of_the_same_identities():
    """Where a person's gap is small on one it is large on the other: the mean is sure."""
    rows = compute.gaps(evaluated({"first": with_gap_of(2, 8), "second": with_gap_of(8, 2)}))
    assert [row.benchmark for row in rows] == ["first", "second", "mean"]
    first, _, mean = (row.gaps[CLS] for row in rows)
    reach = 1.959964 * 0.03
    assert (first.low, first.high) == pytest.approx((0.05 - reach, 0.05 + reach), abs=1e-6)
    assert (mean.value, mean.low, mean.high) == pytest.approx((0.05, 0.05, 0.05))


def test_the_mean_gap_of_benchmarks_without_identities_has_no_interval():
    """Pairs without labels, such as those of `.bin` files, do not show one set of identities."""
    unknown = replace(PAIRS, left_identity=np.full(8, -1), right_identity=np.full(8, -1))
    found = evaluated_on(
        {"first": unknown, "second": unknown}, {"first": with_gap_of(2, 8), "second": with_gap_of(8, 2)}
    )
    assert compute.gaps(found)[-1].gaps[CLS].low is None


def test_the_mean_gap_of_benchmarks_with_other_identities_has_no_interval():
    found = {"first": with_gap_of(2, 8), "second": with_gap_of(8, 2)}
    other = replace(PAIRS, left_identity=PAIRS.left_identity + 1, right_identity=PAIRS.right_identity + 1)
    rows = compute.gaps(evaluated_on({"first": PAIRS, "second": other}, found))
    assert [row.gaps[CLS].low is None for row in rows] == [False, False, True]
    assert rows[-1].gaps[CLS].value == pytest.approx(0.05)
    table = show.gaps(rows)
    assert table.set_index("gap of").loc[CLS].tolist() == ["5.0 [-0.9, 10.9]", "5.0 [-0.9, 10.9]", "5.0"]


def test_published_accuracies_stand_beside_the_counterpart_of_a_benchmark_alone():
    table = show.gaps(compute.gaps(evaluated({"unconstrained": with_gap_of(5, 5), "mine": with_gap_of(5, 5)})))
    rows = table.set_index("gap of").loc[["CASIA *", "SFace-10 *", "SFace-60 *"]]
    assert rows["unconstrained"].tolist() == ["99.5", "87.1", "91.9"]
    assert rows["mean"].tolist() == ["94.8", "71.9", "77.7"] and rows["mine"].tolist() == ["", "", ""]


def test_a_flat_curve_and_a_high_mean_make_a_baseline_trained_out():
    baseline = BaselineTraining(0.0029, 0.85)
    assert baseline.trained_out and baseline.reasons == ()


@pytest.mark.parametrize(
    ("late", "mean", "reason"),
    [
        (None, 0.9, "whether it had converged was not measured because validation was off"),
        (0.003, 0.9, "the last third of its curve spreads 0.3 points"),
        (0.001, 0.849, "its mean accuracy is 84.9 %"),
    ],
)
def test_each_reason_alone_keeps_a_baseline_from_being_trained_out(late, mean, reason):
    baseline = BaselineTraining(late, mean)
    assert not baseline.trained_out and baseline.reasons == (reason,)


def test_several_reasons_are_all_told_and_none_where_the_gap_counts():
    rows = compute.gaps(evaluated({"first": with_gap_of(5, 5)}))
    said = show.whether_the_gap_counts(rows, BaselineTraining(None, 0.6), [CLS])
    assert "5.0 [5.0, 5.0] points (CLS generated). It is **not to be relied on**" in said
    assert said.endswith("because validation was off; its mean accuracy is 60.0 %.")
    said = show.whether_the_gap_counts(rows, BaselineTraining(0.001, 0.9), [CLS])
    assert said.endswith(
        "The baseline is trained out: the last third of its curve spreads 0.10 points, and its mean is 90.0 %."
    )


def test_the_spread_is_that_of_the_last_third_of_the_first_baselines_curve():
    curve = ((10, 0.5), (20, 0.88), (30, 0.9))
    models = (trained("baseline", accuracies=curve), trained("baseline", seed=1, accuracies=((10, 0.1), (11, 0.9))))
    found = compute.baseline_training(replace(evaluated(), trained={"baseline": models[0]}))
    assert found.late_spread == pytest.approx(0.02) and found.mean_accuracy == 0.9
    assert compute.baseline_training(evaluated()).late_spread is None


SWEPT = {f"{CLS} 16": stands(0.82), f"{CLS} 4": stands(0.75), f"{KT} 4": stands(0.8), "baseline 4": stands(0.88)}


def test_the_sweep_goes_through_each_strategy_by_images_per_class():
    found = evaluated(
        {"first": REFERENCE | FOUR | SWEPT, "second": REFERENCE | FOUR | SWEPT | {f"{KT} 4": stands(0.7)}}
    )
    points = breakdown.sweep(found)
    assert [(p.model, p.images_per_class, p.accuracy.mean) for p in points] == [
        *(("baseline", 4, 0.88), ("baseline", 8, 0.9)),
        *((CLS, 4, 0.75), (CLS, 8, 0.8), (CLS, 16, 0.82)),
        *((KT, 4, 0.8), (KT, 8, 0.85), (CL, 8, 0.7)),
    ]
    assert points[5].mean_accuracy == pytest.approx(0.75)
    assert found.shown == (*REFERENCE, *FOUR)


def test_the_baseline_is_swept_only_where_that_many_images_were_trained_on():
    found = evaluated({"first": REFERENCE | FOUR | {f"{CLS} 16": stands(0.82)}})
    points = breakdown.sweep(found)
    assert [p.images_per_class for p in points if p.model == "baseline"] == [8]
    _, table = show.sweep(points, "first", LOOKS)
    assert table.columns.tolist() == ["model", "images per class", "accuracy", "mean", "95 % low", "95 % high"]


def test_without_a_sweep_there_is_no_point():
    assert breakdown.sweep(evaluated()) == []


# Several sets


OTHER = "CLS other"


def two_sets(*points, **changes):
    """CLS of another set loses as many points to the baseline as CLS of the first does, and so many more by person."""
    models = with_gap_of(5, 5)
    first = models[CLS].evaluations[0].mean
    lost = np.array(points) / 100
    parts = first.part - (lost - lost.mean()) / 2**0.5
    mean = replace(first, value=first.value - float(lost.mean()), part=parts)
    return models | {OTHER: replace(FOUR[CLS], evaluations=(replace(judged(), mean=mean),))} | changes


def test_each_set_has_its_gap_and_the_difference_of_two_is_of_the_same_pairs():
    found = evaluated({"first": two_sets(4, 4)})
    assert found.by_labels == (CLS, OTHER) and found.main == CLS and OTHER in found.shown
    (row,) = compute.gaps(found)
    assert (row.gaps[CLS].value, row.gaps[OTHER].value) == pytest.approx((0.05, 0.09))
    (difference,) = compute.between_sets(found)
    assert (difference.first, difference.second) == ("generated", "other")
    span = difference.difference
    assert (span.value, span.low, span.high) == pytest.approx((0.04, 0.04, 0.04)) and difference.p_corrected == 0
    said = show.which_teaches_most([difference], found)
    assert said.startswith(
        "By the mean accuracy of CLS: generated (80.0 %), other (80.0 %). generated and other differ beyond chance."
    )
    assert show.between_sets([difference])["points"].tolist() == ["4.0 [4.0, 4.0]"]


def test_differences_between_sets_are_corrected_for_their_number():
    """By hand: the p of a difference of 3 points with a standard error of 6 is two-sided normal, times three."""
    third = {"CLS third": two_sets(3, 3)[OTHER]}
    alone = compute.between_sets(evaluated({"first": two_sets(-3, 9)}))
    p = 2 * stats.norm.sf(0.03 / 0.06)
    assert alone[0].p_corrected == pytest.approx(p, rel=1e-4)
    several = compute.between_sets(evaluated({"first": two_sets(-3, 9, **third)}))
    assert [(each.first, each.second) for each in several] == [
        *(("generated", "other"), ("generated", "third"), ("other", "third"))
    ]
    assert several[0].p_corrected == pytest.approx(min(1, 2 * p), rel=1e-4)  # The surest of the three is 0.
    assert "No two sets differ" in show.which_teaches_most(alone, evaluated({"first": two_sets(-3, 9)}))


def test_there_is_no_difference_of_one_set_or_of_benchmarks_with_other_identities():
    assert compute.between_sets(evaluated()) == ()
    other = replace(PAIRS, left_identity=PAIRS.left_identity + 1, right_identity=PAIRS.right_identity + 1)
    found = {"first": two_sets(4, 4), "second": two_sets(4, 4)}
    assert compute.between_sets(evaluated_on({"first": PAIRS, "second": other}, found)) == ()
    assert len(compute.between_sets(evaluated(found))) == 1


def test_differences_between_sets_are_planned_by_the_models_and_the_pairs_before_any_is_scored(tmp_path):
    models = training(*map(trained, ("CLS other", "CLS third", "KT other", "CLS other mixed 0.1", "CLS other 2")))
    faces, pairs = SimpleNamespace(fingerprint="images"), tmp_path / "pairs.csv"
    pairs.write_text("left,right")
    weights = [(each.name, each.seed, tmp_path / each.name) for each in models.models]
    for name, _, path in weights:
        path.write_text(name)

    def planned(**changes):
        return compute.plan_differences(
            **({"weights": weights, "trained": models, "faces": faces} | changes), pairs=pairs
        )

    (plan,) = planned().values()
    assert plan["claims"] == ["generated minus other", "generated minus third", "other minus third"]
    assert plan["models"] == {
        f"CLS {name}, seed 0": sha256_of_file(tmp_path / f"CLS {name}") for name in ("generated", "other", "third")
    }
    (tmp_path / "CLS third").write_text("another training")
    assert planned() != {"accuracy in the mean of the benchmarks": plan}
    assert planned(faces=SimpleNamespace(fingerprint="others")) != planned()
    assert planned(trained=training()) == {}  # One set.
    stage = StageFolder(tmp_path)
    stage.run_dir = tmp_path
    recorded = [
        record_plan(stage, compute.PLAN, each) for each in (planned(), planned(faces=SimpleNamespace(fingerprint="")))
    ]
    assert show.plan_in_words(recorded[0]).startswith(
        "The claims that were planned before any pair was scored: that accuracy in the mean of the benchmarks differs "
        "between two sets, 3 (Holm, over all pairs of sets; alpha 0.05). The plan is `plans/evaluation.json`, SHA-256 `"
    )
    assert "since then images of accuracy in the mean of the benchmarks changed" in show.plan_in_words(recorded[1])


def test_the_sentence_names_every_set():
    said = show.what_was_found(evaluated({"first": two_sets(4, 4)}))
    assert "CLS generated 80.0 %" in said and "CLS other 80.0 %" in said and "points (CLS other)" in said


LINKED = verification_metrics([0.9, 0.3], [0.1, 0.5])  # AUC 0.75.


def audited(impartial="b"):
    remedy = (
        RemedyFacts(0.5, 0.5, 30, "b", 0.625, 0.4, 0.1),
        RemedyFacts(0.2, 0.2, 3, "b", None, None, None),
        RemedyFacts(0.1, 0.1, 20, "b", 0.55, 0.45, 0.1),
        RemedyFacts(0.5, 0.5, 30, "a", 0.5, 0.5, 0.1),
    )
    return audit_facts({"a": LINKED, "b": LINKED}, remedy=remedy, impartial_judge=impartial)


FILTERED = {f"{CLS} filtered 0.5": stands(0.78), f"{CLS} filtered 0.2": stands(0.65)}


def on_filtered():
    """CLS learnt from 30 and 16 images of the filtered sets."""
    found = evaluated({"first": REFERENCE | FOUR | FILTERED})
    fewer = {name: trained(name, images) for name, images in zip(FILTERED, (30, 16), strict=True)}
    return replace(found, trained=found.trained | fewer)


def test_the_frontier_has_the_link_that_the_impartial_judge_sees():
    """The set filtered at 0.1 was not trained on, and of that at 0.2 too little is left for a link."""
    points = breakdown.frontier(on_filtered(), audited())
    assert [(p.model, p.images, p.link_auc, p.accuracy.mean) for p in points] == [
        (CLS, 40, 0.75, 0.8),
        (f"{CLS} filtered 0.5", 30, 0.625, 0.78),
    ]
    chance = {"other": LinkAtChance(0.75, 0.45, 0.55, 0.01, False)}
    figure, table = show.frontier(points, "first", replace(audited(), impartial_judge="other", shuffle=chance), LOOKS)
    assert 0.4 < figure.axes[0].get_xlim()[0] < 0.45
    assert [line.get_xdata()[0] for line in figure.axes[0].lines if line.get_marker() in "s^"] == [0.75, 0.625]
    assert table["link AUC"].tolist() == [0.75, 0.625]


def test_there_is_no_frontier_without_an_impartial_judge_or_a_filtered_model():
    found = on_filtered()
    assert breakdown.frontier(found, audited(impartial=None)) == []
    assert breakdown.frontier(evaluated(), audited()) == []
    untaught = {"baseline": FOUR["baseline"]}
    assert (
        breakdown.frontier(evaluated({"first": REFERENCE | untaught, "second": REFERENCE | untaught}), audited()) == []
    )
    assert breakdown.frontier(found, replace(audited(), labels="own")) == []


def test_the_hardest_pairs_come_worst_first():
    """Each genuine pair apart by 10, 40, 20, 30 degrees; each impostor by 50, 80, 60, 70."""
    angles = at_angles(0, 10, 50, 90, 0, 20, 60, 90)
    genuine, impostor = breakdown.hardest_pairs({"first": PAIRS}, angles)
    assert (genuine.benchmark, genuine.kind, impostor.kind) == ("first", "genuine", "impostor")
    assert np.degrees(np.arccos(genuine.scores)) == pytest.approx([40, 30, 20, 10])
    assert list(zip(genuine.left, genuine.right, strict=True)) == [(2, 3), (6, 7), (4, 5), (0, 1)]
    assert np.degrees(np.arccos(impostor.scores)) == pytest.approx([50, 60, 70, 80])
    assert list(zip(impostor.left, impostor.right, strict=True)) == [(0, 2), (4, 6), (5, 7), (1, 3)]
    assert show.hardest([genuine])["scores"].tolist() == ["0.77, 0.87, 0.94, 0.98"]


def test_equally_hard_pairs_keep_their_order_and_four_are_kept():
    doubled = ProtocolPairs(*(np.tile(column, 2) for column in vars(PAIRS).values()))
    genuine, _ = breakdown.hardest_pairs({"first": doubled}, at_angles(0, 10, 90, 120, 0, 10, 90, 120))
    assert list(genuine.left) == [2, 6, 2, 6]


def test_the_sheet_shows_both_faces_of_a_pair_side_by_side(tmp_path, rendered_zip):
    faces = open_faces(rendered_zip(tmp_path / "set.zip", 4, 2, 32))
    found = breakdown.HardestPairs("first", "genuine", np.array([0.1]), np.array([2]), np.array([5]))
    sheet = show.hardest_faces([found, found], faces)
    assert len(sheet) == 2 * 66 - 2
    sheet = sheet[:64, -130:, :3]
    both = faces.load(np.array([2, 5]), size_px=64).numpy().transpose(0, 2, 3, 1)
    assert (sheet[:, :64] == both[0]).all() and (sheet[:, 66:130] == both[1]).all()


def persons(count):
    """`count` persons of two images: 2 k and 2 k + 1; each is compared with itself, and its first with the next's."""
    labels, starts = np.repeat(np.arange(count), 2), 2 * np.arange(count)
    left = np.tile(starts, 2)
    right = np.concatenate([starts + 1, (starts + 2) % (2 * count)])
    same = labels[left] == labels[right]
    return ProtocolPairs(left, right, same, np.tile(np.arange(count) % 2, 2), labels[left], labels[right])


def test_groups_are_told_only_on_benchmarks_that_have_two():
    pairs = persons(80)
    right = judged(np.repeat(np.eye(80), 2, axis=0), pairs)
    models = {name: replace(model, evaluations=(right,)) for name, model in (REFERENCE | FOUR).items()}
    found = evaluated({"first": models}, pairs)
    halves = {person: "ab"[person >= 40] for person in range(80)}
    table = breakdown.groups(found, halves)
    assert table[["model", "group"]].to_numpy().tolist() == [[n, g] for n in FOUR for g in "ab"]
    # 40 persons each; of their 40 impostor pairs the last crosses over to the other group.
    assert table[["genuine", "impostor", "subjects"]].to_numpy().tolist() == [[40, 39, 40]] * 8
    assert table["accuracy"].to_numpy() == pytest.approx(1)
    figure, drawn = show.groups(pd.concat([table, table.assign(benchmark="second", group="c")]), LOOKS)
    assert set(drawn["group"]) == {"A", "B", "C"} and len(figure.axes) == 2
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["A", "B", "C"]
    said = [[(text.get_position()[1], text.get_text()) for text in ax.texts] for ax in figure.axes]
    assert said[0] == [(-2, "too few pairs")] and {place for place, _ in said[1]} == {0, -1}
    assert breakdown.groups(found, dict.fromkeys(range(80), "a")) is None
    assert breakdown.groups(found, {}) is None


def test_the_overview_of_groups_tells_the_worst_and_the_range_of_false_matches():
    columns = {"group": ["a", "b"], "accuracy": [0.9, 0.7], "fmr": [0.25, 0.05]}
    columns |= {"genuine": [40, 30], "impostor": [35, 31], "subjects": [20, 18]}
    table = pd.DataFrame(columns).assign(benchmark="first", model=CLS, trade_off=0.7)
    (row,) = show.groups_overview(table).to_dict("records")
    assert row.pop("mean") == pytest.approx(0.8)
    assert row == {"benchmark": "first", "model": CLS, "groups": 2, "worst": 0.7, "trade-off": 0.7} | {
        "FMR, lowest to highest": "0.050 to 0.250",
        "pairs": 136,
        "subjects": 38,
    }


def test_the_table_shows_seeds_where_there_are_several_and_greys_what_did_not_learn():
    two = ModelOnBenchmark((judged(), judged(MISSES)), known(0.8, 0.75), "learnt")
    found = evaluated({"first": REFERENCE | FOUR | {CLS: two, CL: stands(0.6, said="did not learn")} | SWEPT})
    table, grey = show.benchmarks(found, dict.fromkeys(found.names, 32))
    cells = table.set_index("model")["first"]
    assert table.columns.tolist() == ["model", "sees (px)", "first"]
    assert cells[KT] == "85.0 [80.0, 90.0]" and cells[CLS] == "80.0 ± 6.2 [75.0, 85.0]"
    assert grey == [(5, "first")] and cells.index[5] == CL
    assert "on 8 pairs of each benchmark. The images have 64 px" in show.benchmarks_caption(found, 64)


def test_several_benchmarks_have_a_mean_beside_them():
    found = evaluated({"first": REFERENCE | FOUR, "second": REFERENCE | FOUR | {KT: stands(0.75)}})
    table, _ = show.benchmarks(found, dict.fromkeys(found.names, 32))
    assert table.set_index("model").loc[KT, "mean"] == "80.0"


def test_the_numbers_behind_the_figure_hold_the_sweep_and_the_drawing_does_not():
    figure, table = show.accuracy(evaluated({"first": REFERENCE | FOUR | SWEPT}), LOOKS)
    assert table["model"].tolist() == [*REFERENCE, *FOUR, *SWEPT]
    assert [text.get_text() for text in figure.axes[0].get_legend().get_texts()] == ["chance", *REFERENCE, *FOUR]


@pytest.mark.parametrize(("count", "legend_in"), [(1, 0), (3, 2), (5, 2)])
def test_the_roc_has_one_legend_and_a_panel_for_each_benchmark(count, legend_in):
    figure, table = show_rates.roc(evaluated({f"b{i}": REFERENCE | FOUR for i in range(count)}), LOOKS)
    assert [i for i, ax in enumerate(figure.axes) if ax.get_legend()] == [legend_in]
    assert [ax.get_title() for ax in figure.axes][:count] == table["benchmark"].unique().tolist()
    assert table["model"].unique().tolist() == [*REFERENCE, *FOUR]


def test_the_sentence_tells_the_gap_and_who_did_not_learn_where():
    weak = stands(0.6, said="did not learn")
    said = show.what_was_found(evaluated({"first": REFERENCE | FOUR, "second": REFERENCE | FOUR | {CLS: weak}}))
    assert f"reach: baseline 90.0 %, {CLS} 80.0 %, {KT} 85.0 %, {CL} 70.0 %; raw pixels 55.0 %" in said
    assert f"is 10.0 points ({CLS}). **Did not learn**" in said and said.endswith(f"{CLS} on second.")
    alone = show.what_was_found(evaluated())
    assert alone.endswith(f"is 10.0 points ({CLS}). All of them learnt.")


class Folder:
    """As much of a stage as the weights need."""

    def __init__(self, **changes):
        self.parameters = check(EvaluationParameters, changes)

    def input(self, name):
        return f"run/{name}"


def test_a_teacher_is_evaluated_only_where_it_was_given():
    models = replace(training(), models=(trained("baseline", seed=7),))
    own = [("untrained", 7, "run/weights/untrained.safetensors"), ("baseline", 7, "run/weights/baseline-7")]
    assert weights_to_evaluate(Folder(seed=7), models) == own
    given = Folder(seed=7, teacher=str(VERIFIER_PATH))
    assert weights_to_evaluate(given, models) == [*own, ("teacher given", 7, str(VERIFIER_PATH))]


def test_every_model_and_raw_pixels_embed_the_same_images_by_seed(tmp_path, rendered_zip):
    faces = open_faces(rendered_zip(tmp_path / "set.zip", 4, 2, 32))
    weights = [(CLS, 0, VERIFIER_PATH), (KT, 0, VERIFIER_PATH), (CLS, 1, VERIFIER_PATH)]
    found = embed_all(faces, weights, make_accelerator("float32"), 5)
    assert {name: list(rows) for name, rows in found.embeddings.items()} == {
        "raw pixels": [5],
        CLS: [0, 1],
        KT: [0],
    }
    assert found.model_px[CLS] == open_model(VERIFIER_PATH).spec.size_px
    lengths = [np.linalg.norm(rows, axis=1) for seeds in found.embeddings.values() for rows in seeds.values()]
    assert np.stack(lengths) == pytest.approx(np.ones((4, 8)), abs=1e-5)  # float32.
    assert found.first(CLS) is found.embeddings[CLS][0]


def everything():
    names = {
        "raw pixels": MISSES,
        "untrained": MISSES,
        "baseline": KNOWS_ALL,
        CLS: KNOWS_ALL,
        KT: MISSES,
        CL: MISSES,
    }
    rows = {name: {0: seen} | ({1: seen} if name in FOUR else {}) for name, seen in names.items()}
    rows[CLS][1] = MISSES
    embedded = ModelEmbeddings(rows, dict.fromkeys(names, 32))
    return embedded, evaluate_all(embedded, {"first": PAIRS, "second": PAIRS}, training())


def test_models_are_evaluated_on_every_benchmark_with_all_their_seeds():
    _, found = everything()
    assert (found.first_benchmark, found.names) == ("first", (*REFERENCE, *FOUR))
    assert [len(models[CLS].evaluations) for models in found.by_benchmark.values()] == [2, 2]
    assert found.by_benchmark["second"]["baseline"].accuracy.mean == 1
    assert found.by_benchmark["second"][KT].verdict == "did not learn"
    right = share_correct(found)["first"]
    assert list(right) == [*FOUR] and right["baseline"].tolist() == [1] * 8
    assert right[CLS].tolist() == [1, 0.5, 1, 1, 1, 1, 1, 1]


class Faces:
    resolution = 64


def test_results_hold_what_was_found():
    embedded, found = everything()
    gaps = compute.gaps(found)
    kept = compute.results(Faces(), embedded, found, gaps, (), BaselineTraining(None, 1.0))
    assert (kept.pairs, kept.folds, kept.image_px) == ({"first": 8, "second": 8}, (1, 2), 64)
    assert (kept.seeds, kept.model_px[KT]) == (2, 32)
    assert kept.accuracy["second"]["baseline"].mean == 1 and kept.mean_accuracy["baseline"] == 1
    assert list(kept.gap) == ["first", "second", "mean"]
    assert {name: gap.value for name, gap in kept.gap["mean"].items()} == pytest.approx(
        {CLS: 1 / 16, KT: 1 / 8, CL: 1 / 8}
    )
    assert kept.gap == {row.benchmark: row.gaps for row in gaps}
    assert kept.baseline_late_spread is None and kept.doubts == BaselineTraining(None, 1.0).reasons != ()


# Networks that were given, and authentic images among synthetic ones

GIVEN = {"given a": stands(0.8), "given b": stands(0.75)}


def test_given_networks_stand_for_their_sets_and_without_a_baseline_there_is_no_gap():
    found = evaluated({"first": REFERENCE | GIVEN, "second": REFERENCE | GIVEN})
    assert found.by_labels == found.compared == ("given a", "given b") and found.main == "given a"
    assert compute.gaps(found) == () and compute.baseline_training(found) is None
    (between,) = compute.between_sets(found)
    assert (between.first, between.second, round(between.difference.value, 3)) == ("a", "b", 0.05)
    assert "no authentic baseline was trained, and none was given" in show.whether_the_gap_counts((), None, ())
    said = show.what_was_found(found)
    assert "reach: given a 80.0 %, given b 75.0 %; raw pixels" in said and "synthetic gap" not in said
    rows = ModelEmbeddings({}, dict.fromkeys(found.names, None))
    kept = compute.results(open_faces_of(8), rows, found, (), (between,), None)
    assert kept.gap == {} and kept.doubts == () and kept.seeds == 1 and kept.model_px["given a"] is None


def open_faces_of(count):
    return type("Faces", (), {"resolution": 32, "__len__": lambda self: count})()


def test_a_given_baseline_is_not_doubted_for_a_curve_that_nobody_knows():
    given = evaluated({"first": {**REFERENCE, **FOUR}})
    given = replace(given, trained=given.trained | {"baseline": replace(trained("baseline"), strategy="given")})
    baseline = compute.baseline_training(given)
    assert baseline.trained_out and baseline.given
    assert "The baseline was given: its mean is 90.0 %" in show.whether_the_gap_counts(
        compute.gaps(given), baseline, [CLS]
    )
    poor = replace(baseline, mean_accuracy=0.6)
    assert poor.reasons == ("its mean accuracy is 60.0 %",)


def test_a_given_network_is_set_against_every_seed_of_another():
    """Differences 0.1 and 0.3 of a baseline by two seeds to one network."""
    two = ModelOnBenchmark(by_seeds(0.8, 1.0), known(0.9, 0.85), "learnt")
    found = evaluated({"first": REFERENCE | {"baseline": two, "given a": stands(0.7)}})
    gap = compute.gaps(found)[0].gaps["given a"]
    assert gap.value == pytest.approx(0.2) and gap.low < 0.1
    assert found.seeds == 2


MIXED = {f"{CLS} mixed 0.5": stands(0.87), f"{CLS} mixed 0.1": stands(0.82)}


def test_mixed_models_have_gaps_and_a_curve_from_the_set_to_the_baseline():
    found = evaluated({"first": REFERENCE | FOUR | MIXED})
    assert found.compared == tuple(FOUR) and found.mixed == tuple(MIXED)
    assert compute.gaps(found)[0].gaps[f"{CLS} mixed 0.5"].value == pytest.approx(0.03)
    _, table = show.mixtures(found, LOOKS)
    assert table.sort_values("authentic share")[["authentic share", "accuracy"]].to_numpy().tolist() == [
        *([0.0, 0.8], [0.1, 0.82], [0.5, 0.87], [1.0, 0.9])
    ]


def test_the_weights_of_a_given_network_are_read_where_they_lie():
    stage = type("S", (), {"input": staticmethod(lambda n: f"run/{n}"), "parameters": check(EvaluationParameters, {})})
    models = (replace(trained("given a"), file="/elsewhere/a.pth"), trained("baseline"))
    found = weights_to_evaluate(stage, replace(training(), models=models))
    assert [path for _, _, path in found[1:]] == ["/elsewhere/a.pth", "run/weights/baseline-0"]


def test_published_benchmarks_stand_in_the_order_of_their_counterparts():
    table = show.published_accuracies()
    assert table.columns.tolist()[3:9] == ["LFW", "AgeDB-30", "CALFW", "CPLFW", "CFP-FP", "mean"]
    first = published("sface_accuracy").iloc[0]
    assert table.iloc[0]["CPLFW"] == first["cplfw"] != first["cfp_fp"] == table.iloc[0]["CFP-FP"]
