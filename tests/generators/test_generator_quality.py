"""Measures of quality agree with closed forms and with slower ways of saying them, and show what they exist to show."""

import itertools
from pathlib import Path

import numpy as np
import pytest

from sface_lib.biometrics import Estimate, identity_weights
from sface_lib.data import open_faces, write_faces
from sface_lib.errors import InputError
from sface_lib.generators.quality import (
    class_consistency,
    class_kernel_distance,
    class_spread,
    frechet_distance,
    memorisation,
    pixel_spread,
    precision_recall,
)
from sface_lib.population import first_images, shipped_faces
from sface_lib.recognition import pixel_embeddings

EXACT = 1e-10  # Both sides are float64; their sums run in another order.
IDENTITIES, SIZE_PX = 12, 32


def unit(x: np.ndarray) -> np.ndarray:
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def embeddings(count: int, width: int = 8, shift: float = 0.0, seed: int = 0) -> np.ndarray:
    """Unit rows; `shift` gathers them about one axis."""
    x = np.random.default_rng(seed).normal(size=(count, width))
    x[:, 0] += shift
    return unit(x)


def of_identities(n: int, each: int, seed: int, width: int = 16) -> tuple[np.ndarray, np.ndarray]:
    """Unit rows about one centre for each identity; the centres are the same for every seed."""
    labels = np.repeat(np.arange(n), each)
    centres = np.random.default_rng(100).normal(size=(n, width))
    return unit(centres[labels] + np.random.default_rng(seed).normal(size=(n * each, width))), labels


def mean_kernel(x, y, own: bool = False) -> float:
    """Mean of the kernel over all pairs, pair by pair, but for those of an image with itself."""
    pairs = [(i, j) for i, j in itertools.product(range(len(x)), range(len(y))) if not (own and i == j)]
    return float(np.mean([(1 + x[i] @ y[j]) ** 3 for i, j in pairs]))


def mean_by_class(x, x_labels, y, y_labels, weights: np.ndarray, own: bool) -> float:
    """Mean over pairs of classes of the mean kernel, each weighed as the bootstrap draws it."""
    total = mass = 0.0
    for c, d in itertools.product(range(len(weights)), repeat=2):
        weight = weights[c] if c == d else weights[c] * weights[d]
        total += weight * mean_kernel(x[x_labels == c], y[y_labels == d], own and c == d)
        mass += weight
    return total / mass


def without_classes(a: np.ndarray, b: np.ndarray) -> float:
    """The plain distance: the mean kernel within both sets less twice that between them."""
    within = sum((((1 + x @ x.T) ** 3).sum() - 8 * len(x)) / (len(x) * (len(x) - 1)) for x in (a, b))
    return within - 2 * ((1 + a @ b.T) ** 3).mean()


def all_distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.linalg.norm(a[:, None] - b[None], axis=2)


# Kernel distance.


def test_by_class_every_pair_of_classes_counts_as_it_was_drawn():
    (a, a_labels), (b, b_labels) = of_identities(4, 3, seed=0), of_identities(4, 2, seed=1)

    def distance(weights):
        return (
            mean_by_class(a, a_labels, a, a_labels, weights, own=True)
            + mean_by_class(b, b_labels, b, b_labels, weights, own=True)
            - 2 * mean_by_class(a, a_labels, b, b_labels, weights, own=False)
        )

    value, interval = class_kernel_distance(a, a_labels, b, b_labels, resamples=7, level=0.5, seed=3)
    assert value == pytest.approx(distance(np.ones(4)), abs=EXACT)
    drawn = np.array([distance(weights) for weights in identity_weights(4, 7, 3)])
    expected = Estimate.of_draws(value, drawn, 4, is_rate=False).interval(0.5)
    assert (interval.low, interval.high) == pytest.approx((expected.low, expected.high), abs=EXACT)


def test_by_class_another_sample_of_the_same_persons_is_at_no_distance():
    """Without classes it would come out below zero: an image has fewer partners of its class in its own set."""
    sets = [(of_identities(6, 3, seed=2 * i), of_identities(6, 3, seed=2 * i + 1)) for i in range(200)]
    found = np.array([class_kernel_distance(*one, *other, resamples=2)[0] for one, other in sets])
    plain = np.array([without_classes(one[0], other[0]) for one, other in sets])
    assert abs(found.mean()) < 4 * found.std() / np.sqrt(200)
    assert plain.mean() < -10 * found.std() / np.sqrt(200)


def test_by_class_the_distance_is_symmetric_and_grows_with_a_shift():
    (a, labels), (b, _) = of_identities(30, 6, seed=0), of_identities(30, 6, seed=1)
    shifted = [unit(b + shift * np.eye(16)[0]) for shift in (0.0, 0.5, 1.0, 2.0, 4.0)]
    found = [class_kernel_distance(a, labels, other, labels, resamples=2)[0] for other in shifted]
    assert np.all(np.diff(found) > 0)
    back = [class_kernel_distance(other, labels, a, labels, resamples=2)[0] for other in shifted]
    np.testing.assert_allclose(back, found, rtol=0, atol=EXACT)


def test_a_classs_label_does_not_matter():
    (a, labels), (b, _) = of_identities(6, 4, seed=0), of_identities(6, 4, seed=1)
    order = np.random.default_rng(0).permutation(len(labels))
    plain, plain_interval = class_kernel_distance(a, labels, b, labels)
    other, interval = class_kernel_distance(a[order], 10 * labels[order] + 7, b, 10 * labels + 7)
    assert other == pytest.approx(plain, abs=EXACT)
    assert (interval.low, interval.high) == pytest.approx((plain_interval.low, plain_interval.high), abs=EXACT)


@pytest.mark.parametrize("shift", [0.0, 1.0])
def test_the_interval_covers_the_point_value(shift):
    (a, labels), (b, _) = of_identities(30, 6, seed=0), of_identities(30, 6, seed=1)
    value, interval = class_kernel_distance(a, labels, unit(b + shift * np.eye(16)[0]), labels)
    assert interval.low < value < interval.high


def test_the_distance_of_a_set_with_itself_is_that_with_its_copy():
    a, labels = of_identities(6, 4, seed=0)
    itself, copied = (class_kernel_distance(a, labels, b, labels)[0] for b in (a, a.copy()))
    assert itself == pytest.approx(copied, abs=EXACT) and itself < 0  # Each image meets itself in the other set.


def test_classes_of_one_image_are_left_out():
    a, labels = of_identities(4, 3, seed=0)
    kept = np.array([0, 3, 4, 5, 6, 7, 8, 9, 10, 11])
    with_one, without = (
        class_kernel_distance(a[part], labels[part], a[part], labels[part]) for part in (kept, kept[1:])
    )
    assert with_one == without


def test_by_class_other_labels_or_too_few_images_are_refused():
    a, labels = of_identities(4, 2, seed=0)
    with pytest.raises(InputError, match="the two sets differ in their labels"):
        class_kernel_distance(a, labels, a, labels + 1)
    with pytest.raises(InputError, match="fewer than two classes have two images"):
        class_kernel_distance(a[:5:2], labels[:5:2], a[:5:2], labels[:5:2])


@pytest.mark.parametrize("other", [embeddings(5, width=7), embeddings(1), embeddings(5)[0]])
def test_embeddings_of_another_shape_are_refused(other):
    for measure in (frechet_distance, precision_recall):
        with pytest.raises(InputError, match=r"embeddings must be \[N, d\] of one width"):
            measure(embeddings(5), other)


# Fréchet distance.


def test_frechet_distance_is_zero_for_one_set_and_symmetric():
    a, b = embeddings(50), embeddings(50, shift=1, seed=1)
    # Eigenvalues near zero are known to 1e-16, their roots to 1e-8.
    assert frechet_distance(a, a) == pytest.approx(0, abs=1e-7)
    assert frechet_distance(b, a) == pytest.approx(frechet_distance(a, b), abs=1e-7)
    assert frechet_distance(a, b) > 0.1


def test_frechet_distance_of_a_scaled_and_moved_set_has_a_closed_form():
    """Covariances C and s² C commute: (1 - s)² tr C, and the squared distance of the means."""
    a, move = embeddings(50), np.linspace(0, 1, 8)
    b = 3 * a + move
    expected = np.square(2 * a.mean(0) + move).sum() + 4 * np.trace(np.cov(a, rowvar=False))
    assert frechet_distance(a, b) == pytest.approx(expected, rel=1e-9)


def test_frechet_distance_of_samples_nears_that_of_their_gaussians():
    random, count = np.random.default_rng(0), 20_000
    a = random.normal([0, 1, 2], [1, 2, 0.5], (count, 3))
    b = random.normal([1, 1, 0], [2, 0.5, 0.5], (count, 3))
    expected = 1 + 4 + (1 - 2) ** 2 + (2 - 0.5) ** 2
    # The error is led by the means': sd 2 |difference| sqrt(var / N), in all about 0.05; three of them.
    assert frechet_distance(a, b) == pytest.approx(expected, abs=0.15)
    turn = np.linalg.qr(random.normal(size=(3, 3)))[0]
    assert frechet_distance(a @ turn, b @ turn) == pytest.approx(frechet_distance(a, b), abs=1e-9)


@pytest.mark.parametrize(("one", "other"), [(20, 21), (8, 8), (5, 5)])
def test_a_frechet_distance_needs_equal_numbers_above_the_width(one, other):
    with pytest.raises(InputError, match=f"{one} and {other} embeddings of width 8: a Fréchet distance needs equal"):
        frechet_distance(embeddings(one), embeddings(other))


# Precision and recall.


def test_precision_and_recall_of_one_set_are_one_and_of_sets_far_apart_zero():
    a, apart = embeddings(40, shift=20), embeddings(40, shift=-20)
    assert precision_recall(a, a) == (1, 1)
    assert precision_recall(a, apart) == (0, 0)


def test_a_set_that_stays_in_one_corner_is_precise_and_recalls_little():
    authentic, labels = of_identities(8, 20, seed=0)
    precision, recall = precision_recall(authentic, authentic[labels == 3])
    # Of eight corners it covers its own, and what other images stray into it.
    assert precision == 1 and 1 / 8 <= recall < 1 / 3
    assert precision_recall(authentic[labels == 3], authentic) == (recall, 1)


def test_precision_and_recall_count_the_points_within_any_ball():
    a, b = embeddings(30, width=3), embeddings(25, width=3, shift=0.5, seed=1)

    def covered(points, manifold):
        radii = np.sort(all_distances(manifold, manifold), axis=1)[:, 1]  # The first is the point itself.
        return np.mean([any(np.linalg.norm(p - m) <= r for m, r in zip(manifold, radii, strict=True)) for p in points])

    found = precision_recall(a, b, neighbours=1)
    assert found == (covered(b, a), covered(a, b)) and max(found) < 1


def test_too_few_images_for_their_neighbours_are_refused():
    with pytest.raises(InputError, match="3 images have no 3 neighbours each"):
        precision_recall(embeddings(3), embeddings(10))


# Classes.


def test_class_consistency_is_known_for_a_pair_a_triangle_and_copies():
    angle = 2 * np.pi / 3 * np.arange(3)
    triangle = np.stack([np.cos(angle), np.sin(angle)], 1)
    points = np.concatenate([np.eye(2), triangle, np.tile([0.6, 0.8], (4, 1)), np.eye(2)[:1]])
    found = class_consistency(points, np.repeat([4, 0, 9, 11], [2, 3, 4, 1]))  # In order of the labels, not of rows.
    np.testing.assert_allclose(found, [-0.5, 0, 1, np.nan], rtol=0, atol=EXACT)


def test_class_consistency_is_the_mean_score_of_different_images():
    values, labels = of_identities(3, 5, seed=0)
    order = np.random.default_rng(0).permutation(len(labels))
    pairs = itertools.combinations
    expected = [np.mean([x @ y for x, y in pairs(values[labels == c], 2)]) for c in range(3)]
    np.testing.assert_allclose(class_consistency(values[order], labels[order]), expected, rtol=0, atol=EXACT)


def test_a_class_of_one_image_has_neither_consistency_nor_spread_though_lengths_are_rounded():
    """The length of a float32 row is 1 but for its rounding, which no division may make infinite."""
    rows = np.random.default_rng(0).normal(size=(64, 7)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    assert np.isnan(class_consistency(rows, np.arange(64))).all()
    assert np.isnan(class_spread(1 / 3 + rows, np.arange(64))).all()


def test_class_spread_is_the_standard_deviation_within_each_class():
    values, labels = np.array([[1.0, 5], [3, 5], [2, 0], [2, 4], [2, 8], [7, 7]]), np.array([1, 1, 0, 0, 0, 2])
    expected = [[0, 4], [np.sqrt(2), 0], [np.nan, np.nan]]
    np.testing.assert_allclose(class_spread(values, labels), expected, rtol=0, atol=EXACT)
    values, labels = of_identities(4, 6, seed=0)
    expected = [values[labels == c].std(0, ddof=1) for c in range(4)]
    np.testing.assert_allclose(class_spread(values, labels), expected, rtol=0, atol=EXACT)


def test_pixel_spread_is_the_root_mean_square_between_two_images_of_a_class():
    images = np.random.default_rng(0).integers(0, 256, (7, 3, 4, 4), dtype=np.uint8)
    labels = np.array([0, 0, 0, 1, 1, 1, 1])
    level = images - images.mean((1, 2, 3), keepdims=True)
    pairs = itertools.combinations
    expected = [np.sqrt(np.mean([np.square(x - y).mean() for x, y in pairs(level[labels == c], 2)])) for c in (0, 1)]
    np.testing.assert_allclose(pixel_spread(images, labels), expected, rtol=0, atol=EXACT)
    alone = pixel_spread(images, np.array([5, 0, 0, 0, 0, 0, 0]))
    assert np.isfinite(alone[0]) and np.isnan(alone[1])


def test_brightness_alone_is_no_pixel_spread():
    image = np.random.default_rng(0).integers(50, 150, (1, 3, 4, 4), dtype=np.uint8)
    brighter = np.concatenate([image, image + 40, image + 90])
    assert pixel_spread(brighter, np.zeros(3, int))[0] < EXACT
    checked = np.stack([np.zeros((3, 4, 4), np.uint8), np.indices((3, 4, 4)).sum(0).astype(np.uint8) % 2 * 20])
    assert pixel_spread(checked, np.zeros(2, int))[0] == pytest.approx(10)


# Memorisation.


def test_memorisation_counts_the_pairs_that_a_training_image_wins():
    (members, labels), (held_out, _), (synthetic, _) = (of_identities(5, 3, seed=s) for s in (0, 1, 2))
    found = memorisation(synthetic, members, labels, held_out, labels, resamples=7, seed=3)
    best, other = ((x @ synthetic.T).max(1) for x in (members, held_out))
    won = (best[:, None] > other) + 0.5 * (best[:, None] == other)
    assert found.auc == pytest.approx(won.mean(), abs=EXACT)
    # Scores are float32; four roundings of one near 1.
    np.testing.assert_allclose(found.member_best, best, rtol=0, atol=2.4e-7)
    np.testing.assert_allclose(found.held_out_best, other, rtol=0, atol=2.4e-7)
    shares = []
    for weights in identity_weights(5, 7, 3):
        pair = np.where(
            np.equal.outer(labels, labels), weights[labels][:, None], np.outer(weights, weights)[labels][:, labels]
        )
        shares.append((won * pair).sum() / pair.sum())
    expected = Estimate.of_draws(found.auc, np.array(shares), 5).interval()
    assert (found.interval.low, found.interval.high) == pytest.approx((expected.low, expected.high), abs=EXACT)


def test_a_copied_training_set_is_told_and_an_independent_one_is_not():
    (members, labels), (held_out, _), (independent, _) = (of_identities(30, 5, seed=s) for s in (0, 1, 2))
    copied = memorisation(unit(members + 0.01 * independent), members, labels, held_out, labels)
    assert copied.auc > 0.99 and copied.interval.low > 0.85  # No more can be said of 30 identities without a miss.
    fair = memorisation(independent, members, labels, held_out, labels)
    assert fair.interval.low < 0.5 < fair.interval.high and fair.interval.low < fair.auc < fair.interval.high


def test_ties_count_half():
    rows = np.eye(2)[[0, 0, 1, 1]]
    assert memorisation(np.eye(2), rows, np.array([0, 0, 1, 1]), rows, np.array([0, 0, 1, 1])).auc == 0.5


@pytest.mark.parametrize("labels", [[0, 0, 1, 2], [0, 0, 0, 1], [0, 0, 2, 2], [0, 0, 1, 1, 1]])
def test_held_out_images_of_other_identities_or_numbers_are_refused(labels):
    with pytest.raises(InputError, match="of the same identities, as many of each"):
        memorisation(embeddings(4), embeddings(4), np.array([0, 0, 1, 1]), embeddings(len(labels)), np.array(labels))


def test_large_sets_are_measured_in_blocks_to_the_same_numbers():
    (a, labels), (b, _) = (of_identities(5, 4, seed=s) for s in (0, 1))
    (whole, interval), (value, same) = (
        class_kernel_distance(a, labels, b, labels, block_rows=rows) for rows in (2048, 7)
    )
    assert value == pytest.approx(whole, abs=EXACT)
    assert (same.low, same.high) == pytest.approx((interval.low, interval.high), abs=EXACT)


# The failures that these measures exist for, on shipped faces.


@pytest.fixture(scope="module")
def trained_on() -> tuple[np.ndarray, np.ndarray]:
    """Ten images of each of the first identities: uint8 `[N, 3, R, R]` and labels."""
    return shipped("balanced", 10)


def shipped(name: str, each: int, first: int = 0) -> tuple[np.ndarray, np.ndarray]:
    whole = shipped_faces(name)
    positions = first_images(whole, IDENTITIES, first + each).reshape(IDENTITIES, -1)[:, first:].ravel()
    return whole.load(positions, size_px=SIZE_PX).numpy(), np.repeat(np.arange(IDENTITIES), each)


def with_noise(images: np.ndarray, levels: int) -> np.ndarray:
    noise = np.random.default_rng(0).integers(-levels, levels + 1, images.shape)
    return np.clip(images + noise, 0, 255).astype(np.uint8)


def embedded(path: Path, images: np.ndarray, labels: np.ndarray) -> np.ndarray:
    return pixel_embeddings(open_faces(write_faces(path, images, labels)))


def test_a_collapsed_generator_is_shown_by_the_spread_of_its_classes(trained_on, tmp_path):
    images, labels = trained_on
    collapsed = with_noise(images[np.arange(len(images)) // 10 * 10], levels=2)
    other, other_labels = shipped("held-out", 5)

    def spreads(name: str, given: np.ndarray, of: np.ndarray) -> np.ndarray:
        values = embedded(tmp_path / f"{name}.zip", given, of)
        return np.array([class_spread(values, of).mean(), pixel_spread(given, of).mean()])

    authentic = spreads("authentic", images, labels)
    assert np.all(spreads("collapsed", collapsed, labels) < 0.2 * authentic)
    # Other authentic images of the same identities are as varied: the limit of 60 % accuses nobody wrongly.
    assert np.all(spreads("other", other, other_labels) > 0.8 * authentic)


def test_a_copying_generator_is_shown_by_memorisation(trained_on, tmp_path):
    images, labels = trained_on
    members = np.arange(len(images)) % 10 < 5
    held_out, held_out_labels = shipped("held-out", 5)

    def told(name: str, synthetic: np.ndarray):
        sets = [(synthetic, labels[: len(synthetic)]), (images[members], labels[members]), (held_out, held_out_labels)]
        rows = [embedded(tmp_path / f"{name}-{i}.zip", *each) for i, each in enumerate(sets)]
        return memorisation(rows[0], rows[1], labels[members], rows[2], held_out_labels)

    copied, fair = told("copied", with_noise(images[members], levels=20)), told("fair", images[~members])
    assert copied.auc > 0.60 and copied.interval.low > 0.60
    assert fair.auc < 0.60 and fair.interval.low < 0.5 < fair.interval.high
