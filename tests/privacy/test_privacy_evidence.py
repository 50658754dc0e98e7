"""One judge's whole study, on sets whose truth is known."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from sface_lib.data import open_faces, write_faces
from sface_lib.engine import make_accelerator
from sface_lib.errors import InputError
from sface_lib.matching import compare_within
from sface_lib.population import VERIFIER_PATH, first_images, shipped_faces
from sface_lib.privacy.alterations import ALTERATIONS, AS_SHARP, blurred, sharpness
from sface_lib.privacy.evidence import gather_evidence, left_of
from sface_lib.privacy.judges import PIXELS, open_judge, open_judges
from sface_lib.privacy.planted import _of_persons, make_pictures, plant_copies
from sface_lib.privacy.settings import (
    LINK,
    NOT_EXCHANGEABLE,
    SAME_GROUP,
    SETTINGS,
    EmbeddedSets,
    affordable,
    not_told_apart,
    score_settings,
)
from sface_lib.privacy.statistics import MEMBERSHIP_OF_IMAGES, NEARER, claims_of
from sface_lib.privacy.verdict import verdicts
from sface_lib.recognition import Embedder

PERSONS = 40


def photographs(persons: int, images: int, seed: int, noise: float = 0.7, law: int = 5):
    """Unit embeddings and labels around persons of a law."""
    centres = np.random.default_rng(law).standard_normal((persons, 32))
    labels = np.repeat(np.arange(persons), images)
    rows = centres[labels] + noise * np.random.default_rng(seed).standard_normal((len(labels), 32))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32), labels


def sets(synthetic) -> EmbeddedSets:
    control = photographs(PERSONS, 10, 3, law=6)
    return EmbeddedSets(photographs(PERSONS, 20, 1), synthetic, control, photographs(PERSONS, 5, 4))


@pytest.fixture(scope="module")
def linked():
    """Synthetic faces that resemble their training persons, and copy no image."""
    return sets(photographs(PERSONS, 12, 2, noise=1.4))


@pytest.fixture(scope="module")
def unlinked():
    """Synthetic faces of a law of their own persons."""
    return sets(photographs(PERSONS, 12, 2, law=7))


def study(given: EmbeddedSets, barred=None):
    given = dataclasses.replace(given, barred=barred or given.barred)
    settings = score_settings(given, 5)
    evidence = gather_evidence(given, settings, 999, 200, 0)
    claims = claims_of(evidence, "judge", settings.competent, 0.02, given.barred)
    return settings, evidence, dict(zip((c.name for c in claims), (v.words for v in verdicts(claims)), strict=True))


def test_a_likeness_is_above_chance_and_no_membership_of_images(linked):
    settings, evidence, verdict = study(linked)
    assert settings.competent and set(settings.metrics) == set(SETTINGS)
    for name in ("same-label link, AUC", "rank-1 identification", "label of the nearest image"):
        assert verdict[name] == "above chance"
    assert verdict["label-free link, share of classes"] == verdict["membership of persons, AUC"] == "above chance"
    assert verdict[MEMBERSHIP_OF_IMAGES] != "above chance"
    grown = evidence.labelled.growth.query("measure == 'AUC'")["value"]
    assert grown.iloc[-1] > grown.iloc[0]
    assert evidence.labelled.tail["same label"].iloc[0] > 0.9 and evidence.labelled.exposure.mean() > 0.8
    assert evidence.open_set.own.at(0.01).complement.value > 0.2


def test_strangers_are_at_chance_everywhere(unlinked):
    _, evidence, verdict = study(unlinked)
    assert not [name for name, said in verdict.items() if said in ("above chance", "below chance")]
    assert evidence.open_set.own.at(0.01).complement.value < 0.05


def test_a_copying_generator_is_told_by_membership_of_images(linked):
    copied = (linked.authentic[0], linked.authentic[1])
    _, evidence, verdict = study(dataclasses.replace(linked, synthetic=copied))
    assert verdict[MEMBERSHIP_OF_IMAGES] == "above chance" and evidence.images.auc.value > 0.95


def test_renaming_the_classes_hides_the_link_from_labels_alone(linked):
    rows, labels = linked.synthetic
    _, _, verdict = study(dataclasses.replace(linked, synthetic=(rows, (labels + 11) % PERSONS)))
    assert verdict["same-label link, AUC"] != "above chance"
    assert verdict["label-free link, share of classes"] == "above chance"


def test_what_unseen_images_are_needed_for_is_left_out(linked):
    alone = dataclasses.replace(linked, control=None, held_out=None)
    _, evidence, verdict = study(alone)
    assert evidence.label_free is evidence.open_set is evidence.images is evidence.persons is None
    assert set(verdict) == {"same-label link, AUC", "rank-1 identification", "label of the nearest image"}


@pytest.mark.slow
def test_where_groups_are_known_they_belong_to_chance_and_impostors_of_the_same_group_are_told(linked):
    """Thirty-nine of forty persons in three groups; the last is alone in its own and left out."""
    groups = pd.Series([*np.repeat(["a", "b", "c"], 13), "alone"])
    grouped = dataclasses.replace(linked, groups=groups)
    settings, evidence, verdict = study(grouped)
    _, every, _ = study(linked)
    assert verdict["same-label link, AUC"] == "above chance"
    assert len(grouped.classes) == PERSONS and len(grouped.renamed) == evidence.labelled.renamed == PERSONS - 1
    kept = [
        tuple(values[labels < 39] for values in (rows, labels)) for rows, labels in (linked.synthetic, linked.authentic)
    ]
    part = dataclasses.replace(linked, synthetic=kept[0], authentic=kept[1])
    assert evidence.labelled.link.test.observed == pytest.approx(score_settings(part, 1).metrics[LINK].auc, abs=1e-3)
    assert abs(evidence.labelled.link.estimate.draws.mean() - evidence.labelled.link.estimate.value) < 0.02
    assert every.labelled.link.test.observed == pytest.approx(settings.metrics[LINK].auc, abs=1e-3)
    (rows, mine), (others, theirs) = kept[1], kept[0]
    same, one_group = mine[:, None] == theirs, mine[:, None] // 13 == theirs // 13
    expected = roc_auc_score(same[one_group], (rows @ others.T)[one_group])
    assert settings.metrics[SAME_GROUP].auc == pytest.approx(expected, abs=1e-6)
    assert evidence.by_pair[SAME_GROUP]["auc"].value == pytest.approx(expected, abs=2e-3)


def test_an_incompetent_judge_gets_no_verdict(unlinked):
    random = np.random.default_rng(0)

    def blind(given):
        rows = random.standard_normal(given[0].shape).astype(np.float32)
        return rows / np.linalg.norm(rows, axis=1, keepdims=True), given[1]

    names = ("authentic", "synthetic", "control", "held_out")
    settings, _, verdict = study(EmbeddedSets(*(blind(getattr(unlinked, name)) for name in names)))
    assert not settings.competent and all(said.startswith("not judged") for said in verdict.values())


def test_a_study_that_is_too_large_is_of_the_first_images_of_each_identity():
    first, second = np.repeat(np.arange(5), 20), np.tile(np.arange(7), 12)
    whole = affordable(first, second)
    assert len(whole[0]) == 100 and second[whole[1]].max() == 4  # Identities that did not train have no part.
    some = affordable(first, second, most_scores=15 * 15)
    assert some[0].tolist() == [20 * i + j for i in range(5) for j in range(3)]
    assert some[1].tolist() == [7 * j + i for j in range(3) for i in range(5)]
    assert np.unique(first[affordable(first, second, most_identities=2)[0]]).tolist() == [0, 1]
    kept, few = affordable(first, np.arange(4), most_scores=30 * 29 // 2, by_label=False)
    assert len(kept) == 30 and len(few) == 4  # Where one set is small, the scores within the other are the most.


def test_templates_of_more_images_make_no_link():
    """Training templates of twenty images and unseen ones of ten, all with a mean in common, and no link."""
    random = np.random.default_rng(0)

    def faces(images: int):
        labels = np.repeat(np.arange(PERSONS), images)
        rows = 1 + random.standard_normal((PERSONS, 32))[labels] + 3 * random.standard_normal((len(labels), 32))
        return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32), labels

    given = EmbeddedSets(faces(20), faces(12), faces(10))
    _, evidence, _ = study(given)
    assert evidence.label_free.test.p_two_sided > 0.01 and evidence.persons.test.p_two_sided > 0.01


def test_rows_that_are_no_embeddings_are_refused_by_set_and_row(linked):
    rows, labels = linked.control
    bad = rows.copy()
    bad[3] = np.nan
    with pytest.raises(InputError, match="row 3 of set control"):
        dataclasses.replace(linked, control=(bad, labels))


def test_the_link_of_a_part_is_that_of_the_part(linked):
    whole = left_of(linked, np.arange(len(linked.synthetic[0])))
    assert whole["link_auc"] == score_settings(linked, 1).metrics[LINK].auc
    assert left_of(linked, np.arange(0, 480, 12))["rank1"] > 0.3
    assert set(left_of(linked, np.arange(0)).values()) == {None}


def test_judges_stand_in_the_order_given_with_pixels_last_and_each_once():
    embedder = Embedder(make_accelerator())
    assert [judge.name for judge in open_judges({"a": VERIFIER_PATH}, embedder)] == ["a", PIXELS]
    with pytest.raises(InputError, match=r"the second verifier \(.*\) is the same model as the verifier"):
        open_judges({"verifier": VERIFIER_PATH, "second verifier": VERIFIER_PATH}, embedder)


def seen_by(judge, *sets):
    """Training, synthetic, control and held-out images as a judge embeds them."""
    return EmbeddedSets(*((judge.embed(faces), faces.require_labels()) for faces in sets))


@pytest.mark.nightly
def test_unseen_images_that_are_as_sharp_are_what_the_judge_has_seen_of_them():
    """A set of control persons' pictures: nothing is blurred, and what was embedded of them serves."""
    verifier = open_judge("verifier", VERIFIER_PATH, Embedder(make_accelerator()))
    training, control = shipped_faces("balanced"), shipped_faces("control")
    training, drawn = training.subset(first_images(training, 40, 3)), control.subset(first_images(control, 30, 20))
    pictures = make_pictures(training, drawn, control, None, 20, 0)
    assert pictures.control.images is None
    embedded, blurred = (
        [],
        dataclasses.replace(pictures.control, images=control.load(pictures.control.positions).numpy()),
    )

    def embed(images):
        embedded.append(len(images))
        return verifier.embed_images(images)

    sets = seen_by(verifier, training, drawn, control)
    found = plant_copies(embed, pictures, sets, seed=0)
    assert set(embedded) == {20}  # The altered copies alone.
    again = plant_copies(embed, dataclasses.replace(pictures, control=blurred), sets, seed=0)
    assert found.strangers.threshold == pytest.approx(again.strangers.threshold, abs=1e-5)


@pytest.mark.slow
def test_planted_copies_are_blurred_like_the_null(tmp_path):
    """A synthetic set of blurred pictures: copies that were left sharp would be told from the null by that alone."""
    training, control = shipped_faces("balanced"), shipped_faces("control")
    training, control = training.subset(first_images(training, 20, 3)), control.subset(first_images(control, 100, 10))
    originals = training.load(np.arange(len(training))).numpy()
    soft = blurred(originals, 1.2)
    write_faces(tmp_path / "soft", soft)
    pictures = make_pictures(training, open_faces(tmp_path / "soft"), control, training, 20, 0)
    most = AS_SHARP * sharpness(soft)
    assert sharpness(originals) > 2 * most
    made = {"control": pictures.control.images, "held-out": pictures.held_out.images} | pictures.copies
    assert len(made) == 2 + len(ALTERATIONS)
    assert [name for name, images in made.items() if images is None or sharpness(images) > most] == []


def test_of_many_unseen_persons_as_many_images_as_the_set_has_are_enough():
    labels = np.repeat(np.arange(100), 30)
    positions = _of_persons(labels, 2000, 0)
    assert len(positions) == 67 * 30 and len(np.unique(labels[positions])) == 67
    assert len(_of_persons(labels, 5000, 0)) == 3000
    assert set(_of_persons(labels, 2000, 1)) != set(positions)


@pytest.mark.slow
def test_planted_copies_of_rendered_faces_are_found():
    """Control persons blurred to the sharpness of the shipped held-out images stand in for a synthetic set."""
    verifier = open_judge("verifier", VERIFIER_PATH, Embedder(make_accelerator()))
    control, training = shipped_faces("control"), shipped_faces("balanced")
    training = training.subset(first_images(training, 100, 3))
    stand_in = shipped_faces("global")
    stand_in = stand_in.subset(first_images(stand_in, 100, 4))
    assert make_pictures(training, stand_in, control.subset(first_images(control, 79, 10)), None, 60, 0) is None
    control = control.subset(first_images(control, 100, 10))
    pictures = make_pictures(training, stand_in, control, None, 60, 0)
    assert len(pictures.control.positions) == 1000
    found = plant_copies(verifier.embed_images, pictures, seen_by(verifier, training, stand_in, control), seed=0)
    assert found.same_persons is found.unseen_above is None
    alarm = found.strangers
    assert alarm.silent.alteration == "none" and 0.01 <= alarm.silent.rate <= 0.1 and alarm.silent.set_size == 25
    rates = alarm.table().query("alteration in ('exact copy', 'mirror')").set_index("share")["rate"]
    assert (rates[rates.index >= 0.005] > 0.9).all()
    assert alarm.share_above < 0.02 and found.largest < alarm.threshold + 0.3


@pytest.mark.nightly
def test_other_images_of_the_same_persons_raise_the_first_alarm_and_not_the_second():
    """Half of the shipped held-out images stand in for a generator that draws likenesses and copies nothing."""
    verifier = open_judge("verifier", VERIFIER_PATH, Embedder(make_accelerator()))
    training, others, control = (shipped_faces(name) for name in ("balanced", "held-out", "control"))
    training = training.subset(first_images(training, 200, 5))
    first = np.arange(len(others)) % 5 < 4
    drawn, unseen = others.subset(~first), others.subset(first)
    pictures = make_pictures(training, drawn, control, unseen, 40, 0)
    found = plant_copies(verifier.embed_images, pictures, seen_by(verifier, training, drawn, control, unseen), seed=0)
    assert found.strangers.share_above > 0.02 and found.unseen_above > 0.02
    assert found.same_persons.share_above == 0 < found.strangers.threshold < found.same_persons.threshold
    exact = found.same_persons.table().query("alteration == 'exact copy'")
    assert (exact["rate"] > 0.9).all()


@pytest.mark.slow
def test_without_exchangeable_persons_a_set_is_held_against_unexposed_ones(linked, unlinked):
    barred = {"control": NOT_EXCHANGEABLE}
    other = {"floor": photographs(PERSONS, 12, 9, law=8)}
    for given, nearer in ((linked, True), (unlinked, False)):
        _, evidence, verdict = study(dataclasses.replace(given, unexposed=other), barred)
        assert (verdict[NEARER] == "above chance") is nearer
        assert verdict["label-free link, share of classes"] == f"no claim: {NOT_EXCHANGEABLE}"
        assert evidence.unlabelled and not any(each.leak for each in evidence.unlabelled)
        assert set(evidence.nearer) == {"floor"}
    # Where persons are exchangeable, nothing is claimed from unexposed sets; the numbers stand.
    _, evidence, verdict = study(dataclasses.replace(linked, unexposed=other))
    assert NEARER not in verdict and evidence.nearer and evidence.unlabelled[-1].leak.bound > 0.5


def test_a_set_must_be_nearer_than_every_unexposed_set(linked, unlinked):
    """One floor of strangers, and one that is the training set itself, which nothing is nearer to."""
    floors = {"strangers": photographs(PERSONS, 12, 9, law=8), "training": linked.authentic}
    _, evidence, verdict = study(dataclasses.replace(linked, unexposed=floors), {"control": NOT_EXCHANGEABLE})
    assert evidence.nearer["strangers"].best.test.p_value < 0.01
    assert evidence.nearer["training"].best.estimate.value < 0
    assert verdict[NEARER].startswith("not decided")
    floors = {"strangers": floors["strangers"], "like it": photographs(PERSONS, 12, 10, noise=1.4)}
    assert study(dataclasses.replace(linked, unexposed=floors), {"control": NOT_EXCHANGEABLE})[2][NEARER].startswith(
        "not decided"
    )


def test_a_set_whose_classes_look_alike_is_not_told_apart(linked):
    within = compare_within(*linked.authentic)
    assert not_told_apart(*linked.synthetic, within) == ""
    rows, labels = linked.synthetic
    alike = rows + 2 * rows[0]
    alike /= np.linalg.norm(alike, axis=1, keepdims=True)
    mean = compare_within(alike, labels).impostors.mean
    assert f"two of them score {mean:.2f} on average, which fewer than 1 %" in not_told_apart(alike, labels, within)
