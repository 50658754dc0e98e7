"""The GPU battery: does every loop run on this machine's device, does it agree with the CPU, and how fast is it?

    python tests/benchmarks/gpu.py agree --out DIR
    [SFACE_PEER_STYLEGAN=checkout] [SFACE_PEER_SFACE=checkout] python -O tests/benchmarks/gpu.py rates --out DIR
    python tests/benchmarks/gpu.py transfer --out DIR --faces SET [SET ...] --teacher FILE

A part is made of rows. A row that is done stands in `DIR/<part>.json` and is not computed again; no row begins after
`--seconds` (500), and the training of `transfer` goes on from its checkpoint. `--toy` takes sizes that a CPU can do in
a minute. Without a device, `agree` compares the CPU with itself, in bf16 only where the processor computes in it.

agree
    Each loop computed by the CPU in float32, and by the device in true float32, in the float32 that torch uses for
    convolutions by default (TF32 on recent cards), and in bf16; the difference is ||device - CPU|| / ||CPU||. Then what
    only runs: a resumed training against one that was not stopped, launched processes, peak memory by size.
rates
    Images a second of each loop, beside the arithmetic that the card's own matrix product would allow, the time of the
    loop's operators alone (the rest is waiting between them), and the official code where a checkout is named.
transfer
    KT from a teacher on given faces at 112 px, the learning rate's schedule laid over as many steps as fit the time.
"""

import argparse
import contextlib
import dataclasses
import gc
import itertools
import json
import math
import os
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest import mock

import generator as generator_benchmark
import numpy as np
import recognition as recognition_benchmark
import torch
from rows import Rows, failures, matrix_rate, median_seconds, wait
from safetensors.torch import save_file

from sface_lib.attributes import annotate_faces, open_classifier
from sface_lib.data import FaceBatches, open_faces
from sface_lib.data.write import write_encoded
from sface_lib.engine import make_accelerator, seed_everything
from sface_lib.files import read_json, write_json
from sface_lib.generators import SHIPPED_PATH, Order, Steering, class_means, draw, generate_set
from sface_lib.generators.assessment import quality_table, take_sample
from sface_lib.generators.stylegan2 import GeneratorRecipe, GeneratorSpec, GeneratorTrainer, load_generator
from sface_lib.matching import compare_sets
from sface_lib.matching.stream import Genuine, Histogram, Nearest, TopPairs, stream
from sface_lib.population import VERIFIER_PATH, first_images, shipped_faces
from sface_lib.population.nuisance import load_nuisance_regressor
from sface_lib.recognition import (
    Embedder,
    LiveTeacher,
    RecognitionModel,
    RecognitionRecipe,
    RecognitionTrainer,
    Validation,
    embed_batches,
    embed_faces,
    make_backbone,
    open_model,
    teach,
    untrained_model,
)

# Largest ||device - CPU|| / ||CPU|| of each precision. Float32 sums in another order, which steps of training multiply;
# TF32 has 10 bits of mantissa, bf16 has 7, and a gradient passes through some thirty layers of it.
TOLERANCES = {"float32": 5e-3, "tf32": 2e-2, "bf16": 1e-1}
MIB = 2**20
FILE_MIB = 15.5
CASIA_CLASSES = 10_572
NORM_IMAGES = 64  # Whose statistics an untrained network's norms take.
TRAINED_SHARE = 0.85  # Of the seconds of `transfer`; the rest is for saving, and for steps slower than those measured.


@dataclasses.dataclass(frozen=True)
class Size:
    """How much is computed.

    Attributes
    ----------
    identities, images
        Of the embedded population, in `agree`.
    generators
        (resolution, channel base, most channels, batch) of the generator's rows.
    backbone, recognition_batch, side_px
        Of the recognition step.
    scores
        Rows of each set whose scores are streamed.
    steps
        Timed calls behind a rate.
    memory
        Batches of the recognition step whose peak memory is measured.
    student, transfer_batch
        Of the training in `transfer`.
    """

    identities: int
    images: int
    generators: tuple[tuple[int, int, int, int], ...]
    backbone: str
    recognition_batch: int
    side_px: int
    scores: int
    steps: int
    memory: tuple[int, ...]
    student: str
    transfer_batch: int


WHOLE = Size(
    identities=40,
    images=10,
    generators=((64, 2048, 128, 64), (64, 8192, 512, 64), (256, 16384, 512, 32)),
    backbone="iresnet50",
    recognition_batch=512,
    side_px=112,
    scores=131_072,
    steps=8,
    memory=(128, 256, 512),
    student="iresnet18",
    transfer_batch=512,
)
TOY = Size(
    identities=6,
    images=8,
    generators=((16, 256, 32, 8),),
    backbone="small",
    recognition_batch=8,
    side_px=32,
    scores=3000,
    steps=1,
    memory=(4,),
    student="small",
    transfer_batch=8,
)


def on_device() -> bool:
    """Whether there is a device besides the CPU."""
    return torch.accelerator.is_available()


# What is computed twice and compared: name -> function of (accelerator, size) that gives named arrays.


def small_set(size: Size):
    """Some identities of the embedded population."""
    whole = shipped_faces("balanced")
    return whole.subset(first_images(whole, size.identities, size.images))


def generator_training(accelerator, size: Size) -> dict[str, np.ndarray]:
    """Losses and gradients of the first step, R1 and augmentation with it, and the losses of four."""
    resolution, base, widest, _ = size.generators[0]
    data = FaceBatches(small_set(size), resolution)
    recipe = GeneratorRecipe(
        total_kimg=1.0, batch=16, learning_rate=0.0025, ema_half_life_kimg=1.0, snapshot_kimg=1.0, seed=0, ada_kimg=1e9
    )
    spec = GeneratorSpec(size.identities, resolution, base, widest, noise=False)
    with TemporaryDirectory() as folder:
        trainer = GeneratorTrainer(data, spec, recipe, accelerator, Path(folder))
        trainer.control.p = generator_benchmark.P
        real, labels, z, fake_labels, transforms = trainer._draw_batch()
        pulled, pushed, _ = trainer.objective.generated(
            trainer._mixed_styles(z, fake_labels), fake_labels, transforms[0]
        )
        from_real, _ = trainer.objective.authentic(real, labels, transforms[1], with_r1=True)
        for _ in range(4):
            trainer._train_step()
        losses = torch.stack(trainer._pending)
    flat = {"generator": pulled, "discriminator, generated": pushed, "discriminator, authentic": from_real}
    found = {f"gradient, {name}": torch.cat([g.flatten() for g in parts]) for name, parts in flat.items()}
    return {name: array.float().cpu().numpy() for name, array in (found | {"losses": losses}).items()}


def sampling(accelerator, size: Size) -> dict[str, np.ndarray]:
    """Images of the shipped generator, truncated."""
    generator = load_generator(SHIPPED_PATH).to(accelerator.device)
    labels = np.arange(4 * size.identities) % size.identities
    return {"images": draw(generator, accelerator, labels, labels, seed=0, psi=0.7).float().numpy()}


def steering(accelerator, size: Size) -> dict[str, np.ndarray]:
    """Scores that steered latents reach, and the images of a filtered set on disk.

    Not their pixels: a step along a gradient's direction multiplies rounding, and ends in other pixels of equal score.
    """
    generator, model = load_generator(SHIPPED_PATH).to(accelerator.device), open_model(VERIFIER_PATH)
    classes = np.arange(min(size.identities, 16))
    means = class_means(generator, accelerator, model, len(classes), seed=0, images=8)
    steered = Steering(model, means, steps=2, least_score=0.0)
    images = draw(generator, accelerator, classes, 0 * classes, seed=0, move=steered.move)
    with TemporaryDirectory() as folder:
        out = Path(folder) / "set.zip"
        generate_set(out, generator, accelerator, Order(classes=4, per_class=2), "shipped", steered)
        labels = open_faces(out).labels
    return {"means": means, "scores": steered.scores(images, torch.from_numpy(classes)).numpy(), "labels": labels}


def recognition_training(strategy: str) -> Callable[..., dict[str, np.ndarray]]:
    """Losses and embeddings of four steps of a strategy, without what is drawn on the device: mirroring and dropout."""

    def compute(accelerator, size: Size) -> dict[str, np.ndarray]:
        faces = small_set(size)
        data = FaceBatches(faces, 64)
        recipe = RecognitionRecipe("small", 64, 64, 4, 32, 0.02, 5e-4, None, 64.0, 39.06, seed=0, dropout=0.0)
        taught = teach(open_model(VERIFIER_PATH), data, accelerator, plain_views=True) if strategy != "CLS" else None
        plain = "sface_lib.recognition.training.augment"
        with (
            TemporaryDirectory() as folder,
            mock.patch(plain, lambda images, *_: (images, torch.zeros(len(images), dtype=torch.bool))),
        ):
            trainer = RecognitionTrainer(data, strategy, recipe, accelerator, Path(folder), taught)
            pieces = trainer.data.walk(trainer._positions())
            for _ in range(recipe.steps):
                trainer._train_step(pieces)
            losses = torch.stack(trainer._losses).float().cpu().numpy()
            return {"losses": losses, "embeddings": embed_faces(trainer.model(), faces, accelerator)}

    return compute


def embedding(accelerator, size: Size) -> dict[str, np.ndarray]:
    """Embeddings by the shipped verifier and by untrained networks of other layouts."""
    faces = small_set(size)
    found = {"verifier": embed_faces(open_model(VERIFIER_PATH), faces, accelerator)}
    for name, width in (("mobilefacenet", 128), ("iresnet18", 512)):
        seed_everything(0)
        model = RecognitionModel(*make_backbone(name, width, 112, 0.0, "nothing"))
        found[name] = embed_faces(model, faces.subset(range(4 * size.steps)), accelerator)
    return found


def annotation(accelerator, size: Size) -> dict[str, np.ndarray]:
    """Probabilities of the shipped classifier; its confidence is drawn on the device."""
    return {
        "probability": annotate_faces(open_classifier(), small_set(size), Embedder(accelerator), passes=4).probability
    }


def score_streaming(accelerator, size: Size) -> dict[str, np.ndarray]:
    """Counts, genuine scores, best pairs and neighbours of two sets of random unit rows."""
    random, rows = np.random.default_rng(0), min(size.scores, 4096)
    a, b = (random.standard_normal((rows, 64)).astype(np.float32) for _ in range(2))
    a, b = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (a, b))
    labels = np.arange(rows) % 50
    found = compare_sets(a, labels, b, labels, top_pairs=100, nearest=5, accelerator=accelerator)
    return {
        "genuine": found.genuine,
        "counts, cumulated": np.cumsum(found.impostors.counts).astype(np.float64),
        "best pairs": found.top_pairs.scores,
        "neighbours": found.nearest[0],
        "EER and AUC": np.array([found.metrics().eer, found.metrics().auc]),
    }


def quality(accelerator, size: Size) -> dict[str, np.ndarray]:
    """Notebook 02's table between two halves of the population."""
    whole, model, regressor = shipped_faces("balanced"), open_model(VERIFIER_PATH), load_nuisance_regressor()
    one = whole.subset(first_images(whole, size.identities, 6))
    other = shipped_faces("held-out")
    other = other.subset(first_images(other, size.identities, 5))
    samples = [take_sample(faces, 5, model, regressor, Embedder(accelerator)) for faces in (one, other)]
    table = quality_table(*samples, resamples=100, seed=0)
    return {"table": table[["authentic", "synthetic"]].to_numpy(np.float64)}


COMPARED: dict[str, Callable[..., dict[str, np.ndarray]]] = {
    "generator training": generator_training,
    "sampling": sampling,
    "steering": steering,
    **{f"recognition, {name}": recognition_training(name) for name in ("CLS", "KT", "CL")},
    "embedding": embedding,
    "annotation": annotation,
    "score streaming": score_streaming,
    "quality": quality,
}


def file_of(folder: Path, precision: str, name: str) -> Path:
    """Where the arrays of one loop in one precision lie."""
    return folder / precision / f"{name.replace(', ', '-').replace(' ', '-')}.npz"


def write_values(folder: Path, precision: str, size: Size) -> None:
    """Compute every loop in one precision, in this process, on the device that it sees."""
    allow = precision == "tf32"
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = allow
    accelerator = make_accelerator("bf16" if precision == "bf16" else "float32")
    (folder / precision).mkdir(parents=True, exist_ok=True)
    for name, work in COMPARED.items():
        path = file_of(folder, precision, name)
        if path.exists():
            continue
        try:
            found = work(accelerator, size)
        except Exception:
            path.with_suffix(".txt").write_text(traceback.format_exc(), encoding="utf-8")
            continue
        part = path.with_suffix(".part.npz")
        np.savez(part, **found)
        part.replace(path)


def compared(folder: Path, precision: str, name: str) -> dict:
    """How far a loop's arrays are from the CPU's, in one precision."""
    paths = file_of(folder, "cpu", name), file_of(folder, precision, name)
    for path in paths:
        if not path.exists():
            said = path.with_suffix(".txt")
            raise RuntimeError(said.read_text(encoding="utf-8") if said.exists() else f"{path} was not computed")
    wanted, found = (dict(np.load(path)) for path in paths)
    apart = {key: relative_error(found[key], wanted[key]) for key in wanted}
    within = max(apart.values()) <= TOLERANCES[precision]
    told = {key: error if math.isfinite(error) else "of other shape, or not numbers" for key, error in apart.items()}
    return {"apart": told, "within": bool(within), "of": TOLERANCES[precision]}


def relative_error(found: np.ndarray, wanted: np.ndarray) -> float:
    """||found - wanted|| / ||wanted|| over what both know; infinite where one is not a number and the other is."""
    if found.shape != wanted.shape or not np.array_equal(np.isnan(found), np.isnan(wanted)):
        return float("inf")
    found, wanted = (np.nan_to_num(np.asarray(x, np.float64)) for x in (found, wanted))
    return float(np.linalg.norm(found - wanted) / max(np.linalg.norm(wanted), 1e-12))


# What only runs on the device.


def resumed(size: Size, folder: Path) -> dict:
    """A training that stops half way and goes on, against one that does not, and two that are the same: bit by bit?"""
    accelerator = make_accelerator("auto")
    data = FaceBatches(small_set(size), 64)
    recipe = RecognitionRecipe("small", 64, 64, 8, 16, 0.05, 5e-4, None, 64.0, 39.06, seed=0, augmentation="robust")

    def stop(model: RecognitionModel) -> float:
        raise KeyboardInterrupt

    def train(where: Path, stop_at: int | None = None) -> torch.Tensor:
        if stop_at:
            with contextlib.suppress(KeyboardInterrupt):
                RecognitionTrainer(data, "CLS", recipe, accelerator, where).train(Validation(stop, stop_at))
        state = RecognitionTrainer(data, "CLS", recipe, accelerator, where).train().network.state_dict()
        return torch.cat([tensor.flatten().float().cpu() for tensor in state.values()])

    with TemporaryDirectory(dir=folder) as name:
        work = Path(name)  # Checkpoints stand at steps 2, 4, 6 and 8.
        whole, again, stopped = train(work / "a"), train(work / "b"), train(work / "c", stop_at=5)
    return {
        "same run twice": relative_error(again.numpy(), whole.numpy()),
        "stopped and resumed": relative_error(stopped.numpy(), whole.numpy()),
    }


def launched(folder: Path, size: Size) -> dict:
    """`sface` commands under torchrun, one process a card."""
    cards = max(1, torch.accelerator.device_count())
    generator = ["generator", "train", "--profile", "smoke", "--set", "total_kimg=0.2", "--set", "snapshot_kimg=0.1"]
    recognition = ["recognition", "train", "--profile", "smoke", "--set", "training_steps=6"]
    recognition += ["--set", "validation_interval_steps=0", "--strategy", "KT", "--teacher", str(VERIFIER_PATH)]
    faces = str(shipped_faces("global").path)
    found = {"processes": cards}
    with TemporaryDirectory(dir=folder) as work:
        commands = {
            "generator train": [*generator, "--out", f"{work}/generator"],
            "recognition train": [*recognition, "--faces", faces, "--out", f"{work}/recognition"],
            "generate": ["generate", "--per-class", "2", "--classes", "8", "--out", f"{work}/set.zip"],
            "annotate": ["annotate", f"{work}/set.zip", "--out", f"{work}/set.parquet", "--passes", "2"],
        }
        start = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc_per_node={cards}"]
        for name, command in commands.items():
            done = subprocess.run([*start, "-m", "sface_lib.cli", *command], capture_output=True, text=True)
            found[name] = "done" if done.returncode == 0 else done.stderr[-2000:]
    if any(found[name] != "done" for name in commands):
        raise RuntimeError(json.dumps(found))
    return found


def peak_mib(work: Callable[[], object]) -> float | None:
    """Most memory that tensors hold on the device during a call, in MiB; None on a CPU."""
    gc.collect()  # Trainers of earlier rows refer to themselves.
    if not torch.cuda.is_available():
        work()
        return None
    torch.cuda.reset_peak_memory_stats()
    work()
    wait()
    return round(torch.cuda.max_memory_allocated() / MIB)


def agree(out: Path, size: Size, seconds: float) -> dict:
    """All rows of the first part."""
    part, values = Rows(out / "agree.json", seconds), out / "values"
    precisions = ["float32", "tf32", "bf16"] if on_device() else ["float32"]
    # The CPU computes while the device does; one process a precision, so that no setting outlives its rows.
    arguments = [sys.executable, __file__, "values", "--out", str(values), *(["--toy"] if size is TOY else [])]
    hidden = os.environ | {"CUDA_VISIBLE_DEVICES": ""}
    with subprocess.Popen([*arguments, "--precision", "cpu"], env=hidden) as reference:
        for precision in precisions:
            subprocess.run([*arguments, "--precision", precision], check=True)
            print(f"computed in {precision}", flush=True)
        reference.wait()
    for precision, name in itertools.product(precisions, COMPARED):
        part.row(f"{name}, {precision}", lambda n=name, p=precision: compared(values, p, n))
    part.row("resume", lambda: resumed(size, out))
    part.row("launched", lambda: launched(out, size))
    return part.rows


# Rates.


def busy_share(step: Callable[[], object], times: int) -> float:
    """Share of a step's time in which the device computes: the sum of its kernels' own times over the clock's."""
    kinds = [torch.profiler.ProfilerActivity.CPU]
    kinds += [torch.profiler.ProfilerActivity.CUDA] if torch.cuda.is_available() else []
    step()
    wait()
    started = time.perf_counter()
    for _ in range(times):
        step()
    wait()
    clock = time.perf_counter() - started
    with torch.profiler.profile(activities=kinds) as profile:
        for _ in range(times):
            step()
        wait()
    return round(_own_seconds(profile) / clock, 3)


def _own_seconds(profile: torch.profiler.profile) -> float:
    """Seconds of the device's kernels, each counted once and not with the operator that started it; else of the CPU."""
    events = profile.key_averages()
    if not torch.cuda.is_available():
        return sum(event.self_cpu_time_total for event in events) / 1e6
    kernels = [e for e in events if e.device_type == torch.autograd.DeviceType.CUDA and not e.is_user_annotation]
    seconds = sum(event.self_device_time_total for event in kernels) / 1e6
    if not seconds:
        raise RuntimeError("the profiler saw no kernel; is CUPTI installed?")
    return seconds


def loop_rate(step: Callable[[], object], images: int, steps: int, rates: dict[str, float], precision: str) -> dict:
    """Images a second of a step, beside the matrix product and its own operators, with its peak memory."""
    seconds = median_seconds(step, steps)
    with generator_benchmark.Operations() as operations:
        step()
    used = "bf16" if precision == "bf16" else "tf32" if "tf32" in rates else "float32"
    limit = rates[used] / operations.total * images
    return {
        "images_per_second": round(images / seconds, 1),
        "share_of_matrix_product": round(images / seconds / limit, 3),
        "operators_alone_share": busy_share(step, max(1, steps // 2)),
        "peak_mib": peak_mib(step),
        "tflop_per_step": round(operations.total / 1e12, 4),
    }


def matrix_rates(device: torch.device) -> dict[str, float]:
    """Operations a second of a matrix product in each arithmetic."""
    side, found = (8192, {}) if device.type == "cuda" else (512, {})
    for name, dtype, allowed in (
        ("float32", torch.float32, False), ("tf32", torch.float32, True), ("bf16", torch.bfloat16, True),
    ):  # fmt: skip
        if name == "tf32" and device.type != "cuda":
            continue
        before, torch.backends.cuda.matmul.allow_tf32 = torch.backends.cuda.matmul.allow_tf32, allowed
        found[name] = matrix_rate(dtype, device, side)
        torch.backends.cuda.matmul.allow_tf32 = before
    return found


def generator_rate(setting: tuple[int, int, int, int], size: Size, rates: dict, precision: str) -> dict:
    """A step of the generator's training at a setting (R1 apart), and its sampling."""
    resolution, base, widest, batch = setting
    with TemporaryDirectory() as folder:
        accelerator = make_accelerator(precision)
        data = FaceBatches(small_set(size), resolution)
        recipe = GeneratorRecipe(
            total_kimg=1.0, batch=batch, learning_rate=0.0025, ema_half_life_kimg=10.0, snapshot_kimg=1.0, seed=0,
            ada_kimg=1e9,
        )  # fmt: skip
        spec = GeneratorSpec(size.identities, resolution, base, widest, noise=False)
        trainer = GeneratorTrainer(data, spec, recipe, accelerator, Path(folder))
        trainer.control.p = generator_benchmark.P

        def plain() -> None:
            trainer.step = 1
            trainer._train_step()
            trainer._pending.clear()

        found = loop_rate(plain, batch, size.steps, rates, precision)
        trained, r1 = generator_benchmark.step_seconds(trainer, size.steps)
        labels = np.arange(batch) % size.identities
        drawn = median_seconds(lambda: draw(trainer.ema, accelerator, labels, labels, 0), size.steps)
    return found | {
        "with_r1_images_per_second": round(batch / (trained + r1), 1),
        "drawn_images_per_second": round(batch / drawn, 1),
    }


def generator_peer(setting: tuple[int, int, int, int], size: Size) -> dict:
    """The official networks, loss and augmentation, at their own mixed precision."""
    resolution, base, widest, batch = setting
    with mock.patch.multiple(generator_benchmark, BATCH=batch, CLASSES=size.identities):
        checkout = os.environ["SFACE_PEER_STYLEGAN"]
        trained, drawn = generator_benchmark.peer_rates(checkout, (resolution, base, widest), False, size.steps)
    return {"with_r1_images_per_second": round(trained, 1), "drawn_images_per_second": round(drawn, 1)}


class Noise(FaceBatches):
    """Images of noise, in memory, over CASIA-WebFace's number of classes."""

    def __init__(self, size_px: int, count: int = 4096):
        self.size_px, self.labelled, self.n_classes, self.fingerprint = size_px, True, CASIA_CLASSES, "noise"
        self.labels = torch.arange(count) % CASIA_CLASSES
        self._pixels = torch.randint(256, (count, 3, size_px, size_px), dtype=torch.uint8)


def recognition_step(
    size: Size, precision: str, folder: str, batch: int, strategy: str = "CLS", augmentation: str = "flip"
) -> Callable[[], object]:
    """One step of our recognition training, reading included."""
    accelerator, data = make_accelerator(precision), Noise(size.side_px, max(4 * batch, 64))
    recipe = RecognitionRecipe(
        size.backbone, size.side_px, 512, 10**6, batch, 0.1, 5e-4, None, 64.0, 39.06, seed=0, augmentation=augmentation
    )
    teacher = None
    if strategy != "CLS":
        teacher = LiveTeacher(RecognitionModel(*make_backbone("mobilefacenet", 128, 112, 0.0, "nothing")), accelerator)
    trainer = RecognitionTrainer(data, strategy, recipe, accelerator, Path(folder), teacher)
    pieces = trainer.data.walk(trainer._positions())

    def step() -> None:
        trainer._train_step(pieces)
        trainer._losses.clear()

    return step


def recognition_rate(size: Size, rates: dict, precision: str, strategy: str, augmentation: str) -> dict:
    """Images a second of a recognition step."""
    batch = size.recognition_batch
    with TemporaryDirectory() as folder:
        step = recognition_step(size, precision, folder, batch, strategy, augmentation)
        return loop_rate(step, batch, size.steps, rates, precision)


def recognition_peer(size: Size) -> dict:
    """SFace's own network, head and step, on given tensors, in float32 and bf16 autocast."""
    peer = recognition_benchmark.peer_modules()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    found = {}
    for name, half in (("float32", False), ("bf16", True)):
        with mock.patch.multiple(recognition_benchmark, TRAIN_BATCH=size.recognition_batch, SIDE=size.side_px):
            step = recognition_benchmark.peer_step(peer, size.backbone, half, device)
            seconds = median_seconds(step, size.steps)
        found[f"{name}_images_per_second"] = round(size.recognition_batch / seconds, 1)
    return found


def recognition_memory(size: Size) -> dict:
    """Peak memory of the recognition step by batch, in bf16."""
    found = {}
    for batch in size.memory:
        with TemporaryDirectory() as folder:
            step = recognition_step(size, "bf16", folder, batch)
            step()  # Makes the optimiser's own tensors.
            found[f"batch {batch}"] = peak_mib(step)
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
    return found


def pipeline_rate(size: Size) -> dict:
    """Images a second that reach the device: from memory, and decoded ahead from RecordIO."""
    device, batch = make_accelerator("auto").device, size.recognition_batch
    with TemporaryDirectory() as folder:
        files = recognition_benchmark.jpeg_files(min(1000, 8 * batch))
        count = 8 * batch
        path = write_encoded(
            Path(folder) / "train.rec", (files[i % len(files)] for i in range(count)), np.arange(count) % 100
        )
        read = FaceBatches(open_faces(path), size.side_px, held=False)
        return {
            name: round(_delivered(data, batch, device, seconds=3.0 if size is WHOLE else 0.2), 1)
            for name, data in (("from memory", Noise(size.side_px, 8 * batch)), ("from RecordIO", read))
        }


def _delivered(data: FaceBatches, batch: int, device: torch.device, seconds: float) -> float:
    walk = data.walk(data.shuffled(0, batch * step, batch) for step in itertools.count())
    for _ in range(4):
        next(walk)[1].to(device)
    wait()
    started, count = time.perf_counter(), 0
    while time.perf_counter() < started + seconds:
        count += len(next(walk)[1].to(device))
    wait()
    return count / (time.perf_counter() - started)


def embedding_rates(size: Size) -> dict:
    """Images a second embedded, images in memory, in bf16 where the device has it."""
    accelerator, batch, found = make_accelerator("auto"), size.recognition_batch, {}
    images = torch.randint(256, (batch, 3, 112, 112), dtype=torch.uint8)
    for name, width in (("mobilefacenet", 128), ("iresnet50", 512)) if size is WHOLE else (("mobilefacenet", 128),):
        recipe = RecognitionRecipe(name, 112, width, 1, batch, 0.1, 0.0, None, 64.0, 1.0, seed=0)
        model = untrained_model(recipe, images[:NORM_IMAGES])
        work = lambda model=model: embed_batches(model, [images] * 4, accelerator)  # noqa: E731
        found[name] = round(4 * batch / median_seconds(work, max(1, size.steps // 2)), 1)
    return found


def annotation_rate(size: Size) -> dict:
    """Images a second annotated, decoding included."""
    faces, accelerator, classifier = small_set(size), make_accelerator("auto"), open_classifier()
    work = lambda: annotate_faces(classifier, faces, Embedder(accelerator))  # noqa: E731
    return {"images_per_second": round(len(faces) / median_seconds(work, max(1, size.steps // 2)), 1)}


def streaming_rate(size: Size) -> dict:
    """Scores a second at width 512, beside the float32 product alone."""
    device = make_accelerator("float32").device
    a, b = (torch.nn.functional.normalize(torch.randn(n, 512)).to(device) for n in (size.scores, size.scores // 4))
    labels = [np.sort(np.arange(len(rows)) % 1000) for rows in (a, b)]
    buffer = torch.empty(2048, 4096, device=device)

    def product() -> None:
        for rows in a.split(2048):
            for columns in b.split(4096):
                torch.mm(rows, columns.T, out=buffer if (len(rows), len(columns)) == (2048, 4096) else None)

    def collectors() -> list:
        return [Histogram(), Genuine(*labels), TopPairs(1000), Nearest(len(a), 10, False, device)]

    works = {
        "product": product,
        "histogram": lambda: stream(a, b, [Histogram()]),
        "all": lambda: stream(a, b, collectors()),
    }
    times = {name: median_seconds(work, 1) for name, work in works.items()}
    return {f"{name}_scores_per_second": round(len(a) * len(b) / spent) for name, spent in times.items()}


def rates(out: Path, size: Size, seconds: float) -> dict:
    """All rows of the second part."""
    part, device = Rows(out / "rates.json", seconds), make_accelerator("float32").device
    part.row("device", lambda: {"name": torch.cuda.get_device_name() if device.type == "cuda" else "cpu"})
    part.row("matrix product", lambda: matrix_rates(device))
    product = {k: v for k, v in part.rows["matrix product"].items() if k != "row_seconds"}
    fast = make_accelerator("auto").mixed_precision == "bf16"
    precisions = ["bf16", "float32"] if fast else ["float32"]
    for precision in precisions:
        for name, augmentation in (("CLS", "flip"), ("KT", "robust")):
            part.row(
                f"recognition {name}, {size.backbone}, batch {size.recognition_batch}, {augmentation}, {precision}",
                lambda n=name, a=augmentation, p=precision: recognition_rate(size, product, p, n, a),
            )
        for setting in size.generators:
            part.row(
                "generator {} px, base {}, most {}, batch {}, ".format(*setting) + precision,
                lambda s=setting, p=precision: generator_rate(s, size, product, p),
            )
    if os.environ.get("SFACE_PEER_SFACE"):
        part.row("recognition, SFace's code", lambda: recognition_peer(size))
    if os.environ.get("SFACE_PEER_STYLEGAN"):
        for setting in size.generators:
            part.row(
                "generator {} px, base {}, most {}, batch {}, official code".format(*setting),
                lambda s=setting: generator_peer(s, size),
            )
    part.row("input pipeline", lambda: pipeline_rate(size))
    part.row("embedding", lambda: embedding_rates(size))
    part.row("annotation", lambda: annotation_rate(size))
    part.row("score streaming", lambda: streaming_rate(size))
    part.row("memory of the recognition step by batch", lambda: recognition_memory(size))
    return part.rows


# A long training.


class Joined(FaceBatches):
    """Several sets in memory as one; identities of different sets are different ones."""

    def __init__(self, parts: list[FaceBatches]):
        offsets = np.cumsum([0, *(part.n_classes for part in parts)])
        self.labels = torch.cat([part.labels + int(first) for part, first in zip(parts, offsets, strict=False)])
        self.size_px, self.labelled, self.n_classes = parts[0].size_px, True, int(offsets[-1])
        self.fingerprint = " ".join(part.fingerprint for part in parts)
        self._pixels = torch.cat([part._pixels for part in parts])


def transfer(out: Path, size: Size, seconds: float, work: Path, sets: list[str], teacher: str) -> dict:
    """Train by KT for about so many seconds, starting included; weights in files below 16 MiB each.

    The schedule's length is set at the first call, from the rate of a few steps and what is left of the time.
    """
    begun, accelerator = time.perf_counter(), make_accelerator("auto")
    data = Joined([FaceBatches(open_faces(path), size.side_px, held=True) for path in sets])
    taught = LiveTeacher(open_model(teacher), accelerator)
    plan = work / "plan.json"
    base = RecognitionRecipe(
        size.student, size.side_px, taught.embedding_size, 10**6, size.transfer_batch, 0.1, 5e-4, None, 64.0, 39.06,
        seed=0, augmentation="robust", grey_share=1.0, dropout=0.0,
    )  # fmt: skip
    if not plan.exists():
        with TemporaryDirectory() as folder:
            trial = RecognitionTrainer(data, "KT", base, accelerator, Path(folder), taught)
            pieces = trial.data.walk(trial._positions())
            spent = median_seconds(lambda: trial._train_step(pieces), 3 * size.steps)
        left = TRAINED_SHARE * (seconds - (time.perf_counter() - begun))
        write_json(plan, {"steps": max(size.steps, int(left / spent)), "step_seconds": spent, "training_seconds": 0.0})
    recipe = dataclasses.replace(base, steps=read_json(plan)["steps"])
    trainer = RecognitionTrainer(data, "KT", recipe, accelerator, work / "training", taught)
    started = time.perf_counter()
    model = trainer.train()
    told = read_json(plan)
    told["training_seconds"] = round(told["training_seconds"] + time.perf_counter() - started, 1)
    write_json(plan, told)
    found = {
        "images": len(data), "identities": data.n_classes, "steps": recipe.steps, "batch": recipe.batch,
        "samples": recipe.steps * recipe.batch, "training_seconds": told["training_seconds"],
    }  # fmt: skip
    shards = write_shards(model, out)
    (out / "transfer-log.jsonl").write_bytes((work / "training" / "log.jsonl").read_bytes())
    write_json(out / "transfer.json", found | {"description": model.description, "files": shards})
    print(json.dumps(found), flush=True)
    return found


def write_shards(model: RecognitionModel, out: Path) -> list[str]:
    """Weights in half precision, in as many safetensors as need be for each to stay below 16 MiB.

    A tensor that is too large alone is cut into rows, `<name>.0` and so on.
    """
    shards: list[dict[str, torch.Tensor]] = [{}]
    held = 0.0
    for name, tensor in _pieces(model.network.state_dict()):
        weight = tensor.numel() * tensor.element_size() / MIB
        if held + weight > FILE_MIB and shards[-1]:
            shards.append({})
            held = 0.0
        shards[-1][name] = tensor
        held += weight
    names = [f"student-{i}.safetensors" for i in range(len(shards))]
    for name, shard in zip(names, shards, strict=True):
        save_file(shard, out / name)
    return names


def _pieces(state: dict[str, torch.Tensor], most_mib: float = FILE_MIB) -> Iterator[tuple[str, torch.Tensor]]:
    for name, tensor in state.items():
        tensor = (tensor.half() if tensor.is_floating_point() else tensor).cpu()
        parts = math.ceil(tensor.numel() * tensor.element_size() / MIB / most_mib)
        if parts < 2:
            yield name, tensor.contiguous()
            continue
        for i, rows in enumerate(tensor.split(len(tensor) // parts)):
            yield f"{name}.{i}", rows.contiguous()


def main(argv: list[str] | None = None) -> int:
    """Run a part; 1 where a row failed or does not agree."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=("agree", "rates", "transfer", "values"))
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seconds", type=float, default=500.0)
    parser.add_argument("--toy", action="store_true")
    parser.add_argument("--precision", help=argparse.SUPPRESS)
    parser.add_argument("--faces", nargs="+", default=[])
    parser.add_argument("--teacher")
    parser.add_argument("--work", type=Path, help="checkpoints of `transfer`; default: OUT/work")
    given = parser.parse_args(argv)
    size = TOY if given.toy else WHOLE
    given.out.mkdir(parents=True, exist_ok=True)
    if given.part == "values":
        write_values(given.out, given.precision, size)
        return 0
    if given.part == "transfer":
        transfer(given.out, size, given.seconds, given.work or given.out / "work", given.faces, given.teacher)
        return 0
    rows = {"agree": agree, "rates": rates}[given.part](given.out, size, given.seconds)
    bad = list(failures(rows))
    print("\n".join(bad or ["every row is done and agrees"]), flush=True)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
