"""From one kind of set to another without a loss, and what a set holds."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from tqdm import tqdm

from sface_lib.data.faces import FaceSet
from sface_lib.data.layout import Labels
from sface_lib.data.manifest import named, named_bad
from sface_lib.data.opening import open_faces
from sface_lib.data.protocol import Protocol, read_protocol, write_protocol
from sface_lib.data.tarwriter import has_stems
from sface_lib.data.verification import BinSource, write_bin
from sface_lib.data.write import write_encoded
from sface_lib.errors import FacesError, ParameterError

_KEEP_NAMES = (".zip", ".parquet")  # Whatever the names are.


def convert_set(
    source: str | Path | FaceSet, target: str | Path, protocol: str | Path | None = None
) -> tuple[Path, ...]:
    """Write a set as a folder, .zip, .rec, .parquet, .tar (WebDataset) or .bin; no image is encoded again.

    Image files keep their bytes, whatever they are encoded as, and names where the target has a place for them:
    RecordIO and .bin have none, a folder only for images that lie in that of their identity, and WebDataset if no two
    names differ by their suffix alone and none holds a dot before it. Names of identities are kept but by RecordIO and
    .bin. The pairs of a .bin are written beside what its images become, as `<target>.pairs.csv`.

    Parameters
    ----------
    source
        What `open_faces` opens, or a set that is open. Of one that was opened with `on_bad_image="skip"`, images that
        can't be decoded are left out, and pairs that name them; no image of another is decoded.
    target
        Its ending, .zip, .rec, .parquet, .tar or .bin, says what is written; any other is a folder. It must not exist
        yet.
    protocol
        What `read_protocol` reads: the pairs of a .bin, which are written fold after fold. A .bin as the source has
        its own.

    Returns
    -------
    The paths that were written.

    Raises
    ------
    FacesError
        If `source` is no set, `target` exists, or an image can't be read.
    InputError
        If an image is none, labels are needed and absent, or pairs are missing, superfluous or of another set.
    """
    target = Path(target)
    ending = target.suffix.lower()
    if protocol is not None and ending != ".bin":
        raise ParameterError(f"a protocol is given, but only a .bin holds pairs and '{target}' is none; leave it out")
    faces = source if isinstance(source, FaceSet) else open_faces(source)
    is_bin = faces.kind == BinSource.kind
    if ending == ".bin":
        if protocol is None and not is_bin:
            raise ParameterError(f"'{target}' needs pairs; give a protocol, such as a pairs.txt of these faces")
        return (_write_pairs(target, faces, read_protocol(faces.path if protocol is None else protocol)),)
    if not is_bin or ending == ".rec":
        return (_write_images(target, _kept(faces)),)
    pairs = Path(f"{target.with_suffix('') if ending in (*_KEEP_NAMES, '.tar') else target}.pairs.csv")
    if pairs.exists():
        raise FacesError(f"'{pairs}' exists already; remove it or give another path")
    _write_images(target, _kept(faces))
    # Names may have got another suffix, the one that fits the image.
    names = np.full(len(faces), None, dtype=object)
    names[_written(faces)] = open_faces(target).names
    own = read_protocol(faces.path)
    places, whole = _places(faces, own)
    left, right = (tuple(names[side]) for side in places.T)
    return target, write_protocol(pairs, Protocol(left, right, own.same[whole], own.fold[whole]))


def describe_set(path: str | Path, labels: Labels = "auto") -> dict[str, str]:
    """What a set holds, as words: every image is decoded once, and bad ones are counted.

    `labels` is that of `open_faces`.

    Raises
    ------
    FacesError
        If there is no set at `path`.
    """
    faces = open_faces(path, "skip", labels)
    manifest = faces.inspect(progress=True)
    an_identity = manifest.images_per_identity
    rows = {
        "kind": faces.kind,
        "images": f"{manifest.n_images}",
        "bad images": f"{len(manifest.bad)}" + (f", e.g. {named_bad(manifest.bad)}" if manifest.bad else ""),
        "identities": f"{manifest.n_identities}" if an_identity else "none, the set is unlabelled",
        "sizes": _counted(manifest.sizes),
        "converted": _counted(manifest.converted),
        "fingerprint": manifest.fingerprint,
    }
    if faces.unread:
        rows["files not read"] = f"{len(faces.unread)}, e.g. {named([repr(name) for name in faces.unread])}"
    if an_identity:
        rows["images of an identity"] = ", ".join(f"{name} {count:g}" for name, count in an_identity.items())
    if faces.kind == BinSource.kind:
        pairs = read_protocol(path)
        rows["pairs"] = f"{len(pairs)}, of which {pairs.same.sum()} genuine, in {len(pairs.fold_ids)} folds"
    return rows


def _write_images(target: Path, faces: FaceSet) -> Path:
    identities = faces.identities if faces.labels is not None else None
    names = faces.names
    ending = target.suffix.lower()
    if ending == ".tar":
        names = names if has_stems(names) else None
    elif identities is not None and ending not in _KEEP_NAMES:
        homes = (f"{identities[label]}/" for label in faces.labels)
        if not all(name.startswith(home) for name, home in zip(names, homes, strict=True)):
            names = None
    return write_encoded(target, _files(faces, range(len(faces))), faces.labels, identities, names)


def _write_pairs(target: Path, faces: FaceSet, protocol: Protocol) -> Path:
    """The pairs fold after fold, so that ten equal folds are the ten that evaluations make of them."""
    places, whole = _places(faces, protocol)
    order = np.argsort(protocol.fold[whole], kind="stable")
    return write_bin(target, _files(faces, places[order].ravel()), protocol.same[whole][order])


def _kept(faces: FaceSet) -> FaceSet:
    """The images that are written."""
    return faces.usable(progress=True) if faces.on_bad_image == "skip" else faces


def _written(faces: FaceSet) -> np.ndarray:
    """Which images those are, bool `[N]`."""
    return faces.good if faces.on_bad_image == "skip" else np.ones(len(faces), dtype=bool)


def _places(faces: FaceSet, protocol: Protocol) -> tuple[np.ndarray, np.ndarray]:
    """Positions of the pairs whose two images are written, int64 `[Q, 2]`, and which pairs those are, bool `[P]`."""
    places = np.stack(protocol.resolve(faces), axis=1)
    whole = _written(faces)[places].all(axis=1)
    return places[whole], whole


def _files(faces: FaceSet, places: Iterable[int]) -> Iterator[bytes]:
    return (faces.encoded(int(place)) for place in tqdm(places, unit="image", desc="convert"))


def _counted(counts: dict[str, int]) -> str:
    return ", ".join(f"{name}: {count}" for name, count in counts.items()) or "none"
