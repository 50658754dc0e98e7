"""Margin heads are their formulas, in value and gradient, and stay finite where the formulas' slopes do not."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from sface_lib.errors import InputError
from sface_lib.recognition import HEADS, MarginHead, arcface_logits, cosface_logits, elastic_margins

MARGIN, SCALE = 0.5, 64.0
LOGITS = {"cosface": cosface_logits, "arcface": arcface_logits}


def reference_loss(head: str, x: np.ndarray, centres: np.ndarray, labels: list[int]) -> float:
    """The papers' loss, sample by sample, in float64."""
    total = 0.0
    for row, label in zip(x, labels, strict=True):
        cosine = [row @ c / math.sqrt(row @ row) / math.sqrt(c @ c) for c in centres]
        theta = math.acos(cosine[label])
        if head == "cosface":
            own = cosine[label] - MARGIN
        else:
            below = theta < math.pi - MARGIN
            own = math.cos(theta + MARGIN) if below else cosine[label] - MARGIN * math.sin(MARGIN)
        others = sum(math.exp(SCALE * c) for k, c in enumerate(cosine) if k != label)
        total -= math.log(math.exp(SCALE * own) / (math.exp(SCALE * own) + others))
    return total / len(x)


def batch() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Embeddings, centres and labels in float64; the last sample lies beyond pi - margin."""
    generator = torch.Generator().manual_seed(0)
    x, centres = (torch.randn(n, 6, generator=generator, dtype=torch.float64) for n in (5, 4))
    labels = torch.tensor([0, 3, 2, 2, 1])
    x[4] = 0.05 * x[4] - 3 * centres[1]
    return x, centres, labels


def head_with(head: str, centres: torch.Tensor, **values) -> MarginHead:
    made = MarginHead(centres.shape[1], len(centres), head, **values)
    made.centres.data.copy_(centres)
    return made


def test_arcface_turns_the_own_class_by_the_margin():
    """cos(60 degrees + 0.5) = cos(1.5472) = 0.02360; beyond pi - 0.5 = 2.6416: cos(3) - 0.5 sin(0.5) = -1.22971."""
    cosine = torch.tensor([[0.5, -0.25], [0.5, math.cos(3.0)]], dtype=torch.float64)
    logits = arcface_logits(cosine, torch.tensor([0, 1]), 0.5, 64.0) / 64
    expected = torch.tensor([[0.02360, -0.25], [0.5, -1.22971]], dtype=torch.float64)
    torch.testing.assert_close(logits, expected, rtol=0, atol=5e-6)


@pytest.mark.parametrize("head", LOGITS)
def test_a_larger_angle_never_has_a_larger_logit(head):
    cosine = torch.cos(torch.linspace(0, math.pi, 2001, dtype=torch.float64))[:, None]
    logits = LOGITS[head](cosine, torch.zeros(2001, dtype=torch.int64), MARGIN, SCALE)[:, 0]
    assert (logits.diff() < 0).all()


@pytest.mark.parametrize("head", LOGITS)
def test_the_loss_is_the_papers(head):
    x, centres, labels = batch()
    found = head_with(head, centres, margin=MARGIN, scale=SCALE)(x, labels).item()
    # The head computes in float32, whose step at this size is 1e-6.
    assert found == pytest.approx(reference_loss(head, x.numpy(), centres.numpy(), labels.tolist()), rel=1e-5)


@pytest.mark.parametrize("head", LOGITS)
def test_gradients_are_those_of_the_papers_loss(head):
    """Central differences of the reference; their own error is about 1e-6 at this step."""
    x, centres, labels = batch()
    made, step = head_with(head, centres, margin=MARGIN, scale=SCALE), 1e-6
    by_x, by_centres = torch.autograd.grad(made(x.requires_grad_(), labels), (x, made.centres))

    def slope(changed: np.ndarray, entry: tuple[int, int]) -> float:
        losses = []
        for sign in (1, -1):
            changed[entry] += sign * step
            losses.append(reference_loss(head, x.detach().numpy(), centres.numpy(), labels.tolist()))
            changed[entry] -= sign * step
        return (losses[0] - losses[1]) / (2 * step)

    for tensor, gradient in ((x.detach(), by_x), (centres, by_centres)):
        expected = [[slope(tensor.numpy(), (i, j)) for j in range(6)] for i in range(len(tensor))]
        # A float32 logit of 64 has a step of 4e-6; the loss's slopes are of size 10.
        np.testing.assert_allclose(gradient.numpy(), expected, atol=1e-3)


@pytest.mark.parametrize("head", LOGITS)
def test_derivatives_by_the_cosine_are_those_of_finite_differences(head):
    cosine, labels, step = (
        torch.linspace(-0.98, 0.98, 12, dtype=torch.float64).view(4, 3),
        torch.tensor([0, 2, 1, 2]),
        1e-6,
    )

    def summed(c: torch.Tensor) -> torch.Tensor:
        return LOGITS[head](c, labels, MARGIN, SCALE).square().sum()

    gradient = torch.func.grad(summed)(cosine)
    for entry in np.ndindex(4, 3):
        shift = torch.zeros_like(cosine)
        shift[entry] = step
        expected = (summed(cosine + shift) - summed(cosine - shift)) / (2 * step)
        assert gradient[entry].item() == pytest.approx(expected.item(), rel=1e-6, abs=1e-3)


@pytest.mark.parametrize("value", [1.0, -1.0, 1 + 2e-7, -1 - 2e-7])
@pytest.mark.parametrize("head", LOGITS)
def test_logits_and_slopes_are_finite_at_and_beyond_a_cosine_of_one(head, value):
    cosine = torch.tensor([[value, 0.0]], requires_grad=True)
    logits = LOGITS[head](cosine, torch.tensor([0]), MARGIN, SCALE)
    logits.sum().backward()
    assert logits.isfinite().all() and cosine.grad.isfinite().all()
    theta = 0.0 if value > 0 else math.pi
    own = {
        "cosface": math.cos(theta) - MARGIN,
        "arcface": math.cos(MARGIN) if value > 0 else -1 - MARGIN * math.sin(MARGIN),
    }
    # ArcFace's sine is 3e-4 too large there at most.
    assert logits[0, 0].item() / SCALE == pytest.approx(own[head], abs=4e-4)


@pytest.mark.parametrize("bf16", [False, True])
@pytest.mark.parametrize("sign", [1.0, -1.0])
@pytest.mark.parametrize("head", HEADS)
def test_gradients_are_finite_where_an_embedding_lies_on_a_centre(head, sign, bf16):
    torch.manual_seed(0)
    made = MarginHead(64, 3, head)
    x = (sign * made.centres.detach()[[0, 1, 2]] * 7).requires_grad_()
    with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        loss = made(x.bfloat16() if bf16 else x, torch.tensor([0, 1, 2]))
    loss.backward()
    assert loss.dtype == torch.float32 and x.grad.isfinite().all() and made.centres.grad.isfinite().all()


@pytest.mark.parametrize("head", LOGITS)
def test_the_head_computes_in_float32_whatever_the_autocast(head):
    x, centres, labels = batch()
    made = head_with(head, centres)
    with torch.autocast("cpu", torch.bfloat16):
        inside = made(x, labels)
    assert torch.equal(inside, made(x, labels))


def test_elastic_margins_are_normal_about_the_margin_and_touch_the_own_class_alone():
    n = 20_000
    cosine, labels = torch.linspace(-1, 1, 3 * n, dtype=torch.float64).view(n, 3), torch.arange(n) % 3
    margins = elastic_margins(cosine, 0.35, 0.05, torch.Generator().manual_seed(0))
    logits = cosface_logits(cosine, labels, margins, 64.0)
    taken = cosine - logits / 64
    own = F.one_hot(labels, 3).bool()
    torch.testing.assert_close(taken[~own], torch.zeros(2 * n, dtype=torch.float64), rtol=0, atol=1e-12)
    # Standard errors: 0.05 / sqrt(20000) = 3.5e-4 of the mean, 2.5e-4 of the deviation; four of each.
    assert taken[own].mean().item() == pytest.approx(0.35, abs=1.4e-3)
    assert taken[own].std().item() == pytest.approx(0.05, abs=1.0e-3)
    # A normal distribution has 4.55 % beyond two deviations; four standard errors are 0.6 %.
    assert ((taken[own] - 0.35).abs() > 0.1).double().mean().item() == pytest.approx(0.0455, abs=0.006)


def test_elastic_margins_repeat_with_the_seed_and_rest_in_evaluation():
    x, centres, labels = batch()
    made, losses = head_with("elasticface", centres), []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        losses.append(made(x, labels).item())
    assert losses[0] == losses[1] != losses[2]
    assert made.eval()(x, labels).item() == head_with("cosface", centres)(x, labels).item()


def test_heads_have_the_published_values():
    published = {"cosface": (0.35, 64.0, 0.0), "arcface": (0.5, 64.0, 0.0), "elasticface": (0.35, 64.0, 0.05)}
    assert {name: (v.margin, v.scale, v.sd) for name, v in HEADS.items()} == published
    assert MarginHead(4, 3, "arcface").head == HEADS["arcface"]
    assert MarginHead(4, 3, "arcface", margin=0.3).head.margin == 0.3


def test_no_second_array_of_every_class_is_kept_for_the_backward_pass():
    """Of all `[N, n_classes]` arrays, the products before the lengths and the log-probabilities alone are needed."""
    kept, made = [], MarginHead(8, 50, "cosface")
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t) or t, lambda t: t):
        made(torch.randn(5, 8), torch.arange(5))
    assert len({t.data_ptr() for t in kept if t.shape == (5, 50)}) == 2


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"head": "sphereface"}, "'sphereface' does not exist; choose one of cosface, arcface, elasticface"),
        ({"head": "arcface", "margin": 1.6}, r"margin 1\.6,.*below 1\.571"),
        ({"margin": -0.1}, r"margin -0\.1,.*at least 0 and below 1"),
        ({"scale": 0.0}, r"scale 0\.0,.*scale above 0"),
        ({"sd": 0.05}, r"sd = 0\.05: the head cosface draws no margins"),
    ],
)
def test_what_no_head_can_be_is_refused(values, message):
    with pytest.raises(InputError, match=message):
        MarginHead(4, 3, **values)
