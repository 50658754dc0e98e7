"""A table of annotations is whole or absent, reads anywhere, and is one table however it was made."""

import json

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from several_processes import run_apart
from tiny_faces import NAMES, random_set, tiny_classifier, tiny_embedder

from sface_lib.attributes import annotate as module
from sface_lib.attributes import annotate_faces, annotate_set, open_classifier, read_annotations
from sface_lib.data import FaceSet, open_faces
from sface_lib.engine import make_accelerator
from sface_lib.errors import InputError
from sface_lib.recognition import Embedder

COLUMNS = ["name", "identity", *(name + end for name in NAMES for end in ("", "_probability", "_confidence"))]


@pytest.fixture(scope="module")
def faces(tmp_path_factory) -> FaceSet:
    return random_set(tmp_path_factory.mktemp("faces") / "set.zip", 30, 6)


def made(faces, path, **options):
    """Thirty images are four blocks, the last of six."""
    options = {"classifier": tiny_classifier(), "block_images": 8} | options
    return annotate_set(options.pop("classifier"), faces, path, accelerator=make_accelerator("float32"), **options)


def in_memory(faces, **options):
    return annotate_faces(tiny_classifier(), faces, Embedder(make_accelerator("float32")), block_images=8, **options)


def stop_after(monkeypatch, name: str, calls: int) -> None:
    """Make a function of the module fail, as a kill would, after so many calls."""
    function, left = getattr(module, name), iter(range(calls))

    def failing(*arguments, **more):
        if next(left, None) is None:
            raise KeyboardInterrupt
        return function(*arguments, **more)

    monkeypatch.setattr(module, name, failing)


# The table


def test_a_row_an_image_with_the_columns_that_are_documented(tmp_path, faces):
    path = made(faces, tmp_path / "table.parquet")
    table = pd.read_parquet(path)
    assert table.columns.tolist() == COLUMNS and table["name"].tolist() == list(faces.names)
    assert table["identity"].tolist() == [faces.identities[label] for label in faces.labels]
    for name in NAMES:
        assert table[name].dtype == np.int8 and set(table[name]) <= {-1, 1}
        for what in ("probability", "confidence"):
            column = table[f"{name}_{what}"]
            assert column.dtype == np.float32 and column.between(-1, 1).all() and column.nunique() > 1
    types = {str(field.type) for field in pq.read_schema(path) if field.name in ("name", "identity")}
    assert types == {"string"} and not list(tmp_path.glob("*.parts"))


def test_duckdb_reads_it(tmp_path, faces):
    path = made(faces, tmp_path / "table.parquet")
    query = f"select identity, sum(Smiling = 1)::int, avg(Male_probability) from '{path}' group by identity order by 1"
    found = in_memory(faces)
    for row, (identity, smiling, male) in enumerate(duckdb.sql(query).fetchall()):
        own = faces.labels == row
        assert identity == faces.identities[row] and smiling == (found.label[own, NAMES.index("Smiling")] == 1).sum()
        assert male == pytest.approx(found.probability[own, 0].mean(), rel=1e-6)  # Sums in another order.
    types = dict(duckdb.sql(f"select column_name, column_type from (describe select * from '{path}')").fetchall())
    assert [types[n] for n in ("name", "identity", "Bald", "Bald_probability", "Bald_confidence")] == [
        *("VARCHAR", "VARCHAR", "TINYINT", "FLOAT", "FLOAT")
    ]


@pytest.mark.parametrize("options", [{}, {"seed": 7, "passes": 3}])
def test_a_table_says_what_annotating_in_memory_does(tmp_path, faces, options):
    table = pd.read_parquet(made(faces, tmp_path / "table.parquet", **options))
    found = in_memory(faces, **options)
    np.testing.assert_array_equal(table[list(NAMES)], found.label)
    for what, expected in (("probability", found.probability), ("confidence", found.confidence)):
        columns = table[[f"{name}_{what}" for name in NAMES]]
        np.testing.assert_allclose(columns, expected, atol=1e-6)  # In batches of 8 images, and of 16.


def test_its_metadata_says_what_made_it_and_how_reliable_each_attribute_is(tmp_path, faces):
    classifier = tiny_classifier()
    path = made(faces, tmp_path / "table.parquet", classifier=classifier, seed=7, passes=3)
    noted = json.loads(pq.read_schema(path).metadata[b"sface"])
    assert noted["reliability"] == classifier.description["reliability"]
    assert (noted["classifier"], noted["faces"]) == (classifier.fingerprint, faces.fingerprint)
    assert (noted["seed"], noted["passes"], noted["block_images"]) == (7, 3, 8)


def test_an_unlabelled_set_has_no_identities(tmp_path):
    path = made(random_set(tmp_path / "set.zip", 10), tmp_path / "table.parquet")
    assert pd.read_parquet(path)["identity"].isna().all()
    assert pq.read_schema(path).field("identity").type == pa.string()


def test_a_table_is_read_back_as_annotations_of_its_set(tmp_path, faces):
    table = read_annotations(made(faces, tmp_path / "table.parquet"))
    assert table.names == tuple(n for n in table.names if n in NAMES) and set(table.names) == set(NAMES)
    positions, values = table.of(faces)
    np.testing.assert_array_equal(positions, np.arange(30))
    found = in_memory(faces)
    np.testing.assert_array_equal(values, found.label[:, [NAMES.index(n) for n in table.names]])


def test_what_a_block_draws_is_its_own(tmp_path, faces):
    """A set of its first two blocks is the start of the whole one; the same image at another place draws otherwise."""
    whole = pd.read_parquet(made(faces, tmp_path / "whole.parquet"))
    start = pd.read_parquet(made(faces.subset(np.arange(16)), tmp_path / "start.parquet"))
    # A batch of another size may sum in another order.
    np.testing.assert_allclose(start[COLUMNS[3:5]], whole[COLUMNS[3:5]][:16], atol=1e-6)
    same = np.repeat(faces.load([4]).numpy(), 16, 0)
    found = module.annotate_images(tiny_classifier(), same, make_accelerator("float32"), block_images=8)
    np.testing.assert_allclose(found.probability, found.probability[:1].repeat(16, 0), atol=1e-6)
    assert len(np.unique(found.confidence.round(5), axis=0)) == 16


# Stopped and gone on with


@pytest.mark.parametrize(
    ("name", "calls", "parts"), [("_annotate_block", 2, 2), ("_table", 3, 3), ("_joined_parts", 0, 4)]
)
def test_a_run_that_was_stopped_goes_on_to_the_very_same_bytes(tmp_path, faces, monkeypatch, name, calls, parts):
    whole = made(faces, tmp_path / "whole.parquet").read_bytes()
    out = tmp_path / "stopped.parquet"
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        if name == "_joined_parts":  # All blocks are done, and the table is being written.
            patch.setattr(module.pq, "ParquetWriter", lambda *a, **k: (_ for _ in ()).throw(KeyboardInterrupt))
        else:
            stop_after(patch, name, calls)
        made(faces, out)
    assert not out.exists() and len(list((tmp_path / "stopped.parquet.parts").glob("0*.parquet"))) == parts
    with monkeypatch.context() as patch:
        stop_after(patch, "_annotate_block", 4 - parts)  # What is there is not made again.
        made(faces, out)
    assert out.read_bytes() == whole
    assert sorted(path.name for path in tmp_path.iterdir()) == ["stopped.parquet", "whole.parquet"]


def test_what_a_killed_process_left_half_written_is_no_part_of_the_table(tmp_path, faces, monkeypatch):
    whole = made(faces, tmp_path / "whole.parquet").read_bytes()
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        stop_after(patch, "_annotate_block", 2)
        made(faces, tmp_path / "stopped.parquet")
    (tmp_path / "stopped.parquet.parts" / ".0000002-abc.parquet").write_bytes(b"half a block")
    assert made(faces, tmp_path / "stopped.parquet").read_bytes() == whole


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 1},
        {"passes": 5},
        {"block_images": 16},
        {"classifier": tiny_classifier(tiny_embedder(9))},
        {"classifier": "other thresholds"},
    ],
)
def test_parts_of_another_recipe_are_not_mixed_in(tmp_path, faces, monkeypatch, change):
    out = tmp_path / "table.parquet"
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        stop_after(patch, "_annotate_block", 2)
        made(faces, out)
    if change.get("classifier") == "other thresholds":
        change = {"classifier": tiny_classifier()}
        change["classifier"].thresholds += 0.1
    with pytest.raises(InputError, match=r"table.parquet.parts' holds a set made with .* give another folder"):
        made(faces, out, **change)
    with pytest.raises(InputError, match="give another folder"):
        made(faces.subset(np.arange(29)), out)
    made(faces, out)


# Refusals


def test_places_and_numbers_that_cannot_be_are_refused_before_anything_is_done(tmp_path, faces):
    (tmp_path / "there.parquet").write_bytes(b"mine")
    for name, options, message in (
        ("there.parquet", {}, "there.parquet' exists already; remove it or give another path"),
        ("table.csv", {}, "table.csv' does not end in .parquet; give a file such as annotations.parquet"),
        ("table", {}, "does not end in .parquet"),
        ("table.parquet", {"passes": 0}, "at least 1 pass"),
    ):
        with pytest.raises(InputError, match=message):
            made(faces, tmp_path / name, **options)
    assert [path.name for path in tmp_path.iterdir()] == ["there.parquet"]
    assert (tmp_path / "there.parquet").read_bytes() == b"mine"


def test_a_folder_of_other_files_is_not_taken_for_parts(tmp_path, faces):
    (tmp_path / "table.parquet.parts").mkdir()
    (tmp_path / "table.parquet.parts" / "mine.txt").write_text("mine")
    with pytest.raises(InputError, match="holds other files"):
        made(faces, tmp_path / "table.parquet")
    assert (tmp_path / "table.parquet.parts" / "mine.txt").read_text() == "mine"


# Several processes

PROGRAM = """
import os, sys
from pathlib import Path
from sface_lib.attributes import annotate, open_classifier
from sface_lib.data import open_faces
from sface_lib.engine import make_accelerator
from several_processes import become
become(2)
folder, rank = Path(sys.argv[1]), os.environ["RANK"]
faces, accelerator = open_faces(folder / "set.zip"), make_accelerator("float32")
assert (accelerator.num_processes, accelerator.process_index) == (2, int(rank))
block, done = annotate._annotate_block, []
annotate._annotate_block = lambda *given: (done.append(given[3]), block(*given))[1]
classifier = open_classifier(folder / "mac.safetensors")
annotate.annotate_set(classifier, faces, folder / "two.parquet", accelerator, block_images=8)
(folder / f"blocks-{rank}.txt").write_text(" ".join(map(str, done)))
"""


@pytest.mark.processes
def test_two_processes_give_the_table_of_one(tmp_path):
    random_set(tmp_path / "set.zip", 30, 6)
    classifier = open_classifier(tiny_classifier().save(tmp_path / "mac.safetensors"))
    made(open_faces(tmp_path / "set.zip"), tmp_path / "one.parquet", classifier=classifier)
    run_apart(PROGRAM, tmp_path, tmp_path)
    # Four blocks, and each is one process's work.
    assert [(tmp_path / f"blocks-{rank}.txt").read_text() for rank in (0, 1)] == ["0 2", "1 3"]
    one, two = (pd.read_parquet(tmp_path / f"{name}.parquet") for name in ("one", "two"))
    # Processes have one thread each, so sums may take another order.
    pd.testing.assert_frame_equal(two, one, check_exact=False, rtol=0, atol=1e-5)
    assert not (tmp_path / "two.parquet.parts").exists()
    schemas = [pq.read_schema(tmp_path / f"{name}.parquet") for name in ("one", "two")]
    assert schemas[0].equals(schemas[1], check_metadata=True)
