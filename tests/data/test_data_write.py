"""What is written can be opened again, is whole or absent, and never covers something else."""

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sface_lib.data import open_faces, write_faces
from sface_lib.errors import FacesError, InputError


def images(n, side=4):
    return np.random.default_rng(0).integers(0, 256, (n, 3, side, side), dtype=np.uint8)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(labels=st.lists(st.integers(0, 12), min_size=1, max_size=8), side=st.integers(1, 5), is_zip=st.booleans())
def test_labels_and_pixels_survive_writing_and_opening(tmp_path_factory, labels, side, is_zip):
    path = tmp_path_factory.mktemp("set") / ("set.zip" if is_zip else "set")
    faces = open_faces(write_faces(path, images(len(labels), side), labels))
    found = [int(faces.identities[label]) for label in faces.labels]
    order = range(len(labels)) if is_zip else sorted(range(len(labels)), key=lambda i: (labels[i], i))
    assert found == [labels[i] for i in order]
    np.testing.assert_array_equal(faces.load().numpy(), images(len(labels), side)[list(order)])


def test_a_zip_has_the_layout_of_stylegan2_ada(tmp_path):
    path = write_faces(tmp_path / "set.zip", images(2), [3, 0])
    with zipfile.ZipFile(path) as archive:
        assert archive.namelist() == ["00000/img00000000.png", "00000/img00000001.png", "dataset.json"]
        assert {info.compress_type for info in archive.infolist()} == {zipfile.ZIP_STORED}
        content = json.loads(archive.read("dataset.json"))
    assert content == {"labels": [["00000/img00000000.png", 3], ["00000/img00000001.png", 0]]}


def test_the_same_faces_give_the_same_bytes(tmp_path):
    one, two = (write_faces(tmp_path / name, images(3), [0, 1, 1]) for name in ("a.zip", "b.zip"))
    assert one.read_bytes() == two.read_bytes()


@pytest.mark.parametrize("name", ["set", "set.zip"])
def test_an_unlabelled_set_opens_unlabelled(tmp_path, name):
    faces = open_faces(write_faces(tmp_path / name, images(2)))
    assert faces.labels is None
    np.testing.assert_array_equal(faces.load().numpy(), images(2))


def test_a_generator_of_tensors_is_written_one_by_one(tmp_path):
    written = []

    def stream():
        for number in range(3):
            if number:
                written.append(len(list(tmp_path.glob(".set-*/*/*.png"))))
            yield torch.from_numpy(images(3)[number])

    write_faces(tmp_path / "set", stream(), torch.tensor([0, 1, 1]))
    assert written == [1, 2]


@pytest.mark.parametrize("name", ["copy", "copy.zip"])
def test_names_and_identities_of_another_set_are_kept(folder, tmp_path, name):
    faces = open_faces(folder)
    copy = open_faces(write_faces(tmp_path / name, faces.load(), faces.labels, faces.identities, faces.names))
    assert (copy.names, copy.identities) == (faces.names, faces.identities)
    np.testing.assert_array_equal(copy.labels, faces.labels)
    assert torch.equal(copy.load(), faces.load())


@pytest.mark.parametrize("name", ["set", "set.zip"])
def test_nothing_is_ever_overwritten(tmp_path, name):
    (tmp_path / name).write_text("precious")
    with pytest.raises(FacesError, match="exists already; remove it or give another path"):
        write_faces(tmp_path / name, images(1), [0])
    assert (tmp_path / name).read_text() == "precious"


@pytest.mark.parametrize("name", ["set", "set.zip"])
def test_a_failure_leaves_nothing_behind(tmp_path, name):
    def stream():
        yield images(1)[0]
        raise RuntimeError("the generator broke")

    with pytest.raises(RuntimeError, match="the generator broke"):
        write_faces(tmp_path / name, stream(), [0, 0])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("name", "function"), [("set", "pathlib.Path.mkdir"), ("set.zip", "tempfile.mkstemp")])
def test_a_folder_without_write_permission_is_refused(tmp_path, name, function, monkeypatch):
    def forbid(*args, **kwargs):  # Tests may run as root, whom no permission stops.
        raise PermissionError(13, "Permission denied", str(tmp_path))

    monkeypatch.setattr(function, forbid)
    with pytest.raises(FacesError, match="cannot be written .*Permission denied.*give another path"):
        write_faces(tmp_path / name, images(1), [0])
    monkeypatch.undo()
    assert list(tmp_path.iterdir()) == []


def test_a_place_where_nothing_can_be_written_is_refused():
    if not Path("/proc/self").exists():
        pytest.skip("there is no /proc here")
    for name in ("set", "set.zip"):
        with pytest.raises(FacesError, match="cannot be written"):
            write_faces(Path("/proc/self") / name, images(1), [0])


@pytest.mark.parametrize("name", ["set", "set.zip"])
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"images": images(2), "labels": [0]}, "differ in number: one ends after 1"),
        ({"images": images(1), "labels": [0, 0]}, "differ in number: one ends after 1"),
        ({"images": images(2), "labels": [0, 0], "names": ["a"]}, "differ in number"),
        ({"images": images(1), "labels": [-1]}, "label -1 of image 0 must be an integer from 0"),
        ({"images": images(1), "labels": [0.5]}, "label 0.5"),
        ({"images": images(1), "labels": [2], "identities": ["a", "b"]}, "from 0 to 1"),
        ({"images": images(1) / 255, "labels": [0]}, r"float64 \[3, 4, 4\], but must be uint8 \[3, H, W\]"),
        ({"images": images(1).transpose(0, 2, 3, 1), "labels": [0]}, r"uint8 \[4, 4, 3\]"),
        ({"images": images(1), "labels": [0], "names": ["../a"]}, "points outside"),
        ({"images": images(1), "labels": [0], "names": [".a"]}, "hidden"),
        ({"images": images(2), "labels": [0, 0], "names": ["a.jpg", "a.png"]}, "twice|two images"),
    ],
)
def test_input_that_is_not_as_described_is_refused_and_leaves_nothing(tmp_path, name, arguments, words):
    with pytest.raises(InputError, match=words):
        write_faces(tmp_path / name, **arguments)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("identity", ["a/b", "..", ".hidden", ""])
def test_an_identity_that_cannot_name_a_folder_is_refused(tmp_path, identity):
    with pytest.raises(InputError, match=r"cannot name a folder|points outside"):
        write_faces(tmp_path / "set", images(1), [0], [identity])


def test_a_name_in_the_folder_of_another_identity_is_refused(tmp_path):
    with pytest.raises(InputError, match="outside the folder of its identity"):
        write_faces(tmp_path / "set", images(1), [0], ["a"], ["b/0.png"])
