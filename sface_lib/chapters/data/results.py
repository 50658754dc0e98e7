"""What notebook 01 finds."""

from dataclasses import dataclass

from sface_lib.run import Facts, Results


@dataclass(frozen=True)
class Failures(Facts):
    """What of a set failed on the way to a network.

    Attributes
    ----------
    read, undecodable
        How many images were read, photographs behind crops among them where they are known, and how many failed.
    photographs, without_face
        How many photographs faces were looked for in, and in how many none was found, so that nothing was aligned; None
        where the set was given aligned.
    """

    name: str
    read: int
    undecodable: int
    photographs: int | None
    without_face: int | None


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
    failures
        Images that could not be decoded, or had no face, of each set but the synthetic ones.
    """

    VERSION = 3

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
    failures: tuple[Failures, ...]
