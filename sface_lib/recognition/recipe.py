"""How a network is trained in the recognition loop: every number of a run, and what is refused before it starts."""

import dataclasses

import torch
from torch import nn

from sface_lib.data import FaceBatches
from sface_lib.errors import InputError
from sface_lib.recognition.augment import PRESETS
from sface_lib.recognition.models import InputSpec, make_backbone
from sface_lib.recognition.strategies import STRATEGIES

# The paper divides the learning rate by ten at epochs 40, 48 and 52 of 64.
DECAY_AT = (40 / 64, 48 / 64, 52 / 64)
MOMENTUM = 0.9


@dataclasses.dataclass(frozen=True)
class TrainingRecipe:
    """What the loop needs to know, whatever the network learns: the paper's SGD, schedule and clipping, at any length.

    Attributes
    ----------
    batch
        Images in one step, over all processes.
    augmentation
        A name of `augment.PRESETS`; the paper's is "flip".
    grey_share
        Share of the training images that lose their colour.
    gradient_accumulation_steps
        Micro-batches into which each process divides its share of a batch: less memory, equal gradients except for the
        statistics of batch normalisation, which are those of a micro-batch.
    """

    backbone: str
    size_px: int
    embedding_size: int
    steps: int
    batch: int
    learning_rate: float
    weight_decay: float
    _: dataclasses.KW_ONLY
    seed: int
    dropout: float = 0.4
    augmentation: str = "flip"
    grey_share: float = 0.0
    gradient_accumulation_steps: int = 1

    @property
    def plain_views(self) -> bool:
        """Whether a student sees nothing but images and mirror images, which a teacher can embed once for all."""
        return self.augmentation == "flip" and not self.grey_share

    def rate(self, step: int) -> float:
        """The learning rate of a step."""
        return self.learning_rate * 0.1 ** sum(step >= share * self.steps for share in DECAY_AT)

    def optimiser(self, parameters: list[nn.Parameter]) -> torch.optim.Optimizer:
        """What takes the steps; its rate is set anew at every one."""
        return torch.optim.SGD(parameters, self.learning_rate, momentum=MOMENTUM, weight_decay=self.weight_decay)

    def network(self, trained_on: str) -> tuple[nn.Module, InputSpec, dict]:
        """A new network, its input specification and description."""
        return make_backbone(self.backbone, self.embedding_size, self.size_px, self.dropout, trained_on)

    def objective(self, strategy: str, n_classes: int, teacher_size: int | None = None) -> nn.Module:
        """What turns a batch into a loss; `teacher_size` is the width of the teacher's embedding.

        Raises
        ------
        InputError
            There is no such strategy, or it needs a teacher.
        """
        raise NotImplementedError

    def check(self, data: FaceBatches, strategy: str, processes: int) -> None:
        """Refuse what cannot be trained; raises `InputError`."""
        if self.augmentation not in PRESETS:
            raise InputError(f"augmentation {self.augmentation!r} does not exist; choose one of {', '.join(PRESETS)}")
        if len(data) < self.batch:
            raise InputError(f"the set has {len(data)} images, fewer than recognition_batch = {self.batch}; lower it")
        micro_batches = processes * self.gradient_accumulation_steps
        if self.batch % micro_batches:
            raise InputError(
                f"recognition_batch = {self.batch} cannot be divided into {micro_batches} micro-batches, of "
                f"{processes} processes with {self.gradient_accumulation_steps} gradient accumulation steps each"
            )
        if self.batch // micro_batches < 2:
            raise InputError(
                f"recognition_batch = {self.batch} leaves one image for each of {micro_batches} micro-batches, which "
                "batch normalisation cannot use; enlarge the batch"
            )


@dataclasses.dataclass(frozen=True)
class RecognitionRecipe(TrainingRecipe):
    """A recipe of one of the strategies.

    Attributes
    ----------
    margin, scale
        Of the head; a margin of None is the published one.
    kt_weight
        Of the knowledge transfer loss.
    head
        A name of `heads.HEADS`.
    """

    margin: float | None
    scale: float
    kt_weight: float
    head: str = "cosface"

    def objective(self, strategy: str, n_classes: int, teacher_size: int | None = None) -> nn.Module:
        """That of a name of `STRATEGIES`."""
        if STRATEGIES[strategy].needs_teacher and teacher_size is None:
            raise InputError(f"strategy {strategy} needs a teacher")
        return STRATEGIES[strategy].objective(self, n_classes, teacher_size)

    def check(self, data: FaceBatches, strategy: str, processes: int) -> None:
        """Refuse what cannot be trained; raises `InputError`."""
        super().check(data, strategy, processes)
        if STRATEGIES[strategy].needs_labels and not data.labelled:
            without = ", ".join(name for name, each in STRATEGIES.items() if not each.needs_labels)
            raise InputError(f"the set has no labels, which strategy {strategy} learns from; {without} learns without")
        if STRATEGIES[strategy].needs_labels and data.n_classes == 1:
            data.faces.require_classes(f"strategy {strategy}")
