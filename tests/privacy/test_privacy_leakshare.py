"""The leak share: a lower bound, which must not lie above the truth and must rise where persons are followed."""

import math

import numpy as np
import pytest

from sface_lib.errors import InputError
from sface_lib.privacy.leakshare import DISTANCES, distinct_persons, leak_share
from sface_lib.privacy.ranked import DEPTH, RankedPersons


def unit(rows) -> np.ndarray:
    rows = np.asarray(rows, np.float64)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def random_templates(count: int, seed: int, d: int = 32) -> np.ndarray:
    return unit(np.random.default_rng(seed).standard_normal((count, d)))


def scores_of(classes, training, control) -> tuple[np.ndarray, np.ndarray]:
    return classes @ training.T, classes @ control.T


def followed(classes: np.ndarray, persons: np.ndarray, seed: int = 9) -> np.ndarray:
    """The classes, the first of which follow these persons, one each in turn."""
    moved = persons + 0.1 * np.random.default_rng(seed).standard_normal(persons.shape)
    return unit(np.concatenate([moved, classes[len(persons) :]]))


@pytest.mark.parametrize("persons", [6, 3 * DEPTH])
def test_the_best_of_a_part_of_the_persons_is_that_of_the_scores(persons):
    scores, random = np.random.default_rng(0).standard_normal((20, persons)), np.random.default_rng(1)
    ranked = RankedPersons(scores)
    # Parts of two persons, which lie beyond the sorted ones as a rule, and halves.
    for count in (2, persons // 2):
        part = random.permutation(persons) < count
        np.testing.assert_array_equal(ranked.best(part, 2), -np.sort(-scores[:, part], axis=1)[:, :2])


def test_the_bound_is_that_of_its_definition():
    """Against a second computation from full score matrices, one t and one half at a time."""
    classes, training, control = (random_templates(*given) for given in ((40, 1), (12, 2), (12, 3)))
    classes = followed(classes, training)
    found = leak_share(*scores_of(classes, training, control), 0.9, 60, 5)
    scores, random = classes @ np.concatenate([training, control]).T, np.random.default_rng(5)
    first = np.arange(24) < 12
    halves = [first] + [random.permutation(first) for _ in range(60)]
    d = np.array([scores[:, half].max(1) - scores[:, ~half].max(1) for half in halves])
    distances = np.quantile(np.abs(d), np.linspace(0, 1, DISTANCES))
    more = np.array([[(row > t).sum() - (row < -t).sum() for t in distances] for row in d])
    s = np.maximum(more[1:].std(0), 1)
    q = sorted((more / s).max(1))[math.ceil(0.9 * 61) - 1]
    assert found.bound == pytest.approx(max(0, (more[0] - q * s).max() / 40)) and 0 < found.bound < 12 / 40
    assert found.p_value == np.mean((more / s).max(1) >= (more / s).max(1)[0]) and found.persons == 12


def test_the_bound_rises_with_the_share_and_stays_below_it():
    classes, training, control = (random_templates(*given) for given in ((400, 4), (200, 5), (200, 6)))
    sets = [followed(classes, training[:n]) for n in (0, 80, 160)]
    bounds = [leak_share(*scores_of(rows, training, control), 0.95, 199, 0).bound for rows in sets]
    assert bounds[0] == 0 and 0.05 < bounds[1] < 0.2 and 0.2 < bounds[2] < 0.4


def test_where_nobody_is_followed_the_bound_rises_above_zero_as_rarely_as_promised():
    above = 0
    for seed in range(200):
        classes, training, control = (random_templates(30, 3 * seed + i, 8) for i in range(3))
        above += leak_share(*scores_of(classes, training, control), 0.95, 99, seed).bound > 0
    assert 2 <= above <= 18  # 200 draws at 5 %: the 0.5 % and 99 % points of a binomial lie within.


def test_classes_that_all_follow_few_persons_cannot_be_found_and_those_of_more_are():
    classes, training, control = (random_templates(*given) for given in ((300, 1), (40, 2), (40, 3)))
    few, more = (followed(classes, np.resize(training[:n], (300, 32))) for n in (3, 12))
    few, more = (scores_of(rows, training, control) for rows in (few, more))
    found = leak_share(*few, 0.95, 499, 0)
    assert found.fewest_persons == 5 and found.bound == 0 and found.p_value > 0.05
    assert leak_share(*more, 0.95, 499, 0).bound > 0.1
    assert leak_share(*few, 0.975, 499, 0).fewest_persons == 6


def test_persons_in_both_galleries_are_left_out():
    training, control = random_templates(30, 2), random_templates(30, 3)
    control[:4] = training[10:14]
    found = distinct_persons(training, control, 0)
    assert not set(range(10, 14)) & set(found[0]) and not set(range(4)) & set(found[1]) and len(found[0]) == 26


def test_where_nobody_is_in_both_galleries_nobody_is_left_out_as_a_rule():
    left = [
        len(distinct_persons(random_templates(30, 2 * i), random_templates(30, 2 * i + 1), 0)[0]) for i in range(60)
    ]
    assert sum(count < 30 for count in left) <= 8  # 60 draws at 5 %: the 99.5 % point of a binomial.


def test_what_cannot_be_bounded_is_refused():
    rows = random_templates(6, 0)
    for training, control in ((rows, rows[:5]), (rows[:1], rows[:1])):
        with pytest.raises(InputError, match=f"{len(training)} training and {len(control)} control persons"):
            leak_share(*scores_of(rows, training, control), 0.95, 99, 0)
