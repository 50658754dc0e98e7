"""The synthetic sets of a study as they are examined: their images, and what their classes stand for."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from sface_lib.chapters.setspec import AUTHENTIC, FOLDERS, GENERATED, OWN, UNLABELLED, Labels, SetSpec
from sface_lib.data import FaceSet, open_faces
from sface_lib.errors import InputError, NumberedFoldersError

SHOWN = 3  # Names in a message.


@dataclass(frozen=True, eq=False)
class SyntheticSet:
    """A set of synthetic faces.

    Attributes
    ----------
    faces
        Its images. Where `labels` is "authentic", class k < K is the training identity k of K, and the classes whose
        names no training identity has are numbered from K on.
    labels
        What its classes are: "own", "authentic" or "none", see `SetSpec`.
    exposed
        See `SetSpec`.
    origin
        Where it lies; None for the set of this run's generator, and for the shipped one.
    truth
        Of rendered faces the ground truth, a row an image; None where that is not known.
    unmatched
        Names of classes that no training identity has; only where `labels` is "authentic".
    credit, licence
        See `SetSpec`.
    barred_models
        Paths, names or SHA-256 of models that do not judge it, such as those inside its generator -> why.
    skipped
        Images that cannot be decoded and were left out by `usable`.
    """

    name: str
    faces: FaceSet
    labels: Labels
    exposed: bool = True
    origin: Path | None = None
    truth: pd.DataFrame | None = None
    unmatched: tuple[str, ...] = ()
    credit: str = ""
    licence: str = ""
    barred_models: Mapping[str, str] = field(default_factory=dict)
    skipped: int = 0

    @property
    def generated(self) -> bool:
        """Whether this run's generator drew it."""
        return self.name == GENERATED

    @property
    def by_label(self) -> bool:
        """Whether its classes stand for training identities."""
        return self.labels == AUTHENTIC

    def usable(self) -> "SyntheticSet":
        """The set without images that cannot be decoded, see `FaceSet.usable`; classes of its own are numbered anew."""
        skipped = len(self.faces.inspect().bad)
        return replace(self, faces=self.faces.usable(relabel=not self.by_label), skipped=skipped)


def open_given(
    spec: SetSpec,
    training: Iterable[str],
    order: str | Path | None = None,
    on_bad_image: Literal["stop", "skip"] = "stop",
) -> SyntheticSet:
    """A set that was given by its path; `on_bad_image` is that of `open_faces`, and nothing is left out yet.

    Parameters
    ----------
    training
        Names of the training identities, in the order of their labels.
    order
        File whose line k, from 0 on, names class k; empty or None where the classes' own names are those of identities.

    Raises
    ------
    InputError
        It has no labels or one class only where it should have several, or no class has a training identity's name.
    """
    faces = open_images(spec, on_bad_image)
    if spec.labels == UNLABELLED:
        return SyntheticSet(spec.name, faces, UNLABELLED, spec.exposed, Path(spec.path))
    if faces.labels is None:
        raise InputError(f"the synthetic set {spec.name!r} has no labels; give it as {spec.name}={spec.path}:none")
    counts = np.bincount(faces.labels)
    if len(counts) < 2 or counts.max() < 2:
        held = "all its images are of one class" if len(counts) < 2 else "no class of it has two images"
        raise InputError(
            f"the synthetic set {spec.name!r} has no identities to compare, as {held}; give it as "
            f"{spec.name}={spec.path}:none"
        )
    if spec.labels in (OWN, FOLDERS):
        return SyntheticSet(spec.name, faces, OWN, spec.exposed, Path(spec.path))
    names = faces.identities if not order else _named_in_order(faces.identities, order, spec.name)
    return _matched(spec, faces, names, tuple(training))


def open_images(spec: SetSpec, on_bad_image: Literal["stop", "skip"] = "stop") -> FaceSet:
    """The images of a set that was given by its path, with identities as its files tell them, or none if so asked.

    Raises
    ------
    InputError
        There is no set, or its numbered folders may be identities or not, and what was asked does not tell.
    """
    try:
        labels = spec.labels if spec.labels in (FOLDERS, UNLABELLED) else "auto"
        return open_faces(spec.path, on_bad_image, labels)
    except NumberedFoldersError as error:
        if spec.labels == AUTHENTIC:  # States that classes are identities.
            return open_faces(spec.path, on_bad_image, FOLDERS)
        raise InputError(
            f"the synthetic set {spec.name!r}: {error.problem}; give it as {spec.name}={spec.path}:none if so, or as "
            f"{spec.name}={spec.path}:folders if each folder is one identity"
        ) from None


def _matched(spec: SetSpec, faces: FaceSet, names: tuple[str, ...], training: tuple[str, ...]) -> SyntheticSet:
    known = {name: label for label, name in enumerate(training)}
    unmatched = tuple(name for name in names if name not in known)
    if len(unmatched) == len(names):
        raise InputError(
            f"the synthetic set {spec.name!r} is said to have the authentic identities' labels, but none of its "
            f"classes, such as {_some(names)}, has the name of a training identity, such as {_some(training)}; give "
            "identity_order=FILE, whose line k names class k (from 0), or say :own"
        )
    beyond = {name: len(training) + i for i, name in enumerate(unmatched)}
    numbers = np.array([known.get(name, beyond.get(name)) for name in names], np.int64)
    if len(set(numbers.tolist())) < len(numbers):
        raise InputError(
            f"the synthetic set {spec.name!r}: identity_order gives one name to two classes; mend the file"
        )
    relabelled = faces.relabelled(numbers[faces.labels], (*training, *unmatched))
    return SyntheticSet(spec.name, relabelled, AUTHENTIC, spec.exposed, Path(spec.path), unmatched=unmatched)


def _named_in_order(classes: tuple[str, ...], order: str | Path, name: str) -> tuple[str, ...]:
    lines = [line.strip() for line in Path(order).read_text(encoding="utf-8").splitlines()]
    lines = lines if lines and lines[-1] else lines[:-1]
    strange = [each for each in classes if not each.isdecimal() or int(each) >= len(lines)]
    if strange:
        raise InputError(
            f"identity_order = '{order}' names classes 0 to {len(lines) - 1}, and the synthetic set {name!r} has the "
            f"class {strange[0]!r}; give a file with a line for each class number"
        )
    return tuple(lines[int(each)] for each in classes)


def _some(names: Iterable[str]) -> str:
    return ", ".join(repr(name) for name in list(names)[:SHOWN])
