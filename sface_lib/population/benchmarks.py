"""Five verification protocols over one pool of identities, each the counterpart of a published benchmark."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from sface_lib.data import Protocol
from sface_lib.errors import InputError

FOLDS, PAIRS = 10, 3000
Rule = Callable[[pd.DataFrame, np.ndarray, np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Benchmark:
    """What a benchmark asks of its pairs.

    Attributes
    ----------
    genuine, impostor
        Rules: from the table and the rows of P left and P right images, bool `[P]`.
    alike
        Whether impostors match in gender and ancestry.
    """

    genuine: Rule
    impostor: Rule
    alike: bool


def _detected(table: pd.DataFrame, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Both faces are such as a frontal detector finds, |yaw| < 45 degrees: LFW was gathered with one."""
    yaw = table["yaw_degrees"].abs().to_numpy()
    return (yaw[a] < 45) & (yaw[b] < 45)


def _same_years(table: pd.DataFrame, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Two such faces within 16 years."""
    years = table["years"].to_numpy()
    return (abs(years[a] - years[b]) <= 16) & _detected(table, a, b)


def _years_apart(table: pd.DataFrame, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """At least 18 years lie between two faces that a frontal detector finds."""
    years = table["years"].to_numpy()
    return (abs(years[a] - years[b]) >= 18) & _detected(table, a, b)


def _turned_apart(table: pd.DataFrame, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """At least 40 degrees of yaw lie between the two."""
    yaw = table["yaw_degrees"].to_numpy()
    return abs(yaw[a] - yaw[b]) >= 40


def _frontal_profile(table: pd.DataFrame, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """One is frontal, |yaw| < 10 degrees, the other a profile, > 60."""
    yaw = table["yaw_degrees"].abs().to_numpy()
    near, far = np.minimum(yaw[a], yaw[b]), np.maximum(yaw[a], yaw[b])
    return (near < 10) & (far > 60)


# In this order the counterparts of LFW, AgeDB-30, CALFW, CPLFW and CFP-FP.
BENCHMARKS = {
    "unconstrained": Benchmark(_same_years, _detected, alike=False),
    "age-gap": Benchmark(_years_apart, _years_apart, alike=False),
    "cross-age": Benchmark(_years_apart, _detected, alike=True),
    "cross-pose": Benchmark(_turned_apart, _turned_apart, alike=True),
    "frontal-profile": Benchmark(_frontal_profile, _frontal_profile, alike=False),
}


# Their names in `assets/references/sface_accuracy.csv`.
COUNTERPARTS = dict(zip(BENCHMARKS, ("lfw", "agedb_30", "calfw", "cplfw", "cfp_fp"), strict=True))


def draw_protocol(
    table: pd.DataFrame, benchmark: str, folds: int = FOLDS, pairs: int = PAIRS, seed: int = 0
) -> Protocol:
    """Draw the pairs of a benchmark: half of them genuine, folds that share no identity, identities used evenly.

    Parameters
    ----------
    table
        Ground truth of the pool, as `truth_table` gives it.
    benchmark
        A name of `BENCHMARKS`.
    folds, pairs
        Number of folds, and of pairs in all of them.

    Raises
    ------
    InputError
        No such benchmark, numbers that do not divide, or a fold without enough pairs of a kind.
    """
    if benchmark not in BENCHMARKS:
        raise InputError(f"benchmark {benchmark!r} does not exist; choose one of {', '.join(BENCHMARKS)}")
    if folds < 2 or pairs < 2 * folds or pairs % (2 * folds):
        raise InputError(f"{pairs} pairs do not fill {folds} folds evenly; give a multiple of {2 * folds}")
    rule, rng = BENCHMARKS[benchmark], np.random.default_rng([seed, *benchmark.encode()])
    identity = table["identity"].to_numpy()
    group = table["ancestry"].to_numpy(str).astype(object) + table["Male"].to_numpy().astype(str)
    # Runs of six identities, each of another gender and ancestry in a balanced split, stay together.
    fold_of = identity // 6 % folds
    left, right, same, fold = [], [], [], []
    for number in range(folds):
        rows = np.flatnonzero(fold_of == number)
        a, b = (rows[index] for index in np.triu_indices(len(rows), 1))
        own = identity[a] == identity[b]
        other = ~own & (group[a] == group[b]) if rule.alike else ~own
        for truth, allowed in ((True, own & rule.genuine(table, a, b)), (False, other & rule.impostor(table, a, b))):
            candidates = np.flatnonzero(allowed)
            kind = "genuine" if truth else "impostor"
            if len(candidates) < pairs // folds // 2:
                raise InputError(
                    f"benchmark {benchmark!r}, fold {number + 1}: {len(candidates)} {kind} pairs, "
                    f"{pairs // folds // 2} are needed; render more identities or images, or ask for fewer pairs or "
                    "folds"
                )
            chosen = candidates[_evenly(identity[a[candidates]], identity[b[candidates]], pairs // folds // 2, rng)]
            left += a[chosen].tolist()
            right += b[chosen].tolist()
            same += [truth] * len(chosen)
            fold += [number + 1] * len(chosen)
    names = table["name"].to_numpy()
    return Protocol(tuple(names[left]), tuple(names[right]), np.array(same), np.array(fold, np.int64))


def _evenly(first: np.ndarray, second: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    """Choose n of P pairs so that identities are used about equally often; positions `[n]`."""
    order = rng.permutation(len(first))
    low, high = np.minimum(first, second)[order], np.maximum(first, second)[order]
    # Pairs of the same two identities wait in a queue; the queue of the least used identities is served first.
    kinds, kind = np.unique(np.stack([low, high], 1), axis=0, return_inverse=True)
    queues = [order[kind.ravel() == i].tolist() for i in range(len(kinds))]
    used, chosen = dict.fromkeys(np.unique(kinds).tolist(), 0), []
    while len(chosen) < n:
        open_kinds = [i for i, queue in enumerate(queues) if queue]
        uses = [used[kinds[i, 0]] + used[kinds[i, 1]] for i in open_kinds]
        fewest = min(uses)
        ties = [i for i, use in zip(open_kinds, uses, strict=True) if use == fewest]
        i = ties[rng.integers(len(ties))]
        chosen.append(queues[i].pop())
        for person in kinds[i]:
            used[person] += 1
    return np.array(chosen)
