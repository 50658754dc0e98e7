"""Notebook 04: recognition is learnt from both sets."""

from sface_lib.chapters import data, generation, privacy
from sface_lib.chapters.training.parameters import TrainingParameters
from sface_lib.chapters.training.results import TrainingResults
from sface_lib.run import Chapter

CHAPTER = Chapter(
    "04_training",
    "Training",
    TrainingParameters,
    TrainingResults,
    uses=(data.CHAPTER, generation.CHAPTER, privacy.CHAPTER),
    optional=(privacy.CHAPTER,),
    package=__name__,
)
