"""Several sets as one: the benchmarks of a folder of verification .bin files, and sets that train together."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from sface_lib.data.faces import FaceSet
from sface_lib.data.filenames import composed
from sface_lib.data.layout import Layout
from sface_lib.data.opening import open_faces
from sface_lib.data.protocol import Protocol, read_protocol
from sface_lib.data.verification import is_bin

# Names of verification .bin files, and what the benchmarks are called.
BENCHMARKS = {
    "lfw": "LFW",
    "agedb_30": "AgeDB-30",
    "calfw": "CALFW",
    "cplfw": "CPLFW",
    "cfp_fp": "CFP-FP",
    "cfp_ff": "CFP-FF",
    "vgg2_fp": "VGG2-FP",
}


class JoinedSource:
    """The images of several sets, `<set>/<image>`.

    Where all have labels their identities are other ones, `<set>/<identity>`; else there are no labels: no set knows
    another's persons.
    """

    kind = "several sets"

    def __init__(self, path: Path, sets: Mapping[str, FaceSet]):
        self.path, self.sets = path, dict(sets)
        self._places = {
            composed(f"{key}/{name}"): (key, i) for key, faces in sets.items() for i, name in enumerate(faces.names)
        }
        self.members = tuple(self._places)
        self.layout = Layout(self.members, self.members, *_identities(sets))

    def read(self, member: str) -> bytes:
        """Bytes of one image file."""
        key, position = self._places[member]
        return self.sets[key].encoded(position)


def _identities(sets: Mapping[str, FaceSet]) -> tuple[np.ndarray | None, tuple[str, ...]]:
    """Labels of all images, and names of all identities."""
    if any(faces.labels is None for faces in sets.values()):
        return None, ()
    first = np.cumsum([0, *(len(faces.identities) for faces in sets.values())])
    labels = [faces.labels + start for faces, start in zip(sets.values(), first, strict=False)]
    return np.concatenate(labels), tuple(f"{key}/{name}" for key, faces in sets.items() for name in faces.identities)


def join(sets: Mapping[str, FaceSet]) -> FaceSet:
    """Several sets as one, in their order; see `JoinedSource`. One that cannot be decoded stops what reads it."""
    source = JoinedSource(next(iter(sets.values())).path, sets)
    return FaceSet(source, source.layout, "stop")


def parts(faces: FaceSet) -> tuple[FaceSet, ...]:
    """The images of a set by the sets that it was joined from, each as far as it gives any; of another, itself."""
    source = faces._source
    if not isinstance(source, JoinedSource):
        return (faces,)
    ends = np.cumsum([len(each) for each in source.sets.values()])
    belongs = np.searchsorted(ends, faces.positions, side="right")
    own = [faces.positions[belongs == i] - (ends[i - 1] if i else 0) for i in range(len(ends))]
    return tuple(each.subset(rows) for each, rows in zip(source.sets.values(), own, strict=True) if len(rows))


def labels_asked(faces: FaceSet) -> str:
    """What was said of a set's labels when it was opened; of several in one, folders where it was said of any."""
    asked = {part.asked_labels for part in parts(faces)}
    return asked.pop() if len(asked) == 1 else "folders"


def holds_bins(path: str | Path) -> bool:
    """Whether a path is a verification .bin, or a folder with some."""
    return bool(_bins(Path(path)))


def open_bins(path: str | Path, on_bad_image: str = "stop") -> tuple[FaceSet, dict[str, Protocol]]:
    """The images of one or several verification .bin files as one unlabelled set, and the pairs of each by its name.

    A benchmark's file, such as agedb_30.bin, gives pairs by the benchmark's own name, such as AgeDB-30.

    Several files' images are called `<file without suffix>/<image>`; all of them are held in memory. `on_bad_image` is
    that of `open_faces`.

    Raises
    ------
    FacesError
        There is no .bin, or one is damaged.
    """
    path, files = Path(path), _bins(Path(path))
    names = {file: BENCHMARKS.get(file.stem, file.stem) for file in files}
    protocols = {name: read_protocol(file) for file, name in names.items()}
    if files == [path]:
        return open_faces(path, on_bad_image), protocols
    source = JoinedSource(path, {file.stem: open_faces(file) for file in files})
    pairs = {name: _below(file.stem, protocols[name]) for file, name in names.items()}
    return FaceSet(source, source.layout, on_bad_image), pairs


def _bins(path: Path) -> list[Path]:
    return sorted(filter(is_bin, path.glob("*.bin"))) if path.is_dir() else [path] if is_bin(path) else []


def _below(name: str, pairs: Protocol) -> Protocol:
    left, right = (tuple(f"{name}/{image}" for image in side) for side in (pairs.left, pairs.right))
    return Protocol(left, right, pairs.same, pairs.fold)
