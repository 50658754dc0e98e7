"""The faster PReLU is PReLU: forward, both gradients, at zero, and under autocast."""

import pytest
import torch
from torch import nn

from sface_lib.recognition.backbones import PReLU


def both(x: torch.Tensor, slopes: torch.Tensor, values_at_once: int):
    """Output and gradients of torch's PReLU and of ours."""
    for kind in (nn.PReLU, PReLU):
        module = kind(len(slopes)).to(x.dtype)
        module.weight.data.copy_(slopes)
        module.values_at_once = values_at_once
        own = x.clone().requires_grad_()
        out = module(own)
        out.backward(torch.arange(out.numel(), dtype=x.dtype).view_as(out) / out.numel() - 0.5)
        yield out.detach(), own.grad, module.weight.grad


@pytest.mark.parametrize("at_once", [1, 2 * 4 * 5 * 6, 2**17], ids=["each", "two", "all"])
def test_output_and_gradients_are_those_of_torch(at_once):
    """However many images the backward pass takes at once; of three, two leave a part."""
    torch.manual_seed(0)
    x = torch.randn(3, 4, 5, 6, dtype=torch.float64)
    x[0, 0, 0, :3] = 0.0  # Where the slope belongs to the negative side.
    theirs, ours = both(x, torch.tensor([0.25, 0.0, -0.5, 2.0], dtype=torch.float64), at_once)
    for expected, found in zip(theirs, ours, strict=True):
        torch.testing.assert_close(found, expected, atol=1e-14, rtol=1e-13)


def test_gradients_agree_with_differences():
    module = PReLU(2).double()
    x = torch.randn(2, 2, 3, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(
        lambda x, w: torch.func.functional_call(module, {"weight": w}, x), (x, module.weight)
    )


@pytest.mark.parametrize("layout", [torch.channels_last, torch.contiguous_format])
def test_half_precision_stays_close_and_keeps_the_layout(layout):
    torch.manual_seed(0)
    x = torch.randn(4, 8, 6, 6).contiguous(memory_format=layout)
    module = PReLU(8)
    with torch.autocast("cpu", torch.bfloat16):
        out = module(x.bfloat16())
    assert out.dtype == torch.bfloat16 and out.is_contiguous(memory_format=layout)
    out.float().sum().backward()
    # Sums of 144 values with eight bits each.
    assert module.weight.grad == pytest.approx(x.clamp(max=0).sum((0, 2, 3)).numpy(), rel=0.02)


def test_half_precision_of_many_parts_is_summed_in_float32():
    """1,000 images of -1: added up one by one in bf16, their slope's gradient would stop at -256."""
    module = PReLU(1)
    module.values_at_once = 1
    with torch.autocast("cpu", torch.bfloat16):
        out = module(torch.full((1000, 1, 1, 1), -1.0, dtype=torch.bfloat16))
    out.float().sum().backward()
    assert module.weight.grad.item() == pytest.approx(-1000, rel=0.005)


def test_it_is_torchs_own_in_evaluation():
    module, x = PReLU(2).eval(), torch.tensor([[[[-2.0]], [[3.0]]]])
    assert module(x).flatten().tolist() == [-0.5, 3.0] and isinstance(module, nn.PReLU)
