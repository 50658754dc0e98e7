"""How fast all scores of two sets are counted, what they hold in memory, and whether intervals cover.

    python tests/benchmarks/privacy.py [scores]

Run it on a quiet machine. Rates are scores a second at width 512, beside the float32 matrix product alone in the same
run. The memory row compares 1e10 scores (or as many as given) in a fresh process.
"""

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from sface_lib.engine import make_accelerator
from sface_lib.matching import bootstrap_comparison, compare, compare_sets, compare_within
from sface_lib.matching.stream import TILE, Genuine, Histogram, Nearest, TopPairs, stream

WIDTH, PERSONS = 512, 1000
BUDGET_GIB, BOOTSTRAP_SECONDS = 1.0, 20
CASIA_X_SFACE = 490_623 * 633_000


def median_seconds(work: Callable[[], object], times: int = 5) -> float:
    """Median seconds of a call, after one that warms up."""
    spent = []
    for _ in range(times + 1):
        started = time.perf_counter()
        work()
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        spent.append(time.perf_counter() - started)
    return float(np.median(spent[1:]))


def memory_kib(kind: str) -> int:
    """Memory of this process in KiB: "VmRSS" now, "VmHWM" at most since the peak was last forgotten."""
    return int(next(x for x in Path("/proc/self/status").read_text().splitlines() if x.startswith(kind)).split()[1])


def unit(count: int, device: torch.device | str = "cpu", seed: int = 0) -> torch.Tensor:
    """Random unit rows."""
    rows = torch.randn(count, WIDTH, generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.normalize(rows).to(device)


def rates(device: torch.device) -> None:
    """Scores a second of the product alone, with histogram and moments, and with all outputs."""
    count = 8 * TILE[0] if device.type == "cpu" else 32 * TILE[0]
    a, b = unit(count, device), unit(4 * TILE[1], device, 1)
    scores, labels = len(a) * len(b), [np.sort(np.arange(len(rows)) % PERSONS) for rows in (a, b)]
    buffer = torch.empty(*TILE, device=device)

    def product() -> None:
        for rows in a.split(TILE[0]):
            for columns in b.split(TILE[1]):
                torch.mm(rows, columns.T, out=buffer)

    def counted() -> None:
        stream(a, b, [Histogram()])
        compare._sums(a, b, False)

    def everything() -> None:
        stream(a, b, [Histogram(), Genuine(*labels), TopPairs(1000), Nearest(len(a), 10, False, device)])
        compare._sums(a, b, False)

    works = {"product": product, "histogram and moments": counted, "all outputs": everything}
    # In turns, so that a machine that slows down slows all of them.
    spent = pd.DataFrame([{name: median_seconds(work, 1) for name, work in works.items()} for _ in range(7)])
    alone = scores / spent["product"].median()
    print(f"{device.type}: {alone / 1e6:.0f} million scores a second by the float32 product alone")
    for name, asked in (("histogram and moments", 0.7), ("all outputs", 0.5)):
        share = (spent["product"] / spent[name]).median()
        print(f"  {name}: {share * alone / 1e6:.0f} million, {share:.0%} of it (asked: {asked:.0%})")
        print(
            f"    CASIA-WebFace x SFace, {CASIA_X_SFACE:.2g} scores: {CASIA_X_SFACE / share / alone / 60:.0f} minutes"
        )


def memory_alone(scores: int) -> None:
    """Compare two sets of so many scores; print seconds and the peak beyond the embeddings in GiB."""
    count = int(np.sqrt(scores))
    a, b = (unit(count, seed=seed).numpy() for seed in (0, 1))
    labels = np.arange(count) % PERSONS
    Path("/proc/self/clear_refs").write_text("5")  # Forget the peak: making the embeddings was one.
    before = memory_kib("VmRSS")
    started = time.perf_counter()
    found = compare_sets(a, labels, b, labels, top_pairs=1000, accelerator=make_accelerator())
    spent = time.perf_counter() - started
    peak = memory_kib("VmHWM") - before
    metrics, brackets = found.metrics(), found.brackets()
    print(f"EER {metrics.eer:.5f} within {brackets['eer']}")
    print(spent, peak / 2**20)


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


def main(scores: int = 10**10) -> None:
    """Print all tables."""
    rates(make_accelerator().device)
    answer = subprocess.run(
        [sys.executable, __file__, "--memory", str(scores)], stdout=subprocess.PIPE, text=True, check=True
    )
    told, last = answer.stdout.strip().splitlines()
    spent, peak = map(float, last.split())
    print(f"{scores:.0e} scores: {spent:.0f} s, {peak:.2f} GiB beyond the embeddings (asked: {BUDGET_GIB:g}); {told}")
    a = unit(8000).numpy()
    comparison = compare_within(a, np.arange(8000) // 40)
    spent = median_seconds(lambda: bootstrap_comparison(comparison, 500, 0), 2)
    print(f"500 resamples of 200 x 40 images: {spent:.1f} s (asked: {BOOTSTRAP_SECONDS})")
    for persons in (12, 50, 200):
        print(f"95 % intervals of the AUC of {persons} identities hold it in {coverage(persons):.1%} of 200 sets")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--memory"]:
        memory_alone(int(sys.argv[2]))
    else:
        main(*(int(float(text)) for text in sys.argv[1:]))
