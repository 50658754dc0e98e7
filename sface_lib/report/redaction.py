"""Names of authentic identities are taken out of what is handed round."""

import csv
import re
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from sface_lib.data.filenames import composed, is_image
from sface_lib.data.layout import SPLITS, find_layout
from sface_lib.data.opening import open_any, own_layout
from sface_lib.errors import FacesError

WITHHELD = "[name withheld]"
SHORTEST_NAME = 3
LARGEST_PAIRS_FILE = 64 << 20
WORD = re.compile(r"[^\W_]+")
NO_NAMES = {
    "face",
    "faces",
    "image",
    "images",
    "img",
    "photo",
    "picture",
    "frame",
    "crop",
    "aligned",
}  # As in face_0001.jpg.


class Redactor:
    """Replaces names in text, also inside file names such as `Ann_Lee_0001.jpg`.

    A name counts when it has a letter, and three characters or one outside ASCII; its words may be joined by any other
    separators.
    """

    def __init__(self, names: Iterable[str] = ()):
        by_first_word: dict[str, set[tuple[str, ...]]] = defaultdict(set)
        for name in map(composed, names):
            words = tuple(WORD.findall(name))
            if any(letter.isalpha() for letter in name) and (len(name) >= SHORTEST_NAME or not name.isascii()):
                by_first_word[words[0]].add(words)
        self._patterns = {
            first: [_pattern(words) for words in sorted(phrases, key=lambda w: (-len(w), w))]
            for first, phrases in by_first_word.items()
        }

    def __call__(self, text: str) -> str:
        """The text, in Unicode's normal form, without names."""
        text, pieces, end = composed(text), [], 0
        for word in WORD.finditer(text):
            for pattern in self._patterns.get(word.group(), ()) if word.start() >= end else ():
                if match := pattern.match(text, word.start()):
                    pieces += [text[end : word.start()], WITHHELD]
                    end = match.end()
                    break
        return "".join(pieces) + text[end:]


def _pattern(words: tuple[str, ...]) -> re.Pattern[str]:
    """The words of a name, up to three other characters between them, and no letter or digit after them."""
    return re.compile(r"[\W_]{1,3}".join(map(re.escape, words)) + r"(?![^\W_])")


def collect_names(inputs: Iterable[Path]) -> set[str]:
    """Names to withhold, as the layout of the inputs tells them: also when a notebook failed before it read any."""
    return set().union(*map(_names_of, inputs))


def _names_of(path: Path) -> set[str]:
    """Identities of a set of faces and the names within its images' names, or the fields of a text file of pairs."""
    if path.suffix in (".txt", ".csv", ".tsv") and path.is_file():
        return _fields(path)
    try:
        source = open_any(path)
    except (FacesError, OSError):
        return set()  # No set of faces, or one that no notebook could open either.
    try:
        names = set((own_layout(source) or find_layout(source)).identities)
    except FacesError:
        names = set()
    if not names:  # A folder may be called by a person also where it is no identity.
        images = filter(is_image, source.members)
        names = {part for image in images for part in PurePosixPath(image).parent.parts if part.lower() not in SPLITS}
    return names | _people(source.members)


def _people(files: Iterable[str], least_words: int = 2) -> set[str]:
    """Names that images are called by, as in Ann_Lee_0001.jpg."""
    stems = (PurePosixPath(file).stem for file in map(composed, files) if is_image(file))
    people = {re.sub(r"[\W_\d]+$", "", stem) for stem in stems}
    return {person for person in people - NO_NAMES if len(WORD.findall(person)) >= least_words}


def _fields(path: Path) -> set[str]:
    """Names in a pairs file: whole fields, and the folders of fields that are paths."""
    if path.stat().st_size > LARGEST_PAIRS_FILE:
        return set()
    text = path.read_text(encoding="utf-8", errors="replace")
    lines = text.splitlines()
    if {"identity", "group"} <= {field.strip('"') for field in (lines or [""])[0].split(",")}:
        return {row["identity"] for row in csv.DictReader(lines) if row["identity"]}
    header = {"left", "right", "same", "fold"}
    fields = {field.strip().strip('"') for line in lines for field in re.split(r"[\t,]", line)} - header
    folders = {PurePosixPath(field).parent.name if "/" in field else field for field in fields}
    return folders | _people(text.split(), least_words=1)
