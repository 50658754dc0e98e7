"""What an audit finds of sets whose persons are known, what it records of it, and what its page says."""

import dataclasses
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from stage_folder import StageFolder
from tiny_faces import tiny_embedder

from sface_lib.biometrics import Estimate, Interval, Scored
from sface_lib.biometrics.bootstrap import affordable_bins
from sface_lib.chapters import handover
from sface_lib.chapters.looks import Looks, indexed
from sface_lib.chapters.plans import Plans, record_plan
from sface_lib.chapters.privacy import (
    claims,
    compute,
    exposure,
    remedies,
    show,
    show_cards,
    show_claims,
    show_persons,
    show_sets,
    show_unlabelled,
)
from sface_lib.chapters.privacy.claims import ALONE, AS_CALLED, EXPLORATORY, NOT_EXCLUDED
from sface_lib.chapters.privacy.compute import audit, examine
from sface_lib.chapters.privacy.demographics import Demographics
from sface_lib.chapters.privacy.parameters import AuditSettings
from sface_lib.chapters.privacy.results import AuditFacts, ChanceFacts, RemedyFacts
from sface_lib.chapters.privacy.sets import AuditedSets, compared_images, view_of
from sface_lib.chapters.synthetic import SyntheticSet
from sface_lib.chapters.words import saw_authentic
from sface_lib.data import open_faces, write_faces
from sface_lib.engine import make_accelerator
from sface_lib.errors import InputError
from sface_lib.files import sha256_of_file
from sface_lib.matching import PooledComparisons, compare_within
from sface_lib.population import VERIFIER_PATH
from sface_lib.privacy import Claim, filter_synthetic
from sface_lib.privacy.evidence import left_of
from sface_lib.privacy.exposure import exposure_by_group
from sface_lib.privacy.identification import OpenSet
from sface_lib.privacy.judges import PIXELS, Judge
from sface_lib.privacy.planted import Alarm, Planted
from sface_lib.privacy.power import Power
from sface_lib.privacy.settings import LINK, EmbeddedSet
from sface_lib.privacy.settings import SETTINGS as THREE_SETTINGS
from sface_lib.privacy.statistics import MEMBERSHIP_OF_IMAGES, NEARER, STATISTICS
from sface_lib.run import Stage
from sface_lib.run.results import as_plain, from_plain

pytestmark = pytest.mark.slow

LOOK, LOOKS = indexed(0), Looks([])

PERSONS, SIZE_PX = 12, 8
SETTINGS = AuditSettings(filter_fmrs="0.5, 0.1, 0.001", power_images=20)
CENTRES = np.random.default_rng(0).standard_normal((256, 24))


def faces(path, persons, images, others=None):
    """Noise that tells a judge its person in the first corner, and in the last one another person, where given."""
    rows = np.repeat(np.arange(len(persons)), images)
    random = np.random.default_rng([persons[0], images])
    pixels = random.integers(0, 256, (len(rows), 3, SIZE_PX, SIZE_PX))
    pixels[:, :, 0, 0] = persons[rows, None]
    pixels[:, :, -1, -1] = (persons if others is None else others)[rows, None]
    return open_faces(write_faces(path, pixels.astype(np.uint8), rows))


def reader(name, corner=0, noise=0.5, sha256=None):
    """A judge that reads the person in a corner of the picture, and adds noise that the picture determines."""

    def embed_images(images):
        jitter = [np.random.default_rng(list(image.tobytes())).standard_normal(CENTRES.shape[1]) for image in images]
        rows = CENTRES[images[:, 0, corner, corner]] + noise * np.array(jitter)
        return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)

    def embed(given):
        return embed_images(given.load().numpy())

    return Judge(name, tiny_embedder(), sha256, embed, embed_images)


@pytest.fixture(scope="module")
def known(tmp_path_factory):
    """Authentic, control, held-out; a synthetic set of the training persons, and one of strangers."""
    folder, persons = tmp_path_factory.mktemp("faces"), np.arange(PERSONS)
    return SimpleNamespace(
        authentic=faces(folder / "authentic.zip", persons, 8),
        control=faces(folder / "control.zip", persons + 50, 6),
        held_out=faces(folder / "held.zip", persons, 3),
        likenesses=faces(folder / "likenesses.zip", persons, 7, others=persons + 150),
        strangers=faces(folder / "strangers.zip", persons + 100, 7),
    )


@pytest.fixture(scope="module")
def linked(known):
    """The likenesses by a judge that sees them, one that does not, and pixels that see them best."""
    sets = audited(known.authentic, known.likenesses, known.control, known.held_out)
    judges = [reader("blind", -1), reader("sharp"), dataclasses.replace(reader(PIXELS, noise=0.1), model=None)]
    return examine(sets, judges, SETTINGS, make_accelerator("float32"))


def audited(
    authentic, synthetic, control=None, held_out=None, demographics=None, *, labels="authentic", exposed=True, **others
):
    own, others = SyntheticSet("set", synthetic, labels, exposed), others | {"control": control, "held_out": held_out}
    return AuditedSets.choose(authentic, own, demographics=demographics, **others)


def verdicts(found):
    return {(claim.claim, claim.judge): claim.verdict for claim in found.claims}


def test_an_audit_from_python_needs_no_run_folder(known):
    judges = [reader("a"), reader("b", noise=0.7)]
    found = audit(known.authentic, known.likenesses, judges, SETTINGS, control=known.control)
    assert isinstance(found, AuditFacts) and from_plain(as_plain(found, AuditFacts), AuditFacts) == found
    assert found.larger == "a" and found.impartial_judge == "b"  # The first one filters.
    assert found.shuffle["a"].observed > found.shuffle["a"].high
    assert all(claim.above for claim in found.claims if "link" in claim.claim)
    assert found.chance == ChanceFacts((), False, 0, 0)
    assert {claim.claim for claim in found.claims if claim.judge == "b"} == {
        "same-label link, AUC",
        "rank-1 identification",
        "label of the nearest image",
        "label-free link, share of classes",
        "membership of persons, AUC",
    }
    assert found.image_px == SIZE_PX and found.by_label and found.link("a").auc == found.nearness("a")
    assert found.rank1_chance == pytest.approx(1 / PERSONS)


def test_strangers_are_linked_to_nobody(known):
    given = {"control": known.control, "held_out": known.held_out}
    found = audit(known.authentic, known.strangers, [reader("a")], SETTINGS, **given)
    assert not [claim for claim in found.claims if claim.verdict.startswith("above")]
    assert MEMBERSHIP_OF_IMAGES in {claim.claim for claim in found.claims}


def test_without_unseen_persons_nothing_is_filtered_and_no_claim_needs_them(known):
    found = audit(known.authentic, known.likenesses, [reader("a"), reader("b")], SETTINGS)
    assert found.remedy == () and found.planted == {}
    assert {claim.claim for claim in found.claims} == {
        "same-label link, AUC",
        "rank-1 identification",
        "label of the nearest image",
    }


def several(judge, *sets):
    judges = [judge] if isinstance(judge, Judge) else judge
    plan = claims.plan_study(sets, judges, SETTINGS)
    return compute.examine_all(plan, sets, judges, SETTINGS, make_accelerator("float32"))


def test_the_shipped_verifier_is_known_by_its_contents(known):
    own, shipped = reader("a", sha256="0" * 64), reader("a", sha256=sha256_of_file(VERIFIER_PATH))
    said = [several(judge, audited(known.authentic, known.strangers)) for judge in (own, shipped)]
    assert [compute.results(each).verifier_shipped for each in said] == [False, True]


def test_what_cannot_be_audited_is_refused(known, tmp_path):
    with pytest.raises(InputError, match="there is no judge"):
        audit(known.authentic, known.strangers, [], control=known.control)
    unlabelled = open_faces(write_faces(tmp_path / "u.zip", np.zeros((2, 3, 8, 8), np.uint8)))
    with pytest.raises(InputError, match="label"):
        audit(known.authentic, unlabelled, [reader("a")])


def test_the_judge_whose_pictures_are_shown_is_competent_and_sees_the_larger_link(linked):
    aucs = {view.name: view.link_metrics.auc for view in linked.views}
    assert aucs[PIXELS] > aucs["sharp"] > aucs["blind"]
    assert linked.shown.name == "sharp" and linked.larger is linked.shown
    assert [view.competent for view in linked.views] == [
        True,
        True,
        False,
    ]  # Pixels are a reference alone.


def test_without_a_competent_judge_the_first_is_shown_and_nothing_is_said(known):
    sets = audited(known.authentic, known.likenesses, known.control)
    judges = [reader("noise", noise=50.0), dataclasses.replace(reader(PIXELS), model=None)]
    every = several(judges, sets)
    (found,) = every.done
    assert found.shown.name == "noise" and found.larger is None
    assert found.remedies.filterer is None and found.remedies.done == found.above_chance == ()
    facts = compute.facts(found)
    assert facts.larger is None and facts.impartial_judge is None
    assert {claim.p_corrected for claim in facts.claims} == {None}
    assert "nothing can be said about the link" in show_cards.what_was_found(every)


def test_a_claim_that_one_judge_alone_supports_is_marked(linked):
    said = verdicts(linked)
    assert said["same-label link, AUC", "sharp"] == "above chance"
    assert not said["same-label link, AUC", "blind"].startswith("above")
    assert said["same-label link, AUC", PIXELS] == "not judged: no competent judge"
    notes = {claim.judge: claim.notes for claim in linked.claims if claim.claim == "same-label link, AUC"}
    assert notes == {"sharp": (ALONE, NOT_EXCLUDED), "blind": (), PIXELS: ()}


def a_claim(name, judge, value, reach, p, competent=True):
    span = Interval(value - reach, value + reach, 0.9)
    return Claim(name, judge, value, 0.5, span, p, 0.001, competent, 0.02, 0.01, 100)


def test_a_claim_is_recorded_as_it_was_made():
    images = MEMBERSHIP_OF_IMAGES
    made = [
        a_claim("same-label link, AUC", "a", 0.9, 0.05, 0.001),
        a_claim("same-label link, AUC", "b", 0.51, 0.005, 0.4),
        a_claim("same-label link, AUC", "c", 0.99, 0.01, 0.001, competent=False),
        a_claim(images, "d", 0.51, 0.005, 0.4),
        a_claim(images, "e", 0.99, 0.01, 0.001, competent=False),
    ]
    known = SimpleNamespace(groups=pd.Series(["x", "x"]), demographics=SimpleNamespace(called=True))
    for sets, note in ((SimpleNamespace(groups=None), NOT_EXCLUDED), (known, AS_CALLED)):
        found = claims.judge_claims(made, sets)
        assert [(claim.value, claim.chance) for claim in found] == [(each.value, 0.5) for each in made]
        assert (found[0].low, found[0].high) == (pytest.approx(0.85), pytest.approx(0.95))
        assert [claim.p_corrected for claim in found] == [0.003, 0.8, None, 0.8, None]  # Holm: three are judged.
        assert [claim.p_at_floor for claim in found] == [True, False, False, False, False]
        equivalent, none = "equivalent to chance (within ±0.02)", "not judged: no competent judge"
        assert [claim.verdict for claim in found] == ["above chance", equivalent, none, equivalent, none]
        assert [claim.notes for claim in found] == [(ALONE, note), (), (), (EXPLORATORY,), ()]
    table = show_claims.claims(found).set_index("judge")
    assert table.loc["a", "p, corrected"] == "≤ 0.003" and table.loc["c", "p, corrected"] == "–"
    assert table.loc["a", "verdict"] == f"above chance ({ALONE}; {AS_CALLED})"


TRAITS = pd.DataFrame({"gender": ["men", "women"] * 6, "ancestry": ["x"] * 10 + ["y", "z"]})


def test_known_groups_belong_to_chance_and_to_the_plan(known):
    """Six of each gender; of ancestry x five of each, and two persons who are alone in theirs."""
    judges = [reader("a"), reader("b", noise=0.7)]
    found = audit(known.authentic, known.likenesses, judges, SETTINGS, control=known.control, traits=TRAITS)
    assert found.chance == ChanceFacts(("gender", "ancestry"), False, groups=2, left_out=2)
    same_label = [claim for claim in found.claims if claim.claim == "same-label link, AUC" and claim.judge != PIXELS]
    assert [claim.notes for claim in same_label] == [(), ()] and all(claim.above for claim in same_label)
    assert "authentic-synthetic, same group" in found.metrics["a"]
    assert exposure.by_trait("gender") in {claim.claim for claim in found.claims}
    assert exposure.by_trait("ancestry") not in {claim.claim for claim in found.claims}  # One group has five persons.
    said = show.chance_in_words(found.chance)
    assert "within the 2 groups of equal gender and ancestry:" in said and "2 identities are alone" in said
    assert "not excluded" in show.chance_in_words(ChanceFacts((), False, 0, 0))
    assert "classifier predicts them" in show.chance_in_words(ChanceFacts(("gender",), True, 2, 0))


def test_groups_that_hardly_anyone_shares_exclude_nothing(known):
    alone = pd.DataFrame({"group": ["a"] * 4 + list("bcdefghi")})
    few, enough = (
        audited(known.authentic, known.likenesses, demographics=Demographics(traits))
        for traits in (alone, alone.replace("b", "a"))
    )
    assert few.groups is None and enough.groups.tolist() == ["a"] * 5 + list("cdefghi")
    assert claims.plan_claims(few, [reader("a")], SETTINGS).groups == ()


def test_the_plan_is_made_of_the_sets_alone_and_its_hash_follows_them(known):
    sets = audited(known.authentic, known.likenesses, known.control, demographics=Demographics(TRAITS))
    judges = [reader("a", sha256="0" * 64), dataclasses.replace(reader(PIXELS), model=None)]
    plan = claims.plan_claims(sets, judges, SETTINGS)
    assert plan.judges == {"a": "0" * 64} and plan.groups == ("gender", "ancestry")
    statistics = [s.name for s in STATISTICS.values() if s.needs in (None, "control")]
    assert list(plan.claims) == [*statistics, exposure.by_trait("gender")]
    assert plan.shuffles == 1199 == 200 * len(plan.claims) - 1  # More than the 1,000 that were asked for.
    found = examine(sets, judges, SETTINGS, make_accelerator("float32"))
    assert found.plan == plan and {len(view.evidence.labelled.link.test.null) for view in found.views} == {1199}
    assert claims.deviations(plan, found.claims) == []
    assert min(claim.p_corrected for claim in found.claims if claim.p_corrected) <= 0.01
    alone = dataclasses.replace(sets, held_out=None, demographics=None)
    hashes = [claims.plan_study([own], judges, SETTINGS).sha256 for own in (sets, sets, alone)]
    assert hashes[0] == hashes[1] != hashes[2]
    fewer = [claim for claim in found.claims if claim.claim != "rank-1 identification"]
    assert claims.deviations(plan, fewer) == ["planned and not made: rank-1 identification, by the a"]
    assert claims.deviations(dataclasses.replace(plan, claims=plan.claims[1:]), found.claims) == [
        "made and not planned: same-label link, AUC, by the a"
    ]
    every = compute.Audits(claims.StudyPlan({"set": plan}), (found,), {})
    said = show_claims.claims_in_words(every)
    assert "those of the plan" in said and "the only competent judge" in said and "align" in said
    short = dataclasses.replace(every, done=(dataclasses.replace(found, claims=tuple(fewer)),))
    assert "Not as planned for set**: planned and not made" in show_claims.claims_in_words(short)


def test_a_plan_that_was_changed_shows_its_first_form(known, tmp_path):
    sets = audited(known.authentic, known.likenesses, known.control)
    first, second = (
        claims.plan_study([sets], [reader("a")], SETTINGS.model_copy(update={"seed": seed, "shuffles": shuffles}))
        for seed, shuffles in ((0, 1000), (1, 5000))
    )

    def recorded(plan: claims.StudyPlan) -> Plans:
        return record_plan(Stage("03_privacy", None, tmp_path, None), claims.PLAN, plan.as_plain())

    assert recorded(first).changes == [] and recorded(first).changes == []  # Run again as it was.
    assert "plan 2" not in show_sets.plan_in_words(first, recorded(first))
    found = recorded(second)
    assert [plan["sha256"] for plan in found.plans] == [first.sha256, second.sha256]
    assert found.changes == ["shuffles of set", "seed of set"]
    said = show_sets.plan_in_words(second, found)
    assert second.sha256 in said
    assert f"The first was `{first.sha256}`; since then shuffles of set, seed of set changed" in said
    for nothing in ("[]", '{"plans": [{"sha256": ""}]}', '{"plans": {"sha256": ""}}', "{"):
        (tmp_path / claims.PLAN).write_text(nothing)
        with pytest.raises(InputError, match="holds no plans of claims; remove it"):
            recorded(first)


def test_the_remedy_is_of_the_whole_set_and_its_link_of_the_compared_part(known):
    """Person 0 is not compared, and of the synthetic images of the others every second one is."""
    whole = audited(known.authentic, known.likenesses, known.control)
    rows, positions = np.flatnonzero(known.authentic.labels), np.flatnonzero(known.likenesses.labels)[::2]
    part = dataclasses.replace(
        whole,
        authentic=known.authentic.subset(rows),
        synthetic=known.likenesses.subset(positions),
        positions=positions,
        identities=np.arange(1, PERSONS),
    )
    judges, accelerator = [reader("a"), reader("b", noise=0.8)], make_accelerator("float32")
    views = [view_of(judge, part, SETTINGS, accelerator) for judge in judges]
    found = remedies.filter_at_rates(part, views, SETTINGS)
    drawn, trained, control = (judges[0].embed(f) for f in (known.likenesses, known.authentic, known.control))
    templates = np.array([trained[known.authentic.labels == k].mean(0) for k in range(PERSONS)])
    templates /= np.linalg.norm(templates, axis=1, keepdims=True)
    assert found.filterer == "a" and [remedy.fmr for remedy in found.done] == [0.5, 0.1]
    for remedy in found.done:
        expected = filter_synthetic(drawn, templates, control, known.control.labels, remedy.fmr, SETTINGS.seed)
        assert remedy.kept.tolist() == np.flatnonzero(expected.kept).tolist() and len(remedy.kept) < len(drawn)
        compared = np.flatnonzero(expected.kept[positions])
        assert remedy.left == tuple(
            RemedyFacts(
                remedy.fmr,
                expected.tested_fmr,
                len(remedy.kept),
                view.name,
                **left_of(view.sets, compared),
            )
            for view in views
        )
    assert len(found.refused) == 1 and "fmr = 0.001" in found.refused[0]


def test_what_a_remedy_keeps_is_handed_on_by_its_rate(tmp_path):
    stage = SimpleNamespace(
        output=lambda name: tmp_path / name.replace("/", "-"),
        input=lambda name: tmp_path / name.replace("/", "-"),
        inputs=lambda start: ["data/filtered/a/0.05.csv", "data/filtered/a/0.5.csv"],
    )
    kept = [remedies.Remedy(0.5, np.array([0, 3]), ()), remedies.Remedy(0.05, np.array([1]), ())]
    remedies.hand_over(stage, "a", remedies.Remedies("judge", tuple(kept)))
    handed = {fmr: rows.tolist() for fmr, rows in handover.filtered_sets(stage, "a").items()}
    assert handed == {0.05: [1], 0.5: [0, 3]}


def exposed(index, values):
    of_each = pd.Series(values, index=index)
    evidence = SimpleNamespace(labelled=SimpleNamespace(exposure=of_each, exposure_alike=of_each))
    pairs = (EmbeddedSet(None, np.repeat(index, images)) for images in (2, 3))
    sets = SimpleNamespace(**dict(zip(("authentic", "synthetic"), pairs, strict=True)))
    return SimpleNamespace(evidence=evidence, sets=sets, name="a", competent=True, barred="")


def test_exposure_is_told_of_the_labels_that_the_whole_set_has():
    """Identities 1 and 3 are not compared, so that what is 0 to 9 in the compared sets is ten even labels."""
    labels = np.arange(0, 20, 2)
    images = np.repeat(np.arange(20), 1 + np.arange(20))
    traits = pd.DataFrame({"half": ["low"] * 10 + ["high"] * 10, "all": ["same"] * 20}, index=np.arange(20))
    whole = SimpleNamespace(labels=images)
    sets = SimpleNamespace(identities=labels, whole_authentic=whole, demographics=Demographics(traits), by_label=True)
    values = np.linspace(0.5, 0.95, 10)
    view = exposed(np.arange(10), values)
    found = exposure.exposure(view, sets, SETTINGS)
    assert exposure.planned_exposure(sets) == (exposure.by_trait("half"), exposure.BY_IMAGES)
    half, trend = exposure.exposure_claims(found, view)
    assert half.name == exposure.by_trait("half") and half.value == pytest.approx(0.125)  # Means 0.6, 0.85.
    assert half.p_value == found.groups["half"].test.p_value < 0.05 and half.interval is None
    assert trend.name == exposure.BY_IMAGES and trend.value == pytest.approx(1) and trend.identities == 10
    assert found.by_identity.index.tolist() == labels.tolist()
    expected = exposure_by_group(values, ["low"] * 5 + ["high"] * 5, SETTINGS.shuffles, SETTINGS.bootstrap_resamples, 0)
    # Each identity's two authentic images are compared with all thirty synthetic ones.
    assert found.groups["half"].groups.pop("comparisons").tolist() == [5 * 2 * 30] * 2
    assert (half.comparisons, half.identities) == (600, 10) == (trend.comparisons, trend.identities)
    pd.testing.assert_frame_equal(found.groups["half"].groups, expected.groups)
    assert found.groups["half"].test.p_value == expected.test.p_value < 0.05
    assert "1 of the groups have at least 5" in found.groups["all"]
    assert found.by_images.observed == pytest.approx(1.0)
    shown = show_persons.exposure(found)
    assert shown.columns[0] == "attribute" and set(shown["attribute"]) == {"half"} and len(shown) == 2
    said = show_persons.exposure_in_words(found)
    assert said.startswith("By all: not estimable") and "training images: 1.00." in said


def test_the_owner_reads_whom_the_set_resembles_by_name(linked, tmp_path):
    stage = StageFolder(tmp_path)
    view = next(view for view in linked.views if view.name == "sharp")
    exposure.write_persons(stage, linked.exposures["sharp"], view, linked.sets)
    path = tmp_path / f"private/exposure-{linked.sets.name}-sharp.csv"  # Of each set its own.
    table = pd.read_csv(path, dtype={"identity": str, "nearest_class": str})
    assert table["identity"].tolist() == list(linked.sets.whole_authentic.identities)
    assert (table["nearest_class"] == table["identity"]).mean() > 0.9 and (table["p"] == 1 / (PERSONS + 1)).mean() > 0.9
    assert table["training_images"].tolist() == [8] * PERSONS and table["link_auc"].between(0.5, 1).all()


def test_the_owner_of_any_set_reads_whom_it_resembles(linked, tmp_path):
    """Classes of one's own go by their names, images without labels by theirs; neither has a link of one's own."""
    view = next(view for view in linked.views if view.name == "sharp")
    for labels, column in (("own", "nearest_class"), ("none", "nearest_image")):
        faces = linked.sets.synthetic
        if labels == "none":
            faces = faces.relabelled(None, ())
            rows = np.arange(len(faces))
        else:
            rows = view.sets.synthetic[1]
        sets = dataclasses.replace(linked.sets, name=labels, labels=labels, synthetic=faces)
        embedded = dataclasses.replace(view.sets, labels=labels, synthetic=(view.sets.synthetic[0], rows))
        exposure.write_persons(StageFolder(tmp_path), None, dataclasses.replace(view, sets=embedded), sets)
        table = pd.read_csv(tmp_path / f"private/exposure-{labels}-sharp.csv", dtype={"identity": str, column: str})
        assert "link_auc" not in table and table["identity"].tolist() == list(sets.whole_authentic.identities)
        known = set(faces.identities if labels == "own" else faces.names)
        assert set(table[column]) <= known and table["p_at_floor"].mean() > 0.9


def test_the_owner_reads_the_strongest_pairs_by_name(linked, tmp_path):
    view = next(view for view in linked.views if view.name == "sharp")
    exposure.write_pairs(StageFolder(tmp_path), view, linked.sets)
    table = pd.read_csv(tmp_path / f"private/pairs-{linked.sets.name}-sharp.csv", dtype=str)
    assert len(table) == 100 and table["score"].astype(float).is_monotonic_decreasing
    assert (table["identity"] == table["synthetic_class"]).mean() > 0.9
    one, embedded = table.iloc[7], view.sets  # A row's score is that of the two images it names.
    ours, theirs = linked.sets.synthetic.names, linked.sets.authentic.names
    pair = (
        embedded.synthetic[0][ours.index(one["synthetic_image"])]
        @ embedded.authentic[0][theirs.index(one["authentic_image"])]
    )
    assert float(one["score"]) == pytest.approx(float(pair), abs=1e-3)


def test_exposure_of_nobody_in_particular():
    whole = SimpleNamespace(labels=np.repeat(np.arange(6), 4))
    sets = SimpleNamespace(identities=np.arange(6), whole_authentic=whole, demographics=None, by_label=True)
    view = exposed(np.arange(6), np.linspace(0.5, 0.9, 6))
    found = exposure.exposure(view, sets, SETTINGS)
    assert exposure.planned_exposure(sets) == () and exposure.exposure_claims(found, view) == []
    assert found.groups == {} and found.by_images is None and show_persons.exposure(found) is None
    assert show_persons.exposure_in_words(found).count("not estimable") == 2


def alarm(threshold=1.5, above=0.0125, rates=(0.9,)):
    silent = Power("none", 0.0, set_size=50, rate=0.045, low=0.03, high=0.07)
    power = [Power("mirror", share, 2000, rate, 0, 1) for share, rate in zip((0.005, 0.01), rates, strict=False)]
    power.append(Power("exact copy", 0.005, 2000, rates[0], 0, 1))
    return Alarm(1000, silent, threshold, None if threshold is None else above, power if threshold else [])


def test_copies_are_told_by_question_share_and_number_of_images():
    found = {
        "a": Planted(alarm(), alarm(2.0, 0.0), 1.75, 0.02),
        "b": Planted(alarm(rates=(0.5, 0.7)), None, 1.75, None),
        "c": Planted(alarm(None), alarm(None), 1.75, None),
    }
    shown = show_persons.alarms(found)
    assert shown[["judge", "against"]].values.tolist() == [
        ["a", "strangers"],
        ["a", "the same persons"],
        ["b", "strangers"],
    ]
    first, second, third = shown.to_dict("records")
    assert first["largest of the set"] == 1.75 and first["sounds from"] == 1.5 and second["sounds from"] == 2.0
    assert [row["of the set, above (%)"] for row in (first, second)] == [1.25, 0.0]
    assert first["of unseen images, above (%)"] == 2.0 and np.isnan(second["of unseen images, above (%)"])
    assert first["exact copies are noticed from (%)"] == "0.5" and first["silent sets that sound (%)"] == 4.5
    assert third["altered ones from (%)"] == "none up to 1 %" and show_persons.alarms({"c": found["c"]}) is None
    said = show_persons.silent_in_words(found, 2000, {})
    assert said.count("Not calibrated by the **c** against") == said.count("1,000 images are too few to bound") == 2
    figure, table = show_persons.power(found)
    assert [ax.get_visible() for ax in figure.axes] == [True, True, False, True, False, False]
    assert table.groupby(["judge", "null"]).size().to_dict() == {
        ("a", "strangers"): 3,
        ("a", "the same persons"): 3,
        ("b", "strangers"): 4,
    }
    assert show_persons.power({"c": found["c"]}) is None
    assert show_persons.silent_in_words({}, 2000, {}).startswith("Not measured")
    assert show_persons.silent_in_words({"a": found["a"]}, 2000, {}) == ""


def test_rates_of_what_is_found_stand_judge_by_judge():
    told = SimpleNamespace(
        auc=Estimate(0.6, 0.01, 20),
        tpr=Estimate(0.1, 0.0056, 20),
        tpr_1000=None,
        members=80,
        others=200,
        identities=20,
    )
    persons, strangers = np.arange(4), np.arange(100)
    own, anyone = (
        Scored(np.array(found), persons, np.linspace(0, 0.5, 100), strangers, strangers)
        for found in ([0.9, -np.inf, 0.1, 0.2], [0.9, 0.9, 0.1, 0.2])
    )
    found = SimpleNamespace(open_set=OpenSet(own, anyone), images_pooled=told, persons=None, labelled=True)
    nothing = SimpleNamespace(open_set=None, images_pooled=None, persons=None, labelled=True)
    views = [SimpleNamespace(name=n, label=n, evidence=e) for n, e in (("a", found), ("b", nothing), ("c", found))]
    table = show_persons.fixed_rates(views)
    assert table["judge"].tolist() == ["a"] * 5 + ["c"] * 5
    assert table["value"].dropna().tolist() == [0.25, 0.5, 0.6, 0.1] * 2
    assert table["comparisons"].tolist()[:2] == table["subjects"].tolist()[:2] == [4, 4]
    assert table["comparisons"].tolist()[2:4] == [80 * 200, 80] and table["subjects"].tolist()[2:4] == [20, 20]
    few = table["not precise"].tolist()[:5]
    assert few[0] == "3 errors of 3 subjects; its threshold by 1 errors of 1 subjects"
    assert few[3] == "its threshold by 2 of 200 unseen images"
    assert few[4] == "200 unseen images cannot show it" and np.isnan(table["value"].iloc[4])
    table = table.dropna(subset="value")
    assert table["measure"].iloc[0] == "open-set identification: TPIR at FPIR 1 %, own identity"
    assert (table["95 % low"] < table["value"]).all() and (table["value"] < table["95 % high"]).all()
    curves = show_persons.open_set(views, LOOK)[1]
    assert set(curves["judge"]) == {"a", "c"} and curves["tpir"].tolist()[-1] == 0.75
    assert show_persons.open_set(views[1:2], LOOK) is None
    found.labelled = None  # Without authentic labels nobody has an own identity.
    assert (
        show_persons.fixed_rates(views[:1])["measure"].iloc[0]
        == "open-set identification: TPIR at FPIR 1 %, any identity"
    )
    assert show_persons.open_set(views, LOOK)[1]["tpir"].tolist()[-1] == 1
    span = told.tpr.interval()
    row = table.iloc[3, 1:5].tolist()
    assert row == ["membership of images: TPR at FPR 1 %", 0.1, span.low, span.high]


def scores_of(persons, images, seed=0):
    """All pairs of images of persons whom a judge tells apart badly."""
    random, labels = np.random.default_rng(seed), np.repeat(np.arange(persons), images)
    rows = random.standard_normal((persons, 16))[labels] + 1.5 * random.standard_normal((len(labels), 16))
    rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    return PooledComparisons(compare_within(rows, labels))


def test_fnmr_at_a_fmr_has_its_interval_and_a_question_mark_where_few_errors_carry_it():
    many, few, tiny = scores_of(60, 12), scores_of(60, 4), scores_of(12, 2)
    rate = many.at(1e-2)  # 2,549 of 254,880 impostors set the threshold, of all 60 persons.
    span = rate.interval
    assert show._fnmr(many, 1e-2) == f"{rate.value:.3f} [{span.low:.3f}, {span.high:.3f}]"
    assert many.passed(many.threshold(1e-3)).erring_subjects >= 30 and "?" not in show._fnmr(many, 1e-3)
    assert show._fnmr(few, 1e-3).endswith("] ?")  # 28 of 28,320.
    assert show._fnmr(tiny, 1e-2).endswith("] ?") and show._fnmr(tiny, 1e-3) == "too few comparisons"  # Of 264.


def test_fnmr_at_the_lowest_fmr_is_left_out_where_the_rule_of_30_does_not_hold():
    many, more = scores_of(60, 12), scores_of(100, 16)
    assert many.shows(1e-4) and many.at(1e-4).imprecise  # 25 errors.
    assert show._fnmr(many, 1e-4) == "too few comparisons"
    assert not more.at(1e-4).imprecise and "[" in show._fnmr(more, 1e-4)  # 126 of 1,267,200.


def test_each_claim_stands_beside_its_comparisons_and_subjects(linked):
    rows = show_claims.claims(linked.claims).query("judge == 'sharp'").set_index("claim")
    # 12 persons of 8 authentic, 7 synthetic, 6 control and 3 held-out images.
    expected = {
        "same-label link, AUC": (12 * 8 * 12 * 7, 12),
        "rank-1 identification": (12 * 7, 12),
        "label of the nearest image": (12 * 7, 12),
        "label-free link, share of classes": (12, 12),
        MEMBERSHIP_OF_IMAGES: (12 * 8 * 3, 12),
        "membership of persons, AUC": (12 * 12, 12),
    }
    told = rows[["comparisons", "subjects"]].to_dict("index")
    assert {name: tuple(row.values()) for name, row in told.items()} == expected
    assert all(found.comparisons is not None and found.subjects for found in linked.claims)


def test_the_filters_own_view_is_grey():
    kept = (RemedyFacts(0.5, 0.4, 9, "a", 0.6, 0.4, 0.1), RemedyFacts(0.5, 0.4, 9, "b", 0.7, 0.3, 0.2))
    left = remedies.Remedies("a", (remedies.Remedy(0.5, np.arange(9), kept),))
    sets = SimpleNamespace(barred=frozenset())
    every = SimpleNamespace(done=[SimpleNamespace(name="set", remedies=left, sets=sets, barred={})])
    table, grey = show_claims.remedy(every)
    assert table["judge"].tolist() == ["a", "b"] and table["link AUC"].tolist() == [0.6, 0.7]
    assert grey == [(0, "link AUC"), (0, "link EER"), (0, "rank 1")]
    every.done[0].barred = {"b": "taught the set's generator"}
    assert {row for row, _ in show_claims.remedy(every)[1]} == {0, 1}
    sets.barred = frozenset({"control"})  # Control persons who differ anyway set no threshold.
    assert {(row, "kept") for row in (0, 1)} <= set(show_claims.remedy(every)[1])
    every.done[0].remedies = remedies.Remedies("a")
    assert show_claims.remedy(every) is None


def test_the_page_shows_what_was_computed(linked):
    views, shown = linked.views, linked.shown
    every = compute.Audits(claims.StudyPlan({"set": linked.plan}), (linked,), {})
    assert show_sets.judges(views)["judges"].tolist() == ["yes", "yes", "reference"]
    spans = show_sets.by_set(every.done, lambda each: show.spans(each.views))
    assert len(show.link(views)) == len(show.fnmr(views)) == len(show.intervals(spans)) == 9
    assert set(spans["set"]) == {"set"}
    auc = shown.link_metrics.auc
    row = spans.query("judge == 'sharp' and setting == @LINK and measure == 'AUC'").iloc[0]
    assert row["value"] == pytest.approx(auc, abs=1e-6) and row["95 % low"] <= auc <= row["95 % high"]
    rates = show_persons.fixed_rates(views)  # Fewer than 100 images of unseen persons show no rate.
    known = rates["value"].notna()
    assert set(rates.loc[known, "measure"]) == {"membership of images, pooled over persons: AUC"}
    assert (~known).any() and rates.loc[~known, "not precise"].str.contains("unseen .* cannot show it").all()
    assert show_claims.claims(linked.claims)["claim"].is_monotonic_increasing
    assert f"The largest link is the sharp's: EER {100 * shown.link_metrics.eer:.1f} %" in show_cards.what_was_found(
        every
    )
    assert f"judged claims, {len(linked.above_chance)} are above" in show_cards.what_was_found(every)
    others = {f"{LINK} (blind)", f"{LINK} ({PIXELS})"}
    assert set(show.roc_det(views, shown, LOOK)[1]["curve"]) == {*THREE_SETTINGS, *others}
    ranks = show.identification(views, PERSONS, LOOK)[1]
    assert ranks["chance"].iloc[0] == pytest.approx(1 / PERSONS)
    of_sharp = ranks.query("probes == 'synthetic' and judge == 'sharp'")
    assert of_sharp["value"].iloc[-1] == 1 and of_sharp["value"].iloc[0] == compute.facts(linked).rank1["sharp"]
    assert (ranks["95 % low"] <= ranks["value"]).all() and ranks["95 % low"].iloc[0] < ranks["value"].iloc[0]
    grown = show.growth(views, PERSONS, LOOK)[1]
    assert set(grown["measure"]) == {"rank 1", "AUC", "label-free share", "equal labels"}
    assert (grown["95 % low"] <= grown["value"] + 1e-9).all() and grown["95 % high"].notna().all()
    assert show.equal_labels_by_score(shown).shape[0] == show.BINS_OF_SCORES
    sheet, caption = show.strongest(linked.sets, shown)
    assert sheet.shape[0] > 2 * show.LEAST_SIDE_PX and "10 of 10 of one label" in caption
    for table in (show.tail(views), show.growth(views, PERSONS, LOOK)[1], show.chance(shown, LOOK)[1]):
        assert len(table)
    assert len(show.scores(shown, LOOK).axes) == 3


# Several sets


@pytest.fixture(scope="module")
def three(known):
    """Likenesses by their authentic labels and by labels of their own, and strangers without any, by two judges."""
    background = known.control, known.held_out
    sets = [
        dataclasses.replace(audited(known.authentic, known.likenesses, *background), name="labelled"),
        dataclasses.replace(audited(known.authentic, known.likenesses, *background, labels="own"), name="own"),
        dataclasses.replace(
            audited(known.authentic, known.strangers.relabelled(None, ()), *background, labels="none", exposed=False),
            name="images",
        ),
    ]
    return several([reader("a"), reader("b", noise=0.7)], *sets)


def test_labels_decide_what_is_claimed_of_a_set(three):
    made = {each.name: {claim.claim for claim in each.claims if claim.judge == "a"} for each in three.done}
    statistics = [s for s in STATISTICS.values() if s.instead_of is None]
    assert made["labelled"] == {s.name for s in statistics}
    assert made["own"] == made["images"] == {s.name for s in statistics if not s.by_label}
    settings = {each.name: set(each.views[0].scores.metrics) for each in three.done}
    assert settings == {
        "labelled": set(THREE_SETTINGS),
        "own": set(THREE_SETTINGS[:2]),
        "images": {THREE_SETTINGS[0]},
    }
    labelled, own, images = (compute.facts(each) for each in three.done)
    assert labelled.link("a") and own.link("a") is images.link("a") is None
    assert own.shuffle == images.shuffle == {} and set(own.label_free) == {"a", "b"}


def test_the_strongest_pairs_of_any_set_are_written_for_the_owner(three, tmp_path):
    for each in three.done:
        exposure.write_pairs(StageFolder(tmp_path), each.views[0], each.sets)
    columns = {name: list(pd.read_csv(tmp_path / f"private/pairs-{name}-a.csv")) for name in ("own", "images")}
    assert columns["own"] == ["score", "synthetic_image", "synthetic_class", "authentic_image", "identity"]
    assert columns["images"] == ["score", "synthetic_image", "authentic_image", "identity"]


def test_renaming_classes_to_their_own_hides_no_likeness(three):
    found = {each.name: verdicts(each)["label-free link, share of classes", "a"] for each in three.done}
    assert found["labelled"] == found["own"] == "above chance" and not found["images"].startswith("above")


def test_an_image_without_a_label_counts_as_a_class(known, three):
    images = three.done[2]
    assert len(images.views[0].evidence.label_free.training) == len(known.strangers) == len(images.sets.whole_synthetic)


def test_of_a_large_set_without_labels_as_many_persons_are_compared_as_intervals_can_be_computed_for():
    """Five hundred resamples of the pairs of 2,000 persons are affordable; those of 5,000, its images, are not."""
    own, drawn = compared_images(np.repeat(np.arange(6000), 2), "none", None, 20_000)
    persons = len(np.unique(own // 2))
    assert (persons, len(drawn)) == (2000, 5000) and drawn[-1] == 19_999
    assert affordable_bins(1000, 501, persons**2) >= 200
    with pytest.raises(InputError, match="are too many"):
        affordable_bins(1000, 501, len(drawn) ** 2)


def test_what_is_said_of_a_set_does_not_depend_on_the_others(known, three):
    """The authentic images are scored once for all sets that are held against them."""
    alone = several([reader("a"), reader("b", noise=0.7)], three.done[1].sets)
    assert compute.facts(alone.done[0]) == compute.facts(three.done[1])
    first, second = (each.views[0].scores.comparisons[THREE_SETTINGS[0]] for each in three.done[:2])
    assert first is second


def test_each_set_is_a_family_of_its_own(three):
    for each in three.done:
        judged = [claim for claim in each.claims if claim.p_corrected is not None]
        assert len(judged) == 2 * len(each.plan.claims)
    assert set(three.plan.sets) == {"labelled", "own", "images"}


def test_persons_who_are_not_exchangeable_support_no_claim(known):
    """A control set of other pictures would make any set look near to the training persons."""
    flags = {"exchangeable": False, "held_out_at_random": False}
    sets = audited(known.authentic, known.likenesses, known.control, known.held_out, labels="own", **flags)
    found = several(reader("a"), sets)
    (own,) = found.done
    assert own.plan.claims == () and {claim.p_corrected for claim in own.claims} == {None}
    assert all(claim.barred for claim in own.claims) and len(own.claims) == 3
    reasons = {claim.claim: claim.verdict for claim in own.claims}
    assert "not known to be of one distribution" in reasons["label-free link, share of classes"]
    assert "split off at random" in reasons[MEMBERSHIP_OF_IMAGES]
    assert claims.deviations(own.plan, own.claims) == []
    table, grey = show_claims.all_claims(found)
    assert {row for row, _ in grey} == set(range(len(table)))
    assert "which is no claim here" in show_cards.what_was_found(found)
    assert {column for _, column in show_sets.overview(found)[1]} == set(show_sets.OVERVIEW.values()) - {
        "same-label link (AUC)"
    }


# Without common labels


@pytest.fixture(scope="module")
def held_against(known):
    """Likenesses beside strangers, by control persons who are not exchangeable; and where they are."""
    strangers = SyntheticSet("strangers", known.strangers, "own", exposed=False)
    return [
        several(
            [reader("a"), reader("b", noise=0.7)],
            audited(known.authentic, known.likenesses, known.control, labels="own", unexposed=[strangers], **flags),
        )
        for flags in ({"exchangeable": False}, {})
    ]


def test_where_control_is_not_exchangeable_the_claim_is_against_unexposed_sets(held_against):
    apart, alike = held_against
    (own,) = apart.done
    assert own.plan.claims == (NEARER,) and "unexposed strangers" in own.plan.sets
    assert [verdicts(own)[NEARER, judge] for judge in "ab"] == ["above chance"] * 2
    assert claims.deviations(own.plan, own.claims) == []
    facts = compute.facts(own)
    assert facts.leak == {} and facts.nearer["a"]["strangers"].low > 0.1 and facts.nearer["a"]["strangers"].auc > 0.9
    assert "no leak share, as control and training persons are not known" in show_unlabelled.leak_in_words(own)
    table = show_sets.by_set(apart.done, lambda each: show_unlabelled.unlabelled(each.views))
    assert table[show_unlabelled.BOUND].isna().all()
    grey = {column for _, column in show_unlabelled.unsupported(apart, table)}
    assert grey == {show_unlabelled.NEARER, *show_sets.CHANCE}
    shown = show_sets.by_set(apart.done, lambda each: show_unlabelled.nearer(each.views))
    assert shown["unexposed set"].tolist() == ["strangers"] * 2 and (shown["95 % low"] > 0).all()
    # Where it is exchangeable, the label-free link is the claim, and a leak share is given by every judge.
    (other,) = alike.done
    assert NEARER not in other.plan.claims and NEARER not in {claim.claim for claim in other.claims}
    facts = compute.facts(other)
    assert set(facts.leak) == {"a", "b"} and facts.leak["a"].level == 0.975 and facts.leak["a"].bound > 0.2
    words = show_unlabelled.leak_in_words(other)
    assert f"at least {100 * max(leak.bound for leak in facts.leak.values()):.1f} % of its classes" in words
    assert "97.5 % confidence" in words and "fewer than 6 training persons" in words
    card = show_cards.card(other)
    assert f"- Leak share: {words}" in card and "control persons like the training persons" in card
    assert "- Above chance: label-free link, share of classes (by the a and the b)" in card
    assert "the unexposed set strangers" in show_cards.card(own)


def test_an_unexposed_set_that_a_judge_taught_is_no_floor_for_it(known):
    taught = SyntheticSet("strangers", known.strangers, "own", exposed=False, barred_models={"a": TAUGHT})
    given = audited(known.authentic, known.likenesses, known.control, labels="own", unexposed=[taught])
    found = examine(given, [reader("a"), reader("b", noise=0.7)], SETTINGS, make_accelerator("float32"))
    assert [set(view.evidence.nearer) for view in found.views] == [set(), {"strangers"}]


def test_a_set_that_holds_training_images_is_not_unexposed_and_no_floor(known, tmp_path):
    """The set itself is refused; the others are held against the floors that are left."""
    pixels = torch.cat([known.strangers.load(), known.authentic.load([0, 9])])
    path = write_faces(tmp_path / "mixed.zip", pixels, np.append(known.strangers.labels, [0, 1]))
    mixed = SyntheticSet("mixed", open_faces(path), "own", exposed=False)
    strangers = SyntheticSet("strangers", known.strangers, "own", exposed=False)
    given = {"control": known.control, "unexposed": [strangers, mixed], "labels": "own"}
    sets = [
        audited(known.authentic, known.likenesses, **given),
        AuditedSets.choose(known.authentic, mixed, control=known.control),
        dataclasses.replace(audited(known.authentic, mixed.faces, known.control, labels="own"), name="exposed"),
    ]
    assert [each.training_images for each in sets] == [0, 2, 2] and set(sets[0].unexposed) == {"strangers"}
    found = several(reader("a"), *sets)
    assert "'mixed' is said to be unexposed, but holds 2 of the training images, byte for byte" in found.failed["mixed"]
    first, exposed = found.done
    assert set(first.views[0].evidence.nearer) == {"strangers"} and "Training images" not in show_cards.card(first)
    assert "- Training images: 2 of its 86 images, byte for byte." in show_cards.card(exposed)
    assert compute.facts(exposed).training_images == 2


def test_a_judge_that_sees_one_face_in_all_of_a_set_says_nothing_of_it(known, tmp_path):
    """Its best scores over training persons would be those of one face."""
    alike = faces(tmp_path / "alike.zip", np.full(PERSONS, 3), 7)
    sets = [audited(known.authentic, alike, known.control, labels="own"), audited(known.authentic, known.strangers)]
    found = several(reader("a"), dataclasses.replace(sets[0], name="alike"), sets[1])
    first, second = found.done
    assert "does not tell its classes apart" in first.barred["a"] and not second.barred
    assert {claim.p_corrected for claim in first.claims} == {None} and first.larger is None
    assert compute.facts(first).leak == {} and "no admissible judge" in show_unlabelled.leak_in_words(first)
    assert "nothing is claimed about it" in show_cards.what_was_found(found)


def test_the_authentic_set_given_as_a_synthetic_one_is_seen_by_every_test(known):
    """Under labels of its own and under the authentic ones; nothing of it is left to the floor."""
    for labels in ("own", "authentic"):
        given = audited(known.authentic, known.authentic, known.control, known.held_out, labels=labels)
        found = examine(given, [reader("a"), reader("b", noise=0.7)], SETTINGS, make_accelerator("float32"))
        links = [claim for claim in found.claims if not claim.claim.startswith("exposure")]
        assert links and all(claim.above for claim in links)
        assert all(leak.bound > 0.3 for leak in compute.facts(found).leak.values())


def test_the_authentic_set_given_as_each_of_twelve_is_flagged_twelve_times(known):
    """What is known of the authentic images is handed from set to set, and hides nothing of the later ones."""
    given = audited(known.authentic, known.authentic, known.control, labels="own")
    found = several(reader("a"), *(dataclasses.replace(given, name=f"set {i}") for i in range(12)))
    assert [each.name for each in found.done] == [f"set {i}" for i in range(12)] and not found.failed
    assert [len(each.above_chance) for each in found.done] == [2] * 12
    assert {compute.facts(each).training_images for each in found.done} == {len(known.authentic)}


def test_unexposed_sets_are_given_from_python_too(known):
    floor = SyntheticSet("strangers", known.strangers, "own", exposed=False)
    found = audit(known.authentic, known.likenesses, [reader("a")], SETTINGS, control=known.control, unexposed=[floor])
    assert found.nearer["a"]["strangers"].difference > 0.1 and found.leak["a"].level == 0.95
    given = {"control": known.control, "exchangeable": False, "unexposed": [floor]}
    other = audit(known.authentic, SyntheticSet("set", known.likenesses, "own"), [reader("a")], SETTINGS, **given)
    assert other.leak == {} and [claim.claim for claim in other.claims if not claim.barred] == [NEARER]
    assert from_plain(as_plain(found, AuditFacts), AuditFacts) == found


TAUGHT = "taught the set's generator"


@pytest.fixture(scope="module")
def partial(known):
    """Likenesses by two judges: whole; by a generator that one of them taught; and by one that both had a part in."""
    background = known.control, known.held_out
    whole = audited(known.authentic, known.likenesses, *background)
    sets = [
        dataclasses.replace(whole, name="whole"),
        dataclasses.replace(whole, name="taught", barred_models={"A": TAUGHT, "nobody here": TAUGHT}),
        dataclasses.replace(whole, name="both", barred_models={"a": TAUGHT, "b": "was trained on the set"}),
    ]
    return several([reader("a"), reader("b", noise=0.7), reader("c", -1, noise=50.0)], *sets)


def test_a_judge_that_taught_the_generator_claims_nothing_and_is_not_in_the_family(partial):
    whole, taught, both = partial.done
    of_a = [claim for claim in taught.claims if claim.judge == "a"]
    assert {claim.verdict for claim in of_a} == {f"no claim: {TAUGHT}"} and all(claim.barred for claim in of_a)
    assert [(claim.claim, claim.value) for claim in of_a] == [
        (claim.claim, claim.value) for claim in whole.claims if claim.judge == "a"
    ]  # The numbers stand.
    p = {each.name: {c.claim: c.p_corrected for c in each.claims if c.judge == "b"} for each in partial.done}
    link = "same-label link, AUC"
    assert len([claim for claim in taught.claims if claim.p_corrected is not None]) == len(p["taught"])
    assert 0 < p["taught"][link] < p["whole"][link]  # Fewer claims are corrected for.
    assert {claim.p_corrected for claim in both.claims} == {None} and both.above_chance == ()


def test_a_judge_that_taught_the_generator_is_not_planned_and_raises_no_alarm(partial, monkeypatch):
    whole, taught, both = partial.done
    assert [set(each.plan.judges) for each in partial.done] == [{"a", "b", "c"}, {"b", "c"}, {"c"}]
    assert all(claims.deviations(each.plan, each.claims) == [] for each in (whole, taught, both))
    monkeypatch.setattr(compute, "make_pictures", lambda *given: "pictures")
    monkeypatch.setattr(compute, "plant_copies", lambda *given: "planted")
    asked = [set(compute.plant(each.sets, each.views, SETTINGS)) for each in partial.done]
    assert asked == [{"a", "b", "c"}, {"b", "c"}, {"c"}]
    assert "The **a** is not asked, as it taught" in show_persons.silent_in_words(taught.planted, 84, taught.barred)
    said = show_sets.plan_in_words(partial.plan, Plans(claims.PLAN, ({"sha256": "", "families": {}},)))
    assert "on whole by each of 3 models" in said and "on taught by each of 2 models" in said


def test_a_judge_that_taught_the_generator_filters_and_is_chosen_for_nothing(partial):
    whole, taught, both = map(compute.facts, partial.done)
    assert (whole.larger, whole.impartial_judge, partial.done[0].remedies.filterer) == ("a", "b", "a")
    assert (taught.larger, taught.impartial_judge, partial.done[1].remedies.filterer) == ("b", None, "b")
    assert partial.done[1].shown.name == "b" and taught.barred == {"a": TAUGHT} and whole.barred == {}
    assert taught.nearness("a") == 0 < taught.nearness("b") < whole.nearness("a")
    assert (both.larger, both.impartial_judge, both.remedy) == (None, None, ())


def test_numbers_of_a_judge_that_taught_the_generator_are_grey_with_the_reason(partial):
    table, grey = show_sets.overview(partial)
    row = table.index[(table["set"] == "taught") & (table["judge"] == "a")][0]
    every = {show_sets.WITHIN, *show_sets.OVERVIEW.values()}
    assert {column for i, column in grey if i == row} == every
    assert table.loc[row, "claims above chance"] == f"none: {TAUGHT}"
    numbers = show_sets.side_by_side(partial, LOOKS)[1]
    supports = numbers.groupby(["set", "judge"])["supports a claim"].all()
    assert supports["taught", "a"] == supports["both", "b"] == False  # noqa: E712
    assert supports["taught", "b"] and supports["whole", "a"]
    every = show_sets.by_set(partial.done, lambda each: show.link(each.views))
    links = show_sets.authentic_once(every)
    within = links[links["setting"] == THREE_SETTINGS[0]]
    judges = [view.name for view in partial.views]
    assert within["judge"].tolist() == judges and set(within["set"]) == {"every set"}
    assert len(every) - len(links) == len(judges) * (len(partial.done) - 1)
    cells = show_sets.barred_cells(partial, links)
    assert {(links.loc[i, "set"], links.loc[i, "judge"]) for i, _ in cells} == {
        ("taught", "a"),
        ("both", "a"),
        ("both", "b"),
    }
    assert {links.loc[i, "setting"] for i, _ in cells} == set(THREE_SETTINGS[1:])
    rows, unsupported = show_claims.all_claims(partial)
    assert {(rows.loc[i, "set"], rows.loc[i, "judge"]) for i, _ in unsupported} == {
        ("taught", "a"),
        ("both", "a"),
        ("both", "b"),
    }
    views = partial.done[1].views
    assert "a (no claim)" in set(show.identification(views, PERSONS, LOOK)[1]["judge"])
    assert f"{LINK} (a (no claim))" in set(show.roc_det(views, views[1], LOOK)[1]["curve"])


def test_the_page_says_who_may_not_judge_and_where_nobody_is_left(partial):
    said = show_sets.barred_in_words(partial)
    assert f"**taught**: the a {TAUGHT}. Numbers of this set in grey support no claim." in said
    left = f"**both**: nothing is claimed about it, as no admissible judge is left (the a {TAUGHT}; the b was trained"
    assert left in said and left in show_cards.what_was_found(partial) and "whole" not in said
    assert "The b alone may judge taught, so no other confirms its claims." in show_claims.claims_in_words(partial)
    nobody = dataclasses.replace(partial, done=partial.done[:1])
    assert (
        show_sets.barred_in_words(nobody) == "" and show_sets.barred_cells(nobody, show_sets.overview(nobody)[0]) == []
    )


def test_an_audit_from_python_bars_the_models_that_its_set_names(known):
    own = SyntheticSet("set", known.likenesses, "authentic", barred_models={"a": TAUGHT})
    found = audit(known.authentic, own, [reader("a"), reader("b", noise=0.7)], SETTINGS, control=known.control)
    assert found.barred == {"a": TAUGHT} and {claim.judge for claim in found.claims if claim.above} == {"b"}
    assert {claim.p_corrected for claim in found.claims if claim.judge == "a"} == {None}


def test_a_set_that_fails_leaves_the_others_whole(known, three, monkeypatch):
    real = compute.examine

    def fails_for_own(sets, *given):
        if sets.name == "own":
            raise InputError("an image went bad")
        return real(sets, *given)

    monkeypatch.setattr(compute, "examine", fails_for_own)
    found = several(reader("a"), *(each.sets for each in three.done))
    assert [each.name for each in found.done] == ["labelled", "images"] and found.failed == {"own": "an image went bad"}
    assert "**own** could not be audited: an image went bad." in show_sets.failures_in_words(found)
    assert compute.results(found).failed == found.failed
    with pytest.raises(InputError, match="an image went bad"):
        several(reader("a"), three.done[1].sets)


def test_sets_stand_side_by_side_by_every_judge(three):
    table, grey = show_sets.overview(three)
    assert list(zip(table["set"], table["judge"], strict=True)) == [
        (name, judge) for name in ("labelled", "own", "images") for judge in "ab"
    ]
    assert table["same-label link (AUC)"].isna().tolist() == [False, False, True, True, True, True] and grey == []
    assert table["EER within (%)"].isna().tolist() == [False] * 4 + [True] * 2
    figure, numbers = show_sets.side_by_side(three, LOOKS)
    assert len(figure.axes) == len(show_sets.OVERVIEW) == numbers["statistic"].nunique()
    assert numbers.groupby("statistic").size().to_dict()["same-label link, AUC"] == 2
    low, high = (numbers[column] for column in show_sets.CHANCE)
    assert (low <= numbers["chance"]).all() and (numbers["chance"] <= high).all()
    bands = [line.get_xdata() for ax in figure.axes for line in ax.lines if line.get_linewidth() == 9]
    drawn = sorted(tuple(band) for band in bands if len(band))
    assert drawn == sorted(zip(low, high, strict=True))  # Every set by every judge has its own.
    assert show_sets.sets(three)["classes are"].tolist() == [
        show_sets.CLASSES[labels] for labels in ("authentic", "own", "none")
    ]
    told = show_sets.sets(three).set_index("set")["generator saw the authentic set"].to_dict()
    assert told == {each.name: saw_authentic(each.name, each.sets.exposed) for each in three.done}
    assert {saw_authentic("generated", True), *told.values()} == {"yes", "not ruled out", "no"}
    captions = [show.roc_det_caption(each.name, each.shown, each.sets.by_label) for each in three.done]
    assert ["the link by the other judges" in caption for caption in captions] == [True, False, False]
    chances = [show.chance_caption(each.name, each.shown) for each in three.done]
    assert ["same-label" in caption for caption in chances] == [True, False, False]
    slid = [show.by_threshold(each.shown) for each in three.done]
    assert [pair and pair[0] for pair in slid] == [LINK, THREE_SETTINGS[1], None]
    for each in three.done[1:]:
        assert len(show.scores(each.shown, LOOK).axes) == len(each.shown.scores.comparisons)
        assert show.chance(each.shown, LOOK)[1].shape[1] == 1 and show.roc_det(each.views, each.shown, LOOK)
        sheet, caption = show.strongest(each.sets, each.shown)
        assert "of one label" not in caption and caption.startswith(each.name)
    said = show_cards.what_was_found(three)
    assert "% of its classes are nearer" in said and "% of its images are nearer" in said
