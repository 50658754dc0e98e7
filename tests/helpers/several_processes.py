"""A program in several processes that work together, and the same program in this one."""

import atexit
import os
import socket
import subprocess
import sys
from pathlib import Path

SECONDS_TO_RUN = 300


def become(count: int) -> None:
    """Fork this process into `count` that work together; the program calls it between its imports and its work.

    One start and one import then serve all of them, as a process that has computed nothing yet may be forked.
    """
    if count == 1:
        return
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    rank = next((rank for rank in range(1, count) if not _forked()), 0)
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(count), "LOCAL_WORLD_SIZE": str(count)}
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}


def _forked() -> int:
    """The child's number in the parent, which at its end waits for the child and fails with it; 0 in the child."""
    child = os.fork()
    if child:
        atexit.register(_await, child)
    else:
        atexit.unregister(_await)  # Other children are the parent's.
    return child


def _await(child: int) -> None:
    if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]):
        os._exit(1)


def run_apart(program: str, folder: Path, *arguments: object) -> None:
    """Run a program in a process of its own, or in those that it becomes, of one thread each; fails with its words."""
    path = folder / "program.py"
    path.write_text(program)
    found = os.pathsep.join(filter(None, (str(Path(__file__).parent), os.environ.get("PYTHONPATH"))))
    answer = subprocess.run(
        [sys.executable, str(path), *map(str, arguments)],
        capture_output=True,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": found},
        timeout=SECONDS_TO_RUN,
    )
    assert answer.returncode == 0, answer.stderr[-2000:]


def run_here(program: str, *arguments: object) -> None:
    """Run a program in this process, which spares another start of Python and its imports."""
    given, sys.argv = sys.argv, ["program.py", *map(str, arguments)]
    try:
        exec(compile(program, "program.py", "exec"), {"__name__": "__main__"})
    finally:
        sys.argv = given
