"""Which set covers which, and what a set teaches of another."""

import numpy as np
import pytest

from sface_lib.attributes import support_table, transfer_table
from sface_lib.attributes.support import halves
from sface_lib.errors import InputError

UNITS = np.repeat(np.arange(80), 10)


def gaussian(seed: int, spread: float = 1.0, n: int = 800, width: int = 3) -> np.ndarray:
    return spread * np.random.default_rng(seed).normal(size=(n, width))


def shares(sets, **options) -> dict[tuple[str, str], float]:
    table = support_table(sets, 100, 0, **options)
    assert ((table["low"] <= table["share"]) & (table["share"] <= table["high"])).all()
    return {(row.of, row.within): row.share for row in table.itertuples()}


def test_halves_keep_the_images_of_a_unit_together():
    units = np.array([4, 9, 4, 1, 9, 9, 2, 1])
    first = halves(units, 3)
    assert len(np.unique(units[first])) == 2 and not set(units[first]) & set(units[~first])
    np.testing.assert_array_equal(halves(units + 100, 3), first)  # By rank: two sets of the same units are split alike.


def test_samples_of_one_law_cover_each_other_as_they_cover_themselves():
    found = shares({"a": (gaussian(0), UNITS), "b": (gaussian(1), UNITS + 100)})
    assert min(found.values()) > 0.9
    # 400 points: a standard error of 0.011 of a share of 95 %, and as much again of the support.
    assert max(found.values()) - min(found.values()) < 0.06


def test_a_broad_set_covers_a_narrow_one_and_not_the_other_way_round():
    found = shares({"broad": (gaussian(0), UNITS), "narrow": (gaussian(1, 0.3), UNITS + 100)})
    assert found["narrow", "broad"] > 0.95 and found["narrow", "narrow"] > 0.9 and found["broad", "broad"] > 0.9
    # Within one standard deviation of three numbers, where the narrow one reaches about, lie 20 % of the broad set.
    assert found["broad", "narrow"] < 0.4


def test_sets_apart_do_not_cover_each_other():
    found = shares({"here": (gaussian(0), UNITS), "there": (gaussian(1) + 100, UNITS)})
    assert found["here", "there"] == found["there", "here"] == 0


def test_a_larger_set_of_the_same_law_covers_no_more():
    """In three dimensions 4000 points would cover more of the tail than 400; as many of each are compared."""
    large = gaussian(2, n=8000), np.repeat(np.arange(800), 10)
    table = support_table({"large": large, "small": (gaussian(1), UNITS)}, 100, 0)
    assert set(table["images"]) == {400}
    found = {(row.of, row.within): row.share for row in table.itertuples()}
    assert abs(found["small", "large"] - found["large", "small"]) < 0.06
    assert set(support_table({"large": large}, 100, 0, most=50)["images"]) == {50}


def test_no_set_is_compared_with_its_own_identities():
    """Persons far apart whose images hardly differ: a person's own images would cover it."""
    centres = 1000 * np.random.default_rng(0).normal(size=(80, 6))
    lonely = centres[UNITS] + gaussian(1, 0.01, width=6)
    assert shares({"lonely": (lonely, UNITS)})["lonely", "lonely"] == 0


def test_labels_are_profiles_too():
    """Equal profiles are at a distance of 0, and within whatever reaches them."""
    a = np.where(gaussian(0) > 0, 1, -1).astype(np.int8)
    b = a.copy()
    b[:, 0] = 1
    found = shares({"a": (a, UNITS), "b": (b, UNITS)})
    assert found["a", "a"] == found["b", "b"] == found["b", "a"] == 1
    assert found["a", "b"] == pytest.approx(0.5, abs=0.1)  # Four standard errors of 400.


def test_intervals_are_wider_where_persons_differ():
    """A person is within or not with all images: an interval of 40 persons is as wide as theirs."""
    persons = np.random.default_rng(0).random(80) < 0.5
    x = gaussian(1) + 100 * persons[UNITS][:, None]
    broad = gaussian(2), UNITS
    by_person, by_image = (
        support_table({"x": (x, units), "broad": broad}, 200, 0).set_index(["of", "within"]).loc[("x", "broad")]
        for units in (UNITS, np.arange(800))
    )
    # 0.5 / sqrt(40) against 0.5 / sqrt(400).
    assert by_person["high"] - by_person["low"] > 2 * (by_image["high"] - by_image["low"])


def test_the_share_is_of_images():
    """Twenty persons of 40 images each within, and twenty of one image each far away: 2 % of the images are outside."""
    units = np.concatenate([np.repeat(np.arange(20), 40), np.arange(20, 40)])
    x = gaussian(0, n=820)
    x[800:] += 1000
    found = shares({"uneven": (x, units), "even": (gaussian(1), UNITS)})
    assert found["uneven", "even"] == pytest.approx(0.95, abs=0.05)


def test_sets_without_neighbours_are_refused():
    few = gaussian(0, n=18), np.arange(18)
    with pytest.raises(InputError, match="half of a set has 9 images, too few for a support"):
        support_table({"a": (gaussian(0), UNITS), "few": few}, 100, 0)
    with pytest.raises(InputError, match="half of a set has 0 images"):
        support_table({"one person": (gaussian(0), UNITS * 0)}, 100, 0)


# Transfer

TAUGHT_UNITS = np.repeat(np.arange(200), 10)


def related(sign: int, seed: int) -> np.ndarray:
    """Two labels that are the same (or opposite) in 85 %, and one that is next to never present."""
    random = np.random.default_rng(seed)
    first = np.where(random.random(2000) < 0.5, 1, -1)
    second = np.where(random.random(2000) < 0.85, sign, -sign) * first
    rare = np.where(np.arange(2000) < 3, 1, -1)
    return np.stack([first, second, rare], 1).astype(np.int8)


def transferred(sets, names=("Male", "Bald", "Goatee")) -> dict[tuple[str, str], tuple[float, int]]:
    table = transfer_table(sets, names, 0)
    assert table.columns.tolist() == ["taught on", "tested on", "auc", "attributes"]
    return {(row[0], row[1]): (row[2], row[3]) for row in table.itertuples(index=False)}


def test_a_relation_that_is_reversed_misleads():
    """85 % told rightly within, as many wrongly across; a label that few images have is not judged."""
    found = transferred({"a": (related(1, 0), TAUGHT_UNITS), "b": (related(-1, 1), TAUGHT_UNITS)})
    assert {n for _, n in found.values()} == {2}
    for (taught, tested), (auc, _) in found.items():
        # The AUC of one label for another is the mean of both rates; 1000 tested images have an error of 0.011.
        assert auc == pytest.approx(0.85 if taught == tested else 0.15, abs=0.045)


def test_a_relation_that_holds_in_both_sets_carries_over():
    found = transferred({"a": (related(1, 0), TAUGHT_UNITS), "b": (related(1, 1), TAUGHT_UNITS)})
    assert min(auc for auc, _ in found.values()) > 0.8


def test_labels_that_go_with_nothing_are_not_predicted():
    a, b = (np.where(np.random.default_rng(seed).random((2000, 3)) < 0.5, 1, -1).astype(np.int8) for seed in (0, 1))
    for auc, attributes in transferred({"a": (a, TAUGHT_UNITS), "b": (b, TAUGHT_UNITS)}).values():
        assert attributes == 3 and auc == pytest.approx(0.5, abs=0.045)


def test_a_set_is_tested_on_persons_that_did_not_teach():
    """Eleven labels name each person by chance, and the twelfth is the person's own: known by heart, or not at all."""
    random = np.random.default_rng(0)
    labels = np.where(random.random((200, 12)) < 0.5, 1, -1)[TAUGHT_UNITS].astype(np.int8)
    found = transferred({"a": (labels, TAUGHT_UNITS)}, tuple(f"x{i}" for i in range(12)))
    # 100 persons tested, 12 labels: an error of 0.06 each and 0.02 of their mean.
    assert found["a", "a"][0] == pytest.approx(0.5, abs=0.07)


def test_what_no_set_can_judge_has_no_value():
    labels = np.full((2000, 2), -1, np.int8)
    ((auc, attributes),) = transferred({"a": (labels, TAUGHT_UNITS)}, ("Male", "Bald")).values()
    assert np.isnan(auc) and attributes == 0
