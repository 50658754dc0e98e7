"""Pictures whose attributes are their pixels, and classifiers small enough to run anywhere."""

import copy
import functools
from pathlib import Path

import numpy as np
import torch

from sface_lib.attributes import AttributeClassifier
from sface_lib.attributes.head import AttributeHead
from sface_lib.data import FaceSet, open_faces, write_faces
from sface_lib.recognition import InputSpec, RecognitionModel
from sface_lib.recognition.models import make_backbone

NAMES = ("Male", "Young", "Middle_Aged", "Senior", "Bald", "Smiling")
SIZE_PX = 16


def visible_set(path: Path, identities: int, images: int, size_px: int, labelled: bool = True, seed: int = 0):
    """A set of noise, and two attributes int8 `[N, 2]` of its images: above brighter than below; red, not blue."""
    random, n = np.random.default_rng(seed), identities * images
    values = np.where(random.random((n, 2)) < 0.5, 1, -1).astype(np.int8)
    pixels = random.normal(128, 20, (n, 3, size_px, size_px))
    pixels[:, :, : size_px // 2] += 40 * values[:, 0, None, None, None]
    pixels[:, :, size_px // 2 :] -= 40 * values[:, 0, None, None, None]
    pixels[:, 0] += 40 * values[:, 1, None, None]
    pixels[:, 2] -= 40 * values[:, 1, None, None]
    labels = np.repeat(np.arange(identities), images) if labelled else None
    written = write_faces(path, np.clip(pixels, 0, 255).astype(np.uint8), labels)
    return open_faces(written), values


def random_set(path: Path, n: int, identities: int | None = None, size_px: int = SIZE_PX) -> FaceSet:
    """Images that differ in their light and colour; without labels where no identities are given."""
    random = np.random.default_rng(n)
    pixels = random.integers(0, 256, (n, 3, 1, 1)) * random.random((n, 3, size_px, size_px))
    labels = None if identities is None else np.arange(n) % identities
    return open_faces(write_faces(path, pixels.astype(np.uint8), labels))


@functools.lru_cache
def _shaken_network(seed: int):
    """A network at its random start, whose norms have seen noise, so that it tells images apart."""
    torch.manual_seed(seed)
    network, spec, about = make_backbone("strided", 12, SIZE_PX, 0.0, "nothing")
    with torch.no_grad():
        torch.nn.init.zeros_(network.head.bias)
        for _ in range(30):
            network.train()(torch.randn(16, 3, SIZE_PX, SIZE_PX) / 2 + torch.randn(16, 3, 1, 1) / 2)
    return network, spec, about


def tiny_embedder(seed: int = 0, spec: InputSpec | None = None) -> RecognitionModel:
    """A network for 16 px that learnt nothing."""
    network, own, about = copy.deepcopy(_shaken_network(seed))
    return RecognitionModel(network, spec or own, about)


def tiny_classifier(
    embedder: RecognitionModel | None = None, own: bool = True, names: tuple[str, ...] = NAMES, dropout: float = 0.3
) -> AttributeClassifier:
    """A head at its random start, calibrated by numbers made up."""
    embedder = embedder or tiny_embedder()
    torch.manual_seed(1)
    head = AttributeHead(embedder.embedding_size, names, shared=8, branch=4, dropout=dropout).requires_grad_(False)
    head.logit_weight.mul_(4)
    scores = [
        {"attribute": n, "tpr": 0.9, "fpr": 0.2, "balanced_accuracy": 0.7 + 0.05 * (i % 3)} for i, n in enumerate(names)
    ]
    scores[0]["balanced_accuracy"] = scores[0]["fpr"] = None
    classifier = AttributeClassifier(embedder, head, own, {"trained_on": "numbers made up", "reliability": scores})
    for name, low, high in (("scale", 0.5, 2), ("bias", -1, 1), ("thresholds", 0.2, 0.6)):
        getattr(classifier, name).copy_(torch.linspace(low, high, len(names)))
    return classifier
