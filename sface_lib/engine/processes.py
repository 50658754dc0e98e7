"""Several processes of one command: launched on this machine, and agreeing on what the first of them found."""

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from accelerate.utils import broadcast_object_list

from sface_lib.engine.device import make_accelerator
from sface_lib.errors import TrainingError

T = TypeVar("T")


def from_first(make: Callable[[], T]) -> T:
    """What `make` gives in the first of the processes that were launched together, in all of them; it runs there alone.

    Where it raises, the first process must end, which ends the others.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        return make()
    return broadcast_object_list([make() if make_accelerator().is_main_process else None])[0]


def launch(processes: int, command: Sequence[str], log: Path) -> None:
    """Run a `sface` command in several processes of this machine.

    What they say goes to a file; their progress bars stand on stderr as well.

    Raises
    ------
    TrainingError
        It failed; the message is what the command gave as its reason.
    """
    start = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", str(processes)]
    log.parent.mkdir(parents=True, exist_ok=True)
    with (
        open(log, "wb") as stream,
        subprocess.Popen(
            [*start, "-m", "sface_lib.cli", *command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        ) as launched,
    ):
        try:
            while said := launched.stdout.read1():
                stream.write(said)
                if b"\r" in said:  # Only bars are drawn over themselves.
                    sys.stderr.write(said.decode(errors="replace"))
                    sys.stderr.flush()
        except BaseException:
            launched.terminate()  # It ends the processes that it started.
            raise
    if launched.returncode:
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
        # Behind a bar, it may be, or behind what another process says at the same moment.
        reasons = [line.rpartition("sface: ")[2] for line in lines if "sface: " in line]
        raise TrainingError(
            reasons[-1]
            if reasons
            else f"{processes} processes ended with code {launched.returncode}; {log} holds what they said"
        )
