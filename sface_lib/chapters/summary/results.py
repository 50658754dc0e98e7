"""What notebook 07 finds."""

from dataclasses import dataclass

from sface_lib.run import Results


@dataclass(frozen=True)
class SummaryResults(Results):
    """Whether the only competent judge is the teacher of KT and CL."""

    verifier_is_teacher: bool
