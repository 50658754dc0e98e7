"""Verification .bin files as benchmarks: one, or a folder of several whose images become one set."""

from collections.abc import Mapping
from pathlib import Path

from sface_lib.data.faces import FaceSet
from sface_lib.data.filenames import composed
from sface_lib.data.layout import Layout
from sface_lib.data.opening import open_faces
from sface_lib.data.protocol import Protocol, read_protocol
from sface_lib.data.verification import is_bin


class JoinedSource:
    """The images of several sets, `<set>/<image>`, without labels: no set knows another's persons."""

    kind = "several sets"

    def __init__(self, path: Path, sets: Mapping[str, FaceSet]):
        self.path, self._sets = path, dict(sets)
        self._places = {
            composed(f"{key}/{name}"): (key, i) for key, faces in sets.items() for i, name in enumerate(faces.names)
        }
        self.members = tuple(self._places)
        self.layout = Layout(self.members, self.members, None, ())

    def read(self, member: str) -> bytes:
        """Bytes of one image file."""
        key, position = self._places[member]
        return self._sets[key].encoded(position)


def holds_bins(path: str | Path) -> bool:
    """Whether a path is a verification .bin, or a folder with some."""
    return bool(_bins(Path(path)))


def open_bins(path: str | Path, on_bad_image: str = "stop") -> tuple[FaceSet, dict[str, Protocol]]:
    """The images of one or several verification .bin files as one unlabelled set, and the pairs of each by its name.

    Several files' images are called `<file without suffix>/<image>`; all of them are held in memory. `on_bad_image` is
    that of `open_faces`.

    Raises
    ------
    FacesError
        There is no .bin, or one is damaged.
    """
    path, found = Path(path), _bins(Path(path))
    protocols = {file.stem: read_protocol(file) for file in found}
    if found == [path]:
        return open_faces(path, on_bad_image), protocols
    source = JoinedSource(path, {file.stem: open_faces(file) for file in found})
    pairs = {name: _below(name, protocol) for name, protocol in protocols.items()}
    return FaceSet(source, source.layout, on_bad_image), pairs


def _bins(path: Path) -> list[Path]:
    return sorted(filter(is_bin, path.glob("*.bin"))) if path.is_dir() else [path] if is_bin(path) else []


def _below(name: str, pairs: Protocol) -> Protocol:
    left, right = (tuple(f"{name}/{image}" for image in side) for side in (pairs.left, pairs.right))
    return Protocol(left, right, pairs.same, pairs.fold)
