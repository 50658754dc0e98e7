"""A generator's training that is stopped, in any way, ends as if it had not been."""

import dataclasses
import hashlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from several_processes import run_here

from sface_lib.chapters.generation.launch import grid_writer
from sface_lib.data import FaceBatches, open_faces, write_faces
from sface_lib.engine import checkpoints, make_accelerator, read_log
from sface_lib.errors import CheckpointError, InputError, TrainingError
from sface_lib.generators.stylegan2 import GeneratorRecipe, GeneratorSpec, GeneratorTrainer

SPEC = GeneratorSpec(n_classes=4, resolution_px=16, channel_base=128, channel_max=16, latent_size=16)

PROGRAM = """
import sys
from pathlib import Path
from sface_lib.data import FaceBatches, open_faces
from sface_lib.engine import make_accelerator
from sface_lib.generators.stylegan2 import GeneratorRecipe, GeneratorSpec, GeneratorTrainer, save_generator

faces, folder, target = map(Path, sys.argv[1:4])
spec = GeneratorSpec(n_classes=4, resolution_px=16, channel_base=128, channel_max=16, latent_size=16)
recipe = GeneratorRecipe(float(sys.argv[4]), 8, 0.002, 0.1, 0.08, 3, ada_kimg=1.0)
trainer = GeneratorTrainer(FaceBatches(open_faces(faces), 16), spec, recipe, make_accelerator("auto"), folder)
save_generator(target, trainer.train())
"""


@pytest.fixture(scope="module")
def faces(tmp_path_factory, rendered_zip) -> Path:
    return rendered_zip(tmp_path_factory.mktemp("faces") / "set.zip", 4, 6, 16)


def recipe(steps: int, **changes) -> GeneratorRecipe:
    values = {"batch": 8, "learning_rate": 0.002, "r1_gamma": 0.1, "r1_interval_steps": 4, "ada_kimg": 1.0}
    values |= {"ema_half_life_kimg": 0.1, "snapshot_kimg": 0.04, "seed": 3}
    return GeneratorRecipe(total_kimg=steps * 8 / 1000, **(values | changes))


def trainer(faces: Path, folder: Path, steps: int, precision: str = "float32", **changes) -> GeneratorTrainer:
    data = FaceBatches(open_faces(faces), 16)
    return GeneratorTrainer(data, SPEC, recipe(steps, **changes), make_accelerator(precision), folder)


def weights_of(made: GeneratorTrainer) -> dict[str, torch.Tensor]:
    modules = {"ema": made.ema, "generator": made.generator, "discriminator": made.discriminator}
    return {f"{name}.{key}": value for name, m in modules.items() for key, value in m.state_dict().items()}


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["float32", "auto"])
def test_training_in_two_parts_ends_with_the_same_bits(faces, tmp_path, precision):
    whole = trainer(faces, tmp_path / "whole", 15, precision)
    whole.train()
    trainer(faces, tmp_path / "parts", 10, precision).train()
    second = trainer(faces, tmp_path / "parts", 15, precision)
    second.train()
    expected, found = weights_of(whole), weights_of(second)
    assert expected.keys() == found.keys()
    assert all(torch.equal(expected[name], found[name]) for name in expected)


@pytest.mark.slow
@pytest.mark.processes
def test_a_run_killed_in_the_middle_ends_with_the_same_file(faces, tmp_path):
    """Only the one that is killed is a process of its own."""

    def arguments(name: str) -> list[str]:
        return [str(faces), str(tmp_path / name), str(tmp_path / f"{name}.safetensors"), "1.2"]

    victim = subprocess.Popen([sys.executable, "-c", PROGRAM, *arguments("killed")], stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while not checkpoints(tmp_path / "killed") and time.monotonic() < deadline:
        time.sleep(0.005)
    os.kill(victim.pid, signal.SIGKILL)
    assert victim.wait() == -signal.SIGKILL
    reached = int(checkpoints(tmp_path / "killed")[0].name.split("-")[1])
    assert 0 < reached < 150  # It was in the middle: 1.2 kimg are 150 steps of 8.
    for name in ("killed", "whole"):
        run_here(PROGRAM, *arguments(name))
    digests = [
        hashlib.sha256((tmp_path / f"{name}.safetensors").read_bytes()).hexdigest() for name in ("whole", "killed")
    ]
    assert digests[0] == digests[1]
    steps = [row["step"] for row in read_log(tmp_path / "killed" / "log.jsonl")]
    assert steps == sorted(set(steps)) and steps[-1] == 150


@pytest.mark.parametrize(
    ("changes", "named"), [({"seed": 4}, "recipe"), ({"learning_rate": 0.001}, "recipe"), ({"batch": 4}, "recipe")]
)
def test_resuming_with_another_recipe_is_refused(faces, tmp_path, changes, named):
    trainer(faces, tmp_path, 5).train()
    with pytest.raises(CheckpointError, match=named):
        trainer(faces, tmp_path, 10, **changes).train()


def test_resuming_on_other_faces_is_refused(faces, tmp_path, rendered_zip):
    trainer(faces, tmp_path / "work", 5).train()
    others = rendered_zip(tmp_path / "others.zip", 4, 6, 16, first=50)
    with pytest.raises(CheckpointError, match="another data"):
        trainer(others, tmp_path / "work", 10).train()


@pytest.mark.slow
def test_a_damaged_checkpoint_is_passed_over_for_the_one_before(faces, tmp_path, capsys):
    trainer(faces, tmp_path / "a", 15).train()
    trainer(faces, tmp_path / "b", 10).train()
    newest, before = checkpoints(tmp_path / "b")
    (newest / "tensors.safetensors").write_bytes(b"cut")
    resumed = trainer(faces, tmp_path / "b", 15)
    resumed.train()
    assert f"{newest.name} is damaged" in capsys.readouterr().out
    whole = trainer(faces, tmp_path / "a", 15)
    whole.train()
    assert all(torch.equal(value, weights_of(resumed)[name]) for name, value in weights_of(whole).items())
    assert before.name < newest.name


def test_a_loss_that_is_not_finite_stops_with_the_step_and_keeps_the_checkpoint(faces, tmp_path):
    trainer(faces, tmp_path, 5).train()
    broken = trainer(faces, tmp_path, 10)
    original = broken._resume

    def poison(adopt):
        original(adopt)
        with torch.no_grad():
            broken.discriminator.logit.bias.fill_(float("nan"))

    broken._resume = poison
    with pytest.raises(TrainingError, match="at step 6; the last checkpoint, if there is one, stands"):
        broken.train()
    assert checkpoints(tmp_path)[0].name == "checkpoint-000000005"


def test_fewer_images_than_a_batch_are_refused(faces, tmp_path):
    with pytest.raises(InputError, match="24 images, fewer than generator_batch = 32"):
        trainer(faces, tmp_path, 5, batch=32)


def test_images_that_are_decoded_ahead_train_the_same_weights(faces, tmp_path):
    made = []
    for held in (True, False):
        data = FaceBatches(open_faces(faces), 16, held)
        made.append(GeneratorTrainer(data, SPEC, recipe(5), make_accelerator("float32"), tmp_path / str(held)))
        made[-1].train()
    first, second = map(weights_of, made)
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_a_generator_without_classes_shows_faces_and_draws_no_classes(faces, tmp_path):
    pixels = open_faces(faces).load()
    data = FaceBatches(open_faces(write_faces(tmp_path / "plain.zip", pixels)), 16)
    spec = dataclasses.replace(SPEC, n_classes=0)
    learner = GeneratorTrainer(data, spec, recipe(5), make_accelerator("float32"), tmp_path / "run")
    learner.train(grid_writer(tmp_path, 0, make_accelerator("float32"), 0))
    row = np.load(tmp_path / "grid-000000005.npy")
    assert row.shape[0] == 12 and len(np.unique(row.reshape(12, -1), axis=0)) == 12
    with pytest.raises(InputError, match="label_sampling = 'classes' needs a set with labels; use 'images'"):
        GeneratorTrainer(
            data, spec, recipe(5, label_sampling="classes"), make_accelerator("float32"), tmp_path / "classes"
        )
