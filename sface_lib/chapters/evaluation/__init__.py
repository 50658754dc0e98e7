"""Notebook 05: how well the models tell people apart whom nobody trained on."""

from sface_lib.chapters import data, generation, privacy, training
from sface_lib.chapters.evaluation.parameters import EvaluationParameters
from sface_lib.chapters.evaluation.results import EvaluationResults
from sface_lib.run import Chapter

CHAPTER = Chapter(
    "05_evaluation",
    "Evaluation",
    EvaluationParameters,
    EvaluationResults,
    reads=(privacy.CHAPTER, training.CHAPTER),
    uses=(data.CHAPTER, generation.CHAPTER),
    package=__name__,
)
