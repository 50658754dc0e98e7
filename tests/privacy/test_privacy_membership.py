"""Members are told from others by their best score, in draws of identities."""

import numpy as np
import pytest

from sface_lib.biometrics import bootstrap_samples
from sface_lib.errors import InputError
from sface_lib.privacy import membership
from sface_lib.privacy.membership import _shuffled
from sface_lib.privacy.stream import best_scores


def unit(rows) -> np.ndarray:
    rows = np.asarray(rows, np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def photographs(persons: int, images: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    centres = np.random.default_rng(5).standard_normal((persons, 32))
    labels = np.repeat(np.arange(persons), images)
    return unit(centres[labels] + np.random.default_rng(seed).standard_normal((len(labels), 32))), labels


def test_the_best_score_of_each_row():
    a, b = (
        unit(np.random.default_rng(0).standard_normal((50, 8))),
        unit(np.random.default_rng(1).standard_normal((30, 8))),
    )
    np.testing.assert_allclose(best_scores(a, b), (a @ b.T).max(1), atol=1e-6)


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
    expected = np.quantile(drawn, [0.025, 0.975])
    assert (found.interval().low, found.interval().high) == pytest.approx(tuple(expected), abs=0.003)


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
