"""The embedded authentic stand-in: drawn faces, no real person in it."""

from sface_lib.population.sketch import AUTHENTIC, BENCHMARK, VERIFIER, sketch, write_sketch_protocol, write_sketches

__all__ = ["AUTHENTIC", "BENCHMARK", "VERIFIER", "sketch", "write_sketch_protocol", "write_sketches"]
