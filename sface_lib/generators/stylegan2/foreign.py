"""Official StyleGAN2-ADA networks (`.pkl`) as our modules, without their code.

Such a file pickles a dictionary with the networks `G`, `D` and `G_ema`. Every module of theirs names one function of
the official repository and hands it the module's source text and state. The source is never run: a restricted
unpickler builds plain containers and tensors, the state is walked as a tree of modules, and each tensor goes to the
layer of ours that computes the same.
"""

import collections
import dataclasses
import io
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from sface_lib.engine import load_strictly
from sface_lib.errors import InputError, WeightsError
from sface_lib.generators.stylegan2.networks import Discriminator, Generator, GeneratorSpec
from sface_lib.otherfiles import STYLEGAN2, refuse_other_files
from sface_lib.unpickle import load_restricted

RESAMPLING = (1.0, 3.0, 3.0, 1.0)


@dataclasses.dataclass
class ForeignModule:
    """One pickled module: the name of its class and its attributes."""

    class_name: str
    state: dict[str, Any]

    def __getattr__(self, name: str) -> Any:
        """A child module, or a plain attribute."""
        for place in (self.state.get("_modules", {}), self.state):
            if name in place:
                return place[name]
        raise AttributeError(name)

    def tensors(self, prefix: str = "") -> Iterator[tuple[str, torch.Tensor]]:
        """Names and values of all parameters and buffers, as in a state dict."""
        for kind in ("_parameters", "_buffers"):
            for name, value in self.state.get(kind, {}).items():
                if value is not None:
                    yield prefix + name, torch.as_tensor(value).float()
        for name, child in self.state.get("_modules", {}).items():
            if isinstance(child, ForeignModule):
                yield from child.tensors(f"{prefix}{name}.")


def _module(meta: dict[str, Any]) -> ForeignModule:
    if not isinstance(meta, dict) or meta.get("type") != "class" or not isinstance(meta.get("state"), dict):
        raise InputError("a module of the file is stored in a way that StyleGAN2-ADA does not write")
    return ForeignModule(str(meta.get("class_name")), meta["state"])


def _storage(data: bytes) -> Any:
    return torch.load(io.BytesIO(data), weights_only=True, map_location="cpu")


def _number(dtype: np.dtype, data: bytes) -> float:
    return np.frombuffer(data, dtype)[0].item()


def _number_type(name: str, *options: Any) -> np.dtype:
    """The type of a numpy number; object types, which could hold anything, are refused."""
    dtype = np.dtype(name, *options)
    if dtype.kind not in "biuf":
        raise InputError(f"the file holds numpy values of type {name!r}; only numbers are read")
    return dtype


ALLOWED = {
    "torch_utils.persistence._reconstruct_persistent_obj": _module,
    "dnnlib.util.EasyDict": dict,
    "collections.OrderedDict": collections.OrderedDict,
    "builtins.set": set,
    "torch._utils._rebuild_tensor_v2": torch._utils._rebuild_tensor_v2,
    "torch._utils._rebuild_parameter": torch._utils._rebuild_parameter,
    "torch.storage._load_from_bytes": _storage,
    "torch.Size": torch.Size,
    "numpy.dtype": _number_type,
    "numpy.core.multiarray.scalar": _number,
    "numpy._core.multiarray.scalar": _number,
    "torch.device": torch.device,
}


def import_stylegan2(path: str | Path) -> tuple[Generator, Discriminator | None]:
    """Read the averaged generator of an official `.pkl` and, where it has one, the discriminator.

    Raises
    ------
    WeightsError
        The file holds no StyleGAN2-ADA generator (and what else it is), or one of an architecture that is not ours.
    InputError
        The file asks for anything but tensors and plain containers.
    """
    refuse_other_files(path, STYLEGAN2)
    content = load_restricted(path, ALLOWED)
    if not isinstance(content, dict) or not isinstance(content.get("G_ema"), ForeignModule):
        raise WeightsError(f"{path} holds no StyleGAN2-ADA generator 'G_ema'; give a network-snapshot-*.pkl")
    foreign, foreign_d = content["G_ema"], content.get("D")
    try:
        spec = _spec(foreign, foreign_d, path)
        generator = Generator(spec)
        load_strictly(generator, _generator_state(dict(foreign.tensors()), spec), f"{path}'s G_ema")
        discriminator = None
        if isinstance(foreign_d, ForeignModule):
            discriminator = Discriminator(spec)
            load_strictly(discriminator, _discriminator_state(dict(foreign_d.tensors()), spec), f"{path}'s D")
    except (AttributeError, KeyError) as error:
        raise WeightsError(f"{path}: its networks are not laid out as StyleGAN2-ADA's ({error} is missing)") from None
    return generator, discriminator


def _spec(g: ForeignModule, d: ForeignModule | None, path: str | Path) -> GeneratorSpec:
    """The architecture, read from shapes and attributes; whatever our networks lack is refused."""
    synthesis, mapping = g.synthesis, g.mapping
    resolution = int(g.img_resolution)
    shapes = {name: tuple(value.shape) for name, value in g.tensors()}
    widths = {r: shapes[f"synthesis.b{r}.conv1.weight"][0] for r in synthesis.block_resolutions}
    widest = max(widths.values())
    base = max(width * r for r, width in widths.items() if width < widest or r == resolution)
    block = getattr(synthesis, f"b{resolution}")
    spec = GeneratorSpec(
        n_classes=int(g.c_dim),
        resolution_px=resolution,
        channel_base=base,
        channel_max=widest,
        latent_size=int(g.w_dim),
        mapping_layers=int(mapping.num_layers),
        label_layers=int(d.mapping.num_layers) if d is not None and d.c_dim > 0 else 0,
        clamp=block.conv1.conv_clamp,
    )
    demands = {
        "img_channels": (g.img_channels, 3),
        "z_dim": (g.z_dim, g.w_dim),
        "architecture of G": (block.architecture, "skip"),
        "use_noise": (block.conv1.use_noise, True),
        "activation": (block.conv1.activation, "lrelu"),
        "channels": ([spec.channels(r) for r in widths], list(widths.values())),
        "conv_clamp of all blocks": ({getattr(synthesis, f"b{r}").conv1.conv_clamp for r in widths}, {spec.clamp}),
        "width of the mapping layers": (
            {shapes[f"mapping.fc{i}.weight"][0] for i in range(spec.mapping_layers)},
            {g.w_dim},
        ),
        "lr_multiplier of the mapping": (mapping.fc0.bias_gain, 0.01),
    }
    if d is not None:
        demands |= {
            "architecture of D": (d.b4.architecture, "resnet"),
            "cmap_dim": (d.b4.cmap_dim, spec.channels(4) if spec.n_classes else 0),
            "mbstd_group_size": (d.b4.mbstd.group_size, 4),
            "mbstd_num_channels": (d.b4.mbstd.num_channels, 1),
        }
    for name, (theirs, ours) in demands.items():
        if theirs != ours:
            raise WeightsError(f"{path}: {name} is {theirs!r}; only networks with {ours!r} can be imported")
    taps = torch.tensor(RESAMPLING) / sum(RESAMPLING)
    for name, value in g.tensors():
        if name.endswith("resample_filter") and not torch.allclose(value, torch.outer(taps, taps)):
            raise WeightsError(f"{path}: {name} is not [1, 3, 3, 1]; such networks cannot be imported")
    return spec


def _mapping_state(foreign: dict[str, torch.Tensor], theirs: str, ours: str, layers: int) -> dict[str, torch.Tensor]:
    """Layers of a mapping network; each keeps its shape."""
    return {f"{ours}{i}.{part}": foreign[f"{theirs}fc{i}.{part}"] for i in range(layers) for part in ("weight", "bias")}


def _embedding_state(foreign: dict[str, torch.Tensor], theirs: str, ours: str) -> dict[str, torch.Tensor]:
    """The label embedding, a vector for each class; theirs is divided by the root of their number when it is used."""
    weight = foreign[f"{theirs}embed.weight"]
    return {f"{ours}.weight": weight.T / math.sqrt(weight.shape[1]), f"{ours}.bias": foreign[f"{theirs}embed.bias"]}


def _generator_state(foreign: dict[str, torch.Tensor], spec: GeneratorSpec) -> dict[str, torch.Tensor]:
    state = _mapping_state(foreign, "mapping.", "mapping.layers.", spec.mapping_layers)
    state |= {"mapping.w_mean": foreign["mapping.w_avg"], "constant": foreign["synthesis.b4.const"][None]}
    if spec.n_classes:
        state |= _embedding_state(foreign, "mapping.", "mapping.embedding")
    parts = {"weight": "weight", "bias": "bias", "style.weight": "affine.weight", "style.bias": "affine.bias"}
    for i, r in enumerate(spec.resolutions_px):
        layers = {"convolution1": "conv1", "to_rgb": "torgb"} | ({"convolution0": "conv0"} if i else {})
        for ours, theirs in layers.items():
            prefix, name = f"synthesis.b{r}.{theirs}", f"blocks.{i}.{ours}"
            state |= {f"{name}.{part}": foreign[f"{prefix}.{other}"] for part, other in parts.items()}
            if ours != "to_rgb":
                state[f"{name}.noise"] = foreign[f"{prefix}.noise_const"][None, None]
                state[f"{name}.noise_strength"] = foreign[f"{prefix}.noise_strength"]
    return state


def _discriminator_state(foreign: dict[str, torch.Tensor], spec: GeneratorSpec) -> dict[str, torch.Tensor]:
    top = f"b{spec.resolution_px}"
    pairs = {"from_rgb": f"{top}.fromrgb", "convolution": "b4.conv", "features": "b4.fc", "logit": "b4.out"}
    state = {
        f"{ours}.{part}": foreign[f"{theirs}.{part}"] for ours, theirs in pairs.items() for part in ("weight", "bias")
    }
    for i, r in enumerate(spec.resolutions_px[:0:-1]):
        for ours, theirs in (("convolution0", "conv0"), ("convolution1", "conv1")):
            state |= {f"blocks.{i}.{ours}.{part}": foreign[f"b{r}.{theirs}.{part}"] for part in ("weight", "bias")}
        state[f"blocks.{i}.skip.weight"] = foreign[f"b{r}.skip.weight"]
    if spec.n_classes:
        state |= _embedding_state(foreign, "mapping.", "embedding")
        state |= _mapping_state(foreign, "mapping.", "label_layers.", spec.label_layers)
        # A logit for faces of any class is ours alone.
        width = foreign["b4.out.weight"].shape[1]
        state |= {"shared.weight": torch.zeros(1, width), "shared.bias": torch.zeros(1)}
    return state
