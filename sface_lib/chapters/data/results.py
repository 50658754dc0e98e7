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
    """

    rendered: bool
    set_images: int
    set_identities: int
    undecodable_images: int
    fingerprint: str
    training_images: int
    training_identities: int
    excluded_identities: int
    evaluation_pairs: int
    benchmarks: tuple[str, ...]
    evaluation_identities: int
    evaluation_folds: tuple[int, ...]
