"""Notebook 01: which faces train the generator, and which are kept apart."""

from sface_lib.chapters.data.parameters import DataParameters
from sface_lib.chapters.data.results import DataResults
from sface_lib.run import Chapter

CHAPTER = Chapter("01_data", "Data", DataParameters, DataResults, package=__name__)
