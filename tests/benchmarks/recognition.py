"""How fast recognition learns, embeds, reads and judges on this machine: ratios within one run.

The peer is SFace's code, where SFACE_PEER_SFACE names a checkout. All ways of a row are taken in turn, and medians are
kept: other load hits all. Training: iResNets at 112 px, batch 16, CosFace over CASIA-WebFace's 10,572 classes; ours
reads JPEG files from RecordIO in two processes, the peer is given tensors. Embedding: the plain float32 network,
channels first (the peer's, where it is given), against what `embed_batches` runs; weights are noise, but for the
verifier's. Heads: batch 128, width 512.
"""

import copy
import io
import itertools
import os
import sys
import tempfile
import time
import types
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from rows import Rows, in_turn, memory_mib, precisions
from torch import nn

from sface_lib.biometrics import kfold_accuracy
from sface_lib.data import FaceBatches, open_faces
from sface_lib.data.write import write_encoded
from sface_lib.engine import make_accelerator
from sface_lib.population import VERIFIER_PATH, shipped_faces
from sface_lib.recognition import (
    HEADS,
    MarginHead,
    ProtocolPairs,
    RecognitionModel,
    RecognitionRecipe,
    RecognitionTrainer,
    make_backbone,
    open_model,
)

BACKBONES = {"mobilefacenet": 128, "iresnet18": 512, "iresnet50": 512}
BATCHES, HEAD_BATCH, WIDTH, CLASSES, SIDE = (16, 32), 128, 512, 10_572, 112
TRAINED, TRAIN_BATCH, EPOCHS, SECONDS = ("iresnet50", "iresnet18"), 16, 6, 8


def peer_modules() -> types.SimpleNamespace | None:
    """SFace's networks, head and evaluation, from the checkout that `SFACE_PEER_SFACE` names."""
    if not (folder := os.environ.get("SFACE_PEER_SFACE")):
        return None
    sys.path.insert(0, folder)
    sys.modules["mxnet"] = mxnet = types.ModuleType("mxnet")  # Its evaluation imports it, but needs it for files alone.
    sys.modules["mxnet.ndarray"] = mxnet.ndarray = types.ModuleType("mxnet.ndarray")
    from backbones import iresnet
    from eval.verification import calculate_roc
    from utils.losses import CosFace

    return types.SimpleNamespace(networks=iresnet, head=CosFace, calculate_roc=calculate_roc)


@torch.inference_mode()
def embedding(model: RecognitionModel, plain: nn.Module, batch: int) -> dict[str, float]:
    """Images a second of one network, without fusion, beside a plain one."""
    device = make_accelerator().device
    model.to(device)
    plain = copy.deepcopy(plain).to(device, memory_format=torch.contiguous_format)
    images = torch.randn(batch, 3, *model.spec.input_px, device=device)
    last = images.contiguous(memory_format=torch.channels_last)

    def ours(precision: str) -> Callable[[], object]:
        accelerator = make_accelerator(precision)
        with accelerator.autocast():
            network = model.for_inference().network

        def embed() -> None:
            with accelerator.autocast():
                network(last)

        return embed

    ways = {"plain": lambda: plain(images)} | {precision: ours(precision) for precision in precisions()}
    return beside(in_turn(ways, SECONDS), "plain", batch)


def beside(taken: dict[str, float], reference: str, images: int) -> dict[str, float]:
    """Images a second of each way, and how many times as fast as a reference it is, where that was taken."""
    rates = {f"{way} images/s": images / seconds for way, seconds in taken.items()}
    if reference not in taken:
        return rates
    return rates | {f"{way} x": taken[reference] / taken[way] for way in taken if way != reference}


def heads() -> dict[str, float]:
    """Milliseconds of one forward and backward pass of each head alone."""
    x, labels = torch.randn(HEAD_BATCH, WIDTH, requires_grad=True), torch.randint(0, CLASSES, (HEAD_BATCH,))
    made = {head: MarginHead(WIDTH, CLASSES, head) for head in HEADS}

    def step(head: MarginHead):
        head.zero_grad()
        head(x, labels).backward()

    taken = in_turn({name: lambda head=head: step(head) for name, head in made.items()}, SECONDS)
    return {f"{name} ms": 1000 * seconds for name, seconds in taken.items()}


def peer_step(peer: types.SimpleNamespace, name: str, half: bool, device: str = "cpu") -> Callable[[], object]:
    """One training step as the peer's train.py takes it, on given tensors."""
    network = getattr(peer.networks, name)(dropout=0.4, num_features=WIDTH, use_se=False).train().to(device)
    head = peer.head(in_features=WIDTH, out_features=CLASSES).to(device)
    optimisers = [torch.optim.SGD(m.parameters(), 0.1, 0.9, weight_decay=5e-4) for m in (network, head)]
    images = torch.randn(TRAIN_BATCH, 3, SIDE, SIDE, device=device)
    labels = torch.randint(0, CLASSES, (TRAIN_BATCH,), device=device)

    def step():
        with torch.autocast(device, torch.bfloat16, enabled=half):
            features = F.normalize(network(images))
        nn.functional.cross_entropy(head(features.float(), labels), labels).backward()
        nn.utils.clip_grad_norm_(network.parameters(), 5)
        for optimiser in optimisers:
            optimiser.step()
            optimiser.zero_grad()

    return step


def our_step(name: str, data: FaceBatches, precision: str, folder: Path) -> Callable[[], object]:
    """One step of our trainer, all included."""
    recipe = RecognitionRecipe(name, SIDE, WIDTH, 10**6, TRAIN_BATCH, 0.1, 5e-4, None, 64.0, 39.06, seed=0)
    trainer = RecognitionTrainer(data, "CLS", recipe, make_accelerator(precision), folder)
    pieces = trainer.data.walk(trainer._positions())
    return lambda: trainer._train_step(pieces)


def jpeg_files(number: int) -> list[bytes]:
    """Rendered faces as JPEG files of 112 px."""
    faces = shipped_faces("balanced").load(np.arange(number), size_px=SIDE).permute(0, 2, 3, 1).numpy()
    files = []
    for pixels in faces:
        stream = io.BytesIO()
        Image.fromarray(pixels).save(stream, "JPEG", quality=95)
        files.append(stream.getvalue())
    return files


def training(peer: types.SimpleNamespace | None, name: str, data: FaceBatches) -> dict[str, float]:
    """Images a second of a training step, ours and the peer's."""
    with tempfile.TemporaryDirectory() as folder:
        ways = {f"ours, {p}": our_step(name, data, p, Path(folder) / p) for p in precisions()}
        if peer:
            device = make_accelerator().device.type
            ways |= {f"peer, {p}": peer_step(peer, name, p == "bf16", device) for p in precisions()}
        return beside(in_turn(ways, 3 * SECONDS), "peer, float32", TRAIN_BATCH)


def reading(batches: FaceBatches, size: int = 128) -> dict[str, float]:
    """Images a second that come decoded and mirrored."""
    walk = batches.walk(batches.shuffled(0, size * step, size) for step in itertools.count())
    for _ in range(8):
        next(walk)
    started, count = time.perf_counter(), 0
    while time.perf_counter() < started + SECONDS:
        images = next(walk)[1]
        count += len(torch.where(torch.rand(len(images), 1, 1, 1) < 0.5, images.flip(3), images))
    return {"images/s": count / (time.perf_counter() - started)}


def judging(peer: types.SimpleNamespace | None) -> dict[str, float]:
    """Milliseconds of the ten-fold accuracy of 6,000 pairs from embeddings."""
    random = np.random.default_rng(0)
    rows = random.standard_normal((12_000, WIDTH)).astype(np.float32)
    rows[1::2] += 0.5 * rows[::2]
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    same, fold = np.tile(np.repeat([True, False], 300), 10), np.repeat(np.arange(10), 600)
    left, unknown = np.arange(0, 12_000, 2), np.full(6000, -1)
    pairs = ProtocolPairs(left, left + 1, same, fold, unknown, unknown)
    ways = {"ours": lambda: kfold_accuracy(pairs.scores(rows), pairs.same, pairs.fold)}
    if peer:
        wide = rows.astype(np.float64)  # As its own test gives them.
        steps = np.arange(0, 4, 0.01)  # Its rate at FAR is left out: it fails with current SciPy.
        ways["peer"] = lambda: peer.calculate_roc(steps, wide[::2], wide[1::2], same, 10)
    return {f"{way} ms": 1000 * seconds for way, seconds in in_turn(ways, SECONDS).items()}


def memory(data: FaceBatches) -> dict[str, float]:
    """MiB of this process after the first and the last of some epochs."""
    held = {}
    for epoch in range(1, EPOCHS + 1):
        for _ in data.walk(data.shuffled(epoch, start, 128) for start in range(0, len(data) - 128, 128)):
            pass
        if epoch in (1, EPOCHS):
            held[f"MiB after epoch {epoch}"] = memory_mib("VmRSS")
    return held


def measure(rows: Rows) -> None:
    """All rows."""
    torch.manual_seed(0)
    peer = peer_modules()
    with tempfile.TemporaryDirectory() as folder:
        files, labels = jpeg_files(2000), np.arange(CLASSES)
        path = write_encoded(Path(folder) / "train.rec", (files[i % 2000] for i in labels), labels)
        data = FaceBatches(open_faces(path), SIDE, held=False)
        for name in TRAINED:
            rows.row(f"training {name}", lambda n=name: training(peer, n, data))
        rows.row("reading RecordIO, 112 px, ahead", lambda: reading(data))
        rows.row("reading the population, 64 px, held", lambda: reading(FaceBatches(shipped_faces("balanced"), 64)))
        rows.row("memory while RecordIO is read", lambda: memory(data))
    rows.row("judging 6,000 pairs", lambda: judging(peer))
    models = {"verifier": open_model(VERIFIER_PATH)}
    models |= {name: RecognitionModel(*make_backbone(name, width, SIDE, 0.0, "")) for name, width in BACKBONES.items()}
    for name, model in models.items():
        plain = model.network
        if peer and name.startswith("iresnet"):
            plain = getattr(peer.networks, name)(num_features=WIDTH, use_se=False).eval()
        for batch in BATCHES:
            rows.row(f"embedding by {name}, batch {batch}", lambda m=model, p=plain, b=batch: embedding(m, p, b))
    rows.row("heads, forward and backward", heads)
