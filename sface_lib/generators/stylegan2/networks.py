"""Class-conditional StyleGAN2-ADA networks in plain PyTorch operators.

Source: Karras et al., "Analyzing and Improving the Image Quality of StyleGAN" (CVPR 2020): weight demodulation
(section 2.2), skip generator and residual discriminator (section 4.1); Karras et al., "Training Generative Adversarial
Networks with Limited Data" (NeurIPS 2020), appendix D.1: the label enters the mapping network beside the latent and the
discriminator by projection. Layers compute what the published networks compute, borders included, so that foreign
weights load; they are written for the operators that a CPU and a GPU both run fast:

- modulation scales a convolution's input by the style and its output by the demodulation factor, which is the same
  function as modulating the weights of every image and lets one convolution serve the whole batch;
- a change of resolution is a convolution of stride 2 and a depthwise filter, a quarter of the arithmetic of a
  convolution at full resolution.

Images at these networks' doors are float RGB `[N, 3, R, R]` in [-1, 1]; parameters are float32 whatever the autocast.
"""

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from sface_lib.data import to_uint8
from sface_lib.errors import InputError
from sface_lib.generators.sampling import seeded_normal
from sface_lib.generators.stylegan2.layers import (
    GAIN,
    Convolution,
    LabelEmbedding,
    Linear,
    activate,
    double,
    fir_kernel,
    normalise_moment,
)

MINIBATCH_GROUP = 4
SMALLEST_PX = 4
MAPPING_RATE = 0.01


@dataclasses.dataclass(frozen=True)
class GeneratorSpec:
    """Architecture of a generator and its discriminator.

    `n_classes` may be 0: an unconditional generator, whose labels are ignored. `noise` adds noise to every layer, as
    published; in a short training at a small size it covers the faces with texture. `label_layers` are those between
    the discriminator's label embedding and the projection. `clamp` bounds activations (networks trained in float16
    have one); None is none.
    """

    n_classes: int
    resolution_px: int
    channel_base: int
    channel_max: int
    latent_size: int = 128
    mapping_layers: int = 2
    noise: bool = True
    label_layers: int = 0
    clamp: float | None = None

    def __post_init__(self):
        if self.n_classes < 0:
            raise InputError(f"n_classes = {self.n_classes}: give the number of classes, or 0 for none")
        if self.resolution_px < 8 or self.resolution_px & (self.resolution_px - 1):
            raise InputError(f"resolution_px = {self.resolution_px}: use a power of two of at least 8")

    @property
    def resolutions_px(self) -> tuple[int, ...]:
        """4, 8, ... up to the image's side."""
        return tuple(2**i for i in range(2, int(math.log2(self.resolution_px)) + 1))

    @property
    def styles(self) -> int:
        """Intermediate latents that one image takes: one for each convolution and one for the last RGB layer."""
        return 2 * len(self.resolutions_px)

    def channels(self, resolution_px: int) -> int:
        """Width of the layers at a resolution."""
        return min(self.channel_base // resolution_px, self.channel_max)


class Mapping(nn.Module):
    """Latent and label to the intermediate latent w."""

    def __init__(self, spec: GeneratorSpec):
        super().__init__()
        size, conditional = spec.latent_size, spec.n_classes > 0
        self.embedding = LabelEmbedding(spec.n_classes, size) if conditional else None
        self.layers = nn.ModuleList(
            Linear(2 * size if i == 0 and conditional else size, size, rate=MAPPING_RATE, gain=GAIN)
            for i in range(spec.mapping_layers)
        )
        self.register_buffer("w_mean", torch.zeros(size))

    def forward(self, z: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """`z` `[N, latent_size]` standard normal, `labels` int64 `[N]` -> w `[N, latent_size]`, float32."""
        with torch.autocast(z.device.type, enabled=False):
            x = normalise_moment(z)
            if self.embedding is not None:
                x = torch.cat([x, self.embedding(labels)], 1)
            for layer in self.layers:
                x = activate(layer(x))
        return x


class StyledConvolution(nn.Module):
    """Modulated 3x3 convolution, noise, bias and activation; `up` doubles the resolution first."""

    def __init__(self, n_in: int, n_out: int, spec: GeneratorSpec, resolution_px: int, up: bool = False):
        super().__init__()
        self.style = Linear(spec.latent_size, n_in, bias=1.0)
        self.weight = nn.Parameter(torch.randn(n_out, n_in, 3, 3))
        self.bias = nn.Parameter(torch.zeros(n_out))
        self.noise_strength = nn.Parameter(torch.zeros(())) if spec.noise else None
        self.register_buffer("noise", torch.randn(1, 1, resolution_px, resolution_px) if spec.noise else None)
        self.up, self.clamp = up, spec.clamp

    def demodulation(self, style: torch.Tensor) -> torch.Tensor:
        """Factors `[N, n_out]` that give each output channel unit variance."""
        return (style.square() @ self.weight.square().sum((2, 3)).T + 1e-8).rsqrt()

    def forward(self, x: torch.Tensor, w: torch.Tensor, fixed_noise: bool) -> torch.Tensor:
        with torch.autocast(x.device.type, enabled=False):
            style = self.style(w)
            factor = self.demodulation(style) * GAIN
        x = x * style[:, :, None, None].to(x.dtype)
        if self.up:
            y = F.conv_transpose2d(x, self.weight.transpose(0, 1), stride=2)
            y = F.conv2d(y, fir_kernel(y.shape[1], y, gain=4), padding=1, groups=y.shape[1])
        else:
            y = F.conv2d(x, self.weight, padding=1)
        y = torch.addcmul((self.bias * GAIN)[:, None, None].to(y.dtype), y, factor[:, :, None, None].to(y.dtype))
        if self.noise is not None:
            noise = self.noise.to(y.dtype) if fixed_noise else torch.randn_like(y[:, :1])
            y.add_(noise * (self.noise_strength * GAIN).to(y.dtype))
        return activate(y, self.clamp)


class ToRgb(nn.Module):
    """Modulated 1x1 convolution to RGB, without demodulation; float32 out."""

    def __init__(self, n_in: int, spec: GeneratorSpec):
        super().__init__()
        self.style = Linear(spec.latent_size, n_in, bias=1.0)
        self.weight = nn.Parameter(torch.randn(3, n_in, 1, 1))
        self.bias = nn.Parameter(torch.zeros(3))
        self.gain, self.clamp = 1 / math.sqrt(n_in), spec.clamp

    def forward(self, x: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
        with torch.autocast(x.device.type, enabled=False):
            style = self.style(w) * self.gain
        rgb = F.conv2d(x * style[:, :, None, None].to(x.dtype), self.weight, self.bias)
        rgb = rgb if self.clamp is None else rgb.clamp(-self.clamp, self.clamp)
        return rgb.to(torch.promote_types(rgb.dtype, torch.float32))


class GeneratorBlock(nn.Module):
    """Two styled convolutions at one resolution (one at the first), adding their share to the image."""

    def __init__(self, spec: GeneratorSpec, resolution_px: int):
        super().__init__()
        width = spec.channels(resolution_px)
        self.first = resolution_px == SMALLEST_PX
        below = width if self.first else spec.channels(resolution_px // 2)
        self.convolution0 = None if self.first else StyledConvolution(below, width, spec, resolution_px, up=True)
        self.convolution1 = StyledConvolution(width, width, spec, resolution_px)
        self.to_rgb = ToRgb(width, spec)

    def forward(self, x, image, ws, fixed_noise):
        """`ws` `[N, 3, latent_size]` ([N, 2, ...] in the first block) serve the convolutions and the RGB layer."""
        if not self.first:
            x = self.convolution0(x, ws[:, 0], fixed_noise)
            with torch.autocast(image.device.type, enabled=False):  # The image stays float32 on its way.
                image = double(image)
        x = self.convolution1(x, ws[:, -2], fixed_noise)
        rgb = self.to_rgb(x, ws[:, -1])
        return x, rgb if image is None else image + rgb


class Generator(nn.Module):
    """Latents and labels to images; a `FaceGenerator` that has latents.

    Parameters
    ----------
    spec
        The architecture.
    """

    kind = "stylegan2"

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
        return self.synthesise(self.truncate(self.mapping(z, labels), psi), fixed_noise)

    @property
    def n_classes(self) -> int | None:
        """None of an unconditional generator."""
        return self.spec.n_classes or None

    @property
    def resolution_px(self) -> int:
        """Side of its images."""
        return self.spec.resolution_px

    def sample(self, labels: Sequence[int], indices: Sequence[int], seed: int, psi: float = 1.0) -> torch.Tensor:
        """Images uint8 RGB `[N, 3, R, R]` of classes, each by its number: see `FaceGenerator`."""
        return to_uint8(self.decode(self.latents(labels, indices, seed, psi)).float())

    def latents(
        self,
        labels: Sequence[int],
        indices: Sequence[int],
        seed: int,
        psi: float = 1.0,
        noise_of: Sequence[int] | None = None,
    ) -> torch.Tensor:
        """Intermediate latents `[N, latent_size]`, truncated: see `HasLatents`."""
        device = self.constant.device
        z = seeded_normal(seed, labels if noise_of is None else noise_of, indices, self.spec.latent_size).to(device)
        return self.truncate(self.mapping(z, torch.as_tensor(np.asarray(labels), device=device)), psi)

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        """Images of intermediate latents, with the stored noise: float RGB `[N, 3, R, R]`, about [-1, 1]."""
        return self.synthesise(latents, fixed_noise=True)

    def truncate(self, w: torch.Tensor, psi: float) -> torch.Tensor:
        """Move w `[N, latent_size]` toward the mean w by 1 - psi."""
        return w if psi == 1 else torch.lerp(self.mapping.w_mean, w, psi)

    def synthesise(self, w: torch.Tensor, fixed_noise: bool = False) -> torch.Tensor:
        """Images of intermediate latents `[N, latent_size]`, or `[N, spec.styles, latent_size]`, one for each layer."""
        ws = w if w.ndim == 3 else w[:, None].expand(-1, self.spec.styles, -1)
        x = self.constant.expand(len(w), -1, -1, -1).contiguous(memory_format=torch.channels_last)
        image = None
        for i, block in enumerate(self.blocks):
            # The RGB layer of a block shares its latent with the next block's first convolution.
            x, image = block(x, image, ws[:, max(0, 2 * i - 1) : 2 * i + 2], fixed_noise)
        return image


class DiscriminatorBlock(nn.Module):
    """Two convolutions and a halving of the resolution, with a 1x1 residual path."""

    def __init__(self, n_in: int, n_out: int, clamp: float | None):
        super().__init__()
        # The sum of two paths is halved in variance; the second convolution's share of that stands in its gain.
        self.convolution0 = Convolution(n_in, n_in, 3, GAIN)
        self.convolution1 = Convolution(n_in, n_out, 3, GAIN * math.sqrt(0.5), down=True)
        self.skip = Convolution(n_in, n_out, 1, math.sqrt(0.5), bias=False, down=True)
        self.clamp = clamp

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        clamp = self.clamp and self.clamp * math.sqrt(0.5)
        return activate(self.convolution1(activate(self.convolution0(x), self.clamp)), clamp) + self.skip(x)


def minibatch_deviation(x: torch.Tensor) -> torch.Tensor:
    """Append one channel that holds the mean standard deviation over groups of images; it shows a collapse."""
    group = math.gcd(MINIBATCH_GROUP, len(x))
    y = x.to(torch.promote_types(x.dtype, torch.float32)).reshape(group, -1, *x.shape[1:])
    y = (y.var(0, correction=0) + 1e-8).sqrt().mean((1, 2, 3), keepdim=True)
    return torch.cat([x, y.repeat(group, 1, *x.shape[2:]).to(x.dtype)], 1)


class Discriminator(nn.Module):
    """Images and labels to one logit each; high means authentic.

    Beside the projection on the label there is a logit for faces of any class, as Miyato and Koyama derive it ("cGANs
    with Projection Discriminator", ICLR 2018, equation 3); StyleGAN2-ADA has the projection alone. With few images a
    class it learns what a face is without waiting for every class.
    """

    def __init__(self, spec: GeneratorSpec):
        super().__init__()
        self.spec = spec
        resolutions = spec.resolutions_px[::-1]
        self.from_rgb = Convolution(3, spec.channels(resolutions[0]), 1, GAIN)
        self.blocks = nn.ModuleList(
            DiscriminatorBlock(spec.channels(r), spec.channels(r // 2), spec.clamp) for r in resolutions[:-1]
        )
        width = spec.channels(SMALLEST_PX)
        conditional = spec.n_classes > 0
        self.convolution = Convolution(width + 1, width, 3, GAIN)
        self.features = Linear(width * SMALLEST_PX**2, width, gain=GAIN)
        self.logit = Linear(width, width if conditional else 1)
        self.shared = Linear(width, 1) if conditional else None
        self.embedding = LabelEmbedding(spec.n_classes, width) if conditional else None
        self.label_layers = nn.ModuleList(
            Linear(width, width, rate=MAPPING_RATE, gain=GAIN) for _ in range(spec.label_layers if conditional else 0)
        )

    def forward(self, images: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """Images float `[N, 3, R, R]` in [-1, 1], labels int64 `[N]` -> logits float32 `[N]`."""
        x = activate(self.from_rgb(images.contiguous(memory_format=torch.channels_last)), self.spec.clamp)
        for block in self.blocks:
            x = block(x)
        with torch.autocast(x.device.type, enabled=False):
            # The last layers are small, and their sums are long: float32.
            x = minibatch_deviation(x.to(torch.promote_types(x.dtype, torch.float32)))
            x = activate(self.convolution(x), self.spec.clamp)
            features = activate(self.features(x.flatten(1)))
            x = self.logit(features)
            if self.embedding is None:
                return x[:, 0]
            code = self.embedding(labels)
            for layer in self.label_layers:
                code = activate(layer(code))
            return (x * code).sum(1) / math.sqrt(x.shape[1]) + self.shared(features)[:, 0]
