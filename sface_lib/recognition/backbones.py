"""Recognition networks: the iResNet family, MobileFaceNet, and torchvision's classification networks.

Every network takes float RGB images and gives raw embeddings `[N, d]`; unit length is the caller's business.
"""

import dataclasses

import torch
import torch.nn.functional as F
from torch import nn

from sface_lib.errors import InputError

SPATIAL_REDUCTION = 16


@dataclasses.dataclass(frozen=True)
class IResNetLayout:
    """Blocks and widths of the four stages of an iResNet, and the stride of the convolution before them."""

    blocks: tuple[int, int, int, int]
    widths: tuple[int, int, int, int]
    stem_stride: int = 1


LAYOUTS = {
    "mini": IResNetLayout((1, 1, 1, 1), (16, 32, 64, 128), stem_stride=2),
    "small": IResNetLayout((1, 1, 1, 1), (32, 64, 128, 256)),
    "compact": IResNetLayout((1, 2, 2, 1), (32, 64, 112, 192)),  # 1.5 M parameters at 64 px.
    "iresnet18": IResNetLayout((2, 2, 2, 2), (64, 128, 256, 512)),
    "iresnet34": IResNetLayout((3, 4, 6, 3), (64, 128, 256, 512)),
    "iresnet50": IResNetLayout((3, 4, 14, 3), (64, 128, 256, 512)),
    "iresnet100": IResNetLayout((3, 13, 30, 3), (64, 128, 256, 512)),
}


class _FastPReLU(torch.autograd.Function):
    """PReLU with a backward pass for CPUs, of vectorised operations on as many images as stay in the cache.

    torch's own took a third of a training step.
    """

    @staticmethod
    def forward(ctx, x: torch.Tensor, weight: torch.Tensor, values_at_once: int) -> torch.Tensor:
        ctx.save_for_backward(x, weight)
        ctx.values_at_once = values_at_once
        return F.prelu(x, weight)

    @staticmethod
    def backward(ctx, gradient: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, None]:
        x, weight = ctx.saved_tensors
        total = torch.promote_types(weight.dtype, torch.float32)  # Many parts are summed, of bf16 too.
        by_x, by_weight = torch.empty_like(x), torch.zeros_like(weight, dtype=total)
        images = max(1, ctx.values_at_once // x[0].numel())
        for part, above, out in zip(x.split(images), gradient.split(images), by_x.split(images), strict=True):
            torch.ops.aten.threshold_backward.grad_input(above, part, 0, grad_input=out)  # The gradient where x > 0.
            below = above - out
            out.addcmul_(below, weight.view(1, -1, 1, 1))
            by_weight += below.mul_(part).sum((0, 2, 3), dtype=total)
        return by_x, by_weight.to(weight.dtype), None


class PReLU(nn.PReLU):
    """`torch.nn.PReLU` of images `[N, C, H, W]`, several times faster in training on a CPU."""

    values_at_once = 2**18  # Of the backward pass; a MiB.

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.training and x.device.type == "cpu":
            return _FastPReLU.apply(x, self.weight.to(x.dtype), self.values_at_once)
        return super().forward(x)


def _convolution(
    n_in: int, n_out: int, kernel_px: int, stride: int = 1, groups: int = 1, padding: int = 0
) -> nn.Conv2d:
    return nn.Conv2d(n_in, n_out, kernel_px, stride, padding, groups=groups, bias=False)


class IResBlock(nn.Module):
    """Norm, 3x3, norm, PReLU, 3x3 with the stride, norm; plus a shortcut."""

    def __init__(self, n_in: int, n_out: int, stride: int):
        super().__init__()
        self.bn1 = nn.BatchNorm2d(n_in, eps=1e-5)
        self.conv1 = _convolution(n_in, n_out, 3, padding=1)
        self.bn2 = nn.BatchNorm2d(n_out, eps=1e-5)
        self.prelu = PReLU(n_out)
        self.conv2 = _convolution(n_out, n_out, 3, stride, padding=1)
        self.bn3 = nn.BatchNorm2d(n_out, eps=1e-5)
        changes = stride != 1 or n_in != n_out
        self.downsample = (
            nn.Sequential(_convolution(n_in, n_out, 1, stride), nn.BatchNorm2d(n_out, eps=1e-5)) if changes else None
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.bn3(self.conv2(self.prelu(self.bn2(self.conv1(self.bn1(x))))))
        return y + (x if self.downsample is None else self.downsample(x))


class IResNet(nn.Module):
    """The improved residual network of face recognition (Duta et al., ICPR 2020), with InsightFace's parameter names.

    Parameters
    ----------
    layout
        A name of `LAYOUTS`.
    embedding_size
        Width of the embedding.
    size_px
        Side of the images; a multiple of 16.
    dropout
        Share of features dropped before the last layer; 0.4 in the paper's recipe.
    """

    def __init__(self, layout: str, embedding_size: int = 512, size_px: int = 112, dropout: float = 0.4):
        super().__init__()
        if layout not in LAYOUTS:
            raise InputError(f"backbone {layout!r} does not exist; choose one of {', '.join(LAYOUTS)}")
        if size_px % SPATIAL_REDUCTION:
            raise InputError(f"size_px = {size_px}: an iResNet needs a multiple of {SPATIAL_REDUCTION}")
        blocks, widths, stem_stride = dataclasses.astuple(LAYOUTS[layout])
        self.conv1 = _convolution(3, widths[0], 3, stem_stride, padding=1)
        self.bn1 = nn.BatchNorm2d(widths[0], eps=1e-5)
        self.prelu = PReLU(widths[0])
        below = widths[0]
        for i, (count, width) in enumerate(zip(blocks, widths, strict=True), start=1):
            first = IResBlock(below, width, stride=2)
            self.add_module(f"layer{i}", nn.Sequential(first, *(IResBlock(width, width, 1) for _ in range(count - 1))))
            below = width
        self.bn2 = nn.BatchNorm2d(below, eps=1e-5)
        self.dropout = nn.Dropout(dropout)
        side = -(-size_px // (SPATIAL_REDUCTION * stem_stride))
        self.fc = nn.Linear(below * side**2, embedding_size)
        self.features = nn.BatchNorm1d(embedding_size, eps=1e-5)
        self._initialise()

    def _initialise(self) -> None:
        """Small normal convolutions; the last norm's scale is one and stays so, as in the published code's recipe."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.normal_(module.weight, 0, 0.1)
        nn.init.constant_(self.features.weight, 1.0)
        self.features.weight.requires_grad_(False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Images float RGB `[N, 3, S, S]` in [-1, 1] -> raw embeddings float32 `[N, embedding_size]`."""
        x = self.prelu(self.bn1(self.conv1(x)))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        x = self.dropout(self.bn2(x).flatten(1))
        return self.features(self.fc(x).float())


class StridedNetwork(nn.Module):
    """Pairs of convolutions, the first of stride 2, and one linear layer: small and fast for faces of 64 px.

    Parameters
    ----------
    embedding_size
        Width of what it gives.
    size_px
        Side of the images; a multiple of 16.
    dropout
        Share of features dropped before the last layer.
    """

    WIDTHS = (32, 64, 96, 128)

    def __init__(self, embedding_size: int, size_px: int = 64, dropout: float = 0.3):
        super().__init__()
        if size_px % SPATIAL_REDUCTION:
            raise InputError(f"size_px = {size_px}: this network needs a multiple of {SPATIAL_REDUCTION}")
        layers, below = [], 3
        for width in self.WIDTHS:
            for n_in, stride in ((below, 2), (width, 1)):
                layers += [_convolution(n_in, width, 3, stride, padding=1), nn.BatchNorm2d(width), nn.ReLU()]
            below = width
        self.body = nn.Sequential(*layers, nn.Flatten(), nn.Dropout(dropout))
        self.head = nn.Linear(below * (size_px // SPATIAL_REDUCTION) ** 2, embedding_size)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Images float RGB `[N, 3, S, S]` in [-1, 1] -> float32 `[N, embedding_size]`."""
        return self.head(self.body(x)).float()


class NormedConvolution(nn.Module):
    """Convolution and norm, and a PReLU unless linear."""

    def __init__(self, n_in, n_out, kernel, stride=1, padding=0, groups=1, linear=False):
        super().__init__()
        self.conv = _convolution(n_in, n_out, kernel, stride, groups, padding)
        self.bn = nn.BatchNorm2d(n_out)
        self.prelu = None if linear else PReLU(n_out)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.bn(self.conv(x))
        return x if self.prelu is None else self.prelu(x)


class Bottleneck(nn.Module):
    """Inverted residual: widen, filter each channel, narrow; a shortcut where stride is 1 and widths agree."""

    def __init__(self, n_in: int, n_out: int, stride: int, expansion: int):
        super().__init__()
        width = n_in * expansion
        self.shortcut = stride == 1 and n_in == n_out
        self.conv = nn.Sequential(
            _convolution(n_in, width, 1), nn.BatchNorm2d(width), PReLU(width),
            _convolution(width, width, 3, stride, groups=width, padding=1), nn.BatchNorm2d(width), PReLU(width),
            _convolution(width, n_out, 1), nn.BatchNorm2d(n_out),
        )  # fmt: skip

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.conv(x) if self.shortcut else self.conv(x)


class MobileFaceNet(nn.Module):
    """MobileFaceNet (Chen et al., CCBR 2018): 1.0 M parameters, for crops of 112 rows and 96 columns."""

    # Expansion, channels, repeats, stride of the first.
    BOTTLENECKS = ((2, 64, 5, 2), (4, 128, 1, 2), (2, 128, 6, 1), (4, 128, 1, 2), (2, 128, 2, 1))

    def __init__(self, embedding_size: int = 128):
        super().__init__()
        self.conv1 = NormedConvolution(3, 64, 3, 2, 1)
        self.dw_conv1 = NormedConvolution(64, 64, 3, 1, 1, groups=64)
        blocks, below = [], 64
        for expansion, width, repeats, stride in self.BOTTLENECKS:
            for i in range(repeats):
                blocks.append(Bottleneck(below, width, stride if i == 0 else 1, expansion))
                below = width
        self.blocks = nn.Sequential(*blocks)
        self.conv2 = NormedConvolution(below, 512, 1)
        self.linear7 = NormedConvolution(512, 512, (7, 6), groups=512, linear=True)
        self.linear1 = NormedConvolution(512, embedding_size, 1, linear=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Images float RGB `[N, 3, 112, 96]`, (x - 127.5) / 128 -> raw embeddings `[N, embedding_size]`."""
        x = self.blocks(self.dw_conv1(self.conv1(x)))
        return self.linear1(self.linear7(self.conv2(x))).flatten(1)


class TorchvisionNetwork(nn.Module):
    """A classification network of torchvision from noise; its last layer gives the embedding, and a norm follows.

    Parameters
    ----------
    name
        Of torchvision's registry, such as "resnet18" or "mobilenet_v3_small".
    embedding_size
        Width of the embedding.
    size_px
        Side of the images.

    Raises
    ------
    InputError
        torchvision has no such classification network, or it does not take images of this size.
    """

    SEVERAL_OUTPUTS = ("googlenet", "inception_v3")

    def __init__(self, name: str, embedding_size: int, size_px: int):
        import torchvision  # It takes seconds, which few need.

        super().__init__()
        known = set(torchvision.models.list_models(module=torchvision.models)) - set(self.SEVERAL_OUTPUTS)
        if name not in known:
            raise InputError(f"torchvision has no network {name!r} for this; choose one of {', '.join(sorted(known))}")
        self.body = torchvision.models.get_model(name, weights=None, num_classes=embedding_size)
        self.features = nn.BatchNorm1d(embedding_size)
        try:
            with torch.no_grad():
                self.body.eval()(torch.zeros(1, 3, size_px, size_px))
        except (RuntimeError, AssertionError) as error:
            raise InputError(
                f"torchvision's {name} does not take images of {size_px} px ({error}); change size_px"
            ) from None
        self.train()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Images float RGB `[N, 3, S, S]` in [-1, 1] -> raw embeddings float32 `[N, embedding_size]`."""
        return self.features(self.body(x).float())
