"""Copies, classes that are one person, and classes that are several are told from scores."""

import numpy as np
import pytest

from sface_lib.biometrics import templates
from sface_lib.errors import InputError
from sface_lib.matching import stream
from sface_lib.population import VERIFIER_PATH, first_images, shipped_faces
from sface_lib.privacy.persons import best_earlier, components, several_persons, threshold_between
from sface_lib.recognition import embed_faces, open_model


def unit(rows) -> np.ndarray:
    rows = np.asarray(rows, np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def at_angle(*degrees) -> np.ndarray:
    return unit(np.stack([np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))], 1))


def persons(count: int, images: int, spread: float, seed: int = 0, width: int = 32) -> tuple[np.ndarray, np.ndarray]:
    """Images of random persons; two images of one score 1 / (1 + spread² x width / 32) on average."""
    random = np.random.default_rng(seed)
    rows = np.repeat(unit(random.standard_normal((count, width))), images, 0)
    noise = spread * random.standard_normal(rows.shape) / np.sqrt(width)
    return unit(rows + noise), np.repeat(np.arange(count), images)


SMALL = (4, 8)  # A few rows span several such tiles.


# Copies


def test_an_image_is_compared_with_those_before_it_alone():
    found = best_earlier(at_angle(0, 60, 60, 10, 100))
    assert found[0] == -np.inf
    np.testing.assert_allclose(found[1:], np.cos(np.deg2rad([60, 0, 10, 40])), atol=1e-6)


def test_the_best_earlier_score_does_not_depend_on_the_blocks():
    rows = persons(37, 1, 0.0)[0]
    scores = np.where(np.tri(37, k=-1, dtype=bool), rows @ rows.T, -np.inf)
    np.testing.assert_allclose(best_earlier(rows, SMALL), scores.max(1), atol=1e-6)


# Threshold


@pytest.mark.parametrize("fmr", [0.3, 0.05, 0.001])
def test_at_most_the_share_reaches_the_threshold_and_any_lower_one_lets_too_many_pass(fmr):
    rows = persons(200, 1, 0.0)[0]
    scores = (rows @ rows.T)[np.triu_indices(200, 1)]
    threshold = threshold_between(rows, fmr)
    assert np.mean(scores >= threshold) <= fmr < np.mean(scores >= threshold - 2 / stream.SCALE) + 1 / len(scores)


def test_equal_templates_pass_only_where_the_rate_lets_all_of_them():
    rows = np.repeat(at_angle(0), 50, 0)
    assert threshold_between(rows, 0.5) > 1


def test_a_rate_that_the_pairs_cannot_show_is_refused():
    rows = persons(12, 1, 0.0)[0]
    with pytest.raises(InputError, match="12 templates make 66 pairs, .* FMR of 0.001; at least 1,000"):
        threshold_between(rows, 0.001)
    with pytest.raises(InputError, match="fmr is 0; give a number above 0 and below 1"):
        threshold_between(rows, 0)


# Distinct identities


def test_what_a_chain_of_links_joins_is_one_component():
    # 0, 20 and 40 degrees hang together by neighbours, though 0 and 40 score below the threshold.
    found = components(at_angle(0, 100, 20, 200, 40, 110), np.cos(np.deg2rad(25)))
    assert found.tolist() == [0, 1, 0, 2, 0, 1]


@pytest.mark.parametrize(("degrees", "count"), [(9.99, 36), (10.01, 1)])
def test_links_across_blocks_are_found_as_within(degrees, count):
    ring = at_angle(*np.random.default_rng(0).permutation(np.arange(0, 360, 10)))
    assert len(np.unique(components(ring, np.cos(np.deg2rad(degrees)), SMALL))) == count


def test_classes_that_share_a_person_are_counted_once():
    """Of 150 persons in 300 classes: classes k and k + 150 take turns with the images of person k."""
    rows, labels = persons(300, 10, 1.0)
    _, known = templates(rows, labels, 5)
    _, shared = templates(rows[:1500], labels[:1500] + 150 * (np.arange(1500) % 2), 5)
    threshold = threshold_between(known, 1e-4)  # 4 of 44,850 pairs.
    assert 296 <= len(np.unique(components(known, threshold))) < 300
    # Two persons have four pairs of classes, which make 4.5 false links of 11,175 couples, give or take 2.1.
    assert len(np.unique(components(shared, threshold))) == pytest.approx(145.5, abs=6.5)


def test_a_threshold_of_single_images_would_let_too_many_templates_pass():
    """All faces are alike to some degree, which the mean of several shows more clearly."""
    rows, labels = persons(400, 10, 2.5, width=16)
    rows = unit(rows + unit(np.r_[np.ones(4), np.zeros(12)][None]))
    firsts, means = templates(rows, labels, 1)[1], templates(rows, labels)[1]
    of_images, of_means = threshold_between(firsts, 1e-3), threshold_between(means, 1e-3)
    scores = (means @ means.T)[np.triu_indices(400, 1)]
    assert of_means > of_images
    assert np.mean(scores >= of_images) > 5e-3 > 1e-3 >= np.mean(scores >= of_means)


# Classes of several persons


def test_a_class_of_two_persons_is_told_from_one_of_one_person():
    rows, labels = persons(40, 10, 1.0)
    _, known = templates(rows, labels, 5)
    threshold = threshold_between(known, 0.05)
    assert not several_persons(rows, labels, threshold).any()
    # Classes of the first half of the persons get half of their images from the second half.
    mixed = np.where(np.arange(400) % 2 == 0, labels, labels % 20)
    assert several_persons(rows, mixed, threshold)[:20].mean() >= 0.9  # 95 % of different persons score below.


def test_a_class_in_which_every_image_is_another_person_holds_several():
    rows = persons(200, 1, 0.0)[0]
    assert several_persons(rows, np.arange(200) // 10, 0.6).all()


def test_one_odd_photograph_is_no_person_and_few_images_are_not_judged():
    rows = at_angle(0, 1, 2, 3, 90, *(0, 1, 90), *(0, 1, 90, 91))
    labels = [*[7] * 5, *[3] * 3, *[9] * 4]
    assert several_persons(rows, labels, 0.5).tolist() == [False, True]
    fifth = at_angle(*range(8), 90, 91), [0] * 10
    assert several_persons(*fifth, 0.5).tolist() == [True]
    assert several_persons(fifth[0][1:], [0] * 9, 0.5).tolist() == [True]
    assert several_persons(at_angle(*range(9), 90, 91), [0] * 11, 0.5).tolist() == [False]
    assert several_persons(rows[:3], [0, 1, 2], 0.5).shape == (0,)


def test_labels_must_fit():
    with pytest.raises(InputError, match="labels has 2 entries; give 3"):
        several_persons(at_angle(0, 1, 2), [0, 1], 0.5)
    with pytest.raises(InputError, match="row 0 of set images is not of unit length"):
        best_earlier(np.ones((2, 2)))


@pytest.fixture(scope="module")
def rendered():
    """Sixty rendered persons with ten images each, by the shipped verifier."""
    from sface_lib.engine import make_accelerator

    faces = shipped_faces("control")
    faces = faces.subset(first_images(faces, 60, 10))
    return embed_faces(open_model(VERIFIER_PATH), faces, make_accelerator("float32")), faces.labels


@pytest.mark.slow
def test_two_rendered_persons_in_one_class_are_found_and_pure_classes_are_left(rendered):
    rows, labels = rendered
    threshold = threshold_between(templates(rows, labels, 5)[1], 0.05)
    assert several_persons(rows, labels, threshold).mean() <= 0.02
    halves = np.where(np.arange(600) % 10 < 5, labels, (labels + 1) % 60)
    assert several_persons(rows, halves, threshold).mean() >= 0.9


def test_rendered_persons_are_as_many_as_they_are(rendered):
    rows, labels = rendered
    known = templates(rows, labels, 5)[1]
    threshold = threshold_between(known, 1e-3)
    assert len(np.unique(components(known, threshold))) >= 57  # 1770 pairs: one false link is allowed, chains are not.
    twice = np.where(np.arange(600) % 10 < 5, labels, labels + 60)
    both = templates(rows, twice, 5)[1]
    assert len(np.unique(components(both, threshold))) == pytest.approx(60, abs=3)
