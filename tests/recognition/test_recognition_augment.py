"""Augmentation: a function of its draws, in range, and each preset does what its name says."""

import numpy as np
import pytest
import torch

from sface_lib.data import FaceBatches, open_faces
from sface_lib.engine import make_accelerator
from sface_lib.errors import InputError
from sface_lib.recognition import RecognitionRecipe, RecognitionTrainer, Validation
from sface_lib.recognition.augment import augment, flip, robust


@pytest.fixture(scope="module")
def data(tmp_path_factory, rendered_zip) -> FaceBatches:
    return FaceBatches(open_faces(rendered_zip(tmp_path_factory.mktemp("faces") / "set.zip", 8, 8, 32)), 32)


def draws(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def recipe(**changes) -> RecognitionRecipe:
    values = {"backbone": "small", "size_px": 32, "embedding_size": 16, "steps": 4, "batch": 16, "kt_weight": 39.06}
    values |= {"learning_rate": 0.05, "weight_decay": 5e-4, "margin": 0.35, "scale": 64.0, "seed": 0}
    return RecognitionRecipe(**values | changes)


def test_flipping_mirrors_half_of_the_images_and_says_which():
    images = torch.arange(400 * 3 * 2 * 4, dtype=torch.int64).remainder(251).to(torch.uint8).reshape(400, 3, 2, 4)
    seen, mirrored = flip(images, draws())
    assert 150 < mirrored.sum() < 250
    assert torch.equal(seen[mirrored], images[mirrored].flip(3)) and torch.equal(seen[~mirrored], images[~mirrored])


def test_robust_views_are_a_function_of_the_draws_and_stay_in_range(data):
    images, _ = data.images(np.arange(64))
    seen = robust(images, draws(3))
    assert seen.shape == images.shape and seen.dtype == torch.float32 and seen.min() >= 0 and seen.max() <= 255
    assert torch.equal(seen, robust(images, draws(3))) and not torch.equal(seen, robust(images, draws(4)))


def test_most_robust_views_differ_and_still_show_the_face(data):
    images, _ = data.images(np.arange(64))
    change = (robust(images, draws()) - images).abs().mean((1, 2, 3))
    assert (change > 2).float().mean() > 0.8  # Few stay as they are.
    a, b = (x.float().mean(1).flatten(1) for x in (images, robust(images, draws())))
    alike = torch.stack([torch.corrcoef(torch.stack(pair))[0, 1] for pair in zip(a, b, strict=True)])
    assert alike.median() > 0.7


@pytest.mark.slow
@pytest.mark.parametrize("preset", ["robust", "randaugment", "mild"])
def test_an_augmented_run_resumes_to_the_same_weights(data, tmp_path, preset):
    def run(folder, **changes):
        accelerator = make_accelerator("float32")
        return RecognitionTrainer(data, "CLS", recipe(grey_share=0.5, **changes), accelerator, tmp_path / folder)

    def stop(model):
        raise KeyboardInterrupt

    whole = run("whole", augmentation=preset).train().network.state_dict()
    with pytest.raises(KeyboardInterrupt):
        run("parts", augmentation=preset).train(Validation(stop, interval_steps=3))
    parts = run("parts", augmentation=preset).train().network.state_dict()
    assert all(torch.equal(whole[name], parts[name]) for name in whole)
    plain = run("plain").train().network.state_dict()
    assert not torch.equal(plain["conv1.weight"], whole["conv1.weight"])


def test_randaugment_changes_most_images_and_follows_the_global_seed(data):
    images, _ = data.images(np.arange(32))
    seen = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        seen.append(augment(images, "randaugment", 0.0, draws())[0])
    assert seen[0].dtype == torch.uint8 and torch.equal(seen[0], seen[1]) and not torch.equal(seen[0], seen[2])
    plain, _ = flip(images, draws())
    assert (seen[0] != plain).flatten(1).any(1).float().mean() > 0.9


def test_mild_augmentation_leaves_three_of_four_images_as_they_are():
    images = torch.randint(0, 256, (400, 3, 16, 16), dtype=torch.uint8)
    seen, mirrored = augment(images, "mild", 0.0, draws())
    as_it_was = torch.where(mirrored[:, None, None, None], images.flip(3), images)
    changed = (seen != as_it_was).flatten(1).any(1)
    assert seen.dtype == torch.float32 and seen.min() >= 0 and seen.max() <= 255
    assert 40 < changed.sum() < 110  # A quarter, of which robust augmentation leaves a few as they are.
    one, _ = augment(images[:1], "mild", 0.0, draws(3))
    assert one.shape == (1, 3, 16, 16)


def test_a_share_of_the_images_turns_grey_by_luma():
    images = torch.zeros(400, 3, 4, 4, dtype=torch.uint8)
    images[:, 1] = 100
    seen, _ = augment(images, "flip", 0.25, draws())
    grey = (seen[:, 0] == seen[:, 1]).flatten(1).all(1)
    assert 60 < grey.sum() < 140 and torch.allclose(seen[grey], torch.tensor(58.7))
    assert (seen[~grey] == images[~grey]).all()


def test_unknown_presets_are_refused(data, tmp_path):
    with pytest.raises(InputError, match="'colour' does not exist; choose one of flip, randaugment, robust, mild"):
        RecognitionTrainer(data, "CLS", recipe(augmentation="colour"), make_accelerator("float32"), tmp_path)
