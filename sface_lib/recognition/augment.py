"""What a training image goes through before the network sees it: presets of augmentation.

`flip` is the paper's. `randaugment` is RandAugment (Cubuk et al., 2020) as later work on synthetic faces sets it: four
operations of strength 16 of 30. `robust` adds what later work found to help on photographs of poor quality (crop, low
resolution, photometric changes; AdaFace, Kim et al., CVPR 2022), with blur, noise and a hidden part. `mild` does so
to a quarter of the images, for what is told by detail, such as a smile.
"""

import math

import torch
import torch.nn.functional as F

PRESETS = ("flip", "randaugment", "robust", "mild")
MILD_SHARE = 0.25
OPERATIONS, STRENGTH = 4, 16
GREY_WEIGHTS = (0.299, 0.587, 0.114)  # ITU-R BT.601.
MOVED, PHOTOMETRIC, SMALLER, BLURRED, NOISY, HIDDEN = 0.6, 0.5, 0.3, 0.2, 0.2, 0.15  # Shares of the images.
SHIFT, ZOOM, TURN_DEGREES = 0.06, 0.10, 8.0  # Standard deviations; of the side, of the size, of the turn.
SMALLEST, BLUR_PX, NOISE = 0.25, (0.4, 1.6), 12.0  # Of the side; at 64 px; largest, in grey levels.


def augment(
    images: torch.Tensor, preset: str, grey_share: float, draws: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """What a student sees of images uint8 `[B, 3, S, S]`, in 0..255, and which were mirrored, bool `[B]`.

    `draws` is a generator on the images' device; RandAugment draws from torch's global one.
    """
    images, mirrored = flip(images, draws)
    if preset == "robust":
        images = robust(images, draws)
    elif preset == "mild":
        images = images.float()
        chosen = _chosen(images, MILD_SHARE, draws).flatten()
        if chosen.any():
            images[chosen] = robust(images[chosen], draws)
    elif preset == "randaugment":
        from torchvision.transforms.v2 import RandAugment  # torchvision takes seconds to import, which few need.

        operation = RandAugment(OPERATIONS, STRENGTH)
        images = torch.stack([operation(image) for image in images])
    return (_grey(images, grey_share, draws) if grey_share else images), mirrored


def _grey(images: torch.Tensor, share: float, draws: torch.Generator) -> torch.Tensor:
    """A share of the images without colour."""
    weights = torch.tensor(GREY_WEIGHTS, device=images.device)[:, None, None]
    grey = (images.float() * weights).sum(1, keepdim=True)
    return torch.where(_chosen(images, share, draws), grey, images.float())


def flip(images: torch.Tensor, draws: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """Mirror half of the images `[B, 3, S, S]`; the images, and which were mirrored, bool `[B]`."""
    mirrored = torch.rand(len(images), generator=draws, device=draws.device) < 0.5
    return torch.where(mirrored[:, None, None, None], images.flip(3), images), mirrored


def robust(images: torch.Tensor, draws: torch.Generator) -> torch.Tensor:
    """Move, shrink, blur, light and hide parts of images.

    Parameters
    ----------
    images
        uint8 RGB `[B, 3, S, S]`.
    draws
        Every random number comes from it.

    Returns
    -------
    torch.Tensor
        float32 RGB `[B, 3, S, S]` in 0..255.
    """
    x = _moved(images.float(), draws)
    x = _smaller(x, draws)
    x = _blurred(x, draws)
    x = _lit(x, draws)
    x = torch.where(_chosen(x, NOISY, draws), x + _uniform(x, 0, NOISE, draws) * _normal(x.shape, draws), x)
    return _hidden(x, draws).clamp(0, 255)


def _moved(x: torch.Tensor, draws: torch.Generator) -> torch.Tensor:
    """Shifted, zoomed and turned; the border is mirrored."""
    n, chosen = len(x), _chosen(x, MOVED, draws)[:, :, 0, 0].float()
    shift, zoom = 2 * SHIFT * _normal((n, 2), draws), torch.exp(ZOOM * _normal((n, 1), draws) * chosen)
    turn = math.radians(TURN_DEGREES) * _normal((n, 1), draws) * chosen
    cos, sin = zoom * torch.cos(turn), zoom * torch.sin(turn)
    rows = [torch.cat([cos, -sin], 1), torch.cat([sin, cos], 1)]
    matrix = torch.cat([torch.stack(rows, 1), (shift * chosen)[..., None]], 2)
    grid = F.affine_grid(matrix, list(x.shape), align_corners=False)
    return F.grid_sample(x, grid, padding_mode="reflection", align_corners=False)


def _smaller(x: torch.Tensor, draws: torch.Generator) -> torch.Tensor:
    """Some images through a lower resolution, the same for all of them."""
    side = x.shape[-1]
    size = max(
        8, round(side * (SMALLEST + (1 - SMALLEST) * torch.rand((), generator=draws, device=draws.device).item()))
    )
    down = F.interpolate(x, size=size, mode="bilinear", antialias=True, align_corners=False)
    back = F.interpolate(down, size=side, mode="bicubic", align_corners=False)
    return torch.where(_chosen(x, SMALLER, draws), back, x)


def _blurred(x: torch.Tensor, draws: torch.Generator) -> torch.Tensor:
    from torchvision.transforms.v2.functional import gaussian_blur

    low, high = BLUR_PX
    sigma = (low + (high - low) * torch.rand((), generator=draws, device=draws.device).item()) * x.shape[-1] / 64
    reach = 2 * math.ceil(2 * sigma) + 1
    return torch.where(_chosen(x, BLURRED, draws), gaussian_blur(x, [reach, reach], [sigma, sigma]), x)


def _lit(x: torch.Tensor, draws: torch.Generator) -> torch.Tensor:
    """Brightness, contrast, saturation and white balance."""
    mean = x.mean((1, 2, 3), keepdim=True)
    y = mean + (x - mean) * _uniform(x, 0.6, 1.4, draws)
    grey = y.mean(1, keepdim=True)
    y = grey + (y - grey) * _uniform(x, 0.0, 1.5, draws)
    balance = 0.9 + 0.2 * torch.rand(len(x), 3, 1, 1, generator=draws, device=draws.device)
    return torch.where(_chosen(x, PHOTOMETRIC, draws), y * balance * _uniform(x, 0.6, 1.4, draws), x)


def _hidden(x: torch.Tensor, draws: torch.Generator) -> torch.Tensor:
    """A rectangle of one grey over a part of some images."""
    side = x.shape[-1]
    places = torch.arange(side, device=x.device) + 0.5
    middle, half = (torch.rand(2, len(x), 2, 1, generator=draws, device=draws.device) * side).unbind(0)
    (down, across) = ((abs(places - middle[:, i]) < 0.1 * side + 0.25 * half[:, i]) for i in (0, 1))
    inside = (down[:, None, :, None] & across[:, None, None, :]) & _chosen(x, HIDDEN, draws)
    return torch.where(inside, _uniform(x, 0, 255, draws), x)


def _chosen(x: torch.Tensor, share: float, draws: torch.Generator) -> torch.Tensor:
    return torch.rand(len(x), 1, 1, 1, generator=draws, device=draws.device) < share


def _uniform(x: torch.Tensor, low: float, high: float, draws: torch.Generator) -> torch.Tensor:
    return low + (high - low) * torch.rand(len(x), 1, 1, 1, generator=draws, device=draws.device)


def _normal(shape, draws: torch.Generator) -> torch.Tensor:
    return torch.randn(shape, generator=draws, device=draws.device)
