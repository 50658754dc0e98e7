"""Adaptive discriminator augmentation: random flips, turns, shifts, scales and colour changes before the discriminator.

Source: Karras et al., "Training Generative Adversarial Networks with Limited Data" (NeurIPS 2020): the transforms and
their strengths are those of appendix B (pixel blitting, general geometric, colour), the controller of p that of
section 3.1. All geometric transforms of an image are one matrix, and so are its colour transforms. An image is sampled
at twice its resolution between the filters of a wavelet. The paper's is orthogonal; this one is symmetric as well, so
that mirroring, quarter turns and whole-pixel shifts move values without changing one, up to the border.

Images are float RGB `[N, 3, R, R]` in [-1, 1], beyond the border mirrored.
"""

import dataclasses
import functools
import math

import numpy as np
import torch
import torch.nn.functional as F

# Low-pass filters of the biorthogonal 9/7 wavelet of Cohen, Daubechies and Feauveau (1992), from the centre outward:
# to twice the resolution, and back. Up and then down is the identity.
UP = (1.115087052456994, 0.591271763114247, -0.05754352622849957, -0.09127176311424948)
DOWN = (0.6029490182363579, 0.2668641184428723, -0.07822326652898785, -0.01686411844287495, 0.02674875741080976)
LUMA = np.full(3, 1 / math.sqrt(3))
SAFE_P = 0.8


@dataclasses.dataclass(frozen=True)
class Transforms:
    """One draw for a batch: where each pixel is taken from, and what becomes of its colour.

    `geometry` `[N, 3, 3]` takes an output position to the input's, in pixels from the centre (x right, y down);
    `colour` `[N, 3, 4]` takes (red, green, blue, 1) to the new colour. float32.
    """

    geometry: np.ndarray
    colour: np.ndarray

    def part(self, share: slice) -> "Transforms":
        """The transforms of some images."""
        return Transforms(self.geometry[share], self.colour[share])


def draw_transforms(random: np.random.Generator, count: int, p: float, size_px: int) -> Transforms:
    """Draw transforms, each kind applied to each image with probability `p`."""
    geometry, colour = np.tile(np.eye(3), (count, 1, 1)), np.tile(np.eye(4), (count, 1, 1))

    def chosen(values: np.ndarray, neutral: float, probability: float = p) -> np.ndarray:
        """The drawn values, `neutral` for the images that are spared."""
        return np.where(random.random(len(values)) < probability, values, neutral)

    def shift(amount: np.ndarray) -> np.ndarray:
        """Translations `[N, 3, 3]` by a share of the side."""
        matrix = np.tile(np.eye(3), (count, 1, 1))
        matrix[:, :2, 2] = amount * size_px
        return matrix

    # Pixel blitting: mirror, quarter turns, whole pixels.
    geometry = geometry @ _scaling(chosen(np.where(random.random(count) < 0.5, -1.0, 1.0), 1.0), np.ones(count))
    geometry = geometry @ _rotation(chosen(random.integers(0, 4, count), 0) * (math.pi / 2))
    whole = np.round(random.uniform(-0.125, 0.125, (count, 2)) * size_px) / size_px
    geometry = geometry @ shift(whole * chosen(np.ones(count), 0)[:, None])
    # General geometry: scale, rotation before and after a stretch (together with probability p), shift.
    scale = 2 ** chosen(random.normal(0, 0.2, count), 0)
    geometry = geometry @ _scaling(1 / scale, 1 / scale)
    turn = 1 - math.sqrt(1 - min(p, 1))
    geometry = geometry @ _rotation(chosen(random.uniform(-math.pi, math.pi, count), 0, turn))
    stretch = 2 ** chosen(random.normal(0, 0.2, count), 0)
    geometry = geometry @ _scaling(1 / stretch, stretch)
    geometry = geometry @ _rotation(chosen(random.uniform(-math.pi, math.pi, count), 0, turn))
    geometry = geometry @ shift(random.normal(0, 0.125, (count, 2)) * chosen(np.ones(count), 0)[:, None])

    # Colour: brightness, contrast, luma flip, hue, saturation.
    colour[:, :3, 3] += chosen(random.normal(0, 0.2, count), 0)[:, None]
    colour = _linear(2 ** chosen(random.normal(0, 0.5, count), 0)[:, None, None] * np.eye(3)) @ colour
    grey = np.outer(LUMA, LUMA)
    flip = chosen(np.where(random.random(count) < 0.5, 1.0, 0.0), 0)
    colour = _linear(np.eye(3) - 2 * flip[:, None, None] * grey) @ colour
    colour = _linear(_turn_about_luma(chosen(random.uniform(-math.pi, math.pi, count), 0))) @ colour
    saturation = 2 ** chosen(random.normal(0, 1, count), 0)[:, None, None]
    colour = _linear(grey + saturation * (np.eye(3) - grey)) @ colour
    return Transforms(geometry.astype(np.float32), colour[:, :3].astype(np.float32))


def _scaling(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Diagonal matrices `[N, 3, 3]`."""
    return np.stack([x, y, np.ones(len(x))], 1)[:, :, None] * np.eye(3)


def _rotation(angle: np.ndarray) -> np.ndarray:
    """Rotations `[N, 3, 3]` of the plane; quarter turns are exact."""
    cosine, sine, zero, one = np.round(np.cos(angle), 12), np.round(np.sin(angle), 12), angle * 0.0, angle * 0.0 + 1
    return np.stack([cosine, -sine, zero, sine, cosine, zero, zero, zero, one], 1).reshape(-1, 3, 3)


def _turn_about_luma(angle: np.ndarray) -> np.ndarray:
    """Rotations `[N, 3, 3]` of colour about the grey axis, by Rodrigues' formula."""
    cross = np.array([[0, -1, 1], [1, 0, -1], [-1, 1, 0]]) / math.sqrt(3)
    sine, rest = np.sin(angle)[:, None, None], 1 - np.cos(angle)[:, None, None]
    return np.eye(3) + sine * cross + rest * (cross @ cross)


def _linear(matrix: np.ndarray) -> np.ndarray:
    """`[N, 3, 3]` as `[N, 4, 4]`."""
    whole = np.tile(np.eye(4), (len(matrix), 1, 1))
    whole[:, :3, :3] = matrix
    return whole


def augment(images: torch.Tensor, transforms: Transforms) -> torch.Tensor:
    """Apply transforms; images that none touches come back as they are. Differentiable."""
    moved = np.flatnonzero(np.any(transforms.geometry != np.eye(3, dtype=np.float32), axis=(1, 2)))
    if len(moved):
        where = torch.from_numpy(moved).to(images.device)
        geometry = torch.from_numpy(transforms.geometry[moved]).to(images)
        images = images.index_copy(0, where, _warp(images[where], geometry))
    if np.any(transforms.colour != np.eye(3, 4, dtype=np.float32)):
        colour = torch.from_numpy(transforms.colour).to(images)
        flat = torch.baddbmm(colour[:, :, 3:], colour[:, :, :3], images.flatten(2))
        images = flat.reshape(images.shape)
    return images


def _warp(images: torch.Tensor, geometry: torch.Tensor) -> torch.Tensor:
    """Resample images at twice the resolution by `[N, 3, 3]` matrices from output to input positions."""
    size = images.shape[-1]
    up, down, along = (matrix.to(images) for matrix in _filters(size))
    grid = torch.stack([*torch.meshgrid(along, along, indexing="xy"), torch.ones(2 * [len(along)]).to(images)])
    source = (geometry[:, :2] @ grid.flatten(1)).reshape(-1, 2, *grid.shape[1:]).permute(0, 2, 3, 1)
    # The fine samples end at the image's border, about which the sampler mirrors them.
    fine = F.grid_sample(up @ images @ up.T, source * (2 / size), padding_mode="reflection", align_corners=True)
    return down @ fine @ down.T


@functools.lru_cache(maxsize=4)
def _filters(size: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Matrices to twice a resolution `[2 R + 1, R]`, border to border, and back `[R, 2 R + 7]`, from beyond it.

    The third value is where the samples of the way back lie, in pixels from the centre.
    """
    up, down = np.zeros((2 * size + 1, size)), np.zeros((size, 2 * size + 2 * len(DOWN) - 3))
    for k in range(-len(UP), size + len(UP)):  # Pixel k lies at fine position 2 k; the border is at -1 and 2 R - 1.
        for offset in range(1 - len(UP), len(UP)):
            if -1 <= 2 * k + offset < 2 * size:
                mirrored = k % (2 * size)
                up[2 * k + offset + 1, min(mirrored, 2 * size - 1 - mirrored)] += UP[abs(offset)]
    for k in range(size):
        for offset in range(1 - len(DOWN), len(DOWN)):
            down[k, 2 * k + offset + len(DOWN) - 1] = DOWN[abs(offset)]
    along = (np.arange(down.shape[1]) - len(DOWN) + 1) / 2 - (size - 1) / 2
    return tuple(torch.from_numpy(values).float() for values in (up, down, along))


@dataclasses.dataclass
class AugmentationControl:
    """Raises p while the discriminator is too sure of the training images, lowers it otherwise.

    The measure of overfitting is r_t, the mean sign of its logits for them (section 3.1 of the paper); p moves by
    `images / (ada_kimg * 1000)` at a time and stays below 0.8, up to which augmentations do not leak.
    """

    target: float
    ada_kimg: float
    p: float = 0.0

    def update(self, sign: float, images: int) -> None:
        """Take note of r_t over the last `images` images."""
        if self.target > 0:
            step = np.sign(sign - self.target) * images / (self.ada_kimg * 1000)
            self.p = float(min(max(self.p + step, 0.0), SAFE_P))
