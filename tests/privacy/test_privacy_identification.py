"""Identification of synthetic probes, closed and open, and how links grow."""

import numpy as np
import pytest

from sface_lib.biometrics import templates
from sface_lib.errors import InputError
from sface_lib.matching import Pairs, compare_sets
from sface_lib.privacy.identification import aggregation, by_score, nearest_label, open_set, rank_1, ranks, tail


def faces(persons: int, images: int, seed: int, noise: float = 1.0, law: int = 5):
    """Unit embeddings around persons of a law."""
    centres = np.random.default_rng(law).standard_normal((persons, 32))
    labels = np.repeat(np.arange(persons), images)
    rows = centres[labels] + noise * np.random.default_rng(seed).standard_normal((len(labels), 32))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32), labels


def test_ranks_are_of_the_labels_that_both_sides_have():
    (probes, labels), (gallery, owners) = faces(6, 3, 1, 0.1), faces(9, 2, 2, 0.1)
    found = ranks(probes, labels, gallery, owners, 20)
    assert [each.value for each in found] == [1.0] * 9  # The gallery stays whole.
    found = ranks(gallery, owners, probes, labels, 20)  # Probes of persons who aren't enrolled are left out.
    assert len(found) == 6 and found[-1].value == 1


def test_open_set_identification_by_hand():
    authentic, owners = np.eye(3, dtype=np.float32), np.arange(3)
    unseen = np.array([[c, 0, np.sqrt(1 - c * c)] for c in np.linspace(0, 0.7, 200)], np.float32)  # Best scores by z.
    best = np.sort((unseen @ authentic.T).max(1))[::-1]
    persons = np.arange(200) // 2
    found = open_set(authentic, np.array([0, 2, 2]), authentic, owners, unseen, persons)
    threshold = found.own.threshold(0.01)
    assert np.mean(best >= threshold) <= 0.01 and best[2] < threshold <= best[1] + 1e-6
    # All three probes are copies of a template; the second carries another's label.
    rates = [scored.at(0.01).complement.value for scored in (found.own, found.anyone)]
    assert rates == [pytest.approx(2 / 3), 1.0] and np.isinf(found.own.mated).tolist() == [False, True, False]
    assert (found.own.other_left == persons).all()
    with pytest.raises(InputError, match="99 probes of unseen persons"):
        open_set(authentic, owners, authentic, owners, unseen[:99], persons[:99])


def test_linked_sets_are_found_and_unlinked_ones_are_not():
    (a, la), (b, lb) = faces(20, 5, 1), faces(20, 5, 2)
    stranger, _ = faces(20, 5, 3, law=6)
    for measure in (rank_1, nearest_label):
        linked, alone = measure(b, lb, a, la, 199, 200, 0), measure(stranger, lb, a, la, 199, 200, 0)
        assert linked.test.p_value == 1 / 200 and linked.estimate.value > 0.5
        assert linked.estimate.value == linked.test.observed
        assert linked.estimate.interval().low < linked.estimate.value < linked.estimate.interval().high
        assert alone.test.p_two_sided > 0.01 and alone.estimate.value < 0.2


def test_a_nearest_image_that_ties_between_labels_is_no_hit():
    a = np.eye(2, dtype=np.float32)[[0, 0, 1]]
    found = nearest_label(a[[0, 2]], np.array([0, 1]), a, np.array([0, 1, 1]), 100, 100, 0)
    copies = np.concatenate([np.repeat(a[:1], 20, axis=0), a[:1]])
    hidden = nearest_label(a[[0, 2]], np.array([0, 1]), copies, np.repeat([0, 1], [20, 1]), 100, 100, 0)
    assert hidden.estimate.value == 0  # However many copies stand before the other label.
    assert found.estimate.value == 0.5  # The first probe ties between 0 and 1, the second has one nearest.


def test_links_grow_with_the_images_of_a_template():
    (a, la), (b, lb) = faces(30, 20, 1, 2.0), faces(30, 12, 2, 2.5)
    galleries = templates(a, la)[1], templates(*faces(30, 20, 3, 2.0, law=7))[1]
    found = aggregation(b, lb, a, la, galleries, (1, 5, 50), 100, 0)
    of = dict(iter(found.groupby("measure")))
    assert all(rows["images"].tolist() == [1, 5, 12] for rows in of.values())
    assert of["AUC"]["value"].is_monotonic_increasing and of["rank 1"]["value"].is_monotonic_increasing
    assert of["label-free share"]["value"].iloc[-1] > 0.8
    assert set(aggregation(b, lb, a, la, None, (1,), 100, 0)["measure"]) == {"AUC", "rank 1"}


def test_growth_has_an_interval_at_each_size():
    (a, la), (b, lb) = faces(30, 20, 1, 2.0), faces(30, 12, 2, 2.5)
    found = aggregation(b, lb, a, la, None, (1, 5), 100, 0)
    assert ((found["95 % low"] <= found["value"]) & (found["value"] <= found["95 % high"])).all()
    rank = found[found["measure"] == "rank 1"].iloc[0]
    of_30 = 1.96 * np.sqrt(rank["value"] * (1 - rank["value"]) / 30)  # Each class is one probe.
    assert rank["95 % high"] - rank["95 % low"] == pytest.approx(2 * of_30, rel=0.25)  # Exact ends are a little wider.


def test_the_tail_of_copies_is_of_one_label():
    a, labels = faces(30, 4, 1)
    found = tail(compare_sets(a, labels, a, labels, top_pairs=200).top_pairs, labels, labels, (10, 100, 1000))
    assert found["strongest pairs"].tolist() == [10, 100] and found["same label"].tolist() == [1.0, 1.0]
    assert found["95 % high"].tolist() == [1.0, 1.0] and found["95 % low"].is_monotonic_increasing
    steps = by_score(np.array([0.5, 0.9]), np.array([0.1, 0.5, 0.5]), np.array([0, 0.4, 0.8, 1.0, 1.2]))
    assert steps["pairs"].tolist() == [1, 3, 1, 0] and steps["same label"].tolist()[:3] == [0, pytest.approx(1 / 3), 1]
    assert np.isnan(steps["same label"].iloc[3])


def test_strongest_pairs_of_one_person_have_no_interval():
    """Four pairs of person 0 are strongest: of one person nobody knows what another would give."""
    pairs = Pairs(np.array([0.9, 0.8, 0.7, 0.6]), np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1]), np.ones(4, bool))
    found = tail(pairs, np.array([0, 0, 1]), np.array([0, 0]), (2, 4))
    assert found["same label"].tolist() == [1.0, 1.0] and found["subjects"].tolist() == [1, 1]
    assert found["95 % low"].isna().all()
