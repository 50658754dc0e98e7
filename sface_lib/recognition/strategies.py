"""What a recognition model learns from: labels (CLS), a teacher's embeddings (KT), or both (CL).

A strategy is a module (its class centres are trained with the network) that turns one batch into one loss.
Source: Boutros et al., "SFace" (IJCB 2022), section 3.3.
"""

import torch
import torch.nn.functional as F
from torch import nn


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
