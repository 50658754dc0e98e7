"""One loop for every recognition model: the authentic baseline, CLS, KT and CL differ in data and strategy only."""

import contextlib
import copy
import dataclasses
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import broadcast_object_list
from torch import nn
from tqdm import tqdm

from sface_lib.data import FaceBatches
from sface_lib.engine import (
    JsonLines,
    StepCost,
    flatten,
    load_checkpoint,
    load_optimiser,
    load_strictly,
    measure_step,
    read_log,
    require_finite,
    save_checkpoint,
    seed_everything,
    seed_step,
    unflatten,
)
from sface_lib.recognition.augment import augment
from sface_lib.recognition.models import RecognitionModel
from sface_lib.recognition.recipe import TrainingRecipe
from sface_lib.recognition.teaching import CachedTeacher, LiveTeacher
from sface_lib.recognition.weights import open_model

CLIP_NORM = 5.0
LOGS_A_RUN = 40
CHECKPOINTS_A_RUN = 4
LOG_FILE, BEST_FILE = "log.jsonl", "best.safetensors"


@dataclasses.dataclass(frozen=True)
class Validation:
    """Judging a model while it is trained.

    Attributes
    ----------
    accuracy
        Gives a model's accuracy; more is better.
    interval_steps
        It is asked at every so many steps, and at the end.
    patience
        Training stops after so many judgements in a row without a new best one; 0 never stops.
    keep_best
        The best model counts instead of the last. Then `accuracy` must not look at a benchmark that is reported.
    """

    accuracy: Callable[[RecognitionModel], float]
    interval_steps: int
    patience: int = 0
    keep_best: bool = False


class RecognitionTrainer:
    """Network, strategy and optimiser of one run, and its one step.

    Parameters
    ----------
    data
        The images.
    strategy
        CLS, KT or CL.
    folder
        Where checkpoints and `log.jsonl` are kept.
    teacher
        Of KT and CL.
    """

    def __init__(
        self,
        data: FaceBatches,
        strategy: str,
        recipe: TrainingRecipe,
        accelerator: Accelerator,
        folder: Path,
        teacher: CachedTeacher | LiveTeacher | None = None,
    ):
        recipe.check(data, strategy, accelerator.num_processes)
        self.data, self.recipe, self.accelerator, self.folder = data, recipe, accelerator, Path(folder)
        self.teacher, self.name, self.step = teacher, strategy, 0
        seed_everything(recipe.seed)
        network, self.spec, self.description = recipe.network(f"{strategy}, see the run's manifest")
        if teacher:
            self.description["learnt_from"] = list(teacher.lineage)
        objective = recipe.objective(strategy, data.n_classes, teacher.embedding_size if teacher else None)
        trained = [p for module in (network, objective) for p in module.parameters() if p.requires_grad]
        self.optimiser = recipe.optimiser(trained)
        network = network.to(memory_format=torch.channels_last)
        self.network, self.objective = (self._prepare(module) for module in (network, objective))
        self.identity = {
            "recipe": dataclasses.asdict(recipe),
            "strategy": strategy,
            "data": data.fingerprint,
            "teacher": teacher.lineage[0] if teacher else None,
        }
        self._losses: list[torch.Tensor] = []
        self._gradient_norm = torch.zeros(())

    def _prepare(self, module: nn.Module) -> nn.Module:
        """Move to the device; wrap for several processes only what has parameters."""
        return self.accelerator.prepare_model(module) if any(p.requires_grad for p in module.parameters()) else module

    def train(self, validation: Validation | None = None) -> RecognitionModel:
        """Train to the recipe's end, from the newest checkpoint if there is one.

        Returns
        -------
        RecognitionModel
            The last model, or the best one where the validation says so.

        Raises
        ------
        TrainingError
            The loss is not finite; the last checkpoint stands.
        CheckpointError
            The folder's checkpoints belong to another recipe, data set, teacher or choice of the model that counts,
            or not all processes see the same ones.
        """
        self.identity["keep_best"] = bool(validation and validation.keep_best)
        self._resume()
        if self.teacher and self.step < self.recipe.steps:
            self.teacher.prepare()
        main, steps = self.accelerator.is_main_process, self.recipe.steps
        log = JsonLines(self.folder / LOG_FILE, resume_at=self.step) if main else None
        bar = tqdm(
            total=steps, initial=self.step, unit="step", file=sys.stderr, mininterval=2, leave=False,
            desc=self.name, disable=not main,
        )  # fmt: skip
        started, first, saved = time.perf_counter(), self.step, self.step
        log_every, save_every = max(1, steps // LOGS_A_RUN), max(1, steps // CHECKPOINTS_A_RUN)
        images, history = self.data.walk(self._positions()), self._history()
        while self.step < steps and not _exhausted(history, validation):
            self._train_step(images)
            bar.update()
            save, last = self.step % save_every == 0, self.step == steps
            judge = validation is not None and (last or self.step % validation.interval_steps == 0)
            if not (save or last or judge or self.step % log_every == 0):
                continue
            rate = (self.step - first) * self.recipe.batch / (time.perf_counter() - started)
            row = {"step": self.step, "loss": self._mean_loss(), "images_per_second": rate}
            if judge:
                paused = time.perf_counter()
                history.append(self._judge(validation, history))
                row["accuracy"] = history[-1]
                started += time.perf_counter() - paused  # The rate is that of training alone.
            if main:
                log.write(**row)
            if main and (save or last):
                self._save()
                saved = self.step
        if main and self.step > saved:
            self._save()  # It was stopped early; called again, it is read.
        bar.close()
        return open_model(self.folder / BEST_FILE) if validation and validation.keep_best else self.model()

    def measure_step(self) -> StepCost:
        """Run a few steps and measure them; nothing is written, and this trainer is of no use afterwards."""
        images = self.data.walk(self._positions())
        return measure_step(lambda: self._train_step(images))

    def model(self) -> RecognitionModel:
        """The network as it is now, on its own."""
        network = copy.deepcopy(self.accelerator.unwrap_model(self.network))
        return RecognitionModel(network, self.spec, dict(self.description))

    def _micro_batches(self) -> range:
        """Those that this process computes, of `num_processes * gradient_accumulation_steps`."""
        steps = self.recipe.gradient_accumulation_steps
        first = self.accelerator.process_index * steps
        return range(first, first + steps)

    def _positions(self) -> Iterator[np.ndarray]:
        """Positions of the images of one micro-batch after the other, of all steps to come."""
        recipe = self.recipe
        size = recipe.batch // (self.accelerator.num_processes * recipe.gradient_accumulation_steps)
        for step in range(self.step, recipe.steps):
            batch = self.data.shuffled(recipe.seed, step * recipe.batch, recipe.batch)
            yield from (batch[i * size : (i + 1) * size] for i in self._micro_batches())

    def _train_step(self, images: Iterator) -> None:
        """One batch, in micro-batches; gradients are averaged over processes at the last of them."""
        micro_batches, modules = self._micro_batches(), (self.network, self.objective)
        self.network.train()
        self.optimiser.param_groups[0]["lr"] = self.recipe.rate(self.step)
        self.optimiser.zero_grad(set_to_none=True)
        for micro_batch in micro_batches:
            with contextlib.ExitStack() as held:
                for module in modules if micro_batch != micro_batches[-1] else ():
                    held.enter_context(self.accelerator.no_sync(module))
                loss = self._loss(micro_batch, *next(images)) / len(micro_batches)
                self.accelerator.backward(loss)
            self._losses.append(loss.detach())
        self._gradient_norm = self.accelerator.clip_grad_norm_(self.optimiser.param_groups[0]["params"], CLIP_NORM)
        self.optimiser.step()
        self.step += 1

    def _loss(self, micro_batch: int, indices: np.ndarray, images: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """The loss of one micro-batch; its random draws depend on (seed, step, micro-batch), not on the process."""
        device = self.accelerator.device
        draws = seed_step(self.recipe.seed, self.step, micro_batch, device)
        images, mirrored = augment(images.to(device), self.recipe.augmentation, self.recipe.grey_share, draws)
        taught = self.teacher(indices, mirrored, images).to(device) if self.teacher else None
        with self.accelerator.autocast():
            return self.objective(self.network(self.spec.to_network_input(images)), labels.to(device), taught)

    def _mean_loss(self) -> float:
        """Mean loss of the steps since it was last asked for, over all processes.

        All of them must be finite, and the last gradient, which no loss has seen yet.
        """
        losses = self.accelerator.reduce(torch.stack(self._losses), "mean").cpu().double()
        losses = losses.view(-1, self.recipe.gradient_accumulation_steps).sum(1)
        self._losses.clear()
        for step, loss in enumerate(losses.tolist(), start=self.step - len(losses)):
            require_finite({"loss": loss}, step)
        require_finite({"gradient": self._gradient_norm.item()}, self.step - 1)
        return losses.mean().item()

    def _judge(self, validation: Validation, history: list[float]) -> float:
        """The model's accuracy now, as the first process finds it; the best model yet is kept where asked for."""
        model = self.model()
        accuracy = broadcast_object_list([validation.accuracy(model)])[0]
        if validation.keep_best and self.accelerator.is_main_process and accuracy > max(history, default=-np.inf):
            model.save(self.folder / BEST_FILE)
        self.accelerator.wait_for_everyone()
        return accuracy

    def _history(self) -> list[float]:
        """Accuracies that were found before this run resumed."""
        self.accelerator.wait_for_everyone()
        return [row["accuracy"] for row in read_log(self.folder / LOG_FILE) if "accuracy" in row]

    def _save(self) -> None:
        unwrap = self.accelerator.unwrap_model
        tensors = flatten("network", unwrap(self.network).state_dict())
        tensors |= flatten("objective", unwrap(self.objective).state_dict())
        save_checkpoint(
            self.folder, self.step, tensors | flatten("optimiser", self.optimiser.state_dict()), self.identity
        )

    def _resume(self) -> None:
        loaded = load_checkpoint(self.folder, self.identity)
        if loaded is None:
            return
        tensors, state = loaded
        unwrap = self.accelerator.unwrap_model
        load_strictly(unwrap(self.network), unflatten("network", tensors), "the checkpoint's network")
        load_strictly(unwrap(self.objective), unflatten("objective", tensors), "the checkpoint's objective")
        load_optimiser(self.optimiser, "optimiser", tensors)
        self.step = state["step"]


def _exhausted(history: list[float], validation: Validation | None) -> bool:
    """Whether the last `patience` judgements brought nothing new."""
    if validation is None or not validation.patience or not history:
        return False
    return len(history) - 1 - int(np.argmax(history)) >= validation.patience


def untrained_model(recipe: TrainingRecipe, images: torch.Tensor | None = None) -> RecognitionModel:
    """The recipe's network at its random start: a reference that every trained model must be above.

    Parameters
    ----------
    images
        uint8 RGB `[N, 3, H, W]`, whose means and variances the batch norms take. Without them every layer of a deep
        network multiplies its input, until the output is beyond what float32 holds.
    """
    seed_everything(recipe.seed)
    model = RecognitionModel(*recipe.network("nothing"))
    if images is not None:
        _measure_norms(model.network, model.prepare(images))
    return model


def _measure_norms(network: torch.nn.Module, prepared: torch.Tensor) -> None:
    norms = [module for module in network.modules() if isinstance(module, torch.nn.modules.batchnorm._BatchNorm)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.train().momentum = 1.0  # The statistics are those of this batch.
    with torch.no_grad():
        network(prepared)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.eval().momentum = momentum
