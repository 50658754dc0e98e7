"""Write parquet as Hugging Face reads it: columns `image` and `label`, and the names of the classes in the metadata."""

import itertools
import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from sface_lib.data.parquetsource import BYTES, IMAGE, LABEL, METADATA, PATH
from sface_lib.data.rows import Row
from sface_lib.errors import InputError
from sface_lib.files import atomic_path

GROUP_ROWS = 256  # Images of a row group: few, since one is read by decoding those before it.


def write_table(path: Path, rows: Iterable[Row], identities: Sequence[str] | None, labelled: bool) -> None:
    """Write images as they come, `GROUP_ROWS` in memory at a time.

    Parameters
    ----------
    path
        The .parquet file.
    identities
        Names of the labels, which become those of a ClassLabel; None for plain integers.
    labelled
        Whether there is a column of labels.

    Raises
    ------
    InputError
        If there is no image, or two have one name.
    """
    schema = _schema(identities, labelled)
    rows, written = iter(_distinct(rows)), 0
    with atomic_path(path) as temporary:
        # Image files are compressed already, and their smallest and largest tell nothing.
        told = [LABEL, f"{IMAGE}.{PATH}"]
        with pq.ParquetWriter(temporary, schema, compression="none", use_dictionary=False, write_statistics=told) as to:
            while group := list(itertools.islice(rows, GROUP_ROWS)):
                columns = [[{BYTES: row.data, PATH: name} for name, row in group]]
                columns += [[row.label for _, row in group]] * labelled
                to.write_table(pa.table(columns, schema), GROUP_ROWS)
                written += len(group)
        if not written:
            raise InputError(f"no image is given to write to '{path}'; give one at least")


def _schema(identities: Sequence[str] | None, labelled: bool) -> pa.Schema:
    fields = [pa.field(IMAGE, pa.struct([(BYTES, pa.binary()), (PATH, pa.string())]))]
    features: dict[str, Any] = {IMAGE: {"_type": "Image"}}
    if labelled:
        fields.append(pa.field(LABEL, pa.int64()))
        named = (
            {"names": list(identities), "_type": "ClassLabel"} if identities else {"dtype": "int64", "_type": "Value"}
        )
        features[LABEL] = named
    return pa.schema(fields, {METADATA: json.dumps({"info": {"features": features}}).encode()})


def _distinct(rows: Iterable[Row]) -> Iterator[tuple[str, Row]]:
    names = set()
    for row in rows:
        name = row.name or f"{row.index:08d}{row.suffix}"
        if name in names:
            raise InputError(f"names hold {name!r} twice (a suffix is that of the image); give each its own")
        names.add(name)
        yield name, row
