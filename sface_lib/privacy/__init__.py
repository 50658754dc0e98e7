"""Embeddings of two sets to evidence on the identity link."""

from sface_lib.privacy.chance import ShuffleTest, shuffle_test
from sface_lib.privacy.compare import Comparison, compare_sets, compare_within

__all__ = ["Comparison", "ShuffleTest", "compare_sets", "compare_within", "shuffle_test"]
