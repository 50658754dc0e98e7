"""What the classifier says of an image is a function of files and a seed, and no other file is taken for one."""

import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_faces import NAMES, SIZE_PX, random_set, tiny_classifier, tiny_embedder

from sface_lib.attributes import AttributeClassifier, annotate_faces, open_classifier
from sface_lib.attributes.annotate import annotate_images
from sface_lib.attributes.calibration import probabilities
from sface_lib.attributes.classifier import confidence
from sface_lib.data import FaceSet
from sface_lib.engine import make_accelerator, read_description
from sface_lib.errors import InputError, WeightsError
from sface_lib.population import VERIFIER_PATH
from sface_lib.recognition import Embedder, InputSpec, embed_faces, open_model


@pytest.fixture(scope="module")
def faces(tmp_path_factory) -> FaceSet:
    return random_set(tmp_path_factory.mktemp("faces") / "set.zip", 30, 6)


def annotated(classifier: AttributeClassifier, faces: FaceSet, **options):
    return annotate_faces(classifier, faces, Embedder(make_accelerator("float32")), **options)


def embedded(classifier: AttributeClassifier, faces: FaceSet) -> np.ndarray:
    return embed_faces(classifier.embedder, faces, make_accelerator("float32"))


def same(a, b, tolerance: float = 0.0) -> bool:
    close = [
        np.allclose(getattr(a, what), getattr(b, what), rtol=0, atol=tolerance)
        for what in ("probability", "confidence")
    ]
    return a.names == b.names and all(close) and (tolerance > 0 or np.array_equal(a.label, b.label))


# Confidence


def plain_confidence(said: np.ndarray) -> float:
    """Mean minus the mean distance over all ordered pairs of passes, of which there are T^2."""
    total = 0.0
    for a in said:
        for b in said:
            total += abs(a - b)
    return said.mean() - total / len(said) ** 2


@pytest.mark.parametrize("passes", [1, 2, 3, 20])
def test_confidence_is_the_mean_less_the_mean_distance_of_two_passes(passes):
    said = np.random.default_rng(passes).random((passes, 4, 3))
    found = confidence(torch.from_numpy(said)).numpy()
    assert found.shape == (4, 3)
    for place in np.ndindex(4, 3):
        assert found[place] == pytest.approx(plain_confidence(said[(slice(None), *place)]), abs=1e-12)  # Rounding.


def test_confidence_by_hand():
    """Two passes of 0.6 and 0.8: 0.7 less 0.2 in two of four ordered pairs."""
    assert confidence(torch.tensor([[0.8], [0.6]])).item() == pytest.approx(0.6)


def test_only_certain_passes_are_trusted_wholly_and_disagreement_takes_from_it():
    assert (confidence(torch.ones(20, 3)) == 1).all() and (confidence(torch.zeros(20, 3)) == 0).all()
    ends = torch.linspace(-1, 1, 21, dtype=torch.float64)
    of_spread = [confidence(0.6 + spread * ends[:, None]).item() for spread in (0.0, 0.1, 0.2, 0.4)]
    assert of_spread[0] == pytest.approx(0.6) and np.all(np.diff(of_spread) < -0.01)
    said = torch.rand(20, 1000, generator=torch.Generator().manual_seed(0))
    assert confidence(said).max() <= 1 and (confidence(said) < said.mean(0)).all()


def test_the_order_of_passes_says_nothing():
    said = torch.rand(7, 50, dtype=torch.float64)
    torch.testing.assert_close(confidence(said.flip(0)), confidence(said))


# Annotations


def test_annotations_are_calibrated_probabilities_their_labels_and_confidences(faces):
    classifier = tiny_classifier()
    found, embeddings = annotated(classifier, faces), embedded(classifier, faces)
    assert found.names == classifier.names == NAMES
    assert found.probability.dtype == found.confidence.dtype == np.float32 and found.label.dtype == np.int8
    assert found.probability.shape == found.confidence.shape == found.label.shape == (30, 6)
    logits = torch.from_numpy(classifier.logits(embeddings)) * classifier.scale + classifier.bias
    np.testing.assert_allclose(found.probability, probabilities(logits, NAMES).numpy(), atol=1e-6)  # Rounding.
    above = found.probability >= classifier.thresholds.numpy()
    ages = [NAMES.index(n) for n in ("Young", "Middle_Aged", "Senior")]
    others = [i for i in range(6) if i not in ages]
    np.testing.assert_array_equal(found.label[:, others] == 1, above[:, others])
    assert ((found.label[:, ages] == 1).sum(1) == above[:, ages].any(1)).all()
    assert {-1, 1} == set(found.label.ravel().tolist()) and found.probability.std(0).min() > 0.005


def test_embeddings_are_the_embedders_and_of_unit_length(faces):
    for embedder in (tiny_embedder(), tiny_embedder(2, InputSpec(20, (2, 2, 16, 16), mirror="concat"))):
        classifier, accelerator = tiny_classifier(embedder), make_accelerator("float32")
        embeddings = np.concatenate(list(classifier.embeddings(faces.load().split(7), accelerator)))
        # Of the image alone, whatever the model does with mirror images; up to rounding.
        np.testing.assert_allclose(embeddings, embed_faces(embedder, faces, accelerator, fuse=False), atol=1e-5)
        np.testing.assert_allclose(np.linalg.norm(embeddings, axis=1), 1, atol=1e-6)


def test_images_in_memory_are_annotated_as_a_set_is(faces):
    classifier, accelerator = tiny_classifier(), make_accelerator("float32")
    assert same(annotate_images(classifier, faces.load().numpy(), accelerator), annotated(classifier, faces))


def test_without_dropout_the_confidence_is_the_labels_probability(faces):
    found = annotated(tiny_classifier(dropout=0.0), faces, passes=5)
    of_label = np.where(found.label == 1, found.probability, 1 - found.probability)
    np.testing.assert_allclose(found.confidence, of_label, atol=1e-6)  # Rounding.
    shaken = annotated(tiny_classifier(), faces, passes=20)
    np.testing.assert_array_equal(shaken.probability, found.probability)
    # Passes that leave out 30 % of the features differ, and are less sure in the mean.
    assert (shaken.confidence < of_label).mean() > 0.9


def test_what_is_drawn_is_a_function_of_seed_and_block(faces):
    classifier = tiny_classifier()
    rows = embedded(classifier, faces)
    first = classifier.annotate(rows, seed=3, block=1)
    torch.manual_seed(12345)
    torch.rand(7)
    assert same(classifier.annotate(rows, seed=3, block=1), first)
    for seed, block in ((4, 1), (3, 2), (1, 3)):
        other = classifier.annotate(rows, seed=seed, block=block)
        assert not np.array_equal(other.confidence, first.confidence)
        np.testing.assert_array_equal(other.probability, first.probability)
        np.testing.assert_array_equal(other.label, first.label)


def test_more_passes_give_a_steadier_confidence(faces):
    classifier = tiny_classifier()
    rows = embedded(classifier, faces)
    spread = [
        np.std([classifier.annotate(rows, seed, 0, passes).confidence for seed in range(10)], 0).mean()
        for passes in (4, 64)
    ]
    assert spread[1] < spread[0] / 2.5  # The root of 16 is 4.


def test_asking_for_embeddings_leaves_the_callers_gradients_on(faces):
    """What is given one batch at a time may be left off midway, or used between two batches."""
    batches = tiny_classifier().embeddings([faces.load([0]), faces.load([1])], make_accelerator("float32"))
    next(batches)
    left_on = not torch.is_inference_mode_enabled()
    batches.close()
    assert left_on


# What is known of a classifier


def test_attributes_that_were_never_judged_are_not_reliable():
    classifier = tiny_classifier()
    assert classifier.reliable(0.75).tolist() == [False, True, True, False, True, True]
    assert classifier.reliable(0.0).tolist() == [False] + [True] * 5
    table = classifier.reliability
    assert list(table.index) == list(NAMES) and np.isnan(table.loc["Male", ["fpr", "balanced_accuracy"]]).all()
    assert table["tpr"].tolist() == [0.9] * 6


def test_reliability_is_found_by_name_in_whatever_order_it_was_noted():
    classifier = tiny_classifier()
    classifier.description["reliability"] = classifier.description["reliability"][::-1]
    assert classifier.reliable(0.75).tolist() == [False, True, True, False, True, True]


@pytest.mark.slow
def test_a_fingerprint_is_of_head_calibration_thresholds_and_embedder():
    first = tiny_classifier().fingerprint
    assert tiny_classifier().fingerprint == first != tiny_classifier(tiny_embedder(5)).fingerprint
    for name in ("scale", "bias", "thresholds", "head.logit_bias", "head.shared.0.weight"):
        changed = tiny_classifier()
        changed.state_dict()[name].add_(0.01)
        assert changed.fingerprint != first


# Files


@pytest.mark.parametrize("spec", [None, InputSpec(20, (2, 2, 16, 16), 100.0, 60.0, "concat")])
def test_a_classifier_with_its_own_network_comes_back_as_it_was(tmp_path, faces, spec):
    classifier = tiny_classifier(tiny_embedder(3, spec))
    found = open_classifier(classifier.save(tmp_path / "own.safetensors"))
    assert same(annotated(found, faces), annotated(classifier, faces))
    assert found.fingerprint == classifier.fingerprint and found.own
    assert found.description == classifier.description and found.embedder.spec == classifier.embedder.spec
    again = open_classifier(found.save(tmp_path / "again.safetensors"))
    assert (tmp_path / "again.safetensors").read_bytes() == (tmp_path / "own.safetensors").read_bytes()
    assert again.head.dropout == classifier.head.dropout
    with pytest.raises(
        InputError, match="has a network of its own, so that nothing is embedded by r50.pth; leave it out"
    ):
        open_classifier(tmp_path / "own.safetensors", "r50.pth")


def test_a_head_on_another_models_embeddings_comes_back_with_that_model(tmp_path, faces):
    weights = tiny_embedder(4).save(tmp_path / "model.safetensors")
    classifier = tiny_classifier(open_model(weights), own=False)
    path = classifier.save(tmp_path / "head.safetensors")
    found = open_classifier(path, weights)
    assert same(annotated(found, faces), annotated(classifier, faces)) and not found.own
    assert found.fingerprint == classifier.fingerprint and found.description == classifier.description
    # The model's weights are not given away with the head.
    held = sum(tensor.numel() for tensor in load_file(path).values())
    assert held == sum(tensor.numel() for tensor in classifier.state_dict().values())


@pytest.mark.slow
def test_without_a_word_the_embedder_is_the_shipped_verifier(tmp_path, faces):
    classifier = tiny_classifier(open_model(VERIFIER_PATH), own=False)
    width = embedded(classifier, faces.subset([0])).shape[1]
    assert classifier.head.shared[0].in_features == width
    found = open_classifier(classifier.save(tmp_path / "head.safetensors"))
    assert same(annotated(found, faces), annotated(classifier, faces))


@pytest.mark.parametrize("own", [True, False])
def test_half_precision_is_close_and_half_the_size(tmp_path, faces, own):
    weights = tiny_embedder().save(tmp_path / "model.safetensors")
    classifier = tiny_classifier(own=own)
    whole, half = classifier.save(tmp_path / "a.safetensors"), classifier.save(tmp_path / "b.safetensors", half=True)
    found = open_classifier(half, None if own else weights)
    # Weights are rounded to 11 bits, and logits of up to 10 by 10 / 2^11 in each of two layers of the head; of that a
    # probability moves by a quarter, and by a few times as much through the eight layers of a network of its own.
    assert same(annotated(found, faces), annotated(classifier, faces), tolerance=1e-2)
    assert (annotated(found, faces).label == annotated(classifier, faces).label).mean() > 0.95
    assert torch.equal(found.scale, classifier.scale) and torch.equal(found.thresholds, classifier.thresholds)
    for name, tensor in load_file(half).items():
        assert tensor.dtype == (torch.float16 if tensor.ndim > 1 else load_file(whole)[name].dtype)


def test_another_embedder_than_the_heads_is_refused(tmp_path):
    path = tiny_classifier(own=False).save(tmp_path / "head.safetensors")
    other = tiny_embedder(7).save(tmp_path / "other.safetensors")
    with pytest.raises(
        InputError, match=r"embeddings of another model than .*other.safetensors; .*trained on: nothing"
    ):
        open_classifier(path, other)
    with pytest.raises(InputError, match="embeddings of another model than the shipped verifier"):
        open_classifier(path)


def test_a_recognition_model_and_a_classifier_are_not_taken_for_one_another(tmp_path):
    with pytest.raises(
        WeightsError, match="verifier.* holds no attribute classifier; train one with `sface attributes"
    ):
        open_classifier(VERIFIER_PATH)
    path = tiny_classifier().save(tmp_path / "mac.safetensors")
    with pytest.raises(WeightsError, match="holds attribute classifier .*; give a recognition model"):
        open_model(path)


def test_files_that_are_damaged_or_missing_are_refused(tmp_path):
    whole = tiny_classifier().save(tmp_path / "mac.safetensors").read_bytes()
    damaged = tmp_path / "damaged.safetensors"
    for content in (whole[: len(whole) // 2], whole[:200], whole[:-1]):
        damaged.write_bytes(content)
        with pytest.raises(WeightsError, match="damaged.safetensors cannot be read as safetensors"):
            open_classifier(damaged)
    for path in (tmp_path / "none.safetensors", tmp_path):
        with pytest.raises(WeightsError, match="cannot be read as safetensors"):
            open_classifier(path)
    save_file({"a": torch.zeros(2)}, damaged)
    with pytest.raises(WeightsError, match="holds no attribute classifier"):
        open_classifier(damaged)


@pytest.mark.parametrize("name", ["classifier.thresholds", "classifier.head.branch_weight", "embedder.head.weight"])
def test_a_file_that_lacks_a_tensor_or_has_it_in_another_shape_is_refused(tmp_path, name):
    path = tiny_classifier().save(tmp_path / "mac.safetensors")
    about, state = {"sface": json.dumps(read_description(path))}, load_file(path)
    short = name.split(".", 1)[1].replace(".", r"\.")
    save_file({n: t for n, t in state.items() if n != name}, tmp_path / "lacks.safetensors", about)
    save_file(state | {name: torch.zeros(3, 1, 2)}, tmp_path / "bent.safetensors", about)
    for file in ("lacks", "bent"):
        with pytest.raises(WeightsError, match=f"{file}.safetensors does not fit the network: .*{short}"):
            open_classifier(tmp_path / f"{file}.safetensors")


def test_images_of_any_size_are_brought_to_the_networks(tmp_path):
    large = random_set(tmp_path / "large.zip", 12, None, 3 * SIZE_PX)
    found = annotated(tiny_classifier(), large)
    shrunk = large.load(size_px=SIZE_PX).numpy()
    assert same(annotate_images(tiny_classifier(), shrunk, make_accelerator("float32")), found)
