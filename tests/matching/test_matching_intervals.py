"""Intervals of a comparison are those of its scores, drawn identity by identity."""

import numpy as np
import pandas as pd
import pytest

from sface_lib.biometrics import bootstrap_metrics, identity_weights
from sface_lib.errors import InputError
from sface_lib.matching import bootstrap_comparison, compare_sets, compare_within


def embedded(counts, strength: float, seed: int, d: int = 8):
    """Unit embeddings around class centres, as many of each class as `counts` says."""
    centres = np.random.default_rng(99).standard_normal((len(counts), d))
    labels = np.repeat(np.arange(len(counts)), counts)
    rows = np.random.default_rng(seed).standard_normal((len(labels), d)) + strength * centres[labels]
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32), labels


def flat(comparison, labels_a, labels_b, a, b, within):
    """The same scores as lists with the identities behind each."""
    scores, kept = a @ b.T, np.ones((len(a), len(b)), bool)
    kept = np.triu(kept, 1) if within else kept
    first, second = np.broadcast_to(labels_a[:, None], scores.shape), np.broadcast_to(labels_b, scores.shape)
    own, other = kept & (first == second), kept & (first != second)
    return scores[own], first[own], scores[other], first[other], second[other]


@pytest.mark.parametrize("within", [False, True])
def test_the_blocks_give_the_intervals_of_the_listed_scores(within):
    a, la = embedded([5] * 12, 1.0, 1)
    b, lb = (a, la) if within else embedded([4] * 12, 1.0, 2)
    comparison = compare_within(a, la) if within else compare_sets(a, la, b, lb)
    found = bootstrap_comparison(comparison, 300, seed=4)
    expected = bootstrap_metrics(*flat(comparison, la, lb, a, b, within), resamples=300, seed=4)
    metrics = comparison.metrics()
    for name, listed in expected.items():
        assert found[name].value == pytest.approx(getattr(metrics, name), abs=0.01)
        np.testing.assert_allclose(found[name].draws, listed.draws, atol=0.005)
        assert (found[name].identities, found[name].is_rate) == (listed.identities, listed.is_rate)
    assert found["fmr100"].value == pytest.approx(metrics.fmr100, abs=0.03)


def test_with_groups_impostors_are_of_one_group_in_value_and_draws():
    """Identities 0 to 5 and 6 to 10 in two groups, 11 in none: against the same scores as a list."""
    (a, la), (b, lb) = embedded([5] * 12, 1.0, 1), embedded([4] * 12, 1.0, 2)
    groups = pd.Series([*np.repeat(["one", "other"], [6, 5]), None])
    kept = np.arange(11)
    comparison = compare_sets(a, la, b, lb).among(kept, groups)
    own, mine, others, first, second = flat(comparison, la, lb, a, b, False)
    one_group = (first // 6 == second // 6) & (first < 11) & (second < 11)
    listed = own[mine < 11], mine[mine < 11], others[one_group], first[one_group], second[one_group]
    assert len(comparison.genuine) == 11 * 20 and len(comparison.impostor) == (6 * 5 + 5 * 4) * 20
    np.testing.assert_allclose(np.sort(comparison.impostor), np.sort(listed[2]), atol=1e-6)
    assert comparison.impostors.counts.sum() == len(listed[2])
    assert comparison.impostors.mean == pytest.approx(listed[2].mean(), abs=1e-6)
    found, expected = bootstrap_comparison(comparison, 300, seed=4), bootstrap_metrics(*listed, resamples=300, seed=4)
    for name, estimate in expected.items():
        np.testing.assert_allclose(found[name].draws, estimate.draws, atol=0.005)
    with pytest.raises(InputError, match="1 of the identities have no genuine or no impostor pair"):
        compare_sets(a, la, b, lb).among(np.array([3]))


def test_an_identity_with_many_images_weighs_no_more_where_identities_are_asked_for():
    counts = [40, 4, 4, 4, 4, 4]
    a, labels = embedded(counts, 1.5, 3)
    comparison = compare_within(a, labels)
    by_pair, by_identity = (bootstrap_comparison(comparison, 100, 0, per_identity=flag) for flag in (False, True))
    scores = a @ a.T
    means = [scores[np.ix_(labels == i, labels == i)][np.triu_indices(counts[i], 1)].mean() for i in range(6)]
    across = [scores[np.ix_(labels == i, labels == j)].mean() for i in range(6) for j in range(i)]
    assert by_identity["genuine_mean"].value == pytest.approx(np.mean(means), abs=0.002)
    assert by_identity["impostor_mean"].value == pytest.approx(np.mean(across), abs=0.002)
    assert by_pair["genuine_mean"].value == pytest.approx(comparison.genuine.mean(), abs=0.002)


def test_a_resample_weighs_pairs_by_how_often_their_identities_were_drawn():
    a, labels = embedded([3] * 8, 1.0, 5)
    comparison, scores = compare_within(a, labels), a @ a.T
    weights = identity_weights(8, 200, 7)
    upper = np.triu(np.ones_like(scores), 1).astype(bool) & (labels[:, None] != labels)
    drawn = [np.average(scores[upper], weights=np.outer(w[labels], w[labels])[upper]) for w in weights]
    np.testing.assert_allclose(bootstrap_comparison(comparison, 200, 7)["impostor_mean"].draws, drawn, atol=0.002)


@pytest.mark.slow
def test_two_unrelated_sets_are_covered_by_their_interval():
    """The link of 200 pairs of random sets: 95 % intervals that hold chance in 183 to 198 of them."""
    held = 0
    for seed in range(200):
        (a, la), (b, lb) = embedded([4] * 20, 0.0, 2 * seed), embedded([4] * 20, 0.0, 2 * seed + 1)
        interval = bootstrap_comparison(compare_sets(a, la, b, lb), 200, seed)["auc"].interval()
        held += interval.low <= 0.5 <= interval.high
    assert 183 <= held <= 198


def test_counted_scores_have_no_interval():
    with pytest.raises(InputError, match="intervals need all scores"):
        bootstrap_comparison(compare_within(*embedded([3] * 4, 1.0, 0), most_exact=20), 100, 0)
