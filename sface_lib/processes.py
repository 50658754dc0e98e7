"""The same work on many items, over processes."""

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import torch

_work: Callable | None = None  # What this process does, sent to it once.


def over_processes(work: Callable[[Any], Any], items: Sequence[Any], workers: int, together: int = 1) -> Iterator[Any]:
    """Results of `work(item)` in the order of the items; with one worker in this process, else in new ones.

    Parameters
    ----------
    work
        Can be pickled.
    workers
        Processes, of one thread each.
    together
        Items that are sent to a process at once.
    """
    if workers == 1 or len(items) < 2:
        yield from map(work, items)
        return
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=spawn, initializer=_begin, initargs=(work,)) as pool:
        yield from pool.map(_do, items, chunksize=together)


def _begin(work: Callable) -> None:
    global _work
    _work = work
    torch.set_num_threads(1)


def _do(item: Any) -> Any:
    return _work(item)
