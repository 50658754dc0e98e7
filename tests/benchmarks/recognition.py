"""How fast recognition learns, embeds, reads and judges on this machine: ratios within one run.

    [SFACE_PEER_SFACE=checkout of SFace's code] python -O tests/benchmarks/recognition.py [seconds]

All ways of a row are taken in turn for the seconds given (8), and medians are printed: other load hits all. Training:
iResNets at 112 px, batch 16, CosFace over CASIA-WebFace's 10,572 classes; ours reads JPEG files from RecordIO in two
processes, the peer is given tensors. Embedding: the plain float32 network, channels first (the peer's, where it is
given), against what `embed_batches` runs; weights are noise, but for the verifier's. Heads: batch 128, width 512.
"""

import copy
import io
import itertools
import os
import resource
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
TRAINED, TRAIN_BATCH, EPOCHS = ("iresnet50", "iresnet18"), 16, 6


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


def in_turn(ways: dict[str, Callable[[], object]], seconds: float) -> dict[str, float]:
    """Median seconds of each way, after one call to warm up."""
    taken, end = {name: [] for name in ways}, time.perf_counter() + seconds
    for way in ways.values():
        way()
    while time.perf_counter() < end or min(map(len, taken.values())) < 3:
        for name, way in ways.items():
            start = time.perf_counter()
            way()
            taken[name].append(time.perf_counter() - start)
    return {name: float(np.median(values)) for name, values in taken.items()}


@torch.inference_mode()
def embedding(name: str, model: RecognitionModel, plain: nn.Module, batch: int, seconds: float) -> None:
    """Print images a second of one network, without fusion, against a plain one."""
    accelerator = make_accelerator("bf16")
    plain, single = copy.deepcopy(plain).to(memory_format=torch.contiguous_format), model.for_inference().network
    with accelerator.autocast():
        half = model.for_inference().network
    images = torch.randn(batch, 3, *model.spec.input_px)
    last = images.contiguous(memory_format=torch.channels_last)

    def in_bf16():
        with accelerator.autocast():
            half(last)

    taken = in_turn({"plain": lambda: plain(images), "float32": lambda: single(last), "bf16": in_bf16}, seconds)
    speeds = ", ".join(f"{way} {batch / t:.0f}/s (x{taken['plain'] / t:.2f})" for way, t in taken.items())
    print(f"embedding by {name}, batch {batch}: {speeds}", flush=True)


def heads(seconds: float) -> None:
    """Print milliseconds of one forward and backward pass of each head alone."""
    x, labels = torch.randn(HEAD_BATCH, WIDTH, requires_grad=True), torch.randint(0, CLASSES, (HEAD_BATCH,))
    made = {head: MarginHead(WIDTH, CLASSES, head) for head in HEADS}

    def step(head: MarginHead):
        head.zero_grad()
        head(x, labels).backward()

    taken = in_turn({name: lambda head=head: step(head) for name, head in made.items()}, seconds)
    print("heads:", ", ".join(f"{name} {1000 * t:.0f} ms" for name, t in taken.items()))


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


def training(peer: types.SimpleNamespace | None, data: FaceBatches, seconds: float) -> None:
    """Print images a second of a training step, ours and the peer's."""
    for name in TRAINED:
        with tempfile.TemporaryDirectory() as folder:
            ways = {"ours in bf16": our_step(name, data, "bf16", Path(folder) / "a")}
            ways["ours in float32"] = our_step(name, data, "float32", Path(folder) / "b")
            if peer:
                ways |= {"peer in float32": peer_step(peer, name, False), "peer in bf16": peer_step(peer, name, True)}
            taken = in_turn(ways, 3 * seconds)
        against = taken.get("peer in float32")
        rows = (
            f"{way} {TRAIN_BATCH / t:.1f}/s" + (f" (x{against / t:.2f})" if against else "") for way, t in taken.items()
        )
        print(f"training {name}: {', '.join(rows)}{'' if peer else ', peer absent'}", flush=True)


def reading(data: FaceBatches, seconds: float) -> None:
    """Print images a second that come decoded and mirrored: at 112 px from RecordIO, at 64 px from the population."""
    small = FaceBatches(shipped_faces("balanced"), 64)
    for what, batches, size in (("RecordIO, 112 px, ahead", data, 128), ("population, 64 px, held", small, 128)):
        walk = batches.walk(batches.shuffled(0, size * step, size) for step in itertools.count())
        for _ in range(8):
            next(walk)
        started, count = time.perf_counter(), 0
        while time.perf_counter() < started + seconds:
            images = next(walk)[1]
            count += len(torch.where(torch.rand(len(images), 1, 1, 1) < 0.5, images.flip(3), images))
        print(f"reading, {what}: {count / (time.perf_counter() - started):,.0f}/s", flush=True)


def judging(peer: types.SimpleNamespace | None, seconds: float) -> None:
    """Print milliseconds of the ten-fold accuracy of 6,000 pairs from embeddings."""
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
    taken = in_turn(ways, seconds)
    said = ", ".join(f"{way} {1000 * t:.1f} ms" for way, t in taken.items())
    print(f"judging 6,000 pairs: {said}{'' if peer else ', peer absent'}", flush=True)


def memory(data: FaceBatches) -> None:
    """Print the peak memory of this process and of its readers after each of some epochs over the RecordIO set."""
    peaks = []
    for epoch in range(EPOCHS):
        for _ in data.walk(data.shuffled(epoch, start, 128) for start in range(0, len(data) - 128, 128)):
            pass
        usage = (resource.getrusage(who).ru_maxrss / 1024 for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
        peaks.append("{:.0f} + {:.0f}".format(*usage))
    print(f"peak memory by epoch (MiB, this process + its largest reader): {'; '.join(peaks)}", flush=True)


def main() -> None:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 8.0
    torch.manual_seed(0)
    print(f"{torch.get_num_threads()} threads")
    peer = peer_modules()
    with tempfile.TemporaryDirectory() as folder:
        files, labels = jpeg_files(2000), np.arange(CLASSES)
        path = write_encoded(Path(folder) / "train.rec", (files[i % 2000] for i in labels), labels)
        data = FaceBatches(open_faces(path), SIDE, held=False)
        training(peer, data, seconds)
        reading(data, seconds)
        memory(data)
    judging(peer, seconds)
    models = {"verifier": open_model(VERIFIER_PATH)}
    models |= {name: RecognitionModel(*make_backbone(name, width, SIDE, 0.0, "")) for name, width in BACKBONES.items()}
    for name, model in models.items():
        plain = model.network
        if peer and name.startswith("iresnet"):
            plain = getattr(peer.networks, name)(num_features=WIDTH, use_se=False).eval()
        for batch in BATCHES:
            embedding(name, model, plain, batch, seconds)
    heads(seconds)


if __name__ == "__main__":
    main()
