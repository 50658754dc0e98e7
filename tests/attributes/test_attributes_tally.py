"""Counts by identity, and what is computed from them alone."""

import numpy as np
import pandas as pd
import pytest

from sface_lib.attributes import (
    Tally,
    adjusted_prevalence,
    phi_matrix,
    prevalence,
    tally_attributes,
    tally_variables,
)
from sface_lib.attributes.tally import attribute_draws, share_intervals
from sface_lib.errors import InputError


def clustered(identities: int, images: int, attributes: int, share: float, seed: int):
    """Values `[N, A]` whose share is each identity's own, around one of all: beta-distributed, and the identities."""
    random = np.random.default_rng(seed)
    own = random.beta(2 * share, 2 * (1 - share), (identities, attributes))
    labels = np.repeat(np.arange(identities), images)
    return np.where(random.random((len(labels), attributes)) < own[labels], 1, -1).astype(np.int8), labels


# Prevalence


def test_prevalence_by_hand():
    assert prevalence(3, 10) == pytest.approx(3.5 / 11)
    np.testing.assert_allclose(prevalence(np.array([0, 4, 0]), np.array([4, 4, 0]), 1.0), [1 / 6, 5 / 6, 1 / 2])


def test_a_smoothed_share_is_never_0_or_1():
    found = prevalence([0, 10**9], 10**9, 1e-3)
    assert 0 < found[0] < found[1] < 1


@pytest.mark.parametrize("pseudo_count", [0, -0.5, np.nan])
def test_without_a_pseudo_count_no_share_is_given(pseudo_count):
    with pytest.raises(InputError, match="pseudo_count = .*: give a number above 0"):
        prevalence(1, 2, pseudo_count)


@pytest.mark.parametrize(("count", "n"), [(-1, 4), (5, 4), ([1, 5], 4), ([1, 1], [4, 0])])
def test_counts_that_cannot_be_are_refused(count, n):
    with pytest.raises(InputError, match="below 0 or above the number of images"):
        prevalence(count, n)


# Tallies

VALUES = np.array([[1, 0], [-1, 1], [1, 1], [0, -1], [1, -1]], np.int8)


def test_attributes_are_counted_by_identity_and_undefined_values_not_at_all():
    found = tally_attributes(VALUES, ("Male", "Smiling"), np.array([7, 3, 7, 3, 3]))
    assert (found.variables, found.sizes, found.by_identity) == (("Male", "Smiling"), (2, 2), True)
    assert found.units.tolist() == [3, 7]
    # Present and absent of Male, then of Smiling.
    assert found.counts.tolist() == [[1, 1, 1, 2], [2, 0, 1, 0]]
    assert found.known().tolist() == [4, 4]
    np.testing.assert_allclose(found.shares(), [3.5 / 5, 1.5 / 5, 2.5 / 5, 2.5 / 5])
    np.testing.assert_allclose(found.shares(pseudo_count=1.0), [4 / 6, 2 / 6, 3 / 6, 3 / 6])


def test_without_identities_every_image_is_a_unit():
    found = tally_attributes(VALUES, ("Male", "Smiling"), None)
    assert not found.by_identity and found.units.tolist() == [0, 1, 2, 3, 4]
    np.testing.assert_array_equal(found.counts[0], [1, 0, 0, 0])
    np.testing.assert_array_equal(found.counts[1], [0, 1, 1, 0])


def test_weighing_a_unit_is_repeating_its_images():
    values, labels = clustered(6, 4, 5, 0.3, seed=1)
    names = tuple("abcde")
    weights = np.array([[2, 0, 1, 1, 0, 3], [1, 1, 1, 1, 1, 1]])
    found = tally_attributes(values, names, labels)
    repeated = tally_attributes(values.repeat(weights[0][labels], axis=0), names, None)
    np.testing.assert_allclose(found.shares(weights), [repeated.shares(), found.shares()])
    np.testing.assert_array_equal(found.known(weights)[0], repeated.known())


GROUPED = ("Young", "Male", "Middle_Aged", "Senior", "Blond_Hair")


def grouped(*rows):
    found = tally_variables(np.array(rows, np.int8), GROUPED, None)
    totals = np.split(found.counts.sum(0), found.starts[1:])
    return dict(zip(found.variables, (total.tolist() for total in totals), strict=True)), found


def test_attributes_that_exclude_one_another_are_one_variable():
    """Of age: Young, Middle_Aged, Senior, none. One hair colour alone excludes nothing."""
    totals, found = grouped(
        [1, 1, -1, -1, 1],
        [1, -1, -1, -1, -1],
        [-1, 1, 1, -1, 0],
        [-1, 0, -1, 1, -1],
        [-1, 1, -1, -1, -1],
        [-1, 1, 0, -1, -1],  # Of unknown age,
        [1, 1, -1, 0, -1],  # and so is this, whatever else is said.
    )
    assert totals == {"Male": [5, 1], "Blond_Hair": [1, 5], "age": [2, 1, 1, 1]}
    assert dict(zip(found.variables, found.sizes, strict=True)) == {"Male": 2, "Blond_Hair": 2, "age": 4}
    np.testing.assert_allclose(np.add.reduceat(found.shares(), found.starts), 1)


def test_nothing_is_counted_twice():
    _, found = grouped([1, 1, -1, -1, 1], [-1, -1, -1, -1, 1])
    assert found.known().tolist() == [2, 2, 2]


def test_an_image_of_two_ages_is_not_counted_twice():
    """Annotations may contradict themselves: CelebA's have images of two hair colours."""
    _, found = grouped([1, 1, 1, -1, 1])
    assert found.known().max() <= 1


def test_a_tally_of_nothing_is_refused():
    with pytest.raises(InputError, match="0 images with 1 attributes"):
        tally_attributes(np.zeros((0, 1), np.int8), ("Male",), None)
    with pytest.raises(InputError, match="3 images with 0 attributes"):
        tally_variables(np.zeros((3, 0), np.int8), (), None)


# Intervals


def prevalence_table(tally: Tally, resamples: int, seed: int, level: float = 0.95) -> pd.DataFrame:
    """Prevalence of each attribute with the ends of its interval."""
    low, high = share_intervals(tally, attribute_draws(tally, resamples, seed), level)
    return pd.DataFrame({"prevalence": tally.shares()[::2], "low": low, "high": high})


def test_intervals_of_prevalence_cover_it_where_identities_differ_and_those_of_images_do_not():
    """1200 intervals of attributes with identity effects: the draws of images take 600 images for 600 persons."""
    names = tuple(f"x{i}" for i in range(300))
    covered = {"identities": [], "images": []}
    for seed in range(4):
        values, labels = clustered(60, 10, 300, 0.3, seed)
        for kind, given in (("identities", labels), ("images", None)):
            table = prevalence_table(tally_attributes(values, names, given), 300, seed)
            covered[kind].append(((table["low"] <= 0.3) & (table["high"] >= 0.3)).mean())
    assert 0.9 <= np.mean(covered["identities"]) <= 0.99
    assert np.mean(covered["images"]) < 0.8


def test_a_prevalence_and_its_interval_by_hand():
    tally = tally_attributes(VALUES, ("Male", "Smiling"), np.array([7, 3, 7, 3, 3]))
    table = prevalence_table(tally, 200, 0)
    assert tally.variables == ("Male", "Smiling") and tally.known().tolist() == [4, 4]
    np.testing.assert_allclose(table["prevalence"], [3.5 / 5, 0.5])
    # Of two identities, one may be drawn twice: Male is then 2 of 4 or 4 of 4.
    np.testing.assert_allclose(table.loc[0, ["low", "high"]].astype(float), [2.5 / 5, 4.5 / 5])


def test_a_narrower_level_gives_a_narrower_interval_around_the_same_value():
    values, labels = clustered(40, 5, 1, 0.3, 0)
    tally = tally_attributes(values, ("Male",), labels)
    wide, narrow = (prevalence_table(tally, 500, 0, level=level).iloc[0] for level in (0.95, 0.5))
    assert wide["low"] < narrow["low"] < narrow["prevalence"] < narrow["high"] < wide["high"]


def test_what_never_occurs_or_is_never_known_has_defined_values():
    values = np.tile(np.array([[-1, 0, 1]], np.int8), (20, 1))
    tally = tally_attributes(values, ("never", "unknown", "always"), np.arange(20) // 2)
    table = prevalence_table(tally, 100, 0)
    np.testing.assert_allclose(table["prevalence"], [0.5 / 21, 0.5, 20.5 / 21])
    assert tally.known().tolist() == [20, 0, 20]
    assert table.loc[1, ["low", "high"]].tolist() == [0, 1]
    assert np.isfinite(table[["low", "high"]].to_numpy()).all()
    assert (table["low"] <= table["prevalence"]).all() and (table["prevalence"] <= table["high"]).all()


def test_one_unit_has_no_spread():
    with pytest.raises(InputError, match="a set of one identity has no spread"):
        prevalence_table(tally_attributes(VALUES, ("Male", "Smiling"), np.zeros(5, int)), 100, 0)
    with pytest.raises(InputError, match="a set of one image has no spread"):
        prevalence_table(tally_attributes(VALUES[:1], ("Male", "Smiling"), None), 100, 0)


# Errors of a classifier


def test_an_adjusted_prevalence_by_hand():
    """60 % called present, of which 0.9 s + 0.2 (1 - s): s = 0.4 / 0.7; and cut where no share explains the calls."""
    assert adjusted_prevalence(0.6, 0.9, 0.2) == pytest.approx(4 / 7)
    np.testing.assert_array_equal(adjusted_prevalence([0.1, 0.95], [0.9, 0.9], [0.2, 0.2]), [0, 1])


def test_a_classifier_that_tells_nothing_adjusts_nothing():
    assert np.isnan(adjusted_prevalence([0.3, 0.3, 0.3], [0.5, 0.4, np.nan], [0.5, 0.6, 0.1])).all()


def test_an_adjusted_prevalence_recovers_the_true_share_in_expectation():
    random = np.random.default_rng(0)
    n, draws = 400, 4000
    for share, tpr, fpr in ((0.3, 0.9, 0.2), (0.7, 0.6, 0.1)):
        present = random.binomial(n, share, draws)
        called = random.binomial(present, tpr) + random.binomial(n - present, fpr)
        # Four standard errors: a count's deviation is 0.5 / sqrt(n) at most.
        tolerance = 4 * 0.5 / np.sqrt(n * draws) / (tpr - fpr)
        assert adjusted_prevalence(called / n, tpr, fpr).mean() == pytest.approx(share, abs=tolerance)
        # The share that is called present is off by far more.
        assert abs((called / n).mean() - share) > 10 * tolerance


# Correlation


def test_phi_of_complete_annotations_is_pearsons_correlation():
    values = np.where(np.random.default_rng(0).random((200, 5)) < [0.2, 0.5, 0.8, 0.5, 0.4], 1, -1)
    values[:, 3] = np.where(np.arange(200) % 4 == 0, values[:, 3], -values[:, 1])  # Mostly the contrary.
    found = phi_matrix(values.astype(np.int8))
    np.testing.assert_allclose(found, np.corrcoef(values, rowvar=False), atol=1e-12)  # Rounding.
    assert found[1, 3] < -0.5


def test_phi_is_of_the_images_in_which_both_are_known():
    """Of the four images that know both: 2 present in both, 1 in the first alone, 1 in neither."""
    values = np.array([[1, 1], [1, 1], [1, -1], [-1, -1], [0, 1], [0, 1], [1, 0]], np.int8)
    # (4 x 2 - 3 x 2) / sqrt(3 x 1 x 2 x 2).
    assert phi_matrix(values)[0, 1] == pytest.approx(2 / np.sqrt(12))
    random = np.random.default_rng(1).integers(-1, 2, (300, 4)).astype(np.int8)
    found = phi_matrix(random)
    for i, j in ((0, 1), (1, 3), (3, 2)):
        both = (random[:, [i, j]] != 0).all(1)
        expected = np.corrcoef(random[both, i], random[both, j])[0, 1]
        assert found[i, j] == found[j, i] == pytest.approx(expected, abs=1e-12)


def test_what_does_not_vary_correlates_with_nothing_but_itself():
    values = np.array([[1, 1, 0, 1], [1, -1, 0, 0], [1, 1, 0, -1]], np.int8)
    found = phi_matrix(values)
    # The first is always present, the third never known.
    np.testing.assert_array_equal(found[0], [1, 0, 0, 0])
    np.testing.assert_array_equal(found[2], [0, 0, 1, 0])
    assert found[1, 3] == 0  # Attribute 1 is present in both images that know attribute 3.
    np.testing.assert_array_equal(np.diag(found), 1)
