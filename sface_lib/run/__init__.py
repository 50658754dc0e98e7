"""What one chapter needs of a run: its declaration, its stage, the run folder, tables and figures on disk."""

from sface_lib.run.chapter import Chapter, in_order
from sface_lib.run.results import Facts, Results
from sface_lib.run.stage import Stage, results_of

__all__ = ["Chapter", "Facts", "Results", "Stage", "in_order", "results_of"]
