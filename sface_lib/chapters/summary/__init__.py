"""Notebook 07: accuracy beside the link."""

from sface_lib.chapters import attributes, data, evaluation, generation, privacy, training
from sface_lib.chapters.summary.parameters import SummaryParameters
from sface_lib.chapters.summary.results import SummaryResults
from sface_lib.run import Chapter

CHAPTER = Chapter(
    "07_summary",
    "Summary",
    SummaryParameters,
    SummaryResults,
    reads=tuple(part.CHAPTER for part in (data, generation, privacy, training, evaluation, attributes)),
    optional=(training.CHAPTER, evaluation.CHAPTER),
    package=__name__,
)
