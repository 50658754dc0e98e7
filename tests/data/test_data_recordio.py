"""RecordIO reads as its published layout says, at random and in bounded memory; damage is found and named."""

import io
import pickle
import random
import struct

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from opened_sets import refused
from torch.utils.data import DataLoader

from sface_lib.data import open_faces, write_encoded, write_faces
from sface_lib.data.recordio import frame_record, read_record
from sface_lib.data.recordsource import RecordSource
from sface_lib.errors import BadImageError, FacesError, InputError

MAGIC = b"\x0a\x23\xd7\xce"  # 0xced7230a, the low byte first


# ---- the layout, written without the library ---------------------------------------------------------------------


def part(kind: int, data: bytes) -> bytes:
    return MAGIC + struct.pack("<I", kind * 2**29 + len(data)) + data + bytes((4 - len(data) % 4) % 4)


def framed(payload: bytes) -> bytes:
    """A record; wherever an aligned word is the magic number, a part ends and the word is left out."""
    pieces, start = [], 0
    for place in range(0, len(payload) - 3, 4):
        if payload[place : place + 4] == MAGIC:
            pieces.append(payload[start:place])
            start = place + 4
    pieces.append(payload[start:])
    if len(pieces) == 1:
        return part(0, pieces[0])
    first, *middle, last = pieces
    return part(1, first) + b"".join(part(2, piece) for piece in middle) + part(3, last)


def scalar(label: float, image: bytes) -> bytes:
    return struct.pack("<IfQQ", 0, label, 0, 0) + image


def vector(labels: list[float], image: bytes = b"") -> bytes:
    return struct.pack("<IfQQ", len(labels), 0, 0, 0) + struct.pack(f"<{len(labels)}f", *labels) + image


def put(path, payloads: dict[int, bytes], order=None):
    """Write a .rec and its .idx; records lie in the given order, the lines of the .idx in that of the keys."""
    offsets, data = {}, b""
    for key in order or payloads:
        offsets[key] = len(data)
        data += framed(payloads[key])
    path.write_bytes(data)
    path.with_suffix(".idx").write_text("".join(f"{key}\t{offsets[key]}\n" for key in payloads))
    return path


def with_identities(images: dict[int, list[bytes]]) -> dict[int, bytes]:
    """Payloads as InsightFace has them: images label after label, records of identities, and their range at key 0."""
    payloads, ranges = {0: b""}, []
    for label, files in images.items():
        start = len(payloads)
        payloads |= {start + i: vector([label, 1.0], file) for i, file in enumerate(files)}
        ranges.append((start, len(payloads)))
    first = len(payloads)
    payloads |= {first + i: vector([float(bound) for bound in bounds]) for i, bounds in enumerate(ranges)}
    payloads[0] = vector([float(first), float(first + len(ranges))])
    return payloads


@pytest.fixture
def files(make):
    """Six JPEG files that all differ."""
    return [make.encode(make.pixels_of(seed), "JPEG", quality=95) for seed in range(6)]


@pytest.fixture
def people(files):
    return {0: files[:3], 1: files[3:5], 2: files[5:]}


@pytest.fixture
def record(tmp_path, people):
    return put(tmp_path / "train.rec", with_identities(people))


# ---- reading -----------------------------------------------------------------------------------------------------


def test_a_folder_and_its_rec_file_are_the_set_that_was_written(record, files):
    for path in (record, record.parent):
        faces = open_faces(path)
        assert faces.kind == "RecordIO"
        assert faces.path == path
        assert [faces.encoded(i) for i in range(6)] == files
        assert faces.labels.tolist() == [0, 0, 0, 1, 1, 2]
        assert faces.labels.dtype == np.int64
        assert faces.identities == ("0000000", "0000001", "0000002")
        assert faces.names[3:5] == ("0000001/00000004.jpg", "0000001/00000005.jpg")
        assert faces.resolution == 12


def test_a_set_is_the_same_wherever_its_records_lie(record, people, tmp_path):
    payloads = with_identities(people)
    (tmp_path / "other").mkdir()
    shuffled = random.Random(0).sample(list(payloads), len(payloads))
    other = put(tmp_path / "other" / "any.rec", payloads, shuffled)
    assert open_faces(other).fingerprint == open_faces(record).fingerprint


@pytest.mark.parametrize("wrap", [scalar, lambda label, image: vector([label, 7.0, 8.0], image)])
@pytest.mark.parametrize("first_key", [0, 5])
def test_without_identity_records_every_record_is_an_image_and_its_first_label_the_class(
    tmp_path, files, wrap, first_key
):
    labels = [2, 0, 2, 1, 0, 2]
    payloads = {first_key + i: wrap(label, file) for i, (label, file) in enumerate(zip(labels, files, strict=True))}
    faces = open_faces(put(tmp_path / "a.rec", payloads))
    assert faces.labels.tolist() == [0, 0, 1, 2, 2, 2]
    assert [faces.encoded(i) for i in range(6)] == [files[i] for i in (1, 4, 3, 0, 2, 5)]


def test_two_labels_and_an_image_at_key_0_are_an_image(tmp_path, files):
    faces = open_faces(put(tmp_path / "a.rec", {0: vector([1.0, 2.0], files[0]), 1: vector([0.0, 1.0], files[1])}))
    assert faces.names == ("0000000/00000001.jpg", "0000001/00000000.jpg")


def test_labels_with_gaps_are_numbered_from_0_and_keep_their_number_as_a_name(tmp_path, files):
    faces = open_faces(put(tmp_path / "a.rec", with_identities({7: files[:2], 10_000: files[2:3]})))
    assert faces.labels.tolist() == [0, 0, 1]
    assert faces.identities == ("0000007", "0010000")


def test_an_identity_without_images_is_no_class(tmp_path, files):
    faces = open_faces(put(tmp_path / "a.rec", with_identities({0: files[:2], 1: [], 2: files[2:3]})))
    assert faces.identities == ("0000000", "0000002")
    assert faces.labels.tolist() == [0, 0, 1]


LISTED = ["anna", "bo", "anna", "cy", "bo", "anna"]


@pytest.fixture
def listed(tmp_path, files):
    """Six images of one label, as DCFace has them, and a list of their keys and identities beside."""

    def write(lines, label=0, payloads=None):
        put(tmp_path / "file.rec", payloads or {key: scalar(label, file) for key, file in enumerate(files)})
        (tmp_path / "list.txt").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        return tmp_path

    return write


@pytest.mark.parametrize("label", [0, 3])
def test_where_all_labels_are_one_identities_are_those_of_a_list_beside(listed, files, label):
    path = listed([f"{key}\t{who}\t{who}/{key}.jpg" for key, who in enumerate(LISTED)], label)
    for given_path in (path, path / "file.rec"):
        faces = open_faces(given_path)
        assert faces.identities == ("anna", "bo", "cy")
        assert faces.labels.tolist() == [0, 0, 0, 1, 1, 2]
        assert [faces.encoded(i) for i in range(6)] == [files[i] for i in (0, 2, 5, 1, 4, 3)]
        assert faces.names[3] == "bo/00000001.jpg"
    assert open_faces(path, labels="none").labels is None


def test_numbers_in_the_list_are_named_and_sorted_as_labels_are(listed):
    faces = open_faces(listed([f"{key}\t{number}\tx" for key, number in enumerate([10, 9, 10, 9, 2, 2])]))
    assert faces.identities == ("0000002", "0000009", "0000010")
    assert faces.names[0] == "0000002/00000004.jpg"


def test_names_in_the_list_that_are_equal_in_normal_form_are_one_identity(listed):
    people = ["Zoe\u0308", "Zo\u00eb", "Bo"] * 2
    assert open_faces(listed([f"{key}\t{who}" for key, who in enumerate(people)])).identities == ("Bo", "Zo\u00eb")


def test_a_list_may_name_more_records_and_stand_with_identity_records(listed, files):
    lines = [f"{key}\tp{key % 2}" for key in range(1, 40)]
    faces = open_faces(listed(lines, payloads=with_identities({0: files})))
    assert faces.identities == ("p0", "p1") and faces.labels.tolist() == [0, 0, 0, 1, 1, 1]


@pytest.mark.parametrize(
    "lines", [["0\tanna", "1\tbo"], ["a list of something else"], [], ["x\ty\tz"], [f"{k}\t" for k in range(6)]]
)
def test_a_list_that_does_not_name_every_image_tells_nothing(listed, lines):
    faces = open_faces(listed(lines))
    assert faces.identities == ("0000000",)
    with pytest.raises(InputError, match=r"two identities.*list\.txt with key, identity and path separated by tabs"):
        faces.require_classes("this")


def test_a_list_beside_records_with_labels_of_their_own_is_left_aside(listed, files):
    payloads = {key: scalar(key % 2, file) for key, file in enumerate(files)}
    lines = [f"{key}\t{who}" for key, who in enumerate(LISTED)]
    assert open_faces(listed(lines, payloads=payloads)).identities == ("0000000", "0000001")


def test_an_image_in_no_range_has_its_own_label(tmp_path, files):
    payloads = {0: vector([3.0, 4.0]), 1: scalar(4, files[0]), 2: scalar(9, files[1]), 3: vector([1.0, 2.0])}
    assert open_faces(put(tmp_path / "a.rec", payloads)).identities == ("0000004", "0000009")


def test_keys_that_float32_cannot_count_are_not_trusted(tmp_path, files):
    """In a set of more than 2^24 records, as Glint360K is, the header and the ranges are rounded."""
    last = 2**24 + 1
    payloads = {0: vector([last + 1.0, last + 3.0]), 1: scalar(0, files[0]), last: scalar(1, files[1])}
    payloads |= {last + 1: vector([1.0, 2.0]), last + 2: vector([float(last), last + 1.0])}
    faces = open_faces(put(tmp_path / "a.rec", payloads))
    assert [faces.encoded(i) for i in range(len(faces))] == files[:2]
    assert faces.labels.tolist() == [0, 1]


def test_png_images_are_named_png(tmp_path, make):
    png = make.encode(make.pixels_of(0))
    assert open_faces(put(tmp_path / "a.rec", {0: scalar(0, png)})).names == ("0000000/00000000.png",)


@pytest.mark.parametrize("label", [0.5, -1, float("nan"), float("inf"), 2.0**25])
def test_labels_that_are_no_classes_are_refused(tmp_path, files, label):
    for payload in (scalar(label, files[0]), vector([label, 0.0], files[0])):
        path = put(tmp_path / "a.rec", {0: scalar(0, files[1]), 1: payload})
        refused(path, "gives record 1 the label .*, but labels must be whole numbers from 0 to 16777216; write the set")


def test_names_and_identities_can_be_written_as_a_folder(record, tmp_path):
    faces = open_faces(record)
    target = tmp_path / "folder"
    copy = open_faces(write_faces(target, faces.load(), faces.labels, faces.identities, faces.names))
    assert copy.identities == faces.identities
    assert torch.equal(copy.load(), faces.load())


def test_a_set_survives_pickling_and_worker_processes(record):
    faces = open_faces(record)
    faces[0]  # A handle is open before the fork.
    assert torch.equal(pickle.loads(pickle.dumps(faces)).load(), faces.load())
    batches = list(DataLoader(faces, batch_size=2, num_workers=2, multiprocessing_context="fork"))
    assert torch.equal(torch.cat([images for images, _ in batches]), faces.load())
    assert torch.equal(faces.load([5]), faces.load()[5:])


def test_a_forked_process_opens_a_handle_of_its_own(record, monkeypatch):
    """Two processes with one handle would move each other's place in the file."""
    source = open_faces(record)._source
    handle = source._file()
    assert source._file() is handle
    monkeypatch.setattr("os.getpid", lambda: -1)
    assert source._file() is not handle


class Counting:
    """A file that counts what is read of it."""

    total = 0

    def __init__(self, stream):
        self.stream, self.seek = stream, stream.seek

    def read(self, length):
        data = self.stream.read(length)
        Counting.total += len(data)
        return data


def test_a_file_of_two_gib_is_opened_by_reading_a_few_kib(tmp_path, files, monkeypatch):
    # One image at the beginning, one behind a hole, the records of identities at the end.
    payloads = with_identities({0: files[:1], 1: files[1:2]})
    path, offsets = tmp_path / "big.rec", {}
    with open(path, "wb") as stream:
        for key, payload in sorted(payloads.items(), key=lambda item: item[0] or 9):
            if key == 2:
                stream.seek(2 << 30)
            offsets[key] = stream.tell()
            stream.write(framed(payload))
    path.with_suffix(".idx").write_text("".join(f"{key}\t{place}\n" for key, place in offsets.items()))
    handle = RecordSource._file
    monkeypatch.setattr(RecordSource, "_file", lambda self: Counting(handle(self)))
    Counting.total = 0
    faces = open_faces(path)
    assert faces.encoded(1) == files[1]
    assert Counting.total < 16_384
    assert faces._source.read(faces.names[0]) == files[0]


# ---- framing -----------------------------------------------------------------------------------------------------

PAYLOADS = st.lists(st.one_of(st.just(MAGIC), st.binary(max_size=6)), max_size=12).map(b"".join)


@given(payloads=st.lists(PAYLOADS, min_size=1, max_size=4))
def test_a_payload_that_contains_the_magic_number_comes_back_whole(payloads):
    data, offsets = b"", []
    for payload in payloads:
        offsets.append(len(data))
        data += framed(payload)
    for offset, payload in zip(offsets, payloads, strict=True):
        assert read_record(io.BytesIO(data), offset) == payload
        for most in (0, 1, len(payload) // 2, len(payload), len(payload) + 1):
            beginning = read_record(io.BytesIO(data), offset, most)
            assert payload.startswith(beginning) and len(beginning) >= min(most, len(payload))


@given(payload=PAYLOADS)
def test_a_record_is_framed_as_the_layout_says(payload):
    assert frame_record(payload) == framed(payload)


def test_a_record_by_hand():
    payload = b"abcd" + MAGIC + b"xy"
    expected = "0a23d7ce 04000020 61626364  0a23d7ce 02000060 78790000"
    assert frame_record(payload) == framed(payload) == bytes.fromhex(expected)


# ---- damage ------------------------------------------------------------------------------------------------------


def test_a_missing_idx_is_named(record):
    record.with_suffix(".idx").unlink()
    for path in (record, record.parent):
        refused(path, r"train\.rec' has no 'train\.idx' beside it.* add it")


@pytest.mark.parametrize("keep", [0.99, 0.5, 0.01, 0])
def test_a_rec_that_was_cut_is_refused_at_opening(record, keep):
    data = record.read_bytes()
    record.write_bytes(data[: int(len(data) * keep)])
    for path in (record, record.parent):
        refused(path, r"train\.rec' cannot be read as RecordIO \(record \d+: the \.rec file ends before .* again")


def test_a_rec_cut_within_its_last_image_is_refused_at_opening(tmp_path, make):
    large = make.encode(make.pixels_of(0, 112, 112))
    path = put(tmp_path / "a.rec", {0: scalar(0, large), 1: scalar(0, large)})
    path.write_bytes(path.read_bytes()[:-8])
    refused(path, r"record 1: the \.rec file ends before the record does")


def test_a_rec_that_is_cut_while_it_is_open_gives_a_bad_image(record):
    faces = open_faces(record, on_bad_image="skip")
    data = record.read_bytes()
    record.write_bytes(data[: len(data) // 2])
    bad = dict(faces.inspect().bad)
    assert 0 < len(bad) < 6
    assert bad["0000002/00000006.jpg"] == "record 6: the .rec file ends before the record does"


@pytest.mark.parametrize("shift", [10**6, 10**12, 2**63 - 1])
def test_an_idx_that_points_past_the_end_is_refused(record, shift):
    index = record.with_suffix(".idx")
    index.write_text(index.read_text().replace("6\t", f"6\t{shift}\n99\t", 1))
    refused(record, "record 6: ")


def test_an_idx_that_points_at_no_record_makes_a_bad_image_or_is_refused(record):
    index = record.with_suffix(".idx")
    lines = [line.split("\t") for line in index.read_text().splitlines()]
    moved = "".join(f"{key}\t{int(place) + 4 * (key == '2')}\n" for key, place in lines)
    index.write_text(moved)  # Key 2 is an image, read by nobody until it is asked for.
    faces = open_faces(record)
    with pytest.raises(BadImageError, match=r"00000002\.jpg' \(record 2: no record begins where the \.idx says\)"):
        faces[1]
    moved = "".join(f"{key}\t{int(place) + 4 * (key == '7')}\n" for key, place in lines)
    index.write_text(moved)  # Key 7 is an identity.
    refused(record, "record 7: no record begins where")


def test_an_idx_that_lacks_an_image_is_refused(record):
    index = record.with_suffix(".idx")
    index.write_text("".join(line for line in index.read_text().splitlines(True) if line[0] not in "34"))
    refused(record, r"the \.idx has no record 3, one of 2 images that it lacks")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "must hold a key, a tab and a byte offset, both from 0, in each line; get it again"),
        ("0\n", "must hold a key, a tab and a byte offset"),
        ("0\t0\t0\n", "must hold a key, a tab and a byte offset"),
        ("0\t-8\n", "must hold a key, a tab and a byte offset, both from 0"),
        ("hello\tworld\n", "must hold lines of a key, a tab and a byte offset .*get it again"),
        ("0\t0\n1\n", "must hold lines of a key"),
        ("0\t0\n1\t0\n0\t0\n", "lists the key 0 more than once"),
        ("\x00\xff\t1\n", "must hold lines of a key"),
    ],
)
def test_an_idx_that_is_no_index_is_refused(record, text, words):
    record.with_suffix(".idx").write_text(text)
    refused(record, r"train\.idx' " + words)


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        ({0: vector([4.0, 2.0])}, r"record 0 should hold a range of keys .* but holds 4\.0, 2\.0"),
        ({0: vector([4.5, 5.0])}, r"record 0 should hold a range"),
        ({0: vector([float("nan"), 5.0])}, r"record 0 should hold a range"),
        ({0: b"short"}, "record 0: the header of the record is cut"),
        (
            {0: struct.pack("<IfQQ", 10**9, 0, 0, 0)},
            "record 0: the header of the record asks for 1000000000 labels, more than",
        ),
        ({7: vector([1.0, 99.0])}, "record 7 should hold a range of keys from 1 to 7, but holds 1.0, 99.0"),
        ({7: vector([1.0])}, "record 7 should hold a range"),
        ({8: vector([2.0, 5.0])}, "record 8 claims images that are those of another identity"),
    ],
)
def test_a_damaged_header_is_refused(tmp_path, people, damage, words):
    refused(put(tmp_path / "train.rec", with_identities(people) | damage), words)


def test_parts_out_of_order_are_damage(tmp_path, files):
    path = put(tmp_path / "a.rec", {0: scalar(0, files[0]), 1: scalar(0, MAGIC * 2 + files[1])})
    for wrong in (part(2, b"abcd"), part(1, b"abcd") + part(0, b"abcd"), part(7, b"abcd")):
        path.write_bytes(framed(scalar(0, files[0])) + wrong + bytes(64))
        refused(path, "record 1: the parts of the record are out of order")


def test_a_set_without_images_is_refused(tmp_path):
    refused(put(tmp_path / "a.rec", {0: vector([1.0, 2.0]), 1: vector([1.0, 1.0])}), "holds no images")


def test_a_folder_of_two_sets_is_refused_and_unfinished_files_are_not_counted(record, people):
    put(record.with_name(".train-abc.rec"), with_identities(people))
    assert len(open_faces(record.parent)) == 6
    put(record.with_name("val.rec"), with_identities(people))
    refused(record.parent, r"holds 2 RecordIO sets \(train\.rec, val\.rec\); give the path of one")


def test_a_folder_with_a_record_is_not_taken_for_identity_folders(record, make):
    make.fill(record.parent / "faces", {"somebody": 2})
    assert open_faces(record.parent).kind == "RecordIO"
    assert open_faces(record.parent / "faces").kind == "folder"


def test_a_rec_under_another_name_is_known_by_its_content(record):
    path = record.rename(record.with_name("packed.dat"))
    record.with_suffix(".idx").rename(path.with_suffix(".idx"))
    assert len(open_faces(path)) == 6


# ---- writing -----------------------------------------------------------------------------------------------------


def parsed(path):
    """Key -> (labels, image) of a written set, whose images hold no magic number."""
    data, records = path.read_bytes(), {}
    for line in path.with_suffix(".idx").read_text().splitlines():
        key, place = map(int, line.split("\t"))
        magic, word = struct.unpack_from("<4sI", data, place)
        assert (magic, word >> 29, place % 4) == (MAGIC, 0, 0)
        payload = data[place + 8 : place + 8 + word]
        flag, label = struct.unpack_from("<If", payload)
        labels = struct.unpack_from(f"<{flag}f", payload, 24) if flag else (label,)
        records[key] = (labels, payload[24 + 4 * flag :])
    return records


def test_a_written_set_has_the_layout_of_insightface(tmp_path, files):
    path = write_encoded(tmp_path / "set" / "train.rec", files[:4], [3, 0, 3, 1])
    assert parsed(path) == {
        0: ((5.0, 9.0), b""),
        1: ((0.0,), files[1]),
        2: ((1.0,), files[3]),
        3: ((3.0,), files[0]),
        4: ((3.0,), files[2]),
        5: ((1.0, 2.0), b""),
        6: ((2.0, 3.0), b""),
        7: ((3.0, 3.0), b""),
        8: ((3.0, 5.0), b""),
    }
    assert (tmp_path / "set" / "property").read_text() == "4,12,12\n"
    assert sorted(file.name for file in path.parent.iterdir()) == ["property", "train.idx", "train.rec"]


def test_a_written_set_opens_as_it_was(tmp_path, make):
    images = np.stack([make.pixels_of(seed).transpose(2, 0, 1) for seed in range(4)])
    faces = open_faces(write_faces(tmp_path / "train.rec", images, [1, 0, 0, 3], identities=list("abcde")))
    np.testing.assert_array_equal(faces.load().numpy(), images[[1, 2, 0, 3]])
    assert faces.identities == ("0000000", "0000001", "0000003")
    assert (tmp_path / "property").read_text() == "5,12,12\n"


def test_written_images_may_contain_the_magic_number(tmp_path, files):
    image = files[0] + MAGIC * 3 + b"x" + MAGIC
    assert open_faces(write_encoded(tmp_path / "a.rec", [image], [0])).encoded(0) == image


@pytest.mark.parametrize("name", ["train.rec", "train.idx", "property"])
def test_nothing_is_ever_overwritten(tmp_path, files, name):
    (tmp_path / name).write_text("precious")
    with pytest.raises(FacesError, match=f"{name}' exists already; remove it or give another path"):
        write_encoded(tmp_path / "train.rec", files, [0] * 6)
    assert [(file.name, file.read_text()) for file in tmp_path.iterdir()] == [(name, "precious")]


@pytest.mark.parametrize(
    ("given_files", "labels", "words"),
    [
        ([b"no image"], [0], "image 0 cannot be decoded"),
        ([], [], "no image is given to write"),
        (None, None, "labels are needed to write"),
        (None, [0], "differ in number"),
        (None, [2**24] * 6, "more than 16777216 records"),
    ],
)
def test_input_that_is_not_as_described_is_refused_and_leaves_nothing(tmp_path, files, given_files, labels, words):
    with pytest.raises(InputError, match=words):
        write_encoded(tmp_path / "train.rec", files if given_files is None else given_files, labels)
    assert list(tmp_path.iterdir()) == []
