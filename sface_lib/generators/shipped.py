"""The generator of the embedded population, with the log of its training and its figures beside it."""

from typing import Any

from sface_lib.engine import read_log
from sface_lib.files import ASSETS, check_shipped

SHIPPED_PATH = ASSETS / "generator" / "balanced-64.safetensors"


def shipped_log() -> list[dict[str, Any]]:
    """The log of the shipped generator's training, one row a snapshot, as `log.jsonl` of any training has."""
    return read_log(check_shipped(SHIPPED_PATH.with_suffix(".jsonl")))
