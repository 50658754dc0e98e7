"""Notebook 03: what the synthetic set gives away of the training identities."""

from sface_lib.chapters import data, generation
from sface_lib.chapters.privacy.parameters import PrivacyParameters
from sface_lib.chapters.privacy.results import PrivacyResults
from sface_lib.run import Chapter

CHAPTER = Chapter(
    "03_privacy",
    "Privacy",
    PrivacyParameters,
    PrivacyResults,
    uses=(data.CHAPTER, generation.CHAPTER),
    package=__name__,
)
