"""How often images of a set could not be decoded, or no face was found in a photograph: failures to acquire."""

from collections.abc import Iterable

import numpy as np
import pandas as pd

from sface_lib.biometrics import Counts, error_rate
from sface_lib.biometrics.rates import RESOLVED
from sface_lib.chapters.data.results import Failures
from sface_lib.chapters.words import plain
from sface_lib.data import FaceSet
from sface_lib.data.align import what_was_aligned

GIVEN_ALIGNED = "not measured: given aligned"


def failures(name: str, faces: FaceSet, read: int, undecodable: int) -> Failures:
    """Those of some images of a set, `read` and `undecodable` of these, and of the alignment that the set tells of."""
    aligned = what_was_aligned(faces.path)
    if aligned is None:
        return Failures(name, read, undecodable, None, None)
    looked_at = aligned.aligned + aligned.without_face
    return Failures(name, read + aligned.unreadable, undecodable + aligned.unreadable, looked_at, aligned.without_face)


def failure_rates(counts: Iterable[Failures]) -> pd.DataFrame:
    """A row for each set."""
    return pd.DataFrame(
        {
            "set": each.name,
            "failed to decode": _rate(each.undecodable, each.read),
            "no face detected, and none aligned": GIVEN_ALIGNED
            if each.photographs is None
            else _rate(each.without_face, each.photographs),
        }
        for each in counts
    )


def _rate(failed: int, tried: int) -> str:
    """Count, of how many, and the rate with its 95 % interval over images; where none failed, below what (3 / n)."""
    counted = f"{failed:,} of {tried:,}"
    if not failed or tried < 2:
        return counted if failed or not tried else f"{counted} (below {plain(min(100.0, 100 * RESOLVED / tried))} %)"
    images = np.arange(tried)
    rate = error_rate(Counts.of_scores(images < failed, images, images))
    value, low, high = (plain(100 * each) for each in (rate.value, rate.interval.low, rate.interval.high))
    return f"{counted} ({value} % [{low}, {high}])"
