"""Members are told from others by their best score, in draws of identities."""

import numpy as np
import pytest

from sface_lib.biometrics import bootstrap_samples
from sface_lib.errors import InputError
from sface_lib.privacy import membership
from sface_lib.privacy.membership import _shuffled, membership_of_images


def unit(rows) -> np.ndarray:
    rows = np.asarray(rows, np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def photographs(persons: int, images: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    centres = np.random.default_rng(5).standard_normal((persons, 32))
    labels = np.repeat(np.arange(persons), images)
    return unit(centres[labels] + np.random.default_rng(seed).standard_normal((len(labels), 32))), labels


def test_copies_are_told_and_fair_images_are_not():
    (members, labels), (others, other_labels) = photographs(40, 5, 1), photographs(40, 5, 2)
    copied = unit(members + 0.05 * np.random.default_rng(3).standard_normal(members.shape))
    found = membership(copied, members, labels, others, other_labels, 199, 200)
    assert found.auc.value > 0.99 and found.tpr.value > 0.95 and found.tpr.interval().low > 0.9
    assert found.test.observed == pytest.approx(found.auc.value) and found.test.p_value == 1 / 200
    fair = membership(photographs(40, 20, 4)[0], members, labels, others, other_labels, 199, 200)
    assert fair.auc.interval().low < 0.5 < fair.auc.interval().high
    assert fair.tpr.value < 0.1 and fair.test.p_two_sided > 0.05


def test_a_draw_weighs_all_images_of_an_identity_alike():
    from sface_lib.biometrics import identity_weights

    random = np.random.default_rng(0)
    members, others = random.normal(0.3, 1, 120), random.normal(0, 1, 120)
    labels = np.arange(120) % 12
    found = bootstrap_samples(members, labels, others, labels, resamples=300, seed=2)["auc"]
    wins = members[:, None] > others
    drawn = [np.average(wins, weights=np.outer(w[labels], w[labels])) for w in identity_weights(12, 300, 2)]
    assert found.value == pytest.approx(wins.mean(), abs=1e-12)
    np.testing.assert_allclose(found.draws, drawn, atol=0.003)


def test_a_rate_that_the_others_cannot_show_is_left_out_and_other_widths_are_refused():
    a, labels = photographs(10, 5, 1)
    assert membership(a, a, labels, a, labels, 100, 100).tpr is None
    with pytest.raises(InputError, match="differ in width"):
        membership(np.eye(8), a, labels, a, labels, 100)


def test_who_is_a_member_is_shuffled_among_the_images_of_each_person():
    """Two persons whose levels differ: shuffled among all, the null would be as wide as the persons lie apart."""
    scores = np.array([0.9, 0.91, 0.1, 0.11, 0.92, 0.93, 0.12, 0.13])
    blocks = np.array([0, 0, 1, 1, 0, 0, 1, 1])
    found = _shuffled(scores, 4, blocks, 500, 0)
    # Of each person two of four: rank sums 3 to 7 and 11 to 15, the observed the smallest of both.
    assert found.observed == pytest.approx(((1 + 2) + (5 + 6) - 10) / 16)
    assert found.null.min() == found.observed and found.null.max() == pytest.approx(((3 + 4) + (7 + 8) - 10) / 16)
    assert found.null.mean() == pytest.approx(0.5, abs=0.01)


def at(*degrees):
    """Rows in the plane, so that a score over the single row (1, 0) is the cosine of the angle."""
    radians = np.radians(degrees)
    return np.stack([np.cos(radians), np.sin(radians)], 1).astype(np.float32)


FIRST = at(0)


def test_images_are_compared_within_a_person_alone():
    """Of the first person 5 of 6 pairs are won, of the second the only one; the third has no other images."""
    members, labels = at(10, 20, 40, 80, 0), np.array([0, 0, 0, 1, 2])
    others, other_labels = at(30, 50, 85), np.array([0, 0, 1])
    found = membership_of_images(FIRST, members, labels, others, other_labels, 199, 200)
    assert found.auc.value == found.test.observed == pytest.approx((5 + 1) / (6 + 1))
    assert found.identities == 2
    assert set(np.round(found.auc.draws, 6)) == {round(5 / 6, 6), 1.0, round(6 / 7, 6)}  # Which persons were drawn.
    assert found.test.null.mean() == pytest.approx(0.5, abs=0.05)


def test_equal_scores_count_half():
    found = membership_of_images(FIRST, at(10, 10, 5, 5), [0, 0, 1, 1], at(10, 10, 5, 5), [0, 0, 1, 1], 199, 200)
    assert found.auc.value == 0.5 and found.test.null.tolist() == [0.5] * 199


def test_what_differs_within_persons_is_not_hidden_by_what_differs_between_them():
    """Levels of persons lie far apart; within each the members are a little nearer. Pooled, nothing shows."""
    random, persons = np.random.default_rng(0), 60
    levels = random.uniform(20, 70, persons)
    member_labels, other_labels = np.repeat(np.arange(persons), 20), np.repeat(np.arange(persons), 5)
    members = at(*(levels[member_labels] + random.normal(0, 1, len(member_labels))))
    others = at(*(levels[other_labels] + 0.4 + random.normal(0, 1, len(other_labels))))
    within = membership_of_images(FIRST, members, member_labels, others, other_labels, 499, 200)
    pooled = membership(FIRST, members, member_labels, others, other_labels, 499, 200)
    # Normal with a difference of 0.4 standard deviations: Phi(0.4 / sqrt 2) = 0.611, with a standard error of 0.017.
    assert within.auc.value == pytest.approx(0.611, abs=0.05) and within.test.p_two_sided == 2 / 500
    assert pooled.auc.value < 0.52


def test_fewer_than_two_persons_with_images_of_both_kinds_are_refused():
    with pytest.raises(InputError, match="1 identities have training images and others"):
        membership_of_images(FIRST, at(1, 2), [0, 1], at(3), [0])
