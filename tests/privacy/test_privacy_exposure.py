"""Exposure is counted identity by identity, and groups are compared with groups drawn at random."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from sface_lib.errors import InputError
from sface_lib.matching import compare_sets
from sface_lib.privacy.exposure import (
    exposed_persons,
    exposure_by_group,
    exposure_by_images,
    exposures,
    of_equal_images,
)


def test_an_exposure_is_the_auc_of_one_identity():
    random = np.random.default_rng(0)
    a, b = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in random.standard_normal((2, 40, 8)).astype(np.float32))
    la, lb = random.integers(0, 5, 40), random.integers(1, 7, 40)
    found = exposures(compare_sets(a, la, b, lb).blocks)
    assert found.index.tolist() == [1, 2, 3, 4]
    for label, value in found.items():
        scores = a[la == label] @ b.T
        same = np.broadcast_to(lb == label, scores.shape)
        assert value == pytest.approx(roc_auc_score(same.ravel(), scores.ravel()), abs=1e-3)


def test_groups_that_differ_are_told_from_groups_that_do_not():
    random = np.random.default_rng(1)
    group = np.repeat(["a", "b", "few"], [40, 60, 3])
    exposure = 0.6 + 0.05 * random.standard_normal(103)
    alike = exposure_by_group(exposure, group, 199, 200, 0)
    assert alike.test.p_value > 0.05 and alike.groups["group"].tolist() == ["a", "b"]
    apart = exposure_by_group(exposure + 0.1 * (group == "a"), group, 199, 200, 0)
    assert apart.test.p_value == 1 / 200
    row = apart.groups.iloc[0]
    assert row["low"] < row["mean"] < row["high"] and row["mean"] == pytest.approx(0.7, abs=0.03)
    with pytest.raises(InputError, match="1 of the groups have at least 5 identities"):
        exposure_by_group(exposure, np.repeat(["a", "b"], [100, 3]), 99, 100, 0)


def test_exposure_by_the_number_of_images_needs_numbers_that_vary():
    random = np.random.default_rng(2)
    images = random.integers(5, 50, 60)
    assert (
        exposure_by_images(images / 100, np.full(60, 20), 99, 0) is None
        and exposure_by_images(np.ones(60), images, 99, 0) is None
    )
    assert exposure_by_images(images + random.standard_normal(60), images, 199, 0).p_value == 1 / 200
    assert exposure_by_images(random.standard_normal(60), images, 199, 0).p_two_sided > 0.05


def test_the_trend_is_of_as_many_images_of_each_identity():
    """Two images of each in both sets, the first; identities of one set alone are left out."""
    random = np.random.default_rng(3)
    a, b = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in random.standard_normal((2, 10, 8)).astype(np.float32))
    la, lb = np.array([4, 4, 4, 4, 2, 2, 2, 1, 1, 9]), np.array([1, 2, 4, 4, 2, 2, 1, 4, 7, 7])
    found = of_equal_images(compare_sets(a, la, b, lb).blocks)
    assert found.a_labels.tolist() == [1, 1, 2, 2, 4, 4] and found.b_labels.tolist() == [1, 1, 2, 2, 4, 4]
    np.testing.assert_allclose(found.scores, a[[7, 8, 4, 5, 0, 1]] @ b[[0, 6, 1, 4, 2, 3]].T, atol=1e-6)
    assert exposures(found).index.tolist() == [1, 2, 4]


def test_a_person_stands_beside_persons_who_trained_nothing():
    """Classes along two axes, templates of one image: control persons score 0.6 and 0.8, the others 1 and 0.7."""
    classes = np.eye(2), np.array([4, 9])
    at = np.array([[0.0, 1.0], [0.7, -(0.51**0.5)]]), np.array([2, 3])
    control = np.array([[0.6, -0.8], [-0.6, 0.8]]), np.array([0, 1])
    found = exposed_persons(classes, at, control)
    assert found.index.tolist() == [2, 3] and found["nearest_class"].tolist() == [9, 4]
    np.testing.assert_allclose(found["score"], [1, 0.7])
    np.testing.assert_allclose(found["p"], [1 / 3, 2 / 3])
    np.testing.assert_allclose(found["p_corrected"], [2 / 3, 2 / 3])
    assert exposed_persons(classes, at, None).columns.tolist() == ["score", "nearest_class"]


def test_few_strangers_are_called_exposed_and_most_likenesses_are():
    random = np.random.default_rng(5)

    def faces(centres, images, noise):
        rows = np.repeat(centres, images, axis=0) + noise * random.standard_normal((len(centres) * images, 32))
        return rows / np.linalg.norm(rows, axis=1, keepdims=True), np.repeat(np.arange(len(centres)), images)

    training, control, others = (random.standard_normal((100, 32)) for _ in range(3))
    sets = faces(training, 6, 0.7), faces(control, 4, 0.7)
    near, far = exposed_persons(faces(training, 5, 1.0), *sets), exposed_persons(faces(others, 5, 1.0), *sets)
    assert (near["p_corrected"] <= 0.05).mean() > 0.9 and (far["p_corrected"] <= 0.05).mean() < 0.02
    assert (near["nearest_class"] == near.index).mean() > 0.9
