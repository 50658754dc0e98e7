"""Rates of members at a rate of others: what they need, and intervals that are never narrower than their sample."""

import numpy as np
import pytest

from sface_lib.biometrics import bootstrap_samples

PERSONS = 200


def of_different_persons(members: np.ndarray, others: np.ndarray):
    count = len(members)
    return bootstrap_samples(members, np.arange(count), others, np.arange(count, count + len(others)), resamples=200)


@pytest.mark.parametrize("share", [0, 1])
def test_a_rate_of_no_or_every_member_has_the_interval_of_its_persons(share):
    """Clopper and Pearson's for 0 of 200 is [0, 1 - 0.025 ** (1 / 200)] = [0, 0.0183]: others add no members."""
    others = np.linspace(0, 1, PERSONS)
    rate = of_different_persons(np.full(PERSONS, 3.0 * share - 1), others)["tpr"]
    span = rate.interval()
    assert rate.value == share and rate.identities == PERSONS
    bound = 1 - 0.025 ** (1 / PERSONS)
    # Student's quantile over the normal one makes Korn and Graubard's interval wider, by 1 % here.
    assert (span.low, span.high) == pytest.approx((1 - bound, 1) if share else (0, bound), abs=0.015 * bound)
    assert (1 - span.low if share else span.high) >= bound


def test_a_rate_needs_as_many_others_as_show_one_error():
    members = np.linspace(0, 1, 50)
    for others, names in ((99, {"auc"}), (100, {"auc", "tpr"}), (1000, {"auc", "tpr", "tpr_1000"})):
        assert set(of_different_persons(members, np.linspace(-1, 0.9, others))) == names


def test_the_rate_at_one_in_a_thousand_is_that_of_members_above_all_but_one():
    """Of 1,000 others one may be above: the threshold lies above 998, at the second highest, 0.998."""
    others = np.arange(1000) / 1000
    members = np.array([0.9985, 0.9975, 0.9995, 0.5])
    assert of_different_persons(members, others)["tpr_1000"].value == 0.5
