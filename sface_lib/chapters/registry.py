"""The chapters in order, and the parameters of all of them."""

from sface_lib.chapters import attributes, data, evaluation, generation, privacy, summary, training
from sface_lib.chapters.attributes.parameters import AttributesParameters
from sface_lib.chapters.data.parameters import DataParameters
from sface_lib.chapters.evaluation.parameters import EvaluationParameters
from sface_lib.chapters.generation.parameters import GenerationParameters
from sface_lib.chapters.privacy.parameters import PrivacyParameters
from sface_lib.chapters.training.parameters import TrainingParameters
from sface_lib.run import Chapter, in_order

CHAPTERS = in_order(part.CHAPTER for part in (data, generation, privacy, training, evaluation, attributes, summary))


MODELS = (training.CHAPTER, evaluation.CHAPTER)  # Left out where no network is trained or given.


class ReportParameters(
    AttributesParameters,
    EvaluationParameters,
    TrainingParameters,
    PrivacyParameters,
    GenerationParameters,
    DataParameters,
):
    """Every parameter of a report, with the rules of every chapter."""


def chapters_of(p: ReportParameters) -> tuple[Chapter, ...]:
    """The chapters that a report runs, in order."""
    return CHAPTERS if p.has_models else tuple(chapter for chapter in CHAPTERS if chapter not in MODELS)
