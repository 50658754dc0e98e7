"""Parameters of notebook 03: the identity link, and the remedy."""

from sface_lib.chapters.shared import (
    AUTO,
    NONE,
    Classifier,
    Groups,
    Pairs,
    Pictures,
    Precision,
    Processes,
    Resamples,
    Seed,
    Shuffles,
    Steering,
    Synthetic,
    Unseen,
    Verifier,
)
from sface_lib.run.parameters import path_setting, setting


class AuditSettings(Resamples, Shuffles, Seed):
    """How thoroughly sets are compared: the part of notebook 03's parameters that names no files."""

    max_rank: int = setting(
        20, "Ranks drawn in the identification plot; at most the number of identities is used.", ge=1
    )
    equivalence_margin: float = setting(
        0.02, "Largest distance of an AUC or share from chance counted as equivalent.", gt=0, lt=0.5
    )
    power_images: int = setting(300, "Training images whose altered copies are planted to measure power.", ge=20)
    filter_fmrs: str = setting(
        "0.5, 0.2, 0.05",
        "Shares of control images, each above 0 and below 1, that lie above the filter's thresholds.",
        pattern=r"^\s*0?\.\d*[1-9]\d*\s*(,\s*0?\.\d*[1-9]\d*\s*)*$",
    )


class PrivacyParameters(
    Processes,
    AuditSettings,
    Precision,
    Seed,
    Pictures,
    Classifier,
    Groups,
    Verifier,
    Steering,
    Unseen,
    Synthetic,
    Pairs,
):
    """What notebook 03 reads."""

    second_verifier: str = path_setting(
        AUTO,
        "Weights of another recognition model that judges the link; 'auto' is dlib's public model where the extra "
        "align is installed, 'none' leaves it out.",
        (AUTO, NONE),
    )
