"""What one chapter needs of a run: its stage, the run folder, tables and figures on disk."""

from sface_lib.run.stage import Stage
from sface_lib.run.stages import STAGES, StageSpec

__all__ = ["STAGES", "Stage", "StageSpec"]
