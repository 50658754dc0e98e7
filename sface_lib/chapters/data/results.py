"""What notebook 01 finds."""

from dataclasses import dataclass

from sface_lib.run import Results


@dataclass(frozen=True)
class DataResults(Results):
    """How many images and identities there are, train, and are evaluated.

    Attributes
    ----------
    rendered
        Whether the set is the embedded population, in which no person exists.
    fingerprint
        SHA-256 of the set's contents.
    benchmarks
        Names of the protocols.
    evaluation_identities
        Identities in the evaluated pairs; 0 where they are not known.
    control_images, control_identities, held_out_images
        What of the authentic set was kept apart before training, by `control_split` and `held_out_split`.
    """

    VERSION = 2

    rendered: bool
    set_images: int
    set_identities: int
    undecodable_images: int
    fingerprint: str
    training_images: int
    training_identities: int
    excluded_identities: int
    control_images: int
    control_identities: int
    held_out_images: int
    evaluation_pairs: int
    benchmarks: tuple[str, ...]
    evaluation_identities: int
    evaluation_folds: tuple[int, ...]
