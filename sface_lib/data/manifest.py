"""What a set of faces holds: sizes, conversions, images that can't be used, images an identity."""

import hashlib
import itertools
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sface_lib.errors import BadImageError

_SHOWN = 10


@dataclass(frozen=True)
class Manifest:
    """Result of decoding every image of a set once.

    Attributes
    ----------
    n_images
        All images, bad ones too.
    n_identities
        Identities of the set; 0 if it is unlabelled.
    sizes
        "width x height" in pixels, e.g. "112x112" -> number of images.
    converted
        "grey", "alpha", "16-bit", "palette", "cmyk" -> number of images that were converted to 8-bit RGB.
    bad
        (name, reason) of every image that can't be decoded.
    bad_indices
        Their positions in the set.
    images_per_identity
        "min", "median" and "max" of usable images; None if the set is unlabelled.
    fingerprint
        Of the set, see `FaceSet.fingerprint`.
    """

    n_images: int
    n_identities: int
    sizes: dict[str, int]
    converted: dict[str, int]
    bad: tuple[tuple[str, str], ...]
    bad_indices: tuple[int, ...]
    images_per_identity: dict[str, float] | None
    fingerprint: str


def images_per_identity(labels: np.ndarray | None, n_identities: int, bad: list[int]) -> np.ndarray:
    """Number of usable images of each identity, int64 `[K]`; empty for an unlabelled set."""
    if labels is None:
        return np.zeros(0, dtype=np.int64)
    return np.bincount(np.delete(labels, bad), minlength=n_identities)


def summary(counts: np.ndarray) -> dict[str, float] | None:
    """Smallest, median and largest of some counts."""
    if not len(counts):
        return None
    return {"min": int(counts.min()), "median": float(np.median(counts)), "max": int(counts.max())}


def combined_digest(names: Iterable[str], labels: np.ndarray | None, digests: Iterable[str]) -> str:
    """SHA-256 over name, label and digest of all images, in the order of their names."""
    labels = itertools.repeat(None) if labels is None else labels.tolist()
    total = hashlib.sha256()
    for row in sorted(zip(names, labels, digests, strict=False), key=lambda row: row[0]):
        total.update(json.dumps(row).encode() + b"\n")
    return total.hexdigest()


def bad_image_error(where: Any, bad: list[tuple[str, str]]) -> BadImageError:
    """The error that names images (ten at most) and tells what can be done about them."""
    return BadImageError(
        f"'{where}' holds {len(bad)} image{'s' * (len(bad) > 1)} that cannot be decoded: {named_bad(bad)}; "
        'repair or remove them, or set on_bad_image="skip" (--on-bad-image skip) and use the good ones alone',
        bad,
    )


def named_bad(bad: Sequence[tuple[str, str]]) -> str:
    """Bad images with their reasons, ten at most."""
    return named([f"{name!r} ({reason})" for name, reason in bad])


def named(items: Sequence[str]) -> str:
    """Items in a row, ten at most, and how many more there are."""
    return ", ".join(items[:_SHOWN]) + (f" and {len(items) - _SHOWN} more" if len(items) > _SHOWN else "")
