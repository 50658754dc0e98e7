"""Divergences are those of the textbook, and no difference is found where there is none but chance."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import entropy

from sface_lib.attributes import (
    ATTRIBUTES,
    Tally,
    by_pseudo_count,
    compare_tallies,
    js_divergence,
    kl_divergence,
    prevalence,
    tally_attributes,
    tally_variables,
)
from sface_lib.errors import InputError
from sface_lib.population import shipped_truth
from sface_lib.privacy.verdict import holm

EYEGLASSES, NO_EYEWEAR = ATTRIBUTES.index("Eyeglasses"), ATTRIBUTES.index("No_Eyewear")
ROUNDING = 1e-12
NAMES = tuple(f"x{i}" for i in range(20))


def binary(p: float, q: float) -> float:
    """KL of two Bernoulli distributions."""
    return p * np.log(p / q) + (1 - p) * np.log((1 - p) / (1 - q))


# Values far above the least float, whose inverse is infinite.
@st.composite
def two_distributions(draw):
    k = draw(st.integers(2, 8))
    raw = [draw(st.lists(st.floats(1e-6, 1), min_size=k, max_size=k)) for _ in range(2)]
    return tuple(np.array(x) / np.sum(x) for x in raw)


def bernoulli(p) -> np.ndarray:
    """The distribution (p, 1 - p), float64 `[..., 2]`."""
    return np.stack([np.asarray(p), 1 - np.asarray(p)], -1)


# The divergences


def test_kl_is_that_of_scipy():
    random = np.random.default_rng(0)
    p, q = random.dirichlet(np.full(6, 0.5), (2, 50))
    np.testing.assert_allclose(kl_divergence(p, q), entropy(p, q, axis=-1), rtol=1e-9)


def test_kl_of_two_shares_has_its_closed_form():
    p, q = np.array([0.1, 0.5, 0.99]), np.array([0.3, 0.5, 0.01])
    np.testing.assert_allclose(kl_divergence(bernoulli(p), bernoulli(q)), binary(p, q), atol=ROUNDING)
    assert kl_divergence([0.0, 1.0], [0.5, 0.5]) == pytest.approx(np.log(2))  # 0 log 0 is 0.


@given(two_distributions())
def test_kl_of_a_distribution_from_itself_is_zero_and_never_below(both):
    p, q = both
    assert kl_divergence(p, p) == 0 and kl_divergence(p, q) >= 0
    # Pinsker: at least half the squared total variation, of l1.
    assert kl_divergence(p, q) >= np.abs(p - q).sum() ** 2 / 2 - ROUNDING


def test_kl_is_asymmetric():
    """An attribute of 1 % is worse explained by one of 50 % than the other way round is: 0.64 against 1.61 nats."""
    rare, common = bernoulli(0.01), bernoulli(0.5)
    assert kl_divergence(rare, common) == pytest.approx(np.log(2) - 0.056, abs=1e-3)
    assert kl_divergence(common, rare) == pytest.approx(np.log(0.5) - np.log(0.01 * 0.99) / 2, abs=ROUNDING)


@given(two_distributions())
def test_js_is_symmetric_and_at_most_log_2(both):
    p, q = both
    assert js_divergence(p, q) == pytest.approx(js_divergence(q, p), abs=ROUNDING)
    assert 0 <= js_divergence(p, q) <= np.log(2) + ROUNDING
    middle = (p + q) / 2
    assert js_divergence(p, q) == pytest.approx((entropy(p, middle) + entropy(q, middle)) / 2, abs=1e-9)


def test_js_of_what_never_meets_is_log_2():
    assert js_divergence([1.0, 0.0], [0.0, 1.0]) == pytest.approx(np.log(2))
    assert js_divergence([0.3, 0.7], [0.3, 0.7]) == 0


@pytest.mark.parametrize("divergence", [kl_divergence, js_divergence])
@pytest.mark.parametrize(
    ("p", "q", "message"),
    [
        ([0.5, 0.6], [0.5, 0.5], "p is no distribution"),
        ([0.5, 0.5], [0.5, 0.4], "q is no distribution"),
        ([-0.5, 1.5], [0.5, 0.5], "is no distribution"),
        ([np.nan, 1.0], [0.5, 0.5], "is no distribution"),
        ([np.inf, 1.0], [0.5, 0.5], "is no distribution"),
        ([0.5, 0.5], [0.2, 0.3, 0.5], r"of one shape, got \(2,\) and \(3,\)"),
        (0.5, 0.5, "of one shape"),
    ],
)
def test_what_is_no_distribution_is_refused(divergence, p, q, message):
    if divergence is js_divergence:  # It may blame the middle of the two.
        message = message.replace("q is no", "is no")
    with pytest.raises(InputError, match=message):
        divergence(p, q)


def test_an_infinite_kl_is_refused():
    with pytest.raises(InputError, match=r"KL\(p \|\| q\) is infinite; smooth the shares"):
        kl_divergence([[0.5, 0.5], [0.5, 0.5]], [[0.5, 0.5], [1.0, 0.0]])
    assert kl_divergence([1.0, 0.0], [0.5, 0.5]) > 0  # The other way round it is finite.


def test_kl_of_smoothed_shares_goes_to_the_true_one():
    """Its error falls with the root of the sample: by ten from one size to the next, a third of it left for chance."""
    random, true, errors = np.random.default_rng(0), binary(0.3, 0.5), []
    for n in (100, 10_000, 1_000_000):
        p, q = (bernoulli(prevalence(random.binomial(n, share, 200), n)) for share in (0.3, 0.5))
        errors.append(np.abs(kl_divergence(p, q) - true).mean())
    assert errors[0] > 7 * errors[1] > 49 * errors[2] and errors[2] < 1e-3


# Two sets


def tallied(values, identities) -> Tally:
    return tally_attributes(values, NAMES[: values.shape[1]], identities)


def drawn(identities, images, share, seed: int, own: np.ndarray | None = None, attributes: int = 20):
    """Values of identities that differ as a beta distribution of two units, and the identities; `images` may vary."""
    random = np.random.default_rng(seed)
    own = random.beta(2 * share, 2 * (1 - share), (identities, attributes)) if own is None else own
    labels = np.repeat(np.arange(identities), images)
    return np.where(random.random((len(labels), own.shape[1])) < own[labels], 1, -1).astype(np.int8), labels


@pytest.fixture(scope="module")
def truth() -> tuple[np.ndarray, np.ndarray]:
    """Ground truth of 200 rendered persons, 20 images each, and the persons."""
    table = shipped_truth("balanced")
    return table[list(ATTRIBUTES)].to_numpy(np.int8), table["identity"].to_numpy()


def part(tally: Tally, rows: np.ndarray) -> Tally:
    return dataclasses.replace(tally, counts=tally.counts[np.sort(rows)], units=tally.units[np.sort(rows)])


def random_halves(tally: Tally, seed: int) -> tuple[Tally, Tally]:
    order = np.random.default_rng(seed).permutation(len(tally.units))
    return part(tally, order[: len(order) // 2]), part(tally, order[len(order) // 2 :])


def test_a_comparison_by_hand():
    """8 of 10 against 3 of 10 with half an image more of each kind, and an attribute that is never known."""
    a, b = (tallied(np.array([[1, 0]] * k + [[-1, 0]] * (10 - k), np.int8), np.arange(10) // 2) for k in (8, 3))
    found = compare_tallies(a, b, draws=50)
    p, q = 8.5 / 11, 3.5 / 11
    np.testing.assert_allclose(found.observed.forward, [binary(p, q), 0], atol=ROUNDING)
    np.testing.assert_allclose(found.observed.backward, [binary(q, p), 0], atol=ROUNDING)
    np.testing.assert_allclose(found.observed.js, js_divergence(bernoulli([p, 0.5]), bernoulli([q, 0.5])), atol=1e-12)
    np.testing.assert_allclose(found.difference, [5 / 11, 0], atol=ROUNDING)
    assert found.nulls[0].js.shape == (50, 2) and len(found.nulls) == 1 and found.p_values()[1] == 1


def test_groups_are_compared_as_one_distribution():
    names = ("Young", "Middle_Aged", "Senior")
    old, young = np.array([[-1, -1, 1]] * 6 + [[-1, -1, -1]] * 2, np.int8), np.array([[1, -1, -1]] * 8, np.int8)
    a, b = (tally_variables(x, names, np.arange(8)) for x in (old, young))
    found = compare_tallies(a, b, draws=50)
    p, q = (np.array(x) / 10 for x in ([0.5, 0.5, 6.5, 2.5], [8.5, 0.5, 0.5, 0.5]))
    assert found.observed.forward == pytest.approx(entropy(p, q)) and found.difference == pytest.approx(-0.8)


def test_swapping_the_sets_swaps_the_directions():
    a, b = tallied(*drawn(30, 5, 0.3, 0)), tallied(*drawn(20, 7, 0.5, 1))
    one, other = compare_tallies(a, b, 50), compare_tallies(b, a, 50)
    np.testing.assert_array_equal(one.observed.forward, other.observed.backward)
    np.testing.assert_array_equal(one.observed.backward, other.observed.forward)
    np.testing.assert_allclose(one.observed.js, other.observed.js, atol=ROUNDING)
    np.testing.assert_allclose(one.difference, -other.difference, atol=ROUNDING)


def test_sets_that_differ_in_everything_have_the_smallest_p_that_the_splits_allow():
    a, b = tallied(*drawn(30, 5, 0.2, 0)), tallied(*drawn(30, 5, 0.8, 1))
    found = compare_tallies(a, b, 99)
    np.testing.assert_array_equal(found.p_values(), 1 / 100)
    assert found.p_total == 1 / 100


def test_tallies_that_do_not_fit_are_refused():
    a = tallied(*drawn(10, 5, 0.3, 0))
    with pytest.raises(InputError, match="annotated with different attributes"):
        compare_tallies(a, tallied(*drawn(10, 5, 0.3, 0, attributes=3)))
    alone = tallied(*drawn(1, 5, 0.3, 0))
    for pair in ((a, alone), (alone, a)):
        with pytest.raises(InputError, match="a set of one identity has no spread"):
            compare_tallies(*pair)


# What no difference looks like

# Of 200 tests at 5 %, 10 are expected; 2 to 16 hold 97 % of binomial counts, and the seeds are fixed.
FEWEST, MOST = 2, 16


@pytest.mark.slow
def test_halves_of_one_set_are_told_apart_as_rarely_as_promised(truth):
    whole, total = tally_attributes(truth[0], ATTRIBUTES, truth[1]), []
    for seed in range(200):
        found = compare_tallies(*random_halves(whole, seed), 400, seed)
        total.append(found.p_total < 0.05)
    assert FEWEST <= sum(total) <= MOST


@pytest.mark.slow
def test_so_are_halves_of_persons_with_few_and_with_many_images(truth):
    values, labels = truth
    kept = np.random.default_rng(0).integers(1, 21, 200)  # Of each person 1 to 20 images.
    chosen = np.arange(len(labels)) % 20 < kept[labels]
    uneven = tally_attributes(values[chosen], ATTRIBUTES, labels[chosen])
    small = [compare_tallies(*random_halves(uneven, seed), 400, seed).p_total < 0.05 for seed in range(200)]
    assert FEWEST <= sum(small) <= MOST


def test_splits_of_images_would_take_persons_for_differences(truth):
    """Why identities are split: halves of one set, their images taken for independent, always differ."""
    values, labels = truth
    for seed in range(5):
        half = np.isin(labels, np.random.default_rng(seed).permutation(200)[:100])
        a, b = (tally_attributes(values[side], ATTRIBUTES, None) for side in (half, ~half))
        assert compare_tallies(a, b, 100, seed).p_total < 0.05


@pytest.mark.slow
def test_images_of_strangers_are_compared_with_identities():
    """Labels of images are no identities: they are shared with none."""
    small = []
    for seed in range(200):
        values, labels = drawn(60, 10, 0.3, 2 * seed)
        others = tallied(drawn(500, 1, 0.3, 2 * seed + 1)[0], None)
        found = compare_tallies(tallied(values, labels), others, 400, seed)
        small.append(found.p_total < 0.05)
        if seed < 3:
            np.testing.assert_array_equal(
                found.nulls[0].js, compare_tallies(tallied(values, labels + 10**6), others, 400, seed).nulls[0].js
            )
    assert FEWEST <= sum(small) <= MOST


def test_shared_identities_make_the_null_narrower_and_keep_what_it_promises():
    """Two sets of the same 60 persons: what a person is differs between no two sides."""
    shared, strangers = [], []
    for seed in range(200):
        own = np.random.default_rng(10_000 + seed).beta(0.6, 1.4, (60, 20))
        (v, i), (w, j) = drawn(60, 10, 0.3, 2 * seed, own), drawn(60, 10, 0.3, 2 * seed + 1, own)
        shared.append(compare_tallies(tallied(v, i), tallied(w, j), 400, seed))
        if seed < 20:
            strangers.append(compare_tallies(tallied(v, i), tallied(w, j + 1000), 400, seed))
    # A share's variance is 0.07 between persons and 0.14 / 10 within them: a sixth of the whole.
    ratio = [
        one.nulls[0].js.sum(1).mean() / other.nulls[0].js.sum(1).mean()
        for one, other in zip(shared[:20], strangers, strict=True)
    ]
    assert 0.1 < np.mean(ratio) < 0.25
    assert FEWEST <= sum(found.p_total < 0.05 for found in shared) <= MOST
    assert min(found.p_total for found in strangers) > 0.5  # Taken for strangers, the sets are too much alike.


@pytest.fixture(scope="module")
def uneven_sets():
    """30 persons against 200 of one law, 20 attributes of 5 %, 150 times."""
    found = []
    for seed in range(150):
        (v, i), (w, j) = drawn(30, 10, 0.05, 2 * seed), drawn(200, 10, 0.05, 2 * seed + 1)
        found.append(compare_tallies(tallied(v, i), tallied(w, j + 1000), 400, seed))
    return found


def test_sets_of_different_size_are_told_apart_as_rarely_as_promised(uneven_sets):
    # 99.9 % of binomial counts of 150 tests at 5 % lie at or below 17.
    assert sum(found.p_total <= 0.05 for found in uneven_sets) <= 17


def test_rare_attributes_of_a_small_set_are_told_apart_as_rarely_as_promised(uneven_sets):
    # 3000 tests at 5 %: a standard error of 0.004.
    assert np.mean([found.p_values() <= 0.05 for found in uneven_sets]) <= 0.07


# What a difference looks like


@pytest.mark.parametrize("seed", range(5))
def test_raised_eyeglasses_are_found_with_their_complement_and_nothing_else(truth, seed):
    """Half of each person's images; in one set a tenth of the images without eyeglasses gets some."""
    values, labels = truth
    random = np.random.default_rng(seed)
    first = np.argsort(random.random((200, 20)), 1).ravel() < 10
    values = values.copy()
    bare = np.flatnonzero(first & (values[:, EYEGLASSES] == -1))
    raised = random.permutation(bare)[: len(bare) // 10]
    values[raised, EYEGLASSES], values[raised, NO_EYEWEAR] = 1, -1
    a, b = (tally_attributes(values[side], ATTRIBUTES, labels[side]) for side in (first, ~first))
    found = compare_tallies(a, b, 2000, seed)
    adjusted = holm(found.p_values())
    assert {ATTRIBUTES[i] for i in np.flatnonzero(adjusted < 0.05)} == {"Eyeglasses", "No_Eyewear"}
    # A tenth of the 75 % without; the two sets differ by two points more by chance at most.
    assert found.difference[EYEGLASSES] == pytest.approx(0.075, abs=0.02) and found.difference[NO_EYEWEAR] < -0.05
    assert found.p_total < 0.05


# Pseudo-counts


def test_the_asymmetry_of_a_rare_attribute_shrinks_as_the_pseudo_count_grows():
    """6 of 200 against none: without smoothing one direction would be infinite."""
    a, b = (tallied(np.array([[1]] * k + [[-1]] * (200 - k), np.int8), None) for k in (6, 0))
    table = by_pseudo_count(a, b)
    assert table["pseudo-count"].tolist() == [0.1, 0.5, 1.0]
    p, q = 6.5 / 201, 0.5 / 201
    np.testing.assert_allclose(table.loc[1, ["forward", "backward"]].astype(float), [binary(p, q), binary(q, p)])
    np.testing.assert_allclose(table["asymmetry"], table["forward"] - table["backward"])
    assert (table["asymmetry"] > 0).all() and table["asymmetry"].is_monotonic_decreasing
    assert by_pseudo_count(a, b, (50.0,)).loc[0, "asymmetry"] < 0.1 * table.loc[0, "asymmetry"]
