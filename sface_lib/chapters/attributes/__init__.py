"""Notebook 06: which attributes drift, and which set explains the other."""

from sface_lib.chapters import data, evaluation, generation
from sface_lib.chapters.attributes.parameters import AttributesParameters
from sface_lib.chapters.attributes.results import AttributesResults
from sface_lib.run import Chapter

CHAPTER = Chapter(
    "06_attributes",
    "Attributes",
    AttributesParameters,
    AttributesResults,
    uses=(data.CHAPTER, generation.CHAPTER, evaluation.CHAPTER),
    optional=(evaluation.CHAPTER,),
    package=__name__,
)
