"""LMDB reads as others write it, image files or pickles of plain data; no program is run, and damage never crashes."""

import os
import pickle
import struct
import sys

import numpy as np
import pytest
import torch
from opened_sets import contents, refused
from torch.utils.data import DataLoader

from sface_lib.data import open_faces, write_faces
from sface_lib.errors import BadImageError, FacesError

lmdb = pytest.importorskip("lmdb")


@pytest.fixture
def files(make):
    """Six JPEG files that all differ."""
    return [make.encode(make.pixels_of(seed), "JPEG", quality=95) for seed in range(6)]


def put(path, values, subdir=True):
    """An LMDB of keys and values; texts are encoded, other values than bytes are pickled."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with lmdb.open(str(path), map_size=1 << 24, subdir=subdir, lock=False) as opened, opened.begin(write=True) as to:
        for key, value in values.items():
            value = value if isinstance(value, bytes) else pickle.dumps(value, 4)
            to.put(key.encode() if isinstance(key, str) else key, value)
    return path


# ---- image files as values ---------------------------------------------------------------------------------------


def test_keys_of_identity_and_image_are_a_labelled_set(tmp_path, files):
    keys = ("Zoë/1.jpg", "Ann/2.jpg", "Ann Lee/1.jpg", "Ann/1.jpg", "Zoë/0", "Bo/0")
    path = put(tmp_path / "set", dict(zip(keys, files, strict=True)))
    for given in (path, path / "data.mdb"):
        faces = open_faces(given)
        assert (faces.kind, faces.path) == ("LMDB", given)
        assert faces.names == ("Ann/1.jpg", "Ann/2.jpg", "Ann Lee/1.jpg", "Bo/0", "Zoë/0", "Zoë/1.jpg")
        assert faces.identities == ("Ann", "Ann Lee", "Bo", "Zoë")
        assert faces.labels.tolist() == [0, 0, 1, 2, 3, 3] and faces.labels.dtype == np.int64
        assert contents(faces) == [files[i] for i in (3, 1, 2, 5, 4, 0)]


def test_a_single_file_is_known_by_its_content(tmp_path, files):
    assert len(open_faces(put(tmp_path / "packed.dat", {"a/0": files[0], "a/1": files[1]}, subdir=False))) == 2


def test_other_keys_are_an_unlabelled_set(tmp_path, files):
    faces = open_faces(put(tmp_path / "set", {f"{i:06d}": data for i, data in enumerate(files)}))
    assert faces.labels is None
    assert faces.names[0] == "000000" and contents(faces) == files


def test_keys_that_tell_of_the_set_are_no_images(tmp_path, files):
    helpers = {"__len__": 2, "__keys__": ["a/0", "a/1"], "num-samples": b"2", "length": b"2", "meta_info": b"{}"}
    faces = open_faces(put(tmp_path / "set", {"a/0": files[0], "a/1": files[1], **helpers}))
    assert faces.names == ("a/0", "a/1")


def test_labels_stand_at_keys_of_their_own(tmp_path, files):
    """As text recognition has them: image-000000001 and label-000000001."""
    values = {f"image-{i:09d}": data for i, data in enumerate(files[:3])} | {"num-samples": b"3"}
    named = put(tmp_path / "a", values | {f"label-{i:09d}": name for i, name in enumerate((b"Zo", b"Ann", b"Zo"))})
    assert open_faces(named).identities == ("Ann", "Zo")
    numbered = put(tmp_path / "b", values | {f"label-{i:09d}": name for i, name in enumerate((b"10", b"2", b"10"))})
    assert open_faces(numbered).identities == ("0000002", "0000010")
    assert contents(open_faces(numbered)) == [files[i] for i in (1, 0, 2)]


def test_an_identity_may_be_called_label(tmp_path, files):
    faces = open_faces(put(tmp_path / "set", {"label-1/0": files[0], "label-2/0": files[1], "size/0": files[2]}))
    assert len(faces) == 3


def test_keys_that_are_no_text_are_numbered(tmp_path, files):
    faces = open_faces(put(tmp_path / "set", {struct.pack(">I", 250 + i): data for i, data in enumerate(files)}))
    assert faces.names == tuple(f"{i:08d}.jpg" for i in range(6))
    assert contents(faces) == files


def test_the_same_images_through_a_folder_are_the_same_set(folder, tmp_path):
    values = {file.relative_to(folder).as_posix(): file.read_bytes() for file in folder.rglob("*.png")}
    assert open_faces(put(tmp_path / "set", values)).fingerprint == open_faces(folder).fingerprint


def test_names_and_identities_can_be_written_as_a_folder(tmp_path, files):
    faces = open_faces(put(tmp_path / "set", {f"{i:03d}": (data, i % 2) for i, data in enumerate(files)}))
    copy = open_faces(write_faces(tmp_path / "copy", faces.load(), faces.labels, faces.identities, faces.names))
    assert copy.identities == faces.identities and torch.equal(copy.load(), faces.load())


# ---- pickles as values -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize(
    "wrap",
    [
        lambda data, label: (data, label),
        lambda data, label: [label, data],
        lambda data, label: (data, label, "a/path.jpg"),
        lambda data, label: (bytearray(data), float(label)),
        lambda data, label: {"image": data, "label": label, "score": 0.3},
        lambda data, label: {"img": data, "identity": label, "label": 99},
        lambda data, label: {"pixels": data, "cls": label},
    ],
)
def test_labels_are_those_of_the_pickle(tmp_path, files, protocol, wrap):
    labels = [2, 10, 2, 0, 10, 2]
    values = {f"{i}": pickle.dumps(wrap(data, labels[i]), protocol) for i, data in enumerate(files)}
    values |= {"__len__": pickle.dumps(6), "__keys__": pickle.dumps([b"0"])}
    faces = open_faces(put(tmp_path / "set", values))
    assert faces.identities == ("0000000", "0000002", "0000010")
    assert faces.labels.tolist() == [0, 1, 1, 1, 2, 2]
    assert contents(faces) == [files[i] for i in (3, 0, 2, 5, 1, 4)]


def test_a_name_in_a_pickle_is_an_identity(tmp_path, files):
    faces = open_faces(
        put(
            tmp_path / "set", {"0": (files[0], "Zoë"), "1": ("Ann", files[1]), "2": {"image": files[2], "label": "Ann"}}
        )
    )
    assert faces.identities == ("Ann", "Zoë") and faces.names == ("Ann/1", "Ann/2", "Zoë/0")


def test_a_pickle_without_a_label_has_that_of_its_key(tmp_path, files):
    faces = open_faces(put(tmp_path / "set", {"Ann/0": [files[0]], "Bo/0": {"image": files[1]}}))
    assert faces.identities == ("Ann", "Bo")


def test_what_python_2_pickled_is_read(tmp_path, files):
    """cPickle of Python 2, protocol 2: a str is BINSTRING, (image, label) and {'image': ..., 'label': ...}."""
    text = b"T" + struct.pack("<I", len(files[0])) + files[0]
    pair = b"\x80\x02" + text + b"K\x05\x86."
    named = b"\x80\x02}(U\x05image" + text + b"U\x05labelK\x05u."
    faces = open_faces(put(tmp_path / "set", {"0": pair, "1": named}))
    assert faces.identities == ("0000005",) and contents(faces) == [files[0]] * 2


class Evil:
    def __reduce__(self):
        return os.system, (f"touch {os.environ['SFACE_TEST_EVIL']}",)


@pytest.mark.parametrize("place", ["label", "image", "beside"])
def test_a_pickle_that_asks_for_a_program_is_refused_and_not_run(tmp_path, files, monkeypatch, place):
    monkeypatch.setenv("SFACE_TEST_EVIL", str(tmp_path / "owned"))
    evil = {"label": (files[1], Evil()), "image": (Evil(), 1), "beside": {"image": files[1], "label": 1, "x": Evil()}}
    refused(
        put(tmp_path / "set", {"0": (files[0], 0), "1": evil[place]}),
        r"image 1 of '.*data\.mdb' .*asks for (posix|nt)\.system, which no file of this kind needs; it was not opened",
    )
    assert not (tmp_path / "owned").exists()


def test_arrays_are_no_plain_data(tmp_path, files):
    value = (np.frombuffer(files[0], np.uint8), 0)
    refused(put(tmp_path / "set", {"0": value}), r"asks for numpy\.?_?core.*, which no file of this kind needs")


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ((b"image", 1, 2), "image 0 of '.*' .*holds 2 values of which any could be its label; write a dict"),
        ((b"image", "a", "b"), "holds 2 values of which any could be its label"),
        ((1, "a"), "holds no bytes of an image; write a pickle"),
        ({"image": "a"}, "holds no bytes of an image"),
        (7, "holds no bytes of an image"),
        ((b"image", -1), "has the label -1, but labels must be whole numbers from 0"),
        ((b"image", 0.5), "has the label 0.5"),
        ({"image": b"x", "label": [1]}, r"has the label \[1\]"),
        (b"\x80\x04cut", "is no whole pickle of the kind expected"),
    ],
)
def test_pickles_that_hold_something_else_are_refused(tmp_path, value, words):
    refused(put(tmp_path / "set", {"0": value}), words)


def test_an_image_without_a_label_is_refused_and_not_named(tmp_path, files):
    path = put(tmp_path / "set", {"Ann_Lee_1": (files[0], None), "Bo_2": (files[1], 1)})
    with pytest.raises(FacesError, match=r"image 0 of '.*data\.mdb' \(from 0, by key\) has no label") as caught:
        open_faces(path)
    assert "Ann" not in str(caught.value)  # Nobody could withhold names of a set that doesn't open.


# ---- processes ---------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_set_survives_pickling_and_worker_processes(tmp_path, files):
    faces = open_faces(put(tmp_path / "set", {f"{i}": (data, i % 2) for i, data in enumerate(files)}))
    faces[0]  # The file is mapped before the fork.
    copy = pickle.loads(pickle.dumps(faces))  # The same process may not map it twice.
    assert torch.equal(copy.load(), faces.load())
    for context in ("fork", "spawn"):
        batches = list(DataLoader(faces, batch_size=2, num_workers=2, multiprocessing_context=context))
        assert torch.equal(torch.cat([images for images, _ in batches]), faces.load())


def test_a_file_is_mapped_once_a_process_and_let_go(tmp_path, files):
    path = put(tmp_path / "set", {"a/0": files[0]})
    one, two = open_faces(path), open_faces(path / "data.mdb")
    assert one._source._mapped is two._source._mapped
    del one, two
    lmdb.open(str(path), readonly=True, lock=False).close()


def test_reading_leaves_no_lock_behind(tmp_path, files):
    path = put(tmp_path / "set", {"a/0": files[0]})
    before = sorted(file.name for file in path.iterdir())
    open_faces(path).encoded(0)
    assert sorted(file.name for file in path.iterdir()) == before


# ---- damage ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("keep", [0.99, 0.5, 0.1])
def test_a_file_that_was_cut_is_refused(tmp_path, files, keep):
    path = put(tmp_path / "set", {f"a/{i}": files[0] + bytes(20_000) for i in range(20)})
    data = (path / "data.mdb").read_bytes()
    (path / "data.mdb").write_bytes(data[: int(len(data) * keep)])
    refused(path, r"data\.mdb' is cut short, [\d,]+ of [\d,]+ bytes; copy or download it again")


@pytest.mark.parametrize("keep", [0, 10, 200, 4096])
def test_a_file_of_its_beginning_alone_is_refused(tmp_path, files, keep):
    path = put(tmp_path / "set", {"a/0": files[0]})
    (path / "data.mdb").write_bytes((path / "data.mdb").read_bytes()[:keep])
    refused(path, r"data\.mdb' .*(damaged|cut short).* copy .*again")


def foreign(path, place, magic):
    """Both first pages with the magic number as another machine has it."""
    data = bytearray(path.read_bytes())
    for page in (0, 4096):
        data[page + 12 : page + 20] = bytes(8)
        data[page + place : page + place + 4] = magic
    path.write_bytes(data)


@pytest.mark.parametrize(("place", "order"), [(12, "<"), (12, ">"), (16, ">")])
def test_a_file_of_another_kind_of_machine_is_refused(tmp_path, files, place, order):
    if sys.byteorder != "little" or struct.calcsize("P") != 8:
        pytest.skip("the files are those of other machines than this one's kind")
    path = put(tmp_path / "set", {"a/0": files[0]})
    foreign(path / "data.mdb", place, struct.pack(f"{order}I", 0xBEEFC0DE))
    refused(path, "of a machine of another word size or byte order, .* mdb_dump there, and by mdb_load here")


def test_a_file_of_another_version_is_refused(tmp_path, files):
    path = put(tmp_path / "set", {"a/0": files[0]})
    data = bytearray((path / "data.mdb").read_bytes())
    for page in (0, 4096):
        data[page + 20 : page + 24] = struct.pack("=I", 77)
    (path / "data.mdb").write_bytes(data)
    refused(path, "cannot be read as LMDB, so it is damaged or of another version .*; copy it again, or write it")


def test_a_download_that_is_no_lmdb_is_refused(tmp_path):
    (tmp_path / "data.mdb").write_text("version https://git-lfs.github.com/spec/v1\n" * 5)
    for path in (tmp_path, tmp_path / "data.mdb"):
        refused(path, "is damaged, or no LMDB; copy or download it again")


def test_values_of_another_kind_are_refused(tmp_path):
    refused(put(tmp_path / "set", {"a": b"\x00\x01raw pixels"}), "neither image files nor pickles of plain data")


def test_a_set_without_images_is_refused(tmp_path):
    refused(put(tmp_path / "set", {"__len__": b"0"}), "holds no images")


def test_a_damaged_image_is_listed_and_nothing_else(tmp_path, files):
    values = {"a/0": b"\xff\xd8\xffno image", "a/1": files[1], "b/0": files[2][:200], "b/1": files[3]}
    faces = open_faces(put(tmp_path / "set", values), "skip")
    assert [name for name, _ in faces.inspect().bad] == ["a/0", "b/0"]


def test_an_image_that_is_gone_is_a_bad_image(tmp_path, files):
    faces = open_faces(put(tmp_path / "set", {"a/0": files[0], "a/1": files[1]}))
    faces._source._mapped = None
    with lmdb.open(str(tmp_path / "set"), lock=False) as opened, opened.begin(write=True) as to:
        to.delete(b"a/0")
    with pytest.raises(BadImageError, match="the LMDB has no such key any more"):
        faces.encoded(0)
    assert faces.encoded(1) == files[1]


def test_without_the_package_the_extra_is_named(tmp_path, files, monkeypatch):
    path = put(tmp_path / "set", {"a/0": files[0]})
    monkeypatch.setitem(sys.modules, "lmdb", None)
    refused(path, r"data\.mdb' is an LMDB, which needs the extra `lmdb`: run pip install -e '\.\[lmdb\]'")
