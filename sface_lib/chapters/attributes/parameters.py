"""Parameters of notebook 06: the attribute classifier, and the sets that are compared."""

from sface_lib.chapters.shared import (
    Classifier,
    Pairs,
    Pictures,
    Precision,
    Resamples,
    Seed,
    Shuffles,
    Truncation,
    Verifier,
)
from sface_lib.run.parameters import path_setting, setting


class AttributesParameters(Truncation, Resamples, Shuffles, Precision, Seed, Pictures, Classifier, Verifier, Pairs):
    """What notebook 06 reads."""

    attribute_sets: str = path_setting(
        "",
        "Further sets of faces to compare, labelled or not: paths separated by commas; each is annotated, and named by "
        "its file.",
        ("",),
        several=True,
    )
    attribute_reliability: float = setting(
        0.75,
        "Balanced accuracy on unseen identities that the classifier must reach for an attribute to count; others are "
        "shown in grey and left out of every total.",
        ge=0.5,
        le=1,
    )
