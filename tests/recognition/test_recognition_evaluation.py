"""Judging on pairs: exact where hand work can follow, paired between models, fair between groups."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from sface_lib.cli import main
from sface_lib.data import Protocol, open_faces, write_bin, write_faces, write_protocol
from sface_lib.engine import make_accelerator
from sface_lib.errors import InputError
from sface_lib.recognition import (
    ProtocolPairs,
    RecognitionRecipe,
    accuracy_by_group,
    evaluate,
    late_spread,
    learnt,
    resolve_pairs,
    trade_off,
    untrained_model,
    verify,
)


def pairs_of(identities: int, images: int = 4, seed: int = 0) -> ProtocolPairs:
    """Each identity's first image against its others, and against others' in the same fold; folds of two identities."""
    label = np.repeat(np.arange(identities), images)
    left = np.repeat(np.arange(identities) * images, images - 1)
    genuine = left + np.tile(np.arange(1, images), identities)
    impostor = genuine + images * (1 - 2 * (label[genuine] % 2))
    both, rights = np.tile(left, 2), np.concatenate([genuine, impostor])
    same = label[both] == label[rights]
    return ProtocolPairs(both, rights, same, label[both] // 2, label[both], label[rights])


def noisy(identities: int, noise: float, images: int = 4, seed: int = 0) -> np.ndarray:
    random = np.random.default_rng(seed)
    rows = np.repeat(random.standard_normal((identities, 8)), images, axis=0)
    rows += noise * random.standard_normal(rows.shape)
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def test_perfect_embeddings_score_one_and_pairs_outside_the_set_are_refused():
    rows, pairs = np.eye(8, dtype=np.float32)[np.repeat(np.arange(8), 4)], pairs_of(8)
    result = evaluate(rows, pairs)
    assert result.accuracy.mean == 1 and result.metrics.eer == 0 and result.interval.high == 1
    assert 0.4 < result.interval.low < 0.6  # Eight identities without an error leave much open.
    with pytest.raises(InputError, match="position 31 of 10"):
        evaluate(rows[:10], pairs)


def test_rates_rest_on_the_scores_of_all_pairs_and_their_persons():
    rows, pairs = noisy(60, 0.8), pairs_of(60)  # 180 impostors: enough for 1 %, not for 0.1 %.
    found = evaluate(rows, pairs).scored
    scores = pairs.scores(rows)
    second = np.sort(scores[~pairs.same])[-2]  # One of 180 may pass at 1 %.
    assert found.at(0.01).value == pytest.approx((scores[pairs.same] <= second).mean())
    assert not found.shows(0.001)
    assert (found.mated_identity == pairs.left_identity[pairs.same]).all()
    assert (found.other_right == pairs.right_identity[~pairs.same]).all()


def test_pairs_of_unknown_persons_count_each_as_its_own():
    pairs = pairs_of(10)
    unknown = dataclasses.replace(pairs, left_identity=np.full(60, -1), right_identity=np.full(60, -1))
    found = evaluate(noisy(10, 0.8), unknown).scored
    assert len(set(found.mated_identity) | set(found.other_left)) == 60
    assert (found.other_left == found.other_right).all()


def test_a_model_is_no_better_than_itself_and_the_difference_is_narrower_than_both_intervals():
    pairs = pairs_of(60)
    good, poor = (evaluate(noisy(60, noise), pairs).mean for noise in (0.5, 0.9))
    own = (good - good).estimate()
    assert own.value == 0 and own.variance < 1e-30
    gap = (good - poor).estimate()
    assert gap.value == pytest.approx(good.value - poor.value)
    assert gap.interval().low < gap.value < gap.interval().high
    # An identity that is easy for one is easy for the other, so the variances do not add.
    assert gap.variance < good.estimate().variance + poor.estimate().variance


def test_without_identities_pairs_count_as_independent():
    pairs = pairs_of(60)
    unknown = dataclasses.replace(pairs, left_identity=np.full(360, -1), right_identity=np.full(360, -1))
    rows = noisy(60, 0.9)
    known, alone = evaluate(rows, pairs), evaluate(rows, unknown)
    assert unknown.identities == (None, None) and known.accuracy.mean == alone.accuracy.mean
    # Binomial, each kind on its own: the standard error of the mean of 360 judgements.
    correct = alone.accuracy.correct
    shares = [correct[pairs.same].mean(), correct[~pairs.same].mean()]
    expected = sum(0.25 * p * (1 - p) / 180 for p in shares)
    assert alone.mean.estimate().variance == pytest.approx(expected * 180 / 179)


def test_a_groups_accuracy_counts_the_pairs_within_it_at_the_thresholds_of_all():
    pairs = pairs_of(80, images=5)
    rows = noisy(80, 0.6, images=5)
    group = {k: ("a" if k < 40 else "b") for k in range(80)}
    found = evaluate(rows, pairs)
    table = accuracy_by_group(found, pairs, group).set_index("group")
    inside = pairs.left_identity < 40
    right = found.accuracy.correct
    sides = [right[inside & pairs.same].mean(), right[inside & ~pairs.same].mean()]
    assert table.loc["a", "accuracy"] == pytest.approx(np.mean(sides))
    assert table.loc["a", ["fnmr", "fmr"]].tolist() == pytest.approx([1 - sides[0], 1 - sides[1]])
    assert table.loc["a", ["genuine", "impostor", "subjects"]].tolist() == [160, 160, 40]
    assert (table["low"] <= table["accuracy"]).all() and (table["accuracy"] <= table["high"]).all()


def test_pairs_across_groups_and_persons_of_no_group_are_left_out_and_small_groups_too():
    pairs = pairs_of(80, images=5)
    found = evaluate(noisy(80, 0.6, images=5), pairs)
    across = {k: "ab"[k % 2] for k in range(80)}  # All impostor pairs join two groups.
    assert accuracy_by_group(found, pairs, across).empty
    few = dict.fromkeys(range(6), "few") | dict.fromkeys(range(40, 80), "many")
    assert accuracy_by_group(found, pairs, few)["group"].tolist() == ["many"]


def test_the_trade_off_is_mean_minus_standard_deviation():
    groups = pd.DataFrame({"accuracy": [0.8, 0.9]})
    assert trade_off(groups) == pytest.approx(0.85 - 0.05) and trade_off(groups[:1]) is None


@pytest.fixture
def photographs(tmp_path, rendered_zip):
    """A labelled set, its pairs of two folds as a CSV, and an untrained model's file."""
    path = rendered_zip(tmp_path / "set.zip", 8, 4, 32)
    faces, pairs = open_faces(path), pairs_of(8)
    names = np.array(faces.names)
    protocol = Protocol(tuple(names[pairs.left]), tuple(names[pairs.right]), pairs.same, pairs.fold + 1)
    write_protocol(tmp_path / "pairs.csv", protocol)
    recipe = RecognitionRecipe("small", 32, 16, 1, 8, 0.1, 0.0, 0.35, 64.0, 39.06, seed=0)
    return path, protocol, untrained_model(recipe).save(tmp_path / "model.safetensors")


def test_verify_prints_what_the_library_finds(tmp_path, capsys, photographs):
    path, protocol, weights = photographs
    command = ["verify", "--model", str(weights), "--protocol", str(tmp_path / "pairs.csv"), "--images", str(path)]
    assert main(command) == 0
    said = capsys.readouterr().out
    from sface_lib.recognition import open_model

    found, _ = verify(open_model(weights), protocol, open_faces(path), make_accelerator())
    assert f"Accuracy: {100 * found.accuracy.mean:.2f} % (sd over folds {100 * found.accuracy.sd:.2f})" in said
    assert "FNMR at FMR 1.0%: 24 impostor scores cannot show" in said
    assert "24 genuine, 24 impostor, 4 folds" in said and "over identities" in said and "trained on: nothing" in said


@pytest.fixture
def bins(tmp_path, photographs):
    """A folder of two verification .bin, of 24 and of 36 pairs."""
    path, protocol, _ = photographs
    faces = open_faces(path)
    left, right = protocol.resolve(faces)
    for name, pairs in (("lfw", np.r_[:12, 24:36]), ("agedb_30", np.r_[:18, 24:42])):
        order = np.random.default_rng(0).permutation(pairs)
        images = [faces.encoded(i) for pair in zip(left[order], right[order], strict=True) for i in pair]
        write_bin(tmp_path / "bins" / f"{name}.bin", images, protocol.same[order])
    return tmp_path / "bins"


def test_verify_gives_a_row_for_each_bin_of_a_folder_and_needs_no_images(capsys, photographs, bins):
    _, _, weights = photographs
    assert main(["verify", "--model", str(weights), "--protocol", str(bins)]) == 0
    table = [line.split() for line in capsys.readouterr().out.splitlines()[1:]]
    assert [row[:3] for row in table[1:]] == [["AgeDB-30", "18", "18"], ["LFW", "12", "12"]]
    for file, (_, *row) in zip(("agedb_30", "lfw"), table[1:], strict=True):
        assert main(["verify", "--model", str(weights), "--protocol", str(bins / f"{file}.bin")]) == 0
        alone = capsys.readouterr().out
        assert f"Accuracy: {row[2]} % (sd over folds {row[3]})" in alone and f"EER: {row[6]} %" in alone


def test_verify_without_images_says_what_is_missing(tmp_path, capsys, photographs):
    _, _, weights = photographs
    assert main(["verify", "--model", str(weights), "--protocol", str(tmp_path / "pairs.csv")]) == 2
    assert "pairs.csv" in capsys.readouterr().err


def test_a_model_has_learnt_only_above_every_floor():
    rows = {name: noisy(60, noise) for name, noise in (("good", 0.3), ("middle", 1.0), ("poor", 4.0))}
    good, middle, poor = (evaluate(rows[name], pairs_of(60)).mean.estimate() for name in ("good", "middle", "poor"))
    assert learnt(good, [middle, poor]) and not learnt(middle, [middle, poor]) and not learnt(poor, [middle])


def test_pairs_of_an_unlabelled_set_have_no_identities(tmp_path, photographs):
    path, protocol, _ = photographs
    faces = open_faces(path)
    write_faces(tmp_path / "plain.zip", faces.load(), names=list(faces.names))
    pairs = resolve_pairs(protocol, open_faces(tmp_path / "plain.zip"))
    assert pairs.identities == (None, None) and len(pairs.same) == len(protocol)


def test_the_late_spread_looks_at_the_last_third():
    steps = [10, 20, 30, 40, 50, 60]
    assert late_spread(steps, [0.5, 0.6, 0.7, 0.80, 0.81, 0.805]) == pytest.approx(0.01)
    assert late_spread([10, 60], [0.5, 0.8]) is None
