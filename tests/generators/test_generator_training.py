"""One training step does what the method says, in one process and in several."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from several_processes import run_apart, run_here

from sface_lib.data import FaceBatches, open_faces
from sface_lib.engine import checkpoints, make_accelerator, read_log
from sface_lib.errors import CheckpointError, InputError
from sface_lib.generators.stylegan2 import GeneratorRecipe, GeneratorSpec, GeneratorTrainer, load_pair, save_pair
from sface_lib.generators.stylegan2.augment import SAFE_P, augment

SPEC = GeneratorSpec(n_classes=4, resolution_px=16, channel_base=128, channel_max=16, latent_size=16)


@pytest.fixture(scope="module")
def faces(tmp_path_factory, rendered_zip) -> Path:
    return rendered_zip(tmp_path_factory.mktemp("faces") / "set.zip", 4, 6, 16)


def trainer(faces: Path, folder: Path, start=None, spec=SPEC, precision="float32", **changes) -> GeneratorTrainer:
    values = {"total_kimg": 0.04, "batch": 8, "learning_rate": 0.002, "ema_half_life_kimg": 0.1, "snapshot_kimg": 0.04}
    recipe = GeneratorRecipe(**(values | {"seed": 3} | changes))
    return GeneratorTrainer(
        FaceBatches(open_faces(faces), 16), spec, recipe, make_accelerator(precision), folder, start
    )


def test_one_pass_through_the_discriminator_gives_the_gradients_of_two(faces, tmp_path):
    """The published code judges generated images once for each network; with equal weights that is the same."""
    made = trainer(faces, tmp_path)
    z, labels = torch.randn(2, 8, 16), torch.arange(8) % 4
    torch.manual_seed(0)  # The noise of the layers.
    grads_g, grads_d, _ = made.objective.generated(made._mixed_styles(z, labels), labels, None)
    torch.manual_seed(0)
    fake = made.generator.synthesise(made._mixed_styles(z, labels))
    loss_g = F.softplus(-made.discriminator(fake, labels)).mean()
    loss_d = F.softplus(made.discriminator(fake.detach(), labels)).mean()
    for found, loss, module in ((grads_g, loss_g, made.generator), (grads_d, loss_d, made.discriminator)):
        expected = torch.autograd.grad(loss, list(module.parameters()), allow_unused=True, materialize_grads=True)
        for one, other in zip(found, expected, strict=True):
            torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)  # float32 sums in another order.


def test_r1_is_the_squared_slope_of_the_logits(faces, tmp_path):
    made, slope = trainer(faces, tmp_path), torch.randn(3, 16, 16)
    made.objective.discriminator = lambda images, labels: (images * slope).sum((1, 2, 3))
    penalty = made.objective.r1(torch.randn(5, 3, 16, 16), torch.zeros(5, dtype=torch.int64))
    assert penalty.item() == pytest.approx(slope.square().sum().item(), rel=1e-5)


def test_r1_over_a_share_of_the_batch_has_the_expectation_of_the_whole(faces, tmp_path):
    """Groups of four images, each once, average to the whole batch's penalty."""
    made = trainer(faces, tmp_path)
    made.discriminator.requires_grad_(False)
    real, labels = torch.randn(16, 3, 16, 16), torch.arange(16) % 4
    # Groups as the minibatch deviation forms them, every fourth image, so that each image has its own companions.
    parts = [made.objective.r1(real[i::4], labels[i::4]).item() for i in range(4)]
    assert np.mean(parts) == pytest.approx(made.objective.r1(real, labels).item(), rel=1e-4)


def test_r1_enters_with_its_weight(faces, tmp_path):
    made = trainer(faces, tmp_path, r1_gamma=2.0, r1_interval_steps=4, r1_share=1.0)
    real, labels = torch.randn(8, 3, 16, 16), torch.arange(8) % 4

    with_r1, without = (made.objective.authentic(real, labels, None, with_r1)[0] for with_r1 in (True, False))
    extra = torch.autograd.grad(
        made.objective.r1(real, labels), list(made.discriminator.parameters()), materialize_grads=True
    )
    for a, b, c in zip(with_r1, without, extra, strict=True):
        torch.testing.assert_close(a - b, c * 2.0 / 2 * 4, rtol=1e-3, atol=1e-5)  # gamma / 2, times the interval.


def test_r1_is_taken_at_its_interval(faces, tmp_path):
    made = trainer(faces, tmp_path, total_kimg=0.072, r1_interval_steps=4, snapshot_kimg=0.008)
    made.train()  # Nine steps of eight images.
    assert [row["r1"] > 0 for row in read_log(tmp_path / "log.jsonl")] == [True, *[False] * 3] * 2 + [True]


def test_the_weight_of_r1_follows_the_published_heuristic():
    """Karras et al. (2020, limited data), appendix C: 0.0002 x side² / batch; their 1024 px at batch 32 gives 6.6."""
    recipe = GeneratorRecipe(1, 32, 0.002, 10, 1, 0)
    assert recipe.gamma(1024) == pytest.approx(6.5536)
    assert recipe.gamma(64) == 0.3  # Theirs is 0.03; few images a class want more.
    assert GeneratorRecipe(1, 32, 0.002, 10, 1, 0, r1_gamma=0.0).gamma(1024) == 0


def test_every_weight_moves_against_its_own_gradient(faces, tmp_path):
    """Gradients may lie in memory in another order than the weights; an optimiser that overlooks it scrambles them."""
    made = trainer(faces, tmp_path)
    before = [p.detach().clone() for p in made.generator.parameters()]
    gradients = [torch.randn(p.shape) for p in before]
    made._descend(made.optimiser_g, made.generator, gradients)
    for old, new, gradient in zip(before, made.generator.parameters(), gradients, strict=True):
        # The first step of Adam without momentum is the sign of the gradient.
        torch.testing.assert_close(new, old - 0.002 * gradient.sign(), rtol=1e-3, atol=1e-5)


def test_the_average_is_held_by_its_half_life(faces, tmp_path):
    made = trainer(faces, tmp_path, ema_half_life_kimg=0.008)
    old, new = made.ema.constant.detach().clone(), torch.zeros_like(made.ema.constant)
    with torch.no_grad():
        made.generator.constant.copy_(new)
    made.step = 1000  # 8 kimg: the ramp of 5 % is past the half-life of 0.008.
    made._average()
    torch.testing.assert_close(made.ema.constant, old * 0.5)  # One step of 8 images is one half-life.
    made.step = 1  # 0.008 kimg: the ramp gives a half-life of 0.0004 kimg, a twentieth of a step.
    made._average()
    torch.testing.assert_close(made.ema.constant, old * 0.5**21)


@pytest.mark.slow
def test_augmentation_grows_while_the_discriminator_knows_the_images(faces, tmp_path):
    made = trainer(faces, tmp_path, total_kimg=0.4, ada_kimg=0.1, ada_target=0.6, snapshot_kimg=0.08)
    authentic = made.objective.authentic

    def sure(*arguments):
        gradients, losses = authentic(*arguments)
        return gradients, losses | {"sign_real": torch.ones(())}

    made.objective.authentic = sure
    made.train()
    strengths = [row["ada_p"] for row in read_log(tmp_path / "log.jsonl")]
    # 0.08 kimg between snapshots, of which the last step or two may wait for the next look at the logits.
    assert strengths == sorted(strengths) and strengths[0] == pytest.approx(0.64) and strengths[-1] == SAFE_P


def test_authentic_and_generated_images_are_augmented_in_one_precision(faces, tmp_path, monkeypatch):
    """Rounding of the one alone would be what the discriminator learns."""
    seen = []

    def noted(images, transforms):
        seen.append((images.dtype, torch.is_autocast_enabled("cpu")))
        return augment(images, transforms)

    monkeypatch.setattr("sface_lib.generators.stylegan2.objective.augment", noted)
    made = trainer(faces, tmp_path, precision="bf16")
    made.control.p = 0.5
    made._train_step()
    with made.accelerator.autocast():
        assert torch.is_autocast_enabled("cpu")  # The networks do run in bf16.
    assert seen == [(torch.float32, False)] * 2


def test_without_a_target_nothing_is_augmented(faces, tmp_path):
    made = trainer(faces, tmp_path, ada_target=0.0)
    made.train()
    assert made.control.p == 0 and made._draw_batch()[-1] == [None, None]


@pytest.mark.parametrize("sampling", ["images", "classes"])
def test_generated_labels_follow_the_set_or_the_classes(tmp_path, rendered_zip, sampling):
    from sface_lib.data import write_faces

    whole = open_faces(rendered_zip(tmp_path / "whole.zip", 4, 6, 16))
    kept = [0, 1, 2, 3, 4, 5, 6, 12, 18]  # Six images of the first class, one of each other.
    write_faces(tmp_path / "uneven.zip", whole.load(kept), whole.labels[kept])
    made = trainer(tmp_path / "uneven.zip", tmp_path / "work", label_sampling=sampling)
    labels = []
    for made.step in range(100):
        labels += made._draw_batch()[3].tolist()
    share = np.bincount(labels, minlength=4) / len(labels)
    expected = [6 / 9, 1 / 9, 1 / 9, 1 / 9] if sampling == "images" else [0.25] * 4
    assert share == pytest.approx(expected, abs=0.06)  # 800 draws: four standard deviations.


def test_training_goes_on_from_given_weights(faces, tmp_path):
    first = trainer(faces, tmp_path / "first", ada_kimg=0.05)
    first.train()
    start = load_pair(save_pair(tmp_path / "pair.safetensors", first.pair()))
    assert (start.kimg, start.ada_p) == (0.04, first.control.p)
    second = trainer(faces, tmp_path / "second", start)
    assert all(torch.equal(a, b) for a, b in zip(second.generator.parameters(), first.ema.parameters(), strict=True))
    assert second.control.p == first.control.p and second.step == 0
    second.train()
    assert second.pair().kimg == 0.08  # What the weights had seen before counts.
    moved = zip(second.generator.parameters(), start.generator.parameters(), strict=True)
    assert any(not torch.equal(a, b) for a, b in moved)
    with pytest.raises(CheckpointError, match="another start"):
        trainer(faces, tmp_path / "second", total_kimg=0.08).train()


def test_another_data_set_is_adopted_only_when_told(faces, tmp_path, rendered_zip):
    trainer(faces, tmp_path / "work").train()
    others = rendered_zip(tmp_path / "others.zip", 4, 6, 16, first=50)
    with pytest.raises(CheckpointError, match="another data"):
        trainer(others, tmp_path / "work", total_kimg=0.08).train()
    made = trainer(others, tmp_path / "work", total_kimg=0.08)
    made.train(adopt=True)
    assert [row["step"] for row in read_log(tmp_path / "work" / "log.jsonl")] == [5, 10]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"batch": 32}, "24 images, fewer than generator_batch = 32"),
        ({"label_sampling": "often"}, "label_sampling = 'often': use 'images' or 'classes'"),
        ({"spec": GeneratorSpec(3, 16, 128, 16)}, "3 classes and the set 4 identities"),
    ],
)
def test_what_cannot_be_trained_is_refused(faces, tmp_path, changes, sentence):
    with pytest.raises(InputError, match=sentence):
        trainer(faces, tmp_path, **changes)


PROGRAM = """
import json, sys
from pathlib import Path
import torch
from sface_lib.data import FaceBatches, open_faces
from sface_lib.engine import make_accelerator
from sface_lib.generators.stylegan2 import GeneratorRecipe, GeneratorSpec, GeneratorTrainer
from several_processes import become

become(int(sys.argv[1]))
faces, folder = map(Path, sys.argv[2:])
accelerator = make_accelerator("float32")
spec = GeneratorSpec(n_classes=4, resolution_px=16, channel_base=128, channel_max=16, latent_size=16)
recipe = GeneratorRecipe(0.048, 8, 0.002, 0.1, 0.048, 3, r1_interval_steps=4, ada_kimg=0.05)
trainer = GeneratorTrainer(FaceBatches(open_faces(faces), 16), spec, recipe, accelerator, folder / "work")
real, labels, z, fake_labels, _ = trainer._draw_batch()
seen = {"real": real.tolist(), "labels": labels.tolist(), "z": z.tolist(), "fake_labels": fake_labels.tolist()}
trainer.train()
seen["weights"] = [w.double().sum().item() for m in (trainer.generator, trainer.discriminator) for w in m.parameters()]
seen["ada_p"] = trainer.control.p
(folder / f"rank-{accelerator.process_index}.json").write_text(json.dumps(seen))
"""


@pytest.mark.slow
@pytest.mark.processes
def test_two_processes_see_the_samples_of_one_and_stay_together(faces, tmp_path):
    found = {}
    for processes in (1, 2):
        folder = tmp_path / str(processes)
        folder.mkdir()
        arguments = processes, faces, folder
        run_here(PROGRAM, *arguments) if processes == 1 else run_apart(PROGRAM, tmp_path, *arguments)
        found[processes] = [json.loads((folder / f"rank-{rank}.json").read_text()) for rank in range(processes)]
        assert len(checkpoints(folder / "work")) == 1 and len(read_log(folder / "work" / "log.jsonl")) == 1
    (alone,), (first, second) = found[1], found[2]
    for name in ("real", "labels", "fake_labels"):
        assert first[name] + second[name] == alone[name]
    assert np.array_equal(np.concatenate([first["z"], second["z"]], 1), alone["z"])
    assert first["weights"] == second["weights"] and first["ada_p"] == second["ada_p"]
    log = read_log(tmp_path / "2" / "work" / "log.jsonl")[0]
    assert all(np.isfinite(value) for value in log.values())
    # Not the same run: noise is drawn, and the minibatch deviation formed, within each process.
    assert first["weights"] != alone["weights"]
