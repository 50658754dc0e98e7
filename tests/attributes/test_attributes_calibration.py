"""Probabilities hold on images that did not teach, labels count right, and reliability is what a hand would count."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from sface_lib.attributes.calibration import (
    NEVER,
    calibration_error,
    fit_calibration,
    fit_thresholds,
    labels_of,
    probabilities,
    reliability,
)

AGES = ("Young", "Middle_Aged", "Senior")


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def signed(present: np.ndarray) -> np.ndarray:
    return np.where(present, 1, -1).astype(np.int8)


def ages(n: int, bias, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """True logits of the three ages, and annotations drawn from them; the fourth possibility is none of them."""
    random = np.random.default_rng(seed)
    true = random.normal(0, 2, (n, 3)) + bias
    p = np.exp(np.hstack([true, np.zeros((n, 1))]))
    p /= p.sum(1, keepdims=True)
    value = (random.random((n, 1)) > p.cumsum(1)[:, :3]).sum(1)
    return true, signed(value[:, None] == np.arange(3))


# Calibration


def test_a_known_distortion_is_undone():
    """Two attributes whose logits were shrunk, stretched and shifted."""
    random, n = np.random.default_rng(0), 20_000
    true = random.normal(0, 2, (n, 2))
    values = signed(random.random((n, 2)) < sigmoid(true))
    scale, bias = fit_calibration((true - [0.5, -1]) / [0.25, 3], values, ("Male", "Smiling"))
    # Four standard errors: an image of a logit of deviation 2 tells about 0.1 of a scale and of a bias.
    np.testing.assert_allclose(scale / [0.25, 3], 1, atol=4 / np.sqrt(0.1 * n))
    np.testing.assert_allclose(bias, [0.5, -1], atol=4 / np.sqrt(0.1 * n))


def test_one_attribute_is_calibrated_as_logistic_regression_would():
    random = np.random.default_rng(1)
    x = random.normal(1, 3, (5000, 1))
    values = signed(random.random((5000, 1)) < sigmoid(0.4 * x - 1.5))
    values[::7] = 0  # Undefined: left out by either.
    known = values[:, 0] != 0
    reference = LogisticRegression(C=np.inf, tol=1e-8).fit(x[known], values[known, 0])
    scale, bias = fit_calibration(x, values, ("Male",))
    # The prior weighs one image of 4285, and moves either by a standard error's square, about 0.002.
    np.testing.assert_allclose([scale[0], bias[0]], [reference.coef_.item(), reference.intercept_.item()], atol=0.01)


@pytest.mark.parametrize("undefined", [0.0, 0.4])
def test_a_group_has_one_temperature_and_a_bias_each(undefined):
    bias = np.array([0.5, 1.0, -1.0])
    true, values = ages(20_000, bias, 0)
    values[np.random.default_rng(9).random(values.shape) < undefined] = 0
    scale, found = fit_calibration((true - bias) / 0.3, values, AGES)
    assert len(set(scale)) == 1
    # Four standard errors of fits to 20,000 images, which tell about 0.1 each, and a half less where 40 % are unknown.
    assert scale[0] / 0.3 == pytest.approx(1, abs=0.1)
    np.testing.assert_allclose(found, bias, atol=0.15)


def test_attributes_do_not_calibrate_one_another():
    """Together they are fitted as each is alone, in any order."""
    true, values = ages(2000, [0.5, 1.0, -1.0], 0)
    random = np.random.default_rng(2)
    other = random.normal(0, 1, (2000, 1))
    stated = signed(random.random((2000, 1)) < sigmoid(2 * other + 1))
    names, logits = ("Young", "Male", "Middle_Aged", "Senior"), np.hstack([true[:, :1], other, true[:, 1:]])
    scale, bias = fit_calibration(logits, np.hstack([values[:, :1], stated, values[:, 1:]]), names)
    alone, group = fit_calibration(other, stated, ("Male",)), fit_calibration(true, values, AGES)
    # The search ends where a step changes nothing of note.
    for found, one, three in zip((scale, bias), alone, group, strict=True):
        np.testing.assert_allclose(found[1], one[0], atol=1e-3)
        np.testing.assert_allclose(found[[0, 2, 3]], three, atol=1e-3)


def test_calibrated_probabilities_hold_on_other_images():
    bias = np.array([0.5, 1.0, -1.0])
    scale, found = fit_calibration(*((ages(5000, bias, 0)[0] - bias) / 0.3, ages(5000, bias, 0)[1]), AGES)
    true, values = ages(20_000, bias, 1)
    raw = torch.from_numpy((true - bias) / 0.3)
    for logits, good in ((raw * torch.from_numpy(scale) + torch.from_numpy(found), True), (raw, False)):
        p = probabilities(logits, AGES).numpy()
        errors = [calibration_error(p[:, i], values[:, i] == 1) for i in range(3)]
        # A bin of 1333 images has a standard error of at most 0.014.
        assert max(errors) < 0.02 if good else min(errors) > 0.05


@pytest.mark.parametrize("names", [("Male",), ("Young", "Senior")])
@pytest.mark.parametrize("size", [0.3, 1.0, 1e3])
def test_what_is_told_without_error_gets_a_finite_scale(names, size):
    values = signed(np.arange(200) % 2 == 0)[:, None] * np.ones(len(names), np.int8)
    if len(names) == 2:
        values[:, 1] *= -1
    scale, bias = fit_calibration(size * values, values, names)
    assert np.isfinite(scale).all() and np.isfinite(bias).all() and (scale > 0).all()
    p = probabilities(torch.from_numpy(size * values * scale + bias), names).numpy()
    assert ((p > 0.9) == (values == 1)).all() and scale.max() < 100


def test_an_attribute_that_never_varies_gets_finite_numbers_and_an_unknown_one_is_left_alone():
    logits = np.random.default_rng(0).normal(size=(100, 3))
    values = np.tile(np.array([[-1, 1, 0]], np.int8), (100, 1))
    scale, bias = fit_calibration(logits, values, ("Male", "Smiling", "Bald"))
    assert np.isfinite(scale).all() and np.isfinite(bias).all()
    assert bias[0] < 0 < bias[1] and (scale[2], bias[2]) == (1, 0)


# Thresholds


@pytest.mark.parametrize("seed", range(5))
def test_as_many_images_are_called_present_as_are(seed):
    random = np.random.default_rng(seed)
    shares = np.array([0.01, 0.1, 0.5, 0.9, 1.0])
    p = random.random((300, 5)).astype(np.float32)
    values = np.where(random.random((300, 5)) < 0.2, 0, signed(random.random((300, 5)) < shares))
    values[0] = 1
    thresholds = fit_thresholds(p, values)
    called = labels_of(p, thresholds, ("Male", "Smiling", "Bald", "Bangs", "Goatee")) == 1
    known = values != 0
    assert (called & known).sum(0).tolist() == (values == 1).sum(0).tolist()
    # What is called present is what is likeliest.
    for i in range(5):
        least = p[called[:, i], i].min()
        assert (p[~called[:, i], i] < least).all()


def test_a_threshold_lies_between_the_images_that_it_parts():
    p, values = np.array([[0.9], [0.1], [0.6], [0.4], [0.99]]), np.array([[-1], [1], [1], [-1], [0]], np.int8)
    # Two of the four that are known are present: above 0.6, below 0.4 - whichever these are.
    assert fit_thresholds(p, values)[0] == pytest.approx(0.5)


def test_equal_probabilities_are_called_alike():
    p = np.array([[0.9], [0.5], [0.5], [0.5], [0.1]])
    for count, possible in ((1, {1}), (2, {1, 4}), (3, {1, 4}), (4, {4}), (5, {5})):
        values = signed(np.arange(5) < count)[:, None]
        called = labels_of(p, fit_thresholds(p, values), ("Male",))[:, 0] == 1
        assert called.sum() in possible and called[1] == called[2] == called[3]


def test_an_attribute_that_is_never_present_is_never_called():
    values = np.array([[-1, 0], [-1, 0]], np.int8)
    thresholds = fit_thresholds(np.array([[0.3, 0.5], [0.7, 0.5]]), values)
    assert thresholds.tolist() == [NEVER, NEVER]
    assert (labels_of(np.ones((3, 2)), thresholds, ("Male", "Bald")) == -1).all()


def test_labels_at_and_above_the_threshold():
    p = np.array([[0.3, 0.7], [0.29, 0.71], [1.0, 0.0]], np.float32)
    labels = labels_of(p, np.array([0.3, 0.7], np.float32), ("Male", "Bald"))
    assert labels.dtype == np.int8 and labels.tolist() == [[1, 1], [-1, 1], [1, -1]]


def test_a_threshold_of_nought_calls_every_image_present():
    """A probability may underflow to 0, and then the threshold between two such is 0."""
    thresholds = fit_thresholds(np.array([[1.0], [0.0], [0.0]]), np.array([[1], [1], [-1]], np.int8))
    assert thresholds.tolist() == [0]
    assert labels_of(np.array([[1.0], [0.0]]), thresholds, ("Male",)).tolist() == [[1], [1]]
    # Of a group one is present wherever one is above its threshold.
    p, thresholds = np.array([[0.0, 0.9], [0.0, 0.1]]), np.array([0.0, 0.5])
    assert (labels_of(p, thresholds, ("Young", "Senior")) == 1).any(1).tolist() == [True, True]


def test_of_a_group_the_one_furthest_above_its_threshold_is_present():
    thresholds = np.array([0.2, 0.5, 0.1, 0.5])
    p = np.array(
        [
            [0.35, 0.6, 0.05, 0.9],  # 0.15 above, or 1.75 times; against 0.1, or 1.2 times, of the likelier one.
            [0.1, 0.6, 0.3, 0.1],
            [0.1, 0.45, 0.09, 0.6],  # None of them.
            [0.2, 0.5, 0.1, 0.1],  # All at their thresholds.
        ]
    )
    labels = labels_of(p, thresholds, (*AGES, "Male"))
    assert labels[:3].tolist() == [[1, -1, -1, 1], [-1, -1, 1, -1], [-1, -1, -1, 1]]
    assert (labels[3, :3] == 1).sum() == 1


def test_no_image_has_two_ages_or_hair_colours():
    random = np.random.default_rng(0)
    names = ("Senior", "Black_Hair", "Young", "Male", "Gray_Hair", "Brown_Hair")
    labels = labels_of(random.random((2000, 6)), random.random(6) / 2, names)
    assert ((labels[:, [0, 2]] == 1).sum(1) <= 1).all() and ((labels[:, [1, 4, 5]] == 1).sum(1) <= 1).all()
    assert {1, -1} == set(labels[:, 3].tolist()) and (labels[:, [0, 2]] == 1).any(0).all()


# Errors


def test_the_calibration_error_by_hand():
    """Two bins: 0.3 expected and one present; 1.7 expected and two present: (0.7 + 0.3) / 4."""
    p, present = np.array([0.8, 0.1, 0.9, 0.2]), np.array([1, 0, 1, 1], bool)
    assert calibration_error(p, present, bins=2) == pytest.approx(0.25)
    assert calibration_error(p, present, bins=1) == pytest.approx(0.25)  # 3 - 2.
    # A bin each: 0.2, 0.1, 0.1 and 0.8; with two bins the error of a bin's images may cancel out, with four not.
    assert calibration_error(p, present, bins=4) == pytest.approx(1.2 / 4)


def test_equal_probabilities_are_one_bin_however_many():
    """Six of 0.5, half of them present, are no error; two of 0.9 that are present are one of 0.2."""
    p, present = np.array([0.5] * 6 + [0.9] * 2), np.array([1, 1, 1, 0, 0, 0, 1, 1], bool)
    for bins in (2, 4, 15):
        assert calibration_error(p, present, bins) == pytest.approx(0.2 / 8)
    assert calibration_error(np.full(100, 0.3), np.arange(100) < 70) == pytest.approx(0.4)
    assert calibration_error(np.zeros(10), np.zeros(10, bool)) == 0


def test_the_order_of_images_does_not_change_the_error():
    random = np.random.default_rng(0)
    p, present = np.round(random.random(500), 1).astype(np.float32), random.random(500) < 0.4
    found = {round(calibration_error(p[at], present[at]), 12) for at in map(random.permutation, [500] * 5)}
    assert len(found) == 1


def test_probabilities_that_hold_have_hardly_an_error_and_overconfident_ones_have():
    random = np.random.default_rng(0)
    p = random.random(30_000)
    present = random.random(30_000) < p
    # A bin of 2000 images has a standard error of 0.011 at most, and a mean error of 0.8 of it.
    assert calibration_error(p, present) < 0.011
    assert calibration_error(sigmoid(3 * np.log(p / (1 - p))), present) > 0.1


# Reliability

VALUES = np.array([[1, 1, 0], [1, 1, 0], [1, 1, 0], [-1, 1, 0], [-1, 0, 0], [0, 0, 0]], np.int8)
LABELS = np.array([[1, 1, 1], [1, -1, 1], [-1, 1, 1], [1, 1, 1], [-1, 1, 1], [1, 1, 1]], np.int8)
UNITS = np.array([0, 1, 1, 2, 3, 3])
P = np.array([[0.9, 0.6], [0.8, 0.2], [0.3, 0.6], [0.6, 0.6], [0.1, 0.6], [0.99, 0.9]])


def test_reliability_by_hand():
    """Male: five known; two of three present ones and one of two absent ones are called present."""
    table = reliability(np.hstack([P, P[:, :1]]), LABELS, VALUES, ("Male", "Smiling", "Bald"), UNITS)
    assert table.columns.tolist() == [
        *("attribute", "images", "present", "tpr", "fpr", "tpr_trials", "fpr_trials", "balanced_accuracy", "auc", "ece")
    ]
    male, smiling, bald = (row for _, row in table.iterrows())
    assert (male["attribute"], male["images"], male["present"]) == ("Male", 5, 0.6)
    assert male["tpr"] == pytest.approx(2 / 3) and male["fpr"] == 0.5
    assert male["balanced_accuracy"] == pytest.approx((2 / 3 + 1 / 2) / 2)
    assert male["auc"] == pytest.approx(5 / 6)  # Of six pairs, 0.3 of a present one is below 0.6 of an absent one.
    # A bin each: 0.1, 0.2, 0.7, 0.6 and 0.1.
    assert male["ece"] == pytest.approx(1.7 / 5)


def test_a_rate_is_known_as_well_as_its_persons_allow():
    """Called right in all four images of two persons and in none of two others: four persons, not sixteen images."""
    called, units = np.repeat([1, 1, -1, -1], 4), np.repeat([0, 1, 2, 3], 4)

    def trials(labels, persons):
        found = reliability(np.full((16, 1), 0.5), labels[:, None], np.ones((16, 1), np.int8), ("Male",), persons)
        return found.loc[0, "tpr_trials"]

    # A variance of 4 * (4 * 0.5)^2 / 16^2 * 4 / 3 = 1 / 12, which three trials of a half have.
    assert trials(called, units) == pytest.approx(3)
    assert trials(called, np.arange(16)) == pytest.approx(15)
    assert trials(np.tile([1, 1, 1, -1], 4), np.zeros(16, int)) == 1  # One person tells no spread.
    mixed = np.tile([1, -1], 8)  # The same in every person, which varies between none.
    assert trials(np.ones(16, int), units) == trials(mixed, units) == 4


def test_what_cannot_be_known_of_an_attribute_of_one_class_is_nan():
    table = reliability(np.hstack([P, P[:, :1]]), LABELS, VALUES, ("Male", "Smiling", "Bald"), UNITS)
    always, unknown = table.loc[1], table.loc[2]
    assert always["images"] == 4 and always["present"] == 1 and always["tpr"] == 0.75
    assert np.isnan(always[["fpr", "balanced_accuracy", "auc"]].astype(float)).all()
    # One bin of 0.2 and one of three times 0.6, all present.
    assert always["ece"] == pytest.approx((0.8 + 1.2) / 4)
    assert unknown["images"] == 0
    assert np.isnan(unknown[["present", "tpr", "fpr", "balanced_accuracy", "auc", "ece"]].astype(float)).all()
    never = reliability(P[:, :1], LABELS[:, :1], -np.ones((6, 1), np.int8), ("Male",), UNITS).iloc[0]
    assert never["fpr"] == pytest.approx(4 / 6) and np.isnan(never["tpr"]) and np.isnan(never["balanced_accuracy"])
