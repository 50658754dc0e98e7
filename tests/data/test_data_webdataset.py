"""WebDataset reads as its tars are written by others: samples by their stems, labels, shards; other tars as before."""

import gc
import io
import json
import pickle
import tarfile

import numpy as np
import pytest
import torch
from opened_sets import contents, refused
from torch.utils.data import DataLoader

from sface_lib.data import convert_set, open_faces, write_encoded
from sface_lib.data.sources import PlainTar
from sface_lib.errors import FacesError, InputError


@pytest.fixture
def files(make):
    """Six JPEG files that all differ."""
    return [make.encode(make.pixels_of(seed), "JPEG", quality=95) for seed in range(6)]


def pack(path, members, mode="w"):
    """A tar of (name, content) in their order; text and numbers are written as text."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, mode) as archive:
        for name, content in members:
            data = content if isinstance(content, bytes) else str(content).encode()
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return path


def samples(files, labels, ending="cls", start=0):
    """An image and its label in turn, as WebDataset's writer has them, by number."""
    for i, (data, label) in enumerate(zip(files, labels, strict=True), start):
        yield from ((f"{i:06d}.{ending}", label), (f"{i:06d}.jpg", data))


# ---- reading -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:xz"])
def test_numbers_are_labels(tmp_path, files, mode):
    path = pack(tmp_path / "packed.dat", samples(files, [2, 10, 2, 0, 10, 2]), mode)
    faces = open_faces(path)
    assert (faces.kind, faces.path) == ("WebDataset", path)
    assert faces.identities == ("0000000", "0000002", "0000010")
    assert faces.labels.tolist() == [0, 1, 1, 1, 2, 2] and faces.labels.dtype == np.int64
    assert contents(faces) == [files[i] for i in (3, 0, 2, 5, 1, 4)]
    assert faces.names[0] == "0000000/000003.jpg"


@pytest.mark.parametrize("ending", ["cls", "txt"])
def test_a_text_is_a_number_or_a_name(tmp_path, files, ending):
    faces = open_faces(pack(tmp_path / "a.tar", samples(files[:3], ["Zoë\n", "Ann Lee", "007"], ending)))
    assert faces.identities == ("007", "Ann Lee", "Zoë")
    assert contents(faces) == [files[i] for i in (2, 1, 0)]


@pytest.mark.parametrize(
    ("values", "identities"),
    [
        ([{"label": 1}, {"label": 0}], ("0000000", "0000001")),
        ([{"label": 1.0, "score": 3}, {"label": 0.0}], ("0000000", "0000001")),
        ([{"identity": "b"}, {"identity": "a"}], ("a", "b")),
        ([{"label": "b"}, {"label": "a"}], ("a", "b")),
        ([{"label": 1, "identity": "a"}, {"label": 0, "identity": "b"}], ("b", "a")),
        ([{"label": 0, "identity": "b"}, {"label": 0, "identity": "a"}], ("a", "b")),
        ([{"identity": 12}, {"identity": 3}], ("0000003", "0000012")),
    ],
)
def test_a_json_tells_label_and_identity(tmp_path, files, values, identities):
    faces = open_faces(pack(tmp_path / "a.tar", samples(files[:2], map(json.dumps, values), "json")))
    assert faces.identities == identities
    assert {faces.identities[label] for label in faces.labels} == set(identities)


def test_the_number_of_a_cls_goes_with_the_name_in_a_json(tmp_path, files):
    members = []
    for i, name in enumerate("cab"):
        members += [(f"{i}.jpg", files[i]), (f"{i}.cls", i), (f"{i}.json", json.dumps({"identity": name, "label": 9}))]
    assert open_faces(pack(tmp_path / "a.tar", members)).identities == ("c", "a", "b")


def test_a_caption_beside_a_label_and_other_files_are_left_aside(tmp_path, files):
    members = [("__hidden/.x.jpg", b"x")]
    for i in range(2):
        members += [
            (f"{i}.png", files[i]),
            (f"{i}.txt", "a woman"),
            (f"{i}.cls", i),
            (f"{i}.npy", b"x"),
            (f"{i}.json", "{}"),
        ]
    members += [("0.features.json", "{}"), ("README", "text"), ("9.cls", 3)]
    faces = open_faces(pack(tmp_path / "a.tar", members))
    assert faces.names == ("0000000/0.png", "0000001/1.png")


def test_the_stem_ends_at_the_first_dot_after_the_folder(tmp_path, files):
    members = [
        ("v1.2/a/x.face.jpg", files[0]),
        ("v1.2/a/x.cls", 1),
        ("v1.2/b/x.face.jpg", files[1]),
        ("v1.2/b/x.cls", 0),
    ]
    faces = open_faces(pack(tmp_path / "a.tar", members))
    assert faces.names == ("v1.2/a/x.face.jpg", "v1.2/b/x.face.jpg")
    assert faces.labels.tolist() == [1, 0]


def test_files_of_a_sample_may_lie_apart(tmp_path, files):
    """As in the tar of a folder whose files were not sorted."""
    members = list(samples(files, [0, 0, 1, 1, 2, 2]))
    faces = open_faces(pack(tmp_path / "a.tar", members[::2] + members[::-2]))
    assert contents(faces) == files and faces.labels.tolist() == [0, 0, 1, 1, 2, 2]


@pytest.mark.parametrize("below", ["", "data"])
def test_shards_of_a_folder_or_a_pattern_are_one_set(tmp_path, files, below):
    for i in range(3):
        pack(tmp_path / "set" / below / f"train-{i:06d}.tar", samples(files[2 * i : 2 * i + 2], [0, 1], start=2 * i))
    (tmp_path / "set" / "README.md").write_text("faces")
    for path in (tmp_path / "set", tmp_path / "set" / below / "train-{000000..000002}.tar"):
        faces = open_faces(path)
        assert contents(faces) == [files[i] for i in (0, 2, 4, 1, 3, 5)]
    some = open_faces(tmp_path / "set" / below / "train-{000002,000000}.tar")
    assert contents(some) == [files[i] for i in (0, 4, 1, 5)]


def test_shards_that_repeat_their_names_are_numbered(tmp_path, files):
    for i in range(2):
        pack(tmp_path / f"{i}.tar", samples(files[3 * i : 3 * i + 3], [1, 0, 1]))
    faces = open_faces(tmp_path)
    assert faces.names[:2] == ("0000000/00000001.jpg", "0000000/00000004.jpg")
    assert contents(faces) == [files[i] for i in (1, 4, 0, 2, 3, 5)]


def test_shards_of_plain_images_are_an_unlabelled_set(tmp_path, files):
    for i in range(2):
        pack(tmp_path / f"{i}.tar", [(f"{3 * i + k}.jpg", files[3 * i + k]) for k in range(3)])
    faces = open_faces(tmp_path)
    assert faces.labels is None
    assert contents(faces) == files


def test_a_tar_of_identity_folders_is_read_as_before(folder, tmp_path, make):
    for file in list(folder.rglob("*.png")):
        file.with_suffix(".txt").write_text("38 51 73 51 56 71\n42 92 70 92")
        file.with_suffix(".json").write_text('{"landmarks": [38, 51]}')
    (folder / "Ann Lee" / "1.txt").write_text("38 51 73 51 56 71")
    faces = open_faces(make.pack_tar(folder, tmp_path / "a.tar"))
    assert faces.kind == "tar"
    assert faces.fingerprint == open_faces(folder).fingerprint


@pytest.mark.parametrize("text", ["a photo of a person", "31"])
def test_texts_beside_images_of_identity_folders_are_no_labels(tmp_path, files, text):
    members = []
    for name, data in zip(["Ann/1", "Ann/2", "Bo/1"], files[:3], strict=True):
        members += [(f"{name}.jpg", data), (f"{name}.txt", text)]
    faces = open_faces(pack(tmp_path / "a.tar", members))
    assert (faces.kind, faces.identities, faces.labels.tolist()) == ("tar", ("Ann", "Bo"), [0, 0, 1])


def test_texts_beside_images_of_one_folder_are_labels(tmp_path, files):
    members = [(f"train/{name}", data) for name, data in samples(files[:3], ["b", "a", "b"], "txt")]
    faces = open_faces(pack(tmp_path / "a.tar", members))
    assert (faces.kind, faces.identities, faces.labels.tolist()) == ("WebDataset", ("a", "b"), [1, 0, 1])


def test_a_tar_beside_identity_folders_is_left_aside(folder, make, tmp_path):
    make.pack_tar(folder, tmp_path / "a.tar").rename(folder / "copy.tar")
    assert open_faces(folder).kind == "folder"


@pytest.mark.slow
def test_headers_are_not_kept(tmp_path, files):
    """A shard of a million images would otherwise take a gigabyte."""
    tar = PlainTar(pack(tmp_path / "a.tar", samples(files, range(6))))
    gc.collect()
    kept = [sum(type(thing) is tarfile.TarInfo for thing in gc.get_objects()) for _ in tar.walk()]
    assert len(kept) == 12 and max(kept) - min(kept) <= 1


@pytest.mark.parametrize("mode", ["w", "w:gz"])
def test_a_set_survives_pickling_and_worker_processes(tmp_path, files, mode):
    faces = open_faces(pack(tmp_path / "a.tar", samples(files, [0, 1] * 3), mode))
    assert torch.equal(pickle.loads(pickle.dumps(faces)).load(), faces.load())
    batches = list(DataLoader(faces, batch_size=2, num_workers=2, multiprocessing_context="fork"))
    assert torch.equal(torch.cat([images for images, _ in batches]), faces.load())


def test_the_same_images_through_a_folder_are_the_same_set(folder, tmp_path):
    files = sorted(folder.rglob("*.png"))
    members = []
    for file in files:
        name = file.relative_to(folder).as_posix()
        members += [(name, file.read_bytes()), (name.removesuffix("png") + "cls", file.parent.name)]
    assert open_faces(pack(tmp_path / "a.tar", members)).fingerprint == open_faces(folder).fingerprint


# ---- bad inputs --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("keep", [0.99, 0.6, 0.3])
def test_a_shard_that_was_cut_is_refused_by_name(tmp_path, files, keep):
    pack(tmp_path / "0.tar", samples(files[:3], [0, 1, 1]))
    path = pack(tmp_path / "1.tar", samples(files[3:], [0, 1, 1]))
    data = path.read_bytes().rstrip(b"\0")  # Python pads a tar with zeros; a cut in there loses nothing.
    path.write_bytes(data[: int(len(data) * keep)])
    for given in (path, tmp_path, tmp_path / "{0..1}.tar"):
        refused(given, r"1\.tar' is a damaged or incomplete archive; copy or download it again")


def test_a_shard_that_is_missing_is_refused(tmp_path, files):
    pack(tmp_path / "a-000.tar", samples(files, range(6)))
    refused(
        tmp_path / "a-{000..002}.tar", r"names 3 shards, of which '.*a-001\.tar' does not exist \(2 in all\); get it"
    )


def test_several_splits_are_refused(tmp_path, files):
    for split in ("train", "val"):
        pack(tmp_path / f"{split}-000000.tar", samples(files, range(6)))
    refused(tmp_path, r"holds several sets \(train, val\)")


def test_an_image_without_a_label_is_refused_and_not_named(tmp_path, files):
    members = [("Ann Lee/0.jpg", files[0]), ("Ann Lee/0.cls", 1), ("Ann Lee/1.jpg", files[1]), ("Bo/1.cls", 1)]
    with pytest.raises(FacesError, match=r"the image at byte \d+ of '.*a\.tar' has no label, .*\(1 of 2") as caught:
        open_faces(pack(tmp_path / "a.tar", members))
    assert "Ann" not in str(caught.value)  # Nobody could withhold names of a set that doesn't open.


@pytest.mark.parametrize(
    ("ending", "label", "shown"),
    [
        ("cls", "-1", "-1"),
        ("txt", "0.5", "0.5"),
        ("json", '{"label": -3}', "-3"),
        ("json", '{"label": true}', "True"),
        ("json", '{"label": [0, 1]}', r"\[0, 1\]"),
        ("json", '{"identity": 1.5}', "1.5"),
        ("json", '{"label": 1e999}', "inf"),
    ],
)
def test_labels_that_are_no_classes_are_refused(tmp_path, files, ending, label, shown):
    path = pack(tmp_path / "a.tar", [("0.jpg", files[0]), (f"0.{ending}", label)])
    refused(
        path, rf"the image at byte 512 of '.*a\.tar' has the label {shown}, but labels must be whole numbers from 0"
    )


def test_a_json_that_is_none_is_refused(tmp_path, files):
    path = pack(tmp_path / "a.tar", [*samples(files[:1], [0]), ("1.jpg", files[1]), ("1.json", "{")])
    refused(path, r"the label at byte \d+ of '.*a\.tar' is not valid JSON")


def test_two_images_of_one_sample_are_refused(tmp_path, files):
    path = pack(tmp_path / "a.tar", [("0.a.jpg", files[0]), ("0.cls", 0), ("0.b.jpg", files[1])])
    refused(path, r"a\.tar' holds at byte \d+ a second image of one sample; leave one image in each")


def test_a_link_in_place_of_an_image_is_refused(tmp_path, files):
    with tarfile.open(pack(tmp_path / "a.tar", samples(files[:1], [0])), "a") as archive:
        link = tarfile.TarInfo("1.jpg")
        link.type, link.linkname = tarfile.SYMTYPE, "000000.jpg"
        archive.addfile(link)
    refused(tmp_path / "a.tar", "a link in place of an image; pack the set again with links followed")


def test_a_name_outside_is_refused(tmp_path, files):
    refused(pack(tmp_path / "a.tar", [*samples(files[:1], [0]), ("../x.jpg", files[1])]), "points outside it")


def test_shards_of_identity_folders_without_labels_are_refused(tmp_path, files):
    for i in range(2):
        pack(tmp_path / f"{i}.tar", [(f"{person}/{i}.jpg", files[i]) for person in "ab"])
    refused(tmp_path, "holds images in folders and no label .* give one tar of identity folders")


# ---- writing -----------------------------------------------------------------------------------------------------


def read_tar(path):
    with tarfile.open(path) as archive:
        return [(member.name, archive.extractfile(member).read()) for member in archive]


def test_a_sample_is_an_image_its_class_and_its_identity(tmp_path, files):
    path = write_encoded(tmp_path / "a.tar", files[:2], [1, 0], ["Zoë", "Ann"], ["b/0.JPG", "a/1"])
    assert read_tar(path) == [
        ("b/0.JPG", files[0]),
        ("b/0.cls", b"1"),
        ("b/0.json", b'{"label": 1, "identity": "Ann"}'),
        ("a/1.jpg", files[1]),
        ("a/1.cls", b"0"),
        ("a/1.json", b'{"label": 0, "identity": "Zo\\u00eb"}'),
    ]
    assert open_faces(path).identities == ("Zoë", "Ann")


def test_without_names_samples_are_numbered_and_have_their_class_alone(tmp_path, files):
    path = write_encoded(tmp_path / "a.tar", files[:2], [7, 0])
    assert [name for name, _ in read_tar(path)] == ["00000000.jpg", "00000000.cls", "00000001.jpg", "00000001.cls"]
    assert open_faces(path).identities == ("0000000", "0000007")


def test_the_same_faces_give_the_same_bytes(tmp_path, files):
    one, two = (write_encoded(tmp_path / name, files, [0] * 6) for name in ("a.tar", "b.tar"))
    assert one.read_bytes() == two.read_bytes()


def test_a_folder_comes_back_with_its_fingerprint(folder, tmp_path):
    (path,) = convert_set(folder, tmp_path / "a.tar")
    (back,) = convert_set(path, tmp_path / "back")
    faces = open_faces(folder)
    for each in (path, back):
        assert open_faces(each).fingerprint == faces.fingerprint
        assert open_faces(each).identities == faces.identities


def test_an_unlabelled_set_comes_back_unlabelled(tmp_path, files):
    source = write_encoded(tmp_path / "a.zip", files)
    (path,) = convert_set(source, tmp_path / "a.tar")
    faces = open_faces(path)
    assert (faces.kind, faces.labels) == ("WebDataset", None)
    assert faces.fingerprint == open_faces(source).fingerprint


@pytest.mark.parametrize("names", [("0.jpg", "0.png"), ("1. Lee.jpg", "2.png")])
def test_names_that_are_no_stems_become_numbers(tmp_path, make, names):
    (tmp_path / "set" / "Ann").mkdir(parents=True)
    for seed, name in enumerate(names):
        data = make.encode(make.pixels_of(seed), "JPEG" if name.endswith("jpg") else "PNG")
        (tmp_path / "set" / "Ann" / name).write_bytes(data)
    (tmp_path / "set" / "Ben").mkdir()
    (tmp_path / "set" / "Ben" / "x.png").write_bytes(make.encode(make.pixels_of(2), "PNG"))
    (path,) = convert_set(tmp_path / "set", tmp_path / "a.tar")
    faces = open_faces(path)
    assert faces.names == ("Ann/00000000.jpg", "Ann/00000001.png", "Ben/00000002.png")
    assert contents(faces) == contents(open_faces(tmp_path / "set"))


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (([], []), "no image is given to write"),
        ((None, [0] * 6, None, ["a.jpg"] * 6), "two images have the stem 'a'"),
        ((None, [0] * 6, None, ["a.b.jpg"] * 6), r"name 'a\.b\.jpg' holds a dot before that of its suffix"),
    ],
)
def test_input_that_is_not_as_described_is_refused_and_leaves_nothing(tmp_path, files, given, words):
    with pytest.raises(InputError, match=words):
        write_encoded(tmp_path / "a.tar", *(files if given[0] is None else given[0], *given[1:]))
    assert list(tmp_path.iterdir()) == []
