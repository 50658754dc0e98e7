"""A public recognition model that was trained on photographs: dlib's, whose file the extra `align` brings.

The package face-recognition-models holds it (Davis King, 2017; about three million photographs of 7,485 persons, in the
public domain). The file is opened where it lies and its tensors are put into a network of the same layers, which runs
in batches on any device; dlib itself is not needed.

Source: dlib's example `dnn_face_recognition_ex.cpp` for the layers; a residual network of 29 convolutions. As in dlib,
strided layers have no padding, and where two paths differ in size or width the smaller one is zero beyond its end.
"""

import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from sface_lib.data.template import TEMPLATE_EYES
from sface_lib.errors import InputError, WeightsError, how_to_install
from sface_lib.recognition.models import InputSpec, RecognitionModel

MODEL = "dlib_face_recognition_resnet_model_v1.dat"
FACE_PX, CROP_PX, EMBEDDING = 112, 150, 128
MEANS, SCALE = (122.782, 117.001, 104.298), 256.0
# The eyes of dlib's own crop, left and right in the picture, as shares of its side.
CROP_EYES = np.array([[0.3182, 0.3143], [0.6686, 0.3142]])
# Widths of the residual blocks in order; a block that is wider than the one before halves the resolution.
BLOCKS = (32, 32, 32, 64, 64, 64, 64, 128, 128, 128, 256, 256, 256, 256)
HALVING = (3, 7, 10, 13)


def dlib_file() -> Path | None:
    """Where the model lies; None where the extra is not installed."""
    package = importlib.util.find_spec("face_recognition_models")
    return None if package is None else Path(package.origin).parent / "models" / MODEL


def open_dlib_model() -> RecognitionModel:
    """The model, for aligned faces of 112 px or any other size.

    Raises
    ------
    InputError
        The extra is not installed.
    WeightsError
        The file is another one than this reads.
    """
    path = dlib_file()
    if path is None:
        raise InputError(f"dlib's recognition model needs the extra `align`: {how_to_install('align')}")
    network = DlibNetwork()
    network.read(path.read_bytes())
    description = {"architecture": "dlib ResNet", "embedding_size": EMBEDDING, "trained_on": "photographs (dlib)"}
    return DlibModel(network, InputSpec(FACE_PX, mean=0.0, scale=1.0), description)


class DlibModel(RecognitionModel):
    """dlib's network, in the place of any other."""

    def as_file(self, path: str | Path) -> Path:
        """dlib's own file."""
        return dlib_file()


class _Block(nn.Module):
    """Two convolutions beside a path that is averaged where the block halves the resolution."""

    def __init__(self, n_in: int, n_out: int, halve: bool):
        super().__init__()
        stride, padding = (2, 0) if halve else (1, 1)
        self.first = nn.Conv2d(n_in, n_out, 3, stride, padding)
        self.second = nn.Conv2d(n_out, n_out, 3, 1, 1)
        self.halve = halve

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.second(F.relu(self.first(x)))
        return F.relu(_sum(y, F.avg_pool2d(x, 2) if self.halve else x))


def _sum(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """The sum of two maps, each zero beyond its own channels and borders."""
    shape = [max(sizes) for sizes in zip(a.shape[1:], b.shape[1:], strict=True)]
    if list(a.shape[1:]) == list(b.shape[1:]):
        return a + b
    return _filled(a, shape) + _filled(b, shape)


def _filled(x: torch.Tensor, shape: list[int]) -> torch.Tensor:
    channels, height, width = (more - has for more, has in zip(shape, x.shape[1:], strict=True))
    return F.pad(x, (0, width, 0, height, 0, channels))


class DlibNetwork(nn.Module):
    """Aligned RGB faces of 112 px in grey levels, float `[N, 3, 112, 112]`, to embeddings `[N, 128]`."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(3, 32, 7, 2)
        widths = zip((32, *BLOCKS[:-1]), BLOCKS, strict=True)
        self.blocks = nn.ModuleList(_Block(n_in, n_out, i in HALVING) for i, (n_in, n_out) in enumerate(widths))
        self.last = nn.Linear(256, EMBEDDING, bias=False)
        self.register_buffer("means", torch.tensor(MEANS)[:, None, None])

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        x = ((dlib_crop(images) - self.means) / SCALE).contiguous(memory_format=torch.channels_last)
        x = F.max_pool2d(F.relu(self.first(x)), 3, 2)
        for block in self.blocks:
            x = block(x)
        return self.last(x.mean((2, 3)))

    @torch.no_grad()
    def read(self, file: bytes) -> None:
        """Fill in the weights of a serialised dlib network; its frozen normalisation becomes part of them."""
        convolutions = [self.first, *(part for block in self.blocks for part in (block.first, block.second))]
        tensors = list(_tensors(file))
        if [kind for kind, _ in tensors] != ["con", "affine"] * len(convolutions) + ["fc"]:
            raise WeightsError(f"{MODEL} is not the network that is known: its layers differ")
        for i, layer in enumerate(convolutions):
            (_, values), (_, normalisation) = tensors[2 * i : 2 * i + 2]
            count = layer.out_channels
            gamma, beta = normalisation[:count], normalisation[count:]
            weight = values[:-count].view_as(layer.weight)
            layer.weight.copy_(weight * gamma[:, None, None, None])
            layer.bias.copy_(values[-count:] * gamma + beta)
        self.last.weight.copy_(tensors[-1][1].view(256, EMBEDDING).T)


def dlib_crop(images: torch.Tensor) -> torch.Tensor:
    """Cut dlib's crop from aligned faces, the border repeated: float `[N, 3, S, S]` -> float32 `[N, 3, 150, 150]`."""
    scale = np.ptp(TEMPLATE_EYES[:, 0]) / np.ptp(CROP_EYES[:, 0])  # Of a share of the crop in shares of the face.
    start = TEMPLATE_EYES.mean(0) - scale * CROP_EYES.mean(0)
    places = torch.from_numpy((np.arange(CROP_PX) + 0.5) / CROP_PX * scale)
    x, y = (2 * (places + first) - 1 for first in start)
    grid = torch.stack(torch.meshgrid(x, y, indexing="xy"), -1).float().to(images.device)
    with torch.autocast(images.device.type, enabled=False):
        grid = grid.expand(len(images), -1, -1, -1)
        return F.grid_sample(images.float(), grid, "bilinear", "border", align_corners=False)


def _tensors(file: bytes) -> Iterator[tuple[str, torch.Tensor]]:
    """Kind and flat parameters of every layer that has some, from the input on."""
    for match in re.finditer(rb"\x01[\x05\x07\x04](con|affine|fc)_\d?", file):
        kind, at = match.group(1).decode(), match.end()
        if kind == "fc":
            at = _whole_number(file, _whole_number(file, at)[1])[1]  # Numbers of outputs and inputs.
        version, at = _whole_number(file, at)
        sizes = []
        for _ in range(4):
            size, at = _whole_number(file, at)
            sizes.append(size)
        count = int(np.prod(sizes))
        if version != 2 or count <= 0 or at + 4 * count > len(file):
            raise WeightsError(f"{MODEL} is not the network that is known: a tensor of sizes {sizes}")
        yield kind, torch.from_numpy(np.frombuffer(file, "<f4", count, at).copy())


def _whole_number(file: bytes, at: int) -> tuple[int, int]:
    """A number as dlib writes it, the count of its bytes first, and where the next value begins."""
    count = file[at] & 0x0F
    value = int.from_bytes(file[at + 1 : at + 1 + count], "little")
    return (-value if file[at] & 0x80 else value), at + 1 + count
