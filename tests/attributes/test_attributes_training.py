"""What shows in the pictures is learnt, and judged on persons who taught nothing."""

import numpy as np
import pytest
import torch
from tiny_faces import tiny_embedder, visible_set

from sface_lib.attributes import open_classifier, train_classifier, training
from sface_lib.attributes.training import FEWEST, AttributeBatches, image_recipe
from sface_lib.data import open_faces, write_faces
from sface_lib.engine import checkpoints, make_accelerator
from sface_lib.errors import CheckpointError, InputError
from sface_lib.recognition import RecognitionTrainer, embed_faces

SEEN = ("Male", "Smiling")
BITS = ("Male", "Smiling", "Bald", "Bangs", "Goatee", "Chubby", "Big_Nose", "Big_Lips")  # None excludes another.


@pytest.fixture(scope="module")
def seen(tmp_path_factory):
    """Forty persons, six images each, and what shows in them."""
    return visible_set(tmp_path_factory.mktemp("faces") / "seen.zip", 40, 6, 32)


def trained(faces, values, names, folder, **options):
    options = {"head_steps": 40} | options
    return train_classifier(faces, values, names, make_accelerator("float32"), folder, **options)


def from_images(seen, folder, **options):
    return trained(*seen, SEEN, folder, **{"size_px": 16, "steps": 6} | options)


# Learning


@pytest.mark.slow
@pytest.mark.parametrize("by", ["images", "embeddings"])
def test_what_shows_is_learnt_and_what_does_not_is_said_to_be_unreliable(tmp_path, seen, by):
    faces, values = seen
    hidden = np.where(np.random.default_rng(7).random(len(values)) < 0.5, 1, -1).astype(np.int8)[:, None]
    options = {"embedder": tiny_embedder()} if by == "embeddings" else {"size_px": 32, "steps": 60}
    names = ("Male", "Eyeglasses", "Smiling")
    classifier = trained(faces, np.hstack([values[:, :1], hidden, values[:, 1:]]), names, tmp_path, **options)
    table = classifier.reliability
    assert classifier.names == names and table["images"].tolist() == [24] * 3  # A tenth of the persons.
    assert table.loc[list(SEEN), "balanced_accuracy"].min() > 0.9 and table.loc[list(SEEN), "auc"].min() > 0.95
    # 24 images: a balanced accuracy of chance is 0.5 with a standard error of 0.1.
    assert abs(table.loc["Eyeglasses", "balanced_accuracy"] - 0.5) < 0.3
    assert classifier.own == (by == "images")
    other, truth = visible_set(tmp_path / "other.zip", 30, 2, 32, labelled=False, seed=5)
    rows = embed_faces(classifier.embedder, other, make_accelerator("float32"))
    labels = classifier.annotate(rows, 0, 0).label
    assert (labels[:, [0, 2]] == truth).mean() > 0.9
    # What the file holds is what was trained.
    weights = classifier.embedder.save(tmp_path / "model.safetensors")
    found = open_classifier(classifier.save(tmp_path / "mac.safetensors"), None if classifier.own else weights)
    assert found.fingerprint == classifier.fingerprint
    np.testing.assert_array_equal(found.annotate(rows, 0, 0).label, labels)


def test_the_same_seed_teaches_the_same_and_another_splits_and_teaches_otherwise(tmp_path, seen):
    made = [trained(*seen, SEEN, tmp_path, embedder=tiny_embedder(), seed=seed).fingerprint for seed in (0, 0, 1)]
    assert made[0] == made[1] != made[2]


def test_a_frozen_embedder_stays_as_it_is(tmp_path, seen):
    embedder = tiny_embedder()
    before = embedder.fingerprint
    classifier = trained(*seen, SEEN, tmp_path, embedder=embedder, trained_on="pictures made up")
    assert embedder.fingerprint == classifier.embedder.fingerprint == before
    assert classifier.description["trained_on"] == "pictures made up"
    assert not any(p.requires_grad for p in classifier.parameters())


# Who teaches, calibrates and judges


def coded(numbers: np.ndarray) -> np.ndarray:
    """Numbers up to 255 as eight attributes: what an annotation says is whose it is."""
    return np.where(numbers[:, None] >> np.arange(8) & 1, 1, -1).astype(np.int8)


def decoded(values: np.ndarray) -> np.ndarray:
    return (values == 1) @ (1 << np.arange(values.shape[1]))


@pytest.fixture
def parts(monkeypatch) -> dict[str, np.ndarray]:
    """The annotations that each part of the training was given."""
    seen = {}

    def recorded(name, at):
        function = getattr(training, name)

        def record(*arguments):
            seen[name] = decoded(arguments[at])
            return function(*arguments)

        monkeypatch.setattr(training, name, record)

    for name, at in (("fit_head", 1), ("fit_calibration", 1), ("fit_thresholds", 1), ("reliability", 2)):
        recorded(name, at)
    return seen


def test_no_person_is_in_two_of_the_three_parts(tmp_path, parts):
    persons = np.random.default_rng(0).permutation(np.repeat(np.arange(1, 81), 3))  # 1 to 80, images in no order.
    pixels = np.random.default_rng(1).integers(0, 256, (240, 3, 16, 16)).astype(np.uint8)
    faces = open_faces(write_faces(tmp_path / "set.zip", pixels, persons))
    trained(faces, coded(persons)[:, :7], BITS[:7], tmp_path, embedder=tiny_embedder())
    whose = {name: set(numbers.tolist()) for name, numbers in parts.items()}
    assert {name: len(numbers) for name, numbers in whose.items()} == {
        "fit_head": 64, "fit_calibration": 8, "fit_thresholds": 8, "reliability": 8,
    }  # fmt: skip
    assert whose["fit_calibration"] == whose["fit_thresholds"]
    assert whose["fit_head"] | whose["fit_calibration"] | whose["reliability"] == set(range(1, 81))
    assert [len(parts[n]) for n in ("fit_head", "fit_calibration", "reliability")] == [192, 24, 24]


def test_an_unlabelled_set_is_split_by_image(tmp_path, parts):
    pixels = np.random.default_rng(1).integers(0, 256, (240, 3, 16, 16)).astype(np.uint8)
    faces = open_faces(write_faces(tmp_path / "set.zip", pixels))
    trained(faces, coded(np.arange(240)), BITS, tmp_path, embedder=tiny_embedder())
    three = [parts[n] for n in ("fit_head", "fit_calibration", "reliability")]
    assert [len(part) for part in three] == [192, 24, 24]
    assert sorted(np.concatenate(three).tolist()) == list(range(240))


@pytest.mark.parametrize("by", ["images", "embeddings"])
def test_annotations_stay_with_their_images(tmp_path, seen, monkeypatch, by):
    """Calibration and judgement take the rows that belong to each other, wherever the split put them."""
    faces, values = seen
    told = {}
    settle = training._settle

    def record(classifier, calibrated, judged, units):
        told["rows"], told["values"] = (np.concatenate(columns) for columns in zip(calibrated, judged, strict=True))
        settle(classifier, calibrated, judged, units)

    monkeypatch.setattr(training, "_settle", record)
    options = {"embedder": tiny_embedder()} if by == "embeddings" else {"size_px": 16, "steps": 1}
    classifier = trained(faces, values, SEEN, tmp_path, **options)
    own = embed_faces(classifier.embedder, faces, make_accelerator("float32"))
    nearest = np.argmin(np.square(told["rows"][:, None].astype(float) - own[None]).sum(2), 1)
    assert len(set(nearest.tolist())) == 48
    np.testing.assert_array_equal(values[nearest], told["values"])


def test_attributes_that_are_too_rare_are_not_taught(tmp_path, seen):
    faces, values = seen
    rare, common, unknown = (np.full(240, -1, np.int8) for _ in range(3))
    rare[::27] = 1  # In nine images at most, whoever teaches.
    common[:] = 1
    unknown[:] = 0
    unknown[:9] = 1
    columns = np.column_stack([values[:, 0], rare, common, values[:, 1], unknown])
    classifier = trained(
        faces, columns, ("Male", "Bald", "Bangs", "Smiling", "Goatee"), tmp_path, embedder=tiny_embedder()
    )
    assert classifier.names == SEEN and list(classifier.reliability.index) == list(SEEN)
    assert classifier.reliability["balanced_accuracy"].min() > 0.9


def test_nothing_to_teach_is_refused(tmp_path, seen):
    faces, values = seen
    with pytest.raises(
        InputError, match=rf"no attribute is present in {FEWEST} and absent in {FEWEST} of the 192 images"
    ):
        trained(faces, np.ones_like(values), SEEN, tmp_path)


def test_too_few_persons_are_refused(tmp_path, seen):
    faces, values = seen
    with pytest.raises(InputError, match="3 identities are too few for shares"):
        trained(faces.subset(np.arange(18)), values[:18], SEEN, tmp_path)


def test_a_set_smaller_than_a_batch_is_taught_in_smaller_ones(tmp_path, seen):
    """96 images of 20 persons' 120 teach, fewer than the 128 of a batch."""
    faces, values = seen
    made = trained(faces.subset(np.arange(120)), values[:120], SEEN, tmp_path, size_px=32, steps=1)
    assert set(made.names) <= set(SEEN) and made.names


def test_attributes_that_no_calibrating_or_judging_person_shows_are_known_to_be_unknown(tmp_path, seen):
    """Only persons who teach are annotated: nothing is called present, and nothing is said of the reliability."""
    faces, values = seen
    teaching = training.split_by_identity(faces.labels, training.SHARES, 0)[0]
    partly = np.zeros(240, np.int8)
    partly[teaching] = values[teaching, 0]
    classifier = trained(
        faces, np.column_stack([values[:, 1], partly]), ("Smiling", "Bald"), tmp_path, embedder=tiny_embedder()
    )
    assert classifier.reliability.loc["Bald", "images"] == 0
    assert classifier.reliable(0.0).tolist() == [True, False]
    rows = embed_faces(classifier.embedder, faces, make_accelerator("float32"))
    assert (classifier.annotate(rows, 0, 0).label[:, 1] == -1).all()
    # And it is written and read as such.
    found = open_classifier(
        classifier.save(tmp_path / "mac.safetensors"), tiny_embedder().save(tmp_path / "m.safetensors")
    )
    assert np.isnan(found.reliability.loc["Bald", "balanced_accuracy"])


# End to end


def test_training_that_was_stopped_ends_with_the_same_weights(tmp_path, seen, monkeypatch):
    whole = from_images(seen, tmp_path / "whole")
    step = RecognitionTrainer._train_step

    def stop(trainer, pieces):
        if trainer.step == 4:
            raise KeyboardInterrupt
        step(trainer, pieces)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(RecognitionTrainer, "_train_step", stop)
        from_images(seen, tmp_path / "parts")
    assert checkpoints(tmp_path / "parts")
    first = []
    with monkeypatch.context() as patch:
        patch.setattr(RecognitionTrainer, "_train_step", lambda t, p: (first.append(t.step), step(t, p))[1])
        found = from_images(seen, tmp_path / "parts")
    assert found.fingerprint == whole.fingerprint and 0 < first[0] <= 4
    assert found.description == whole.description
    # The folder is of these annotations; others are not gone on with.
    faces, values = seen
    with pytest.raises(CheckpointError, match="made with another"):
        from_images((faces, -values), tmp_path / "parts")


def test_the_rate_rises_for_a_twentieth_of_the_steps_and_falls_to_zero_along_a_cosine():
    recipe = image_recipe(SEEN, np.ones((64, 2), np.int8), 16, 200, 0)
    peak = recipe.learning_rate
    assert recipe.rate(0) == pytest.approx(peak / 10) and recipe.rate(9) == pytest.approx(peak * 0.995, rel=1e-3)
    assert recipe.rate(100) == pytest.approx(peak / 2) and recipe.rate(199) < 1e-3 * peak
    falling = [recipe.rate(step) for step in range(9, 200)]
    assert falling == sorted(falling, reverse=True)
    assert isinstance(recipe.optimiser([torch.nn.Parameter(torch.ones(1))]), torch.optim.AdamW)


def test_batches_carry_the_annotations_of_their_images(seen):
    faces, values = seen
    data = AttributeBatches(faces, values, 16)
    at = np.array([7, 200, 31])
    images, given = data.images(at)
    assert torch.equal(images, faces.load(at, size_px=16)) and given.dtype == torch.int8
    np.testing.assert_array_equal(given, values[at])
    swapped = values.copy()
    swapped[[0, 1]] = -values[[0, 1]]
    assert (
        AttributeBatches(faces, swapped, 16).fingerprint
        != data.fingerprint
        == AttributeBatches(faces, values.copy(), 16).fingerprint
    )
