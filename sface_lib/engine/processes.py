"""Several processes of one command: launching them on this machine, and sharing what the first of them computed."""

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
    """Call `make` in the first of the processes that were launched together, and return its result in all of them.

    All must call this, or they wait for one another. Where `make` raises, the first process must end, which ends the
    others.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        return make()
    return broadcast_object_list([make() if make_accelerator().is_main_process else None])[0]


def launch(processes: int, command: Sequence[str], log: Path) -> None:
    """Run a `sface` command in several processes of this machine.

    Their output goes to the file `log`; what holds progress bars is also written to stderr.

    Raises
    ------
    TrainingError
        The command failed; the message is the last reason that it printed, or where to find its output.
    """
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", str(processes)]
    log.parent.mkdir(parents=True, exist_ok=True)
    with (
        open(log, "wb") as stream,
        subprocess.Popen(
            [*launcher, "-m", "sface_lib.cli", *command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        ) as launched,
    ):
        try:
            while output := launched.stdout.read1():
                stream.write(output)
                if b"\r" in output:  # Only progress bars use carriage returns.
                    sys.stderr.write(output.decode(errors="replace"))
                    sys.stderr.flush()
        except BaseException:
            launched.terminate()  # It ends the processes that it started.
            raise
    if launched.returncode:
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
        # The reason may follow a progress bar, or another process's output, on the same line.
        reasons = [line.rpartition("sface: ")[2] for line in lines if "sface: " in line]
        raise TrainingError(
            reasons[-1]
            if reasons
            else f"{processes} processes ended with code {launched.returncode}; {log} holds what they said"
        )
