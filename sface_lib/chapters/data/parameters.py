"""Parameters of notebook 01: which faces train, and which pairs are kept apart."""

from sface_lib.chapters.shared import (
    BadImages,
    EmbeddedSelection,
    ImagesPerClass,
    Pairs,
    Pictures,
    RecognitionBatch,
    Seed,
    Train,
    Unseen,
)
from sface_lib.run.parameters import setting


class DataParameters(
    EmbeddedSelection,
    RecognitionBatch,
    ImagesPerClass,
    Seed,
    Pictures,
    Unseen,
    Train,
    BadImages,
    Pairs,
):
    """What notebook 01 reads."""

    evaluation_folds: str = setting(
        "all",
        "Folds of the protocol to evaluate on, two or more, e.g. 6-10; identities in them are never trained on.",
        pattern=r"^\s*(all|\d+\s*(-\s*\d+)?(\s*,\s*\d+\s*(-\s*\d+)?)*)\s*$",
    )
    min_images: int = setting(2, "Fewest images of an identity to train on it.", ge=1)
