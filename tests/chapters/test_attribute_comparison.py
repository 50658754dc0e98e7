"""What notebook 06 makes of annotated sets: which attributes drift, what explains it, and whom it explains."""

from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from sface_lib.attributes import ATTRIBUTES
from sface_lib.attributes.comparison import AnnotatedSet, prevalences
from sface_lib.chapters.attributes import compute, show, tables
from sface_lib.chapters.attributes.results import AttributesResults
from sface_lib.chapters.attributes.sets import AttributeSet

RELIABILITY = pd.DataFrame(
    {"tpr": [0.9, 1.0], "fpr": [0.1, 0.0], "tpr_trials": 50.0, "fpr_trials": 50.0}, index=["Male", "Young"]
)


def annotated(name, role, male, young, truth=None):
    """A set of as many images as there are letters: + present, - absent."""
    labels = np.array([[1 if sign == "+" else -1 for sign in column] for column in (male, young)], np.int8).T
    units = np.arange(len(labels))
    return AnnotatedSet(name, role, ("Male", "Young"), labels, labels.astype(np.float32), units, True, truth)


SETS = (("authentic", "authentic"), ("global", "authentic"), ("generated", "synthetic"), ("other", "synthetic"))
TRUTH = np.array([[1, 1], [1, 0], [-1, 0], [-1, -1]], np.int8)
FIRST = annotated("authentic", "authentic", "+++-", "++--", TRUTH)
SECOND = annotated("synthetic", "synthetic", "+---", "++--")


def test_the_first_set_is_compared_with_the_first_synthetic_one():
    other = annotated("global", "authentic", "++++", "++++")
    unlabelled = annotated("unlabelled", "synthetic", "++++", "++++")
    assert compute.compared_pair([FIRST, other, SECOND, unlabelled]) == ("authentic", "synthetic")


def separability():
    """Men go from 3 to 1 of 4. Blurred, 2 are left, at half size 1."""
    blurred = np.array([[1, 1], [1, 1], [-1, -1], [-1, -1]], np.int8)
    halved = np.array([[1, 1], [-1, 1], [-1, -1], [-1, -1]], np.int8)
    poorer = {"same sharpness": blurred, "half the resolution": halved}
    whole = prevalences([FIRST, SECOND], RELIABILITY, 500, 0)
    return tables.separability_table(FIRST, SECOND, np.arange(4), poorer, whole, 500, 0)


def test_a_drift_stands_beside_what_poorer_pictures_move():
    table = separability().set_index("attribute")
    columns = ["drift", "residual, same sharpness", "residual, half the resolution"]
    assert table.loc["Male", columns].tolist() == pytest.approx([-0.5, -0.25, -0.5])
    assert table.loc["Male", ["excess, same sharpness", "excess, half the resolution"]].tolist() == [0.25, 0]
    assert not table["separable, same sharpness"].any()  # Four images tell nothing.


def test_shares_stand_called_and_adjusted_side_by_side():
    table = separability()
    assert table.columns[:7].tolist() == [
        *("attribute", "kind", "authentic, called", "authentic, adjusted", "synthetic, called", "synthetic, adjusted"),
        "drift",
    ]
    male = table.set_index("attribute").loc["Male"]
    # With half a count added to each side.
    assert male[["authentic, called", "synthetic, called"]].tolist() == pytest.approx([0.7, 0.3])
    assert male["authentic, adjusted"] == pytest.approx((0.7 - 0.1) / (0.9 - 0.1))


@pytest.mark.parametrize(
    ("errors", "shown"),
    [
        ({"prevalence": 0.1, "adjusted": 0.05}, True),
        ({"prevalence": 0.1, "adjusted": 0.1}, False),
        ({"prevalence": 0.1, "adjusted": 0.2}, False),
        (None, False),
    ],
)
def test_adjusted_shares_stay_where_they_come_nearer_to_the_truth(errors, shown):
    whole = prevalences([FIRST, SECOND], RELIABILITY, 500, 0)
    kept = tables.without_poor_adjustment(whole, errors)
    assert {"adjusted", "adjusted_low", "adjusted_high"} <= set(whole) and ("adjusted" in kept) == shown
    table = tables.separability_table(FIRST, SECOND, np.arange(4), {}, kept, 500, 0)
    assert ("authentic, adjusted" in table) == shown and "authentic, called" in table


def test_errors_of_shares_are_mean_distances_from_the_truth_where_it_is_known():
    whole = pd.DataFrame(
        {
            "attribute": ["Male", "Young", "Male", "Bald"],
            "prevalence": [0.5, 0.4, 0.9, 0.0],
            "adjusted": [0.6, 0.2, np.nan, 0.0],
            "truth": [0.6, 0.2, 0.1, 1.0],
        }
    )
    found = tables.errors_of_shares(whole, ["Male", "Young"])  # Bald is not told reliably.
    assert found == {"prevalence": pytest.approx(0.15), "adjusted": pytest.approx(0.0)}
    assert tables.errors_of_shares(whole.assign(adjusted=np.nan), ["Male", "Young"]) is None
    assert tables.errors_of_shares(pd.DataFrame(), ["Male", "Young"]) is None


DRIFT = pd.DataFrame(
    {
        "attribute": ["a", "b", "c", "d"],
        "difference": [-0.2, 0.1, -0.3, 0.9],  # Share in the first set minus that in the second.
        "forward": [0.1, 0.5, 0.3, 0.2],
        "backward": [0.2, 0.1, 0.35, 0.2],
        "js": [0.02, 0.01, 0.03, 0.9],
        "p, corrected": [0.01, 0.049, 0.02, 0.05],
    }
)


def test_attributes_that_differ_are_named_by_sign_with_the_largest_divergence_first():
    assert tables.drifted(DRIFT)["attribute"].tolist() == ["a", "b", "c"]  # 0.05 is not below 0.05.
    assert tables.more_and_less_frequent(DRIFT) == (["c", "a"], ["b"])


def test_the_asymmetry_is_carried_by_those_whose_directions_differ_most():
    found = tables.carried_asymmetry(DRIFT, count=2)
    assert found["attribute"].tolist() == ["b", "a"]
    assert found["asymmetry"].tolist() == pytest.approx([0.4, -0.1])


def test_every_two_attributes_stand_once():
    phi = np.array([[0, 0.1, -0.5], [0.1, 0, 0.3], [-0.5, 0.3, 0]])
    pairs = tables.attribute_pairs(phi, ("a", "b", "c"))
    assert pairs.to_numpy().tolist() == [["a", "b", 0.1], ["a", "c", -0.5], ["b", "c", 0.3]]
    assert tables.largest_first(pairs, "phi, difference", 2)["phi, difference"].tolist() == [-0.5, 0.3]


def test_shares_within_a_group_need_the_group_in_both_sets():
    men, women = 60 * "+" + 40 * "-", 40 * "+" + 60 * "-"
    first = annotated("authentic", "authentic", men, 30 * "+" + 70 * "-")
    second = annotated("synthetic", "synthetic", men, 15 * "+" + 85 * "-")
    found = tables.conditional_shares(first, second)
    shares = found.loc[("Young", "Male"), ["authentic", "synthetic", "difference"]].tolist()
    assert shares == pytest.approx([30.5 / 61, 15.5 / 61, -15 / 61])
    few = annotated("synthetic", "synthetic", women, men)  # 40 men are too few.
    assert tables.conditional_shares(first, few) is None


def test_accuracy_lost_stands_beside_the_drift_from_the_first_to_the_second_set():
    correct = {"baseline": np.ones(300), "CLS": np.r_[np.zeros(100), np.ones(200)]}
    carried = np.array([[1, -1]] * 250 + [[-1, 1]] * 50, np.int8)
    found = tables.lost_accuracy(correct, "CLS", (carried, carried), ("a", "b"), DRIFT)
    assert found["attribute"].tolist() == ["a"]  # b is carried by 50 pairs.
    row = found.iloc[0]
    assert (row["pairs"], row["gap"], row["drift"], row["size of drift"]) == (250, pytest.approx(0.4), 0.2, 0.2)


def test_joint_divergence_stands_for_every_ordered_pair_of_sets():
    rng = np.random.default_rng(0)

    def drawn(name, share):
        labels = np.where(rng.random((120, 2)) < share, 1, -1).astype(np.int8)
        return AnnotatedSet(name, "authentic", ("Male", "Young"), labels, labels, np.arange(120), True)

    sets = {name: drawn(name, share) for name, share in (("x", 0.5), ("y", 0.5), ("z", 0.95))}
    found = tables.joint_table(sets, 500, 0).set_index(["p", "q"])
    assert sorted(found.index) == sorted((a, b) for a in "xyz" for b in "xyz" if a != b)
    assert found.loc[("x", "z"), "joint KL(p || q)"] > 0.2 > abs(found.loc[("x", "y"), "joint KL(p || q)"])
    assert found.loc[("x", "z"), "AUC"] == found.loc[("z", "x"), "AUC"] > 0.7


@dataclass
class Found:
    """As much of a comparison as counting needs."""

    drift: pd.DataFrame
    separability: pd.DataFrame
    degradations: tuple[str, ...]


def test_of_the_attributes_that_differ_those_beyond_a_degradation_are_counted():
    apart = pd.DataFrame({"attribute": list("abcd"), "separable, blur": [True, False, True, True]})
    assert compute.separable_counts(Found(DRIFT, apart, ("blur",))) == {"blur": 2}  # d does not differ.


def test_the_families_are_planned_from_the_sets_and_what_the_classifier_tells_reliably():
    def planned(count, shuffles=1000, least=0.75):
        given = [AttributeSet(name, role, SimpleNamespace(fingerprint=name), np.arange(4), True) for name, role in SETS]
        names = tuple(f"attribute {i}" for i in range(30))
        reliable = SimpleNamespace(
            names=names, fingerprint="weights", reliable=lambda least: np.arange(30) < 30 * least
        )
        settings = {"attribute_reliability": least, "shuffles": shuffles, "bootstrap_resamples": 500, "seed": 3}
        return compute.plan_comparison(given[:count], reliable, SimpleNamespace(**settings))

    drift, differ, lost = planned(3).values()
    assert list(planned(3)) == [
        "attributes of authentic and generated",
        "divergence of sets",
        "accuracy lost with generated, by drift",
    ]
    assert lost["claims"] == ["size of drift", "forward", "backward"] and lost["shuffles"] == 1000
    assert drift["claims"] == [f"attribute {i}" for i in range(23)]
    assert drift["splits"] == 2299  # 23 / .01 - 1, so that one of 23 may reach a corrected p of 1 %.
    assert planned(3, shuffles=5000)["attributes of authentic and generated"]["splits"] == 5000
    assert differ["claims"] == ["authentic against global", "authentic against generated", "global against generated"]
    assert differ["splits"] == 1000 and differ["sets"] == {name: name for name, _ in SETS[:3]}
    assert len(planned(4)["divergence of sets"]["claims"]) == 6
    assert planned(3, least=0.5) != planned(3)


def test_correlations_of_lost_accuracy_are_corrected_for_all_measures_of_drift():
    """The null's signs by kind leave each p-value at 1/1000 or above; the smallest of three is taken times three."""
    names = ATTRIBUTES[:45:5]
    gaps = pd.DataFrame({"attribute": names, "gap": np.arange(9.0), "size of drift": np.arange(9.0) ** 2})
    gaps = gaps.assign(forward=[3, 1, 4, 1, 5, 9, 2, 6, 5], backward=np.nan)
    each = compute.correlations(gaps, 999, 0)
    assert each["backward"] is None and each["size of drift"].value == pytest.approx(1)
    raw = {name: each[name].p_value for name in ("size of drift", "forward")}
    assert each["size of drift"].p_corrected == pytest.approx(2 * raw["size of drift"])
    assert each["forward"].p_corrected == pytest.approx(max(raw["forward"], 2 * raw["size of drift"]))
    assert compute.correlations(gaps[:0], 999, 0) == dict.fromkeys(("size of drift", "forward", "backward"))


class Listening:
    """As much of a stage as a blank page needs."""

    def __init__(self, given):
        self.parameters, self.said = type("Parameters", (), {"attribute_classifier": given}), []

    def say(self, text):
        self.said.append(text)


@pytest.mark.parametrize(("given", "why"), [("none", "`attribute_classifier` is none"), ("auto", "train one with")])
def test_without_a_classifier_nothing_is_compared_and_the_page_says_why_once(given, why):
    stage = Listening(given)
    assert compute.compare(stage, None, None, None) is None
    assert compute.results(None, None, 0.75) == AttributesResults(None)
    page = show.open_page(stage, None, None, None)
    for step in (name for name in vars(show.Page) if not name.startswith("_")):
        getattr(page, step)()
    assert len(stage.said) == 1 and why in stage.said[0]
    with pytest.raises(AttributeError):
        page.no_such_step  # noqa: B018 - the access is what is tested


def test_a_notebook_asks_its_page_for_nothing_that_it_has_not():
    """Else a run without a classifier would not notice."""
    import re
    from pathlib import Path

    notebook = (Path(__file__).parents[2] / "notebooks" / "06_attributes.ipynb").read_text()
    asked = set(re.findall(r"page\.(\w+)\(", notebook))
    assert asked == {name for name in vars(show.Page) if not name.startswith("_")}
