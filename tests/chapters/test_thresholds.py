"""Scores by threshold: what a reader moves through is what the metrics say."""

import numpy as np
import pytest

from sface_lib.chapters.thresholds import thresholds


def test_a_worked_example():
    """Genuine 0.5, 1, 1; impostors 0, 0, 0.5, 0.75: at 0.5 two of four impostors are accepted, no genuine missed."""
    table = thresholds(np.array([1.0, 0.5, 1.0]), np.array([0.0, 0.75, 0.0, 0.5]), steps=4)
    assert table["threshold"].tolist() == [0, 0.25, 0.5, 0.75]
    assert table["FMR (%)"].tolist() == [100, 50, 50, 25]
    assert table["FNMR (%)"].tolist() == pytest.approx([0, 0, 0, 100 / 3])
    assert table["genuine (%)"].tolist() == pytest.approx([0, 0, 100 / 3, 200 / 3])
    assert table["impostor (%)"].tolist() == [50, 0, 25, 25]


def test_shares_add_up_and_rates_are_monotone():
    rng = np.random.default_rng(0)
    table = thresholds(rng.normal(0.5, 0.2, 500), rng.normal(0, 0.2, 900))
    assert table[["genuine (%)", "impostor (%)"]].sum().tolist() == pytest.approx([100, 100])
    assert (table["FMR (%)"].diff().dropna() <= 0).all() and (table["FNMR (%)"].diff().dropna() >= 0).all()
    whole = 100 - table["impostor (%)"].cumsum().shift(fill_value=0)
    assert np.allclose(table["FMR (%)"], whole)
