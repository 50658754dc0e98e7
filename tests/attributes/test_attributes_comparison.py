"""What notebook 06 says of sets follows from their labels, and turns round where the sets do."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from sface_lib.attributes import kl_divergence
from sface_lib.attributes.asymmetry import Asymmetry
from sface_lib.attributes.comparison import (
    AnnotatedSet,
    Direction,
    against_truth,
    compare_all,
    conditional_prevalences,
    directed_totals,
    direction,
    directions,
    divergence_table,
    phi_difference,
    prevalences,
    separability,
    splits_for,
)
from sface_lib.biometrics import Interval
from sface_lib.privacy.verdict import holm

NAMES = ("Male", "Bald", "Smiling")
AGES = ("Male", "Young", "Middle_Aged", "Senior")
RELIABILITY = pd.DataFrame(
    {"tpr": [0.9, 0.6, 0.8, 0.5], "fpr": [0.2, 0.1, 0.0, 0.5], "tpr_trials": 1e9, "fpr_trials": 1e9},
    index=["Male", "Bald", "Smiling", "Goatee"],
)  # Told from so many images that the error rates are known.


def annotated(name, labels, units=None, truth=None, names=NAMES, role="authentic") -> AnnotatedSet:
    labels = np.asarray(labels, np.int8)
    number = np.arange(len(labels)) if units is None else np.asarray(units)
    return AnnotatedSet(name, role, names, labels, (labels == 1).astype(np.float32), number, units is not None, truth)


def column(n: int, present: int) -> np.ndarray:
    return np.where(np.arange(n) < present, 1, -1)


def called(n: int, share: float, tpr: float, fpr: float) -> tuple[np.ndarray, np.ndarray]:
    """Truth of one attribute, and labels of a classifier that errs exactly as stated."""
    present = round(n * share)
    truth = column(n, present)
    labels = np.concatenate([column(present, round(present * tpr)), column(n - present, round((n - present) * fpr))])
    return truth, labels


def shares(n: int, rates: dict[str, float], seed: int, name: str = "set", first_unit: int = 0, names=NAMES):
    """A set of ten images a person whose labels have these rates."""
    random = np.random.default_rng(seed)
    labels = np.where(random.random((n, len(names))) < [rates[name] for name in names], 1, -1)
    return annotated(name, labels, first_unit + np.arange(n) // 10, names=names)


# Prevalence


def erring(n: int, truth_shares=(0.4, 0.05, 0.7), name: str = "set") -> AnnotatedSet:
    columns = [
        called(n, share, *RELIABILITY.loc[attribute, ["tpr", "fpr"]])
        for attribute, share in zip(NAMES, truth_shares, strict=True)
    ]
    truth, labels = (np.column_stack(each) for each in zip(*columns, strict=True))
    order = np.random.default_rng(0).permutation(n)
    return annotated(name, labels[order], np.arange(n) // 10, truth[order].astype(np.int8))


def test_the_adjusted_share_recovers_the_truth_where_the_classifier_errs_as_stated():
    """Called present: 0.9 x 0.4 + 0.2 x 0.6 = 0.48; 0.6 x 0.05 + 0.1 x 0.95 = 0.125; 0.8 x 0.7 = 0.56."""
    table = against_truth([erring(2000)], RELIABILITY, 300, 0).set_index("attribute")
    # Half an image more on either side moves a share by up to 0.5 / 2001, and what is divided by 0.5 twice as far.
    np.testing.assert_allclose(table["prevalence"], [0.48, 0.125, 0.56], atol=3e-4)
    np.testing.assert_allclose(table["adjusted"], [0.4, 0.05, 0.7], atol=1e-3)
    np.testing.assert_array_equal(table["truth"], [0.4, 0.05, 0.7])
    for value, low, high in (("prevalence", "low", "high"), ("adjusted", "adjusted_low", "adjusted_high")):
        assert ((table[low] < table[value]) & (table[value] < table[high])).all()
    # The interval of what is called present leaves the truth out; the adjusted one is as much wider as tpr - fpr asks.
    assert not ((table["low"] <= table["truth"]) & (table["truth"] <= table["high"])).any()
    widths = (table["adjusted_high"] - table["adjusted_low"]) / (table["high"] - table["low"])
    np.testing.assert_allclose(widths, 1 / np.array([0.7, 0.5, 0.8]), rtol=1e-3)


def test_the_adjusted_interval_holds_how_well_the_error_rates_are_known():
    """Male: called 0.48. From 100 images of each kind the rates have errors of 0.03 and 0.04."""
    known, told = (
        prevalences([erring(2000)], RELIABILITY.assign(tpr_trials=n, fpr_trials=n), 4000, 0).loc[0] for n in (1e9, 100)
    )
    share, gap = 0.48, 0.7
    own = (known["adjusted_high"] - known["adjusted_low"]) / (2 * 1.96)
    slopes = (share - 0.2) / gap**2, (share - 0.9) / gap**2  # By tpr and by fpr.
    of_rates = np.hypot(slopes[0] * np.sqrt(0.9 * 0.1 / 100), slopes[1] * np.sqrt(0.2 * 0.8 / 100))
    expected = 2 * 1.96 * np.hypot(own, of_rates)
    assert told["adjusted_high"] - told["adjusted_low"] == pytest.approx(expected, rel=0.08)
    assert told["adjusted"] == known["adjusted"]


def test_what_no_image_shows_is_known_as_well_as_its_persons_allow():
    """Twenty persons without it leave a beta distribution; what is called of nine in ten is of as many more."""
    nobody = annotated("set", -np.ones((200, 3), int), np.arange(200) // 10)
    row = prevalences([nobody], RELIABILITY.assign(fpr=0.0), 4000, 0).loc[0]
    assert row["adjusted_high"] == pytest.approx(stats.beta.ppf(0.975, 0.5, 20.5) / 0.9, rel=0.05)
    assert row["adjusted_low"] < 0.001


def test_without_what_the_error_rates_rest_on_nothing_is_adjusted():
    table = prevalences([erring(200)], RELIABILITY[["tpr", "fpr"]], 50, 0)
    assert table[["adjusted", "adjusted_low", "adjusted_high"]].isna().all(axis=None)


def test_reliability_is_found_by_name_and_sets_stand_one_after_the_other():
    turned = RELIABILITY.loc[["Goatee", "Smiling", "Male", "Bald"]]
    sets = [erring(1000, name="first"), annotated("second", erring(1000).labels)]
    table = prevalences(sets, turned, 100, 0)
    pd.testing.assert_frame_equal(table, prevalences(sets, RELIABILITY, 100, 0))
    assert table["set"].tolist() == ["first"] * 3 + ["second"] * 3 and table["attribute"].tolist() == [*NAMES, *NAMES]
    assert table["kind"].tolist() == ["demographics", "hair", "mouth"] * 2
    assert set(against_truth(sets, RELIABILITY, 100, 0)["set"]) == {"first"}
    assert against_truth(sets[1:], RELIABILITY, 100, 0).empty


def test_truth_and_called_share_are_of_the_images_in_which_an_attribute_is_defined():
    """All are called male, one of the three defined ones wrongly; nobody's baldness is defined."""
    truth = np.array([[1, 0, -1], [-1, 0, 0], [0, 0, 0], [1, 0, 0]], np.int8)
    labels = np.array([[1, 1, -1], [1, 1, 1], [-1, 1, 1], [1, 1, 1]], np.int8)
    table = against_truth([annotated("set", labels, [0, 0, 1, 1], truth)], RELIABILITY, 50, 0)
    assert table["attribute"].tolist() == ["Male", "Smiling"] and table["images"].tolist() == [3, 1]
    np.testing.assert_array_equal(table["truth"], [2 / 3, 0])
    np.testing.assert_allclose(table["prevalence"], [3.5 / 4, 0.5 / 2])  # Half an image more on either side.


def test_a_classifier_that_tells_nothing_has_no_adjusted_share():
    labels = np.tile(column(40, 20)[:, None], (1, 1))
    table = prevalences([annotated("set", labels, names=("Goatee",))], RELIABILITY, 50, 0)
    assert table[["adjusted", "adjusted_low", "adjusted_high"]].isna().all(axis=None)
    assert table.loc[0, "prevalence"] == 0.5


def test_an_interval_redraws_persons_where_they_are_known():
    """Twenty persons who either smile in all of ten images or in none."""
    labels = np.repeat(np.where(np.arange(20) % 2, 1, -1), 10)[:, None] * np.ones((1, 3), int)
    by_person, by_image = (
        prevalences([annotated("set", labels, units)], RELIABILITY, 400, 0).loc[0]
        for units in (np.arange(200) // 10, None)
    )
    # 0.5 / sqrt(20) against 0.5 / sqrt(200).
    assert by_person["high"] - by_person["low"] > 2.5 * (by_image["high"] - by_image["low"])


def test_some_attributes_of_a_set_are_the_same_set_with_fewer():
    whole = erring(50)
    part = whole.only(np.array([True, False, True]))
    assert part.names == ("Male", "Smiling") and (part.name, part.role) == (whole.name, whole.role)
    for what in ("labels", "probability", "truth"):
        np.testing.assert_array_equal(getattr(part, what), getattr(whole, what)[:, [0, 2]])
    np.testing.assert_array_equal(part.identities, whole.units)
    assert annotated("set", whole.labels).only(np.array([True, True, False])).truth is None
    assert annotated("set", whole.labels).identities is None


# Is it the faces, or the classifier?


def test_a_drift_no_larger_than_what_blur_does_is_not_separable():
    """Of 100 images; blurred ones smile less, and the synthetic ones a little more than that: too little to tell."""
    n = 100
    authentic = annotated("authentic", np.column_stack([column(n, 50), column(n, 40), column(n, 60)]))
    synthetic = annotated("synthetic", np.column_stack([column(n, 30), column(n, 55), column(n, 39)]))
    blurred = np.column_stack([column(n, 52), column(n, 20), column(n, 40)])
    poorer = {"blurred": blurred, "as they are": authentic.labels}
    table = separability(authentic, synthetic, np.arange(n), poorer, 2000, 0)
    assert table["attribute"].tolist() == list(NAMES)
    np.testing.assert_allclose(table["drift"], [-0.2, 0.15, -0.21])
    np.testing.assert_allclose(table["residual, blurred"], [0.02, -0.2, -0.2])
    np.testing.assert_allclose(table["excess, blurred"], [0.18, -0.05, 0.01], atol=1e-12)
    assert table["separable, blurred"].tolist() == [True, False, False]
    assert (table["residual, as they are"] == 0).all()
    # A difference of two shares of 100 images each; Student's quantile of 99 degrees.
    error = np.sqrt((0.5 * 0.5 + 0.3 * 0.7) / 100 * 100 / 99)
    half = (table["high, as they are"] - table["low, as they are"])[0] / 2
    assert half == pytest.approx(stats.t.ppf(0.975, 99) * error, rel=0.06)
    alone = 2 * stats.t.sf(0.21 / np.sqrt((0.6 * 0.4 + 0.39 * 0.61) / 99), 99)
    assert table["p, as they are"][2] == pytest.approx(3 * alone, rel=0.25)  # Holm: the smallest of three.


def test_a_person_of_both_sets_is_drawn_for_both():
    """Ten persons are men in both sets and ten in neither: without the smiles that all lost, nothing varies."""
    labels = np.repeat(np.where(np.arange(20) % 2, 1, -1), 5)[:, None] * np.ones((1, 3), int)
    lost = labels.copy()
    lost[:, 2] = -1
    shared = separability(
        annotated("authentic", labels, np.arange(100) // 5), annotated("synthetic", lost, np.arange(100) // 5),
        np.arange(100), {"none": labels.astype(np.int8)}, 200, 0,
    )  # fmt: skip
    assert (shared.loc[:1, ["low, none", "high, none"]] == 0).all(axis=None)
    assert shared.loc[2, "low, none"] > 0.2 and shared["separable, none"].tolist() == [False, False, True]


@pytest.mark.parametrize("known", [True, False])
def test_the_residual_varies_with_the_images_that_were_degraded(known):
    """The last 200 of 400 smile each by itself, and the first 200 not at all: as images or as persons of one image."""
    random = np.random.default_rng(0)
    smiling = np.where((np.arange(400) >= 200) & (random.random(400) < 0.5), 1, -1)
    labels = np.column_stack([smiling] * 3)
    authentic = annotated("authentic", labels, np.arange(400) if known else None)
    at = np.arange(200, 400)
    poor = {"poor": -np.ones((200, 3), np.int8)}
    synthetic = annotated("synthetic", labels, 1000 + np.arange(400))
    found = separability(authentic, synthetic, at, poor, 2000, 0).loc[0]
    share = (smiling[200:] == 1).mean()
    # There is no drift, so that the residual alone varies.
    assert found["drift"] == 0 and found["residual, poor"] == pytest.approx(-share)
    half = (found["high, poor"] - found["low, poor"]) / 2
    assert half == pytest.approx(stats.t.ppf(0.975, 199) * np.sqrt(share * (1 - share) / 200), rel=0.1)


def test_the_residual_is_of_the_degraded_images_alone():
    """The first ten of 100 smile all; degraded, none of them does, whatever the others do."""
    labels = np.column_stack([column(100, 10)] * 3)
    authentic, synthetic = annotated("authentic", labels), annotated("synthetic", labels)
    at = np.flatnonzero(labels[:, 0] == 1)
    table = separability(authentic, synthetic, at, {"poor": -np.ones((len(at), 3), np.int8)}, 100, 0)
    assert table["residual, poor"].tolist() == [-1, -1, -1] and not table["separable, poor"].any()


def test_a_share_under_a_condition_by_hand():
    labels = np.array([[1, 1, 1], [1, 1, -1], [1, -1, -1], [-1, 1, 1], [-1, -1, 1]] * 20)
    one, few = annotated("one", labels), annotated("few", labels[:5])
    table = conditional_prevalences([one, few], ["Male", "Goatee"], fewest=50).set_index(["set", "attribute"])
    assert set(table["given"]) == {"Male"} and set(table.index.get_level_values("set")) == {"one"}
    assert (table["images"] == 60).all()
    assert table.loc[("one", "Bald"), "prevalence"] == pytest.approx(40.5 / 61)
    assert table.loc[("one", "Smiling"), "prevalence"] == pytest.approx(20.5 / 61)
    assert conditional_prevalences([few], ["Male"]).empty


# Divergence

BROAD, NARROW = {"Male": 0.5, "Bald": 0.5, "Smiling": 0.5}, {"Male": 0.05, "Bald": 0.04, "Smiling": 0.06}


@pytest.fixture(scope="module")
def three() -> list[AnnotatedSet]:
    middle = {"Male": 0.5, "Bald": 0.1, "Smiling": 0.4}
    return [
        shares(800, BROAD, 0, "broad"),
        shares(600, NARROW, 1, "narrow", 1000),
        shares(500, middle, 2, "middle", 2000),
    ]


def plain_total(p: AnnotatedSet, q: AnnotatedSet) -> float:
    total = 0.0
    for i in range(len(p.names)):
        both = []
        for each in (p, q):
            present = (np.sum(each.labels[:, i] == 1) + 0.5) / (len(each.labels) + 1)
            both.append([present, 1 - present])
        total += float(kl_divergence(*both))
    return total


def test_totals_are_of_every_ordered_pair_each_in_its_own_direction(three):
    names = [each.name for each in three]
    table = directed_totals(names, compare_all(three, False, 200, 0))
    assert len(table) == 6 and set(zip(table["p"], table["q"], strict=True)) == {
        (a, b) for a in names for b in names if a != b
    }
    whose = dict(zip(names, three, strict=True))
    for row in table.to_dict("records"):
        assert row["KL(p || q)"] == pytest.approx(plain_total(whose[row["p"]], whose[row["q"]]), abs=1e-12)  # Rounding.
        assert 0 < row["null"] < row["KL(p || q)"] and row["p-value"] == pytest.approx(1 / 201)


def test_totals_do_not_depend_on_which_set_stands_first(three):
    tables = [
        directed_totals(names, compare_all(sets, False, 200, 0)).set_index(["p", "q"])["KL(p || q)"]
        for names, sets in ((["broad", "narrow"], three[:2]), (["broad", "narrow"], three[1::-1]))
    ]
    pd.testing.assert_series_equal(*tables)


def test_a_set_against_its_like_has_totals_within_the_reach_of_chance():
    one, other = shares(800, BROAD, 3, "one"), shares(800, BROAD, 4, "other", 1000)
    table = directed_totals(["one", "other"], compare_all([one, other], False, 300, 0))
    assert (table["KL(p || q)"] < table["null"]).all() and (table["p-value"] > 0.05).all()


def test_exclusive_attributes_count_as_one_variable_where_asked_for():
    random = np.random.default_rng(0)
    age = random.integers(0, 4, 300)
    labels = np.column_stack([column(300, 150), *(np.where(age == i, 1, -1) for i in range(3))])
    sets = [annotated(name, labels, np.arange(300) // 10, names=AGES) for name in ("a", "b")]
    assert compare_all(sets, True, 50, 0)["a", "b"].variables == ("Male", "age")
    assert compare_all(sets, False, 50, 0)["a", "b"].variables == AGES


def test_swapping_the_sets_swaps_the_directions_of_every_attribute(three):
    there, back = (
        divergence_table(compare_all(sets, False, 300, 0)[sets[0].name, sets[1].name])
        for sets in ((three[0], three[2]), (three[2], three[0]))
    )
    np.testing.assert_allclose(there["forward"], back["backward"], atol=1e-12)  # Rounding.
    np.testing.assert_allclose(there["backward"], back["forward"], atol=1e-12)
    np.testing.assert_allclose(there["js"], back["js"], atol=1e-12)
    np.testing.assert_allclose(there["difference"], -back["difference"], atol=1e-12)
    assert there["attribute"].tolist() == list(NAMES) and there["kind"].tolist() == ["demographics", "hair", "mouth"]
    # Of Bald 50 % here and 10 % there, of Male the same in both.
    assert (
        there.loc[1, "difference"] == pytest.approx(0.4, abs=0.06)
        and there.loc[1, "forward"] > there.loc[1, "backward"]
    )
    assert there.loc[1, "p, corrected"] < 0.05 < there.loc[0, "p, corrected"]
    np.testing.assert_allclose(there["p, corrected"], holm(there["p"]))
    for name in ("forward", "backward", "js"):
        assert there.loc[1, name] > there.loc[1, f"{name} null"] > 0


def test_a_difference_in_correlation_is_the_second_sets_minus_the_firsts():
    together = annotated("a", np.tile([[1, 1, 1], [-1, -1, 1]], (10, 1)))
    apart = annotated("b", np.tile([[1, -1, 1], [-1, 1, 1]], (10, 1)))
    found = phi_difference(together, apart)
    np.testing.assert_allclose(found, [[0, -2, 0], [-2, 0, 0], [0, 0, 0]], atol=1e-12)
    np.testing.assert_allclose(phi_difference(apart, together), -found)


# Direction


def judged(first: AnnotatedSet, second: AnnotatedSet) -> Direction:
    comparison = compare_all([first, second], True, 500, 0)[first.name, second.name]
    return direction(first, second, comparison, 500, 0)


def test_a_broad_set_explains_a_narrow_one_whichever_stands_first(three):
    """Where 95 % lack what half of the others show, these are a surprise, and the narrow set is none to the broad."""
    broad, narrow = three[:2]
    there, back = judged(broad, narrow), judged(narrow, broad)
    said = f"broad explains narrow better than the reverse ({there.ratio:.1f} times, summed over variables)"
    assert there.verdict == back.verdict == said
    own, other = there.asymmetry, back.asymmetry
    assert own.forward == pytest.approx(plain_total(broad, narrow)) and own.forward > own.backward
    assert (own.forward, own.backward) == pytest.approx((other.backward, other.forward))
    assert own.interval.low > 0 > other.interval.high and max(there.p_value, back.p_value) < 0.05
    assert there.ratio == pytest.approx(own.forward / own.backward) == pytest.approx(back.ratio)


def test_a_pair_of_sets_is_judged_with_all_pairs_in_mind(three):
    """Of one pair whose p is 0.02 a direction is decided, of three such pairs by Holm's correction none."""
    sets = {each.name: each for each in three}
    comparisons = compare_all(list(three), True, 49, 0)
    found = directions(sets, comparisons, 100, 0)
    p_values = [each.p_value for each in found.values()]
    assert [each.p_corrected for each in found.values()] == pytest.approx(holm(p_values).tolist())
    alone = Direction("a", "b", Asymmetry(0.5, 0.2, 0.3, Interval(0.1, 0.5, 0.95)), 0.02)
    assert alone.verdict.startswith("a explains b")
    assert dataclasses.replace(alone, p_corrected=0.06).verdict == "the sets do not differ beyond chance"


def test_splits_are_enough_for_the_smallest_corrected_p():
    """With 2,699 splits the smallest p is 1 / 2,700, which is 0.01 after Holm's correction for 27 attributes."""
    assert splits_for(27) == 2699 and 27 / (1 + splits_for(27)) <= 0.01


def test_sets_of_one_kind_are_not_told_apart():
    one, other = shares(600, BROAD, 5, "one"), shares(600, BROAD, 6, "other", 1000)
    assert judged(one, other).verdict == "the sets do not differ beyond chance"


def test_a_mere_shift_explains_neither_way():
    """60 % against 40 % is as far one way as the other, however sure the difference is."""
    more, less = (dict.fromkeys(NAMES, share) for share in (0.6, 0.4))
    found = judged(shares(2000, more, 7, "more"), shares(2000, less, 8, "less", 1000))
    assert found.verdict == "no direction is decided at this size" and found.asymmetry.forward > 0.15


def test_a_ratio_that_the_correction_turns_is_not_told():
    """The smaller set makes the one divergence larger than it is: corrected, the other is the larger."""
    turned = Direction("first", "second", Asymmetry(0.7, 0.8, 0.1, Interval(0.05, 0.2, 0.95)), 0.01)
    assert turned.ratio is None
    assert turned.verdict == "first explains second better than the reverse (summed over variables)"
    same = Direction("first", "second", Asymmetry(0.0, 0.0, 0.0, Interval(0, 0, 0.95)), 1.0)
    assert same.ratio is None


@pytest.mark.parametrize(
    ("forward", "backward", "low", "high", "p", "verdict"),
    [
        (0.5, 0.2, 0.1, 0.5, 0.01, "first explains second better than the reverse (2.5 times, summed over variables)"),
        (
            0.2,
            0.5,
            -0.5,
            -0.1,
            0.01,
            "second explains first better than the reverse (2.5 times, summed over variables)",
        ),
        (0.5, 0.2, 0.1, 0.5, 0.05, "the sets do not differ beyond chance"),
        (0.5, 0.2, -0.1, 0.5, 0.01, "no direction is decided at this size"),
        (0.2, 0.5, -0.5, 0.0, 0.01, "no direction is decided at this size"),
    ],
)
def test_a_verdict_needs_sets_that_differ_and_an_interval_on_one_side_of_nought(
    forward, backward, low, high, p, verdict
):
    span = Asymmetry(forward, backward, forward - backward, Interval(low, high, 0.95))
    found = Direction("first", "second", span, p)
    assert found.verdict == verdict and found.ratio == pytest.approx(2.5)
