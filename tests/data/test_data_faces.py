"""A set is the same set in every form, and is read lazily, safely and repeatably."""

import json
import os
import pickle
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from sface_lib.data import open_faces, resize_images
from sface_lib.errors import BadImageError, FacesError, InputError, ParameterError


def test_every_form_of_a_set_has_the_same_names_labels_pixels_and_fingerprint(folder, same_set):
    expected, faces = open_faces(folder), open_faces(same_set)
    assert faces.names == expected.names
    assert faces.identities == expected.identities
    np.testing.assert_array_equal(faces.labels, expected.labels)
    assert torch.equal(faces.load(), expected.load())
    assert faces.fingerprint == expected.fingerprint


def test_labels_number_identities_in_the_order_of_their_names(folder):
    faces = open_faces(folder)
    assert faces.identities == ("<script>alert(1)", "Ann Lee", "Zoë 'Z' \"Q\"")
    assert faces.labels.tolist() == [0, 1, 1, 1, 2, 2]
    assert faces.labels.dtype == np.int64
    assert faces.names[1] == "Ann Lee/0.png"


def test_an_image_is_rgb_uint8_channels_first_with_its_label(folder, make):
    image, label = open_faces(folder)[1]
    assert image.dtype == torch.uint8
    assert label == 1
    np.testing.assert_array_equal(image.numpy(), make.pixels_of(0).transpose(2, 0, 1))


def test_resolution_is_that_of_the_first_image(folder):
    assert open_faces(folder).resolution == 12


def test_iteration_and_negative_positions_work_like_those_of_a_list(folder):
    faces = open_faces(folder)
    assert len(list(faces)) == len(faces) == 6
    assert torch.equal(faces[-1][0], faces[5][0])
    with pytest.raises(IndexError):
        faces[6]


def test_opening_decodes_no_image(folder, monkeypatch):
    monkeypatch.setattr("sface_lib.data.faces.decode_image", lambda data: pytest.fail("decoded"))
    assert len(open_faces(folder)) == 6


@pytest.mark.parametrize("change", ["byte", "name", "label"])
def test_one_changed_byte_name_or_label_changes_the_fingerprint(folder, change, make):
    before = open_faces(folder).fingerprint
    file = folder / "Ann Lee" / "0.png"
    if change == "byte":
        data = bytearray(file.read_bytes())
        data[-1] ^= 1
        file.write_bytes(data)
    elif change == "name":
        file.rename(file.with_name("00.png"))
    else:
        (folder / "Ann Lee").rename(folder / "zz")
    assert open_faces(folder).fingerprint != before


def test_a_moved_label_changes_the_fingerprint_of_a_labels_file(tmp_path, make):
    make.fill(tmp_path / "set", {"a": 2})
    prints = set()
    for labels in ([0, 0], [0, 1], None):
        rows = labels and [[f"a/{i}.png", label] for i, label in enumerate(labels)]
        (tmp_path / "set" / "dataset.json").write_text(json.dumps({"labels": rows}))
        prints.add(open_faces(tmp_path / "set").fingerprint)
    assert len(prints) == 3


def test_fingerprint_ignores_times_and_files_that_are_no_images(folder):
    before = open_faces(folder).fingerprint
    os.utime(folder / "Ann Lee" / "0.png", (0, 0))
    (folder / "Ann Lee" / "readme.txt").write_text("no image")
    (folder / "__MACOSX" / "Ann Lee").mkdir(parents=True)
    (folder / "__MACOSX" / "Ann Lee" / "0.png").write_bytes(b"resource fork")
    (folder / "Ann Lee" / "._0.png").write_bytes(b"resource fork")
    faces = open_faces(folder)
    assert len(faces) == 6
    assert faces.fingerprint == before


def test_load_keeps_the_order_asked_for_and_takes_masks(folder):
    faces = open_faces(folder)
    assert torch.equal(faces.load([4, 0, 4]), faces.load()[[4, 0, 4]])
    assert torch.equal(faces.load(faces.labels == 1), faces.load()[1:4])
    assert faces.load([]).shape == (0, 3, 12, 12)


@pytest.mark.parametrize("indices", [[6], [-1], [0.5], [[0]]])
def test_load_refuses_positions_that_are_not_in_the_set(folder, indices):
    with pytest.raises(InputError, match="indices"):
        open_faces(folder).load(indices)


def test_load_resizes_as_resize_images_does(folder):
    faces = open_faces(folder)
    assert torch.equal(faces.load(size_px=8), resize_images(faces.load(), 8))


def test_load_refuses_a_size_below_one_pixel(folder):
    with pytest.raises(ParameterError, match="size_px is 0"):
        open_faces(folder).load(size_px=0)


def test_mixed_sizes_need_a_size(folder, make):
    (folder / "Ann Lee" / "1.png").write_bytes(make.encode(make.pixels_of(9, 20, 20)))
    faces = open_faces(folder)
    with pytest.raises(InputError, match=r"12 and of 20 pixels \('Ann Lee/1.png'\); give size_px"):
        faces.load()
    images = faces.load(size_px=10)
    assert images.shape == (6, 3, 10, 10)
    assert torch.equal(images[2], resize_images(faces[2][0][None], 10)[0])
    assert faces.inspect().sizes == {"12x12": 5, "20x20": 1}


def test_an_image_that_is_not_square_is_cropped_to_its_centre(folder, make):
    wide = make.pixels_of(9, 12, 20)
    (folder / "Ann Lee" / "0.png").write_bytes(make.encode(wide))
    faces = open_faces(folder)
    np.testing.assert_array_equal(faces.load([1])[0].numpy(), wide[:, 4:16].transpose(2, 0, 1))
    assert faces.inspect().sizes["20x12"] == 1


def test_a_subset_numbers_its_identities_anew_in_the_same_order(folder):
    part = open_faces(folder).subset([5, 0])
    assert part.identities == ("<script>alert(1)", "Zoë 'Z' \"Q\"")
    assert part.labels.tolist() == [1, 0]
    assert part.names[1] == "<script>alert(1)/0.png"


def test_a_subset_may_keep_labels_and_identities(folder):
    faces = open_faces(folder)
    part = faces.subset([5, 0], relabel=False)
    assert part.identities == faces.identities
    assert part.labels.tolist() == [2, 0]


def test_a_subset_of_everything_has_the_fingerprint_of_the_set_and_a_part_has_not(folder):
    faces = open_faces(folder)
    assert faces.subset(np.arange(6)).fingerprint == faces.fingerprint
    assert faces.subset(range(5)).fingerprint != faces.fingerprint


def test_a_subset_refuses_an_image_twice(folder):
    with pytest.raises(InputError, match="more than once"):
        open_faces(folder).subset([1, 1])


def test_a_set_survives_pickling_and_worker_processes(same_set):
    faces = open_faces(same_set)
    faces[0]  # A handle is open before the fork.
    assert torch.equal(pickle.loads(pickle.dumps(faces)).load(), faces.load())
    batches = list(DataLoader(faces, batch_size=2, num_workers=1, multiprocessing_context="fork"))
    assert torch.equal(torch.cat([images for images, _ in batches]), faces.load())
    assert torch.equal(faces.load([5]), faces.load()[5:])


def test_a_compressed_tar_leaves_no_temporary_file_behind(folder, tmp_path, make, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    faces = open_faces(make.pack_tar(folder, tmp_path / "set", mode="w:gz"))
    stored = pickle.dumps(faces)
    assert len(list((tmp_path / "temporary").iterdir())) == 1
    del faces
    assert not list((tmp_path / "temporary").iterdir())
    assert pickle.loads(stored).load().shape == (6, 3, 12, 12)


def test_opening_a_zip_of_many_images_reads_none_of_them(tmp_path, make, monkeypatch):
    data = make.encode(make.pixels_of(0, 4, 4))
    with zipfile.ZipFile(tmp_path / "many.zip", "w") as archive:
        for number in range(10_000):
            archive.writestr(f"{number // 10}/{number}.png", data)
    monkeypatch.setattr(zipfile.ZipFile, "open", lambda archive, member, *_: pytest.fail(f"read {member}"))
    assert len(open_faces(tmp_path / "many.zip")) == 10_000


# ---- bad images -----------------------------------------------------------------------------------------------


@pytest.fixture
def damaged(folder, make):
    """The set with a truncated JPEG, an empty file and a text that is called .png."""
    jpeg = make.encode(make.pixels_of(1, 40, 40), "JPEG")
    (folder / "Ann Lee" / "cut.jpg").write_bytes(jpeg[: len(jpeg) // 2])
    (folder / "Ann Lee" / "empty.png").write_bytes(b"")
    (folder / "<script>alert(1)" / "0.png").write_text("no image at all")
    return folder


def test_inspect_stops_at_bad_images_and_lists_each_with_the_remedy(damaged):
    with pytest.raises(BadImageError, match="holds 3 images that cannot be decoded") as caught:
        open_faces(damaged).inspect()
    message = str(caught.value)
    for words in ("cut.jpg", "truncated", "empty.png", "script", 'on_bad_image="skip"', "repair or remove"):
        assert words in message
    assert len(caught.value.bad) == 3


def test_skipping_counts_bad_images_and_tells_which_are_good(damaged):
    faces = open_faces(damaged, on_bad_image="skip")
    manifest = faces.inspect()
    assert (manifest.n_images, len(manifest.bad)) == (8, 3)
    assert faces.good.tolist() == [name not in dict(manifest.bad) for name in faces.names]
    assert faces.load(faces.good).shape == (5, 3, 12, 12)
    assert faces.subset(faces.good).inspect().bad == ()
    assert faces.fingerprint == open_faces(damaged).fingerprint == manifest.fingerprint


def test_a_bad_image_is_never_given(damaged):
    faces = open_faces(damaged, on_bad_image="skip")
    bad = faces.names.index("Ann Lee/cut.jpg")
    with pytest.raises(BadImageError, match=r"Ann Lee/cut\.jpg"):
        faces[bad]
    with pytest.raises(BadImageError, match=r"Ann Lee/cut\.jpg"):
        faces.load([3, bad])
    with pytest.raises(BadImageError):
        _ = faces.resolution  # The first image is the text.


def test_an_identity_left_without_an_image_is_reported(damaged):
    manifest = open_faces(damaged, on_bad_image="skip").inspect()
    assert manifest.n_identities == 3
    assert manifest.images_per_identity == {"min": 0, "median": 2.0, "max": 3}


def test_the_message_names_ten_bad_images_at_most(folder):
    for number in range(13):
        (folder / "Ann Lee" / f"bad{number:02d}.png").write_bytes(b"x")
    with pytest.raises(BadImageError, match=r"bad09\.png.* and 3 more;") as caught:
        open_faces(folder).inspect()
    assert "bad10" not in str(caught.value)


def test_why_images_are_bad_is_told_without_names_even_of_a_file_that_vanished(damaged):
    faces = open_faces(damaged, on_bad_image="skip")
    (damaged / "Ann Lee" / "2.png").unlink()
    reasons = [reason for _, reason in faces.inspect().bad]
    assert len(reasons) == 4
    assert not any("Ann" in reason or "script" in reason for reason in reasons)


def test_a_damaged_zip_member_is_a_bad_image(folder, tmp_path, make):
    path = make.pack_zip(folder, tmp_path / "set.zip")
    data = bytearray(path.read_bytes())
    data[data.index(b"IDAT") + 8] ^= 0xFF
    path.write_bytes(data)
    manifest = open_faces(path, on_bad_image="skip").inspect()
    assert len(manifest.bad) == 1
    assert len(manifest.fingerprint) == 64


def test_images_that_vanished_from_two_sets_are_not_shared(folder, tmp_path):
    """Nobody can say that they were the same."""
    shutil.copytree(folder, other := tmp_path / "other")
    one, two = open_faces(folder), open_faces(other)
    for faces in (one, two):
        (Path(faces.path) / faces.names[0]).unlink()
    assert one.shared_with(two) == len(one) - 1


def test_on_bad_image_is_stop_or_skip(folder):
    with pytest.raises(ParameterError, match='"stop" or "skip"'):
        open_faces(folder, on_bad_image="ignore")


# ---- layouts --------------------------------------------------------------------------------------------------


def test_images_beside_identity_folders_are_refused_with_the_allowed_layouts(tmp_path, make):
    make.fill(tmp_path, {"Ann": 1})
    (tmp_path / "a.png").write_bytes(make.encode(make.pixels_of(0)))
    with pytest.raises(FacesError, match=r"outside identity folders, e\.g\. 'a\.png'; allowed are <identity>/<image>"):
        open_faces(tmp_path)


def test_folders_that_nest_too_deeply_are_refused(folder, make):
    make.fill(folder / "Ann Lee" / "more", {"deep": 1})
    with pytest.raises(FacesError, match="too deeply"):
        open_faces(folder)


def test_a_loop_of_links_ends_in_a_refusal(folder):
    (folder / "Ann Lee" / "again").symlink_to(folder / "Ann Lee")
    with pytest.raises(FacesError, match="too deeply"):
        open_faces(folder)


def test_one_identity_alone_and_one_image_alone_can_be_opened(tmp_path, make):
    faces = open_faces(make.fill(tmp_path / "set", {"only": 1}), labels="folders")
    assert faces.identities == ("only",)
    assert faces.inspect().images_per_identity == {"min": 1, "median": 1.0, "max": 1}


def labelled(tmp_path, make, content, count=3):
    """A StyleGAN2-ADA folder with a given dataset.json."""
    make.fill(tmp_path / "set", {"00000": count})
    text = content if isinstance(content, str) else json.dumps(content)
    (tmp_path / "set" / "dataset.json").write_text(text)
    return tmp_path / "set"


def rows(*labels):
    return {"labels": [[f"00000/{number}.png", label] for number, label in enumerate(labels)]}


@pytest.mark.parametrize("packed", ["folder", "zip", "tar below a folder"])
def test_labels_file_gives_labels_as_they_are(tmp_path, make, packed):
    path = labelled(tmp_path, make, rows(2, 0, 1))
    path = {
        "folder": lambda: path,
        "zip": lambda: make.pack_zip(path, tmp_path / "s"),
        "tar below a folder": lambda: make.pack_tar(path, tmp_path / "s", "top/"),
    }[packed]()
    faces = open_faces(path)
    assert faces.labels.tolist() == [2, 0, 1]
    assert faces.identities == ("0", "1", "2")
    assert faces.names[0] == "00000/0.png"


def test_labels_with_gaps_are_numbered_anew_in_numeric_order(tmp_path, make):
    faces = open_faces(labelled(tmp_path, make, rows(30, 4, 4)))
    assert faces.labels.tolist() == [1, 0, 0]
    assert faces.identities == ("4", "30")


@pytest.mark.parametrize("content", [{"labels": None}, {}])
def test_a_labels_file_without_labels_makes_an_unlabelled_set(tmp_path, make, content):
    faces = open_faces(labelled(tmp_path, make, content))
    assert faces.labels is None
    assert faces.identities == ()
    assert faces[0][1] is None
    assert faces.inspect().images_per_identity is None
    assert faces.subset([0]).labels is None


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (rows(0, 1, 2, 3), "names '00000/3.png', which is not in the set"),
        (rows(0, 1), "has no label for '00000/2.png'"),
        (rows(0.5, 1, 2), "label 0.5, but labels must be integers"),
        (rows([0, 1], [1, 0], [1, 0]), "label \\[0, 1\\], but labels must be integers"),
        (rows(-1, 0, 1), "label -1"),
        (rows(True, 0, 1), "label True"),
        ({"labels": [["00000/0.png", 0, 1]]}, "must list labels as"),
        ({"labels": 7}, "must list labels as"),
        ({"labels": [*rows(0, 1, 2)["labels"], ["00000/0.png", 1]]}, "more than once"),
        ("{", "not valid JSON"),
    ],
)
def test_a_labels_file_that_does_not_fit_is_refused_with_the_reason(tmp_path, make, content, words):
    with pytest.raises(FacesError, match=words) as caught:
        open_faces(labelled(tmp_path, make, content))
    assert "dataset.json" in str(caught.value)
    assert str(tmp_path) in str(caught.value)
