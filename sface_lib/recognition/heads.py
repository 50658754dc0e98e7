"""Margin losses over class centres on the unit sphere."""

import torch
import torch.nn.functional as F
from torch import nn


def cosface_logits(cosine: torch.Tensor, labels: torch.Tensor, margin: float, scale: float) -> torch.Tensor:
    """CosFace: `scale * (cos - margin)` for the own class, `scale * cos` for the others.

    Source: Wang et al., "CosFace" (CVPR 2018), equation 4.

    Parameters
    ----------
    cosine
        Float `[N, n_classes]`; values that rounding pushed past +-1 are clamped.
    labels
        int64 `[N]`.
    """
    own = F.one_hot(labels, cosine.shape[1]).to(cosine.dtype)
    return scale * (cosine.clamp(-1, 1) - margin * own)


class CosFace(nn.Module):
    """Class centres and the CosFace cross-entropy.

    Parameters
    ----------
    embedding_size, n_classes
        Shape of the centres.
    margin
        In cosine.
    scale
        Of the logits.
    """

    def __init__(self, embedding_size: int, n_classes: int, margin: float, scale: float):
        super().__init__()
        self.centres = nn.Parameter(torch.randn(n_classes, embedding_size) * 0.01)
        self.margin, self.scale = margin, scale

    def forward(self, embeddings: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Mean loss of raw embeddings `[N, d]`, in float32 whatever the autocast."""
        with torch.autocast(embeddings.device.type, enabled=False):
            cosine = F.normalize(embeddings.float()) @ F.normalize(self.centres.float()).T
            return F.cross_entropy(cosface_logits(cosine, labels, self.margin, self.scale), labels)
