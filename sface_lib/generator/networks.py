"""Class-conditional StyleGAN2-style generator and discriminator in plain PyTorch.

Source: Karras et al., "Analyzing and Improving the Image Quality of StyleGAN" (CVPR 2020): weight demodulation
(section 2.2), skip generator and residual discriminator (section 4.1), equalised learning rates. The label enters the
mapping network by an embedding; the discriminator takes it by projection (Miyato and Koyama, ICLR 2018).

Images at these networks' doors are float RGB `[N, 3, R, R]` in [-1, 1].
"""

import dataclasses
import math

import torch
import torch.nn.functional as F
from torch import nn

from sface_lib.errors import InputError

LEAK = 0.2
ACTIVATION_GAIN = math.sqrt(2.0)
MINIBATCH_GROUP = 4
SMALLEST_PX = 4


@dataclasses.dataclass(frozen=True)
class GeneratorSpec:
    """Architecture of a generator and its discriminator."""

    n_classes: int
    resolution_px: int
    channel_base: int
    channel_max: int
    latent_size: int = 128
    mapping_layers: int = 4

    def __post_init__(self):
        if self.n_classes < 1:
            raise InputError(f"n_classes = {self.n_classes}: a class-conditional generator needs at least one class")
        if self.resolution_px < 8 or self.resolution_px & (self.resolution_px - 1):
            raise InputError(f"resolution_px = {self.resolution_px}: use a power of two of at least 8")

    @property
    def resolutions_px(self) -> tuple[int, ...]:
        """4, 8, ... up to the image's side."""
        return tuple(2**i for i in range(2, int(math.log2(self.resolution_px)) + 1))

    def channels(self, resolution_px: int) -> int:
        """Width of the layers at a resolution."""
        return min(self.channel_base // resolution_px, self.channel_max)


def activate(x: torch.Tensor) -> torch.Tensor:
    """Leaky ReLU that keeps the second moment of a standard normal input."""
    return F.leaky_relu(x, LEAK) * ACTIVATION_GAIN


def normalise_moment(x: torch.Tensor) -> torch.Tensor:
    """Scale each row of `[N, d]` to a mean square of one."""
    return x * (x.square().mean(1, keepdim=True) + 1e-8).rsqrt()


class Linear(nn.Module):
    """Linear layer with an equalised learning rate: weights of unit variance, scaled when they are used."""

    def __init__(self, n_in: int, n_out: int, bias: float = 0.0, rate: float = 1.0):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(n_out, n_in) / rate)
        self.bias = nn.Parameter(torch.full((n_out,), bias / rate))
        self.gain, self.rate = rate / math.sqrt(n_in), rate

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.linear(x, self.weight * self.gain, self.bias * self.rate)


class Convolution(nn.Module):
    """Convolution with an equalised learning rate and "same" padding."""

    def __init__(self, n_in: int, n_out: int, kernel_px: int, bias: bool = True):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(n_out, n_in, kernel_px, kernel_px))
        self.bias = nn.Parameter(torch.zeros(n_out)) if bias else None
        self.gain, self.padding = 1 / math.sqrt(n_in * kernel_px**2), kernel_px // 2

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.conv2d(x, self.weight * self.gain, self.bias, padding=self.padding)


class Mapping(nn.Module):
    """Latent and label to the intermediate latent w."""

    def __init__(self, spec: GeneratorSpec):
        super().__init__()
        size = spec.latent_size
        self.embedding = nn.Parameter(torch.randn(spec.n_classes, size))
        self.layers = nn.ModuleList(
            Linear(2 * size if i == 0 else size, size, rate=0.01) for i in range(spec.mapping_layers)
        )
        self.register_buffer("w_mean", torch.zeros(size))

    def forward(self, z: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """`z` `[N, latent_size]` standard normal, `labels` int64 `[N]` -> w `[N, latent_size]`, float32."""
        x = torch.cat([normalise_moment(z), normalise_moment(self.embedding[labels])], 1)
        for layer in self.layers:
            x = activate(layer(x))
        return x.float()


class StyledConvolution(nn.Module):
    """Modulated 3x3 convolution, noise, bias and activation.

    The weights are not modulated for each image: scaling the input by the style and the output by the demodulation
    factor is the same function, and one shared convolution serves the whole batch.
    """

    def __init__(self, n_in: int, n_out: int, latent_size: int, resolution_px: int):
        super().__init__()
        self.style = Linear(latent_size, n_in, bias=1.0)
        self.convolution = Convolution(n_in, n_out, 3, bias=False)
        self.bias = nn.Parameter(torch.zeros(n_out))
        self.noise_strength = nn.Parameter(torch.zeros(()))
        self.register_buffer("noise", torch.randn(1, 1, resolution_px, resolution_px))

    def demodulation(self, style: torch.Tensor) -> torch.Tensor:
        """Factors `[N, n_out]` that give each output channel unit variance; in float32."""
        weight = (self.convolution.weight.float() * self.convolution.gain).square().sum((2, 3))
        return (style.float().square() @ weight.T + 1e-8).rsqrt()

    def forward(self, x: torch.Tensor, w: torch.Tensor, fixed_noise: bool) -> torch.Tensor:
        style = self.style(w)
        with torch.autocast(x.device.type, enabled=False):
            factor = self.demodulation(style)
        y = self.convolution(x * style[:, :, None, None].to(x.dtype))
        noise = self.noise if fixed_noise else torch.randn_like(y[:, :1])
        y = y * factor[:, :, None, None].to(y.dtype) + (noise * self.noise_strength).to(y.dtype)
        return activate(y + self.bias[:, None, None].to(y.dtype))


class ToRgb(nn.Module):
    """Modulated 1x1 convolution to RGB, without demodulation."""

    def __init__(self, n_in: int, latent_size: int):
        super().__init__()
        self.style = Linear(latent_size, n_in, bias=1.0)
        self.convolution = Convolution(n_in, 3, 1)

    def forward(self, x: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
        return self.convolution(x * self.style(w)[:, :, None, None].to(x.dtype)).float()


class GeneratorBlock(nn.Module):
    """Two styled convolutions at one resolution (one at the first), adding their share to the image."""

    def __init__(self, spec: GeneratorSpec, resolution_px: int):
        super().__init__()
        width, size = spec.channels(resolution_px), spec.latent_size
        self.first = resolution_px == SMALLEST_PX
        below = width if self.first else spec.channels(resolution_px // 2)
        self.convolution0 = None if self.first else StyledConvolution(below, width, size, resolution_px)
        self.convolution1 = StyledConvolution(width, width, size, resolution_px)
        self.to_rgb = ToRgb(width, size)

    def forward(self, x, image, w, fixed_noise):
        if not self.first:
            x = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
            x = self.convolution0(x, w, fixed_noise)
            image = F.interpolate(image, scale_factor=2, mode="bilinear", align_corners=False)
        x = self.convolution1(x, w, fixed_noise)
        rgb = self.to_rgb(x, w)
        return x, rgb if image is None else image + rgb


class Generator(nn.Module):
    """Latents and labels to images.

    Parameters
    ----------
    spec
        The architecture.
    """

    def __init__(self, spec: GeneratorSpec):
        super().__init__()
        self.spec = spec
        self.mapping = Mapping(spec)
        width = spec.channels(SMALLEST_PX)
        self.constant = nn.Parameter(torch.randn(1, width, SMALLEST_PX, SMALLEST_PX))
        self.blocks = nn.ModuleList(GeneratorBlock(spec, r) for r in spec.resolutions_px)

    def forward(
        self, z: torch.Tensor, labels: torch.Tensor, psi: float = 1.0, fixed_noise: bool = False
    ) -> torch.Tensor:
        """Draw images.

        Parameters
        ----------
        z
            Float `[N, latent_size]`, standard normal.
        labels
            Class labels, int64 `[N]`.
        psi
            Truncation: w is moved to the mean w by 1 - psi.
        fixed_noise
            Use the stored noise, so that an image depends on (z, label, psi) alone.

        Returns
        -------
        torch.Tensor
            Float32 RGB `[N, 3, R, R]`, about [-1, 1].
        """
        w = self.mapping(z, labels)
        if psi != 1.0:
            w = self.mapping.w_mean + psi * (w - self.mapping.w_mean)
        return self.synthesise(w, fixed_noise)

    def synthesise(self, w: torch.Tensor, fixed_noise: bool = False) -> torch.Tensor:
        """Images of intermediate latents `[N, latent_size]`."""
        x = self.constant.expand(len(w), -1, -1, -1).contiguous(memory_format=torch.channels_last)
        image = None
        for block in self.blocks:
            x, image = block(x, image, w, fixed_noise)
        return image


class DiscriminatorBlock(nn.Module):
    """Two convolutions and a halving of the resolution, with a 1x1 residual path."""

    def __init__(self, n_in: int, n_out: int):
        super().__init__()
        self.convolution0 = Convolution(n_in, n_in, 3)
        self.convolution1 = Convolution(n_in, n_out, 3)
        self.skip = Convolution(n_in, n_out, 1, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = F.avg_pool2d(activate(self.convolution1(activate(self.convolution0(x)))), 2)
        return (y + self.skip(F.avg_pool2d(x, 2))) * math.sqrt(0.5)


def minibatch_deviation(x: torch.Tensor) -> torch.Tensor:
    """Append one channel that holds the mean standard deviation over groups of images; it shows a collapse."""
    group = math.gcd(MINIBATCH_GROUP, len(x))
    y = x.float().reshape(group, -1, *x.shape[1:])
    y = (y.var(0, correction=0) + 1e-8).sqrt().mean((1, 2, 3), keepdim=True)
    return torch.cat([x, y.repeat(group, 1, *x.shape[2:]).to(x.dtype)], 1)


class Discriminator(nn.Module):
    """Images and labels to one logit each; high means authentic."""

    def __init__(self, spec: GeneratorSpec):
        super().__init__()
        self.spec = spec
        resolutions = spec.resolutions_px[::-1]
        self.from_rgb = Convolution(3, spec.channels(resolutions[0]), 1)
        self.blocks = nn.ModuleList(
            DiscriminatorBlock(spec.channels(r), spec.channels(r // 2)) for r in resolutions[:-1]
        )
        width, size = spec.channels(SMALLEST_PX), spec.latent_size
        self.convolution = Convolution(width + 1, width, 3)
        self.features = Linear(width * SMALLEST_PX**2, size)
        self.logit = Linear(size, 1)
        self.embedding = nn.Parameter(torch.randn(spec.n_classes, size))

    def forward(self, images: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Images float `[N, 3, R, R]` in [-1, 1], labels int64 `[N]` -> logits float32 `[N]`."""
        x = activate(self.from_rgb(images.contiguous(memory_format=torch.channels_last)))
        for block in self.blocks:
            x = block(x)
        x = activate(self.convolution(minibatch_deviation(x)))
        x = activate(self.features(x.flatten(1))).float()
        projection = (x * normalise_moment(self.embedding[labels])).sum(1) / math.sqrt(x.shape[1])
        with torch.autocast(x.device.type, enabled=False):
            return self.logit(x)[:, 0] + projection
