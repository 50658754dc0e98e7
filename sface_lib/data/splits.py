"""Which images take part: identity-disjoint splits, and selections by images an identity."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from sface_lib.data.faces import FaceSet
from sface_lib.errors import InputError
from sface_lib.files import write_text


def split_by_identity(labels: np.ndarray, shares: Sequence[float], seed: int) -> list[np.ndarray]:
    """Split images so that no identity is in two parts.

    Parameters
    ----------
    labels
        int `[N]`.
    shares
        Share of the identities (not of the images) for each part; positive, sum 1.
    seed
        The same labels, shares and seed give the same parts.

    Returns
    -------
    Sorted positions of the images of each part, int64.

    Raises
    ------
    InputError
        If labels are absent, shares don't sum to 1, or a part would get no identity.
    """
    labels = _checked(labels)
    if not shares or min(shares) <= 0 or abs(sum(shares) - 1) > 1e-6:
        raise InputError(f"shares are {tuple(shares)}, but must be positive and sum to 1")
    shuffled = np.random.default_rng(seed).permutation(np.unique(labels))
    cuts = np.rint(np.cumsum(shares)[:-1] * len(shuffled)).astype(int)
    parts = np.split(shuffled, cuts)
    if min(map(len, parts)) == 0:
        raise InputError(
            f"{len(shuffled)} identities are too few for shares {tuple(shares)}: a part gets none; "
            "use fewer or more even shares"
        )
    return [np.flatnonzero(np.isin(labels, part)) for part in parts]


def write_selection(path: str | Path, faces: FaceSet) -> Path:
    """Write which images of its source a set holds, as a CSV with a column `position`; give the path."""
    write_text(Path(path), pd.DataFrame({"position": faces.positions}).to_csv(index=False))
    return Path(path)


def read_selection(path: str | Path, count: int) -> np.ndarray:
    """The positions in a selection, such as a run's `data/selection.csv`, each of them one of `count` images.

    Raises
    ------
    InputError
        The file is no selection, or one of another set.
    """
    try:
        positions = pd.read_csv(path)["position"].to_numpy(np.int64)
    except (OSError, KeyError, ValueError) as error:
        raise InputError(
            f"{path} is no selection ({error}); give a CSV with a column of whole numbers `position`, such as a "
            "run's data/selection.csv"
        ) from None
    if not positions.size or positions.min() < 0 or positions.max() >= count:
        raise InputError(f"{path} names images outside 0 to {count - 1}; it belongs to another set")
    return positions


def place_in_class(labels: np.ndarray) -> np.ndarray:
    """How many images before each one have its label, int64 `[N]`.

    Examples
    --------
    >>> place_in_class(np.array([7, 7, 3, 7])).tolist()
    [0, 1, 0, 2]
    """
    return pd.Series(labels).groupby(labels).cumcount().to_numpy()


def first_of_class(labels: np.ndarray, most: int | np.ndarray, positions: np.ndarray | None = None) -> np.ndarray:
    """Positions of the first images of every class, ascending int64.

    Parameters
    ----------
    labels
        int `[N]`.
    most
        Images of a class; or those of each label from 0 on, `[K]`.
    positions
        The images to choose from; None for all. What a filter took is thus replaced by further images of the class, as
        long as there are some.

    Examples
    --------
    >>> first_of_class(np.array([7, 7, 3, 7]), 1).tolist()
    [0, 2]
    """
    positions = np.arange(len(labels)) if positions is None else np.unique(positions)
    own = labels[positions]
    return positions[place_in_class(own) < (most if np.isscalar(most) else most[own])]


def select_images(
    labels: np.ndarray,
    min_images: int,
    max_images_per_identity: int | None = None,
    exclude: Iterable[int] = (),
    seed: int = 0,
    at_least: int = 2,
) -> np.ndarray:
    """Choose the identities with enough images, and cap the images of each.

    Parameters
    ----------
    labels
        int `[N]`, from 0.
    min_images
        Fewest images of an identity that takes part.
    max_images_per_identity
        Of an identity with more, so many are drawn at random; the draw depends on its label and `seed` alone.
    exclude
        Labels that don't take part, e.g. those of the evaluation pairs.
    seed
        Of the draw.
    at_least
        Identities that must be left.

    Returns
    -------
    Sorted positions of the chosen images, int64.

    Raises
    ------
    InputError
        If labels are absent, the cap is below `min_images`, or fewer than `at_least` identities are left.
    """
    labels = _checked(labels)
    if max_images_per_identity is not None and max_images_per_identity < max(min_images, 1):
        raise InputError(
            f"max_images_per_identity is {max_images_per_identity}, but must be at least 1 and min_images "
            f"({min_images}); raise it or lower min_images"
        )
    counts = np.bincount(labels)
    counts[np.intersect1d(list(exclude), np.arange(len(counts))).astype(int)] = 0
    chosen = np.flatnonzero(counts >= max(min_images, 1))
    if len(chosen) < at_least:
        raise InputError(_too_few(labels, counts, len(chosen), min_images, at_least))
    kept = np.isin(labels, chosen)
    if max_images_per_identity is not None:
        for label in chosen[counts[chosen] > max_images_per_identity]:
            own = np.flatnonzero(labels == label)
            surplus = np.random.default_rng([seed, label]).permutation(own)[max_images_per_identity:]
            kept[surplus] = False
    return np.flatnonzero(kept)


def _checked(labels: np.ndarray | None) -> np.ndarray:
    if labels is None:
        raise InputError("the set has no labels, but identities are needed here; use a labelled set")
    labels = np.asarray(labels)
    if labels.ndim != 1 or not len(labels) or not np.issubdtype(labels.dtype, np.integer) or labels.min() < 0:
        raise InputError(f"labels are {labels.dtype} {list(labels.shape)}, but must be integers [N] from 0, N > 0")
    return labels


def _too_few(labels: np.ndarray, counts: np.ndarray, n_identities: int, min_images: int, at_least: int) -> str:
    total, free = len(np.unique(labels)), int((counts > 0).sum())
    return (
        f"{n_identities} of {total} identities have at least {min_images} images ({total - free} were excluded; the "
        f"largest of the others has {counts.max()}), but {at_least} are needed; "
        "lower min_images, exclude fewer, or use a set with more images"
    )
