"""The massive attribute classifier (MAC): a face embedding, a branch for each attribute, calibration, confidence."""

import dataclasses
import hashlib
import json
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from accelerate import Accelerator
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from sface_lib.attributes.calibration import labels_of, probabilities
from sface_lib.attributes.head import AttributeHead
from sface_lib.engine import load_strictly, read_description, save_weights, seed_step, unflatten
from sface_lib.errors import InputError, WeightsError
from sface_lib.files import ASSETS, check_shipped
from sface_lib.otherfiles import refuse_other_files
from sface_lib.population import VERIFIER_PATH
from sface_lib.recognition import RecognitionModel, open_model
from sface_lib.recognition.models import described_network

KIND = "attribute classifier"
FOLDER = ASSETS / "attributes"
SHIPPED_PATH = FOLDER / "mac.safetensors"
PASSES = 20
RELIABLE = 0.75  # Balanced accuracy on unseen identities from which on an attribute is reported.


@dataclasses.dataclass(frozen=True, eq=False)
class Annotations:
    """What the classifier says of images.

    Attributes
    ----------
    names
        The attributes.
    probability
        Calibrated, float32 `[N, A]`, without dropout.
    confidence
        Float32 `[N, A]`: how sure and how steady stochastic passes are of the label, at most 1.
    label
        int8 `[N, A]`: 1 present, -1 absent.
    embedding
        Float32 `[N, d]`, unit length: what all of it was read from.
    """

    names: tuple[str, ...]
    probability: np.ndarray
    confidence: np.ndarray
    label: np.ndarray
    embedding: np.ndarray


class AttributeClassifier(nn.Module):
    """An embedding model, the head on its embeddings, calibration, thresholds, and how reliable each attribute is.

    Parameters
    ----------
    embedder
        Gives the embeddings; its network is written with the classifier where `own`, else only its fingerprint.
    head
        The branches.
    own
        Whether the embedder was trained with this head.
    description
        Plain values: `trained_on`, and `reliability`, the rows of `calibration.reliability`.
    """

    def __init__(self, embedder: RecognitionModel, head: AttributeHead, own: bool, description: dict):
        super().__init__()
        self.embedder, self.own, self.description = embedder, own, dict(description)
        self.head = head
        count = len(head.names)
        self.register_buffer("scale", torch.ones(count))
        self.register_buffer("bias", torch.zeros(count))
        self.register_buffer("thresholds", torch.full((count,), 0.5))
        self.eval()

    @property
    def names(self) -> tuple[str, ...]:
        """The attributes that it tells."""
        return self.head.names

    @property
    def reliability(self) -> pd.DataFrame:
        """How well each attribute is told: see `calibration.reliability`; indexed by attribute.

        On what `description["judged_on"]` says, identities in the shipped one, which neither taught nor calibrated.
        """
        return pd.DataFrame(self.description["reliability"]).set_index("attribute").astype(float)

    @property
    def fingerprint(self) -> str:
        """SHA-256 of head, calibration and thresholds, and of the embedder."""
        digest = hashlib.sha256(self.embedder.fingerprint.encode())
        for name, tensor in sorted(self.state_dict().items()):
            digest.update(name.encode() + tensor.cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()

    def reliable(self, least: float = RELIABLE) -> np.ndarray:
        """Which attributes reach this balanced accuracy, bool `[A]`; what could not be judged does not."""
        return (self.reliability["balanced_accuracy"].reindex(self.names) >= least).to_numpy()

    @torch.inference_mode()
    def logits(self, embeddings: np.ndarray) -> np.ndarray:
        """Logits before calibration, float32 `[N, A]`, of unit embeddings `[N, d]`."""
        return self.head(torch.as_tensor(embeddings, device=self.scale.device), stochastic=False).cpu().numpy()

    @torch.inference_mode()
    def annotate(self, embeddings: np.ndarray, seed: int, block: int, passes: int = PASSES) -> Annotations:
        """Annotate one block of embeddings `[N, d]`; what is drawn is a function of (seed, block).

        Raises
        ------
        InputError
            No pass, or a seed below 0.
        """
        check_draws(seed, passes)
        head, names = self.head, self.names
        device = self.scale.device
        shared = head.trunk(torch.as_tensor(embeddings, device=device))
        p = probabilities(head.branches(shared, False) * self.scale + self.bias, names).cpu().numpy()
        labels = labels_of(p, self.thresholds.cpu().numpy(), names)
        seed_step(seed, block, 0, device)
        drawn = torch.stack(
            [probabilities(head.branches(shared, True) * self.scale + self.bias, names) for _ in range(passes)]
        )
        said = torch.where(torch.as_tensor(labels, device=device) == 1, drawn, 1 - drawn)
        return Annotations(names, p, confidence(said).cpu().numpy(), labels, np.asarray(embeddings))

    def embeddings(self, batches: Iterable[torch.Tensor], accelerator: Accelerator) -> Iterator[np.ndarray]:
        """Unit embeddings float32 `[B, d]` of one batch of images uint8 `[B, 3, S, S]` after the other.

        Of the image alone: with the mirror image it takes twice as long, and attributes are told no better.
        """
        with accelerator.autocast():
            fast = self.embedder.to(accelerator.device).for_inference()
        for images in batches:
            # Not held open over a yield, where it would turn off the caller's gradients.
            with torch.inference_mode(), accelerator.autocast():
                rows = fast.single(fast.prepare(images.to(accelerator.device))).cpu().numpy()
            yield rows

    def save(self, path: str | Path, half: bool = False) -> Path:
        """Write everything into one safetensors file; the embedder's weights only where they are its own."""
        about = {
            "kind": KIND,
            "names": list(self.names),
            "head": {"width": self.head.shared[0].in_features, "dropout": self.head.dropout}
            | {"shared": self.head.shared[0].out_features, "branch": self.head.branch_bias.shape[1]},
            "embedder": {"own": self.own, "input": dataclasses.asdict(self.embedder.spec)}
            | ({} if self.own else {"fingerprint": self.embedder.fingerprint})
            | self.embedder.description,
        }
        whole = nn.ModuleDict({"classifier": self} | ({"embedder": self.embedder.network} if self.own else {}))
        return save_weights(path, whole, about | self.description, half)


def check_draws(seed: int, passes: int) -> None:
    """Refuse a seed below 0, or less than one stochastic pass; raises `InputError`."""
    if seed < 0 or passes < 1:
        raise InputError(f"seed {seed}, passes {passes}: a seed from 0 and at least 1 pass are needed")


def confidence(said: torch.Tensor) -> torch.Tensor:
    """How sure and steady stochastic passes are of a label: their mean minus the mean distance of two of them.

    Parameters
    ----------
    said
        Probability of the label in each pass, `[T, ...]`.

    Returns
    -------
    torch.Tensor
        `[...]`, at most 1, reached where all passes give the label with certainty. Source: Terhörst et al., "Reliable
        Age and Gender Estimation from Face Images" (BTAS 2019), the measure at alpha = 0.5, doubled.
    """
    count = len(said)
    rank = torch.arange(1, count + 1, device=said.device, dtype=said.dtype)
    weight = (2 * (2 * rank - count - 1) / count**2).view(-1, *[1] * (said.ndim - 1))
    return said.mean(0) - (said.sort(0).values * weight).sum(0)


def open_classifier(path: str | Path = SHIPPED_PATH, embedder: str | Path | None = None) -> AttributeClassifier:
    """Read a classifier that this program wrote.

    Parameters
    ----------
    embedder
        Weights of the recognition model whose embeddings the head takes, where the file does not hold them; None for
        the shipped verifier.

    Raises
    ------
    WeightsError
        The file is no classifier (and what it is), or is damaged.
    InputError
        The embedder is not the one that the head was trained on, or the classifier needs none.
    """
    refuse_other_files(path)
    try:
        about, state = read_description(check_shipped(path)), load_file(path)
    except (OSError, SafetensorError, json.JSONDecodeError) as error:
        raise WeightsError(f"{path} cannot be read as safetensors: {error}") from None
    if about.get("kind") != KIND:
        raise WeightsError(f"{path} holds no attribute classifier; train one with `sface attributes train`")
    head = AttributeHead(names=tuple(about["names"]), **about["head"])
    noted = about["embedder"]
    own = noted.pop("own")
    if own and embedder:
        raise InputError(f"{path} has a network of its own, so that nothing is embedded by {embedder}; leave it out")
    if own:
        network, spec = described_network(noted)
        del noted["input"]
        load_strictly(network, unflatten("embedder", state), str(path))
        model = RecognitionModel(network, spec, noted)
    else:
        model = open_model(embedder or VERIFIER_PATH)
        if model.fingerprint != noted["fingerprint"]:
            raise InputError(
                f"{path} was trained on embeddings of another model than {embedder or 'the shipped verifier'}; "
                f"give its embedder (trained on: {noted['trained_on']})"
            )
    kept = {k: v for k, v in about.items() if k not in ("kind", "names", "head", "embedder")}
    classifier = AttributeClassifier(model, head, own, kept)
    load_strictly(classifier, unflatten("classifier", state), str(path))
    return classifier
