"""A set of faces in parquet, as Hugging Face hands data sets round: a row an image, in one file or in shards.

The column `image` holds the encoded file: a struct of `bytes` and `path`, or the bytes alone. A column `label` or
`identity` tells whom it shows, by a whole number or a name; the names of numbered classes stand in the schema's
metadata under "huggingface", as the feature ClassLabel.
"""

import contextlib
import json
import os
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from sface_lib.data.catalogue import Catalogue, Told, place_of, tell
from sface_lib.data.decode import image_suffixes
from sface_lib.data.recordio import damage
from sface_lib.data.shards import check_shards, find_shards, has_folders
from sface_lib.errors import FacesError

MAGIC = b"PAR1"
IMAGE, BYTES, PATH, LABEL, IDENTITY = "image", "bytes", "path", "label", "identity"
METADATA = b"huggingface"
BLOCK_ROWS = 1000  # Images that are decoded together, or fewer at the end of a row group.
CACHE_BYTES = 128 << 20
_AT_ONCE = 1 << 16  # Rows whose labels and paths are read together.
_BUFFER_BYTES = 1 << 20  # What is read of a file at a time, instead of a row group.


class _Columns(NamedTuple):
    """What a file's schema tells: which columns are there, and the names of its classes."""

    image: str
    path: str | None
    label: str | None
    identity: str | None
    classes: tuple[str, ...] | None

    @property
    def told(self) -> list[str]:
        return [column for column in (self.path, self.label, self.identity) if column]


class ParquetSource:
    """The images of parquet files; each process keeps one file open and the images that it read last.

    Parquet has no access to a single row: a row group is decoded from its beginning to the row, in blocks of 1,000
    images. Blocks that were read last are kept, up to 128 MiB together. Images in the order of storage are read once
    each. In another order an image costs, at worst, its row group up to its row: of images of 10 kB about 2 ms where a
    row group holds 256, 13 ms where it holds 1,000, and seconds where it is a file of 5 GB, though not the memory for
    it. The set is in the order of its names: where rows are shuffled against it and row groups are large, even reading
    all of it in order is that slow; convert such a set once, e.g. to RecordIO.
    Opening reads labels, paths and the first block of images.

    Images are named by `path`, below the folder of their identity unless the paths have folders of their own; where
    paths are missing or not unique, by the number of the row, as `<identity>/<row>.jpg`. Classes without images are no
    identities. In memory are the names and the place of each image, about 100 bytes an image.

    Raises
    ------
    FacesError
        If a file is damaged or has no images, shards differ in columns or class names, or a label is neither a name
        nor a whole number from 0, or is missing beside others.
    """

    kind = "parquet"

    def __init__(
        self,
        path: Path,
        files: Sequence[Path],
        block_rows: int = BLOCK_ROWS,
        cache_bytes: int = CACHE_BYTES,
    ):
        self.path, self._files = path, tuple(files)
        self._block_rows, self._cache_limit_bytes = block_rows, cache_bytes
        self._forget()
        self._columns = self._columns_of(0)
        told_by = f"the column {self._columns.identity or self._columns.label}"
        catalogue = Catalogue(path, told_by, self._where)
        groups, starts = [], [0]
        for number, file in enumerate(self._files):
            with _readable(file):
                self._check_columns(number)
                metadata = self._file(number).metadata
                counts = [metadata.row_group(group).num_rows for group in range(metadata.num_row_groups)]
                groups += [(number, group) for group in range(len(counts))]
                starts += counts
                for name, told in self._told(number):
                    catalogue.add(name, told)
        self._groups = np.array(groups, np.int64).reshape(-1, 2)  # File of each row group, and its number within.
        self._starts = np.cumsum(starts)  # First row of each row group, and the end.
        self.layout, self._order = catalogue.layout(self._suffix() if len(catalogue) else "")
        self.members = self.layout.members

    def read(self, member: str) -> bytes:
        """Bytes of one image file."""
        row = int(self._order[place_of(member, self.members)])
        try:
            block, place = self._block_of(row)
            data = block[place].as_py()
        except (pa.ArrowException, OSError) as error:
            self._stream = None  # Asked for again, the block is looked for from the row group's beginning.
            raise damage("the row group cannot be read") from error
        if data is None:
            raise damage("the row holds no image")
        return data

    def __getstate__(self):
        kept = ("path", "layout", "members", "_files", "_columns", "_groups", "_starts", "_order")
        kept += ("_block_rows", "_cache_limit_bytes")
        return {name: self.__dict__[name] for name in kept}

    def __setstate__(self, state: dict[str, Any]):
        self.__dict__.update(state)
        self._forget()

    def _forget(self) -> None:
        """What a process must not share, and what is not worth sending."""
        self._cache: OrderedDict[tuple[int, int], pa.Array] = OrderedDict()  # By row group and block.
        self._cached_bytes = 0
        self._opened: tuple[tuple[int, int], pq.ParquetFile] | None = None  # By process and file.
        self._stream: tuple[tuple[int, int], Iterator[pa.Array], int] | None = None  # By process and row group.

    def _file(self, number: int) -> pq.ParquetFile:
        key = os.getpid(), number
        if self._opened is None or self._opened[0] != key:
            self._opened = key, pq.ParquetFile(self._files[number], buffer_size=_BUFFER_BYTES, pre_buffer=False)
        return self._opened[1]

    def _block_of(self, row: int) -> tuple[pa.Array, int]:
        """The block of images that holds a row, and the row's place in it."""
        group = int(np.searchsorted(self._starts, row, "right")) - 1
        number, place = divmod(row - int(self._starts[group]), self._block_rows)
        block = self._cache.get((group, number))
        if block is None:
            block = self._decode(group, number)
        else:
            self._cache.move_to_end((group, number))
        return block, place

    def _decode(self, group: int, number: int) -> pa.Array:
        """Decode a row group up to a block, from where the last one ended if that lies before it."""
        key = os.getpid(), group
        if self._stream is None or self._stream[0] != key or self._stream[2] > number:
            self._stream = key, self._blocks(group), 0
        _, blocks, following = self._stream
        for passed in range(following, number + 1):
            block = next(blocks)
            self._stream = key, blocks, passed + 1
            self._keep((group, passed), block)
        return block

    def _keep(self, key: tuple[int, int], block: pa.Array) -> None:
        if key not in self._cache:
            self._cache[key] = block
            self._cached_bytes += block.nbytes
        while len(self._cache) > 1 and self._cached_bytes > self._cache_limit_bytes:
            self._cached_bytes -= self._cache.popitem(last=False)[1].nbytes

    def _blocks(self, group: int) -> Iterator[pa.Array]:
        """The image files of a row group, a block at a time."""
        file, within = self._groups[group].tolist()
        left = int(self._starts[group + 1] - self._starts[group])
        columns, rows = [self._columns.image], self._block_rows
        for batch in self._file(file).iter_batches(rows, [within], columns, use_threads=False):
            column = batch.column(0)
            if len(column) != min(rows, left):  # Arrow cuts what is larger than 2 GiB.
                raise damage("the row group cannot be read")
            left -= len(column)
            yield column.flatten()[0] if pa.types.is_struct(column.type) else column

    def _told(self, number: int) -> Iterator[tuple[str | None, Told]]:
        """Name and identity of each row of a file."""
        columns, file, known, row = self._columns, self._file(number), {}, 0
        if not columns.told:
            yield from ((None, Told()) for _ in range(file.metadata.num_rows))
            return
        for batch in file.iter_batches(_AT_ONCE, columns=columns.told, use_threads=False):
            absent = [None] * len(batch)
            paths = batch.column(IMAGE).flatten()[0].to_pylist() if columns.path else absent
            labels = batch.column(LABEL).to_pylist() if columns.label else absent
            names = batch.column(IDENTITY).to_pylist() if columns.identity else absent
            for path, pair in zip(paths, zip(labels, names, strict=True), strict=True):
                if pair not in known:
                    known[pair] = self._named(tell(*pair, f"row {row} of '{self._files[number]}'"), number)
                yield path, known[pair]
                row += 1

    def _named(self, told: Told, number: int) -> Told:
        """With the name of the class, where the schema has one."""
        classes = self._columns.classes
        if classes is None or told.label is None or self._columns.identity:
            return told
        if told.label >= len(classes):
            raise FacesError(
                f"'{self._files[number]}' holds the label {told.label}, but its metadata name {len(classes)} classes "
                "only; write it again with the names of all classes"
            )
        return Told(told.label, classes[told.label])

    def _suffix(self) -> str:
        """That of the first images; refuses a set whose images lie elsewhere."""
        with _readable(self._files[0]):
            block, _ = self._block_of(0)
        images = block.drop_null()
        if not len(images):
            raise FacesError(
                f"'{self._files[0]}' holds no bytes of images, at most paths; write it with the images embedded"
            )
        return image_suffixes(images[0].as_py())[0]

    def _columns_of(self, number: int) -> _Columns:
        with _readable(self._files[number]):
            schema = self._file(number).schema_arrow
        return _find_columns(schema, self._files[number])

    def _check_columns(self, number: int) -> None:
        if self._columns_of(number) != self._columns:
            raise FacesError(
                f"'{self._files[number]}' and '{self._files[0].name}' differ in columns or class names, but all shards "
                "of a set must agree; give the path, or a pattern, of those that do"
            )

    def _where(self, row: int) -> str:
        file = self._groups[np.searchsorted(self._starts, row, "right") - 1][0]
        first = self._starts[np.flatnonzero(self._groups[:, 0] == file)[0]]
        return f"row {row - first} of '{self._files[file]}'"


def find_tables(path: Path, pattern: Sequence[Path] | None) -> Sequence[Path] | None:
    """The parquet files with images that a path or pattern names or a folder holds; None where there are none.

    Tables without images, such as labels beside identity folders, are left aside in a folder.

    Raises
    ------
    FacesError
        If a folder's shards are of several sets or not all there.
    """
    if pattern is not None or path.is_file():
        given = pattern or [path]
        return given if _is_table(given[0]) or given[0].suffix == ".parquet" else None
    files = find_shards(path, r"\.parquet$")
    shards = [file for file in files if not _is_table(file) or _has_images(file)]
    if any(map(_is_table, shards)):
        check_shards(path, shards)
        return shards
    # Damaged ones, or tables alone: the reader says what is wrong, unless there are folders for another one.
    return files if files and not has_folders(files[0].parent) else None


def _is_table(file: Path) -> bool:
    with open(file, "rb") as stream:
        return stream.read(len(MAGIC)) == MAGIC


def _has_images(file: Path) -> bool:
    """Whether a table's column of images holds files; such as the number of an image does not."""
    with _readable(file):
        schema = pq.read_schema(file)
    if IMAGE not in schema.names:
        return False
    kind = schema.field(IMAGE).type
    return _is_binary(kind) or (pa.types.is_struct(kind) and any(_is_binary(field.type) for field in kind))


def _find_columns(schema: pa.Schema, file: Path) -> _Columns:
    names = schema.names
    if IMAGE not in names:
        raise FacesError(
            f"'{file}' has no column {IMAGE!r} but {', '.join(map(repr, names))}; name the column of image files so"
        )
    kind = schema.field(IMAGE).type
    fields = {field.name: field.type for field in kind} if pa.types.is_struct(kind) else {}
    if not _is_binary(fields.get(BYTES, kind)):
        raise FacesError(
            f"'{file}' has a column {IMAGE!r} of type {kind}, but it must hold image files: binary, or a struct of "
            f"{BYTES!r} and {PATH!r}"
        )
    columns = {name: name if _tells(schema, name, file) else None for name in (LABEL, IDENTITY)}
    path = f"{IMAGE}.{PATH}" if PATH in fields and not pa.types.is_null(fields[PATH]) else None
    return _Columns(f"{IMAGE}.{BYTES}" if fields else IMAGE, path, **columns, classes=_class_names(schema, file))


def _tells(schema: pa.Schema, name: str, file: Path) -> bool:
    """Whether a column is there and tells identities; refuses one of another type."""
    if name not in schema.names or pa.types.is_null(schema.field(name).type):
        return False
    kind = schema.field(name).type
    value = kind.value_type if pa.types.is_dictionary(kind) else kind
    if not any(fits(value) for fits in _LABEL_TYPES):
        raise FacesError(
            f"'{file}' has a column {name!r} of type {kind}, but it must hold one whole number or one name an image; "
            "rename it if it tells something else"
        )
    return True


def _class_names(schema: pa.Schema, file: Path) -> tuple[str, ...] | None:
    """Names of the classes of `label`, where Hugging Face's metadata have them."""
    try:
        features = json.loads((schema.metadata or {}).get(METADATA, b"{}"))
        names = features.get("info", {}).get("features", {}).get(LABEL, {}).get("names")
    except (ValueError, AttributeError) as error:
        raise FacesError(
            f"'{file}' holds metadata of Hugging Face that are no valid JSON of features; write it again"
        ) from error
    return tuple(map(str, names)) if isinstance(names, list) else None


def _is_binary(kind: pa.DataType) -> bool:
    return pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind)


_LABEL_TYPES = (
    pa.types.is_integer,
    pa.types.is_floating,
    pa.types.is_string,
    pa.types.is_large_string,
    pa.types.is_string_view,
)


@contextlib.contextmanager
def _readable(file: Path) -> Iterator[None]:
    """Say in one sentence that a file is damaged."""
    try:
        yield
    except (pa.ArrowException, OSError) as error:
        reason = (getattr(error, "strerror", None) or str(error)).splitlines()[0]
        raise FacesError(
            f"'{file}' cannot be read as parquet, so it is damaged or incomplete ({reason}); copy or download it again"
        ) from error
