"""Pairs are read from both formats, found in a set, and refused with the line or the image that is wrong."""

import numpy as np
import pytest

from sface_lib.data import Protocol, open_faces, parse_folds, read_protocol, write_faces, write_protocol
from sface_lib.errors import InputError, ParameterError, ProtocolError

LFW = "2\t1\nAnn\t1\t2\nAnn\t1\tBob\t1\nCy\t2\t3\nCy\t1\tDi\t1\n"


@pytest.fixture
def lfw(tmp_path):
    (tmp_path / "pairs.txt").write_text(LFW)
    return read_protocol(tmp_path / "pairs.txt")


@pytest.fixture
def faces(tmp_path, make):
    for person, count in {"Ann": 2, "Bob": 1, "Cy": 3, "Di": 1}.items():
        (tmp_path / "set" / person).mkdir(parents=True)
        for number in range(1, count + 1):
            suffix = "jpg" if person == "Bob" else "png"
            data = make.encode(make.pixels_of(number), "JPEG" if suffix == "jpg" else "PNG")
            (tmp_path / "set" / person / f"{person}_{number:04d}.{suffix}").write_bytes(data)
    return open_faces(tmp_path / "set")


def test_lfw_pairs_are_genuine_first_in_each_fold(lfw):
    assert lfw.left == ("Ann/Ann_0001", "Ann/Ann_0001", "Cy/Cy_0002", "Cy/Cy_0001")
    assert lfw.right == ("Ann/Ann_0002", "Bob/Bob_0001", "Cy/Cy_0003", "Di/Di_0001")
    assert lfw.same.tolist() == [True, False, True, False]
    assert lfw.fold.tolist() == [1, 1, 2, 2]
    assert (lfw.same.dtype, lfw.fold.dtype) == (np.bool_, np.int64)


def test_a_single_number_announces_no_folds_and_each_kind_is_cut_into_ten(tmp_path):
    (tmp_path / "pairsDevTest.txt").write_text("2\nA\t1\t2\nB\t1\t2\nA\t1\tB\t1\nA\t2\tB\t2\n")
    protocol = read_protocol(tmp_path / "pairsDevTest.txt")
    assert protocol.fold.tolist() == [1, 2, 1, 2]
    assert protocol.same.tolist() == [True, True, False, False]


def test_resolving_finds_images_whatever_their_suffix(lfw, faces):
    left, right = lfw.resolve(faces)
    assert [faces.names[i] for i in left[:2]] == ["Ann/Ann_0001.png", "Ann/Ann_0001.png"]
    assert [faces.names[i] for i in right[:2]] == ["Ann/Ann_0002.png", "Bob/Bob_0001.jpg"]
    assert left.dtype == right.dtype == np.int64


def test_a_missing_image_is_named_with_the_remedy(lfw, faces):
    part = faces.subset([i for i, name in enumerate(faces.names) if "Bob" not in name])
    with pytest.raises(ProtocolError, match="images of the pairs, 1 in all, are not in .*'Bob/Bob_0001'; use the set"):
        lfw.resolve(part)


def test_a_name_without_suffix_that_fits_two_images_is_refused(lfw, faces, make):
    (faces.path / "Bob" / "Bob_0001.png").write_bytes(make.encode(make.pixels_of(0)))
    with pytest.raises(ProtocolError, match="different suffixes"):
        lfw.resolve(open_faces(faces.path))


def test_restriction_keeps_the_pairs_of_the_folds(lfw):
    second = lfw.restrict([2])
    assert second.left == lfw.left[2:]
    assert second.fold_ids == (2,)
    with pytest.raises(ProtocolError, match=r"folds \[3\] are not in the protocol; choose from \[1, 2\]"):
        lfw.restrict([1, 3])


def test_identities_of_folds_are_labels_of_the_set(lfw, faces):
    assert {faces.identities[label] for label in lfw.identities_in(faces, [1])} == {"Ann", "Bob"}
    assert lfw.identities_in(faces) == {0, 1, 2, 3}


def test_identities_need_labels(lfw, tmp_path, make):
    (make.fill(tmp_path / "plain", {"a": 1}) / "dataset.json").write_text("{}")
    with pytest.raises(InputError, match="no labels"):
        lfw.identities_in(open_faces(tmp_path / "plain"))


def test_a_protocol_survives_writing_and_reading(lfw, tmp_path):
    odd = Protocol(('Zoë "Q", jr/0.png', "a b/1.png"), ("<i>/2.png", "x/3.png"), lfw.same[:2], lfw.fold[1:3])
    for protocol in (lfw, odd):
        again = read_protocol(write_protocol(tmp_path / "pairs.csv", protocol))
        assert (again.left, again.right) == (protocol.left, protocol.right)
        assert again.same.tolist() == protocol.same.tolist()
        assert again.fold.tolist() == protocol.fold.tolist()


def test_csv_takes_words_for_truth_a_byte_order_mark_and_any_order_of_columns(tmp_path):
    (tmp_path / "p.csv").write_text("\ufefffold,same,left,right\n3,True,a/0.png,a/1.png\n3,false,a/0.png,b/0.png\n")
    protocol = read_protocol(tmp_path / "p.csv")
    assert protocol.same.tolist() == [True, False]
    assert protocol.fold_ids == (3,)


@pytest.mark.parametrize("row", ["a,b,2,1", "a,b,1", "a,,1,1", "a,b,1,x", "a,b,,1"])
def test_a_bad_csv_row_is_named_by_its_line(tmp_path, row):
    (tmp_path / "p.csv").write_text(f"left,right,same,fold\na,b,1,1\n{row}\n")
    with pytest.raises(ProtocolError, match=r"p\.csv', line 3: two names"):
        read_protocol(tmp_path / "p.csv")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (LFW.replace("Ann\t1\t2", "Ann\t1"), "line 2: .* is not 'name, number, number'"),
        (LFW.replace("Cy\t1\tDi\t1", "Cy\tx\tDi\t1"), "line 5: .* is not 'name, number, name, number'"),
        (LFW.replace("2\t1\n", "3\t1\n", 1), "announces 3 folds of 2 x 1 pairs, but holds 4"),
        ("hello\n", "begins with 'hello', but must begin like LFW's pairs.txt"),
        ("", "begins with ''"),
        ("left,right,same,fold\n", "holds no pairs"),
        ("0\n", "holds no pairs"),
    ],
)
def test_a_file_that_is_no_protocol_is_refused_with_the_reason(tmp_path, text, words):
    (tmp_path / "p.txt").write_text(text)
    with pytest.raises(ProtocolError, match=words):
        read_protocol(tmp_path / "p.txt")


def test_a_file_that_cannot_be_read_is_refused(tmp_path):
    (tmp_path / "p.txt").write_bytes(b"\xff\xfe\x00\xd8")
    for path in (tmp_path / "p.txt", tmp_path / "nothing.txt", tmp_path):
        with pytest.raises(ProtocolError, match="cannot be read"):
            read_protocol(path)


def test_sides_of_different_length_are_refused():
    with pytest.raises(ProtocolError, match="same length"):
        Protocol(("a",), ("b", "c"), np.array([True]), np.array([1]))


@pytest.mark.parametrize(
    ("text", "folds"),
    [
        ("all", tuple(range(1, 11))),
        (" ALL ", tuple(range(1, 11))),
        ("3", (3,)),
        ("6-10", (6, 7, 8, 9, 10)),
        ("1-3, 8,2", (1, 2, 3, 8)),
    ],
)
def test_choices_of_folds_are_read(text, folds):
    assert parse_folds(text, range(1, 11)) == folds


@pytest.mark.parametrize("text", ["", "0", "11", "5-3", "1-999999999", "a", "1,,2", "-1", "1.5"])
def test_a_choice_that_names_no_folds_is_refused_with_those_there_are(text):
    with pytest.raises(ParameterError, match="folds are .*of the folds 1, 2, 3") as caught:
        parse_folds(text, (3, 1, 2))
    assert repr(text) in str(caught.value)


def test_pairs_that_disagree_with_the_labels_are_refused(tmp_path):
    faces = open_faces(write_faces(tmp_path / "a.zip", np.zeros((4, 3, 8, 8), np.uint8), [0, 0, 1, 1]))
    name = faces.names
    wrong = Protocol((name[0], name[1]), (name[1], name[2]), np.array([True, True]), np.array([0, 1]))
    with pytest.raises(ProtocolError, match="1 pairs disagree .* called genuine, but of two identities"):
        wrong.resolve(faces)
