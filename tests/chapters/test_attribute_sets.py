"""Which sets notebook 06 compares, who is one person in two of them, and which classifier tells their attributes."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from stage_folder import StageFolder, pairs_of
from tiny_faces import NAMES, random_set, tiny_classifier

from sface_lib.attributes import ATTRIBUTES, SHIPPED_PATH, annotate_faces
from sface_lib.chapters import handover
from sface_lib.chapters.attributes import sets as compared
from sface_lib.chapters.attributes.parameters import AttributesParameters
from sface_lib.chapters.attributes.results import ClassifierFacts
from sface_lib.chapters.profiles import build_parameters
from sface_lib.chapters.registry import CHAPTERS
from sface_lib.chapters.setspec import GENERATED, SetSpec
from sface_lib.data import open_faces, write_faces, write_protocol
from sface_lib.engine import make_accelerator
from sface_lib.errors import ParameterError, WeightsError
from sface_lib.population import VERIFIER_PATH, shipped_faces, shipped_truth
from sface_lib.privacy.alterations import halved, sharpness
from sface_lib.recognition import Embedder, embed_faces, open_model, resolve_pairs
from sface_lib.run.parameters import check

FLOAT32 = "float32"


class Folder(StageFolder):
    """Of the embedded set unless told otherwise."""

    def __init__(self, folder, **parameters):
        super().__init__(folder, **{"authentic": "embedded", "protocol_faces": "", "seed": 0} | parameters)


def select(stage: Folder, positions) -> None:
    stage.output(handover.SELECTION).write_text(pd.DataFrame({"position": positions}).to_csv(index=False))


# Sets

CHOSEN = [0, 3, 21, 22, 47, 48]  # Two images each of the shipped set's first three identities.


@pytest.fixture
def embedded(tmp_path):
    """Of the embedded set: three identities train, the generator draws as many classes, and a set without any."""
    stage = Folder(tmp_path)
    select(stage, CHOSEN)
    random_set(stage.output(handover.SYNTHETIC), 12, 3)
    return stage.study(), random_set(tmp_path / "unlabelled.zip", 10)


def test_the_embedded_sets_have_their_names_roles_and_truth(embedded):
    found = compared.attribute_sets(*embedded)
    assert [(each.name, each.role) for each in found] == [
        *(("balanced", "authentic"), ("global", "authentic"), ("generated", "synthetic"), ("unlabelled", "synthetic"))
    ]
    assert [each.by_identity for each in found] == [True, True, True, False]
    for name, each in zip(("balanced", "global"), found, strict=False):
        truth = shipped_truth(name).set_index(pd.Index(shipped_faces(name).names))
        np.testing.assert_array_equal(each.truth, truth.loc[list(each.faces.names), list(ATTRIBUTES)])
    assert found[2].truth is None and found[3].truth is None
    assert list(found[0].faces.names) == [shipped_faces("balanced").names[i] for i in CHOSEN]
    # As many persons of the second authentic set as of the first, with all of their images.
    assert len(np.unique(found[1].units)) == 3 and len(found[1].faces) == 24


def test_a_class_is_the_person_that_it_was_drawn_after_and_nobody_else_is_in_two_sets(embedded):
    balanced, other, synthetic, unlabelled = compared.attribute_sets(*embedded)
    assert balanced.units.tolist() == [0, 0, 1, 1, 2, 2]
    np.testing.assert_array_equal(synthetic.units, synthetic.faces.labels)
    assert len(np.unique(unlabelled.units)) == 10 and unlabelled.units.dtype == np.int64
    for one, another in ((balanced, other), (balanced, unlabelled), (other, synthetic), (other, unlabelled)):
        assert not set(one.units.tolist()) & set(another.units.tolist())


def test_without_an_unlabelled_set_there_are_three(embedded):
    assert [each.name for each in compared.attribute_sets(embedded[0], None)] == [
        "balanced",
        "global",
        "generated",
    ]


def test_sets_that_are_given_share_nobody_unless_their_labels_are_the_authentic_ones(tmp_path):
    files = {"own": 4, "a": 3, "b": None, "c": 4}
    own, first, second, third = (random_set(tmp_path / f"{name}.zip", 12, k) for name, k in files.items())
    asked = [SetSpec(name=GENERATED)]
    for faces, labels in ((first, "own"), (second, "none"), (third, "authentic")):
        asked.append(SetSpec(name=faces.path.stem, path=str(faces.path), labels=labels))
    stage = Folder(tmp_path, authentic=str(own.path), synthetic=tuple(asked))
    select(stage, np.arange(12))
    random_set(stage.output(handover.SYNTHETIC), 8, 4)
    found = compared.attribute_sets(stage.study(), None)
    assert [(each.name, each.role) for each in found] == [
        ("authentic", "authentic"),
        *((name, "synthetic") for name in ("generated", "a", "b", "c")),
    ]
    assert [each.by_identity for each in found] == [True, True, True, False, True]
    assert all(each.truth is None for each in found) and [len(each.faces) for each in found] == [12, 8, 12, 12, 12]
    people = [set(each.units.tolist()) for each in found]
    assert people[0] == people[1] == people[4]
    assert len(set().union(*people[1:4])) == sum(map(len, people[1:4]))


def test_the_shipped_unexposed_set_comes_with_its_truth(tmp_path):
    stage = Folder(tmp_path, synthetic=(SetSpec(name="floor", path="embedded"),))
    select(stage, CHOSEN)
    found = compared.attribute_sets(stage.study(), None)
    assert [each.name for each in found] == ["balanced", "global", "floor"]
    truth = shipped_truth("unexposed").set_index(pd.Index(shipped_faces("unexposed").names))
    np.testing.assert_array_equal(found[2].truth, truth.loc[list(found[2].faces.names), list(ATTRIBUTES)])
    assert np.bincount(found[2].faces.labels).tolist() == [2, 2, 2]  # As many as train.


# Annotations of a set


def test_a_sets_annotations_stand_beside_its_own_truth(embedded):
    whole = compared.attribute_sets(*embedded)[1]
    classifier, accelerator = tiny_classifier(), make_accelerator(FLOAT32)
    told, found = compared.annotate(whole, classifier, Embedder(accelerator), 3)
    own = annotate_faces(classifier, whole.faces, Embedder(accelerator), 3, compared.PASSES)
    np.testing.assert_array_equal(told.labels, own.label)
    np.testing.assert_array_equal(told.probability, own.probability)
    np.testing.assert_array_equal(found.confidence, own.confidence)
    np.testing.assert_array_equal(told.truth, whole.truth[:, [ATTRIBUTES.index(name) for name in NAMES]])
    assert (told.name, told.role, told.names, told.by_identity) == ("global", "authentic", NAMES, True)
    np.testing.assert_array_equal(told.units, whole.units)


def test_degraded_images_are_as_sharp_as_the_other_sets_or_of_half_the_resolution(tmp_path, monkeypatch):
    sharp = random_set(tmp_path / "sharp.zip", 40, 5)
    soft_images = (random_set(tmp_path / "other.zip", 30, 5).load().numpy() / 4 + 90).astype(np.uint8)
    soft = open_faces(write_faces(tmp_path / "soft.zip", soft_images, np.arange(30) % 5))
    sets = [compared.AttributeSet(n, "authentic", f, f.labels + 7, True) for n, f in (("a", sharp), ("b", soft))]
    seen = []
    function = compared.annotate_images

    def record(classifier, images, *more):
        seen.append(images)
        return function(classifier, images, *more)

    monkeypatch.setattr(compared, "annotate_images", record)
    positions, labels = compared.degraded(*sets, tiny_classifier(), make_accelerator(FLOAT32), 0, most=24)
    originals, target = sharp.load().numpy(), sharpness(soft_images)
    assert len(set(positions.tolist())) == 24 and list(labels) == ["same sharpness", "half the resolution"]
    assert {found.shape for found in labels.values()} == {(24, len(NAMES))}
    assert sharpness(originals) > 2 * target
    # Twelve halvings of the width; grey levels are whole numbers.
    assert sharpness(seen[0]) == pytest.approx(target, rel=0.02)
    # Blur alone: the images keep their light and their order.
    light = [images.astype(float).mean((1, 2, 3)) for images in (seen[0], originals[positions])]
    np.testing.assert_allclose(*light, atol=3)
    np.testing.assert_array_equal(seen[1], halved(originals[positions], np.random.default_rng(0)))
    # Images that are softer than the other set's keep their sharpness.
    positions, _ = compared.degraded(sets[1], sets[0], tiny_classifier(), make_accelerator(FLOAT32), 0, most=24)
    np.testing.assert_array_equal(seen[2], soft_images[positions])


def test_embeddings_of_a_sample_are_the_verifiers_with_their_persons(tmp_path):
    faces = random_set(tmp_path / "set.zip", 14, 7)
    given = compared.AttributeSet("a", "authentic", faces, faces.labels + 100, True)
    verifier, accelerator = open_model(VERIFIER_PATH), make_accelerator(FLOAT32)
    whole = embed_faces(verifier, faces, accelerator, fuse=False)
    other = tiny_classifier()  # Of another model than the verifier.
    found = annotate_faces(other, faces, Embedder(accelerator))
    rows, units = compared.sample_embeddings(verifier, given, other, found, Embedder(accelerator), 0, most=4)
    assert len(rows) == len(units) == 4
    at = np.argmax(rows @ whole.T, 1)
    assert len(set(at.tolist())) == 4 and np.allclose(rows, whole[at], atol=1e-4)  # Sums in another order.
    np.testing.assert_array_equal(units, faces.labels[at] + 100)
    # A classifier of the verifier's embeddings has them already.
    read = dataclasses.replace(found, embedding=np.arange(14.0)[:, None])
    head = tiny_classifier(verifier, own=False)
    again, _ = compared.sample_embeddings(verifier, given, head, read, Embedder(accelerator), 0, most=4)
    np.testing.assert_array_equal(again[:, 0], at)


# The classifier


def test_which_classifier_tells_the_attributes(tmp_path):
    shipped = compared.attribute_classifier(Folder(tmp_path, attribute_classifier="auto").study())
    own = tiny_classifier()
    path = own.save(tmp_path / "mac.safetensors")
    given = Folder(tmp_path, authentic=str(tmp_path), attribute_classifier=str(path)).study()
    assert shipped.fingerprint == compared.open_classifier(SHIPPED_PATH).fingerprint
    assert compared.attribute_classifier(given).fingerprint == own.fingerprint
    assert compared.attribute_classifier(Folder(tmp_path, attribute_classifier="none").study()) is None
    # The shipped one knows rendered faces; of others it says nothing unasked.
    others = {"authentic": str(tmp_path), "attribute_classifier": "auto"}
    assert compared.attribute_classifier(Folder(tmp_path, **others).study()) is None
    with pytest.raises(WeightsError, match="holds no attribute classifier"):
        compared.attribute_classifier(Folder(tmp_path, attribute_classifier=str(VERIFIER_PATH)).study())


def test_the_results_say_which_classifier_it_was():
    classifier = tiny_classifier()
    facts = compared.classifier_facts(classifier, 0.78)
    assert facts == ClassifierFacts(classifier.fingerprint, "numbers made up", tuple(NAMES), 2)


# Evaluated pairs


def test_attributes_of_evaluated_pairs_are_the_truth_of_both_images_beside_who_was_right(tmp_path):
    """Benchmarks share images and name them in no order; rows of both tables stay those of the same pair."""
    stage, faces = Folder(tmp_path), shipped_faces("benchmark")
    given = {
        "second": [(2000, 41, 0, 1), (7, 60, 0, 1), (90, 91, 1, 2)],
        "first": [(41, 7, 0, 1), (60, 61, 1, 2)],
    }
    resolved = {name: resolve_pairs(pairs_of(faces, rows), faces) for name, rows in given.items()}
    handover.write_pairs(stage, resolved)
    correct = {
        "second": {"baseline": np.array([1, 0, 0.5]), "CLS": np.array([0.0, 1, 1])},
        "first": {"baseline": np.array([0.0, 1]), "CLS": np.array([0.25, 1])},
    }
    handover.write_correct(stage, correct)
    embedder = Embedder(make_accelerator(FLOAT32))
    left, right = compared.evaluated_attributes(stage.study(), tiny_classifier(), embedder, 0)
    table = pd.read_csv(stage.input(handover.CORRECT))
    truth = shipped_truth("benchmark")[list(NAMES)].to_numpy()
    rows = given["second"] + given["first"]
    np.testing.assert_array_equal(left, truth[[row[0] for row in rows]])
    np.testing.assert_array_equal(right, truth[[row[1] for row in rows]])
    assert left.dtype == np.int8 and len(np.unique(truth[[row[0] for row in rows]], axis=0)) > 1
    assert table["benchmark"].tolist() == ["second"] * 3 + ["first"] * 2
    assert table["baseline"].tolist() == [1, 0, 0.5, 0, 1] and table["CLS"].tolist() == [0, 1, 1, 0.25, 1]


def test_of_faces_without_truth_the_classifier_says_the_attributes(tmp_path):
    faces = random_set(tmp_path / "set.zip", 12, 4)
    rows = [(9, 1, 1, 1), (2, 3, 0, 1), (1, 5, 1, 2), (3, 9, 0, 2)]
    protocol = write_protocol(tmp_path / "pairs.csv", pairs_of(faces, rows))
    stage = Folder(tmp_path, authentic=str(faces.path), protocol=str(protocol))
    handover.write_pairs(stage, {"own": resolve_pairs(pairs_of(faces, rows), faces)})
    classifier, accelerator = tiny_classifier(), make_accelerator(FLOAT32)
    left, right = compared.evaluated_attributes(stage.study(), classifier, Embedder(accelerator), 0)
    told = annotate_faces(classifier, faces, Embedder(accelerator)).label
    np.testing.assert_array_equal(left, told[[row[0] for row in rows]])
    np.testing.assert_array_equal(right, told[[row[1] for row in rows]])
    assert len(np.unique(told, axis=0)) > 1


# Parameters


def test_a_classifier_is_a_word_or_a_path_that_exists(tmp_path, monkeypatch):
    (tmp_path / "mac.safetensors").write_bytes(b"")
    monkeypatch.chdir(tmp_path)
    for given, kept in (("auto", "auto"), ("none", "none"), ("mac.safetensors", str(tmp_path / "mac.safetensors"))):
        assert build_parameters("smoke", {"attribute_classifier": given}).attribute_classifier == kept
    with pytest.raises(
        ParameterError, match="attribute_classifier: no file or folder at 'mac.pth'; .*'auto' or 'none'"
    ):
        build_parameters("smoke", {"attribute_classifier": "mac.pth"})


@pytest.mark.parametrize("wrong", [0.49, 1.01, "often"])
def test_reliability_is_a_balanced_accuracy_from_chance_to_one(wrong):
    with pytest.raises(ParameterError, match="parameter attribute_reliability = .* is not allowed"):
        check(AttributesParameters, {"attribute_reliability": wrong})
    for right in (0.5, 1):
        assert check(AttributesParameters, {"attribute_reliability": right}).attribute_reliability == right


def test_only_notebook_06_reads_them_and_03_the_classifier():
    """Which calls groups where none are given."""
    names = {"attribute_classifier", "attribute_reliability"}
    read = {"06_attributes": names, "03_privacy": {"attribute_classifier"}}
    for chapter in CHAPTERS:
        assert names & chapter.parameters.model_fields.keys() == read.get(chapter.name, set())
