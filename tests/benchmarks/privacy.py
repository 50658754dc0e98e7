"""How fast all scores of two sets are counted, what they hold in memory, and whether intervals cover.

Rates are at width 512, beside the float32 matrix product alone in the same run. The memory row compares 1e10 scores in
a fresh process.
"""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from rows import Rows, asked, in_turn, median_seconds, memory_mib

from sface_lib.engine import make_accelerator
from sface_lib.matching import bootstrap_comparison, compare, compare_sets, compare_within
from sface_lib.matching.stream import TILE, Genuine, Histogram, Nearest, TopPairs, stream

WIDTH, PERSONS, SCORES, SECONDS = 512, 1000, 10**10, 8
BUDGET_GIB, BOOTSTRAP_SECONDS = 1.0, 20
CASIA_X_SFACE = 490_623 * 633_000


def unit(count: int, device: torch.device | str = "cpu", seed: int = 0) -> torch.Tensor:
    """Random unit rows."""
    rows = torch.randn(count, WIDTH, generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.normalize(rows).to(device)


def rates(rows: Rows, device: torch.device) -> None:
    """Rows of scores a second: with histogram and moments, and with all outputs, beside the product alone."""
    count = 8 * TILE[0] if device.type == "cpu" else 32 * TILE[0]
    a, b = unit(count, device), unit(4 * TILE[1], device, 1)
    scores, labels = len(a) * len(b), [np.sort(np.arange(len(part)) % PERSONS) for part in (a, b)]
    buffer = torch.empty(*TILE, device=device)

    def product() -> None:
        for part in a.split(TILE[0]):
            for columns in b.split(TILE[1]):
                torch.mm(part, columns.T, out=buffer)

    def counted() -> None:
        stream(a, b, [Histogram()])
        compare._sums(a, b, False)

    def everything() -> None:
        stream(a, b, [Histogram(), Genuine(*labels), TopPairs(1000), Nearest(len(a), 10, False, device)])
        compare._sums(a, b, False)

    def beside_the_product(work: Callable[[], None], least: float) -> dict:
        taken = in_turn({"product": product, "work": work}, SECONDS, least=7)
        rate, share = scores / taken["work"], taken["product"] / taken["work"]
        measured = {
            "million scores/s": rate / 1e6,
            "share of the product": share,
            "minutes for CASIA-WebFace x SFace": CASIA_X_SFACE / rate / 60,
        }
        return asked(measured, "share of the product", at_least=least)

    for name, work, least in (("histogram and moments", counted, 0.7), ("all outputs", everything, 0.5)):
        rows.row(f"scores, {name}", lambda w=work, m=least: beside_the_product(w, m))


def memory_alone(scores: int) -> dict[str, float]:
    """Compare two sets of so many scores: seconds, and the peak beyond the embeddings."""
    count = int(np.sqrt(scores))
    a, b = (unit(count, seed=seed).numpy() for seed in (0, 1))
    labels = np.arange(count) % PERSONS
    Path("/proc/self/clear_refs").write_text("5")  # Forget the peak: making the embeddings was one.
    before, started = memory_mib("VmRSS"), time.perf_counter()
    compared = compare_sets(a, labels, b, labels, top_pairs=1000, accelerator=make_accelerator())
    measured = {"s": time.perf_counter() - started, "GiB": (memory_mib("VmHWM") - before) / 1024}
    return measured | {"EER": compared.metrics().eer}


def in_a_fresh_process(scores: int) -> dict:
    """`memory_alone`, where nothing else was in memory before."""
    command = [sys.executable, __file__, str(scores)]
    answer = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return asked(json.loads(answer.stdout), "GiB", at_most=BUDGET_GIB)


def coverage(persons: int, trials: int = 200) -> float:
    """Share of 95 % intervals of the within-set AUC that hold the AUC of the law, over sets drawn from it."""
    random, found, truth = np.random.default_rng(persons), [], []
    for _ in range(trials):
        centres = random.standard_normal((persons, 16)).repeat(6, 0)
        rows = centres + 1.5 * random.standard_normal(centres.shape)
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        comparison = compare_within(rows.astype(np.float32), np.repeat(np.arange(persons), 6))
        truth.append(comparison.metrics().auc)
        found.append(bootstrap_comparison(comparison, 500, int(random.integers(2**31)))["auc"].interval())
    mean = np.mean(truth)  # Unbiased: every pair's expectation is the law's.
    return float(np.mean([span.low <= mean <= span.high for span in found]))


def measure(rows: Rows) -> None:
    """All rows."""
    rates(rows, make_accelerator().device)
    rows.row(f"{SCORES:.0e} scores, memory beyond the embeddings", lambda: in_a_fresh_process(SCORES))
    comparison = compare_within(unit(8000).numpy(), np.arange(8000) // 40)
    resample = lambda: bootstrap_comparison(comparison, 500, 0)  # noqa: E731
    rows.row(
        "500 resamples of 200 x 40 images",
        lambda: asked({"s": median_seconds(resample, 2, warm_up=1)}, "s", at_most=BOOTSTRAP_SECONDS),
    )
    for persons in (12, 50, 200):
        rows.row(
            f"95 % intervals of the AUC of {persons} identities, 200 sets",
            lambda n=persons: {"hold it in": coverage(n)},
        )


if __name__ == "__main__":
    print(json.dumps(memory_alone(int(sys.argv[1]))))
