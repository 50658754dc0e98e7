"""Notebook 02: a generator learns the identities, and draws the synthetic set."""

from sface_lib.chapters import data
from sface_lib.chapters.generation.parameters import GenerationParameters
from sface_lib.chapters.generation.results import GenerationResults
from sface_lib.run import Chapter

CHAPTER = Chapter(
    "02_generation",
    "Generation",
    GenerationParameters,
    GenerationResults,
    uses=(data.CHAPTER,),
    package=__name__,
)
