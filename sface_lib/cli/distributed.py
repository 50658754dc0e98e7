"""Commands in several processes, which `torchrun` starts: the first prints, and one that fails exits at once."""

import os
import sys


def how_to_launch(command: str) -> str:
    """The sentence of a help text on several processes."""
    return f"Several processes: torchrun --nproc_per_node N -m sface_lib.cli {command} ..."


def print_once(text: str) -> None:
    """Print, in the first of several processes alone."""
    if os.environ.get("RANK", "0") == "0":
        print(text)


def exit_at_once(code: int, text: str = "") -> None:
    """Print text as an error and exit, in one of several processes: destroying the process group could deadlock."""
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        sys.stderr.write(text)
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
