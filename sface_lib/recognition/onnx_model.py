"""ONNX graphs as recognition models: onnxruntime runs them on the CPU, and nothing of Python is in them."""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from sface_lib.errors import InputError, WeightsError, how_to_install
from sface_lib.files import files_read_with, sha256_of_file
from sface_lib.recognition.models import InputSpec, RecognitionModel

ASSUMED = "RGB, (x - 127.5) / 127.5, the mirror image's embedding added: a graph does not say it"


def open_onnx(path: str | Path, spec: InputSpec | None = None) -> RecognitionModel:
    """A graph that takes aligned faces, float `[N, 3, H, W]`, and gives one embedding each, `[N, d]`.

    Tensors that the graph keeps in other files must lie beside it. Without `spec`, size comes from the graph and the
    rest is InsightFace's, see `ASSUMED`. Its graphs that were made from MXNet scale the pixels themselves: they
    want `InputSpec(112, mean=0.0, scale=1.0)`.

    Raises
    ------
    InputError
        The extra is not installed, or the input's size is not declared or differs from that of `spec`.
    WeightsError
        The graph cannot be read, or takes or gives something else.
    """
    network = OnnxNetwork(path)
    height, width = network.size_px
    if spec is None and (not isinstance(height, int) or height != width):
        raise InputError(
            f"{path} declares images of {height}x{width} px, no square; open it with a specification, such as "
            "open_model(path, InputSpec(112)) or, cropped, InputSpec(112, crop=(0, 8, 112, 96))"
        )
    wanted, stated = (spec, "given") if spec else (InputSpec(height, mirror="sum"), ASSUMED)
    for given, declared in zip(wanted.input_px, network.size_px, strict=True):
        if isinstance(declared, int) and declared != given:
            raise InputError(
                f"{path} takes images of {height}x{width} px, and the specification makes them {wanted.input_px}"
            )
    size = network(torch.zeros(1, 3, *wanted.input_px)).shape[1]
    description = {"architecture": "onnx", "embedding_size": size, "trained_on": "not stated", "input": stated}
    return OnnxModel(network, wanted, description, path)


class OnnxNetwork(nn.Module):
    """A session as a network: float RGB `[N, 3, H, W]` -> raw embeddings float32 `[N, d]`, without gradients.

    Attributes
    ----------
    size_px
        Height and width that the graph declares; not numbers where it leaves them open.
    """

    def __init__(self, path: str | Path):
        super().__init__()
        self.path, self.session = str(path), _session(path)
        inputs, outputs = self.session.get_inputs(), self.session.get_outputs()
        shape, counts = inputs[0].shape, (len(inputs), len(outputs))
        if counts != (1, 1) or len(shape) != 4 or shape[1] != 3 or inputs[0].type != "tensor(float)":
            taken = ", ".join(f"{entry.type} {entry.shape}" for entry in inputs)
            raise WeightsError(
                f"{path} takes {taken} and gives {len(outputs)} outputs; a recognition model takes one tensor(float) "
                "[N, 3, H, W] and gives one output"
            )
        if isinstance(shape[0], int) and shape[0] != 1:
            raise WeightsError(f"{path} takes exactly {shape[0]} images at once; export it for one, or for any number")
        self.one_by_one, self.size_px, self.name = shape[0] == 1, tuple(shape[2:]), inputs[0].name

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if x.requires_grad:
            raise InputError(f"{self.path} is an ONNX graph, which gives no gradients; give .safetensors or .pth")
        batches = x.split(1) if self.one_by_one else [x]
        rows = [self._run(batch.float().cpu().contiguous().numpy()) for batch in batches]
        return torch.from_numpy(np.concatenate(rows)).to(x.device)

    def _run(self, images: np.ndarray) -> np.ndarray:
        try:
            (rows,) = self.session.run(None, {self.name: images})
        except Exception as error:  # onnxruntime's errors share no class.
            raise WeightsError(f"{self.path} failed on images {list(images.shape)}: {error}") from None
        if rows.shape[:1] != images.shape[:1] or rows[0].size != rows.shape[-1]:
            raise WeightsError(f"{self.path} gives {list(rows.shape)} for {len(images)} images; needed is [N, d]")
        return rows.astype(np.float32, copy=False)


class OnnxModel(RecognitionModel):
    """A `RecognitionModel` whose weights stay in their file."""

    def __init__(self, network: OnnxNetwork, spec: InputSpec, description: dict, path: str | Path):
        super().__init__(network, spec, description)
        self._fingerprint = _fingerprint(Path(path))

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the graph's file; with files beside it whose names begin with its own, of all their hashes."""
        return self._fingerprint

    def as_file(self, path: str | Path) -> Path:
        """The file that it was read from."""
        return Path(self.network.path)

    def save(self, path: str | Path, half: bool = False) -> Path:
        """Refused: the file that it was read from is the model."""
        raise InputError(f"{self.network.path} is an ONNX graph, which is not written anew; copy the file")


def _fingerprint(path: Path) -> str:
    beside = files_read_with(path)
    hashes = [sha256_of_file(file) for file in (path, *beside)]
    return hashes[0] if not beside else hashlib.sha256("".join(hashes).encode()).hexdigest()


def _session(path: str | Path) -> Any:
    """An onnxruntime session with as many threads as torch has."""
    try:
        import onnxruntime
    except ImportError:
        raise InputError(f"{path} is an ONNX graph, which needs the extra `onnx`: {how_to_install('onnx')}") from None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = torch.get_num_threads(), 1
    options.log_severity_level = 3  # Errors; they are raised as well.
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise WeightsError(f"{path} cannot be read as an ONNX graph: {' '.join(str(error).split())[:300]}") from None
