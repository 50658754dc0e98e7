"""The embedded authentic stand-in: rendered faces, no real person in it."""

from sface_lib.population.benchmarks import BENCHMARKS, COUNTERPARTS
from sface_lib.population.shipped import (
    VERIFIER_PATH,
    first_images,
    shipped_faces,
    shipped_protocol,
    shipped_truth,
)

__all__ = [
    "BENCHMARKS",
    "COUNTERPARTS",
    "VERIFIER_PATH",
    "first_images",
    "shipped_faces",
    "shipped_protocol",
    "shipped_truth",
]
