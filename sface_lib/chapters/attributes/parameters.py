"""Parameters of notebook 06: the attribute classifier, and the sets that are compared."""

from sface_lib.chapters.shared import (
    Classifier,
    Pairs,
    Pictures,
    Precision,
    Processes,
    Resamples,
    Seed,
    Shuffles,
    Synthetic,
    Truncation,
    Verifier,
)
from sface_lib.run.parameters import setting


class AttributesParameters(
    Processes, Truncation, Resamples, Shuffles, Precision, Seed, Pictures, Classifier, Verifier, Synthetic, Pairs
):
    """What notebook 06 reads."""

    attribute_reliability: float = setting(
        0.75,
        "Balanced accuracy on unseen identities that the classifier must reach for an attribute to count; others are "
        "shown in grey and left out of every total.",
        ge=0.5,
        le=1,
    )
