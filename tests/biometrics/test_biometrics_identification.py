"""Closed-set identification ranks."""

import numpy as np
import pytest

from sface_lib.biometrics import cmc, cmc_estimates, open_set, templates
from sface_lib.errors import InputError


def at_angle(*degrees):
    """Unit vectors in the plane."""
    return np.stack([np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))], axis=1)


GALLERY = (at_angle(-10, 10, 60, 180), [5, 5, 7, 9])  # templates: 5 at 0, 7 at 60, 9 at 180 degrees


def test_hand_worked_ranks_with_a_tie_counted_against_the_probe():
    # 5 at 10: nearest, rank 1. 7 at 30: as near to 5, rank 2. 9 at 0: last, rank 3. 7 at 50: rank 1.
    shares = cmc(at_angle(10, 30, 0, 50), [5, 7, 9, 7], *GALLERY, max_rank=4)
    assert shares.dtype == np.float64
    assert shares.tolist() == [0.5, 0.75, 1.0, 1.0]


def test_ties_that_differ_by_rounding_count_against_the_probe():
    # Halfway between two templates the two scores are equal in truth, and for some angles not in float64.
    for angle in np.linspace(1, 80, 50):
        probe, gallery = at_angle(angle, angle), at_angle(0, 2 * angle)
        assert cmc(probe, [1, 2], gallery, [1, 2], 2).tolist() == [0.0, 1.0]


def test_identical_templates_tie_in_any_position_and_block():
    # Equal templates may round differently in a matrix product; each probe of n such identities has rank n.
    n = 37
    template = np.random.default_rng(0).normal(size=(1, 301))
    shares = cmc(np.repeat(template, n, 0), np.arange(n), np.repeat(template, n, 0), np.arange(n), n)
    assert shares.tolist() == [0.0] * (n - 1) + [1.0]


def test_every_embedding_has_one_vote_in_its_template_whatever_its_length():
    # Directions 0 and 90 average to 45 though the first is ten times longer; 30 is nearer to 45 than to 10.
    gallery = at_angle(0, 90, 10) * [[10], [1], [1]]
    assert cmc(at_angle(30), [1], gallery, [1, 1, 2], 1).tolist() == [1.0]


def test_blocks_and_order_do_not_change_the_ranks():
    generator = np.random.default_rng(3)
    labels = np.repeat(np.arange(20), 4)
    faces = (generator.normal(size=(20, 1, 16)) + generator.normal(size=(20, 4, 16))).reshape(80, 16)
    whole = cmc(faces, labels, faces, labels, 20)
    order = generator.permutation(80)
    parts = cmc(faces[order], labels[order], faces[order], labels[order], 20, block_scores=60)  # three probes at a time
    assert parts.tolist() == whole.tolist()
    assert whole[-1] == 1.0 and (np.diff(whole) >= 0).all()


def test_the_interval_of_a_rank_is_over_the_identities_of_the_probes():
    """Two probes of 5 that rank first and two of 7 that rank second are two observations, not four."""
    first, second = cmc_estimates(at_angle(5, 10, 20, 25), [5, 5, 7, 7], *GALLERY, max_rank=2)
    assert first.value == 0.5 and first.identities == 2
    # Each identity moves the share by 1/4: 2 * (1/4)^2, times 2 / (2 - 1). Four independent probes would give 1/16.
    assert first.variance == pytest.approx(0.25)
    assert second.value == 1 and second.interval().high == 1 and second.interval().low < 0.5


def test_bands_stand_around_the_shares_that_cmc_gives():
    generator = np.random.default_rng(3)
    labels = np.repeat(np.arange(20), 4)
    faces = (generator.normal(size=(20, 1, 16)) + 2 * generator.normal(size=(20, 4, 16))).reshape(80, 16)
    probe, gallery = (faces[1::2], labels[1::2]), (faces[::2], labels[::2])
    found = cmc_estimates(*probe, *gallery, 20)
    np.testing.assert_allclose([each.value for each in found], cmc(*probe, *gallery, 20), atol=1e-12)  # Rounding.
    spans = [each.interval() for each in found]
    assert all(span.low <= each.value <= span.high for span, each in zip(spans, found, strict=True))
    assert spans[0].high - spans[0].low > 0.1


def test_absent_identities_are_refused_by_name():
    with pytest.raises(InputError, match=r"2 identities that the gallery lacks \(3, 8\)"):
        cmc(at_angle(0, 1, 2), [8, 5, 3], *GALLERY, max_rank=1)


def test_long_lists_of_absent_identities_are_cut():
    with pytest.raises(InputError, match=r"6 identities that the gallery lacks \(10, 11, 12, 13, 14, …\)"):
        cmc(at_angle(*range(6)), np.arange(10, 16), *GALLERY, max_rank=1)


def test_template_that_cancels_out_is_refused():
    with pytest.raises(InputError, match="identity 4 cancel out"):
        cmc(at_angle(0), [4], at_angle(0, 180), [4, 4], 1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"probe": np.zeros((0, 2))}, r"^probe has shape \(0, 2\)"),
        ({"probe": np.zeros(2)}, r"^probe has shape \(2,\)"),
        ({"probe": np.array([[1, 0]])}, "^probe holds values of type int64"),
        ({"probe": np.array([[np.nan, 1.0]])}, "^probe holds 1 row"),
        ({"gallery": at_angle(0, 1) * [[1], [0]]}, "^gallery holds 1 row.*index 1"),
        ({"probe": np.ones((1, 3))}, "^embeddings differ in width: probe has 3, gallery has 2; use one model"),
        ({"probe_labels": [1, 2]}, "^probe_labels has 2 entries; give 1"),
        ({"probe_labels": [1.0]}, "^probe_labels holds values of type float64"),
        ({"gallery_labels": [1]}, "^gallery_labels has 1 entries; give 2"),
        ({"max_rank": 0}, "^max_rank is 0; give an integer of at least 1"),
        ({"max_rank": 1.5}, "^max_rank is 1.5; give an integer"),
    ],
)
def test_bad_input_is_refused_by_name(change, message):
    good = {
        "probe": at_angle(0),
        "probe_labels": [1],
        "gallery": at_angle(0, 1),
        "gallery_labels": [1, 2],
        "max_rank": 1,
    }
    with pytest.raises(InputError, match=message):
        cmc(**(good | change))


def test_a_template_is_the_mean_of_the_first_images_of_unit_length():
    rows = np.array([[1.0, 0], [0, 1], [2, 0], [0, -1], [1, 0]])
    identities, found = templates(rows, np.array([7, 3, 7, 7, 3]))
    np.testing.assert_array_equal(identities, [3, 7])
    np.testing.assert_allclose(found, np.array([[1, 1], [2, -1]]) / np.sqrt([[2], [5]]))
    np.testing.assert_allclose(templates(rows, np.array([7, 3, 7, 7, 3]), most=1)[1], [[0, 1], [1, 0]])
    with pytest.raises(InputError, match="embeddings of identity 5 cancel out"):
        templates(np.array([[1.0, 0], [-1, 0]]), np.array([5, 5]))


# Open set


def persons(count, images, spread, seed=0):
    random = np.random.default_rng(seed)
    rows = np.repeat(random.standard_normal((count, 16)), images, axis=0)
    return rows + spread * random.standard_normal(rows.shape), np.repeat(np.arange(count), images)


def test_half_of_the_persons_are_enrolled_with_half_of_their_images():
    rows, labels = persons(10, 4, 0.1)
    found = open_set(rows, labels, 0)
    assert len(found.mated) == 5 * 2 and len(found.other) == 5 * 4
    assert len(set(found.mated_identity)) == 5 and not set(found.mated_identity) & set(found.other_left)
    assert found.mated.min() > found.other.max() and found.at(0.05).value == 0


def test_a_score_is_that_of_the_own_template_and_of_strangers_the_best():
    """With two images a person the one is the template and the other the probe, whichever is drawn."""
    rows, labels = persons(20, 2, 1.0, 3)
    found = open_set(rows, labels, 3)
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    scores, own = unit @ unit.T, np.arange(20) * 2
    known = dict(enumerate(scores[own, own + 1]))
    seen = np.isfinite(found.mated)
    assert 0 < seen.sum() < 10
    np.testing.assert_allclose(found.mated[seen], [known[k] for k in found.mated_identity[seen]], atol=1e-12)
    enrolled, strangers = np.isin(labels, found.mated_identity), ~np.isin(labels, found.mated_identity)
    assert (found.other_left == labels[strangers]).all()
    best = scores[np.ix_(strangers, enrolled)]
    assert (found.other <= best.max(1) + 1e-12).all()
    assert (np.abs(found.other[:, None] - best).min(1) < 1e-12).all()


def test_a_probe_nearer_to_another_is_not_identified_at_any_threshold():
    """The second image of person 0 lies at person 1, whose own lie apart."""
    rows = np.concatenate([at_angle(0, 40), at_angle(40, 41), at_angle(180, 181), at_angle(200, 201)])
    labels = np.repeat(np.arange(4), 2)
    misses = []
    for seed in range(20):
        found = open_set(rows, labels, seed)
        if set(found.mated_identity) == {0, 1}:
            misses.append(np.isinf(found.mated[found.mated_identity == 0]).all())
    assert misses and all(misses)


def test_an_open_set_needs_four_persons_of_two_images():
    with pytest.raises(InputError, match="3 identities have two images or more; an open set needs at least 4"):
        open_set(at_angle(0, 1, 50, 51, 90, 91, 180), [0, 0, 1, 1, 2, 2, 3], 0)
