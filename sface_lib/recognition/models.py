"""A recognition model: a network, what it wants at its door, and how its embedding is fused with the mirror image's."""

import dataclasses
import hashlib
import json
from pathlib import Path
from typing import Literal

import torch
import torch.nn.functional as F
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import nn

from sface_lib.data import resize_images
from sface_lib.engine import load_strictly, save_weights
from sface_lib.errors import InputError, WeightsError
from sface_lib.recognition.backbones import IResNet, MobileFaceNet

KIND = "recognition model"


@dataclasses.dataclass(frozen=True)
class InputSpec:
    """What a network wants: aligned RGB faces of `size_px`, cut to `crop`, as (x - mean) / scale.

    Attributes
    ----------
    size_px
        Side of the aligned square that the crop is taken from; images of another size are resized to it.
    crop
        (top, left, height, width) in pixels of that square, or None for all of it.
    mean, scale
        In grey levels of 0 to 255.
    mirror
        "none": the image alone; "concat": its embedding followed by the mirror image's; "sum": their sum.
    """

    size_px: int
    crop: tuple[int, int, int, int] | None = None
    mean: float = 127.5
    scale: float = 127.5
    mirror: Literal["none", "concat", "sum"] = "none"


MOBILEFACENET_INPUT = InputSpec(112, (0, 8, 112, 96), 127.5, 128.0, "concat")


class RecognitionModel:
    """A network with its input specification and a plain description of where it comes from.

    Parameters
    ----------
    network
        Takes prepared images, gives raw embeddings.
    spec
        What the network wants.
    description
        Plain values: `architecture` and its arguments, `trained_on`.
    """

    def __init__(self, network: nn.Module, spec: InputSpec, description: dict):
        self.network = network.eval().requires_grad_(False).to(memory_format=torch.channels_last)
        self.spec, self.description = spec, description

    @property
    def embedding_size(self) -> int:
        """Width of one embedding, before fusion with the mirror image."""
        return self.description["embedding_size"]

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the weights."""
        digest = hashlib.sha256()
        for name, tensor in sorted(self.network.state_dict().items()):
            digest.update(name.encode() + tensor.cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()

    def prepare(self, images: torch.Tensor) -> torch.Tensor:
        """uint8 RGB `[N, 3, H, W]` -> float32 at the network's door; on the images' device."""
        if images.ndim != 4 or images.shape[1] != 3 or images.dtype != torch.uint8:
            raise InputError(f"images must be uint8 [N, 3, H, W], got {images.dtype} {list(images.shape)}")
        return self._at_the_door(resize_images(images, self.spec.size_px).float())

    def prepare_differentiable(self, images: torch.Tensor) -> torch.Tensor:
        """Float RGB `[N, 3, S, S]` in [-1, 1] -> float32 at the network's door, for gradients by the images."""
        grey, size = (images.float() + 1) * 127.5, self.spec.size_px
        if images.shape[-1] != size:
            grey = F.interpolate(grey, size=size, mode="bicubic", align_corners=False, antialias=True)
        return self._at_the_door(grey)

    def _at_the_door(self, images: torch.Tensor) -> torch.Tensor:
        if self.spec.crop:
            top, left, height, width = self.spec.crop
            images = images[:, :, top : top + height, left : left + width]
        return ((images - self.spec.mean) / self.spec.scale).contiguous(memory_format=torch.channels_last)

    def single(self, prepared: torch.Tensor) -> torch.Tensor:
        """Unit embeddings `[N, embedding_size]` of prepared images, without the mirror image."""
        return F.normalize(self.network(prepared).float())

    def fused(self, prepared: torch.Tensor) -> torch.Tensor:
        """Unit embeddings of prepared images, fused with the mirror images as the model's protocol says."""
        if self.spec.mirror == "none":
            return self.single(prepared)
        raw, mirrored = self.network(prepared).float(), self.network(prepared.flip(3)).float()
        return F.normalize(torch.cat([raw, mirrored], 1) if self.spec.mirror == "concat" else raw + mirrored)

    def to(self, device: torch.device | str) -> "RecognitionModel":
        """Move the network; give the model itself."""
        self.network.to(device)
        return self

    def save(self, path: str | Path, half: bool = False) -> Path:
        """Write weights, in half precision if asked, with description and input specification in the file's header."""
        return save_weights(
            path, self.network, {"kind": KIND, "input": dataclasses.asdict(self.spec)} | self.description, half
        )


def make_iresnet(
    layout: str, embedding_size: int, size_px: int, dropout: float, trained_on: str
) -> tuple[IResNet, InputSpec, dict]:
    """A new iResNet, its input specification and description."""
    arguments = {"layout": layout, "embedding_size": embedding_size, "size_px": size_px, "dropout": dropout}
    description = {"architecture": "iresnet", "arguments": arguments, "embedding_size": embedding_size}
    return IResNet(**arguments), InputSpec(size_px, mirror="sum"), description | {"trained_on": trained_on}


def open_model(path: str | Path) -> RecognitionModel:
    """Read a recognition model from safetensors: one that this program wrote, or a MobileFaceNet by its tensor names.

    Raises
    ------
    WeightsError
        The file cannot be read, is of an unknown architecture, or lacks or adds tensors.
    """
    try:
        with safe_open(path, "pt") as stored:
            header = stored.metadata() or {}
        state = load_file(path)
    except (OSError, SafetensorError) as error:
        raise WeightsError(f"{path} cannot be read as safetensors: {error}") from None
    description = json.loads(header.get("sface", "{}"))
    if description.get("kind") == KIND:
        network = IResNet(**description["arguments"])
        entry = description.pop("input")
        spec = InputSpec(**entry | {"crop": tuple(entry["crop"]) if entry["crop"] else None})
    elif "dw_conv1.conv.weight" in state and "linear1.conv.weight" in state:
        size = state["linear1.conv.weight"].shape[0]
        network, spec = MobileFaceNet(size), MOBILEFACENET_INPUT
        trained_on = header.get("trained_on", "not stated")
        description = {"architecture": "mobilefacenet", "embedding_size": size, "trained_on": trained_on}
    else:
        kind = description.get("kind", "tensors of an unknown architecture")
        raise WeightsError(f"{path} holds {kind}; give a model trained by this report, or a MobileFaceNet")
    load_strictly(network, state, str(path))
    return RecognitionModel(network, spec, description)
