"""The command line, `sface <noun> <verb>`: a module for each noun, with its options and what its commands call."""

import argparse
import sys
import traceback
from collections.abc import Sequence

from sface_lib.cli import attributes, compare, data, generator, population, recognition, report, verify
from sface_lib.cli.distributed import exit_at_once
from sface_lib.cli.options import subcommands
from sface_lib.errors import SfaceError
from sface_lib.files import full_disk_sentence, is_full_disk

DONE, FAILED, REFUSED, STOPPED = 0, 1, 2, 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; give the exit code.

    0 done; 1 a stage failed; 2 refused or ended for the reason that is printed; 130 stopped from the keyboard.
    """
    arguments = build_parser().parse_args(argv)
    try:
        return arguments.run(arguments) or DONE
    except SfaceError as error:
        return _refuse(str(error))
    except OSError as error:
        return _refuse(_system_reason(error))
    except KeyboardInterrupt:
        print("sface: stopped from the keyboard", file=sys.stderr)
        return STOPPED
    except Exception:
        exit_at_once(FAILED, traceback.format_exc())
        raise


def build_parser() -> argparse.ArgumentParser:
    """What the command line takes: every command with its options."""
    parser = argparse.ArgumentParser(
        prog="sface",
        description="Generate synthetic faces, train recognition models on them, and measure identity leakage.",
    )
    commands = subcommands(parser)
    for module in (report, compare, verify, recognition, generator, attributes, population, data):
        module.add_commands(commands)
    return parser


def _refuse(reason: str) -> int:
    print(f"sface: {reason}", file=sys.stderr)
    exit_at_once(REFUSED)
    return REFUSED


def _system_reason(error: OSError) -> str:
    if is_full_disk(error):
        return full_disk_sentence(error.filename or "what is written")
    return f"{error.filename or 'the system'}: {error.strerror or error}"
