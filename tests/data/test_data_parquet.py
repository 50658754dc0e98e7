"""Parquet reads as Hugging Face and pandas write it: labels, names and order; what is written reads there and here."""

import json
import pickle

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from opened_sets import refused
from torch.utils.data import DataLoader

from sface_lib.data import convert_set, open_faces, parquetsource, write_encoded
from sface_lib.errors import BadImageError, FacesError, InputError

STRUCT = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


@pytest.fixture
def files(make):
    """Six JPEG files that all differ."""
    return [make.encode(make.pixels_of(seed), "JPEG", quality=95) for seed in range(6)]


def put(path, files, paths=None, metadata=None, group=100, page=1024, **columns):
    """A table as `datasets` writes it; other columns are given as lists or arrays."""
    images = [{"bytes": data, "path": None if paths is None else paths[i]} for i, data in enumerate(files)]
    arrays = {"image": pa.array(images, STRUCT)} | {name: pa.array(values) for name, values in columns.items()}
    table = pa.table(arrays).replace_schema_metadata(metadata)
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path, row_group_size=group, write_batch_size=page)  # At least so many rows a page.
    return path


def class_names(*names):
    label = {"names": list(names), "_type": "ClassLabel"}
    return {"huggingface": json.dumps({"info": {"features": {"image": {"_type": "Image"}, "label": label}}})}


def contents(faces):
    return {name: faces.encoded(i) for i, name in enumerate(faces.names)}


# ---- reading -----------------------------------------------------------------------------------------------------


def test_numbered_classes_have_the_names_of_the_metadata(tmp_path, files):
    path = put(
        tmp_path / "a.parquet", files, metadata=class_names("Zoë", "Ann", "nobody", "Bo"), label=[3, 0, 3, 1, 0, 0]
    )
    faces = open_faces(path)
    assert (faces.kind, faces.path) == ("parquet", path)
    assert faces.identities == ("Zoë", "Ann", "Bo")  # In the order of their numbers; a class without images is none.
    assert [faces.identities[label] for label in faces.labels] == ["Ann", "Bo", "Bo", "Zoë", "Zoë", "Zoë"]
    assert faces.labels.dtype == np.int64
    assert list(contents(faces).values()) == [files[i] for i in (3, 0, 2, 1, 4, 5)]
    assert faces.names[:2] == ("Ann/00000003.jpg", "Bo/00000000.jpg")


def test_numbers_without_names_are_padded_and_sort_as_numbers(tmp_path, files):
    faces = open_faces(put(tmp_path / "a.parquet", files, label=[10, 2, 10, 2, 7, 7]))
    assert faces.identities == ("0000002", "0000007", "0000010")
    assert faces.labels.tolist() == [0, 0, 1, 1, 2, 2]
    assert faces.names[0] == "0000002/00000001.jpg"


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.dictionary(pa.int32(), pa.string())])
@pytest.mark.parametrize("column", ["label", "identity"])
def test_names_are_identities_as_they_stand(tmp_path, files, kind, column):
    names = pa.array(["Bo", "Ann Lee", "Bo", "10", "9", "Bo"]).cast(kind)
    faces = open_faces(put(tmp_path / "a.parquet", files, **{column: names}))
    assert faces.identities == ("10", "9", "Ann Lee", "Bo")
    assert faces.labels.tolist() == [0, 1, 2, 3, 3, 3]


def test_a_column_identity_counts_more_than_one_called_label(tmp_path, files):
    faces = open_faces(put(tmp_path / "a.parquet", files, label=[0, 1] * 3, identity=[5, 5, 5, 8, 8, 8]))
    assert faces.identities == ("0000005", "0000008")
    named = open_faces(put(tmp_path / "b.parquet", files, label=[0, 1] * 3, identity=["b", "b", "b", "a", "a", "a"]))
    assert named.identities == ("a", "b")


def test_numbers_and_names_that_agree_keep_the_order_of_the_numbers(tmp_path, files):
    faces = open_faces(put(tmp_path / "a.parquet", files, label=[0, 0, 0, 1, 1, 1], identity=list("bbbaaa")))
    assert faces.identities == ("b", "a")


def test_whole_floats_as_pandas_makes_them_are_labels(tmp_path, files):
    assert open_faces(put(tmp_path / "a.parquet", files, label=[0.0, 1.0] * 3)).labels.tolist() == [0, 0, 0, 1, 1, 1]


@pytest.mark.parametrize("columns", [{}, {"label": pa.nulls(6)}, {"label": pa.nulls(6, pa.int64())}, {"age": [1] * 6}])
def test_without_labels_the_set_is_unlabelled(tmp_path, files, columns):
    faces = open_faces(put(tmp_path / "a.parquet", files, **columns))
    assert faces.labels is None and faces.identities == ()
    assert faces.names == tuple(f"{i:08d}.jpg" for i in range(6))
    assert list(contents(faces).values()) == files


@pytest.mark.parametrize("kind", [pa.binary(), pa.large_binary()])
def test_a_plain_binary_column_is_read(tmp_path, files, kind):
    pq.write_table(pa.table({"image": pa.array(files, kind), "label": [1, 0] * 3}), tmp_path / "a.parquet")
    faces = open_faces(tmp_path / "a.parquet")
    assert list(contents(faces).values()) == [files[i] for i in (1, 3, 5, 0, 2, 4)]


def test_what_pandas_writes_is_read(tmp_path, files):
    frame = pd.DataFrame({"image": [{"bytes": data, "path": f"{i}.jpg"} for i, data in enumerate(files)], "label": 0})
    frame.to_parquet(tmp_path / "a.parquet")
    assert open_faces(tmp_path / "a.parquet").names[1] == "0000000/1.jpg"


@pytest.mark.parametrize(
    ("paths", "first"),
    [
        (["Ann/2.jpg", "Ann/1.jpg", "Ann Lee/1.jpg", "b/0.jpg", "c/0.jpg", "d/0.jpg"], "Ann/1.jpg"),
        (["f.jpg", "e.jpg", "d.jpg", "c.jpg", "b.jpg", "a.jpg"], "a/a.jpg"),
        ([f"/home/me/x/{i}.jpg" for i in range(6)], "a/4.jpg"),
        ([f"../x/{i}.jpg" for i in range(6)], "a/4.jpg"),
        ([f"C:\\faces\\{i}.jpg" for i in range(6)], "a/4.jpg"),
        (["0.jpg"] * 5 + [None], "a/00000004.jpg"),
        (["x/0.jpg"] * 6, "a/00000004.jpg"),
    ],
    ids=["with folders", "without", "absolute", "outside", "of Windows", "missing", "twice"],
)
def test_images_are_named_by_their_paths_where_those_are_names(tmp_path, files, paths, first):
    faces = open_faces(put(tmp_path / "a.parquet", files, paths, label=["c", "c", "b", "b", "a", "a"]))
    assert faces.names[0] == first
    assert list(faces.names) == sorted(faces.names, key=lambda name: name.split("/"))
    assert len(set(faces.names)) == 6


@pytest.mark.parametrize("below", ["", "data"])
def test_shards_of_a_folder_are_one_set(tmp_path, files, below):
    for i in range(3):
        name = f"train-{i:05d}-of-00003.parquet"
        put(tmp_path / "repo" / below / name, files[2 * i : 2 * i + 2], metadata=class_names("a", "b"), label=[0, 1])
    (tmp_path / "repo" / "README.md").write_text("faces")
    faces = open_faces(tmp_path / "repo")
    assert list(contents(faces).values()) == [files[i] for i in (0, 2, 4, 1, 3, 5)]
    pattern = tmp_path / "repo" / below / "train-{00000..00001}-of-00003.parquet"
    assert list(contents(open_faces(pattern)).values()) == [files[i] for i in (0, 2, 1, 3)]


def test_a_table_is_known_by_its_content(tmp_path, files):
    assert open_faces(put(tmp_path / "packed.dat", files)).kind == "parquet"


def test_labels_beside_identity_folders_are_no_set(folder):
    pd.DataFrame({"image": []}).drop(columns="image").assign(pose=[]).to_parquet(folder / "labels.parquet")
    assert open_faces(folder).kind == "folder"


@pytest.mark.parametrize("group", [7, 1000, 2500, 10_000])
def test_any_order_of_reading_gives_the_same_images(tmp_path, group):
    """2,500 images in row groups of all sizes, read in order, backwards and at random, with little memory."""
    data = [b"\xff\xd8\xff" + bytes([i % 251]) * (i % 300) + str(i).encode() for i in range(2500)]
    path = put(tmp_path / "a.parquet", data, group=group)
    source = parquetsource.ParquetSource(path, [path], block_rows=100, cache_bytes=20_000)
    some = np.random.default_rng(0).permutation(2500)[:200].tolist()
    for order in (range(2500), range(2499, -1, -97), some):
        assert all(source.read(source.members[i]) == data[i] for i in order)
    assert source._cached_bytes <= 20_000 + 100 * 320
    assert source._cached_bytes == sum(block.nbytes for block in source._cache.values())


def test_images_in_order_are_decoded_once(tmp_path, files, monkeypatch):
    decoded = []
    blocks = parquetsource.ParquetSource._blocks

    def counted(self, group):
        for block in blocks(self, group):
            decoded.append(len(block))
            yield block

    path = put(tmp_path / "a.parquet", files)
    source = parquetsource.ParquetSource(path, [path], block_rows=2)
    source._forget()
    monkeypatch.setattr(parquetsource.ParquetSource, "_blocks", counted)
    assert [source.read(member) for member in source.members] == files
    assert decoded == [2, 2, 2]


def test_opening_decodes_the_first_images_only(tmp_path, make):
    """A set of 16 MB in one row group is opened by reading its labels and the beginning of its images."""
    images = [make.encode(make.pixels_of(0), "JPEG") + bytes([i]) * 1_000_000 for i in range(16)]
    path = put(tmp_path / "a.parquet", images, label=[0] * 16, page=1)
    before = pa.total_allocated_bytes()
    source = parquetsource.ParquetSource(path, [path], block_rows=2)
    assert pa.total_allocated_bytes() - before < 8_000_000  # Two images, and what Arrow reads ahead.
    assert source.read(source.members[15]) == images[15]


def test_a_set_survives_pickling_and_worker_processes(tmp_path, files):
    faces = open_faces(put(tmp_path / "a.parquet", files, group=2, label=[0, 1] * 3))
    faces[0]  # A file is open before the fork.
    assert torch.equal(pickle.loads(pickle.dumps(faces)).load(), faces.load())
    batches = list(DataLoader(faces, batch_size=2, num_workers=2, multiprocessing_context="fork"))
    assert torch.equal(torch.cat([images for images, _ in batches]), faces.load())
    assert len(pickle.dumps(faces)) < 5000  # Images that were read are not sent along.


def test_a_forked_process_opens_a_file_of_its_own(tmp_path, files, monkeypatch):
    source = open_faces(put(tmp_path / "a.parquet", files))._source
    handle = source._file(0)
    assert source._file(0) is handle
    monkeypatch.setattr("os.getpid", lambda: -1)
    assert source._file(0) is not handle


# ---- bad inputs --------------------------------------------------------------------------------------------------


def test_a_table_without_images_is_refused_and_its_columns_are_named(tmp_path):
    pq.write_table(pa.table({"img": [b"x"], "label": [0]}), tmp_path / "a.parquet")
    for path in (tmp_path / "a.parquet", tmp_path):
        refused(path, r"a\.parquet' has no column 'image' but 'img', 'label'; name the column of image files so")


@pytest.mark.parametrize("values", [["a.jpg"], [3], [[b"x"]]])
def test_images_of_another_type_are_refused(tmp_path, values):
    pq.write_table(pa.table({"image": values}), tmp_path / "a.parquet")
    refused(tmp_path / "a.parquet", "column 'image' of type .* but it must hold image files")


def test_paths_instead_of_images_are_refused(tmp_path):
    refused(put(tmp_path / "a.parquet", [None, None], ["a.jpg", "b.jpg"]), "holds no bytes of images.*embedded")


@pytest.mark.parametrize("keep", [0.99, 0.5, 0.01, 0])
def test_a_shard_that_was_cut_is_refused_by_name(tmp_path, files, keep):
    put(tmp_path / "train-00000-of-00002.parquet", files[:3], label=[0, 1, 1])
    path = put(tmp_path / "train-00001-of-00002.parquet", files[3:], label=[0, 1, 1])
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * keep)])
    for given in (path, tmp_path):
        refused(given, r"train-00001-of-00002\.parquet' cannot be read as parquet, .*; copy or download it again")


def test_a_shard_that_is_missing_is_refused(tmp_path, files):
    for i in (0, 2):
        put(tmp_path / f"train-{i:05d}-of-00003.parquet", files)
    refused(tmp_path, r"holds 2 of the 3 shards train-\*-of-00003 and lacks number 1; get the others")
    refused(tmp_path / "train-{00000..00002}-of-00003.parquet", "names 3 shards, of which '.*00001.*' does not exist")


def test_several_splits_are_refused(tmp_path, files):
    put(tmp_path / "train-00000-of-00001.parquet", files)
    put(tmp_path / "test-00000-of-00001.parquet", files)
    refused(tmp_path, r"holds several sets \(test, train\); give the path of one file, or a pattern")


def test_shards_with_other_classes_are_refused(tmp_path, files):
    put(tmp_path / "a.parquet", files, metadata=class_names("a", "b"), label=[0] * 6)
    put(tmp_path / "b.parquet", files, metadata=class_names("b", "a"), label=[0] * 6)
    refused(tmp_path, r"b\.parquet' and 'a\.parquet' differ in columns or class names")


def test_an_image_without_a_label_is_refused_by_its_row(tmp_path, files):
    put(tmp_path / "a.parquet", files, label=[0, 0, 0, 1, 1, 1])
    put(tmp_path / "b.parquet", files, ["Ann Lee.jpg"] * 6, label=[0, 0, None, 1, None, 1])
    with pytest.raises(FacesError, match=r"row 2 of '.*b\.parquet' has no label.*\(2 of 12 in all lack it\)") as caught:
        open_faces(tmp_path)
    assert "Ann" not in str(caught.value)  # Nobody could withhold names of a set that doesn't open.


@pytest.mark.parametrize(("label", "shown"), [(-1, "-1"), (0.5, "0.5"), (float("inf"), "inf"), (-2.0, "-2.0")])
def test_labels_that_are_no_classes_are_refused(tmp_path, files, label, shown):
    path = put(tmp_path / "a.parquet", files[:2], label=[type(label)(0), label])
    refused(path, rf"row 1 of '.*a\.parquet' has the label {shown}, but labels must be whole numbers from 0, or names")


@pytest.mark.parametrize("labels", [[True, False], [[0], [1]], [b"a", b"b"]])
def test_label_columns_of_another_type_are_refused(tmp_path, files, labels):
    refused(
        put(tmp_path / "a.parquet", files[:2], label=labels), "column 'label' of type .* one whole number or one name"
    )


def test_a_label_beyond_the_class_names_is_refused(tmp_path, files):
    path = put(tmp_path / "a.parquet", files, metadata=class_names("a", "b"), label=[0, 1, 2, 0, 0, 0])
    refused(path, "holds the label 2, but its metadata name 2 classes")


@pytest.mark.parametrize("metadata", ["{", "[]", '{"info": 3}'])
def test_metadata_that_are_none_are_refused(tmp_path, files, metadata):
    path = put(tmp_path / "a.parquet", files, metadata={"huggingface": metadata}, label=[0] * 6)
    refused(path, "holds metadata of Hugging Face that are no valid JSON of features")


def test_a_table_without_rows_is_refused(tmp_path):
    refused(put(tmp_path / "a.parquet", [], label=pa.array([], pa.int64())), "holds no images")


def test_an_image_that_is_none_is_listed_and_nothing_else(tmp_path, files):
    faces = open_faces(put(tmp_path / "a.parquet", [*files[:2], None, b"no image"], label=[0] * 4), "skip")
    reasons = dict(faces.inspect().bad)
    assert reasons.keys() == {"0000000/00000002.jpg", "0000000/00000003.jpg"}
    assert reasons["0000000/00000002.jpg"] == "the row holds no image"


def test_damage_within_a_row_group_makes_bad_images(tmp_path, files):
    path = put(tmp_path / "a.parquet", [files[0] + bytes(3_000_000), files[1] + bytes(3_000_000)], group=1)
    source = open_faces(path)
    data = bytearray(path.read_bytes())
    place = len(data) // 2
    data[place : place + len(data) // 3] = b"\xff" * (len(data) // 3)
    path.write_bytes(data)
    with pytest.raises(BadImageError, match="the row group cannot be read"):
        source.encoded(1)


# ---- writing -----------------------------------------------------------------------------------------------------


def test_a_written_table_is_what_hugging_face_writes(tmp_path, files):
    path = write_encoded(
        tmp_path / "a.parquet", files, [1, 0, 1, 0, 0, 0], ["Zoë", "Ann"], [f"{i}.jpg" for i in range(6)]
    )
    table = pq.read_table(path)
    assert table.schema.remove_metadata() == pa.schema([("image", STRUCT), ("label", pa.int64())])
    features = json.loads(table.schema.metadata[b"huggingface"])["info"]["features"]
    assert features == {"image": {"_type": "Image"}, "label": {"names": ["Zoë", "Ann"], "_type": "ClassLabel"}}
    assert table["image"].to_pylist() == [{"bytes": data, "path": f"{i}.jpg"} for i, data in enumerate(files)]
    assert table["label"].to_pylist() == [1, 0, 1, 0, 0, 0]


def test_row_groups_are_small(tmp_path, make):
    path = write_encoded(tmp_path / "a.parquet", [make.encode(make.pixels_of(0))] * 600, [0] * 600)
    metadata = pq.ParquetFile(path).metadata
    assert [metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)] == [256, 256, 88]


def test_an_unlabelled_table_has_no_column_of_labels(tmp_path, files):
    path = write_encoded(tmp_path / "a.parquet", files)
    assert pq.read_schema(path).names == ["image"]
    assert open_faces(path).labels is None


def test_a_folder_comes_back_with_its_fingerprint(folder, tmp_path):
    (path,) = convert_set(folder, tmp_path / "a.parquet")
    (back,) = convert_set(path, tmp_path / "back")
    faces = open_faces(folder)
    for each in (path, back):
        assert open_faces(each).fingerprint == faces.fingerprint
        assert open_faces(each).identities == faces.identities


def test_a_zip_keeps_labels_names_and_the_order_of_its_identities(tmp_path, files):
    source = write_encoded(tmp_path / "a.zip", files, [2, 0, 1, 2, 0, 1], ["Zoë", "Ann", "Bo"])
    (path,) = convert_set(source, tmp_path / "a.parquet")
    (back,) = convert_set(path, tmp_path / "b.zip")
    assert open_faces(back).fingerprint == open_faces(path).fingerprint == open_faces(source).fingerprint
    assert open_faces(back).identities == ("Zoë", "Ann", "Bo")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (([], []), "no image is given to write"),
        (([b"no image"], [0]), "image 0 cannot be decoded"),
        ((None, [0] * 6, None, ["a.jpg"] * 6), "names hold 'a.jpg' twice"),
    ],
)
def test_input_that_is_not_as_described_is_refused_and_leaves_nothing(tmp_path, files, given, words):
    with pytest.raises(InputError, match=words):
        write_encoded(tmp_path / "a.parquet", *(files if given[0] is None else given[0], *given[1:]))
    assert list(tmp_path.iterdir()) == []


def test_a_table_of_numbers_beside_identity_folders_is_left_aside(tmp_path, make):
    """Such as the ground truth of rendered sets, whose column `image` is the number of an image."""
    for name in ("Ann", "Ben"):
        (tmp_path / "set" / name).mkdir(parents=True)
        (tmp_path / "set" / name / "0.png").write_bytes(make.encode(make.pixels_of(1), "PNG"))
    pq.write_table(pa.table({"name": ["Ann/0.png"], "image": [0]}), tmp_path / "set" / "labels.parquet")
    faces = open_faces(tmp_path / "set")
    assert (faces.kind, faces.identities) == ("folder", ("Ann", "Ben"))
