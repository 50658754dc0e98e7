"""What notebook 07 finds."""

from dataclasses import dataclass

from sface_lib.run import Results


@dataclass(frozen=True)
class SummaryResults(Results):
    """Whether the set gives its sources away, and whether that rests on the teacher of KT and CL.

    Attributes
    ----------
    gives_away
        "yes", "no" or "undecided": see `summary.answer.Answer`.
    by
        The claims above chance, without a restriction.
    verifier_is_teacher
        Whether the only competent judge is the teacher.
    """

    VERSION = 2

    gives_away: str
    by: tuple[str, ...]
    verifier_is_teacher: bool
