"""What notebook 07 finds."""

from dataclasses import dataclass

from sface_lib.run import Results


@dataclass(frozen=True)
class SummaryResults(Results):
    """Whether each set gives its sources away, and whether accuracies stand beside a link that the teacher judged.

    Attributes
    ----------
    gives_away
        Set -> "yes", "no" or "undecided": see `summary.answer.Answer`.
    by
        Set -> the claims above chance, without a restriction.
    verifier_is_teacher
        Whether the only competent judge is the teacher.
    """

    VERSION = 3

    gives_away: dict[str, str]
    by: dict[str, tuple[str, ...]]
    verifier_is_teacher: bool
