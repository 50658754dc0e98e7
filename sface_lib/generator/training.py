"""One training loop for the generator: non-saturating loss, lazy R1, moving average, exact resume.

Source: Karras et al. (CVPR 2020), appendix B for lazy regularisation; Mescheder et al. (ICML 2018) for R1.
"""

import copy
import dataclasses
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from accelerate import Accelerator
from tqdm import tqdm

from sface_lib.data import FaceBatches, to_unit_range
from sface_lib.engine import (
    JsonLines,
    flatten,
    load_checkpoint,
    load_optimiser,
    load_strictly,
    require_finite,
    save_checkpoint,
    seed_everything,
    seed_step,
    unflatten,
)
from sface_lib.errors import InputError
from sface_lib.generator.networks import Discriminator, Generator, GeneratorSpec

W_MEAN_DRAWS = 4096
EMA_RAMP = 0.05


@dataclasses.dataclass(frozen=True)
class GeneratorRecipe:
    """How a generator is trained; lengths in thousand images shown to the discriminator (kimg)."""

    total_kimg: float
    batch: int
    learning_rate: float
    r1_gamma: float
    r1_interval_steps: int
    ema_half_life_kimg: float
    snapshot_kimg: float
    seed: int

    @property
    def total_steps(self) -> int:
        """Training steps; at least one."""
        return max(1, round(self.total_kimg * 1000 / self.batch))

    @property
    def snapshot_steps(self) -> int:
        """Steps between snapshots, each with a checkpoint."""
        return max(1, round(self.snapshot_kimg * 1000 / self.batch))


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
        Architecture.
    recipe
        Hyper-parameters.
    accelerator
        Device, precision, processes.
    folder
        Where checkpoints and the log are kept.
    """

    def __init__(
        self,
        data: FaceBatches,
        spec: GeneratorSpec,
        recipe: GeneratorRecipe,
        accelerator: Accelerator,
        folder: Path,
    ):
        if len(data) < recipe.batch:
            raise InputError(f"the set has {len(data)} images, fewer than generator_batch = {recipe.batch}; lower it")
        if recipe.batch % accelerator.num_processes:
            raise InputError(
                f"generator_batch = {recipe.batch} cannot be shared by "
                f"{accelerator.num_processes} processes; use a multiple"
            )
        self.data, self.spec, self.recipe, self.accelerator, self.folder = data, spec, recipe, accelerator, folder
        self.step = 0
        seed_everything(recipe.seed)
        generator, discriminator = Generator(spec), Discriminator(spec)
        self.ema = copy.deepcopy(generator).eval().requires_grad_(False).to(accelerator.device)
        self.optimiser_g = _optimiser(generator, recipe.learning_rate)
        self.optimiser_d = _optimiser(discriminator, recipe.learning_rate, recipe.r1_interval_steps)
        self.generator, self.discriminator = (
            accelerator.prepare_model(m.to(memory_format=torch.channels_last)) for m in (generator, discriminator)
        )
        self.identity = {"spec": dataclasses.asdict(spec), "recipe": self._resumable(), "data": data.fingerprint}

    def _resumable(self) -> dict:
        """The recipe without its length: a run may be prolonged."""
        return {k: v for k, v in dataclasses.asdict(self.recipe).items() if k != "total_kimg"}

    def train(self, on_snapshot: Callable[["GeneratorTrainer"], None] = lambda trainer: None) -> Generator:
        """Train to the recipe's length, from the newest checkpoint if there is one; give the averaged generator.

        Raises
        ------
        TrainingError
            A loss is not finite.
        CheckpointError
            The folder's checkpoints belong to another data set, architecture or recipe.
        """
        self._resume()
        log = JsonLines(self.folder / "log.jsonl", resume_at=self.step) if self.accelerator.is_main_process else None
        bar = tqdm(
            total=self.recipe.total_steps, initial=self.step, unit="step", file=sys.stderr, mininterval=2, leave=False,
            desc="generator", disable=not self.accelerator.is_main_process,
        )  # fmt: skip
        started, start_step = time.perf_counter(), self.step
        while self.step < self.recipe.total_steps:
            losses = self._train_step()
            require_finite(losses, self.step)
            bar.update()
            last = self.step == self.recipe.total_steps
            if (last or self.step % self.recipe.snapshot_steps == 0) and self.accelerator.is_main_process:
                rate = (self.step - start_step) * self.recipe.batch / (time.perf_counter() - started)
                log.write(step=self.step, kimg=self.kimg, images_per_second=rate, **losses)
                on_snapshot(self)
                self._save()
        bar.close()
        self.accelerator.wait_for_everyone()
        self._centre()
        return self.ema

    @property
    def kimg(self) -> float:
        """Thousand images shown so far."""
        return self.step * self.recipe.batch / 1000

    def _train_step(self) -> dict[str, float]:
        """One step of generator and discriminator, which share the generated images."""
        rank, ranks = self.accelerator.process_index, self.accelerator.num_processes
        draws = seed_step(self.recipe.seed, self.step, rank)
        per_rank = self.recipe.batch // ranks
        indices = self.data.shuffled(self.recipe.seed, self.step * self.recipe.batch, self.recipe.batch)
        indices = indices[rank * per_rank : (rank + 1) * per_rank]
        real, labels = (t.to(self.accelerator.device, non_blocking=True) for t in self.data.images(indices))
        real = to_unit_range(real)
        flip = torch.rand(per_rank, generator=draws).to(real.device) < 0.5
        real = torch.where(flip[:, None, None, None], real.flip(3), real)
        z = torch.randn(per_rank, self.spec.latent_size, generator=draws).to(real.device)
        fake_labels = labels[torch.randperm(per_rank, generator=draws).to(real.device)]

        fake, loss_g = self._update_generator(z, fake_labels)
        losses = self._update_discriminator(real, labels, fake, fake_labels)
        self.step += 1
        self._average()
        return {"loss_generator": loss_g.item()} | {name: value.item() for name, value in losses.items()}

    def _update_generator(self, z: torch.Tensor, labels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Raise the discriminator's logits of generated images; give the images, detached, and the loss."""
        self.discriminator.requires_grad_(False)
        with self.accelerator.autocast():
            fake = self.generator(z, labels)
            loss = F.softplus(-self.discriminator(fake, labels)).mean()
        self._descend(self.optimiser_g, loss)
        self.discriminator.requires_grad_(True)
        return fake.detach(), loss.detach()

    def _update_discriminator(self, real, labels, fake, fake_labels) -> dict[str, torch.Tensor]:
        """Lower the logits of generated images, raise those of authentic ones; R1 at every few steps."""
        regularise = self.recipe.r1_gamma > 0 and self.step % self.recipe.r1_interval_steps == 0
        real = real.requires_grad_(regularise)
        with self.accelerator.autocast():
            logits_fake = self.discriminator(fake, fake_labels)
            logits_real = self.discriminator(real, labels)
            loss = F.softplus(logits_fake).mean() + F.softplus(-logits_real).mean()
        penalty = torch.zeros((), device=real.device)
        if regularise:
            (gradient,) = torch.autograd.grad(logits_real.sum(), real, create_graph=True)
            penalty = gradient.float().square().sum((1, 2, 3)).mean()
        self._descend(self.optimiser_d, loss + penalty * (self.recipe.r1_gamma / 2 * self.recipe.r1_interval_steps))
        losses = {"loss_discriminator": loss, "logit_real": logits_real.mean(), "logit_fake": logits_fake.mean()}
        return {name: value.detach() for name, value in losses.items()}

    def _descend(self, optimiser: torch.optim.Optimizer, loss: torch.Tensor) -> None:
        optimiser.zero_grad(set_to_none=True)
        self.accelerator.backward(loss)
        optimiser.step()

    @torch.no_grad()
    def _average(self) -> None:
        """Move the averaged generator toward the current one, faster at the beginning."""
        half_life_kimg = min(self.recipe.ema_half_life_kimg, max(self.kimg * EMA_RAMP, 1e-8))
        keep = 0.5 ** (self.recipe.batch / 1000 / half_life_kimg)
        current = self.accelerator.unwrap_model(self.generator)
        averaged = list(self.ema.parameters())
        torch._foreach_lerp_(averaged, list(current.parameters()), 1 - keep)

    @torch.no_grad()
    def _centre(self) -> None:
        """Store the mean intermediate latent of the averaged generator, the centre of truncation."""
        draws = torch.Generator().manual_seed(self.recipe.seed)
        z = torch.randn(W_MEAN_DRAWS, self.spec.latent_size, generator=draws)
        labels = self.data.labels[torch.randint(len(self.data), (W_MEAN_DRAWS,), generator=draws)]
        mapping = self.ema.mapping
        mapping.w_mean.copy_(mapping(z.to(mapping.w_mean.device), labels.to(mapping.w_mean.device)).mean(0))

    def _save(self) -> None:
        unwrap = self.accelerator.unwrap_model
        modules = {
            "generator": unwrap(self.generator), "discriminator": unwrap(self.discriminator), "ema": self.ema,
            "optimiser_g": self.optimiser_g, "optimiser_d": self.optimiser_d,
        }  # fmt: skip
        tensors: dict[str, torch.Tensor] = {}
        for name, module in modules.items():
            tensors |= flatten(name, module.state_dict())
        save_checkpoint(self.folder, self.step, tensors, self.identity)

    def _resume(self) -> None:
        loaded = load_checkpoint(self.folder, self.identity)
        if loaded is None:
            return
        tensors, state = loaded
        unwrap = self.accelerator.unwrap_model
        load_strictly(unwrap(self.generator), unflatten("generator", tensors), "the checkpoint's generator")
        load_strictly(unwrap(self.discriminator), unflatten("discriminator", tensors), "the checkpoint's discriminator")
        load_strictly(self.ema, unflatten("ema", tensors), "the checkpoint's averaged generator")
        load_optimiser(self.optimiser_g, "optimiser_g", tensors)
        load_optimiser(self.optimiser_d, "optimiser_d", tensors)
        self.step = state["step"]
