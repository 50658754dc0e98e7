"""What a recognition model learns from: labels (CLS), a teacher's embeddings (KT), or both (CL).

A strategy is a module (its class centres are trained with the network) that turns one batch into one loss.
Source: Boutros et al., "SFace" (IJCB 2022), section 3.3.
"""

import torch
import torch.nn.functional as F
from torch import nn

from sface_lib.recognition.heads import CosFace


class Classification(nn.Module):
    """CLS: CosFace on the class labels; the authentic baseline is the same on authentic images."""

    name, needs_teacher = "CLS", False

    def __init__(self, head: CosFace):
        super().__init__()
        self.head = head

    def forward(self, embeddings: torch.Tensor, labels: torch.Tensor, taught: torch.Tensor | None) -> torch.Tensor:
        return self.head(embeddings, labels)


class KnowledgeTransfer(nn.Module):
    """KT: `weight * (1 - cos)` between student and teacher; labels are never looked at."""

    name, needs_teacher = "KT", True

    def __init__(self, weight: float):
        super().__init__()
        self.weight = weight

    def forward(self, embeddings: torch.Tensor, labels: torch.Tensor, taught: torch.Tensor | None) -> torch.Tensor:
        return self.weight * (1 - F.cosine_similarity(embeddings.float(), taught)).mean()


class CombinedLearning(nn.Module):
    """CL: the sum of both."""

    name, needs_teacher = "CL", True

    def __init__(self, head: CosFace, weight: float):
        super().__init__()
        self.classification, self.transfer = Classification(head), KnowledgeTransfer(weight)

    def forward(self, embeddings: torch.Tensor, labels: torch.Tensor, taught: torch.Tensor | None) -> torch.Tensor:
        return self.classification(embeddings, labels, taught) + self.transfer(embeddings, labels, taught)
