"""The report: run folder, reuse, notebook execution, provenance, and the HTML page."""

from sface_lib.report.stage import Stage
from sface_lib.report.stages import STAGES, StageSpec

__all__ = ["STAGES", "Stage", "StageSpec"]
