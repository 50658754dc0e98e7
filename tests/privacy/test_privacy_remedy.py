"""The filter leaves out what comes too near, at a rate that unseen persons set."""

import numpy as np
import pytest

from sface_lib.errors import InputError
from sface_lib.matching import best_scores
from sface_lib.privacy.remedy import filter_synthetic


def unit(rows) -> np.ndarray:
    rows = np.asarray(rows, np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def law(count: int, seed: int) -> np.ndarray:
    return unit(np.random.default_rng(seed).standard_normal((count, 24)))


def test_copies_go_and_strangers_stay_at_the_chosen_rate():
    training, unseen = law(40, 0), law(4000, 1)
    synthetic = np.concatenate([unit(training + 0.02 * law(40, 2)), law(2000, 3)])
    found = filter_synthetic(synthetic, training, unseen, np.repeat(np.arange(400), 10), 0.05)
    assert not found.kept[:40].any()
    assert np.mean(found.kept[40:]) == pytest.approx(0.95, abs=0.02)
    assert found.tested_fmr == pytest.approx(0.05, abs=0.02)
    assert np.all(found.scores[found.kept] < found.threshold)


def test_the_threshold_is_the_halves_own_and_a_person_is_in_one_half():
    training, unseen = law(10, 0), law(400, 1)
    persons = np.repeat(np.arange(40), 10)
    found = filter_synthetic(law(5, 2), training, unseen, persons, 0.1, seed=3)
    best = best_scores(unseen, training)
    half = np.isin(persons, np.random.default_rng(3).permutation(40)[:20])
    assert np.mean(best[half] >= found.threshold) <= 0.1 < np.mean(best[half] >= found.threshold - 0.02)
    assert found.tested_fmr == pytest.approx(np.mean(best[~half] >= found.threshold))


@pytest.mark.parametrize("fmr", [0.0, 1.0, 0.001])
def test_rates_that_cannot_be_shown_are_refused(fmr):
    with pytest.raises(InputError, match="unseen persons have 200 images, which calibrate rates from 0.005"):
        filter_synthetic(law(5, 2), law(10, 0), law(400, 1), np.repeat(np.arange(40), 10), fmr)


def test_unseen_persons_without_names_or_of_one_name_calibrate_nothing():
    with pytest.raises(InputError, match="unseen_identity has 3 entries; give 400"):
        filter_synthetic(law(5, 2), law(10, 0), law(400, 1), np.arange(3), 0.1)
    with pytest.raises(InputError, match="half of the unseen persons have 0 images"):
        filter_synthetic(law(5, 2), law(10, 0), law(400, 1), np.zeros(400, int), 0.1)
