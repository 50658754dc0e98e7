"""Layers that generator and discriminator share.

Source: Karras et al., "Progressive Growing of GANs" (ICLR 2018), section 4.1, for the equalised learning rate; Zhang,
"Making Convolutional Networks Shift-Invariant Again" (ICML 2019), for filtered changes of resolution.
"""

import math

import torch
import torch.nn.functional as F
from torch import nn

LEAK = 0.2
GAIN = math.sqrt(2.0)  # Of the activation: it keeps the second moment of a standard normal input.


def activate(x: torch.Tensor, clamp: float | None = None) -> torch.Tensor:
    """Leaky ReLU; its gain belongs to the caller's weights, which are smaller than the activations."""
    x = F.leaky_relu_(x, LEAK)
    return x if clamp is None else x.clamp(-clamp, clamp)


def normalise_moment(x: torch.Tensor) -> torch.Tensor:
    """Scale each row of `[N, d]` to a mean square of one."""
    return x * (x.square().mean(1, keepdim=True) + 1e-8).rsqrt()


def fir_kernel(channels: int, like: torch.Tensor, gain: float = 1.0) -> torch.Tensor:
    """The separable low-pass filter [1, 3, 3, 1] of StyleGAN2 for a depthwise convolution, `[channels, 1, 4, 4]`."""
    taps = torch.tensor([1.0, 3.0, 3.0, 1.0], device=like.device)
    kernel = torch.outer(taps, taps) * (gain / 64)
    return kernel.to(like.dtype).expand(channels, 1, 4, 4)


def double(x: torch.Tensor) -> torch.Tensor:
    """Twice the resolution: zeros between the samples, then the low-pass filter; zeros beyond the border."""
    kernel = fir_kernel(x.shape[1], x, gain=4)
    return F.conv_transpose2d(x, kernel, stride=2, padding=1, groups=x.shape[1])


class Linear(nn.Module):
    """Linear layer with an equalised learning rate: weights of unit variance, scaled when they are used."""

    def __init__(self, n_in: int, n_out: int, bias: float = 0.0, rate: float = 1.0, gain: float = 1.0):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(n_out, n_in) / rate)
        self.bias = nn.Parameter(torch.full((n_out,), bias / rate))
        self.weight_gain, self.bias_gain = gain * rate / math.sqrt(n_in), gain * rate

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.linear(x, self.weight * self.weight_gain, self.bias * self.bias_gain)


class Convolution(nn.Module):
    """Convolution with an equalised learning rate and "same" padding; `down` halves the resolution, filtered."""

    def __init__(self, n_in: int, n_out: int, kernel_px: int, gain: float, bias: bool = True, down: bool = False):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(n_out, n_in, kernel_px, kernel_px))
        self.bias = nn.Parameter(torch.zeros(n_out)) if bias else None
        self.weight_gain, self.bias_gain, self.down = gain / math.sqrt(n_in * kernel_px**2), gain, down

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        weight = self.weight * self.weight_gain
        bias = None if self.bias is None else self.bias * self.bias_gain
        padding = weight.shape[-1] // 2
        if not self.down:
            return F.conv2d(x, weight, bias, padding=padding)
        # A depthwise filter of stride 2 is slow backward on a CPU; the dense convolution takes the stride.
        blurred = F.conv2d(x, fir_kernel(x.shape[1], x), padding=1 + padding, groups=x.shape[1])
        return F.conv2d(blurred, weight, bias, stride=2)


class LabelEmbedding(nn.Module):
    """Class labels int64 `[N]` to codes `[N, size]` whose mean square is one.

    The published layer divides the classes' vectors by the root of their number and not the bias, so that every step
    of the optimiser moves what classes share that much further than what tells them apart. Here both move alike.
    """

    def __init__(self, n_classes: int, size: int):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(n_classes, size))
        self.bias = nn.Parameter(torch.zeros(size))

    def forward(self, labels: torch.Tensor) -> torch.Tensor:
        return normalise_moment(self.weight[labels] + self.bias)
