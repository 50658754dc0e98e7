"""Files of recognition models: this program's own, InsightFace's iResNets, MobileFaceNet, and ONNX graphs."""

import json
import pickle
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file

from sface_lib.engine import load_strictly
from sface_lib.errors import InputError, WeightsError
from sface_lib.files import check_shipped
from sface_lib.otherfiles import CHECKPOINT, refuse_other_files
from sface_lib.recognition.dlib_model import dlib_file, open_dlib_model
from sface_lib.recognition.foreign import foreign_network, network_tensors
from sface_lib.recognition.given_embeddings import GivenEmbeddings, holds_embeddings, open_embeddings
from sface_lib.recognition.models import KIND, InputSpec, RecognitionModel, described_network, of_architecture
from sface_lib.recognition.onnx_model import open_onnx

# Where training programs put the network's tensors in a checkpoint of several things, by preference.
NESTED = ("state_dict_backbone", "net_state_dict", "model_state_dict", "state_dict", "backbone", "model", "net")


def open_model(path: str | Path, spec: InputSpec | None = None) -> RecognitionModel | GivenEmbeddings:
    """Read a recognition model; nothing in the file is run.

    - safetensors that this program wrote;
    - tensors of an iResNet or a MobileFaceNet by their names, as safetensors or as a `.pth`: see `foreign_network`.
      They may be one part of a checkpoint, and their names may have a prefix in common: see `network_tensors`. Tensors
      that were left aside are told by `description["ignored"]`;
    - an `.onnx` graph, with the extra `onnx`: see `open_onnx`;
    - dlib's own file, where the extra `align` has put it: see `open_dlib_model`;
    - an `.npz` of file names and of unit vectors, which judges sets and does nothing else: see `open_embeddings`.

    Parameters
    ----------
    spec
        What the network wants at its door, where the file does not say it or says it wrongly.

    Raises
    ------
    WeightsError
        The file is no file of weights (and what it is), is damaged, is of an unknown architecture, or lacks or adds
        tensors.
    InputError
        `spec` gives images of another size than the network takes, or is given with vectors; or the extra `onnx` is not
        installed.
    """
    if Path(path) == dlib_file():
        return open_dlib_model()
    if holds_embeddings(path):
        if spec is not None:
            raise InputError(f"{path} holds vectors, for which no input can be specified; leave the specification out")
        return open_embeddings(path)
    refuse_other_files(path, CHECKPOINT)
    if Path(path).suffix == ".onnx":
        return open_onnx(path, spec)
    check_shipped(path)
    state, header = _read_pth(path) if _is_pth(path) else _read_safetensors(path)
    description = json.loads(header.get("sface", "{}"))
    if description.get("kind") == KIND and of_architecture(description["architecture"]):
        network, own = described_network(description)
        del description["input"]
    elif description:
        kind, architecture = description.get("kind"), description.get("architecture", "")
        raise WeightsError(f"{path} holds {kind} {architecture!r}; give a recognition model that this program knows")
    else:
        state, ignored = network_tensors(state, str(path))
        network, own, description = foreign_network(state, str(path), header.get("trained_on", "not stated"))
        description |= {"ignored": _told(ignored)} if ignored else {}
    load_strictly(network, state, str(path))
    if spec is not None and spec.input_px != own.input_px:
        raise InputError(f"{path} takes images of {_px(own)} px, and the specification given makes them {_px(spec)} px")
    return RecognitionModel(network, spec or own, description)


def _told(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"


def _px(spec: InputSpec) -> str:
    return "x".join(str(side) for side in spec.input_px)


def _read_safetensors(path: str | Path) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    try:
        with safe_open(path, "pt") as stored:
            return load_file(path), stored.metadata() or {}
    except (OSError, SafetensorError) as error:
        raise WeightsError(f"{path} cannot be read as safetensors: {error}") from None


def _is_pth(path: str | Path) -> bool:
    """Whether a file begins like one of `torch.save`: a zip, or the pickle of older versions."""
    try:
        with open(path, "rb") as stream:
            start = stream.read(9)
    except OSError as error:
        raise WeightsError(f"{path} cannot be read: {error}") from None
    return start[8:] != b"{" and (start[:4] == b"PK\x03\x04" or start[:1] == b"\x80")


def _read_pth(path: str | Path) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    """Tensors of a state dict, or of a checkpoint with one under names of `NESTED`."""
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, EOFError, RuntimeError, ValueError, pickle.UnpicklingError) as error:
        # Torch's reason stands between what it says of files in general and how to switch its check off.
        reason = str(error).rpartition("WeightsUnpickler error: ")[2].partition(" Please use ")[0]
        reason = " ".join(reason.split())[:200].rstrip(".")
        raise WeightsError(f"{path} holds more than tensors, or is damaged; save its state_dict() ({reason})") from None
    while isinstance(content, dict) and any(isinstance(content.get(name), dict) for name in NESTED):
        content = next(content[name] for name in NESTED if isinstance(content.get(name), dict))
    if not isinstance(content, dict) or not all(isinstance(value, torch.Tensor) for value in content.values()):
        raise WeightsError(f"{path} holds no dictionary of tensors; save the network's state_dict()")
    return {str(name): value for name, value in content.items()}, {}
