"""What a training does, under the running cell: its losses and its newest faces, while somebody looks on."""

import contextlib
import io
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from sface_lib.chapters.sheets import contact_sheet, split_rows
from sface_lib.engine import read_log
from sface_lib.run.kernel import in_batch

FACES_IN_A_ROW = 6


@contextlib.contextmanager
def watched(folder: Path, every_seconds: float = 2.0) -> Iterator[None]:
    """Draw the training that goes on somewhere in a folder, anew with each line of its log, until the block ends.

    In a notebook that nobody looks at, which `sface report` runs, nothing is drawn.
    """
    if in_batch():
        yield
        return
    from IPython.display import Image, Markdown, display

    shown = display(Markdown("*Losses stand here as soon as the training has logged any.*"), display_id=True)
    stop = threading.Event()

    def follow() -> None:
        seen: tuple[Path, float] | None = None
        while True:
            last = stop.wait(every_seconds)
            newest = _newest(folder)
            if newest and newest != seen:
                seen = newest
                shown.update(Image(drawing(newest[0]), alt=f"Losses over the steps of the training in {folder.name}."))
            if last:
                return

    thread = threading.Thread(target=follow, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def drawing(log: Path) -> bytes:
    """The losses in a training's log and, where it keeps some, the newest faces beside it, as PNG.

    It is drawn beside matplotlib's state, which belongs to the notebook.
    """
    rows = read_log(log)
    grids = sorted(log.parent.glob("grid-*.npy"))
    figure = Figure(figsize=(9 if grids else 5, 2.8), layout="constrained")
    axes = np.ravel(figure.subplots(1, 2 if grids else 1))
    for name in (each for each in (rows[-1] if rows else {}) if each.startswith("loss")):
        label = name.removeprefix("loss").strip("_") or "loss"
        axes[0].plot([row["step"] for row in rows], [row[name] for row in rows], label=label)
    axes[0].set(xlabel="step", ylabel="loss", title=log.parent.name)
    axes[0].legend(fontsize="small")
    if grids:
        axes[1].imshow(contact_sheet(split_rows(np.load(grids[-1]), FACES_IN_A_ROW)))
        axes[1].set(title=f"step {int(grids[-1].stem.split('-')[1]):,}")
        axes[1].axis("off")
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=100)
    return stream.getvalue()


def _newest(folder: Path) -> tuple[Path, float] | None:
    """The log that was written last, and when; None before the first."""
    logs = [(path, path.stat().st_mtime) for path in folder.rglob("log.jsonl") if path.stat().st_size]
    return max(logs, key=lambda each: each[1], default=None)
