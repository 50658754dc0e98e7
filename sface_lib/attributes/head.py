"""The classifier's head: shared layers on a face embedding, then a small branch for each attribute; and its loss.

Source of the layout: Mixed Objective and multi-branch networks of the MAC line of work (Terhörst et al., "MAAD-Face",
IEEE TIFS 2021; Neto et al., "Massively Annotated Datasets", FG 2024).
"""

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import nn

from sface_lib.attributes.names import exclusive_groups

SHARED, BRANCH, DROPOUT = 256, 16, 0.3
RAREST_SHARE = 0.02  # What is rarer weighs as if it were this frequent.


class AttributeHead(nn.Module):
    """Shared layer, then for every attribute a hidden layer and one logit of its own.

    Parameters
    ----------
    width
        Of the embeddings.
    names
        The attributes.
    dropout
        Share of features dropped after the shared layer and in every branch: in training, and in stochastic passes.
    """

    def __init__(
        self, width: int, names: tuple[str, ...], shared: int = SHARED, branch: int = BRANCH, dropout: float = DROPOUT
    ):
        super().__init__()
        self.names, self.dropout = names, dropout
        self.shared = nn.Sequential(nn.Linear(width, shared), nn.PReLU(shared))
        count = len(names)
        self.branch_weight = nn.Parameter(torch.randn(count, branch, shared) / math.sqrt(shared))
        self.branch_bias = nn.Parameter(torch.zeros(count, branch))
        self.logit_weight = nn.Parameter(torch.randn(count, branch) / math.sqrt(branch))
        self.logit_bias = nn.Parameter(torch.zeros(count))

    def forward(self, embeddings: torch.Tensor, stochastic: bool | None = None) -> torch.Tensor:
        """Logits float32 `[N, A]` of embeddings `[N, width]`, of any length; dropout in training or `stochastic`."""
        drop = self.training if stochastic is None else stochastic
        with torch.autocast(embeddings.device.type, enabled=False):
            return self.branches(self.trunk(embeddings), drop)

    def trunk(self, embeddings: torch.Tensor) -> torch.Tensor:
        """Shared features `[N, shared]`; embeddings are brought to the length of a standard normal vector first."""
        unit = F.normalize(embeddings.float())
        return self.shared(unit * math.sqrt(unit.shape[1]))

    def branches(self, shared: torch.Tensor, drop: bool) -> torch.Tensor:
        """Logits `[N, A]` of shared features `[N, shared]`."""
        shared = F.dropout(shared, self.dropout, drop)
        weight = self.branch_weight.flatten(0, 1)  # [A * branch, shared]
        hidden = F.linear(shared, weight, self.branch_bias.flatten()).relu()
        hidden = F.dropout(hidden, self.dropout, drop).unflatten(1, self.branch_bias.shape)
        return torch.einsum("nab,ab->na", hidden, self.logit_weight) + self.logit_bias


class AttributeLoss(nn.Module):
    """Negative log-likelihood of what an annotation says, classes balanced, undefined values left out.

    An attribute alone is a Bernoulli variable of its logit. A group whose members exclude one another is one variable
    over its members and "none of them", whose logit is 0: the likelihood is the probability of all its values that the
    annotation leaves possible. Where a member is present that is this member; where some are absent and the others
    undefined, everything but the absent ones; where all are undefined the loss is 0.

    Parameters
    ----------
    names
        The attributes.
    shares
        Share of the annotated images of the training set that each attribute is present in, `[A]`: present and absent
        ones weigh alike in the whole, down to a share of `RAREST_SHARE`. None lets every image weigh alike.
    """

    def __init__(self, names: tuple[str, ...], shares: Sequence[float] | None = None):
        super().__init__()
        self.groups = exclusive_groups(names)
        grouped = {i for group in self.groups for i in group}
        self.alone = [i for i in range(len(names)) if i not in grouped]
        share = torch.full((len(names),), 0.5) if shares is None else torch.tensor(shares)
        share = share.clamp(RAREST_SHARE, 1 - RAREST_SHARE)
        self.register_buffer("weights", torch.stack([0.5 / (1 - share), 0.5 / share]), persistent=False)

    def forward(self, logits: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
        """Mean over images and attributes, of logits `[N, A]` and annotations `[N, A]`."""
        logits, values = logits if logits.dtype == torch.float64 else logits.float(), values.to(logits.device)
        weights = torch.where(values == 1, self.weights[1], self.weights[0]) * (values != 0)
        alone = self.alone
        losses = F.binary_cross_entropy_with_logits(
            logits[:, alone], (values[:, alone] == 1).to(logits), weights.to(logits)[:, alone], reduction="sum"
        )
        for group in self.groups:
            losses = losses + self._group(logits[:, group], values[:, group], weights[:, group])
        return losses / values.numel()

    def _group(self, logits: torch.Tensor, values: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
        log_p = group_log_probabilities(logits)
        possible = possible_values(values)
        likelihood = torch.logsumexp(log_p.masked_fill(~possible, -torch.inf), 1)
        known = (values != 0).sum(1)
        # A group counts as much as the attributes that it says something of.
        return -(likelihood * weights.sum(1) * (known > 0)).sum()


def group_log_probabilities(logits: torch.Tensor) -> torch.Tensor:
    """Log-probabilities `[N, G + 1]` of the members of a group and, last, of none, from their logits `[N, G]`."""
    return F.log_softmax(torch.cat([logits, torch.zeros_like(logits[:, :1])], 1), 1)


def possible_values(values: torch.Tensor) -> torch.Tensor:
    """Which of a group's values `[N, G + 1]` (the members, then none) annotations `[N, G]` leave possible.

    Annotations that call two members present contradict themselves; both stay possible.
    """
    present = values == 1
    any_present = present.any(1, keepdim=True)
    members = torch.where(any_present, present, values == 0)
    return torch.cat([members, ~any_present], 1)
