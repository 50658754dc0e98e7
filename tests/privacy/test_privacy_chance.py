"""Chance is what a renaming of the classes gives."""

import itertools

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from sface_lib.errors import InputError
from sface_lib.matching import compare_sets, compare_within, group_codes
from sface_lib.privacy import auc_table, hit_table, shuffle_test
from sface_lib.privacy.groups import exchangeable


def embedded(n_classes: int, images: int, strength: float = 0.0, seed: int = 0, d: int = 16):
    """Unit embeddings around class centres; strength 0 has no class structure. Centres do not depend on `seed`."""
    centres = np.random.default_rng(99).standard_normal((n_classes, d))
    labels = np.repeat(np.arange(n_classes), images)
    rows = np.random.default_rng(seed).standard_normal((len(labels), d)) + strength * centres[labels]
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32), labels


def link(a, la, b, lb, shuffles: int = 199, seed: int = 0):
    return shuffle_test(auc_table(compare_sets(a, la, b, lb).blocks), shuffles, seed)


def test_the_auc_of_a_shuffle_is_the_auc_after_renaming_the_classes():
    (a, la), (b, lb) = embedded(6, 5, 1.0, 1), embedded(6, 4, 1.0, 2)
    table = auc_table(compare_sets(a, la, b, lb).blocks)
    for seed in range(5):
        naming = np.random.default_rng(seed).permutation(6)
        # Class i of a meets class naming[i] of b: rename a's classes by it.
        truth = naming[la][:, None] == lb
        expected = roc_auc_score(truth.ravel(), np.rint((a @ b.T).ravel() * 16380))  # Ties as the table has them.
        assert table.statistic(naming) == pytest.approx(expected, abs=1e-12)
        assert table.statistic(naming) == pytest.approx(roc_auc_score(truth.ravel(), (a @ b.T).ravel()), abs=1e-3)


def test_uneven_classes_and_labels_of_one_set_alone_are_left_to_the_shared():
    a, la = embedded(5, 4, 1.0, 1)
    b, lb = embedded(7, 3, 1.0, 2)
    uneven = np.array([i for i in range(len(lb)) if i not in (4, 5, 9)])
    b, lb = b[uneven], lb[uneven]
    table = auc_table(compare_sets(a, la, b, lb).blocks)
    shared = lb < 5
    truth = la[:, None] == lb[shared]
    expected = roc_auc_score(truth.ravel(), np.rint((a @ b[shared].T).ravel() * 16380))
    assert table.statistic(np.arange(5)) == pytest.approx(expected, abs=1e-12)


def test_hits_under_a_naming_are_those_of_renamed_probes():
    random = np.random.default_rng(0)
    probes, found = random.integers(0, 5, 200), random.integers(0, 5, 200)
    found[::9] = -1  # Ties are never hits.
    table = hit_table(probes, found, np.arange(5))
    for seed in range(5):
        naming = np.random.default_rng(seed).permutation(5)
        assert table.statistic(naming) == pytest.approx(np.mean(naming[probes] == found))
    assert shuffle_test(hit_table(probes, probes, np.arange(5)), 99, 0).observed == 1


def test_a_strong_link_has_the_smallest_p_that_the_shuffles_allow():
    test = link(*embedded(12, 4, 3.0, 1), *embedded(12, 4, 3.0, 2))
    assert test.p_value == 1 / 200 and test.observed > 0.95 and test.band()[1] < test.observed
    assert test.p_below == 1 and test.p_two_sided == 2 / 200


def test_renamed_classes_send_the_link_to_its_null():
    (a, la), (b, lb) = embedded(20, 4, 3.0, 1), embedded(20, 4, 3.0, 2)
    renamed = link(a, la, b, (lb + 7) % 20)
    low, high = renamed.band(0.99)
    assert low <= renamed.observed <= high


def test_unrelated_sets_are_called_linked_as_rarely_as_promised():
    small = []
    for seed in range(120):
        (a, la), (b, lb) = embedded(8, 4, 0.0, 2 * seed), embedded(8, 4, 0.0, 2 * seed + 1)
        small.append(link(a, la, b, lb, 99, seed).p_value <= 0.05)
    # 120 draws at 5 %: 99.9 % of binomial counts lie at or below 15.
    assert sum(small) <= 15


GROUPS = pd.Series(["men", "men", "women", "men", "women", "none such", None])


def test_names_are_exchanged_within_groups_and_nowhere_else():
    """Hits of classes 0, 1, 3 among one another and of 2, 4: 3! x 2! namings, each as likely."""
    random = np.random.default_rng(0)
    probes, found = np.repeat(np.arange(5), 20), random.integers(0, 5, 100)
    test = shuffle_test(hit_table(probes, found, np.arange(5)), 5000, 0, GROUPS)
    namings = [
        np.array([men[0], men[1], women[0], men[2], women[1]])
        for men in itertools.permutations([0, 1, 3])
        for women in itertools.permutations([2, 4])
    ]
    values = [np.mean(naming[probes] == found) for naming in namings]
    expected = {round(value, 9): values.count(value) / len(values) for value in values}
    drawn, counts = np.unique(test.null.round(9), return_counts=True)
    assert set(drawn) == set(expected)
    np.testing.assert_allclose(counts / 5000, [expected[value] for value in drawn], atol=0.03)


def test_who_shares_a_group_with_nobody_cannot_be_renamed():
    assert exchangeable(np.arange(7), GROUPS).tolist() == [0, 1, 2, 3, 4]
    assert exchangeable(np.arange(7), None).tolist() == list(range(7))
    assert exchangeable(np.array([0, 2, 5]), GROUPS).size == 0  # Of these, each is alone.
    codes = group_codes(np.array([6, 5, 0, 3, 9]), GROUPS)
    assert codes[2] == codes[3] and len(set(codes)) == 4  # Not known is a group to oneself.


def test_a_set_that_shows_only_groups_is_linked_to_no_person():
    """Classes of a group share its centre, and nothing else, with their person: renaming all calls it a link."""
    random, groups = np.random.default_rng(3), pd.Series(np.repeat(["a", "b", "c", "d"], 10))
    centres = random.standard_normal((4, 16))

    def faces():
        labels = np.repeat(np.arange(40), 5)
        own = 0.7 * random.standard_normal((40, 16))
        rows = centres[labels // 10] + own[labels] + 0.7 * random.standard_normal((200, 16))
        return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32), labels

    table = auc_table(compare_sets(*faces(), *faces()).blocks)
    blind, seeing = shuffle_test(table, 199, 0), shuffle_test(table, 199, 0, groups)
    assert blind.p_value == blind.floor == 1 / 200 and blind.null.mean() == pytest.approx(0.5, abs=0.01)
    low, high = seeing.band(0.99)
    assert low <= seeing.observed <= high and seeing.null.mean() > 0.7


def test_a_shuffle_needs_two_shared_classes_and_two_sets():
    a, labels = embedded(4, 2)
    with pytest.raises(InputError, match="at least two classes"):
        link(a[:4], np.array([0, 0, 1, 1]), a[4:], np.array([0, 0, 2, 2]), 100)
    with pytest.raises(InputError, match="labels are shuffled between two sets"):
        auc_table(compare_within(a, labels).blocks)
