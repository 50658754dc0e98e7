"""Notebook 02: a generator draws a synthetic set where one is asked for, and every set is described."""

from sface_lib.chapters import data
from sface_lib.chapters.generation.parameters import GenerationParameters
from sface_lib.chapters.generation.results import GenerationResults
from sface_lib.run import Chapter

CHAPTER = Chapter(
    "02_generation",
    "Synthetic sets",
    GenerationParameters,
    GenerationResults,
    uses=(data.CHAPTER,),
    package=__name__,
)
