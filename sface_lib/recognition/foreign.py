"""Networks of others, told from the names and shapes of their tensors.

Input and fusion are those of their own evaluations: InsightFace's `arcface_torch` takes aligned RGB faces of 112 px as
(x - 127.5) / 127.5 and adds the mirror image's embedding; the MobileFaceNet on CASIA-WebFace has `MOBILEFACENET_INPUT`.
"""

import math

import torch
from torch import nn

from sface_lib.errors import WeightsError
from sface_lib.recognition.backbones import LAYOUTS, SPATIAL_REDUCTION, IResNetLayout
from sface_lib.recognition.models import InputSpec, make_backbone

STAGES = (1, 2, 3, 4)
IRESNET_NAMES = {"layer1.0.conv1.weight", "layer4.0.prelu.weight", "fc.weight", "features.weight"}
MOBILEFACENET_NAMES = {"dw_conv1.conv.weight", "linear1.conv.weight"}


def network_tensors(state: dict[str, torch.Tensor], path: str) -> tuple[dict[str, torch.Tensor], list[str]]:
    """The tensors of a known network in a state dict, by the network's own names, and the names of all others.

    Their names may have a prefix in common, such as `model.` or `module.backbone.`, which is taken off. What stands
    without it, such as the head that the network was trained with, is no part of the network. Without a prefix, or
    where no network is known, all tensors are given.

    Raises
    ------
    WeightsError
        There are several networks.
    """
    prefixes = {
        name.removesuffix(anchor): name
        for names in (IRESNET_NAMES, MOBILEFACENET_NAMES)
        for anchor in [min(names)]
        for name in state
        if f".{name}".endswith(f".{anchor}") and state.keys() >= {name.removesuffix(anchor) + own for own in names}
    }
    if len(prefixes) > 1:
        raise WeightsError(
            f"{path} holds {len(prefixes)} networks (with {' and '.join(prefixes.values())}); save the state_dict() of "
            "the one that is meant"
        )
    prefix = next(iter(prefixes), "")
    inside = {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}
    return inside, [name for name in state if not name.startswith(prefix)]


def foreign_network(state: dict[str, torch.Tensor], path: str, trained_on: str) -> tuple[nn.Module, InputSpec, dict]:
    """A new network that a state dict is of, its input specification and description.

    Raises
    ------
    WeightsError
        It is of an unknown architecture, or of an iResNet that differs from those of `LAYOUTS`.
    """
    if state.keys() >= MOBILEFACENET_NAMES:
        return make_backbone("mobilefacenet", len(state["linear1.conv.weight"]), 112, 0.0, trained_on)
    if state.keys() >= IRESNET_NAMES:
        return make_backbone(_layout(state, path), len(state["fc.weight"]), _size_px(state, path), 0.0, trained_on)
    raise WeightsError(
        f"{path} holds tensors of an unknown architecture; give a model trained by this program, an InsightFace "
        "iResNet, a MobileFaceNet, or the model as ONNX"
    )


def _layout(state: dict[str, torch.Tensor], path: str) -> str:
    """The name in `LAYOUTS` of an iResNet."""
    excited = [name for name in state if ".se_block." in name or ".se." in name]
    if excited:
        raise WeightsError(
            f"{path} has squeeze-excitation blocks ({excited[0]} and {len(excited) - 1} more tensors), which are not "
            "read; give the model as ONNX"
        )
    blocks = tuple(len({name.split(".")[1] for name in state if name.startswith(f"layer{i}.")}) for i in STAGES)
    widths = tuple(len(state[f"layer{i}.0.conv1.weight"]) for i in STAGES if f"layer{i}.0.conv1.weight" in state)
    # Shapes do not show a strided stem, nor the side of the images behind it.
    plain = {name: layout for name, layout in LAYOUTS.items() if layout.stem_stride == 1}
    for name, known in plain.items():
        if known == IResNetLayout(blocks, widths):
            return name
    raise WeightsError(f"{path} is an iResNet of {blocks} blocks of {widths} channels; known are {', '.join(plain)}")


def _size_px(state: dict[str, torch.Tensor], path: str) -> int:
    """Side of an iResNet's images, from the number of features that its last layer takes."""
    features, channels = state["fc.weight"].shape[1], len(state["layer4.0.conv1.weight"])
    side = math.isqrt(features // channels)
    if channels * side**2 != features:
        raise WeightsError(
            f"{path}: its last layer takes {features} features, which are no square of {channels} channels; only "
            "square inputs are read, so give the model as ONNX"
        )
    return side * SPATIAL_REDUCTION
