"""Whole sets on disk are what single draws are, however often they were stopped; steering; weights as files."""

import dataclasses
import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from sface_lib.data import open_faces
from sface_lib.engine import make_accelerator
from sface_lib.errors import InputError, WeightsError
from sface_lib.generators import Order, Steering, class_means, draw, generate_set, sets
from sface_lib.generators.sampling import seeded_normal
from sface_lib.generators.stylegan2 import (
    Discriminator,
    Generator,
    GeneratorSpec,
    TrainedPair,
    load_generator,
    load_pair,
    save_generator,
    save_pair,
)
from sface_lib.recognition import InputSpec, IResNet, RecognitionModel

ORDER = Order(classes=5, per_class=3, seed=4, batch=6)  # Two classes are drawn together, the last one alone.
SPEC = GeneratorSpec(5, 16, 256, 16, latent_size=16)


@pytest.fixture(scope="module")
def generator() -> Generator:
    """Random weights, noise switched on as a trained generator has it."""
    torch.manual_seed(0)
    made = Generator(SPEC).eval().requires_grad_(False)
    for block in made.blocks:
        block.convolution1.noise_strength.fill_(0.1)
    return made


@pytest.fixture(scope="module")
def model() -> RecognitionModel:
    torch.manual_seed(1)
    return RecognitionModel(IResNet("small", 16, 32), InputSpec(32), {"embedding_size": 16})


@pytest.fixture(scope="module")
def targets() -> np.ndarray:
    """Unit rows that have nothing to do with the generator, so that scores to them vary."""
    rows = np.random.default_rng(0).normal(size=(5, 16)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def made(path: Path, generator: Generator, order: Order = ORDER, weights: str = "w", **more) -> Path:
    return generate_set(path, generator, make_accelerator("float32"), order, weights, **more)


def alone(generator: Generator, label: int, index: int, order: Order = ORDER) -> torch.Tensor:
    return draw(generator, make_accelerator("float32"), [label], [index], order.seed, order.psi)[0]


def content(path: Path) -> dict[str, bytes]:
    """Every file of a folder, hidden ones as well."""
    return {str(file.relative_to(path)): file.read_bytes() for file in path.rglob("*") if file.is_file()}


def stop_after(monkeypatch, name: str, calls: int) -> None:
    """Make a function of the module fail, as a full disk or a kill would, after so many calls."""
    function, left = getattr(sets, name), iter(range(calls))

    def failing(*arguments, **more):
        if next(left, None) is None:
            raise KeyboardInterrupt
        return function(*arguments, **more)

    monkeypatch.setattr(sets, name, failing)


# Sets.


def test_a_set_is_a_folder_of_classes_whose_images_are_those_drawn_alone(generator, tmp_path):
    faces = open_faces(made(tmp_path / "set", generator))
    assert list(faces.names) == [f"{c:07d}/{i:08d}.png" for c in range(5) for i in range(3)]
    images = faces.load().int()
    for (c, i), image in zip(np.ndindex(5, 3), images, strict=True):
        # A batch of another size may sum in another order.
        assert (alone(generator, c, i).int() - image).abs().max() <= 2
    assert images.float().std(0).mean() > 5  # They are not all one image.


def test_a_set_holds_bit_for_bit_what_a_batch_of_its_size_draws(generator, tmp_path):
    images = open_faces(made(tmp_path / "set", generator)).load()
    together = draw(generator, make_accelerator("float32"), [2, 2, 2, 3, 3, 3], [0, 1, 2] * 2, ORDER.seed)
    assert torch.equal(images[6:12], together)


def test_a_batch_smaller_than_a_class_draws_the_same_images(generator, tmp_path):
    one = open_faces(made(tmp_path / "one", generator, Order(2, 5, batch=2))).load().int()
    other = open_faces(made(tmp_path / "other", generator, Order(2, 5, batch=64))).load().int()
    assert (one - other).abs().max() <= 2


def test_a_zip_holds_what_the_folder_would(generator, tmp_path):
    folder, zipped = (open_faces(made(tmp_path / name, generator)) for name in ("set", "set.zip"))
    assert torch.equal(zipped.load(), folder.load())
    np.testing.assert_array_equal(zipped.labels, np.repeat(np.arange(5), 3))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["set", "set.zip"]


def test_the_recipe_is_noted_beside_the_images(generator, tmp_path):
    noted = json.loads((made(tmp_path / "set", generator) / sets.RECIPE_FILE).read_text())
    assert noted == {
        "classes": 5,
        "per_class": 3,
        "seed": 4,
        "psi": 1.0,
        "batch": 6,
        "weights": "w",
        "steering": None,
        "aligned": None,
    }


@pytest.mark.parametrize(("name", "calls"), [("draw", 1), ("_write_class", 1), ("_write_class", 3), ("encode_png", 4)])
def test_a_set_that_was_stopped_goes_on_to_the_very_same_files(generator, tmp_path, monkeypatch, name, calls):
    whole = content(made(tmp_path / "whole", generator))
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        stop_after(patch, name, calls)
        made(tmp_path / "stopped", generator)
    before = content(tmp_path / "stopped")
    # What stands is whole classes; nothing of the one that was under way is left.
    assert len(before) % 3 == 1 and len(before) < len(whole) and before.items() <= whole.items()
    assert content(made(tmp_path / "stopped", generator)) == whole


def test_a_class_that_is_missing_is_drawn_again_and_the_others_stay(generator, tmp_path):
    folder = made(tmp_path / "set", generator)
    whole, kept = content(folder), folder / "0000002" / "00000000.png"
    written = kept.stat().st_mtime_ns
    for file in (folder / "0000003").iterdir():
        file.unlink()
    (folder / "0000003").rmdir()
    assert content(made(folder, generator)) == whole
    assert kept.stat().st_mtime_ns == written


def test_a_zip_that_was_stopped_is_byte_for_byte_the_whole_one(generator, tmp_path, monkeypatch):
    whole = made(tmp_path / "whole.zip", generator).read_bytes()
    for name, calls in (("_write_class", 2), ("add_to_zip", 4)):
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            stop_after(patch, name, calls)
            made(tmp_path / "stopped.zip", generator)
        assert sorted(path.name for path in tmp_path.iterdir()) == ["stopped.zip.images", "whole.zip"]
    assert made(tmp_path / "stopped.zip", generator).read_bytes() == whole


@pytest.mark.parametrize("name", ["set", "set.zip"])
def test_what_a_killed_process_left_half_written_is_no_part_of_the_set(generator, tmp_path, monkeypatch, name):
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        stop_after(patch, "_write_class", 2)
        made(tmp_path / name, generator)
    (folder,) = tmp_path.iterdir()
    (folder / ".0000002-123").mkdir()  # As `_write_class` names it, of a process that had no time to clean up.
    (folder / ".0000002-123" / "00000000.png").write_bytes(b"half an image")
    assert len(open_faces(made(tmp_path / name, generator)).load()) == 15


@pytest.mark.parametrize(
    "change", [{"order": Order(5, 3, seed=5, batch=6)}, {"order": Order(5, 3, seed=4)}, {"weights": "other"}]
)
def test_another_recipe_in_the_same_folder_is_refused(generator, tmp_path, change):
    before = content(made(tmp_path / "set", generator))
    with pytest.raises(InputError, match=r"holds a set made with .* give another folder"):
        made(tmp_path / "set", generator, **change)
    assert content(tmp_path / "set") == before


def test_other_means_to_steer_to_are_another_recipe(generator, model, targets, tmp_path):
    order = Order(2, 1)
    made(tmp_path / "set", generator, order, steering=Steering(model, targets, steps=1))
    with pytest.raises(InputError, match="give another folder"):
        made(tmp_path / "set", generator, order, steering=Steering(model, -targets, steps=1))


def test_a_place_that_holds_something_else_is_refused(generator, tmp_path):
    (tmp_path / "set").mkdir()
    for path in (tmp_path / "set" / "mine.txt", tmp_path / "set.zip"):
        path.write_text("mine")
    with pytest.raises(InputError, match="holds other files; give a new or empty folder"):
        made(tmp_path / "set", generator)
    with pytest.raises(InputError, match=r"set\.zip' exists already"):
        made(tmp_path / "set.zip", generator)
    assert content(tmp_path) == {"set/mine.txt": b"mine", "set.zip": b"mine"}


def test_more_classes_than_the_generator_has_are_refused(generator, tmp_path):
    with pytest.raises(InputError, match="6 classes are asked for; this generator has 5"):
        made(tmp_path / "set", generator, Order(6, 1))
    assert not (tmp_path / "set").exists()


def test_an_unconditional_generator_gives_any_number_of_classes(tmp_path):
    torch.manual_seed(0)
    generator = Generator(GeneratorSpec(0, 16, 256, 16, latent_size=16)).eval()
    images = open_faces(made(tmp_path / "set", generator, Order(7, 2))).load()
    assert len({image.numpy().tobytes() for image in images}) == 14


def test_psi_of_zero_gives_one_image(generator, tmp_path):
    images = open_faces(made(tmp_path / "set", generator, Order(5, 3, psi=0.0))).load().int()
    # Places of a batch may round differently.
    assert (images - images[0]).abs().max() <= 1
    other = open_faces(made(tmp_path / "other", generator)).load().int()
    assert (other - other[0]).abs().max() > 20


@pytest.mark.parametrize(
    "wrong",
    [{"classes": 0}, {"per_class": 0}, {"batch": 0}, {"seed": -1}, {"psi": -0.1}, {"psi": 1.1}, {"psi": float("nan")}],
)
def test_an_order_of_impossible_numbers_is_refused(wrong):
    with pytest.raises(InputError, match="numbers from 1, a seed from 0 and psi from 0 to 1 are needed"):
        Order(**{"classes": 2, "per_class": 2} | wrong)


def test_no_two_images_of_a_set_share_a_latent():
    labels, indices = np.repeat(np.arange(40), 5), np.tile(np.arange(5), 40)
    rows = seeded_normal(0, labels, indices, 8)
    assert len(np.unique(rows.numpy(), axis=0)) == 200
    # Nor are they alike: of 200 rows in 8 dimensions, entries have mean 0 and sd 1 within four standard errors.
    assert abs(rows.mean()) < 4 / 40 and abs(rows.std() - 1) < 4 / np.sqrt(2 * 1600)


# Steering.


def test_class_means_are_the_unit_means_of_each_classes_first_images(generator, model):
    accelerator = make_accelerator("float32")
    means = class_means(generator, accelerator, model, 5, seed=3, images=4)
    assert means.shape == (5, 16) and means.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(means, axis=1), 1, rtol=0, atol=1e-6)
    embedded = model.single(model.prepare(draw(generator, accelerator, [2] * 4, range(4), seed=3)))
    expected = embedded.mean(0) / embedded.mean(0).norm()
    np.testing.assert_allclose(means[2], expected.numpy(), rtol=0, atol=1e-5)  # float32 sums in another order.


def test_steering_raises_the_score_of_images_to_their_classes_means(generator, model):
    accelerator = make_accelerator("float32")
    steering = Steering(model, class_means(generator, accelerator, model, 5, seed=9), steps=3)
    labels = np.repeat(np.arange(5), 3)

    def scores(move) -> torch.Tensor:
        images = draw(generator, accelerator, labels, np.tile(np.arange(3), 5), seed=0, move=move)
        return steering.scores(images, torch.from_numpy(labels))

    assert (scores(steering.move) > scores(None)).all()


def test_a_step_has_the_length_that_it_was_given_and_goes_uphill(generator, model, targets):
    labels = torch.arange(5)
    w = generator.mapping(seeded_normal(0, range(5), range(5), 16), labels)
    steering = Steering(model, targets, steps=1, stride=0.01)

    def scores(at: torch.Tensor) -> torch.Tensor:
        embedded = model.single(model.prepare_differentiable(generator.synthesise(at, fixed_noise=True)))
        return (embedded * torch.from_numpy(targets)).sum(1)

    moved = steering.move(generator, w, labels)
    torch.testing.assert_close((moved - w).norm(dim=1), 0.01 * w.norm(dim=1), rtol=1e-3, atol=0)  # w + step rounds.
    assert (scores(moved) > scores(w)).all() and not moved.requires_grad
    # The step is the steepest: no random one of its length gains as much.
    for seed in range(5):
        aside = torch.randn(5, 16, generator=torch.Generator().manual_seed(seed))
        aside = aside / aside.norm(dim=1, keepdim=True) * 0.01 * w.norm(dim=1, keepdim=True)
        assert (scores(moved) > scores(w + aside)).all()


def test_no_steps_move_nothing(generator, model, targets, tmp_path):
    w = torch.randn(5, 16)
    assert torch.equal(Steering(model, targets, steps=0).move(generator, w, torch.arange(5)), w)
    plain = open_faces(made(tmp_path / "plain", generator)).load()
    assert torch.equal(
        open_faces(made(tmp_path / "zero", generator, steering=Steering(model, targets, 0))).load(), plain
    )
    moved = open_faces(made(tmp_path / "moved", generator, steering=Steering(model, targets, 2))).load()
    assert not torch.equal(moved, plain)


@pytest.fixture(scope="module")
def filtered(generator, model, targets) -> tuple[Steering, list[list[int]]]:
    """A filter that about half of the images pass, and the first three indices of each class that pass it."""
    labels, indices = np.repeat(np.arange(5), 24), np.tile(np.arange(24), 5)
    images = draw(generator, make_accelerator("float32"), labels, indices, ORDER.seed)
    # Across its class's mean, a direction is scored about zero: no class has it easier than another.
    means = model.single(model.prepare(images)).reshape(5, 24, 16).mean(1).numpy()
    across = targets - (targets * means).sum(1, keepdims=True) / np.square(means).sum(1, keepdims=True) * means
    steering = Steering(model, across / np.linalg.norm(across, axis=1, keepdims=True), steps=0)
    scores = steering.scores(images, torch.from_numpy(labels)).reshape(5, 24).numpy()
    middle = np.sort(scores.ravel())[50:70]
    at = np.argmax(np.diff(middle))  # The widest gap: what another batch rounds decides nothing.
    least = float((middle[at] + middle[at + 1]) / 2)
    return dataclasses.replace(steering, least_score=least), [
        np.flatnonzero(row >= least)[:3].tolist() for row in scores
    ]


def test_only_images_that_pass_are_kept_and_later_indices_fill_up(generator, filtered, tmp_path):
    steering, passing = filtered
    found = open_faces(made(tmp_path / "set", generator, steering=steering))
    assert list(found.names) == [f"{c:07d}/{i:08d}.png" for c in range(5) for i in passing[c]]
    assert (steering.scores(found.load(), torch.from_numpy(found.labels)) >= steering.least_score).all()
    # The filter had something to do: some classes lost an early image, and later ones stand in.
    assert max(map(max, passing)) > 2
    for name, image in zip(found.names, found.load(), strict=True):
        difference = alone(generator, int(name[:7]), int(name[8:16])).int() - image.int()
        assert difference.abs().max() <= 2  # A batch of another size may sum in another order.


def test_a_filtered_set_that_was_stopped_goes_on_to_the_very_same_files(generator, filtered, tmp_path, monkeypatch):
    whole = content(made(tmp_path / "whole", generator, steering=filtered[0]))
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        stop_after(patch, "_write_class", 1)
        made(tmp_path / "stopped", generator, steering=filtered[0])
    assert content(made(tmp_path / "stopped", generator, steering=filtered[0])) == whole


def test_a_score_out_of_reach_says_so(generator, model, targets, tmp_path):
    steering = Steering(model, targets, steps=0, least_score=1.0)
    with pytest.raises(InputError, match=r"class 0 gave 0 of 1 images that pass in 20 tries, and the other 0"):
        made(tmp_path / "set", generator, Order(1, 1), steering=steering)
    assert list(content(tmp_path / "set")) == [sets.RECIPE_FILE]


def test_a_class_out_of_reach_does_not_keep_others_from_being_drawn(generator, tmp_path, monkeypatch):
    whole = content(made(tmp_path / "whole", generator))
    monkeypatch.setattr(sets, "_passed", lambda images, labels, *_: ~np.isin(labels, [1, 3]))
    with pytest.raises(
        InputError, match="^class 1 gave 0; class 3 gave 0 of 3 images .* the other 3 classes are drawn"
    ):
        made(tmp_path / "set", generator)
    found = content(tmp_path / "set")
    assert {name: whole[name] for name in found} == found and {name[:7] for name in found if "/" in name} == {
        "0000000", "0000002", "0000004"
    }  # fmt: skip


@pytest.mark.parametrize("wrong", [{"steps": -1}, {"stride": 0}, {"stride": 1}, {"least_score": 1.1}])
def test_steering_by_impossible_numbers_is_refused(model, targets, wrong):
    with pytest.raises(InputError, match="steps are at least 0, a stride lies between 0 and 1"):
        Steering(model, targets, **wrong)


# Weights.


@pytest.fixture(scope="module")
def pair(generator) -> TrainedPair:
    torch.manual_seed(2)
    return TrainedPair(generator, Discriminator(SPEC), kimg=12.5, ada_p=0.3)


def test_a_saved_pair_is_the_same_pair(pair, tmp_path):
    loaded = load_pair(save_pair(tmp_path / "pair.safetensors", pair))
    assert (loaded.kimg, loaded.ada_p) == (12.5, 0.3)
    assert loaded.generator.spec == loaded.discriminator.spec == SPEC
    assert loaded.fingerprint == hashlib.sha256((tmp_path / "pair.safetensors").read_bytes()).hexdigest()
    for name in ("generator", "discriminator"):
        found, given = getattr(loaded, name).state_dict(), getattr(pair, name).state_dict()
        assert found.keys() == given.keys() and all(torch.equal(found[key], given[key]) for key in given)
        # Training goes on from it.
        assert all(parameter.requires_grad for parameter in getattr(loaded, name).parameters())


def test_a_pairs_generator_is_loaded_as_the_same_generator_alone(pair, tmp_path):
    of_pair = load_generator(save_pair(tmp_path / "pair.safetensors", pair))
    of_one = load_generator(save_generator(tmp_path / "one.safetensors", pair.generator))
    assert of_pair.spec == of_one.spec == SPEC
    assert torch.equal(alone(of_pair, 3, 1), alone(of_one, 3, 1))
    assert not any(parameter.requires_grad for parameter in of_pair.parameters())


def test_a_generator_alone_is_no_pair(pair, tmp_path):
    path = save_generator(tmp_path / "one.safetensors", pair.generator)
    with pytest.raises(WeightsError, match=r"one\.safetensors holds a generator without its discriminator"):
        load_pair(path)


def test_half_precision_halves_the_file_and_hardly_changes_an_image(pair, tmp_path):
    whole, half = (save_pair(tmp_path / f"{half}.safetensors", pair, half=half) for half in (False, True))
    # Biases and the file's header, which a small network has relatively more of, stay as they are.
    assert 0.5 < half.stat().st_size / whole.stat().st_size < 0.6
    loaded = load_pair(half)
    assert {parameter.dtype for parameter in loaded.generator.state_dict().values()} == {torch.float32}
    # float16 rounds at 1/2048 of a value; a few layers of that are a few of 255 grey levels.
    difference = (alone(load_generator(half), 3, 1).int() - alone(load_generator(whole), 3, 1).int()).abs()
    assert 0 < difference.max() <= 3
    # What is saved by halves again is the same file: no second rounding.
    assert save_pair(tmp_path / "again.safetensors", loaded, half=True).read_bytes() == half.read_bytes()


def test_faces_out_of_place_are_left_out_and_later_indices_drawn(generator, tmp_path, monkeypatch):
    """Whatever the detector says decides: here every second image of a batch is out of place, and one has no face."""
    seen = []

    def found(images):
        seen.append(len(images))
        away = np.where(np.arange(len(images)) % 2 == 1, 0.2, 0.01)
        away[0] = np.nan
        return away

    monkeypatch.setattr("sface_lib.generators.sets.misalignment", found)
    made(tmp_path / "set", generator, Order(1, 4), aligned=0.06)
    kept = sorted(int(path.stem) for path in (tmp_path / "set").glob("*/*.png"))
    assert kept == [2, 6, 10, 14] and seen == [4, 4, 4, 4]


@pytest.mark.parametrize("name", ["set", "set.zip"])
def test_a_set_of_one_class_has_its_label(tmp_path, generator, name):
    faces = open_faces(made(tmp_path / name, generator, dataclasses.replace(ORDER, classes=1)))
    assert faces.labels.tolist() == [0, 0, 0]
