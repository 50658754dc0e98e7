"""What a recognition model learns from: labels (CLS), a teacher's embeddings (KT), or both (CL).

A strategy makes an objective: a module (its class centres are trained with the network) that turns one batch into one
loss. Packages add strategies by entry points of the group `sface_lab.strategies`.

Source: Boutros et al., "SFace" (IJCB 2022), section 3.3.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from sface_lib.recognition.heads import MarginHead
from sface_lib.registry import Registry


class Classification(nn.Module):
    """CLS: a margin head on the class labels; the authentic baseline is the same on authentic images."""

    def __init__(self, head: nn.Module):
        super().__init__()
        self.head = head

    def forward(self, embeddings: torch.Tensor, labels: torch.Tensor, taught: torch.Tensor | None) -> torch.Tensor:
        return self.head(embeddings, labels)


class KnowledgeTransfer(nn.Module):
    """KT: `weight * (1 - cos)` between student and teacher; labels are never looked at.

    Where the two embeddings differ in width, the student's is projected by a matrix that is learnt with it and is no
    part of the finished model.
    """

    def __init__(self, weight: float, student_size: int, teacher_size: int):
        super().__init__()
        same = student_size == teacher_size
        self.weight, self.projection = weight, None if same else nn.Linear(student_size, teacher_size, bias=False)

    def forward(self, embeddings: torch.Tensor, labels: torch.Tensor, taught: torch.Tensor | None) -> torch.Tensor:
        projected = embeddings if self.projection is None else self.projection(embeddings)
        return self.weight * (1 - F.cosine_similarity(projected.float(), taught)).mean()


class CombinedLearning(nn.Module):
    """CL: the sum of both."""

    def __init__(self, classification: Classification, transfer: KnowledgeTransfer):
        super().__init__()
        self.classification, self.transfer = classification, transfer

    def forward(self, embeddings: torch.Tensor, labels: torch.Tensor, taught: torch.Tensor | None) -> torch.Tensor:
        return self.classification(embeddings, labels, taught) + self.transfer(embeddings, labels, taught)


@dataclass(frozen=True)
class Strategy:
    """A way of learning from a set of faces.

    Attributes
    ----------
    learns_from
        In words, for tables: "labels".
    needs_labels, needs_teacher
        What it cannot do without.
    objective
        Makes the objective of (recipe, number of classes, width of the teacher's embedding or None). It is called
        with raw embeddings float `[N, d]`, labels int64 `[N]`, and the teacher's unit embeddings float32 `[N, t]` or
        None, and gives one loss.
    """

    learns_from: str
    needs_labels: bool
    needs_teacher: bool
    objective: Callable[[Any, int, int | None], nn.Module]


def _classification(recipe: Any, n_classes: int, teacher_size: int | None) -> Classification:
    return Classification(MarginHead(recipe.embedding_size, n_classes, recipe.head, recipe.margin, recipe.scale))


def _transfer(recipe: Any, n_classes: int, teacher_size: int) -> KnowledgeTransfer:
    return KnowledgeTransfer(recipe.kt_weight, recipe.embedding_size, teacher_size)


def _combined(recipe: Any, n_classes: int, teacher_size: int) -> CombinedLearning:
    return CombinedLearning(*(make(recipe, n_classes, teacher_size) for make in (_classification, _transfer)))


STRATEGIES: Registry[Strategy] = Registry(
    "strategy",
    "sface_lab.strategies",
    {
        "CLS": Strategy("labels", needs_labels=True, needs_teacher=False, objective=_classification),
        "KT": Strategy("teacher", needs_labels=False, needs_teacher=True, objective=_transfer),
        "CL": Strategy("labels and teacher", needs_labels=True, needs_teacher=True, objective=_combined),
    },
)
