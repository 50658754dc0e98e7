"""The difference in differences: silent where both sets are as near, above zero where one follows training persons."""

import numpy as np
import pytest

from sface_lib.errors import InputError
from sface_lib.privacy.nearness import nearness_difference


def unit(rows) -> np.ndarray:
    rows = np.asarray(rows, np.float64)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def rows_about(mean, count: int, seed: int, d: int = 16) -> np.ndarray:
    """Unit rows about a mean direction `mean * e_0`."""
    rows = np.random.default_rng(seed).standard_normal((count, d))
    rows[:, 0] += mean
    return unit(rows)


def test_the_difference_is_that_of_means_of_best_and_of_best_less_second():
    parts = classes, unexposed, training, control = [rows_about(0, n, i) for i, n in enumerate((9, 9, 5, 5))]
    found = nearness_difference(*parts, 50, 0)

    def means(rows):
        best = [-np.sort(-rows @ persons.T, axis=1) for persons in (training, control)]
        return np.array(
            [
                (a - b).mean()
                for a, b in (
                    (best[0][:, 0], best[1][:, 0]),
                    (best[0][:, 0] - best[0][:, 1], best[1][:, 0] - best[1][:, 1]),
                )
            ]
        )

    values = means(classes) - means(unexposed)
    assert [found.best.estimate.value, found.lead.estimate.value] == pytest.approx(values.tolist())
    a, b = ((rows @ training.T).max(1) for rows in (classes, unexposed))
    assert found.auc.value == pytest.approx((a[:, None] > b).mean())


def test_sets_that_follow_training_persons_are_nearer_and_by_their_lead_too():
    training, control, others = (rows_about(0, 60, i) for i in range(3))
    near = unit(training + 0.1 * np.random.default_rng(5).standard_normal(training.shape))
    found = nearness_difference(near, others, training, control, 199, 0)
    assert found.best.estimate.value > 0.2 and found.best.test.p_value == 1 / 200
    assert found.lead.estimate.value > 0.2 and found.lead.test.p_value == 1 / 200
    assert found.auc.value > 0.95


@pytest.mark.slow
def test_a_shift_that_both_sets_share_is_no_nearness():
    """Training and control persons of two distributions, both sets of the first: rejections as rare as promised."""
    above = 0
    for seed in range(200):
        parts = [rows_about(mean, 40, 4 * seed + i) for i, mean in enumerate((2, 2, 2, 0))]
        above += nearness_difference(*parts, 99, seed).best.test.p_two_sided <= 0.05
    assert above <= 18


def test_a_shift_that_one_set_alone_follows_moves_its_lead_less():
    training, control = rows_about(2, 80, 0), rows_about(0, 80, 1)
    found = nearness_difference(rows_about(2, 80, 2), rows_about(0, 80, 3), training, control, 199, 0)
    best, lead = (each.estimate.value / each.test.null.std() for each in (found.best, found.lead))
    assert best > 4 and abs(lead) < best / 2


def test_of_more_classes_as_many_are_taken():
    training, control = rows_about(0, 10, 0), rows_about(0, 10, 1)
    assert nearness_difference(rows_about(0, 30, 2), rows_about(0, 12, 3), training, control, 20, 0).classes == 12


@pytest.mark.parametrize("sizes", [(9, 9, 5, 6), (9, 9, 3, 3), (1, 9, 5, 5), (9, 1, 5, 5)])
def test_too_few_are_refused(sizes):
    with pytest.raises(InputError, match="give as many of both kinds of persons, at least 4, and two classes"):
        nearness_difference(*(rows_about(0, n, i) for i, n in enumerate(sizes)), 20, 0)
