"""Converting keeps every byte of every image, its label and its pair; the command line says what a set holds."""

import hashlib

import numpy as np
import pytest

from sface_lib import cli
from sface_lib.data import (
    Protocol,
    convert_set,
    describe_set,
    open_faces,
    read_protocol,
    write_bin,
    write_encoded,
    write_faces,
    write_protocol,
)
from sface_lib.errors import BadImageError, FacesError, InputError, ParameterError, ProtocolError


@pytest.fixture
def photos(tmp_path, make):
    """Identity folders of JPEG files, one PNG and one that ends in .jpeg."""
    for person, count in {"Ann Lee": 3, "Bo": 2, "Cy": 2}.items():
        (tmp_path / "photos" / person).mkdir(parents=True)
        for number in range(count):
            data = make.encode(
                make.pixels_of(10 * len(list((tmp_path / "photos").iterdir())) + number), "JPEG", quality=80
            )
            (tmp_path / "photos" / person / f"{number}.jpg").write_bytes(data)
    (tmp_path / "photos" / "Bo" / "1.jpg").rename(tmp_path / "photos" / "Bo" / "1.jpeg")
    (tmp_path / "photos" / "Cy" / "2.png").write_bytes(make.encode(make.pixels_of(1)))
    return tmp_path / "photos"


@pytest.fixture
def pairs(tmp_path):
    """A CSV of four pairs of `photos`, the second fold first."""
    left, right = ("Ann Lee/0.jpg", "Ann Lee/1", "Bo/0", "Cy/0"), ("Ann Lee/1.jpg", "Bo/1", "Bo/1", "Ann Lee/2")
    protocol = Protocol(left, right, np.array([True, False, True, False]), np.array([2, 2, 1, 1]))
    return write_protocol(tmp_path / "given.csv", protocol)


def contents(path):
    """Hash of each image's file and its label."""
    faces = open_faces(path)
    labels = [None] * len(faces) if faces.labels is None else faces.labels.tolist()
    return sorted((hashlib.sha256(faces.encoded(i)).hexdigest(), labels[i]) for i in range(len(faces)))


@pytest.mark.parametrize("name", ["copy", "copy.zip", "copy.rec", "copy.parquet", "copy.tar"])
def test_bytes_and_labels_survive_every_form(photos, tmp_path, name):
    (target,) = convert_set(photos, tmp_path / "new" / name)
    assert contents(target) == contents(photos)
    (back,) = convert_set(target, tmp_path / "back")
    assert contents(back) == contents(photos)


@pytest.mark.parametrize("name", ["copy", "copy.zip", "copy.parquet", "copy.tar"])
def test_what_keeps_names_keeps_the_fingerprint(photos, tmp_path, name):
    (target,) = convert_set(photos, tmp_path / name)
    assert open_faces(target).fingerprint == open_faces(photos).fingerprint
    assert open_faces(target).names[4] == "Bo/1.jpeg"


def test_recordio_keeps_numbers_and_suffixes_follow_the_image(photos, tmp_path):
    convert_set(photos, tmp_path / "a.rec")
    (back,) = convert_set(tmp_path / "a.rec", tmp_path / "back")
    names = open_faces(back).names
    assert names[0] == "0000000/00000001.jpg"
    assert names[-1] == "0000002/00000008.png"


def test_images_below_other_folders_are_numbered_in_a_folder(tmp_path, make):
    """A StyleGAN2-ADA zip sorts images by number, not by class."""
    images = np.stack([make.pixels_of(seed).transpose(2, 0, 1) for seed in range(3)])
    write_faces(tmp_path / "a.zip", images, [1, 0, 1])
    (folder,) = convert_set(tmp_path / "a.zip", tmp_path / "folder")
    assert open_faces(folder).names == ("0/00000001.png", "1/00000000.png", "1/00000002.png")
    assert contents(folder) == contents(tmp_path / "a.zip")


def test_an_unlabelled_set_becomes_an_unlabelled_folder_and_no_recordio(tmp_path, make):
    write_encoded(tmp_path / "a.zip", [make.encode(make.pixels_of(0))])
    assert open_faces(convert_set(tmp_path / "a.zip", tmp_path / "folder")[0]).labels is None
    with pytest.raises(InputError, match="labels are needed to write"):
        convert_set(tmp_path / "a.zip", tmp_path / "a.rec")


def test_pairs_are_written_fold_after_fold(photos, pairs, tmp_path):
    (target,) = convert_set(photos, tmp_path / "a.bin", pairs)
    faces, source = open_faces(target), open_faces(photos)
    wanted = ["Bo/0.jpg", "Bo/1.jpeg", "Cy/0.jpg", "Ann Lee/2.jpg"]
    wanted += ["Ann Lee/0.jpg", "Ann Lee/1.jpg", "Ann Lee/1.jpg", "Bo/1.jpeg"]
    assert [faces.encoded(i) for i in range(8)] == [source.encoded(source.names.index(name)) for name in wanted]
    assert read_protocol(target).same.tolist() == [True, False, True, False]


@pytest.mark.parametrize("name", ["copy", "copy.zip", "copy.parquet", "copy.tar"])
def test_the_pairs_of_a_bin_are_written_beside_its_images(photos, pairs, tmp_path, make, name):
    files = [make.encode(make.pixels_of(seed), "PNG" if seed == 1 else "JPEG") for seed in range(6)]
    source = write_bin(tmp_path / "a.bin", files, [True, False, True])
    target, csv = convert_set(source, tmp_path / name)
    assert csv == tmp_path / "copy.pairs.csv"
    faces, protocol = open_faces(target), read_protocol(csv)
    left, right = protocol.resolve(faces)
    assert [faces.encoded(i) for side in zip(left, right, strict=True) for i in side] == files
    assert protocol.same.tolist() == [True, False, True]
    assert protocol.fold.tolist() == [1, 2, 3]


def test_a_bin_is_copied_with_its_own_pairs(tmp_path, make):
    files = [make.encode(make.pixels_of(seed)) for seed in range(4)]
    source = write_bin(tmp_path / "a.bin", files, [False, True])
    (target,) = convert_set(source, tmp_path / "b.bin")
    assert target.read_bytes() == source.read_bytes()


def test_a_bin_needs_pairs_and_nothing_else_takes_them(photos, pairs, tmp_path):
    with pytest.raises(ParameterError, match=r"a\.bin' needs pairs; give a protocol"):
        convert_set(photos, tmp_path / "a.bin")
    for name in ("a", "a.zip", "a.rec", "a.parquet", "a.tar"):
        with pytest.raises(ParameterError, match="a protocol is given, but only a .bin holds pairs"):
            convert_set(photos, tmp_path / name, pairs)
    pairs.write_text("left,right,same,fold\nAnn Lee/0,Nobody/0,0,1\n")
    with pytest.raises(ProtocolError, match="'Nobody/0'"):
        convert_set(photos, tmp_path / "a.bin", pairs)


@pytest.mark.parametrize("name", ["a", "a.zip", "a.rec", "a.parquet", "a.tar", "a.bin"])
def test_nothing_is_ever_overwritten(photos, pairs, tmp_path, name):
    (tmp_path / name).write_text("precious")
    with pytest.raises(FacesError, match="exists already"):
        convert_set(photos, tmp_path / name, pairs if name == "a.bin" else None)
    assert (tmp_path / name).read_text() == "precious"


def test_pairs_beside_are_not_overwritten_and_then_nothing_is_written(tmp_path, make):
    source = write_bin(tmp_path / "a.bin", [make.encode(make.pixels_of(0))] * 2, [True])
    (tmp_path / "copy.pairs.csv").write_text("precious")
    with pytest.raises(FacesError, match=r"copy\.pairs\.csv' exists already"):
        convert_set(source, tmp_path / "copy.zip")
    assert not (tmp_path / "copy.zip").exists()


def test_an_image_that_cannot_be_read_stops_the_conversion(photos, tmp_path, monkeypatch):
    (photos / "Bo" / "0.jpg").write_bytes(b"no image")
    with pytest.raises(InputError, match=r"image 3 \('Bo/0\.jpg'\) cannot be decoded .*repair it or leave it out"):
        convert_set(photos, tmp_path / "a.zip")
    (photos / "Bo" / "0.jpg").unlink()
    (photos / "Bo" / "0.jpg").symlink_to("nowhere.jpg")
    with pytest.raises(BadImageError, match=r"Bo/0\.jpg"):
        convert_set(photos, tmp_path / "a.zip")
    assert not (tmp_path / "a.zip").exists()


@pytest.mark.parametrize("name", ["copy", "copy.zip", "copy.rec"])
def test_images_that_are_skipped_are_left_out_of_a_copy_and_told(photos, tmp_path, capsys, name):
    whole = contents(photos)
    (photos / "Bo" / "2.jpg").write_bytes(b"no image")
    (photos / "Cy" / "cut.png").write_bytes((photos / "Cy" / "2.png").read_bytes()[:200])
    command = ["data", "convert", str(photos), str(tmp_path / name)]
    assert cli.main(command) == 2 and not (tmp_path / name).exists()
    assert cli.main([*command, "--on-bad-image", "skip"]) == 0
    said = capsys.readouterr().out
    assert "Skipped: 2 of 10 images, which cannot be decoded: 'Bo/2.jpg' (" in said and "'Cy/cut.png' (" in said
    assert contents(tmp_path / name) == whole


@pytest.mark.parametrize("name", ["copy.bin", "copy"])
def test_pairs_that_name_a_skipped_image_are_left_out(tmp_path, make, name):
    files = [make.encode(make.pixels_of(seed)) for seed in range(6)]
    source = write_bin(tmp_path / "a.bin", files, [True, False, True])
    pickled = source.read_bytes()
    source.write_bytes(pickled.replace(files[2], files[2][:40] + bytes(len(files[2]) - 40)))
    faces = open_faces(source, on_bad_image="skip")
    assert len(faces.inspect().bad) == 1
    written = convert_set(faces, tmp_path / name)
    protocol, copy = read_protocol(written[-1]), open_faces(written[0])
    left, right = protocol.resolve(copy)
    assert protocol.same.tolist() == [True, True]
    sides = [copy.encoded(i) for pair in zip(left, right, strict=True) for i in pair]
    assert sides == [files[0], files[1], files[4], files[5]]


def test_a_set_is_described(photos, make):
    (photos / "Cy" / "cut.jpg").write_bytes(make.encode(make.pixels_of(1, 40, 40), "JPEG")[:500])
    (photos / "Cy" / "grey.png").write_bytes(make.encode(make.pixels_of(1, 20, 30), mode="L"))
    rows = describe_set(photos)
    assert rows["kind"] == "folder"
    assert rows["images"] == "10"
    assert rows["bad images"].startswith("1, e.g. 'Cy/cut.jpg' (")
    assert rows["identities"] == "3"
    assert rows["sizes"] == "12x12: 8, 30x20: 1"
    assert rows["converted"] == "grey: 1"
    assert rows["images of an identity"] == "min 2, median 3, max 4"
    assert rows["fingerprint"] == open_faces(photos).fingerprint
    assert "pairs" not in rows


def test_the_pairs_of_a_bin_are_described(tmp_path, make):
    rows = describe_set(write_bin(tmp_path / "a.bin", [make.encode(make.pixels_of(0))] * 6, [True, True, False]))
    assert rows["pairs"] == "3, of which 2 genuine, in 3 folds"
    assert rows["identities"] == "none, the set is unlabelled"
    assert "images of an identity" not in rows


def test_the_command_line_converts_and_describes(photos, tmp_path, capsys):
    assert cli.main(["data", "convert", str(photos), str(tmp_path / "set" / "train.rec")]) == 0
    assert capsys.readouterr().out == f"Written: {tmp_path / 'set' / 'train.rec'}\n"
    assert cli.main(["data", "info", str(tmp_path / "set")]) == 0
    assert {"kind: RecordIO", "images: 8", "bad images: 0"} <= set(capsys.readouterr().out.splitlines())


@pytest.mark.parametrize(("name", "kind"), [("a.parquet", "parquet"), ("a.tar", "WebDataset")])
def test_the_command_line_writes_what_others_hand_round(photos, tmp_path, capsys, name, kind):
    assert cli.main(["data", "convert", str(photos), str(tmp_path / name)]) == 0
    assert cli.main(["data", "info", str(tmp_path / name)]) == 0
    assert {f"kind: {kind}", "images: 8", "identities: 3"} <= set(capsys.readouterr().out.splitlines())


def test_the_command_line_takes_pairs(photos, pairs, tmp_path, capsys):
    assert cli.main(["data", "convert", str(photos), str(tmp_path / "a.bin"), "--protocol", str(pairs)]) == 0
    assert len(open_faces(tmp_path / "a.bin")) == 8


def test_the_command_line_refuses_in_one_line(photos, tmp_path, capsys):
    assert cli.main(["data", "convert", str(photos), str(tmp_path / "a.bin")]) == 2
    complaint = capsys.readouterr().err
    assert complaint.startswith("sface: ") and "needs pairs" in complaint and complaint.count("\n") == 1
    assert cli.main(["data", "info", str(tmp_path / "nothing")]) == 2
