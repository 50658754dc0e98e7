"""Parameters of notebook 05: what the models are evaluated on."""

from sface_lib.chapters.shared import Groups, Pairs, Pictures, Precision, Seed, Teacher


class EvaluationParameters(Precision, Teacher, Seed, Pictures, Groups, Pairs):
    """What notebook 05 reads."""
