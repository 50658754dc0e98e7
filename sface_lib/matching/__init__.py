"""Embeddings of two sets, or of one, to scores: streamed in bounded memory, with their nearest neighbours."""

from sface_lib.matching.compare import checked_set, compare_sets, compare_within, strongest_pairs
from sface_lib.matching.groups import group_codes
from sface_lib.matching.intervals import bootstrap_comparison
from sface_lib.matching.nearest import best_scores, nearest_scores
from sface_lib.matching.pooled import PooledComparisons
from sface_lib.matching.scores import MOST_EXACT, Pairs, PairScores, ScoreBlocks

__all__ = [
    "MOST_EXACT",
    "PairScores",
    "Pairs",
    "PooledComparisons",
    "ScoreBlocks",
    "best_scores",
    "bootstrap_comparison",
    "checked_set",
    "compare_sets",
    "compare_within",
    "group_codes",
    "nearest_scores",
    "strongest_pairs",
]
