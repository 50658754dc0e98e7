"""One training loop for the generator: the method of StyleGAN2-ADA, on any number of processes, with exact resume.

Source: Karras et al. (CVPR 2020), appendix B for lazy regularisation; Karras et al. (NeurIPS 2020) for adaptive
augmentation.
"""

import copy
import dataclasses
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from accelerate import Accelerator
from tqdm import tqdm

from sface_lib.data import FaceBatches, to_unit_range
from sface_lib.engine import (
    JsonLines,
    StepCost,
    flatten,
    load_checkpoint,
    load_optimiser,
    load_strictly,
    measure_step,
    require_finite,
    save_checkpoint,
    seed_everything,
    seed_step,
    unflatten,
)
from sface_lib.generators.stylegan2.augment import AugmentationControl, draw_transforms
from sface_lib.generators.stylegan2.networks import Discriminator, Generator, GeneratorSpec
from sface_lib.generators.stylegan2.objective import LOSSES, Objective
from sface_lib.generators.stylegan2.recipe import GeneratorRecipe, check_trainable
from sface_lib.generators.stylegan2.weights import TrainedPair, save_pair

W_MEAN_DRAWS = 4096
EMA_RAMP = 0.05
CONTROL_STEPS = 4
CHECK_STEPS = 8


def _optimiser(module: torch.nn.Module, rate: float, interval: int = 1) -> torch.optim.Adam:
    """Adam as in StyleGAN2; a lazy regulariser every `interval` steps shrinks rate and betas accordingly."""
    share = interval / (interval + 1) if interval > 1 else 1.0
    return torch.optim.Adam(module.parameters(), lr=rate * share, betas=(0.0, 0.99**share), eps=1e-8)


class GeneratorTrainer:
    """The state of a training run and its one step.

    Parameters
    ----------
    data
        The authentic images, with labels.
    spec
        Architecture; its classes are at least those of the data.
    recipe
        Hyper-parameters.
    accelerator
        Device, precision, processes.
    folder
        Where checkpoints and the log are kept.
    start
        Weights to go on from, whose architecture is `spec`; None starts from noise.
    """

    def __init__(
        self,
        data: FaceBatches,
        spec: GeneratorSpec,
        recipe: GeneratorRecipe,
        accelerator: Accelerator,
        folder: Path,
        start: TrainedPair | None = None,
    ):
        check_trainable(data, spec, recipe, accelerator.num_processes)
        self.data, self.spec, self.recipe, self.accelerator, self.folder = data, spec, recipe, accelerator, folder
        self.step, self.kimg_before = 0, start.kimg if start else 0.0
        self.control = AugmentationControl(recipe.ada_target, recipe.ada_kimg, start.ada_p if start else 0.0)
        seed_everything(recipe.seed)
        # Every process makes the same networks from the same seed, and gradients are averaged before each step.
        generator, discriminator = (start.generator, start.discriminator) if start else (None, None)
        self.generator = self._placed(generator or Generator(spec))
        self.discriminator = self._placed(discriminator or Discriminator(spec))
        self.objective = Objective(self.generator, self.discriminator, recipe, accelerator.autocast)
        self.ema = copy.deepcopy(self.generator).eval().requires_grad_(False)
        self.optimiser_g = _optimiser(self.generator, recipe.learning_rate)
        self.optimiser_d = _optimiser(self.discriminator, recipe.learning_rate, recipe.r1_interval_steps)
        self.identity = {
            "spec": dataclasses.asdict(spec),
            "recipe": self._resumable(),
            "data": data.fingerprint,
            "start": start.fingerprint if start else None,
        }
        self._ahead: Iterator | None = None  # Images and labels of the steps to come, while training.
        self._pending: list[torch.Tensor] = []
        self._since_snapshot: list[np.ndarray] = []

    def _placed(self, module: torch.nn.Module) -> torch.nn.Module:
        module = copy.deepcopy(module).train().requires_grad_(True)
        return module.to(self.accelerator.device, memory_format=torch.channels_last)

    def _resumable(self) -> dict:
        """The recipe without its length: a run may be prolonged."""
        return {k: v for k, v in dataclasses.asdict(self.recipe).items() if k != "total_kimg"}

    def train(
        self, on_snapshot: Callable[[int, Generator], None] = lambda step, generator: None, adopt: bool = False
    ) -> Generator:
        """Train to the recipe's length, from the newest checkpoint if there is one; give the averaged generator.

        `on_snapshot` gets the step and that generator. `adopt` goes on from a checkpoint of another data set or recipe
        too; the architecture must be the same.

        Raises
        ------
        TrainingError
            A loss is not finite.
        CheckpointError
            The folder's checkpoints belong to another data set, architecture or recipe.
        """
        self._resume(adopt)
        log = JsonLines(self.folder / "log.jsonl", resume_at=self.step) if self.accelerator.is_main_process else None
        bar = tqdm(
            total=self.recipe.total_steps, initial=self.step, unit="step", file=sys.stderr, mininterval=2, leave=False,
            desc="generator", disable=not self.accelerator.is_main_process,
        )  # fmt: skip
        started, start_step = time.perf_counter(), self.step
        rows, steps = self._rows(), range(self.step, self.recipe.total_steps)
        self._ahead = self.data.walk(self._positions(step)[rows] for step in steps)
        while self.step < self.recipe.total_steps:
            self._train_step()
            bar.update()
            snapshot = self.step == self.recipe.total_steps or self.step % self.recipe.snapshot_steps == 0
            if snapshot or self.step % CHECK_STEPS == 0:
                self._check_losses()
            if snapshot:
                losses = self._mean_losses()
            if snapshot and self.accelerator.is_main_process:
                rate = (self.step - start_step) * self.recipe.batch / (time.perf_counter() - started)
                log.write(step=self.step, kimg=self.kimg, images_per_second=rate, ada_p=self.control.p, **losses)
                self._centre()
                on_snapshot(self.step, self.ema)
                self._save()
        bar.close()
        self._ahead = None
        self.accelerator.wait_for_everyone()
        self._centre()
        return self.ema

    @property
    def kimg(self) -> float:
        """Thousand images shown so far, those behind the given weights included."""
        return self.kimg_before + self.step * self.recipe.batch / 1000

    def measure_step(self) -> StepCost:
        """Run a few steps and measure them; nothing is written, and this trainer is of no use afterwards."""
        return measure_step(self._train_step)

    def _train_step(self) -> None:
        """One step of generator and discriminator."""
        real, labels, z, fake_labels, transforms = self._draw_batch()
        grads_g, grads_d, losses = self.objective.generated(
            self._mixed_styles(z, fake_labels), fake_labels, transforms[0]
        )
        with_r1 = self.step % self.recipe.r1_interval_steps == 0
        grads_real, losses_real = self.objective.authentic(real, labels, transforms[1], with_r1)
        for total, extra in zip(grads_d, grads_real, strict=True):
            total.add_(extra)
        losses |= losses_real | {"loss_discriminator": losses["loss_discriminator"] + losses_real["loss_discriminator"]}
        self._descend(self.optimiser_g, self.generator, grads_g)
        self._descend(self.optimiser_d, self.discriminator, grads_d)
        self.step += 1
        self._average()
        self._pending.append(torch.stack([losses[name].detach().float() for name in LOSSES]))
        if self.step % CONTROL_STEPS == 0 and self.recipe.ada_target > 0:
            self._adapt()

    def _rows(self) -> slice:
        """The rows of a batch that this process computes."""
        per_rank = self.recipe.batch // self.accelerator.num_processes
        return slice(self.accelerator.process_index * per_rank, (self.accelerator.process_index + 1) * per_rank)

    def _positions(self, step: int) -> np.ndarray:
        """Positions of a step's authentic images, of all processes."""
        return self.data.shuffled(self.recipe.seed, step * self.recipe.batch, self.recipe.batch)

    def _draw_batch(self):
        """This process's share of the step's images, labels, latents and transforms.

        The whole batch is drawn by every process, as a function of (seed, step), so that any number of processes sees
        the same samples.
        """
        recipe, step, share = self.recipe, self.step, self._rows()
        indices = self._positions(step)
        # Before the seed: reading processes that are started take a number of torch's.
        real, labels = self.data.images(indices[share]) if self._ahead is None else next(self._ahead)[1:]
        seed_step(recipe.seed, step, self.accelerator.process_index)  # The noise of the layers.
        random = np.random.default_rng([recipe.seed, step])
        if recipe.label_sampling == "images":
            fake_labels = random.permutation(self.data.labels.numpy()[indices])
        else:
            fake_labels = random.integers(0, self.data.n_classes, recipe.batch)
        z = random.standard_normal((2, recipe.batch, self.spec.latent_size), np.float32)
        flip = random.random(recipe.batch) < 0.5
        p = self.control.p
        transforms = [
            draw_transforms(random, recipe.batch, p, self.spec.resolution_px).part(share) if p > 0 else None
            for _ in range(2)
        ]
        real = to_unit_range(real)
        real = torch.where(torch.from_numpy(flip[share])[:, None, None, None], real.flip(3), real)
        arrays = real, labels, torch.from_numpy(z[:, share]), torch.from_numpy(fake_labels[share])
        return *(array.to(self.accelerator.device, non_blocking=True) for array in arrays), transforms

    def _mixed_styles(self, z: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Intermediate latents `[N, styles, latent_size]`; from a random layer on, often those of a second latent."""
        random = np.random.default_rng([self.recipe.seed, self.step, 1])
        ws = self.generator.mapping(z[0], labels)[:, None].expand(-1, self.spec.styles, -1)
        if random.random() >= self.recipe.style_mixing:
            return ws
        cut = int(random.integers(1, self.spec.styles))
        other = self.generator.mapping(z[1], labels)[:, None]
        return torch.cat([ws[:, :cut], other.expand(-1, self.spec.styles - cut, -1)], 1)

    def _descend(self, optimiser: torch.optim.Optimizer, module: torch.nn.Module, gradients: list[torch.Tensor]):
        """One optimiser step with the gradients' mean over all processes."""
        if self.accelerator.num_processes > 1:
            flat = self.accelerator.reduce(torch.cat([g.flatten() for g in gradients]), "mean")
            parts = flat.split([g.numel() for g in gradients])
            gradients = [part.view_as(g) for part, g in zip(parts, gradients, strict=True)]
        for parameter, gradient in zip(module.parameters(), gradients, strict=True):
            parameter.grad = gradient
        optimiser.step()

    def _adapt(self) -> None:
        """Move the strength of augmentation by the signs of the last few steps' logits, of all processes."""
        sign = torch.stack(self._pending[-CONTROL_STEPS:])[:, LOSSES.index("sign_real")].mean()
        self.control.update(self.accelerator.reduce(sign, "mean").item(), CONTROL_STEPS * self.recipe.batch)

    def _check_losses(self) -> None:
        """Stop at the first step since the last look whose losses are not finite."""
        if not self._pending:
            return
        pending = torch.stack(self._pending)
        pending = (self.accelerator.reduce(pending, "mean") if self.accelerator.num_processes > 1 else pending).cpu()
        self._pending.clear()
        for i, row in enumerate(pending.numpy()):
            require_finite(dict(zip(LOSSES, row.tolist(), strict=True)), self.step - len(pending) + 1 + i)
            self._since_snapshot.append(row)

    def _mean_losses(self) -> dict[str, float]:
        """Means of the losses since the last snapshot; R1 over the steps that had one."""
        rows = np.array(self._since_snapshot, np.float64)
        self._since_snapshot.clear()
        means = dict(zip(LOSSES, rows.mean(0).tolist(), strict=True))
        measured = rows[:, LOSSES.index("r1")]
        means["r1"] = float(measured[measured > 0].mean()) if np.any(measured > 0) else 0.0
        return means

    @torch.no_grad()
    def _average(self) -> None:
        """Move the averaged generator toward the current one, faster at the beginning."""
        half_life_kimg = min(self.recipe.ema_half_life_kimg, max(self.kimg * EMA_RAMP, 1e-8))
        keep = 0.5 ** (self.recipe.batch / 1000 / half_life_kimg)
        torch._foreach_lerp_(list(self.ema.parameters()), list(self.generator.parameters()), 1 - keep)

    @torch.no_grad()
    def _centre(self) -> None:
        """Store the mean intermediate latent of the averaged generator, the centre of truncation."""
        draws = torch.Generator().manual_seed(self.recipe.seed)
        z = torch.randn(W_MEAN_DRAWS, self.spec.latent_size, generator=draws)
        labels = self.data.labels[torch.randint(len(self.data), (W_MEAN_DRAWS,), generator=draws)]
        mapping = self.ema.mapping
        mapping.w_mean.copy_(mapping(z.to(mapping.w_mean.device), labels.to(mapping.w_mean.device)).mean(0))

    def pair(self) -> TrainedPair:
        """The averaged generator and the discriminator, to save or to go on from."""
        return TrainedPair(self.ema, self.discriminator, self.kimg, self.control.p)

    def save(self, path: Path) -> Path:
        """Write the averaged generator and the discriminator."""
        return save_pair(path, self.pair())

    def _modules(self) -> dict[str, torch.nn.Module | torch.optim.Optimizer]:
        networks = {"generator": self.generator, "discriminator": self.discriminator, "ema": self.ema}
        return networks | {"optimiser_g": self.optimiser_g, "optimiser_d": self.optimiser_d}

    def _save(self) -> None:
        tensors: dict[str, torch.Tensor] = {}
        for name, module in self._modules().items():
            tensors |= flatten(name, module.state_dict())
        save_checkpoint(self.folder, self.step, tensors, self.identity | {"ada_p": self.control.p})

    def _resume(self, adopt: bool) -> None:
        expected = {"spec": self.identity["spec"]} if adopt else self.identity
        loaded = load_checkpoint(self.folder, expected)
        if loaded is None:
            return
        tensors, state = loaded
        for name, module in self._modules().items():
            if isinstance(module, torch.optim.Optimizer):
                load_optimiser(module, name, tensors)
            else:
                load_strictly(module, unflatten(name, tensors), f"the checkpoint's {name}")
        self.step, self.control.p = state["step"], state["ada_p"]
