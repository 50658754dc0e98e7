"""The link by templates: what it sees, and what can't fool it."""

import numpy as np
import pytest

from sface_lib.errors import InputError
from sface_lib.privacy import best_label, label_free_link


def unit(rows) -> np.ndarray:
    rows = np.asarray(rows, np.float64)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def random_templates(count: int, seed: int, d: int = 32) -> np.ndarray:
    return unit(np.random.default_rng(seed).standard_normal((count, d)))


def test_the_best_label_of_a_tie_between_identities_is_none():
    gallery, labels = unit([[1, 0], [0, 1], [1, 0], [-1, 0]]), np.array([4, 5, 4, 6])
    probes = unit([[1, 0.1], [1, 1], [-1, 0.1]])
    # The first ties between two rows of one identity; the second between two identities.
    np.testing.assert_array_equal(best_label(probes, gallery, labels), [4, -1, 6])


def test_copies_of_the_training_identities_are_seen_and_names_do_not_matter():
    training, control = random_templates(30, 1), random_templates(30, 2)
    near = unit(training + 0.05 * np.random.default_rng(3).standard_normal(training.shape))
    found = label_free_link(near, training, control, 199, 200, 0)
    assert found.test.observed == 1 and found.test.p_value == 1 / 200 and found.estimate.interval().low > 0.85
    renamed = label_free_link(np.roll(near, 7, axis=0), training, control, 199, 200, 0)
    assert renamed.test.observed == found.test.observed and renamed.test.p_value == found.test.p_value
    assert renamed.estimate.interval() == found.estimate.interval() and found.estimate.interval().high == 1


def test_the_null_is_that_of_random_halves_with_ties_half():
    """Templates of few directions, so that many identities tie for the best; against the scores of each half."""
    axes = np.eye(3)
    classes, training, control = axes[[0, 1, 2, 1]], axes[[0, 0, 1, 2]], axes[[0, 1, 1, 2]]
    found = label_free_link(classes, training, control, 50, 100, 5)
    scores, random = classes @ np.concatenate([training, control]).T, np.random.default_rng(5)
    for value in found.test.null:
        order = random.permutation(8)
        first, second = scores[:, np.flatnonzero(order < 4)].max(1), scores[:, np.flatnonzero(order >= 4)].max(1)
        assert value == ((first > second) + 0.5 * (first == second)).mean()
    assert found.test.observed == 0.5 and set(found.test.null) == {0.375, 0.5, 0.625}


def test_unrelated_classes_are_called_linked_as_rarely_as_promised():
    below = 0
    for seed in range(100):
        parts = (random_templates(12, 3 * seed + i) for i in range(3))
        below += label_free_link(*parts, 99, 100, seed).test.p_value <= 0.05
    assert below <= 13  # 100 draws at 5 %: 99.9 % of binomial counts lie at or below 13.


def test_classes_that_shun_the_training_identities_are_below_chance():
    control = random_templates(30, 2)
    found = label_free_link(unit(control + 0.01), random_templates(30, 1), control, 199, 200, 0)
    assert found.test.observed == 0 and found.test.p_below == 1 / 200 and found.test.p_value == 1


def test_as_many_unseen_identities_are_asked_for():
    with pytest.raises(InputError, match="30 training and 29 control identities"):
        label_free_link(random_templates(4, 0), random_templates(30, 1), random_templates(29, 2), 99, 100, 0)


def test_rows_that_are_no_embeddings_are_refused():
    rows = random_templates(6, 0)
    bad = rows.copy()
    bad[2] = np.nan
    for parts in ((bad, rows, rows), (rows, bad, rows), (rows, rows, bad)):
        with pytest.raises(InputError, match=r"(classes|training|control) holds 1 row\(s\) with NaN.* at index 2"):
            label_free_link(*parts, 99, 100, 0)
