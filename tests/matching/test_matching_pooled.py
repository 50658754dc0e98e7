"""All pairs at a threshold, by couple of persons."""

import numpy as np
import pandas as pd
import pytest

from sface_lib.biometrics import fnmr_at_fmr
from sface_lib.errors import InputError
from sface_lib.matching import PooledComparisons, compare_sets, compare_within


def embedded(counts, seed):
    random = np.random.default_rng(seed)
    labels = np.repeat(np.arange(len(counts)) * 3, counts)
    own = random.standard_normal((len(counts), 16))[labels // 3]
    rows = own + random.standard_normal((len(labels), 16))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32), labels


@pytest.mark.parametrize("within", [True, False])
def test_couples_are_counted_as_pair_by_pair(within):
    (a, la), (b, lb) = embedded([4, 2, 5, 3], 0), embedded([3, 3, 2, 4], 1)
    comparison = compare_within(a, la) if within else compare_sets(a, la, b, lb)
    b, lb = (a, la) if within else (b, lb)
    found, scores = PooledComparisons(comparison), a @ b.T
    passed, missed = found.passed(0.2), found.missed(0.2)
    expected: dict = {}
    for i in range(len(a)):
        for j in range(i + 1 if within else 0, len(b)):
            kind = "missed" if la[i] == lb[j] else "passed"
            wrong = (scores[i, j] < 0.2) if kind == "missed" else (scores[i, j] >= 0.2)
            couple = (kind, *((min(la[i], lb[j]), max(la[i], lb[j])) if within else (la[i], lb[j])))
            errors, count = expected.get(couple, (0, 0))
            expected[couple] = (errors + int(wrong), count + 1)
    told = {
        (kind, *couple): (errors, count)
        for kind, counts in (("missed", missed), ("passed", passed))
        for *couple, errors, count in zip(counts.left, counts.right, counts.errors, counts.comparisons, strict=True)
    }
    assert told == expected
    assert found.n_others == passed.comparisons.sum()


@pytest.mark.parametrize("target", [0.1, 0.02, 1.0])
def test_the_rate_at_a_rate_is_that_of_all_scores(target):
    comparison = compare_within(*embedded([6] * 30, 2))
    found = PooledComparisons(comparison)
    threshold = found.threshold(target)
    assert found.passed(threshold).rate <= target + 1e-9
    # A bin is 1 / 16380 wide, and holds a few of the 16,000 scores.
    assert found.at(target).value == pytest.approx(
        fnmr_at_fmr(comparison.genuine, comparison.impostor, target)[0], abs=0.01
    )


def test_a_rate_of_couples_has_the_variance_of_persons_not_of_scores():
    """Thirty persons of many images: the interval is far wider than that of as many independent scores."""
    found = PooledComparisons(compare_within(*embedded([20] * 30, 3))).at(0.05)
    alone = found.value * (1 - found.value) / found.comparisons
    assert found.estimate.variance > 5 * alone


def test_scores_that_were_only_counted_are_refused():
    with pytest.raises(InputError, match="need all scores"):
        PooledComparisons(compare_within(*embedded([4, 3], 0), most_exact=10))


def test_impostors_of_one_group_are_counted_alone():
    """Four persons in two groups: two couples of one group, in either order."""
    (a, la), (b, lb) = embedded([4, 2, 5, 3], 0), embedded([3, 3, 2, 4], 1)
    groups = pd.Series(["x", "x", "y", "y"], index=[0, 3, 6, 9])
    comparison = compare_sets(a, la, b, lb).among(np.array([0, 3, 6, 9]), groups)
    passed = PooledComparisons(comparison).passed(0.2)
    couples = {(0, 3): (4, 3), (3, 0): (2, 3), (6, 9): (5, 4), (9, 6): (3, 2)}  # Images on both sides.
    scores = a @ b.T
    told = dict(zip(zip(passed.left, passed.right, strict=True), passed.comparisons, strict=True))
    assert told == {couple: m * n for couple, (m, n) in couples.items()}
    assert passed.errors.sum() == sum((scores[la == i][:, lb == j] >= 0.2).sum() for i, j in couples)
    assert PooledComparisons(comparison).n_others == sum(told.values())
