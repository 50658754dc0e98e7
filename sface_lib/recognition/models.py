"""A recognition model: a network, its input specification, and how its embedding is fused with the mirror image's."""

import dataclasses
import hashlib
import itertools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import nn

from sface_lib.data import resize_images
from sface_lib.engine import save_weights
from sface_lib.errors import InputError
from sface_lib.recognition.backbones import LAYOUTS, IResNet, MobileFaceNet, StridedNetwork, TorchvisionNetwork
from sface_lib.recognition.inference import for_inference
from sface_lib.registry import Registry

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

    @property
    def input_px(self) -> tuple[int, int]:
        """Height and width of what enters the network."""
        return self.crop[2:] if self.crop else (self.size_px, self.size_px)

    def to_network_input(self, images: torch.Tensor) -> torch.Tensor:
        """Cut and scale RGB images `[N, 3, S, S]`, S `size_px`, in grey levels; float32, channels last."""
        if self.crop:
            top, left, height, width = self.crop
            images = images[:, :, top : top + height, left : left + width]
        return ((images.float() - self.mean) / self.scale).contiguous(memory_format=torch.channels_last)


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
        Plain values: `architecture` and its arguments, `trained_on`; of a student `learnt_from`, the fingerprints of
        its teacher and of that one's teachers.
    """

    def __init__(self, network: nn.Module, spec: InputSpec, description: dict):
        self.network = network.eval().requires_grad_(False).to(memory_format=torch.channels_last)
        self.spec, self.description = spec, description
        self._fast: tuple[tuple, RecognitionModel] | None = None

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

    @property
    def lineage(self) -> tuple[str, ...]:
        """Its own fingerprint, and those of the models that it is known to have learnt from."""
        return self.fingerprint, *self.description.get("learnt_from", ())

    @property
    def device(self) -> torch.device:
        """Where the network is."""
        return next(self.network.parameters(), torch.empty(0)).device

    def prepare(self, images: torch.Tensor) -> torch.Tensor:
        """uint8 RGB `[N, 3, H, W]` -> float32 at the network's input; on the images' device."""
        if images.ndim != 4 or images.shape[1] != 3 or images.dtype != torch.uint8:
            raise InputError(f"images must be uint8 [N, 3, H, W], got {images.dtype} {list(images.shape)}")
        return self.spec.to_network_input(resize_images(images, self.spec.size_px))

    def prepare_differentiable(self, images: torch.Tensor) -> torch.Tensor:
        """Float RGB `[N, 3, S, S]` in [-1, 1] -> float32 at the network's input, for gradients by the images."""
        grey, size = (images.float() + 1) * 127.5, self.spec.size_px
        if images.shape[-1] != size:
            grey = F.interpolate(grey, size=size, mode="bicubic", align_corners=False, antialias=True)
        return self.spec.to_network_input(grey)

    def single(self, prepared: torch.Tensor) -> torch.Tensor:
        """Unit embeddings `[N, embedding_size]` of prepared images, without the mirror image."""
        return F.normalize(self.network(prepared).float())

    def fused(self, prepared: torch.Tensor) -> torch.Tensor:
        """Unit embeddings of prepared images, fused with the mirror images as the model's protocol says."""
        return self.single_and_fused(prepared)[1]

    def single_and_fused(self, prepared: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Both at once: what `single` and `fused` give."""
        raw = self.network(prepared).float()
        if self.spec.mirror == "none":
            return F.normalize(raw), F.normalize(raw)
        mirrored = self.network(prepared.flip(3)).float()
        both = torch.cat([raw, mirrored], 1) if self.spec.mirror == "concat" else raw + mirrored
        return F.normalize(raw), F.normalize(both)

    def for_inference(self) -> "RecognitionModel":
        """The same model for embedding alone, in the precision of the autocast that is on: see `inference`.

        It is made once, and again when a weight of this one has changed or moved.
        """
        kind = self.device.type
        dtype = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else torch.float32
        tensors = itertools.chain(self.network.parameters(), self.network.buffers())
        state = dtype, *((t.data_ptr(), 0 if t.is_inference() else t._version) for t in tensors)
        if self._fast is None or self._fast[0] != state:
            network = for_inference(self.network, dtype)
            self._fast = state, RecognitionModel(network, self.spec, self.description)
        return self._fast[1]

    def to(self, device: torch.device | str) -> "RecognitionModel":
        """Move the network; give the model itself."""
        self.network.to(device)
        return self

    def as_file(self, path: str | Path) -> Path:
        """A file that holds the model for another process, written to `path` where there is none yet."""
        return self.save(path)

    def save(self, path: str | Path, half: bool = False) -> Path:
        """Write weights, in half precision if asked, with description and input specification in the file's header."""
        return save_weights(
            path, self.network, {"kind": KIND, "input": dataclasses.asdict(self.spec)} | self.description, half
        )


@dataclasses.dataclass(frozen=True)
class Backbone:
    """A network that can be trained for recognition.

    Attributes
    ----------
    network
        Makes it, its weights random, of `arguments` and those that `takes` names.
    architecture
        Its name in the headers of weights; backbones of one architecture differ in `arguments`.
    takes
        Which of `embedding_size`, `size_px` and `dropout` it depends on.
    spec
        What it wants as input, by the side of the aligned faces in pixels.
    sizes_px
        The sides that it takes; none where it takes any.
    variant
        The argument that follows its name and a colon, where there are many of its kind.
    """

    network: Callable[..., nn.Module]
    architecture: str
    arguments: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    takes: tuple[str, ...] = ("embedding_size", "size_px", "dropout")
    spec: Callable[[int], InputSpec] = InputSpec
    sizes_px: tuple[int, ...] = ()
    variant: str | None = None


def _with_mirror(size_px: int) -> InputSpec:
    return InputSpec(size_px, mirror="sum")


BACKBONES: Registry[Backbone] = Registry(
    "backbone",
    "sface_lab.backbones",
    {name: Backbone(IResNet, "iresnet", {"layout": name}, spec=_with_mirror) for name in LAYOUTS}
    | {
        "mobilefacenet": Backbone(
            MobileFaceNet,
            "mobilefacenet",
            takes=("embedding_size",),
            spec=lambda size_px: MOBILEFACENET_INPUT,
            sizes_px=(MOBILEFACENET_INPUT.size_px,),
        ),
        "strided": Backbone(StridedNetwork, "strided"),  # For attributes.
        "torchvision": Backbone(
            TorchvisionNetwork,
            "torchvision",
            takes=("embedding_size", "size_px"),
            spec=_with_mirror,
            variant="name",
        ),
    },
)


def make_backbone(
    name: str, embedding_size: int, size_px: int, dropout: float, trained_on: str
) -> tuple[nn.Module, InputSpec, dict]:
    """A new network, its input specification and description.

    Parameters
    ----------
    name
        A name of `BACKBONES`; "torchvision:<name>" is a classification network of torchvision, such as
        "torchvision:mobilenet_v3_small".
    size_px
        Side of the aligned faces; MobileFaceNet takes 112 alone.
    dropout
        Before the last layer of an iResNet; the others have none, or their own.

    Raises
    ------
    InputError
        There is no such network, or it does not take this size.
    """
    kind, _, variant = name.partition(":")
    backbone = BACKBONES[kind]
    if bool(variant) != bool(backbone.variant):
        wanted = f"{kind}:<{backbone.variant}>" if backbone.variant else kind
        raise InputError(f"backbone {name!r} does not exist; write {wanted}")
    if backbone.sizes_px and size_px not in backbone.sizes_px:
        raise InputError(f"size_px = {size_px}: {name} takes faces of {', '.join(map(str, backbone.sizes_px))} px")
    values = {"embedding_size": embedding_size, "size_px": size_px, "dropout": dropout}
    arguments = {**backbone.arguments, **{each: values[each] for each in backbone.takes}}
    if backbone.variant:
        arguments[backbone.variant] = variant
    description = {"architecture": backbone.architecture, "arguments": arguments, "embedding_size": embedding_size}
    return backbone.network(**arguments), backbone.spec(size_px), description | {"trained_on": trained_on}


def of_architecture(name: str) -> Backbone | None:
    """A backbone of the architecture that a header of weights names; None of one that is not known."""
    return next((backbone for backbone in BACKBONES.values() if backbone.architecture == name), None)


def described_network(description: dict) -> tuple[nn.Module, InputSpec]:
    """The network that a file of this program's describes, its weights still random, and its input specification."""
    entry = description["input"]
    spec = InputSpec(**entry | {"crop": tuple(entry["crop"]) if entry["crop"] else None})
    return of_architecture(description["architecture"]).network(**description["arguments"]), spec
