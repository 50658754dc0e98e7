"""Splits keep identities apart, selections keep their promises, and both are repeatable."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sface_lib.data import first_of_class, select_images, split_by_identity
from sface_lib.errors import InputError

LABELS = np.repeat(np.arange(6), [1, 2, 3, 5, 8, 20])


@given(st.lists(st.integers(0, 9), min_size=1, max_size=60), st.integers(0, 5))
def test_parts_share_no_identity_and_hold_every_image_once(labels, seed):
    labels = np.array(labels)
    if len(np.unique(labels)) < 4:
        return
    parts = split_by_identity(labels, (0.5, 0.25, 0.25), seed)
    assert np.array_equal(np.sort(np.concatenate(parts)), np.arange(len(labels)))
    groups = [set(labels[part]) for part in parts]
    assert sum(map(len, groups)) == len(set().union(*groups))


def test_the_seed_alone_decides_the_split():
    labels = np.arange(100)
    one, same, other = (split_by_identity(labels, (0.5, 0.5), seed)[0] for seed in (1, 1, 2))
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)
    assert len(one) == 50


@pytest.mark.parametrize("shares", [(), (0.5, 0.4), (1.5, -0.5), (1.0, 0.0)])
def test_shares_must_be_positive_and_sum_to_one(shares):
    with pytest.raises(InputError, match="positive and sum to 1"):
        split_by_identity(LABELS, shares, 0)


def test_a_part_without_identities_is_refused():
    with pytest.raises(InputError, match="1 identities are too few"):
        split_by_identity(np.zeros(5, int), (0.5, 0.5), 0)


def test_only_identities_with_enough_images_are_selected():
    chosen = select_images(LABELS, 5)
    assert set(LABELS[chosen]) == {3, 4, 5}
    assert len(chosen) == 5 + 8 + 20
    assert np.array_equal(chosen, np.sort(chosen))


def test_excluded_identities_are_left_out():
    assert set(LABELS[select_images(LABELS, 2, exclude={3, 5, 99})]) == {1, 2, 4}


def test_the_cap_draws_that_many_images_by_the_seed():
    one, same, other = (select_images(LABELS, 2, 4, seed=seed) for seed in (1, 1, 2))
    assert np.bincount(LABELS[one]).tolist() == [0, 2, 3, 4, 4, 4]
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)


def test_the_draw_of_an_identity_does_not_depend_on_the_others():
    every = select_images(LABELS, 2, 4)
    assert set(select_images(LABELS, 2, 4, exclude={3})) == set(every[LABELS[every] != 3])


def test_a_selection_with_nothing_left_says_what_there_was():
    with pytest.raises(InputError, match="0 of 6 identities have at least 21 images .* has 20.*lower min_images"):
        select_images(LABELS, 21)


def test_one_identity_is_refused_where_two_are_needed():
    with pytest.raises(InputError, match="1 of 1 identities .* but 2 are needed"):
        select_images(np.zeros(5, int), 2)
    assert len(select_images(np.zeros(5, int), 2, at_least=1)) == 5


def test_excluding_everybody_is_refused():
    with pytest.raises(InputError, match="6 were excluded"):
        select_images(LABELS, 1, exclude=range(6))


def test_a_cap_below_the_minimum_is_refused():
    with pytest.raises(InputError, match="max_images_per_identity is 2"):
        select_images(LABELS, 3, 2)


@pytest.mark.parametrize("labels", [None, np.array([]), np.array([0.5]), np.array([-1]), np.zeros((2, 2), int)])
def test_labels_that_are_absent_or_no_labels_are_refused(labels):
    for use in (lambda: select_images(labels, 1), lambda: split_by_identity(labels, (1.0,), 0)):
        with pytest.raises(InputError, match="labels"):
            use()


def test_the_first_images_of_a_class_and_those_that_replace_what_was_left_out():
    labels = np.array([2, 0, 2, 0, 2, 0, 0])
    assert first_of_class(labels, 2).tolist() == [0, 1, 2, 3]
    assert first_of_class(labels, np.array([3, 9, 1])).tolist() == [0, 1, 3, 5]
    assert first_of_class(labels, np.array([1, 0, 2, 7])).tolist() == [0, 1, 2]  # There may be more labels.
    assert first_of_class(labels, 2, np.array([6, 5, 4, 1])).tolist() == [1, 4, 5]
    assert first_of_class(labels, 2, np.array([], int)).tolist() == []
