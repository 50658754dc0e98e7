"""How fast the generator trains and draws, where a step's time goes, and what it holds in memory.

Ratios are taken within one run. Every row trains or draws with 200 classes and a batch of 32, augmentation at p = 0.3.
The peer is stylegan2-ada-pytorch, where SFACE_PEER_STYLEGAN names a checkout: in float32 and, where the processor has
it, under bf16 autocast, which its assertions refuse without `python -O`; on a GPU at its own mixed precision.
"""

import contextlib
import io
import os
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
import torch.nn.functional as F
from rows import MACHINE, RATE, Rows, asked, median_seconds, memory_mib, precisions
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from sface_lib.data import FaceBatches
from sface_lib.engine import make_accelerator
from sface_lib.generators import draw
from sface_lib.generators.stylegan2 import GeneratorRecipe, GeneratorSpec, GeneratorTrainer
from sface_lib.generators.stylegan2.augment import augment, draw_transforms
from sface_lib.generators.stylegan2.networks import StyledConvolution
from sface_lib.population import shipped_faces

SETTINGS = {
    "64 px, base 8192, max 128": (64, 8192, 128),
    "32 px, base 4096, max 128": (32, 4096, 128),
    "64 px, base 2048, max 128 (shipped)": (64, 2048, 128),
}
CLASSES, BATCH, P, R1_INTERVAL, STEPS = 200, 32, 0.3, 16, 5
BUDGET_GIB, ADA_SHARE = 3.0, 0.15


def make_trainer(setting: tuple[int, int, int], folder: Path, **changes) -> GeneratorTrainer:
    """A trainer on the shipped faces at a setting."""
    size, base, widest = setting
    data = FaceBatches(shipped_faces("balanced"), size)
    values = {"total_kimg": 1.0, "batch": BATCH, "learning_rate": 0.0025, "ema_half_life_kimg": 10.0}
    values |= {"snapshot_kimg": 1.0, "seed": 0, "r1_interval_steps": R1_INTERVAL, "ada_kimg": 1e9}
    recipe = GeneratorRecipe(**(values | changes))
    trainer = GeneratorTrainer(data, GeneratorSpec(CLASSES, size, base, widest), recipe, make_accelerator(), folder)
    trainer.control.p = P
    return trainer


def step_seconds(trainer: GeneratorTrainer, steps: int) -> tuple[float, float]:
    """Seconds of a step, and of what R1 adds to one in the mean."""
    trainer.step = 1
    plain = median_seconds(trainer._train_step, steps)

    def regularised() -> None:
        trainer.step = 0
        trainer._train_step()

    return plain, (median_seconds(regularised, max(2, steps // 3)) - plain) / R1_INTERVAL


def shares(trainer: GeneratorTrainer, steps: int) -> dict[str, float]:
    """Seconds of the parts of a step."""
    plain, r1 = step_seconds(trainer, steps)
    real, labels, z, fake_labels, transforms = trainer._draw_batch()
    trainer.control.p = 0.0
    data = median_seconds(trainer._draw_batch, steps)
    trainer.control.p = P
    gradient = torch.randn_like(real)

    def generator_alone() -> None:
        with trainer.accelerator.autocast():
            images = trainer.generator.synthesise(trainer._mixed_styles(z, fake_labels))
        torch.autograd.grad(images, list(trainer.generator.parameters()), gradient, allow_unused=True)

    def augmentation() -> None:
        random = np.random.default_rng(0)
        for _ in range(2):
            draw_transforms(random, BATCH, P, real.shape[-1])
        augment(real, transforms[1])
        images = real.clone().requires_grad_()
        torch.autograd.grad(augment(images, transforms[0]), images, gradient)

    def updates() -> None:
        for optimiser, module in (
            (trainer.optimiser_g, trainer.generator),
            (trainer.optimiser_d, trainer.discriminator),
        ):
            trainer._descend(optimiser, module, [torch.zeros_like(p) for p in module.parameters()])
        trainer._average()

    parts = {"G": generator_alone, "ADA": augmentation, "optimisers and average": updates}
    found = {name: median_seconds(work, steps) for name, work in parts.items()} | {"data": data, "R1": r1}
    return {"step": plain + r1, "D": plain - sum(found.values()) + r1} | found


class Operations(TorchDispatchMode):
    """Counts multiplications and additions of matrix products and convolutions, forward and backward."""

    total = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        if (counted := flop_registry.get(func._overloadpacket)) is not None:
            self.total += counted(*args, **(kwargs or {}), out_val=out)
        return out


def flops(trainer: GeneratorTrainer) -> float:
    """Operations of one step without R1."""
    trainer.step = 1
    with Operations() as operations:
        trainer._train_step()
    return float(operations.total)


def sampled_rate(trainer: GeneratorTrainer, steps: int) -> float:
    """Images a second that the averaged generator draws."""
    labels = np.arange(BATCH) % CLASSES
    return BATCH / median_seconds(lambda: draw(trainer.ema, trainer.accelerator, labels, labels, 0), steps)


@contextlib.contextmanager
def peer(folder: str) -> Iterator[None]:
    """The official code, importable and quiet."""
    sys.path.insert(0, folder)
    os.environ.setdefault("TORCH_EXTENSIONS_DIR", str(Path(folder) / "ext"))
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        yield
    sys.path.remove(folder)


def peer_rates(folder: str, setting: tuple[int, int, int], autocast: bool, steps: int) -> tuple[float, float]:
    """Trained and drawn images a second of the official networks, loss and augmentation."""
    with peer(folder):
        from training.augment import AugmentPipe
        from training.loss import StyleGAN2Loss
        from training.networks import Discriminator, Generator

        size, base, widest = setting
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        half = {"num_fp16_res": 4, "conv_clamp": 256} if device.type == "cuda" else {}
        widths = {"channel_base": base, "channel_max": widest, **half}
        common = {"c_dim": CLASSES, "img_resolution": size, "img_channels": 3}
        mapping = {"num_layers": 2}
        g = Generator(z_dim=128, w_dim=128, mapping_kwargs=mapping, synthesis_kwargs=widths, **common)
        d = Discriminator(**common, **widths)
        g.to(device).train(), d.to(device).train()
        geometry = "xflip rotate90 xint scale rotate aniso xfrac"
        names = f"{geometry} brightness contrast lumaflip hue saturation".split()
        pipe = AugmentPipe(**dict.fromkeys(names, 1)).to(device)
        pipe.p.copy_(torch.tensor(P))
        settings = {"style_mixing_prob": 0.9, "r1_gamma": 0.05, "pl_weight": 0}
        # R1 goes through the pipe's resampling twice, which not every torch can differentiate: it is timed without.
        loss, plain = (StyleGAN2Loss(device, g.mapping, g.synthesis, d, each, **settings) for each in (pipe, None))
        optimisers = [torch.optim.Adam(m.parameters(), lr=0.0025, betas=(0.0, 0.99)) for m in (g, d)]
        real = torch.randn(BATCH, 3, size, size, device=device)
        code = F.one_hot(torch.arange(BATCH) % CLASSES, CLASSES).float().to(device)

        def phase(module, optimiser, name: str, gain: float = 1) -> None:
            module.requires_grad_(True)
            optimiser.zero_grad(set_to_none=True)
            with torch.autocast(device.type, torch.bfloat16, enabled=autocast):
                z = torch.randn(BATCH, 128, device=device)
                of = plain if name == "Dreg" else loss
                of.accumulate_gradients(name, real, code, z, code, sync=True, gain=gain)
            module.requires_grad_(False)
            optimiser.step()

        g.requires_grad_(False), d.requires_grad_(False)

        def step() -> None:
            phase(g, optimisers[0], "Gmain")
            phase(d, optimisers[1], "Dmain")

        trained = median_seconds(step, steps)
        if not autocast or device.type == "cuda":
            trained += median_seconds(lambda: phase(d, optimisers[1], "Dreg", R1_INTERVAL), 2) / R1_INTERVAL

        def sample() -> None:
            with torch.no_grad(), torch.autocast(device.type, torch.bfloat16, enabled=autocast):
                g(torch.randn(BATCH, 128, device=device), code, noise_mode="const")

        return BATCH / trained, BATCH / median_seconds(sample, steps)


def modulation(width: int, size: int, precision: str) -> dict[str, float]:
    """Milliseconds of a modulated convolution, forward and backward: scaled activations, or grouped weights."""
    layer = StyledConvolution(width, width, GeneratorSpec(CLASSES, 64, 2048, 128), size)
    x = torch.randn(BATCH, width, size, size).to(memory_format=torch.channels_last).requires_grad_()
    w, accelerator = torch.randn(BATCH, 128), make_accelerator(precision)

    def scaled() -> None:
        with accelerator.autocast():
            layer(x, w, fixed_noise=True).sum().backward()

    def grouped() -> None:
        with accelerator.autocast():
            style = layer.style(w)
            weight = layer.weight * style[:, None, :, None, None]
            weight = weight * layer.demodulation(style)[:, :, None, None, None]
            flat = x.reshape(1, BATCH * width, size, size)
            y = F.conv2d(flat, weight.reshape(-1, width, 3, 3), padding=1, groups=BATCH)
            y = y.reshape(BATCH, width, size, size) + layer.noise * layer.noise_strength
            F.leaky_relu(y + layer.bias[:, None, None], 0.2).sum().backward()

    return {
        f"{name} ms": 1e3 * median_seconds(work, STEPS) for name, work in (("scaled", scaled), ("grouped", grouped))
    }


def peak_gib(setting: tuple[int, int, int]) -> dict:
    """Peak memory of a fresh process that takes four steps."""
    command = [sys.executable, __file__, *map(str, setting)]
    answer = subprocess.run(command, capture_output=True, text=True, check=True)
    return asked({"GiB": float(answer.stdout.split()[-1])}, "GiB", at_most=BUDGET_GIB)


def memory_alone(setting: tuple[int, int, int]) -> float:
    """Take four steps, one with R1: the peak in GiB."""
    with TemporaryDirectory() as folder:
        trainer = make_trainer(setting, Path(folder))
        for _ in range(4):
            trainer._train_step()
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated() / 2**30
    return memory_mib("VmHWM") / 1024


def speed(trainer: GeneratorTrainer, product: float) -> dict[str, float]:
    """Images a second trained and drawn, and the former beside what the arithmetic allows."""
    trained = BATCH / sum(step_seconds(trainer, STEPS))
    return {
        "trained images/s": trained,
        "drawn images/s": sampled_rate(trainer, STEPS),
        "share of what the matrix product allows": trained * flops(trainer) / BATCH / product,
    }


def shares_of_a_step(trainer: GeneratorTrainer) -> dict:
    """Milliseconds of a step, and the shares of its parts."""
    parts = shares(trainer, STEPS)
    total = parts.pop("step")
    measured = {"ms": 1e3 * total} | {name: spent / total for name, spent in parts.items()}
    return asked(measured, "ADA", at_most=ADA_SHARE)


def measure(rows: Rows) -> None:
    """All rows."""
    accelerator, folder = make_accelerator(), os.environ.get("SFACE_PEER_STYLEGAN")
    precision = "bf16" if accelerator.mixed_precision == "bf16" else "float32"
    product = 1e12 * rows.rows[MACHINE][RATE.format(precision)]
    with TemporaryDirectory() as work:
        for name, setting in SETTINGS.items():
            trainer = make_trainer(setting, Path(work))
            rows.row(f"{name}, {precision}", lambda t=trainer: speed(t, product))
            for kind, autocast in peer_kinds(accelerator.device.type) if folder else ():
                rows.row(f"{name}, peer, {kind}", lambda s=setting, a=autocast: peer_speed(folder, s, a))
            rows.row(f"{name}, shares of a step", lambda t=trainer: shares_of_a_step(t))
            rows.row(f"{name}, peak memory", lambda s=setting: peak_gib(s))
    for width, size in ((128, 8), (128, 16), (64, 32), (32, 64)) if accelerator.device.type == "cpu" else ():
        name = f"modulated convolution, {width} channels, {size} px, {precision}"
        rows.row(name, lambda w=width, s=size: modulation(w, s, precision))


def peer_kinds(device: str) -> list[tuple[str, bool]]:
    """Arithmetic of the official code that can be taken here, and whether that is autocast."""
    if device == "cuda":
        return [("own mixed precision", False)]
    return [(kind, kind == "bf16") for kind in precisions() if kind == "float32" or not __debug__]


def peer_speed(folder: str, setting: tuple[int, int, int], autocast: bool) -> dict[str, float]:
    """Images a second of the official code."""
    trained, drawn = peer_rates(folder, setting, autocast, max(2, STEPS // 2))
    return {"trained images/s": trained, "drawn images/s": drawn}


if __name__ == "__main__":
    print(memory_alone(tuple(map(int, sys.argv[1:]))))
