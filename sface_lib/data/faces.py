"""A set of faces: its files are listed when it is opened, and images are read one by one when asked for."""

import dataclasses
import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from sface_lib.data.decode import UndecodableImage, decode_image, image_size
from sface_lib.data.layout import Layout
from sface_lib.data.manifest import Manifest, bad_image_error, combined_digest, images_per_identity, summary
from sface_lib.data.sources import READ_ERRORS
from sface_lib.data.transforms import centre_square, resize_images
from sface_lib.errors import BadImageError, InputError, ParameterError

_BLOCK = 256  # Images that are decoded and resized together.
_UNREADABLE = "unreadable"  # Stands for the digest of a file whose bytes can't be read.


class _Digests:
    """SHA-256 of the images of an opened set, by position; its subsets share this, so that each is computed once."""

    def __init__(self, count: int):
        self._rows, self._known = np.zeros((count, hashlib.sha256().digest_size), np.uint8), np.zeros(count, bool)

    def get(self, position: int) -> str | None:
        return self._rows[position].tobytes().hex() if self._known[position] else None

    def put(self, position: int, digest: str) -> None:
        self._rows[position] = np.frombuffer(bytes.fromhex(digest), np.uint8)
        self._known[position] = True


class FaceSet:
    """Images of faces, with a label each or none at all; made by `open_faces`.

    `len(faces)` is the number of images. `faces[i]` is the i-th: uint8 `[3, H, W]`, RGB, at its own size, and
    its label (int, or None in an unlabelled set). The set may be pickled and used by `DataLoader` workers.

    Attributes
    ----------
    path
        Where the set lies.
    kind
        "folder", "zip", "tar", "RecordIO", "parquet", "WebDataset", "LMDB" or "verification .bin".
    names
        Name of each image relative to the set's root, e.g. "AJ_Cook/AJ_Cook_0001.jpg".
    labels
        int64 `[N]`, or None if the set is unlabelled.
    identities
        Names of the identities; a label is an index into it.
    on_bad_image
        "stop" or "skip", see `open_faces`.
    unread
        Names of files of the set that may be images, but are not read as such.
    asked_labels
        "auto", "folders" or "none", see `open_faces`.
    positions
        Index of each image in the set that was opened, int64 `[N]`: 0 to N - 1, or a selection of indices in a subset.
    """

    def __init__(self, source: Any, layout: Layout, on_bad_image: str):
        self._source, self._layout = source, layout
        self._digests, self.positions = _Digests(len(layout.names)), np.arange(len(layout.names))
        self._fingerprint: str | None = None
        self._manifest: Manifest | None = None
        self.path: Path = source.path
        self.kind: str = source.kind
        self.on_bad_image = on_bad_image
        self.names, self.labels, self.identities = layout.names, layout.labels, layout.identities
        self.unread, self.asked_labels = layout.unread, layout.asked

    def __len__(self) -> int:
        return len(self.names)

    def __repr__(self) -> str:
        return f"FaceSet('{self.path}', {len(self)} images, {len(self.identities)} identities)"

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int | None]:
        index = range(len(self))[index]
        label = None if self.labels is None else int(self.labels[index])
        return torch.from_numpy(np.ascontiguousarray(self._pixels(index))), label

    @property
    def resolution(self) -> int:
        """Shorter side of the first image in pixels, from its header; raises `BadImageError` where it can't be read."""
        try:
            return min(image_size(self._bytes(0)))
        except UndecodableImage as error:
            raise self._bad_images(0, error) from error

    @property
    def fingerprint(self) -> str:
        """SHA-256 over name, label and content of all images.

        A folder, a zip and a tar of the same files have the same one, wherever and whenever they were made.
        Computed at first use, which reads every file.
        """
        if self._fingerprint is None:
            self._fingerprint = combined_digest(self.names, self.labels, map(self.digest, range(len(self))))
        return self._fingerprint

    @property
    def good(self) -> np.ndarray:
        """bool `[N]`, which images can be decoded; runs `inspect` at first use, and raises as it does."""
        good = np.ones(len(self), dtype=bool)
        good[list(self.inspect().bad_indices)] = False
        return good

    def usable(self, progress: bool = False, relabel: bool = True) -> "FaceSet":
        """The set without images that can't be decoded, as `subset` gives it; `inspect` is run at first use.

        Raises
        ------
        BadImageError
            If there are some and the set was opened with `on_bad_image="stop"`; it names them.
        """
        return self.subset(self.good, relabel) if self.inspect(progress).bad else self

    def encoded(self, index: int) -> bytes:
        """Bytes of one image's file as they lie in the set; raises `BadImageError` where they can't be read."""
        try:
            return self._bytes(index)
        except UndecodableImage as error:
            raise self._bad_images(index, error) from error

    def photograph(self, index: int) -> np.ndarray:
        """Pixels uint8 `[H, W, 3]`, RGB, turned as EXIF says; raises `BadImageError` where they can't be decoded."""
        try:
            return decode_image(self._bytes(index), upright=True)[0]
        except UndecodableImage as error:
            raise bad_image_error(self.path, [(self.names[index], str(error))]) from error

    def digest(self, index: int) -> str:
        """SHA-256 of one image's file, as hex digits; "unreadable" where its bytes can't be read."""
        position = self.positions[index]
        sha256 = self._digests.get(position)
        if sha256 is None:
            try:
                sha256 = hashlib.sha256(self._bytes(index)).hexdigest()
            except UndecodableImage:
                return _UNREADABLE
            self._digests.put(position, sha256)
        return sha256

    def shared_with(self, other: "FaceSet") -> int:
        """How many images of the set are images of another one, byte for byte; unreadable ones are none."""
        known = set(map(other.digest, range(len(other)))) - {_UNREADABLE}
        return sum(self.digest(index) in known for index in range(len(self)))

    def require_labels(self) -> np.ndarray:
        """The labels, int64 `[N]`; raises `InputError` in an unlabelled set."""
        if self.labels is None:
            raise InputError(
                f"'{self.path}' has no labels, but identities are needed here; use a labelled set, such as one with a "
                "folder for each identity"
            )
        return self.labels

    def require_classes(self, why: str) -> np.ndarray:
        """The labels, int64 `[N]`; raises `InputError` in an unlabelled set, and with fewer than two identities.

        `why` says in the message what needs the identities, such as "training".
        """
        labels = self.require_labels()
        if len(np.unique(labels)) < 2:
            raise InputError(
                f"'{self.path}': {why} needs two identities or more, and all {len(self):,} images are of one; the "
                f"identity was taken from {self._layout.told_by}. Where identities stand in a list, put each into a "
                "folder of its own, or the list beside the images, as metadata.csv with columns file_name and identity "
                "or, beside a .rec, as list.txt with key, identity and path separated by tabs"
            )
        return labels

    def load(self, indices: Iterable[int] | np.ndarray | None = None, size_px: int | None = None) -> torch.Tensor:
        """Decode images into one tensor; one that is not square is cropped to its centred square first.

        Parameters
        ----------
        indices
            Positions in the set, in the wanted order (or a bool mask); None for all.
        size_px
            Side to resize to, by antialiased bicubic interpolation; None if all images have one size already.

        Returns
        -------
        uint8 `[N, 3, S, S]`, RGB.

        Raises
        ------
        InputError
            If `size_px` is None and sizes differ, `size_px` is below 1, or an index is out of range.
        BadImageError
            If an image can't be decoded, whatever `on_bad_image` says: use `faces.usable()` first. It names all such
            images of the set.
        """
        chosen = np.arange(len(self)) if indices is None else self._positions(indices)
        if size_px is not None and size_px < 1:
            raise ParameterError(f"size_px is {size_px}, but must be at least 1")
        side = size_px or (min(self._pixels(chosen[0]).shape[1:]) if len(chosen) else self.resolution)
        images = np.empty((len(chosen), 3, side, side), dtype=np.uint8)
        for start in range(0, len(chosen), _BLOCK):
            block = chosen[start : start + _BLOCK]
            squares = [centre_square(self._pixels(index)) for index in block]
            # Images are resized many at a time: torch's threads cost more than the work on a single one.
            for shape, group in groupby(range(len(block)), key=lambda k: squares[k].shape):
                rows = list(group)
                if size_px is None and shape[-1] != side:
                    raise InputError(
                        f"'{self.path}' holds images of {side} and of {shape[-1]} pixels "
                        f"({self.names[block[rows[0]]]!r}); give size_px to resize all of them to one size"
                    )
                stacked = torch.from_numpy(np.stack([squares[k] for k in rows]))
                images[start + rows[0] : start + rows[-1] + 1] = resize_images(stacked, side).numpy()
        return torch.from_numpy(images)

    def subset(self, indices: Iterable[int] | np.ndarray, relabel: bool = True) -> "FaceSet":
        """Some images of the set, from the same source.

        Parameters
        ----------
        indices
            Positions in the set, in the wanted order and each once, or a bool mask.
        relabel
            Number the identities that are left from 0, in the same order; otherwise labels and identities
            stay as they are.

        Raises
        ------
        InputError
            An index is out of range, or given more than once.
        """
        chosen = self._positions(indices)
        if len(np.unique(chosen)) != len(chosen):
            raise InputError("indices name an image more than once; give each position once")
        labels, identities = self.labels, self.identities
        if labels is not None:
            labels = labels[chosen]
            if relabel:
                kept, labels = np.unique(labels, return_inverse=True)
                identities = tuple(identities[label] for label in kept)
        members, names = (tuple(values[i] for i in chosen) for values in (self._layout.members, self.names))
        layout = dataclasses.replace(self._layout, members=members, names=names, labels=labels, identities=identities)
        part = FaceSet(self._source, layout, self.on_bad_image)
        part._digests, part.positions = self._digests, self.positions[chosen]
        return part

    def relabelled(self, labels: np.ndarray | None, identities: Sequence[str]) -> "FaceSet":
        """The same images with other labels: int64 `[N]`, indices into the names `identities`; None is unlabelled."""
        layout = dataclasses.replace(self._layout, labels=labels, identities=tuple(identities))
        renamed = FaceSet(self._source, layout, self.on_bad_image)
        renamed._digests, renamed.positions = self._digests, self.positions
        return renamed

    def inspect(self, progress: bool = False) -> Manifest:
        """Decode every image once and describe what the set holds; later calls return the first result.

        Parameters
        ----------
        progress
            Show a bar meanwhile.

        Raises
        ------
        BadImageError
            If images can't be decoded and the set was opened with `on_bad_image="stop"`.
        """
        if self._manifest is None:
            self._manifest = self._inspect(progress)
        if self._manifest.bad and self.on_bad_image == "stop":
            raise bad_image_error(self.path, list(self._manifest.bad))
        return self._manifest

    def know(self, manifest: Manifest) -> None:
        """Store what `inspect` found in another process for the same set, so that it is not inspected again."""
        self._manifest, self._fingerprint = manifest, manifest.fingerprint

    def _inspect(self, progress: bool) -> Manifest:
        sizes, converted, bad, digests = Counter(), Counter(), {}, []
        for index in tqdm(range(len(self)), unit="image", desc="inspect", disable=not progress):
            digest = _UNREADABLE
            try:
                data = self._bytes(index)
                digest = hashlib.sha256(data).hexdigest()
                self._digests.put(self.positions[index], digest)
                pixels, conversion = decode_image(data)
            except UndecodableImage as error:
                bad[index] = str(error)
            else:
                sizes[f"{pixels.shape[1]}x{pixels.shape[0]}"] += 1
                converted.update([conversion] if conversion else [])
            digests.append(digest)
        self._fingerprint = combined_digest(self.names, self.labels, digests)
        counts = images_per_identity(self.labels, len(self.identities), list(bad))
        return Manifest(
            n_images=len(self),
            n_identities=len(self.identities),
            sizes=dict(sizes.most_common()),
            converted=dict(sorted(converted.items())),
            bad=tuple((self.names[index], reason) for index, reason in bad.items()),
            bad_indices=tuple(bad),
            images_per_identity=summary(counts),
            fingerprint=self._fingerprint,
        )

    def _bytes(self, index: int) -> bytes:
        try:
            return self._source.read(self._layout.members[index])
        except READ_ERRORS as error:
            # Only the system's own words: the whole message would contain the image's path, and so a person's name.
            raise UndecodableImage(getattr(error, "strerror", None) or "the file cannot be read") from error

    def _pixels(self, index: int) -> np.ndarray:
        try:
            return decode_image(self._bytes(index))[0].transpose(2, 0, 1)
        except UndecodableImage as error:
            raise self._bad_images(index, error) from error

    def _bad_images(self, index: int, error: UndecodableImage) -> BadImageError:
        """The error for an image that can't be decoded; it inspects the whole set, so that it names all such images."""
        if self._manifest is None:
            self._manifest = self._inspect(progress=True)
        bad = dict(self._manifest.bad)
        bad.setdefault(self.names[index], str(error))
        return bad_image_error(self.path, list(bad.items()))

    def _positions(self, indices: Iterable[int] | np.ndarray) -> np.ndarray:
        positions = np.asarray(indices if isinstance(indices, np.ndarray | torch.Tensor) else list(indices))
        if positions.dtype == bool and positions.shape == (len(self),):
            return np.flatnonzero(positions)
        are_integers = np.issubdtype(positions.dtype, np.integer) and positions.ndim == 1
        if positions.size and not (are_integers and positions.min() >= 0 and positions.max() < len(self)):
            raise InputError(
                f"indices must be integers [n] from 0 to {len(self) - 1}, or a bool mask [{len(self)}]; "
                f"these are {positions.dtype} {list(positions.shape)} from {positions.min()} to {positions.max()}"
            )
        return positions.astype(np.int64)
