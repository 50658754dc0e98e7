"""What a copy may have gone through, and what an unseen image must go through to look as a generator's does.

Images are uint8 RGB `[N, 3, S, S]`, in and out.
"""

import io
from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

Alteration = Callable[[np.ndarray, np.random.Generator], np.ndarray]
SHIFT_SHARE = 4 / 64
JPEG_QUALITY = 60
LIGHT = 0.15
BLEND = 0.7
SAMPLE = 500  # Images that sharpness is taken from, and that are blurred at a time.
AS_SHARP = 1.1  # Times the sharpness that is asked for: 5 % in the contrast of fine detail, which nobody sees.


def exact(images: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """The images."""
    return images


def mirrored(images: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Left and right exchanged."""
    return images[..., ::-1].copy()


def shifted(images: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Moved by 4 of 64 pixels in both directions, either way, the border repeated."""
    most = round(SHIFT_SHARE * images.shape[-1])
    padded = np.pad(images, ((0, 0), (0, 0), (most, most), (most, most)), mode="edge")
    side, places = images.shape[-1], random.choice([0, 2 * most], (len(images), 2))
    return np.stack([p[:, y : y + side, x : x + side] for p, (y, x) in zip(padded, places, strict=True)])


def compressed(images: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Saved as JPEG of quality 60."""
    return np.stack([_jpeg(image) for image in images])


def _jpeg(image: np.ndarray) -> np.ndarray:
    with io.BytesIO() as file:
        Image.fromarray(image.transpose(1, 2, 0)).save(file, "JPEG", quality=JPEG_QUALITY)
        return np.asarray(Image.open(file)).transpose(2, 0, 1)


def relit(images: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """15 % brighter or darker."""
    gain = 1 + LIGHT * random.choice([-1.0, 1.0], (len(images), 1, 1, 1))
    return np.clip(np.rint(images * gain), 0, 255).astype(np.uint8)


def halved(images: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Half the resolution and back."""
    side = images.shape[-1]
    return resized(resized(images, side // 2), side)


def resized(images: np.ndarray, side: int) -> np.ndarray:
    """Another resolution, by antialiased bilinear interpolation."""
    x = torch.from_numpy(images).float()
    x = F.interpolate(x, (side, side), mode="bilinear", antialias=True, align_corners=False)
    return x.round().clamp(0, 255).to(torch.uint8).numpy()


def blended(images: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """70 % of the image and 30 % of another of the same set."""
    others = images[(np.arange(len(images)) + random.integers(1, max(2, len(images)))) % len(images)]
    return np.rint(BLEND * images + (1 - BLEND) * others.astype(np.float64)).astype(np.uint8)


ALTERATIONS: dict[str, Alteration] = {
    "exact copy": exact,
    "mirror": mirrored,
    "shift by 4 of 64 px": shifted,
    "JPEG 60": compressed,
    "light ±15 %": relit,
    "half the resolution": halved,
    "blend 70/30": blended,
}


def sharpness(images: np.ndarray) -> float:
    """Mean square of the Laplacian of the grey images, in squared grey levels: how much fine detail there is."""
    grey = torch.from_numpy(images).float().mean(1, keepdim=True)
    kernel = torch.tensor([[0.0, 1, 0], [1, -4, 1], [0, 1, 0]])[None, None]
    return float(F.conv2d(grey, kernel).square().mean())


def degrade(images: np.ndarray, target: float) -> np.ndarray:
    """Blur images until they are as sharp as `target`, if they are more than 10 % sharper; else give them back.

    The width is found by halving its interval, on the first 500 images.
    """
    low, high, sample = 0.0, images.shape[-1] / 8, images[:SAMPLE]
    if sharpness(sample) <= AS_SHARP * target:
        return images
    for _ in range(12):
        middle = (low + high) / 2
        low, high = (middle, high) if sharpness(blurred(sample, middle)) > target else (low, middle)
    return blurred(images, high)


def blurred(images: np.ndarray, sigma: float) -> np.ndarray:
    """Gaussian blur, the border repeated."""
    reach = max(1, int(np.ceil(3 * sigma)))
    taps = torch.exp(-0.5 * (torch.arange(-reach, reach + 1) / max(sigma, 1e-6)) ** 2)
    taps = (taps / taps.sum()).repeat(3, 1)
    parts = []
    for part in torch.from_numpy(images).split(SAMPLE):
        x = F.pad(part.float(), [reach] * 4, mode="replicate")
        x = F.conv2d(F.conv2d(x, taps[:, None, None, :], groups=3), taps[:, None, :, None], groups=3)
        parts.append(x.round().clamp(0, 255).to(torch.uint8))
    return torch.cat(parts).numpy()
