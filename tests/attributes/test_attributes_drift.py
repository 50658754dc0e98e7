"""Whether what drifts is what costs accuracy."""

import numpy as np
import pandas as pd
import pytest

from sface_lib.attributes import ATTRIBUTES, KINDS, correlate, gap_by_attribute, kind_of

KIND = np.array([kind_of(name) for name in ATTRIBUTES])
NUMBER = np.unique(KIND, return_inverse=True)[1]


def table(x, y, names=ATTRIBUTES) -> pd.DataFrame:
    return pd.DataFrame({"attribute": list(names), "drift": x, "gap": y})


def correlated(x, y, shuffles: int = 199, seed: int = 0):
    return correlate(table(x, y), "drift", "gap", shuffles, seed)


def shuffled_p(x, y, random, shuffles: int = 199) -> float:
    """What shuffling attribute by attribute gives, as if hair colours went each its own way."""
    rx, ry = (pd.Series(v).rank().to_numpy() for v in (x, y))
    observed = abs(np.corrcoef(rx, ry)[0, 1])
    drawn = random.permuted(np.tile(ry - ry.mean(), (shuffles, 1)), axis=1) @ (rx - rx.mean())
    null = np.abs(drawn) / (len(rx) * rx.std() * ry.std())
    return (1 + (null >= observed - 1e-12).sum()) / (1 + shuffles)


# The gap


def test_the_gap_of_an_attribute_is_that_of_pairs_whose_both_images_carry_it():
    baseline = np.array([1, 1, 1, 0, 1])
    other = np.array([0.0, 0.5, 1.0, 0.5, 0.0])  # The mean over two seeds.
    left = np.array([[1, 1], [1, -1], [1, 0], [1, 1], [-1, 1]])
    right = np.array([[1, 1], [1, 1], [1, 1], [1, -1], [1, -1]])
    found = gap_by_attribute(baseline, other, left, right, ("Male", "Bald"), fewest=1)
    assert found.columns.tolist() == ["attribute", "pairs", "gap"]
    # Male: 1, 0.5, 0 and -0.5 in the first four pairs; Bald: the first pair alone.
    assert found.to_dict("list") == {"attribute": ["Male", "Bald"], "pairs": [4, 1], "gap": [0.25, 1.0]}


def test_right_and_wrong_count_as_numbers():
    carried = np.ones((4, 1), int)
    baseline, other = np.array([True, True, False, True]), np.array([False, True, True, False])
    assert gap_by_attribute(baseline, other, carried, carried, ("Male",), 1)["gap"].tolist() == [0.25]


def test_attributes_of_few_pairs_are_left_out():
    carried = np.array([[1, 1, -1]] * 199 + [[1, -1, -1]])
    found = gap_by_attribute(np.ones(200), np.zeros(200), carried, carried, ("Male", "Bald", "Goatee"))
    assert found["attribute"].tolist() == ["Male"] and found["pairs"].tolist() == [200]
    empty = gap_by_attribute(np.ones(200), np.zeros(200), -carried, -carried, ("Male", "Bald", "Goatee"), 500)
    assert empty.empty and empty.columns.tolist() == ["attribute", "pairs", "gap"]


# The correlation


def test_a_perfect_correlation_is_1_or_minus_1_and_significant():
    x = np.random.default_rng(0).permutation(47)
    for sign in (1, -1):
        found = correlated(x, sign * np.exp(x / 10.0), 499)  # Ranks alone count.
        # Ten kinds can turn against one another in 1,024 ways, and the small ones weigh little.
        assert found.value == pytest.approx(sign) and found.p_value <= 0.05 and found.attributes == 47
        assert -1 < found.low < 0 < found.high < 1


def test_the_value_is_spearmans_whatever_the_order_of_the_rows():
    random = np.random.default_rng(1)
    x, y = random.integers(0, 9, 47), random.integers(0, 9, 47)  # With ties.
    expected = pd.Series(x).corr(pd.Series(y), method="spearman")
    order = random.permutation(47)
    mixed = table(x, y).iloc[order]
    assert correlated(x, y).value == pytest.approx(expected)
    assert correlate(mixed, "drift", "gap", 199, 0).value == pytest.approx(expected)


def test_what_cannot_be_correlated_gives_none():
    x = np.arange(47.0)
    assert correlate(table(x, x)[:4], "drift", "gap", 99, 0) is None
    assert correlate(table(x, x)[:5], "drift", "gap", 99, 0) is not None
    assert correlated(x, np.ones(47)) is None and correlated(np.ones(47), x) is None


def test_an_attribute_without_a_value_is_no_evidence():
    """An unrelated column with one hole must not become significant."""
    random = np.random.default_rng(3)
    x, y = random.normal(size=(2, 47))
    y[5] = np.nan
    whole = correlate(table(x, y).dropna(), "drift", "gap", 199, 0)
    found = correlated(x, y)
    assert whole.p_value > 0.1 and (found is None or found.p_value > 0.1)


def test_attributes_that_go_each_its_own_way_correlate_as_rarely_as_promised():
    small = []
    for seed in range(60):
        x, y = np.random.default_rng(seed).normal(size=(2, 47))
        small.append(correlated(x, y, 99, seed).p_value <= 0.05)
    # 5 % of 60: 99.9 % of binomial counts lie at or below 9.
    assert sum(small) <= 9


def test_kinds_that_move_together_widen_the_null():
    """Ten kinds hold less evidence than 47 attributes: the null is wider by a third at least."""
    wider = []
    for seed in range(10):
        random = np.random.default_rng(seed)
        x, y = 3 * random.normal(size=(2, 10))[:, NUMBER] + random.normal(size=(2, 47))
        found = correlated(x, y, 199, seed)
        # Shuffled one by one the correlation has the standard deviation 1 / sqrt(46).
        wider.append((found.high - found.low) / (2 * 1.96 / np.sqrt(46)))
    assert np.mean(wider) > 1.3


def test_kinds_that_move_together_correlate_as_rarely_as_promised():
    """Every kind has an effect of its own on both columns, three times that of an attribute."""
    small, by_one = [], []
    for seed in range(150):
        random = np.random.default_rng(seed)
        x, y = 3 * random.normal(size=(2, 10))[:, NUMBER] + random.normal(size=(2, 47))
        small.append(correlated(x, y, 99, 0).p_value <= 0.05)
        by_one.append(shuffled_p(x, y, random) <= 0.05)
    assert np.mean(by_one) > 0.2  # Why kinds are kept together.
    # 5 % of 150: 99.9 % of binomial counts lie at or below 17.
    assert sum(small) <= 17


@pytest.mark.parametrize("kind", ["hair", "face geometry"])
def test_a_correlation_that_one_kind_carries_is_not_significant(kind):
    """One kind of ten that drifts and costs is one observation, however many attributes it has."""
    assert len(KINDS[kind]) >= 8
    together, by_one = [], []
    for seed in range(20):
        random = np.random.default_rng(seed)
        x, y = 3 * (kind == KIND) + random.normal(size=(2, 47))
        together.append(correlated(x, y, 99, seed).p_value)
        by_one.append(shuffled_p(x, y, random))
    assert np.median(by_one) < 0.02
    assert np.median(together) > 0.05
