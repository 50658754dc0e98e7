"""Rates by group, and how unequal they are, by hand."""

import numpy as np
import pytest

from sface_lib.biometrics import Counts, between_groups, garbe, gini, max_over_geometric_mean, within_groups
from sface_lib.errors import InputError

GROUP = {0: "a", 1: "a", 2: "b", 3: "b", 9: "b"}
# Couples 0-1 and 2-3 within the groups, 0-2 and 3-1 across, and 0-7, of whom one has no group.
COUNTS = Counts(
    np.array([1, 4, 0, 3, 9]), np.array([10, 10, 10, 10, 10]), np.array([0, 2, 0, 3, 0]), np.array([1, 3, 2, 1, 7])
)


def test_every_two_groups_have_the_rate_of_their_couples_whichever_stands_left():
    found = between_groups(COUNTS, GROUP)
    assert {pair: rate.value for pair, rate in found.items()} == {("a", "a"): 0.1, ("a", "b"): 0.15, ("b", "b"): 0.4}
    assert found["a", "b"].comparisons == 20
    assert {name: rate.value for name, rate in within_groups(COUNTS, GROUP).items()} == {"a": 0.1, "b": 0.4}


def test_without_groups_there_is_nothing():
    assert between_groups(COUNTS, {}) == {} == within_groups(COUNTS, {0: "a"})


def test_the_largest_rate_over_the_geometric_mean_by_hand():
    """Of 0.1 and 0.4 the geometric mean is 0.2."""
    assert max_over_geometric_mean([0.1, 0.4]) == pytest.approx(2)
    assert max_over_geometric_mean([0.3, 0.3, 0.3]) == pytest.approx(1)
    assert max_over_geometric_mean([0.0, 0.4]) is None


def test_the_gini_coefficient_by_hand():
    """0.1 and 0.4: differences of 0.3 in two of four places, a mean of 0.25, and 2 / 1 for their number."""
    assert gini([0.1, 0.4]) == pytest.approx(2 * (0.6 / 4) / (2 * 0.25))
    assert gini([0.2, 0.2, 0.2]) == 0 and gini([0.0, 0.0]) == 0
    assert gini([0.0, 0.0, 0.0, 0.8]) == pytest.approx(1)


def test_garbe_weighs_both_kinds_of_error():
    assert garbe([0.1, 0.4], [0.2, 0.2]) == pytest.approx(0.5 * 0.6)
    assert garbe([0.1, 0.4], [0.2, 0.2], weight=1) == pytest.approx(0.6)


@pytest.mark.parametrize("bad", [[0.1], [], [0.1, -0.1], [0.1, 1.1], [0.1, np.nan]])
def test_what_are_no_rates_of_groups_is_refused(bad):
    for measure in (gini, max_over_geometric_mean):
        with pytest.raises(InputError, match="give those of at least two groups"):
            measure(bad)
