"""Scores of sets are every pair once, and chance is what a shuffle of the labels gives."""

import itertools

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from sface_lib.errors import InputError
from sface_lib.privacy import chance, compare, compare_sets, compare_within, shuffle_test


def embedded(n_classes: int, images: int, strength: float = 0.0, seed: int = 0, d: int = 16):
    """Unit embeddings around class centres; strength 0 has no class structure. Centres do not depend on `seed`."""
    centres = np.random.default_rng(99).standard_normal((n_classes, d))
    labels = np.repeat(np.arange(n_classes), images)
    rows = np.random.default_rng(seed).standard_normal((len(labels), d)) + strength * centres[labels]
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32), labels


def test_two_sets_are_scored_pair_by_pair():
    (a, la), (b, lb) = embedded(3, 4, 1.0, 1), embedded(4, 3, 1.0, 2)
    found = compare_sets(a, la, b, lb)
    truth = [(a[i] @ b[j], la[i], lb[j]) for i, j in itertools.product(range(12), range(12))]
    np.testing.assert_allclose(np.sort(found.genuine), np.sort([s for s, x, y in truth if x == y]), atol=1e-6)
    np.testing.assert_allclose(np.sort(found.impostor), np.sort([s for s, x, y in truth if x != y]), atol=1e-6)
    assert len(found.genuine) == 3 * 4 * 3 and len(found.genuine) + len(found.impostor) == 144
    for score, x, y in zip(found.impostor, found.impostor_identity_a, found.impostor_identity_b, strict=True):
        assert any(abs(score - s) < 1e-6 and (x, y) == (p, q) for s, p, q in truth)


def test_within_a_set_every_unordered_pair_counts_once_and_none_with_itself():
    a, labels = embedded(3, 4, 1.0)
    found = compare_within(a, labels)
    truth = [(a[i] @ a[j], labels[i] == labels[j]) for i, j in itertools.combinations(range(12), 2)]
    np.testing.assert_allclose(np.sort(found.genuine), np.sort([s for s, same in truth if same]), atol=1e-6)
    np.testing.assert_allclose(np.sort(found.impostor), np.sort([s for s, same in truth if not same]), atol=1e-6)
    assert found.genuine.max() < 0.9999  # A self-pair would score 1.


def test_the_block_size_changes_nothing(monkeypatch):
    a, labels = embedded(5, 6, 0.5)
    whole = compare_within(a, labels)
    monkeypatch.setattr(compare, "BLOCK_ROWS", 7)
    parts = compare_within(a, labels)
    np.testing.assert_allclose(np.sort(parts.genuine), np.sort(whole.genuine), atol=1e-6)
    assert parts.metrics().n_impostor == whole.metrics().n_impostor


def test_one_image_a_class_against_its_copy_has_no_error():
    a, labels = embedded(20, 1)
    metrics = compare_sets(a, labels, a, labels).metrics()
    assert metrics.eer == 0 and metrics.auc == 1 and metrics.genuine_mean == pytest.approx(1)


def bad_row(value: float):
    a, labels = embedded(3, 2)
    a = a.copy()
    a[4] = value
    return a, labels


@pytest.mark.parametrize(
    ("a", "labels", "message"),
    [
        (*bad_row(np.nan), "row 4 of set a"),
        (*bad_row(0.0), "row 4 of set a"),
        (embedded(3, 2)[0], np.arange(5), "one integer label a row: 6"),
        (embedded(3, 2)[0], np.zeros(6), "one integer label a row"),
        (np.zeros((0, 4)), np.zeros(0, int), r"embeddings \[N, d\]"),
        (np.zeros(4), np.zeros(4, int), r"embeddings \[N, d\]"),
        (embedded(1, 4)[0], np.zeros(4, int), "1 identities"),
        (embedded(4, 1)[0], np.arange(4), "at most 1 images of one"),
    ],
)
def test_sets_that_cannot_be_scored_are_refused_by_name_and_row(a, labels, message):
    with pytest.raises(InputError, match=message):
        compare_within(a, labels)


def test_sets_that_do_not_fit_each_other_are_refused():
    (a, la), (b, lb) = embedded(3, 2), embedded(3, 2, d=8)
    with pytest.raises(InputError, match="a has 16, b has 8"):
        compare_sets(a, la, b, lb)
    with pytest.raises(InputError, match="no label in common"):
        compare_sets(a, la, a, la + 10)


def test_more_scores_than_fit_in_memory_are_refused(monkeypatch):
    monkeypatch.setattr(compare, "MOST_SCORES", 10)
    with pytest.raises(InputError, match="15 scores exceed 10"):
        compare_within(*embedded(3, 2))


def test_the_auc_of_a_shuffle_is_the_auc_after_renaming_the_classes():
    (a, la), (b, lb) = embedded(6, 5, 1.0, 1), embedded(6, 4, 1.0, 2)
    a = np.round(a, 1)  # Coarse values make ties.
    a = a / np.linalg.norm(a, axis=1, keepdims=True)
    comparison = compare_sets(a, la, b, lb)
    tables = chance._tables(comparison, np.arange(6))
    for seed in range(5):
        permutation = np.random.default_rng(seed).permutation(6)
        # Class i of a meets class permutation[i] of b: rename a's classes by it.
        truth = permutation[la][:, None] == lb
        expected = roc_auc_score(truth.ravel(), (a.astype(np.float32) @ b.T).ravel())
        # float32 products may break a tie that another order of summation keeps.
        assert chance._auc(*tables, permutation) == pytest.approx(expected, abs=1e-3)


def test_a_strong_link_has_the_smallest_p_that_the_shuffles_allow():
    (a, la), (b, lb) = embedded(12, 4, 3.0, 1), embedded(12, 4, 3.0, 2)
    test = shuffle_test(compare_sets(a, la, b, lb), shuffles=199, seed=0)
    assert test.p_value == 1 / 200 and test.observed > 0.95 and test.band()[1] < test.observed


def test_renamed_classes_send_the_link_to_its_null():
    (a, la), (b, lb) = embedded(20, 4, 3.0, 1), embedded(20, 4, 3.0, 2)
    renamed = shuffle_test(compare_sets(a, la, b, (lb + 7) % 20), shuffles=199, seed=0)
    low, high = renamed.band(0.99)
    assert low <= renamed.observed <= high


def test_unrelated_sets_are_called_linked_as_rarely_as_promised():
    small = []
    for seed in range(120):
        (a, la), (b, lb) = embedded(8, 4, 0.0, 2 * seed), embedded(8, 4, 0.0, 2 * seed + 1)
        small.append(shuffle_test(compare_sets(a, la, b, lb), shuffles=99, seed=seed).p_value <= 0.05)
    # 120 draws at 5 %: 99.9 % of binomial counts lie at or below 15.
    assert sum(small) <= 15


def test_a_shuffle_needs_two_shared_classes():
    a, _ = embedded(4, 2)
    with pytest.raises(InputError, match="at least two classes"):
        shuffle_test(compare_sets(a[:4], np.array([0, 0, 1, 1]), a[4:], np.array([0, 0, 2, 2])), 100, 0)
