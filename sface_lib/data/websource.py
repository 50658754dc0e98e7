"""A set of faces as WebDataset: tars in which an image and its label follow each other, files of one stem.

A sample is the files whose names agree up to the first dot after their folder. Its label is the text of a `.cls`, or
`label` and `identity` of a `.json`, or else the text of a `.txt`: a whole number from 0, or a name.
"""

import json
import re
import tarfile
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from sface_lib.data.catalogue import Catalogue, Told, place_of, tell, value_of
from sface_lib.data.decode import image_suffixes
from sface_lib.data.layout import IMAGE_SUFFIXES
from sface_lib.data.shards import check_shards, find_shards, has_folders
from sface_lib.data.sources import DAMAGED, PlainTar, member_name, readable
from sface_lib.errors import FacesError

CLASS, JSON, TEXT = "cls", "json", "txt"
SHARDS = r"\.(tar|tgz)(\.\w+)?$"
PEEKED = 1000  # Members of a tar among which a sample must show.
LONGEST_NAME = 200  # Characters of a `.txt` that names an identity; a longer one describes a picture.
_NAME = re.compile(r"((?:.*/)?[^./]+)\.([^/]*)", re.DOTALL)


@dataclass(slots=True)
class _Sample:
    """What has been met of the files of one stem: the image's name, first byte and size, and what each label says."""

    image: tuple[str, int, int] | None = None
    labels: dict[str, Any] | None = None

    def told(self, where: str) -> Told:
        """Of the image's identity."""
        labels = self.labels or {}
        label, identity = labels.get(JSON, (None, None))
        label = labels.get(CLASS, label)
        return tell(labels.get(TEXT) if label is None and identity is None else label, identity, where)


class WebSource:
    """The images of the shards of a WebDataset, read at random.

    Opening reads the header of every file in the shards and every label: a minute or more for a million images. Images
    have the names that they have there, below the folder of their identity if there are no folders; where shards repeat
    names, images are numbered. Files that are neither images nor labels are left aside. Compressed shards are
    decompressed to temporary files. In memory are the names and the place of each image, about 100 bytes an image;
    while a shard is read that has images without any label, several times that for each of those.

    Raises
    ------
    FacesError
        If a shard is damaged, a sample holds two images, or a label is neither a name nor a whole number from 0, or is
        missing beside others.
    """

    kind = "WebDataset"

    def __init__(self, path: Path, files: Sequence[Path]):
        self.path, self._tars = path, []
        shards, offsets, sizes = array("i"), array("q"), array("q")
        told_by = "the .cls, .json or .txt beside an image"
        catalogue = Catalogue(path, told_by, lambda i: f"the image at byte {offsets[i]} of '{files[shards[i]]}'")
        any_label = False
        for number, file in enumerate(files):
            with readable(file):
                self._tars.append(PlainTar(file))
                for sample in _samples(self._tars[number]):
                    name, offset, size = sample.image
                    catalogue.add(name, sample.told(f"the image at byte {offset} of '{file}'"))
                    any_label |= bool(sample.labels)
                    shards.append(number), offsets.append(offset), sizes.append(size)
        suffix = image_suffixes(self._read(shards[0], offsets[0], sizes[0]))[0] if len(catalogue) else ""
        self.layout, order = catalogue.layout(suffix)
        self.members = self.layout.members
        if not any_label and any("/" in name for name in self.members):
            raise FacesError(
                f"'{path}' holds images in folders and no label (.cls, .json or .txt) beside any; give one tar of "
                "identity folders, or write a label for each image"
            )
        self._shards, self._offsets, self._sizes = (np.array(column)[order] for column in (shards, offsets, sizes))

    def read(self, member: str) -> bytes:
        """Bytes of one image file."""
        place = place_of(member, self.members)
        return self._read(*(int(column[place]) for column in (self._shards, self._offsets, self._sizes)))

    def _read(self, shard: int, offset: int, size: int) -> bytes:
        with self._tars[shard].open() as stream:
            stream.seek(offset)
            return stream.read(size)


def find_web(path: Path, pattern: Sequence[Path] | None) -> Sequence[Path] | None:
    """The shards that a path or pattern names or a folder holds; None where there are none.

    Tars are shards where a label lies beside an image in the first of them, or where they are all that a folder holds.

    Raises
    ------
    FacesError
        If a folder's shards are of several sets or not all there.
    """
    if pattern is not None:
        return pattern
    if path.is_file():
        return [path] if _shows_sample(path) else None
    shards = find_shards(path, SHARDS)
    if not shards or not (_shows_sample(shards[0]) or _holds_nothing_else(shards[0].parent)):
        return None
    check_shards(path, shards)
    return shards


def split_name(name: str) -> tuple[str, str] | None:
    """Stem of a file's name and what follows its first dot, lower case; None where WebDataset leaves the file aside."""
    match = _NAME.fullmatch(name)
    return match and (match.group(1), match.group(2).lower())


def _samples(tar: PlainTar) -> Iterator[_Sample]:
    """The images of a tar, each as soon as the next sample begins; those without a label when all are known."""
    begun: dict[str, _Sample] = {}
    last = None
    with tar.open() as stream:
        for member in tar.walk():
            name = member_name(member.name, tar.path)
            stem, ending = (name and not member.isdir() and split_name(name)) or (None, None)
            if stem is None:
                continue
            if stem != last and last in begun and begun[last].image and begun[last].labels:
                yield begun.pop(last)
            last = stem
            _add(begun.setdefault(stem, _Sample()), name, ending, member, stream, tar.path)
    yield from (sample for sample in begun.values() if sample.image)


def _add(sample: _Sample, name: str, ending: str, member: tarfile.TarInfo, stream: BinaryIO, path: Path) -> None:
    """One more file of a sample."""
    if name.lower().endswith(IMAGE_SUFFIXES):
        where = f"'{path}' holds at byte {member.offset_data}"
        if not member.isreg():
            raise FacesError(f"{where} a link in place of an image; pack the set again with links followed (tar -h)")
        if sample.image is not None:
            raise FacesError(f"{where} a second image of one sample; leave one image in each, or give it another stem")
        sample.image = name, member.offset_data, member.size
    elif ending in (CLASS, JSON, TEXT) and member.isreg():
        stream.seek(member.offset_data)
        said = _label(ending, stream.read(member.size), f"the label at byte {member.offset_data} of '{path}'")
        if said is not None:
            sample.labels = {**(sample.labels or {}), ending: said}


def _label(ending: str, data: bytes, where: str) -> Any:
    """What a label file says: a number or name, or both from a .json; None for one that tells of something else."""
    text = data.decode("utf-8", "replace").strip()
    if ending != JSON:
        value = value_of(text)
        # A text may describe the picture, and a row of numbers be landmarks; neither is a name.
        named = len(text) <= LONGEST_NAME and "\n" not in text and any(letter.isalpha() for letter in text)
        return value if ending == CLASS or named or text.isdigit() or not isinstance(value, str) else None
    try:
        content = json.loads(text)
    except ValueError as error:
        raise FacesError(f"{where} is not valid JSON ({error}); write it again") from error
    if not isinstance(content, dict) or not {"label", "identity"} & content.keys():
        return None
    return content.get("label"), content.get("identity")


def _shows_sample(file: Path) -> bool:
    """Whether a tar has an image and a label of one stem among its first files; of a compressed one little is read.

    A `.txt` beside images in several folders describes them: the folders tell identities, as in any other tar.
    """
    images, labels, texts, folders = set(), set(), set(), set()
    try:
        with tarfile.open(file, "r:*") as archive:
            for member in islice(archive, PEEKED):
                stem, ending = split_name(member.name) or ("", "")
                if f".{ending}".endswith(IMAGE_SUFFIXES):
                    images.add(stem)
                    folders.add(stem.rpartition("/")[0])
                elif ending in (CLASS, JSON, TEXT) and member.isreg():
                    said = _label(ending, archive.extractfile(member).read(), "")
                    (texts if ending == TEXT else labels).update([stem] * (said is not None))
                if images & labels:
                    return True
    except (*DAMAGED, OSError, FacesError):
        return False  # The reader of other tars says what is wrong.
    return bool(images & texts) and len(folders) == 1


def _holds_nothing_else(folder: Path) -> bool:
    loose = (file for file in folder.iterdir() if file.name.lower().endswith((*IMAGE_SUFFIXES, ".zip")))
    return not has_folders(folder) and not any(loose)
