"""Margin losses over class centres on the unit sphere: CosFace, ArcFace and ElasticFace-Cos.

Each is a function from cosines to logits that changes a sample's own class alone; `MarginHead` holds the centres.
"""

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from sface_lib.errors import InputError
from sface_lib.registry import Registry

SQUARED_SINE_FLOOR = 1e-7  # The step of float32 near a cosine of one.


def cosface_logits(
    cosine: torch.Tensor, labels: torch.Tensor, margin: float | torch.Tensor, scale: float
) -> torch.Tensor:
    """CosFace: `scale * (cos - margin)` for the own class, `scale * cos` for the others.

    Source: Wang et al., "CosFace" (CVPR 2018), equation 4.

    Parameters
    ----------
    cosine
        Float `[N, n_classes]`; rounding may have pushed values past +-1.
    labels
        int64 `[N]`.
    margin
        In cosine: one, or one a sample, float `[N]`.
    """
    return _with_change(cosine, labels, torch.as_tensor(-margin, dtype=cosine.dtype, device=cosine.device), scale)


def arcface_logits(cosine: torch.Tensor, labels: torch.Tensor, margin: float, scale: float) -> torch.Tensor:
    """ArcFace: `scale * cos(theta + margin)` for the own class, `scale * cos(theta)` for the others.

    Beyond `theta = pi - margin`, where `cos(theta + margin)` would rise again, the own class has
    `scale * (cos(theta) - margin * sin(margin))`, as in InsightFace's code (without its "easy margin"): it falls on.
    Where a cosine is one or minus one the sine's slope is infinite; there the sine is taken as constant, at most
    3e-4 too large.

    Source: Deng et al., "ArcFace" (CVPR 2019), equation 3.

    Parameters
    ----------
    cosine
        Float `[N, n_classes]`; rounding may have pushed values past +-1.
    labels
        int64 `[N]`.
    margin
        In radians.
    """
    own = cosine.gather(1, labels[:, None])[:, 0]
    sine = (1 - own.square()).clamp_min(SQUARED_SINE_FLOOR).sqrt()
    turned = own * math.cos(margin) - sine * math.sin(margin)
    target = torch.where(own > math.cos(math.pi - margin), turned, own - margin * math.sin(margin))
    return _with_change(cosine, labels, target - own, scale)


def elastic_margins(
    cosine: torch.Tensor, margin: float, sd: float, generator: torch.Generator | None = None
) -> torch.Tensor:
    """ElasticFace-Cos: a margin for each row of cosines `[N, n_classes]`, drawn from a normal distribution; `[N]`.

    ElasticFace-Cos+, which is not this, gives the larger ones of a batch's draws to the samples that are farther from
    their centres.

    Source: Boutros et al., "ElasticFace" (CVPR Workshops 2022), ElasticFace-Cos.

    Parameters
    ----------
    margin, sd
        Mean and standard deviation, in cosine.
    generator
        Of the cosines' device; None draws from torch's global one, which training seeds at every step.
    """
    draws = torch.randn(len(cosine), generator=generator, device=cosine.device, dtype=cosine.dtype)
    return margin + sd * draws


def _with_change(cosine: torch.Tensor, labels: torch.Tensor, change: torch.Tensor, scale: float) -> torch.Tensor:
    """`scale * cosine`, with `scale * change` added to each sample's own class; no other array of that size."""
    rows = torch.arange(len(labels), device=labels.device)
    return (scale * cosine).index_put_((rows, labels), scale * change, accumulate=True)


@dataclasses.dataclass(frozen=True)
class Head:
    """A margin loss and its published values.

    Attributes
    ----------
    logits
        Logits `[N, n_classes]` of (cosines `[N, n_classes]`, labels int64 `[N]`, margin, scale); the margin may be one,
        or where `sd` is above 0 one a sample.
    margin, scale
        As published.
    sd
        Standard deviation of a margin that is drawn for each sample in training; 0 draws none.
    margin_below
        What a margin must be smaller than.
    """

    logits: Callable[[torch.Tensor, torch.Tensor, Any, float], torch.Tensor]
    margin: float
    scale: float
    sd: float = 0.0
    margin_below: float = 1.0


# As published: CosFace section 4.1, ArcFace section 3.1, ElasticFace as in its authors' configuration.
HEADS: Registry[Head] = Registry(
    "head",
    "sface_lab.heads",
    {
        "cosface": Head(cosface_logits, 0.35, 64.0),
        "arcface": Head(arcface_logits, 0.5, 64.0, margin_below=math.pi / 2),
        "elasticface": Head(cosface_logits, 0.35, 64.0, sd=0.05),
    },
)


class MarginHead(nn.Module):
    """Class centres, and the cross-entropy of one head's logits.

    Parameters
    ----------
    embedding_size, n_classes
        Shape of the centres.
    head
        A name of `HEADS`.
    margin, scale, sd
        Of the head; None is its published value. Only ElasticFace has an `sd`; in evaluation its margin is the mean.

    Raises
    ------
    InputError
        There is no such head, or a value is out of range.
    """

    def __init__(
        self,
        embedding_size: int,
        n_classes: int,
        head: str = "cosface",
        margin: float | None = None,
        scale: float | None = None,
        sd: float | None = None,
    ):
        super().__init__()
        given = {name: value for name, value in (("margin", margin), ("scale", scale), ("sd", sd)) if value is not None}
        published = HEADS[head]
        self.head = dataclasses.replace(published, **given)
        if not 0 <= self.head.margin < self.head.margin_below or self.head.scale <= 0 or self.head.sd < 0:
            raise InputError(
                f"head {head} with margin {self.head.margin}, scale {self.head.scale}, sd {self.head.sd}: the margin "
                f"is at least 0 and below {self.head.margin_below:.4g}, the scale above 0, the sd at least 0"
            )
        if self.head.sd and not published.sd:
            raise InputError(f"sd = {sd}: the head {head} draws no margins; leave it out")
        self.centres = nn.Parameter(torch.randn(n_classes, embedding_size) * 0.01)

    def forward(self, embeddings: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Mean loss of raw embeddings `[N, d]` with labels int64 `[N]`, in float32 whatever the autocast."""
        with torch.autocast(embeddings.device.type, enabled=False):
            return F.cross_entropy(self._logits(self._cosine(embeddings.float()), labels), labels)

    def _cosine(self, embeddings: torch.Tensor) -> torch.Tensor:
        """Cosines `[N, n_classes]`; lengths divide the products, which are far fewer numbers than the centres."""
        centres = self.centres.float()
        lengths = torch.linalg.vector_norm(centres, dim=1).clamp_min(1e-12)
        return F.normalize(embeddings) @ centres.T / lengths

    def _logits(self, cosine: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        margin = self.head.margin
        if self.head.sd and self.training:
            margin = elastic_margins(cosine, margin, self.head.sd)
        return self.head.logits(cosine, labels, margin, self.head.scale)
