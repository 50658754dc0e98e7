"""Small forms of the simulations, on shipped persons by the shipped verifier."""

import dataclasses

import numpy as np
import pytest
import simulate_accuracy
import simulate_attributes
import simulate_auditor
import simulate_copies
import simulate_demographics
import simulate_drift
import simulate_equivalence
import simulate_exposure
import simulate_family
import simulate_intervals
import simulate_membership
import simulate_persons
import simulate_rates
from counting import Averaged, Counted, as_table, coverage, errors, most_errors, power
from simulated_pool import CHANGES, POORER, Annotated, Pool, known_groups, unit

from sface_lib.attributes import annotate_faces, annotate_images, open_classifier
from sface_lib.biometrics import Estimate
from sface_lib.engine import make_accelerator
from sface_lib.population import VERIFIER_PATH, first_images, shipped_faces, shipped_truth
from sface_lib.privacy.alterations import exact, mirrored
from sface_lib.privacy.judges import open_judge
from sface_lib.recognition import Embedder

pytestmark = pytest.mark.slow

PERSONS, IMAGES, COPIED = 200, 10, 100


@pytest.fixture(scope="module")
def pool():
    """Two hundred persons, ten images each; the classifier's calls are taken to be right."""
    faces, truth = shipped_faces("balanced"), shipped_truth("balanced")
    chosen = first_images(faces, PERSONS, IMAGES)
    judge = open_judge("verifier", VERIFIER_PATH, Embedder(make_accelerator("float32")))
    rows = judge.embed(faces.subset(chosen)).reshape(PERSONS, IMAGES, -1)
    originals = faces.load(chosen[: COPIED * IMAGES : IMAGES]).numpy()
    made = {"exact copy": exact(originals, None), "mirror": mirrored(originals, None)}
    groups = known_groups(truth.iloc[chosen])
    return Pool(rows, groups, groups, {name: judge.embed_images(images) for name, images in made.items()})


def test_membership_of_images_is_seen_where_images_were_copied_and_nowhere_else(pool):
    nothing, copied = simulate_membership.membership(pool, "verifier", draws=60, persons=(50,))
    assert nothing.at_most and nothing.met and copied.at_least and copied.met


def test_a_set_that_shares_demographics_alone_is_not_linked_where_groups_are_known(pool):
    found = simulate_demographics.demographics(pool, "verifier", draws=40, persons=(50,))
    assert all(row.met for row in found)
    unknown = next(row for row in found if row.case.endswith("same-label AUC, groups not known"))
    assert unknown.count > 20  # What renaming all classes would have called a link to the person.


def test_persons_are_linked_and_exposed_unevenly_only_where_they_are(pool):
    found = simulate_persons.persons(pool, "verifier", draws=40, sizes=(50,))
    assert [row.case for row in found if not row.met] == []


def test_the_alarm_is_silent_without_copies_and_sounds_for_one(pool, monkeypatch):
    """Of 200 persons 80 train and 80 are the null; they are too few for the null of other images of theirs."""
    monkeypatch.setattr(simulate_copies, "against_same_persons", lambda *given: [])
    strangers = {"training": 80, "null": 80}
    found = simulate_copies.copies(pool, "verifier", draws=60, sizes=(50, 400), strangers=strangers)
    assert [row.case for row in found if not row.met] == []
    assert {row.case.rsplit(", ", 1)[1] for row in found if row.at_least} >= {"exact copy"}


def test_intervals_hold_the_truth_as_often_as_they_say(pool):
    found = simulate_intervals.intervals(pool, "verifier", draws=80, persons=(20,))
    assert [row.case for row in found if not row.met] == []
    assert sum(row.band is None for row in found) == 1 and len(found) == 10


def test_rates_hold_the_truth_as_often_as_their_intervals_say(pool):
    """FMR and FNMR within groups, FNMR at fixed FMR; fifty persons show TPIR and the TPR of images, too."""
    found = simulate_rates.rates(pool, "verifier", draws=60, persons=(20,))
    assert [row.case for row in found if not row.met] == [] and len(found) == 6
    names = [name for name, *_ in simulate_rates.figures(pool, 50, 0, 0.5)]
    assert len(names) == 9 and names[-1] == "TPR of images at FPR 1%"


def test_a_difference_in_accuracy_is_called_where_a_model_is_weaker_and_nowhere_else(pool):
    found = simulate_accuracy.accuracy(pool, "verifier", draws=30, persons=(50,))
    assert [row.case for row in found if not row.met] == [] and len(found) == 5


def test_a_person_is_called_exposed_where_one_is_and_more_images_only_where_they_matter(pool):
    found = simulate_exposure.exposure(pool, "verifier", draws=40, sizes=(50,))
    assert [row.case for row in found if not row.met] == [] and len(found) == 6


def test_no_claim_of_a_family_is_made_where_nothing_is_linked(pool):
    """One judge's nine claims."""
    found = simulate_family.family({"verifier": pool}, draws=20, sizes=(50,))
    assert [row.case for row in found if not row.met] == [] and len(found) == 20
    assert sum(row.at_least is not None for row in found) == 1


@pytest.fixture(scope="module")
def annotated():
    """Persons of both distributions, four images each, as they are and made poorer."""
    classifier, embedder = open_classifier(), Embedder(make_accelerator("float32"))
    reliable, pools = classifier.reliable(), []
    names = tuple(np.array(classifier.names)[reliable].tolist())
    for number, (split, persons) in enumerate({"balanced": 200, "global": 100}.items()):
        faces, truth = shipped_faces(split), shipped_truth(split)
        chosen = first_images(faces, persons, 4)
        images = faces.load(chosen).numpy()
        changed = {name: CHANGES[name](images) for name in POORER} if split == "balanced" else {}
        poorer = {name: annotate_images(classifier, x, embedder.accelerator, passes=1) for name, x in changed.items()}
        whole = annotate_faces(classifier, faces.subset(chosen), embedder, passes=1)
        parts = [whole.label[:, reliable], truth.iloc[chosen][list(names)].to_numpy(np.int8)]
        parts += [each.label[:, reliable] for each in poorer.values()]
        labels, known, *rest = (part.reshape(persons, 4, -1) for part in parts)
        numbers = np.arange(persons) + 1000 * number
        pools.append(Annotated(names, labels, numbers, known, dict(zip(poorer, rest, strict=True))))
    return pools


def test_a_direction_is_found_where_there_is_one_and_nowhere_else(annotated):
    found = simulate_attributes.attributes(*annotated, draws=40, sizes=((50, 50),))
    assert [row.case for row in found if not row.met] == []
    assert sum(row.at_least is not None for row in found) == 2 and len(found) == 6


def test_attributes_drift_where_they_differ_and_poorer_pictures_alone_explain_no_more(annotated):
    found = simulate_drift.drift(*annotated, draws=20, sizes=(50,), judged=100)
    assert [row.case for row in found if not row.met] == [] and len(found) == 10


def test_equivalence_is_claimed_where_there_is_no_link_and_not_beyond_the_margin(pool):
    """Sixty persons can show that a share is within 0.2 of chance, and not that it is within 0.1."""
    found = simulate_equivalence.equivalence(pool, "verifier", draws=20, persons=60, margin=0.2)
    assert [row.case for row in found if row.at_least and not row.met] == []
    found = simulate_equivalence.equivalence(pool, "verifier", draws=20, persons=60, margin=0.1)
    assert [row.case for row in found if row.at_most is not None and not row.met] == [] and len(found) == 6


def test_nothing_is_said_of_persons_where_nothing_leaks_and_the_bound_stays_below_what_does(pool):
    """Thirty persons of each kind, the last sixty blurred; a generator's are none here."""
    blurred = pool.rows[-60:, :5] + 0.3 * pool.rows[-1, 0]
    changed = {"blurred": unit(blurred), simulate_auditor.GENERATOR: pool.rows[:0, :5]}
    design = simulate_auditor.Design(persons=30, changed=60, changes=("blurred",), pairs=(), shares=(0.3,))
    own = dataclasses.replace(pool, changed=changed)
    silent = list(simulate_auditor.silent(own, "verifier", 40, design))
    assert len(silent) == 8 and [row.case for row in silent if not row.met] == []
    (against,) = simulate_auditor.against_unexposed(own, "verifier", 40, design)
    assert against.at_most is not None and against.met
    two = simulate_auditor.of_two_distributions(own, pool, "verifier", 10, design)
    assert two.at_most is two.at_least is None
    leaking = list(simulate_auditor.leaking(own, "verifier", 20, 60, design))
    bounds = [row for row in leaking if row.at_most is not None]
    assert len(leaking) == 4 and len(bounds) == 2 and all(row.met for row in bounds)
    positive = next(row for row in leaking if "a person each, bound above 0" in row.case)
    assert positive.met and positive.count > 10


def test_a_band_is_met_where_wilsons_interval_meets_it():
    """Of 1,000: 0.916 to 0.944 around 931, and 0.895 to 0.929 around 913."""
    assert Counted("", 1000, 931, band=(0.93, 0.97)).met and not Counted("", 1000, 912, band=(0.93, 0.97)).met
    assert not Counted("", 1000, 990, band=(0.93, 0.97)).met
    assert Counted("", 1000, 931, band=(0.93, 0.97)).cells()[3:] == ("93% to 97%", "yes")
    estimates = [Estimate(value, 0.01, 50) for value in (0.5, 0.6, 0.9)]
    assert coverage("", estimates, 0.5, None).count == 2


def test_a_rate_of_errors_may_be_what_a_test_of_five_percent_shows():
    """Of 400 draws at most 29, of 60 at most 7, and 34 in each of sixteen cases; a floor is a share of the draws."""
    assert (most_errors(400), most_errors(60), most_errors(400, 16)) == (29, 7, 34)
    assert errors("", 400, 29).met and not errors("", 400, 30).met and errors("", 400, 34, cases=16).met
    assert power("", 400, 320, 0.8).met and not power("", 400, 319, 0.8).met
    assert Counted("", 400, 400).met and not Counted("", 400, 7, at_most=29, at_least=8).met
    row = errors("verifier, 50 persons", 400, 20).cells()
    assert row == ("verifier, 50 persons", "20 of 400", "0.050 [0.033, 0.076]", "at most 29", "yes")
    table = as_table("membership", "What.\n", [errors("a", 400, 30), Counted("b", 10, 1)])
    assert "## membership\n\nWhat.\n" in table and "| at most 29 | **no** |" in table and "| none |  |" in table


def test_a_mean_share_meets_its_bar_where_its_interval_does():
    """The interval of the mean of 0.04 and 0.08 is 0.021 to 0.099."""
    row = Averaged("a", [0.04, 0.08], at_most=0.05, at_least=0.03)
    assert row.met and row.cells() == ("a", "mean of 2", "0.060 [0.021, 0.099]", "at least 0.03, at most 0.05", "yes")
    assert not Averaged("a", [0.04, 0.08], at_most=0.02).met and not Averaged("a", [0.04, 0.08], at_least=0.1).met


def test_another_person_of_the_same_group_is_nobody_who_trains(pool):
    random = np.random.default_rng(0)
    persons = random.choice(PERSONS, 50, replace=False)
    others = pool.like(persons, random)
    assert (pool.groups[persons] == pool.groups[others]).all() and len(set(others)) == 50
    assert not set(persons) & set(others)
