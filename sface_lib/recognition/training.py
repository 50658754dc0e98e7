"""One loop for every recognition model: the authentic baseline, CLS, KT and CL differ in data and strategy only."""

import dataclasses
import sys
import time
from pathlib import Path

import numpy as np
import torch
from accelerate import Accelerator
from torch import nn
from tqdm import tqdm

from sface_lib.data import FaceBatches
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
from sface_lib.recognition.augment import PRESETS, flip, robust
from sface_lib.recognition.embedding import batch_size, embed_batches
from sface_lib.recognition.heads import CosFace
from sface_lib.recognition.models import RecognitionModel, make_iresnet
from sface_lib.recognition.strategies import Classification, CombinedLearning, KnowledgeTransfer

# The paper divides the learning rate by ten at epochs 40, 48 and 52 of 64.
DECAY_AT = (40 / 64, 48 / 64, 52 / 64)
CLIP_NORM = 5.0
LOGS_A_RUN = 40
CHECKPOINTS_A_RUN = 4


@dataclasses.dataclass(frozen=True)
class RecognitionRecipe:
    """How a recognition model is trained: the paper's SGD, schedule and clipping, at any length.

    `augmentation` is a name of `augment.PRESETS`; the paper's is "flip".
    """

    backbone: str
    size_px: int
    embedding_size: int
    steps: int
    batch: int
    learning_rate: float
    weight_decay: float
    margin: float
    scale: float
    kt_weight: float
    seed: int
    momentum: float = 0.9
    dropout: float = 0.4
    augmentation: str = "flip"

    def strategy(self, name: str, n_classes: int) -> nn.Module:
        """The object of a strategy: CLS, KT or CL."""
        head = CosFace(self.embedding_size, n_classes, self.margin, self.scale)
        choices = {
            "CLS": lambda: Classification(head),
            "KT": lambda: KnowledgeTransfer(self.kt_weight),
            "CL": lambda: CombinedLearning(head, self.kt_weight),
        }
        if name not in choices:
            raise InputError(f"strategy {name!r} does not exist; choose one of {', '.join(choices)}")
        return choices[name]()


class TaughtBatches:
    """A teacher's embeddings of every image of a set and of its mirror image, computed once.

    Parameters
    ----------
    teacher
        The frozen model.
    data
        The images that a student will see.
    """

    def __init__(self, teacher: RecognitionModel, data: FaceBatches, accelerator: Accelerator):
        self.embedding_size, self.teacher = teacher.embedding_size, teacher.fingerprint
        self.views = torch.stack([self._embed(teacher, data, accelerator, mirrored) for mirrored in (False, True)])

    @staticmethod
    def _embed(teacher, data, accelerator, mirrored: bool) -> torch.Tensor:
        size = batch_size(accelerator)
        images = (data.images(np.arange(s, min(s + size, len(data))))[0] for s in range(0, len(data), size))
        batches = (batch.flip(3) if mirrored else batch for batch in images)
        return torch.from_numpy(embed_batches(teacher, batches, accelerator, fuse=False))

    def __call__(self, indices: np.ndarray, mirrored: torch.Tensor) -> torch.Tensor:
        """Unit embeddings float32 `[B, d]` of the views that the student sees."""
        return self.views[mirrored.long(), torch.as_tensor(indices)]


class RecognitionTrainer:
    """Network, strategy and optimiser of one run, and its one step."""

    def __init__(
        self,
        data: FaceBatches,
        strategy: str,
        recipe: RecognitionRecipe,
        accelerator: Accelerator,
        folder: Path,
        taught: TaughtBatches | None = None,
    ):
        self.data, self.recipe, self.accelerator, self.folder = data, recipe, accelerator, folder
        self.taught, self.name, self.step = taught, strategy, 0
        seed_everything(recipe.seed)
        network, self.spec, self.description = make_iresnet(
            recipe.backbone,
            recipe.embedding_size,
            recipe.size_px,
            recipe.dropout,
            f"{strategy}, see the run's manifest",
        )
        objective = recipe.strategy(strategy, data.n_classes)
        self._check(objective)
        trained = [p for m in (network, objective) for p in m.parameters() if p.requires_grad]
        self.optimiser = torch.optim.SGD(
            trained, recipe.learning_rate, momentum=recipe.momentum, weight_decay=recipe.weight_decay
        )
        network = network.to(memory_format=torch.channels_last)
        self.network, self.objective = (self._prepare(module) for module in (network, objective))
        self.identity = {
            "recipe": dataclasses.asdict(recipe),
            "strategy": strategy,
            "data": data.fingerprint,
            "teacher": taught.teacher if taught else None,
        }

    def _prepare(self, module: nn.Module) -> nn.Module:
        """Move to the device; wrap for several processes only what has parameters."""
        return self.accelerator.prepare_model(module) if any(p.requires_grad for p in module.parameters()) else module

    def _check(self, objective: nn.Module) -> None:
        recipe = self.recipe
        if len(self.data) < recipe.batch:
            raise InputError(
                f"the set has {len(self.data)} images, fewer than recognition_batch = {recipe.batch}; lower it"
            )
        if recipe.batch % self.accelerator.num_processes:
            raise InputError(
                f"recognition_batch = {recipe.batch} cannot be shared by {self.accelerator.num_processes} processes"
            )
        if recipe.augmentation not in PRESETS:
            raise InputError(f"augmentation {recipe.augmentation!r} does not exist; choose one of {', '.join(PRESETS)}")
        if objective.needs_teacher and recipe.augmentation != "flip":
            raise InputError(
                f"strategy {self.name} compares with a teacher's embeddings of plain and mirrored images, not of "
                f"{recipe.augmentation} ones; use augmentation='flip'"
            )
        if objective.needs_teacher and self.taught is None:
            raise InputError(f"strategy {self.name} needs a teacher")
        if objective.needs_teacher and self.taught.embedding_size != recipe.embedding_size:
            raise InputError(
                f"the teacher's embedding has {self.taught.embedding_size} values, the student's "
                f"{recipe.embedding_size}; "
                f"set embedding_size={self.taught.embedding_size}"
            )

    def train(self) -> RecognitionModel:
        """Train to the recipe's end, from the newest checkpoint if there is one; give the last model.

        Raises
        ------
        TrainingError
            The loss is not finite.
        """
        self._resume()
        main, steps = self.accelerator.is_main_process, self.recipe.steps
        log = JsonLines(self.folder / "log.jsonl", resume_at=self.step) if main else None
        bar = tqdm(
            total=steps, initial=self.step, unit="step", file=sys.stderr, mininterval=2, leave=False,
            desc=self.name, disable=not main,
        )  # fmt: skip
        started, first, total = time.perf_counter(), self.step, 0.0
        log_every, save_every = max(1, steps // LOGS_A_RUN), max(1, steps // CHECKPOINTS_A_RUN)
        while self.step < steps:
            loss = self._train_step().item()
            require_finite({"loss": loss}, self.step)
            total += loss
            bar.update()
            if main and self.step % log_every == 0:
                rate = (self.step - first) * self.recipe.batch / (time.perf_counter() - started)
                log.write(step=self.step, loss=total / log_every, images_per_second=rate)
                total = 0.0
            if main and self.step % save_every == 0 and self.step < steps:
                self._save()
        bar.close()
        return RecognitionModel(self.accelerator.unwrap_model(self.network), self.spec, self.description)

    def _train_step(self) -> torch.Tensor:
        """One batch; the mean loss, still on the device."""
        rank, ranks = self.accelerator.process_index, self.accelerator.num_processes
        draws = seed_step(self.recipe.seed, self.step, rank)
        per_rank = self.recipe.batch // ranks
        indices = self.data.shuffled(self.recipe.seed, self.step * self.recipe.batch, self.recipe.batch)
        indices = indices[rank * per_rank : (rank + 1) * per_rank]
        images, labels = self.data.images(indices)
        images, mirrored = flip(images, draws)
        if self.recipe.augmentation == "robust":
            images = robust(images, draws)
        device = self.accelerator.device
        taught = self.taught(indices, mirrored).to(device) if self.taught else None
        images = self._prepare_images(images.to(device))
        self.network.train()
        with self.accelerator.autocast():
            loss = self.objective(self.network(images), labels.to(device), taught)
        self.optimiser.param_groups[0]["lr"] = self._rate()
        self.optimiser.zero_grad(set_to_none=True)
        self.accelerator.backward(loss)
        self.accelerator.clip_grad_norm_(self.optimiser.param_groups[0]["params"], CLIP_NORM)
        self.optimiser.step()
        self.step += 1
        return loss.detach()

    def _rate(self) -> float:
        """The learning rate of the next step."""
        passed = sum(self.step >= share * self.recipe.steps for share in DECAY_AT)
        return self.recipe.learning_rate * 0.1**passed

    def _prepare_images(self, images: torch.Tensor) -> torch.Tensor:
        images = (images.float() - self.spec.mean) / self.spec.scale
        return images.contiguous(memory_format=torch.channels_last)

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


def untrained_model(recipe: RecognitionRecipe) -> RecognitionModel:
    """The recipe's network at its random start: a floor that every trained model must be above."""
    seed_everything(recipe.seed)
    network, spec, description = make_iresnet(
        recipe.backbone, recipe.embedding_size, recipe.size_px, recipe.dropout, "nothing"
    )
    return RecognitionModel(network, spec, description)
