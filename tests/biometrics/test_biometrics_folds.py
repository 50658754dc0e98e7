"""K-fold accuracy of a verification benchmark."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sface_lib.biometrics import kfold_accuracy
from sface_lib.errors import InputError


def benchmark_scores(n=6000, folds=10, seed=0):
    """Scores, flags and folds like LFW's: half genuine, folds of equal size."""
    same = np.tile([True, False], n // 2)
    scores = np.random.default_rng(seed).normal(np.where(same, 0.6, 0.0), 0.13)
    return scores, same, np.repeat(np.arange(folds), n // folds)


def test_hand_worked_folds_with_arbitrary_ids():
    # Fold 6: genuine .9 .4, impostor .1 .5. Fold 10: genuine .8 .6, impostor .2 .3.
    # Chosen on 10: any threshold in (.3, .6] is right 4 of 4, midway .45; on 6 it errs on .4 and .5: 2 of 4.
    # Chosen on 6: 3 of 4 in (.1, .4] and in (.5, .9]; the wider gap is (.5, .9], midway .7: .6 is lost, 3 of 4.
    scores = [0.9, 0.4, 0.1, 0.5, 0.8, 0.6, 0.2, 0.3]
    same = [True, True, False, False] * 2
    result = kfold_accuracy(scores, same, [6] * 4 + [10] * 4)
    assert result.folds.tolist() == [6, 10]
    assert result.thresholds.tolist() == pytest.approx([0.45, 0.7], abs=1e-15)  # a midpoint rounds once
    assert result.per_fold.tolist() == [0.5, 0.75]
    assert (result.mean, result.sd) == (0.625, 0.125)  # ddof = 0: each is .125 from the mean
    assert result.correct.tolist() == [True, False, True, False, True, False, True, True]


def test_equal_gaps_go_to_the_lowest_threshold():
    # Outside fold 1: impostor 0, genuine 1, impostor 2, genuine 3. Midpoints .5 and 2.5 are both right 3 of 4.
    result = kfold_accuracy([0, 1, 2, 3, 0, 1], [False, True] * 3, [0] * 4 + [1] * 2)
    assert result.thresholds[1] == 0.5


def test_accepting_all_or_none_is_chosen_only_when_strictly_better():
    # Outside fold 1 genuines are below impostors: accepting all is right for 2 of 3, every split for fewer.
    scores, fold = [0, 1, 2, 0, 1], [0, 0, 0, 1, 1]
    accept_all = kfold_accuracy(scores, [True, True, False, True, False], fold)
    assert accept_all.thresholds[1] == 0
    accept_none = kfold_accuracy(scores, [True, False, False, True, False], fold)
    assert accept_none.thresholds[1] == np.nextafter(2.0, 3.0)
    # Genuine 0 and 2 around impostor 1: accepting all is right for 2 of 3, and so is splitting at 1.5.
    equally_good = kfold_accuracy(scores, [True, False, True, True, False], fold)
    assert equally_good.thresholds[1] == 1.5


def test_neighbouring_floats_are_told_apart():
    # There is no float between the two scores, so the threshold must be the upper one.
    low, high = 1.0, np.nextafter(1.0, 2.0)
    result = kfold_accuracy([low, high] * 2, [False, True] * 2, [0, 0, 1, 1])
    assert result.mean == 1.0 and result.thresholds.tolist() == [high, high]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 12), st.booleans()), min_size=6, max_size=40), st.integers(2, 3))
def test_no_threshold_is_more_accurate_on_the_other_folds(pairs, n_folds):
    scores, same = (np.array(part) for part in zip(*pairs, strict=True))
    fold = np.arange(len(pairs)) % n_folds
    if any(same[fold != f].all() or not same[fold != f].any() for f in range(n_folds)):
        return
    result = kfold_accuracy(scores, same, fold)
    for held_out, threshold in enumerate(result.thresholds):
        kept = fold != held_out
        chosen = np.mean((scores >= threshold) == same, where=kept)
        best = max(np.mean((scores >= t) == same, where=kept) for t in np.arange(-0.5, 14))
        assert chosen == best
        np.testing.assert_array_equal(result.correct[~kept], (scores[~kept] >= threshold) == same[~kept])
    assert result.mean == pytest.approx(np.mean([result.correct[fold == f].mean() for f in range(n_folds)]))


def test_accuracy_agrees_with_a_grid_of_400_steps():
    scores, same, fold = benchmark_scores()
    grid = np.linspace(-1, 1, 401)
    judged = (scores >= grid[:, None]) == same  # [401, N]
    on_grid = [judged[np.argmax(judged[:, fold != f].mean(axis=1))][fold == f].mean() for f in range(10)]
    # Both choices are within noise of the best; a step moves a handful of the 6,000 pairs.
    assert kfold_accuracy(scores, same, fold).mean == pytest.approx(np.mean(on_grid), abs=1e-3)


def test_own_pairs_do_not_influence_the_threshold_of_a_fold():
    scores, same, fold = benchmark_scores(n=600, folds=5)
    plain = kfold_accuracy(scores, same, fold)
    for held_out in range(5):
        leaked = np.where(fold == held_out, -scores, scores)
        flipped = np.where(fold == held_out, ~same, same)
        assert kfold_accuracy(leaked, flipped, fold).thresholds[held_out] == plain.thresholds[held_out]


def test_order_of_pairs_does_not_matter():
    scores, same, fold = benchmark_scores(n=600)
    order = np.random.default_rng(1).permutation(600)
    plain, shuffled = (
        kfold_accuracy(scores, same, fold),
        kfold_accuracy(scores[order], same[order], fold[order]),
    )
    np.testing.assert_array_equal(shuffled.thresholds, plain.thresholds)
    np.testing.assert_array_equal(shuffled.correct, plain.correct[order])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"scores": []}, r"^scores has shape \(0,\)"),
        ({"scores": [0.1, np.nan, 0.2, 0.3]}, "^scores holds 1 unusable"),
        ({"same": [True] * 4}, "^same holds genuine pairs only"),
        ({"same": [0, 0, 0, 0]}, "^same holds impostor pairs only"),
        ({"same": [0, 1, 2, 0]}, "^same holds values other than 0 and 1"),
        ({"same": [0.0, 1.0, 0.0, 1.0]}, "^same holds values of type float64"),
        ({"same": [True, False]}, "^same has 2 entries; give 4"),
        ({"fold": [1, 1, 1, 1]}, "^fold holds one id only"),
        ({"fold": [1, 2]}, "^fold has 2 entries"),
        ({"fold": [1.0, 1.0, 2.0, 2.0]}, "^fold holds values of type float64"),
        ({"fold": [3, 4, 3, 4]}, "^same, outside fold 3, holds impostor pairs only"),
    ],
)
def test_bad_input_is_refused_by_name(change, message):
    good = {"scores": [0.9, 0.1, 0.8, 0.2], "same": [True, False, True, False], "fold": [0, 0, 1, 1]}
    with pytest.raises(InputError, match=message):
        kfold_accuracy(**(good | change))
