"""A classifier's log-odds give the divergence of whole profiles."""

import numpy as np
import pytest

from sface_lib.attributes import compare_tallies, joint_divergence, tally_attributes
from sface_lib.errors import InputError

RESAMPLES = 50


def compared(a, b, seed: int = 0, a_units=None, b_units=None):
    """Two sets of as many strangers as images, unless units are given."""
    a_units = np.arange(len(a)) if a_units is None else a_units
    b_units = len(a) + np.arange(len(b)) if b_units is None else b_units
    return joint_divergence(a, b, a_units, b_units, RESAMPLES, seed)


def gaussian_kl(law, other) -> float:
    (mean, covariance), (mean_b, covariance_b) = law, other
    inverse, shift = np.linalg.inv(covariance_b), np.subtract(mean_b, mean)
    ratio = np.linalg.slogdet(covariance_b)[1] - np.linalg.slogdet(covariance)[1]
    return (np.trace(inverse @ covariance) + shift @ inverse @ shift - len(shift) + ratio) / 2


LAWS = {
    2: (([0, 0], [[1, 0], [0, 1]]), ([0.8, -0.3], [[1.5, 0.6], [0.6, 0.8]])),
    3: (([0, 0, 0], np.diag([1, 0.7, 1.3])), ([0.5, 0, -0.5], [[2, 0.5, 0], [0.5, 1, 0.3], [0, 0.3, 0.6]])),
}


@pytest.mark.parametrize("width", [2, 3])
def test_two_gaussians_have_their_closed_form_in_both_directions(width):
    a_law, b_law = LAWS[width]
    found = []
    for seed in range(4):
        random = np.random.default_rng(seed)
        a, b = (random.multivariate_normal(*law, 5000) for law in (a_law, b_law))
        result = compared(a, b, seed)
        found.append((result.forward.value, result.backward.value))
        assert result.auc > 0.7 and result.calibration < 0.03
    forward, backward = np.mean(found, 0)
    # One run of 5000 images has a standard deviation of 0.04: 0.02 for the mean of four, three of them.
    assert forward == pytest.approx(gaussian_kl(a_law, b_law), abs=0.06)
    assert backward == pytest.approx(gaussian_kl(b_law, a_law), abs=0.06)
    # The closed forms are 0.24 and 0.15 nats apart; both directions of a run err alike.
    asymmetry = gaussian_kl(a_law, b_law) - gaussian_kl(b_law, a_law)
    assert forward - backward == pytest.approx(asymmetry, abs=0.06)


def test_sets_of_different_size_diverge_alike():
    """The log of their ratio is no divergence."""
    random = np.random.default_rng(1)
    a, b = random.multivariate_normal(*LAWS[2][0], 1500), random.multivariate_normal(*LAWS[2][1], 6000)
    found = compared(a, b)
    # Three standard deviations, of 1500 images 0.065.
    assert found.forward.value == pytest.approx(gaussian_kl(*LAWS[2]), abs=0.2)
    assert found.backward.value == pytest.approx(gaussian_kl(*LAWS[2][::-1]), abs=0.2)


def test_swapping_the_sets_swaps_the_directions():
    random = np.random.default_rng(2)
    a, b = (random.multivariate_normal(*law, 3000) for law in LAWS[2])
    one, other = compared(a, b), compared(b, a)
    # Other folds, the same images: a fold's fit moves the mean by about 0.002.
    assert one.forward.value == pytest.approx(other.backward.value, abs=0.02)
    assert one.backward.value == pytest.approx(other.forward.value, abs=0.02)
    assert one.auc == pytest.approx(other.auc, abs=0.005)


@pytest.mark.parametrize("seed", range(3))
def test_two_samples_of_one_law_do_not_diverge(seed):
    a, b = np.random.default_rng(seed).normal(size=(2, 3000, 3))
    found = compared(a, b, seed)
    # Nine terms on 6000 images: 9 / (2 x 6000) = 0.001 is what a fit gains or loses by chance.
    assert abs(found.forward.value) < 0.005 and abs(found.backward.value) < 0.005
    # The standard error of an AUC of 3000 against 3000 is 0.0075.
    assert found.auc == pytest.approx(0.5, abs=0.025)
    assert found.calibration < 0.05


def pairs_that_agree(n: int, share: float, seed: int) -> np.ndarray:
    """Four labels, each present in half of all images; the first two are alike in this share."""
    random = np.random.default_rng(seed)
    x = np.where(random.random((n, 4)) < 0.5, 1, -1)
    x[:, 1] = np.where(random.random(n) < share, x[:, 0], -x[:, 0])
    return x.astype(np.int8)


def test_profiles_of_equal_shares_differ_by_what_goes_together():
    """80 % against 50 % of images in which two labels agree: a Bernoulli divergence that no single label shows."""
    names, found = ("Male", "Bald", "Bangs", "Smiling"), []
    for seed in range(4):
        a, b = pairs_that_agree(4000, 0.8, 2 * seed), pairs_that_agree(4000, 0.5, 2 * seed + 1)
        marginal = compare_tallies(tally_attributes(a, names, None), tally_attributes(b, names, None), 10).observed
        # Four shares of 4000 images: 4 / 2 x 2 / 4000 = 0.001 nats by chance.
        assert max(marginal.forward.sum(), marginal.backward.sum()) < 0.005
        result = compared(a, b, seed)
        assert result.forward.interval().low > 0.1 and result.backward.interval().low > 0.1
        assert result.auc > 0.6 and result.calibration < 0.05
        found.append((result.forward.value, result.backward.value))
    exact = 0.8 * np.log(0.8 / 0.5) + 0.2 * np.log(0.2 / 0.5), 0.5 * np.log(0.5 / 0.8) + 0.5 * np.log(0.5 / 0.2)
    # One run has a standard deviation of 0.012, the mean of four half of it.
    np.testing.assert_allclose(np.mean(found, 0), exact, atol=0.02)


def persons(seed: int):
    """Twelve numbers of 60 persons of one law, 20 images each, that hardly differ; half of the persons a side."""
    random = np.random.default_rng(seed)
    labels = np.repeat(np.arange(60), 20)
    x = random.normal(size=(60, 12))[labels] + 0.2 * random.normal(size=(1200, 12))
    return x[:600], x[600:], labels[:600], labels[600:]


def test_no_image_is_judged_by_a_classifier_that_saw_its_identity():
    """Persons known by heart tell the sets apart; unseen ones of one law do not."""
    by_image, by_person = [], []
    for seed in range(3):
        a, b, a_labels, b_labels = persons(seed)
        by_image.append(compared(a, b, seed).auc)
        by_person.append(compared(a, b, seed, a_labels, b_labels).auc)
    assert min(by_image) > 0.9
    # 30 against 30 persons: a standard error of 0.075, 0.043 for the mean of three.
    assert np.mean(by_person) == pytest.approx(0.5, abs=0.13)


def test_intervals_are_of_identities():
    """One number that tells the sets apart a little; its persons' images hardly differ."""
    random = np.random.default_rng(0)
    labels = np.repeat(np.arange(100), 20)
    x = random.normal(size=(200, 1))[np.repeat(np.arange(200), 20)] + 0.1 * random.normal(size=(4000, 1))
    a, b = x[:2000] + 0.5, x[2000:]
    by_person, by_image = compared(a, b, 0, labels, labels + 100), compared(a, b)
    widths = [found.forward.interval().high - found.forward.interval().low for found in (by_person, by_image)]
    assert widths[0] > 2 * widths[1]  # The root of 20 where images do not differ at all.


def test_profiles_that_never_vary_do_not_diverge():
    a = np.tile(np.array([[1, -1, 1]], np.int8), (60, 1))
    found = compared(a, a)
    assert (found.forward.value, found.backward.value, found.auc) == (0, 0, 0.5)


def test_a_right_probability_that_many_images_share_is_calibrated():
    """Of images that are all judged 0.5, half are of each set, in whatever order they stand."""
    a = np.tile(np.array([[1, -1, 1]], np.int8), (60, 1))
    assert compared(a, a).calibration == pytest.approx(0, abs=1e-9)


def test_profiles_that_do_not_fit_are_refused():
    a = np.zeros((10, 3))
    for b in (np.zeros((10, 2)), np.zeros(10)):
        with pytest.raises(InputError, match=r"profiles must be \[N, m\] of one width, got \(10, 3\) and"):
            compared(a, b)
    with pytest.raises(InputError, match="a set has fewer than 5 identities, too few for a cross-validation"):
        compared(a, a, 0, np.arange(10), 10 + np.arange(10) // 3)


def test_a_small_set_of_persons_of_a_larger_one_can_be_cross_validated():
    """With this seed all of its persons come to one fold, so that the others would have to teach without it."""
    random = np.random.default_rng(0)
    a, b = random.normal(size=(50, 2)), random.normal(size=(5, 2))
    found = compared(a, b, 243, np.arange(50), np.arange(5))
    assert np.isfinite([found.forward.value, found.backward.value, found.auc]).all()
