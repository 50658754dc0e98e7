"""Photographs of any size -> aligned faces: the main face of each, brought to the ArcFace template (extra `align`).

The five-point model gives other points than the template has: the middle of each eye's corners, and the base of the
nose instead of its tip, and no mouth. So they have places of their own, `PLACES_112`: where these three points lie on
average, made symmetrical, in crops that were aligned by MTCNN's five points (every second one of 298 photographs of
LFW; the base of the nose lies 7.5 px below the template's nose, and the eyes' corners 1.8 px below its eyes). Each eye
counts twice: sideways the nose moves with the turn of a head, which a similarity would take for a turn of the picture.
"""

import csv
import functools
import io
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Literal, NamedTuple, TextIO

import numpy as np
from PIL import Image, ImageOps
from tqdm.auto import tqdm

from sface_lib.data import FaceSet, open_faces
from sface_lib.data.filenames import composed, is_image
from sface_lib.data.labelfiles import LABELS_FILE, METADATA_FILE
from sface_lib.data.landmarks import Face, find_face, load_models
from sface_lib.data.layout import Labels
from sface_lib.data.manifest import bad_image_error
from sface_lib.data.sources import member_name, open_source
from sface_lib.data.template import cut_crop, similarity
from sface_lib.data.write import keep_labels
from sface_lib.errors import BadImageError, InputError, ParameterError
from sface_lib.files import atomic_path, claim_folder
from sface_lib.processes import over_processes

SMALLEST_PX, LARGEST_PX = 16, 1024
# Left eye in the picture, right eye and base of the nose in a crop of 112 px.
PLACES_112 = np.array([[38.7, 53.4], [73.3, 53.4], [56.0, 79.2]])
COUNTED = [0, 0, 1, 1, 2]
JPEG_QUALITY = 95
RECIPE_FILE, TABLE_FILE, NOT_FOUND_FILE = "recipe.json", "alignment.csv", "not_found.csv"
POINTS = ("left_eye_x", "left_eye_y", "right_eye_x", "right_eye_y", "nose_x", "nose_y")
COLUMNS = ("name", "found", "problem", "faces", "detector", *POINTS, "scale", "rotation_degrees", "sha256")
NO_FACE = "no face"
TOGETHER = 8  # Photographs that are sent to a process at once.


class Aligned(NamedTuple):
    """What became of the photographs: numbers of those aligned, without a face, and unreadable."""

    folder: Path
    aligned: int
    without_face: int
    unreadable: int


def align_faces(
    source: str | Path,
    folder: str | Path,
    size_px: int = 112,
    missing: Literal["drop", "keep"] = "drop",
    on_bad_image: Literal["stop", "skip"] = "stop",
    workers: int = 1,
    labels: Labels = "auto",
) -> Aligned:
    """Align the main face of every photograph, and write it under the photograph's name.

    Crops are JPEG files of quality 95, because photographs are JPEG files, too: their names, and the protocols that
    give them, stay as they are; other suffixes become .jpg. Beside the crops lie `alignment.csv`, a row for each
    photograph, and `not_found.csv`, those in which no face was found. The table gives found (1 or 0), the problem if
    there is one, the number of faces seen, the detector, the points in pixels of the photograph (left and right in the
    picture), the scale (crop pixels for one of the photograph), the clockwise turn, and the photograph's SHA-256.

    A run that was stopped goes on with the photographs that are missing or new, or were changed.

    Parameters
    ----------
    source
        Whatever `open_faces` opens; or a folder with photographs directly in it and below, which have no identities.
    folder
        Where to; made if need be. It holds identity folders where the source has identities, and a `dataset.json`
        where `open_faces` would not tell the same from them.
    size_px
        Side of the crops; the template is scaled with it.
    missing
        A photograph without a face is left out ("drop"), or gives its centred square ("keep").
    on_bad_image
        Photographs that can't be decoded are left out; "stop" raises and lists them after all others are aligned,
        "skip" counts them.
    workers
        Processes; the files do not depend on it.
    labels
        That of `open_faces`.

    Raises
    ------
    InputError
        A value that is not allowed, a folder that holds something else, no extra `align`, or no photographs.
    BadImageError
        See `on_bad_image`.
    """
    folder = Path(folder)
    _check(Path(source), folder, size_px, missing, workers)
    load_models()  # A missing extra is told before anything is written.
    faces = open_photographs(source, on_bad_image, labels)
    targets = _targets(faces)
    recipe = {"places_112": PLACES_112.tolist(), "size_px": size_px, "missing": missing}
    claim_folder(folder, RECIPE_FILE, recipe)
    rows = _finished(folder, faces, targets, missing)
    work = functools.partial(_align, faces, targets, folder, size_px, missing)
    left = [i for i, name in enumerate(faces.names) if name not in rows]
    # The table is written row by row: what is in it need not be made again.
    _write_table(folder / TABLE_FILE, rows.values())
    with (
        _open_table(folder / TABLE_FILE, "a") as stream,
        tqdm(total=len(faces), initial=len(rows), unit="image") as bar,
    ):
        for row in over_processes(work, left, workers, TOGETHER):
            rows[row["name"]] = row
            csv.DictWriter(stream, COLUMNS).writerow(row)
            stream.flush()
            bar.update()
    return _finish(folder, faces, [rows[name] for name in faces.names], on_bad_image)


def open_photographs(
    path: str | Path, on_bad_image: Literal["stop", "skip"] = "stop", labels: Labels = "auto"
) -> FaceSet:
    """Open a set as `open_faces` does; a folder with images directly in it and below is a set without labels.

    Raises
    ------
    FacesError
        If there is no such set at `path`.
    """
    if labels == "auto" and Path(path).is_dir():
        members = open_source(path).members
        loose = any("/" not in member and is_image(member) for member in members)
        labels = "none" if loose and not {LABELS_FILE, METADATA_FILE} & set(members) else labels
    return open_faces(path, on_bad_image, labels)


def crop_transform(points: np.ndarray, size_px: int) -> np.ndarray:
    """The similarity `[2, 3]` from a photograph to its crop, for points `[3, 2]` such as `find_face` gives."""
    return similarity(points[COUNTED], PLACES_112[COUNTED] * size_px / 112)


def _check(source: Path, folder: Path, size_px: int, missing: str, workers: int) -> None:
    if not SMALLEST_PX <= size_px <= LARGEST_PX:
        raise ParameterError(f"size_px is {size_px}, but must be from {SMALLEST_PX} to {LARGEST_PX}")
    if missing not in ("drop", "keep"):
        raise ParameterError(f'missing is {missing!r}, but must be "drop" or "keep"')
    if workers < 1:
        raise ParameterError(f"workers is {workers}, but must be at least 1")
    if folder.resolve().is_relative_to(source.resolve()):
        raise InputError(f"'{folder}' lies in '{source}', where its faces would be photographs; give another folder")


def _targets(faces: FaceSet) -> dict[str, str]:
    """Where each photograph's face is written: in the folder of its identity, if it has one."""
    targets, names = {}, {}
    for i, name in enumerate(faces.names):
        path = PurePosixPath(name)
        if faces.labels is not None:
            path = PurePosixPath(faces.identities[faces.labels[i]]) / path.name
        target = str(path if path.suffix.lower() in (".jpg", ".jpeg") else path.with_suffix(".jpg"))
        if member_name(target, faces.path) != target:
            raise InputError(f"{name!r} of '{faces.path}' would be written to {target!r}; rename its identity")
        if target in names:
            raise InputError(f"{names[target]!r} and {name!r} of '{faces.path}' would be one file; rename one")
        targets[name], names[target] = target, name
    return targets


def _align(faces: FaceSet, targets: dict[str, str], folder: Path, size_px: int, missing: str, index: int) -> dict:
    """Align one photograph; give its row of the table."""
    name = faces.names[index]
    (folder / targets[name]).unlink(missing_ok=True)
    row = dict.fromkeys(COLUMNS, "") | {"name": name, "found": "0", "sha256": faces.digest(index)}
    try:
        picture = faces.photograph(index)
    except BadImageError as error:
        return row | {"problem": error.bad[0][1]}
    face = find_face(picture)
    if face is not None:
        transform = crop_transform(face.points, size_px)
        _write_jpeg(folder / targets[name], Image.fromarray(cut_crop(picture, transform, size_px)))
        return row | {"found": "1"} | _described(face, transform)
    if missing == "keep":
        square = ImageOps.fit(Image.fromarray(picture), (size_px, size_px), Image.Resampling.BICUBIC)
        _write_jpeg(folder / targets[name], square)
    return row | {"problem": NO_FACE}


def _described(face: Face, transform: np.ndarray) -> dict[str, str]:
    """Columns of a face, as text."""
    points = dict(zip(POINTS, (f"{value:.2f}" for value in face.points.ravel()), strict=True))
    turned = np.degrees(np.arctan2(transform[1, 0], transform[0, 0]))
    scaled = {"scale": f"{np.hypot(*transform[:, 0]):.5f}", "rotation_degrees": f"{turned:.2f}"}
    return {"faces": str(face.faces), "detector": face.detector} | points | scaled


def _write_jpeg(path: Path, image: Image.Image) -> None:
    stored = io.BytesIO()
    image.save(stored, "JPEG", quality=JPEG_QUALITY)
    with atomic_path(path) as temporary:
        temporary.write_bytes(stored.getvalue())


def _finished(folder: Path, faces: FaceSet, targets: dict[str, str], missing: str) -> dict[str, dict]:
    """Rows of an earlier run, without photographs that changed since, or whose crop is gone."""
    rows = _read_table(folder / TABLE_FILE)
    strange = rows.keys() - targets.keys()
    if strange:
        raise InputError(
            f"'{folder}' holds the face of {min(strange)!r}, which is not in '{faces.path}' ({len(strange)} such); "
            "give another folder"
        )
    written = {"": True, NO_FACE: missing == "keep"}
    whole = {n for n, row in rows.items() if not written.get(row["problem"]) or (folder / targets[n]).is_file()}
    digests = {name: faces.digest(i) for i, name in enumerate(faces.names) if name in whole}
    return {name: row for name, row in rows.items() if digests.get(name) == row["sha256"]}


def _read_table(path: Path) -> dict[str, dict]:
    """Whole rows by name; a last one that was cut short is left out."""
    if not path.exists():
        return {}
    with _open_table(path, "r") as stream:
        text = stream.read()
    rows = csv.DictReader(io.StringIO(text[: text.rfind("\n") + 1], newline=""))
    return {composed(row["name"]): row | {"name": composed(row["name"])} for row in rows if None not in row.values()}


def _write_table(path: Path, rows: Iterable[dict]) -> None:
    with atomic_path(path) as temporary, _open_table(temporary, "w") as stream:
        writer = csv.DictWriter(stream, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)


def _open_table(path: Path, mode: str) -> TextIO:
    # Names of files need not be text in any encoding.
    return open(path, mode, newline="", encoding="utf-8", errors="surrogateescape")


def _finish(folder: Path, faces: FaceSet, table: list[dict], on_bad_image: str) -> Aligned:
    """Write both tables in the set's order, keep identities, count, and tell of what can't be decoded."""
    lacking, bad = _failed(table)
    _write_table(folder / TABLE_FILE, table)
    _write_table(folder / NOT_FOUND_FILE, lacking)
    keep_labels(folder, faces.labels is not None)
    if bad and on_bad_image == "stop":
        raise bad_image_error(faces.path, bad)
    return Aligned(folder, len(table) - len(lacking) - len(bad), len(lacking), len(bad))


def _failed(table: list[dict]) -> tuple[list[dict], list[tuple[str, str]]]:
    """Rows of photographs without a face, and (name, problem) of unreadable ones."""
    lacking = [row for row in table if row["problem"] == NO_FACE]
    return lacking, [(row["name"], row["problem"]) for row in table if row["problem"] not in ("", NO_FACE)]


def what_was_aligned(folder: str | Path) -> Aligned | None:
    """What became of the photographs that `align_faces` wrote a folder from; None of any other set."""
    path = Path(folder) / TABLE_FILE
    if not path.is_file():
        return None
    with _open_table(path, "r") as stream:
        reader = csv.DictReader(stream)
        table = list(reader)
    if reader.fieldnames is None or not {"name", "problem"} <= set(reader.fieldnames):
        return None
    lacking, bad = _failed(table)
    return Aligned(Path(folder), len(table) - len(lacking) - len(bad), len(lacking), len(bad))
