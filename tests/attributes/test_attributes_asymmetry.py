"""Which of two sets explains the other: equal where the sets are, found where they are not, and seldom by chance."""

import numpy as np
import pytest

from sface_lib.attributes import asymmetry, compare_tallies, tally_attributes
from sface_lib.attributes.tally import Tally
from sface_lib.errors import InputError

ROUNDING = 1e-12


def tallied(values, identities) -> Tally:
    return tally_attributes(values, tuple("abcdefghijklmnopqrst"[: values.shape[1]]), identities)


def drawn(persons: int, images: int, share: float, seed: int, attributes: int = 20) -> tuple[np.ndarray, np.ndarray]:
    """Persons who differ: of each attribute a person shows a share of a beta distribution around this one."""
    random = np.random.default_rng(seed)
    own = random.beta(2 * share, 2 * (1 - share), (persons, 1, attributes))
    values = np.where(random.random((persons, images, attributes)) < own, 1, -1).astype(np.int8)
    return values.reshape(-1, attributes), np.repeat(np.arange(persons), images)


def decided(found) -> bool:
    return not found.interval.low <= 0 <= found.interval.high


@pytest.mark.parametrize("by_identity", [True, False])
def test_the_two_divergences_are_those_of_the_comparison(by_identity):
    (v, i), (w, j) = drawn(20, 5, 0.3, 0), drawn(30, 5, 0.5, 1)
    a, b = (tallied(v, i), tallied(w, j + 10)) if by_identity else (tallied(v, None), tallied(w, None))
    found, observed = asymmetry(a, b, 100, 0), compare_tallies(a, b, 10).observed
    assert found.forward == pytest.approx(observed.forward.sum(), abs=ROUNDING)
    assert found.backward == pytest.approx(observed.backward.sum(), abs=ROUNDING)
    assert found.interval.level == 0.95


def test_swapping_the_sets_turns_the_sign_and_nothing_else():
    (v, i), (w, j) = drawn(20, 5, 0.3, 0), drawn(30, 5, 0.5, 1)
    a, b = tallied(v, i), tallied(w, j + 10)
    one, back = asymmetry(a, b, 200, 0), asymmetry(b, a, 200, 0)
    assert (one.forward, one.backward) == pytest.approx((back.backward, back.forward), abs=ROUNDING)
    assert one.difference == pytest.approx(-back.difference, abs=1e-9)
    assert (one.interval.low, one.interval.high) == pytest.approx((-back.interval.high, -back.interval.low), abs=1e-9)


def test_a_set_against_itself_has_no_asymmetry_in_any_draw():
    values, labels = drawn(20, 5, 0.3, 0)
    found = asymmetry(tallied(values, labels), tallied(values, labels), 100, 0)
    assert (found.forward, found.difference, found.interval.low, found.interval.high) == (0, 0, 0, 0)


@pytest.mark.slow
def test_the_standard_error_is_that_of_dealing_anew():
    """The interval of a single attribute at 50 % against 20 %, of independent images, is the delta method's."""
    values = [np.where(np.arange(4000) < n, 1, -1).astype(np.int8)[:, None] for n in (2000, 800)]
    a, b = (tallied(each, np.arange(4000) + 10**6 * k) for k, each in enumerate(values))
    found = asymmetry(a, b, 4000, 0)
    p, q = 0.5, 0.2
    slope_p = np.log(p / q) - np.log((1 - p) / (1 - q)) + q / p - (1 - q) / (1 - p)
    slope_q = np.log(p / q) - np.log((1 - p) / (1 - q)) - p / q + (1 - p) / (1 - q)
    error = np.sqrt((slope_p**2 * p * (1 - p) + slope_q**2 * q * (1 - q)) / 4000)
    assert found.interval.high - found.interval.low == pytest.approx(2 * 1.96 * error, rel=0.08)


def test_what_few_identities_add_is_taken_off():
    """20 attributes of 10 % against 30 %: 30 against 300 persons, whose plain difference is far off the true one."""

    def binary(p, q):
        return p * np.log(p / q) + (1 - p) * np.log((1 - p) / (1 - q))

    true = 20 * (binary(0.1, 0.3) - binary(0.3, 0.1))
    found = []
    for seed in range(40):
        (v, i), (w, j) = drawn(30, 10, 0.1, 2 * seed), drawn(300, 10, 0.3, 2 * seed + 1)
        found.append(asymmetry(tallied(v, i), tallied(w, j + 1000), 300, seed))
    plain = abs(np.mean([each.forward - each.backward for each in found]) - true)
    assert plain > 0.15 and abs(np.mean([each.difference for each in found]) - true) < plain / 2
    assert sum(each.interval.low <= true <= each.interval.high for each in found) >= 33


# A false direction in 5 % of draws: 99.9 % of binomial counts of 100 lie at or below 13.
@pytest.mark.parametrize(("first", "second"), [(50, 50), (50, 200)])
def test_sets_of_one_kind_seldom_have_a_direction(first, second):
    wrong = 0
    for seed in range(100):
        (v, i), (w, j) = drawn(first, 10, 0.2, 2 * seed), drawn(second, 10, 0.2, 2 * seed + 1)
        wrong += decided(asymmetry(tallied(v, i), tallied(w, j + 1000), 300, seed))
    assert wrong <= 13


def test_unequal_sets_with_equal_divergences_seldom_have_a_direction():
    """20 % against 80 %, which is as far one way as the other; random splits called nine of ten of these directed."""
    wrong = 0
    for seed in range(100):
        (v, i), (w, j) = drawn(60, 10, 0.2, 2 * seed), drawn(60, 10, 0.8, 2 * seed + 1)
        wrong += decided(asymmetry(tallied(v, i), tallied(w, j + 1000), 300, seed))
    assert wrong <= 13


def test_the_corrected_difference_lies_within_its_interval_however_few_persons_there_are():
    for seed in range(40):
        (v, i), (w, j) = drawn(20, 10, 0.15, 2 * seed), drawn(300, 10, 0.25, 2 * seed + 1)
        found = asymmetry(tallied(v, i), tallied(w, j + 1000), 200, seed)
        assert found.interval.low <= found.difference <= found.interval.high


def test_a_broad_set_explains_a_narrow_one():
    (v, i), (w, j) = drawn(60, 10, 0.4, 0), drawn(60, 10, 0.05, 1)
    found = asymmetry(tallied(v, i), tallied(w, j + 1000), 300, 0)
    assert found.interval.low > 0 and found.forward > found.backward


def test_one_identity_alone_is_refused():
    alone, others = tallied(*drawn(1, 5, 0.3, 0)), tallied(*drawn(10, 5, 0.3, 1))
    for pair in ((alone, others), (others, alone)):
        with pytest.raises(InputError, match="a set of one identity has no spread"):
            asymmetry(*pair, 50, 0)
