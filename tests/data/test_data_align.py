"""Photographs become aligned faces: the right face, in its place, under its name, whatever happens on the way."""

import csv
import importlib.util
import io
import json
import os
import subprocess
import sys
import zipfile

import dlib
import numpy as np
import pytest
from accelerate import Accelerator
from PIL import Image

from sface_lib import cli
from sface_lib.data import open_faces
from sface_lib.data.align import (
    COUNTED,
    PLACES_112,
    align_faces,
    crop_transform,
    open_photographs,
    what_was_aligned,
)
from sface_lib.data.landmarks import _nearness, find_eyes, find_face, load_models, misalignment
from sface_lib.data.template import ARCFACE_112, cut_crop, similarity
from sface_lib.errors import BadImageError, FacesError, InputError
from sface_lib.population import shipped_faces
from sface_lib.recognition import embed_batches, open_model

# Rendered faces that look into the camera, and are found at once.
FRONTAL = [72, 76, 183, 194, 197, 198]
GREY = (120, 130, 140)


@pytest.fixture(scope="module")
def heads():
    return [Image.fromarray(image) for image in shipped_faces("balanced").load(FRONTAL).permute(0, 2, 3, 1).numpy()]


def photograph(*faces, size=(320, 240), turn=0):
    """A grey picture with faces: (image, side, (left, top)) each."""
    picture = Image.new("RGB", size, GREY)
    for image, side, at in faces:
        picture.paste(image.resize((side, side), Image.Resampling.BICUBIC), at)
    return picture.rotate(turn, Image.Resampling.BICUBIC, fillcolor=GREY)


def found_in(picture):
    return find_face(np.array(picture))


@pytest.fixture
def source(tmp_path, heads):
    """Four photographs of two persons, of several sizes, kinds and suffixes; one shows nobody."""
    root = tmp_path / "photographs"
    for person in ("Ann Lee", "Zoë"):
        (root / person).mkdir(parents=True)
    photograph((heads[0], 160, (80, 40))).save(root / "Ann Lee" / "0.jpg", quality=95)
    photograph((heads[1], 300, (150, 40)), size=(600, 400)).convert("LA").save(root / "Ann Lee" / "1.png")
    photograph((heads[2], 160, (80, 40)), turn=20).save(root / "Zoë" / "party.2.webp", quality=95)
    photograph(size=(100, 80)).save(root / "Zoë" / "nobody.JPEG")
    return root


def files(folder):
    """Every file with its bytes."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def table(folder, name="alignment.csv"):
    with open(folder / name, newline="", encoding="utf-8") as stream:
        return {row["name"]: row for row in csv.DictReader(stream)}


# Which face.


def test_the_points_are_where_the_face_is(heads):
    for head in heads:
        face = found_in(photograph((head, 160, (80, 40))))
        # The faces differ, by a few pixels of 112.
        assert (face.points - [80, 40]) * 112 / 160 == pytest.approx(PLACES_112, abs=5)


def test_on_rendered_faces_too_the_points_lie_on_their_places_on_average(heads):
    """The places come from photographs; the renderer knows nothing of them."""
    found = [found_in(photograph((head, 160, (80, 40)))).points for head in heads]
    assert (np.mean(found, 0) - [80, 40]) * 112 / 160 == pytest.approx(PLACES_112, abs=2)


def test_a_larger_photograph_has_its_points_in_proportion(heads):
    small = photograph((heads[1], 160, (80, 40)))
    large = small.resize((320 * 6, 240 * 6), Image.Resampling.BICUBIC)
    # It is looked at when reduced to 640 px, where a point is whole: 3 px here; its box moves it a little more.
    assert found_in(large).points / 6 == pytest.approx(found_in(small).points, abs=3)


def test_detectors_take_over_where_the_one_before_finds_nothing(heads):
    assert found_in(photograph((heads[1], 160, (80, 40)))).detector == "hog"
    assert found_in(photograph((heads[2], 76, (120, 80)))).detector == "hog enlarged"
    turned = found_in(photograph((heads[0], 160, (80, 40)), turn=60))
    assert turned.detector == "cnn"
    eyes = turned.points[1] - turned.points[0]
    assert np.degrees(np.arctan2(-eyes[1], eyes[0])) == pytest.approx(60, abs=12)


def test_a_box_is_nearest_in_the_middle_and_far_in_a_corner():
    picture = np.zeros((240, 320, 3), np.uint8)
    assert _nearness(dlib.rectangle(150, 110, 169, 129), picture) == pytest.approx(1)
    assert _nearness(dlib.rectangle(-10, -10, 9, 9), picture) == pytest.approx(0)
    # 100 px of 200 from the middle to a corner: 3-4-5.
    assert _nearness(dlib.rectangle(70, 50, 89, 69), picture) == pytest.approx(0.5)


def test_of_two_faces_the_larger_one_is_the_main_one(heads):
    face = found_in(photograph((heads[1], 200, (20, 20)), (heads[3], 110, (230, 60)), size=(360, 240)))
    assert face.faces == 2 and face.points[:2].mean(0) == pytest.approx([120, 115], abs=15)


def test_of_two_equal_faces_the_one_nearer_to_the_middle_is_the_main_one(heads):
    left, right = (heads[1], 150, (90, 50)), (heads[1], 150, (240, 50))
    face = found_in(photograph(left, right, size=(400, 240)))
    assert face.faces == 2 and face.points[2, 0] < 240
    face = found_in(photograph(left, right, size=(600, 240)).crop((80, 0, 480, 240)))
    assert face.points[2, 0] > 160


@pytest.mark.slow
@pytest.mark.parametrize("size", [(1, 1), (700, 5), (20, 20), (2, 3000), (64, 64), (640, 480)])
def test_where_nobody_is_nobody_is_found(size):
    assert found_in(photograph(size=size)) is None


# What is written.


def test_faces_lie_in_their_places_under_their_names(source, tmp_path):
    done = align_faces(source, tmp_path / "faces")
    assert done == (tmp_path / "faces", 3, 1, 0) == what_was_aligned(tmp_path / "faces")
    assert what_was_aligned(source) is None
    faces = open_faces(tmp_path / "faces")
    assert faces.names == ("Ann Lee/0.jpg", "Ann Lee/1.jpg", "Zoë/party.2.jpg")
    assert faces.identities == ("Ann Lee", "Zoë") and faces.inspect().sizes == {"112x112": 3}
    assert np.nanmax(misalignment(faces.load())) < 0.05  # 5.6 px, from a picture where an eye was 1 px.


def test_the_table_tells_of_every_photograph(source, tmp_path):
    align_faces(source, tmp_path / "faces", size_px=56)
    rows = table(tmp_path / "faces")
    assert list(rows) == ["Ann Lee/0.jpg", "Ann Lee/1.png", "Zoë/nobody.JPEG", "Zoë/party.2.webp"]
    assert list(table(tmp_path / "faces", "not_found.csv")) == ["Zoë/nobody.JPEG"]
    assert [row["found"] for row in rows.values()] == ["1", "1", "0", "1"]
    assert rows["Zoë/nobody.JPEG"]["problem"] == "no face" and rows["Zoë/nobody.JPEG"]["scale"] == ""
    first, turned = rows["Ann Lee/0.jpg"], rows["Zoë/party.2.webp"]
    assert first["detector"] == "hog" and first["faces"] == "1"
    # The renderer aligned these faces itself: 160 px become 56, and a turn to the left is turned back.
    assert float(first["scale"]) == pytest.approx(56 / 160, rel=0.1)
    assert float(first["rotation_degrees"]) == pytest.approx(0, abs=5)
    assert float(turned["rotation_degrees"]) == pytest.approx(20, abs=5)
    # The row is enough to cut the crop again.
    points = [float(first[key]) for key in first if key.endswith(("_x", "_y"))]
    picture = np.array(Image.open(source / "Ann Lee" / "0.jpg"))
    again = cut_crop(picture, crop_transform(np.reshape(points, (3, 2)), 56), 56)
    stored = np.array(Image.open(tmp_path / "faces" / "Ann Lee" / "0.jpg"))
    assert abs(again.astype(int) - stored).mean() < 3  # JPEG.


def test_a_photograph_without_a_face_may_give_its_centre(source, tmp_path):
    done = align_faces(source, tmp_path / "faces", missing="keep")
    assert (done.aligned, done.without_face) == (3, 1)
    centre = np.array(Image.open(tmp_path / "faces" / "Zoë" / "nobody.JPEG"))
    assert centre.shape == (112, 112, 3) and abs(centre - np.array(GREY)).max() < 4  # JPEG.
    assert list(table(tmp_path / "faces", "not_found.csv")) == ["Zoë/nobody.JPEG"]


def test_a_flat_folder_has_no_identities(tmp_path, heads):
    (tmp_path / "flat" / "deep" / "er").mkdir(parents=True)
    photograph((heads[1], 160, (80, 40))).save(tmp_path / "flat" / "one.jpg")
    photograph((heads[3], 160, (80, 40))).save(tmp_path / "flat" / "deep" / "er" / "two.jpg")
    assert open_photographs(tmp_path / "flat").labels is None
    assert align_faces(tmp_path / "flat", tmp_path / "faces").aligned == 2
    assert {"one.jpg", "deep/er/two.jpg"} < files(tmp_path / "faces").keys()


@pytest.mark.parametrize("labels", ["none", "folders"])
def test_faces_of_numbered_folders_open_as_the_photographs_were_taken(tmp_path, heads, labels):
    for number in (0, 1, 1000, 1001):
        file = tmp_path / "shares" / f"{number // 1000 * 1000:05d}" / f"{number:05d}.jpg"
        file.parent.mkdir(parents=True, exist_ok=True)
        photograph((heads[1], 160, (80, 40))).save(file)
    align_faces(tmp_path / "shares", tmp_path / "faces", labels=labels)
    faces = open_faces(tmp_path / "faces")
    assert len(faces) == 4 and faces.identities == (() if labels == "none" else ("00000", "01000"))


@pytest.mark.slow
def test_files_that_are_not_read_are_counted_and_named(source, tmp_path, capsys):
    for name in ("Ann Lee/IMG_0001.HEIC", "Zoë/no_ending", "notes.txt"):
        (source / name).write_bytes(b"?")
    assert cli.main(["data", "align", str(source), str(tmp_path / "faces")]) == 0
    assert "Files not read: 2, e.g. 'Ann Lee/IMG_0001.HEIC', 'Zoë/no_ending'\n" in capsys.readouterr().out


def test_a_zip_with_labels_becomes_identity_folders(source, tmp_path):
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        archive.writestr("00000/a.jpg", (source / "Ann Lee" / "0.jpg").read_bytes())
        archive.writestr("00000/b.webp", (source / "Zoë" / "party.2.webp").read_bytes())
        archive.writestr("dataset.json", json.dumps({"labels": [["00000/a.jpg", 1], ["00000/b.webp", 0]]}))
    align_faces(tmp_path / "set.zip", tmp_path / "faces")
    assert open_faces(tmp_path / "faces").names == ("0/b.jpg", "1/a.jpg")


def test_a_photograph_is_turned_as_its_exif_says(tmp_path, heads):
    upright = photograph((heads[1], 160, (80, 40)))
    lying, exif = upright.transpose(Image.Transpose.ROTATE_90), Image.Exif()
    exif[0x0112] = 6  # To be turned clockwise.
    (tmp_path / "flat").mkdir()
    lying.save(tmp_path / "flat" / "lying.png", exif=exif)
    upright.save(tmp_path / "flat" / "upright.png")
    align_faces(tmp_path / "flat", tmp_path / "faces")
    assert (tmp_path / "faces" / "lying.jpg").read_bytes() == (tmp_path / "faces" / "upright.jpg").read_bytes()


# What happens on the way.


def test_a_stopped_run_goes_on_with_what_is_missing(source, tmp_path):
    whole, target = tmp_path / "whole", tmp_path / "faces"
    align_faces(source, whole)
    align_faces(source, target)
    lines = (target / "alignment.csv").read_text().splitlines(keepends=True)
    # Stopped while the third row was written; the second photograph's crop was lost.
    (target / "alignment.csv").write_text("".join(lines[:3]) + lines[3][:-30])
    (target / "not_found.csv").unlink()
    (target / "Ann Lee" / "1.jpg").unlink()
    kept = (target / "Ann Lee" / "0.jpg").stat().st_mtime_ns
    align_faces(source, target)
    assert files(target) == files(whole)
    assert (target / "Ann Lee" / "0.jpg").stat().st_mtime_ns == kept


def test_a_photograph_that_came_later_or_was_changed_is_aligned(source, tmp_path, heads):
    align_faces(source, tmp_path / "faces")
    photograph((heads[4], 160, (80, 40))).save(source / "Zoë" / "new.jpg")
    photograph(size=(90, 90)).save(source / "Ann Lee" / "0.jpg")
    assert align_faces(source, tmp_path / "faces") == (tmp_path / "faces", 3, 2, 0)
    align_faces(source, tmp_path / "fresh")
    assert files(tmp_path / "faces") == files(tmp_path / "fresh")


def test_unreadable_photographs_are_told_when_all_others_are_aligned(source, tmp_path):
    good = (source / "Ann Lee" / "0.jpg").read_bytes()
    (source / "Ann Lee" / "0.jpg").write_bytes(good[:400])
    with pytest.raises(BadImageError, match=r"holds 1 image that cannot be decoded: 'Ann Lee/0.jpg' \(.*skip"):
        align_faces(source, tmp_path / "faces")
    assert (tmp_path / "faces" / "Ann Lee" / "1.jpg").exists()
    assert table(tmp_path / "faces")["Ann Lee/0.jpg"]["problem"]
    assert align_faces(source, tmp_path / "faces", on_bad_image="skip") == (tmp_path / "faces", 2, 1, 1)
    (source / "Ann Lee" / "0.jpg").write_bytes(good)  # Repaired.
    assert align_faces(source, tmp_path / "faces") == (tmp_path / "faces", 3, 1, 0)


@pytest.mark.nightly
@pytest.mark.processes
def test_two_workers_write_the_same_bytes(source, tmp_path):
    align_faces(source, tmp_path / "one")
    command = [sys.executable, "-m", "sface_lib.cli", "data", "align", str(source), str(tmp_path / "two")]
    done = subprocess.run(
        [*command, "--workers", "2"], capture_output=True, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"}
    )
    assert done.returncode == 0, done.stderr
    assert "3 aligned" in done.stdout and "Without a face: 1, left out; listed in not_found.csv" in done.stdout
    assert files(tmp_path / "one") == files(tmp_path / "two")


# What is refused.


def test_a_folder_of_another_recipe_is_refused(source, tmp_path):
    align_faces(source, tmp_path / "faces")
    with pytest.raises(InputError, match="holds a set made with .*112.*now .*64.*give another folder"):
        align_faces(source, tmp_path / "faces", size_px=64)
    with pytest.raises(InputError, match="holds a set made with"):
        align_faces(source, tmp_path / "faces", missing="keep")


def test_faces_of_another_source_are_refused(source, tmp_path):
    align_faces(source, tmp_path / "faces")
    (source / "Zoë" / "nobody.JPEG").unlink()
    with pytest.raises(InputError, match="holds the face of 'Zoë/nobody.JPEG', which is not in .*give another folder"):
        align_faces(source, tmp_path / "faces")


def test_a_folder_of_other_files_or_a_file_is_refused_and_left_alone(source, tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("precious")
    with pytest.raises(InputError, match="holds other files; give a new or empty folder"):
        align_faces(source, tmp_path / "full")
    with pytest.raises(InputError, match="is a file; give a new or empty folder"):
        align_faces(source, tmp_path / "full" / "thesis.txt")
    assert files(tmp_path / "full") == {"thesis.txt": b"precious"}


def test_a_folder_within_the_source_is_refused(source):
    with pytest.raises(InputError, match="where its faces would be photographs; give another folder"):
        align_faces(source, source / "faces")
    assert not (source / "faces").exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"size_px": 15}, "size_px is 15, but must be from 16 to 1024"),
        ({"size_px": 1025}, "size_px is 1025"),
        ({"missing": "guess"}, 'missing is \'guess\', but must be "drop" or "keep"'),
        ({"on_bad_image": "ignore"}, 'on_bad_image is \'ignore\', but must be "stop" or "skip"'),
        ({"workers": 0}, "workers is 0, but must be at least 1"),
    ],
)
def test_values_that_are_not_allowed_are_refused_before_anything_is_written(source, tmp_path, options, words):
    with pytest.raises(InputError, match=words):
        align_faces(source, tmp_path / "faces", **options)
    assert not (tmp_path / "faces").exists()


def test_a_source_without_photographs_is_refused(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(FacesError, match="holds no images"):
        align_faces(tmp_path / "empty", tmp_path / "faces")
    with pytest.raises(FacesError, match="does not exist"):
        align_faces(tmp_path / "nowhere", tmp_path / "faces")
    assert not (tmp_path / "faces").exists()


def test_two_photographs_that_would_be_one_file_are_refused(source, tmp_path):
    photograph().save(source / "Ann Lee" / "1.jpg")
    with pytest.raises(InputError, match=r"'Ann Lee/1\.jpg' and 'Ann Lee/1\.png' .* would be one file; rename one"):
        align_faces(source, tmp_path / "faces")


@pytest.mark.parametrize(("identity", "words"), [("..", "points outside"), (".a", "would be written to '.a/a.jpg'")])
def test_an_identity_that_cannot_be_a_folder_is_refused(tmp_path, identity, words):
    stream = io.BytesIO()
    photograph().save(stream, "JPEG")
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        archive.writestr("00000/a.jpg", stream.getvalue())
        archive.writestr("dataset.json", json.dumps({"labels": [["00000/a.jpg", 0]], "identities": [identity]}))
    with pytest.raises(InputError, match=words):
        align_faces(tmp_path / "set.zip", tmp_path / "faces")
    assert not (tmp_path / "faces").exists()


def test_without_the_extra_it_is_named(source, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    load_models.cache_clear()
    assert cli.main(["data", "align", str(source), str(tmp_path / "faces")]) == 2
    assert "needs the extra `align`; run pip install -e '.[align]' in the checkout" in capsys.readouterr().err
    assert not (tmp_path / "faces").exists()
    load_models.cache_clear()


# On photographs.


@pytest.fixture(scope="module")
def lfw(real_data, tmp_path_factory):
    """Our crops of 300 photographs, and MTCNN's of the same."""
    folder = tmp_path_factory.mktemp("lfw") / "faces"
    done = align_faces(real_data / "lfw250_sample", folder)
    assert done.aligned >= 0.97 * 300
    ours, theirs = open_faces(folder), open_faces(real_data / "lfw112.tar")
    place = {name: i for i, name in enumerate(theirs.names)}
    return ours, theirs.load([place[name] for name in ours.names])


def test_a_recognition_model_sees_the_same_faces_as_in_the_crops_of_another_aligner(lfw, real_data):
    """On the photographs from which the places of the points were not measured."""
    ours, theirs = lfw
    model, accelerator = open_model(real_data / "mobilefacenet_casia.safetensors"), Accelerator(cpu=True)
    odd, rows = np.arange(1, len(ours), 2), table(ours.path)

    def eyes_alone(index):
        row = rows[ours.names[index]]
        points = np.reshape([float(row[key]) for key in row if key.endswith(("_x", "_y"))], (3, 2))
        transform = similarity(points[:2], ARCFACE_112[:2])
        return cut_crop(photographs.photograph(photographs.names.index(ours.names[index])), transform, 112)

    def scores(images):
        embedded = [embed_batches(model, batch.split(16), accelerator) for batch in (images, theirs[odd])]
        return (embedded[0] * embedded[1]).sum(1)

    photographs = open_photographs(real_data / "lfw250_sample")
    aligned = scores(ours.load(odd))
    assert np.median(aligned) > 0.94 and np.quantile(aligned, 0.05) > 0.85 and aligned.min() > 0.7
    plain = np.stack([eyes_alone(index) for index in odd]).transpose(0, 3, 1, 2)
    assert aligned.mean() > scores(theirs.new_tensor(plain)).mean() + 0.01  # 0.949 and 0.922.


def test_eyes_lie_where_another_aligner_puts_them(lfw):
    ours, theirs = lfw
    apart = 112 * np.linalg.norm(find_eyes(ours.load()) - find_eyes(theirs), axis=2)
    assert np.nanmedian(apart) < 2 and np.isfinite(apart).mean() > 0.95


def test_a_face_at_the_border_does_not_hide_a_turned_one_in_the_middle(real_data):
    faces = open_photographs(real_data / "lfw250_sample")
    for name in ("Elena_de_Chavez", "Franklin_Damann"):
        face = find_face(faces.photograph(faces.names.index(f"{name}/{name}_0001.jpg")))
        assert face.detector != "hog" and abs(face.points.mean(0) - 125).max() < 40


def test_places_of_the_points_are_those_measured_on_every_second_photograph(lfw):
    """In MTCNN's crops, the middle of the eyes' corners lies at the places' height, below the template's eyes."""
    _, theirs = lfw
    heights = 112 * np.nanmean(find_eyes(theirs[::2])[:, :, 1])
    assert heights == pytest.approx(PLACES_112[COUNTED[:4], 1].mean(), abs=0.3)
    assert heights > ARCFACE_112[:2, 1].mean() + 1
