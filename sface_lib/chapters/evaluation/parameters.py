"""Parameters of notebook 05: what the models are evaluated on."""

from sface_lib.chapters.shared import Pairs, Pictures, Precision, Resamples, Seed, Teacher
from sface_lib.run.parameters import path_setting


class EvaluationParameters(Resamples, Precision, Teacher, Seed, Pictures, Pairs):
    """What notebook 05 reads."""

    groups: str = path_setting(
        "",
        "CSV with the columns identity and group for faces of your own: accuracy is told for each group, too.",
        ("",),
    )
