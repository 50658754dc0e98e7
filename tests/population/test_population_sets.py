"""Sets: a function of their numbers, resumable, with ground truth that is true."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from sface_lib import cli
from sface_lib.chapters.published import published
from sface_lib.data import open_faces
from sface_lib.errors import InputError
from sface_lib.population.rendering.heads import head_model
from sface_lib.population.rendering.labels import ATTRIBUTES, attributes
from sface_lib.population.rendering.persons import SPLITS, draw_person
from sface_lib.population.rendering.sets import render_set, truth_table
from sface_lib.population.rendering.shots import draw_shot
from sface_lib.recognition import pixel_embeddings

pytestmark = [pytest.mark.render, pytest.mark.nightly]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return render_set(tmp_path_factory.mktemp("population") / "set", "balanced", 4, 3, 32)


def pixels(folder):
    return open_faces(folder).load().numpy()


def test_it_is_a_set_of_aligned_faces_with_a_table(folder):
    faces, table = open_faces(folder), pd.read_parquet(folder / "labels.parquet")
    assert faces.identities == tuple(f"balanced-{i:06d}" for i in range(4))
    assert tuple(faces.load().shape) == (12, 3, 32, 32)
    assert table["name"].tolist() == list(faces.names) and table["identity"].tolist() == faces.labels.tolist()
    assert faces.load().float().std() > 25  # No blank pictures.


@pytest.mark.processes
def test_a_fresh_process_and_two_workers_give_the_same_pixels(folder, tmp_path):
    command = [sys.executable, "-m", "sface_lib.cli", "population", "render", "--identities", "4", "--images", "3"]
    command += ["--size", "32", "--workers", "2", "--out", str(tmp_path / "again")]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"})
    assert done.returncode == 0, done.stderr
    assert np.array_equal(pixels(tmp_path / "again"), pixels(folder))


def test_a_stopped_run_goes_on_and_a_longer_set_begins_with_the_shorter(folder, tmp_path):
    target = tmp_path / "set"
    render_set(target, "balanced", 2, 3, 32)
    kept = (target / "balanced-000001" / "0002.jpg").stat().st_mtime_ns
    render_set(target, "balanced", 4, 3, 32)
    assert (target / "balanced-000001" / "0002.jpg").stat().st_mtime_ns == kept
    assert np.array_equal(pixels(target), pixels(folder)) and len(pd.read_parquet(target / "labels.parquet")) == 12


def test_a_full_disk_is_told_and_loses_no_finished_identity(folder, tmp_path, monkeypatch, capsys):
    target, write, left = tmp_path / "set", Path.write_bytes, [4]  # Room for one identity and an image.

    def write_while_there_is_room(self, data):
        left[0] -= 1
        if left[0] < 0:
            raise OSError(errno.ENOSPC, "No space left on device", str(self))
        return write(self, data)

    monkeypatch.setattr(Path, "write_bytes", write_while_there_is_room)
    command = ["population", "render", "--out", str(target), "--size", "32", "--images", "3", "--workers", "1"]
    assert cli.main([*command, "--identities", "4"]) == 2
    assert "is full: free some space and run the same command again" in capsys.readouterr().err
    assert sorted(path.name for path in target.iterdir()) == ["balanced-000000", "recipe.json"]
    monkeypatch.undo()
    assert cli.main([*command, "--identities", "4"]) == 0
    assert np.array_equal(pixels(target), pixels(folder))


def test_images_of_one_identity_are_more_alike_than_those_of_two(folder):
    faces = open_faces(folder)
    embedded = pixel_embeddings(faces)
    scores, same = embedded @ embedded.T, faces.labels[:, None] == faces.labels
    assert scores[same & ~np.eye(len(faces), dtype=bool)].mean() > scores[~same].mean()


def test_splits_share_no_identity_and_balance_is_as_stated():
    model = head_model()
    people = {split: [draw_person(model, split, i, 0) for i in range(60)] for split in SPLITS}
    shapes = {person.shape.changes.tobytes() for found in people.values() for person in found}
    assert len(shapes) == 60 * len(SPLITS)
    table = pd.DataFrame([(p.ancestry, p.male) for p in people["balanced"]], columns=["ancestry", "male"])
    assert table.value_counts().nunique() == 1 and len(table.value_counts()) == 6
    assert sum(p.ancestry == "caucasian" for p in people["global"]) > 30


def test_skin_and_hair_colour_are_shared_by_many():
    model = head_model()
    people = [draw_person(model, "balanced", i, 0) for i in range(120)]
    assert max(np.bincount([round(person.skin.melanin * 10) for person in people])) > 15
    assert max(pd.Series([person.hair_name for person in people]).value_counts()) > 30


def test_labels_are_those_of_maad_face_and_follow_the_construction():
    model = head_model()
    found = []
    for i in range(60):
        person = draw_person(model, "balanced", i, 0)
        for j in range(3):
            shot = draw_shot(person, "balanced", i, j, 0)
            labels = attributes(person, shot)
            found.append(labels)
            assert sum(labels[name] == 1 for name in ("Young", "Middle_Aged", "Senior")) == 1
            assert labels["Male"] == (1 if person.male else -1)
            assert labels["Eyeglasses"] == (1 if shot.glasses and not shot.glasses.dark else -1)
            assert labels["Wearing_Hat"] == (1 if shot.hat else -1)
            if shot.mask is not None:  # Nobody can tell.
                assert labels["Mustache"] == labels["Smiling"] == labels["Wearing_Lipstick"] == 0
                continue
            assert labels["Mustache"] == (1 if shot.beard and shot.beard.moustache else -1)
            assert (labels["Smiling"] == 1) == (shot.expression in ("smile", "laugh"))
    table = pd.DataFrame(found)
    assert set(np.unique(table)) == {-1, 0, 1} and tuple(table.columns) == ATTRIBUTES
    for name in ("Attractive", "Sideburns", "Wearing_Necktie", "Oval_Face"):  # Not built, or a matter of opinion.
        assert (table[name] == 0).all()


def test_the_attributes_are_the_published_list():
    assert tuple(published("maad_attributes")["attribute"]) == ATTRIBUTES


def test_the_table_alone_needs_no_rendering():
    table = truth_table("control", 3, 2, seed=5)
    assert len(table) == 6 and table["yaw_degrees"].abs().max() <= 75
    assert table.equals(truth_table("control", 3, 2, seed=5)) and not table.equals(truth_table("control", 3, 2, seed=6))


@pytest.mark.parametrize("wrong", [{"split": "lfw"}, {"identities": 0}, {"size_px": 8}, {"seed": -1}, {"workers": 0}])
def test_impossible_numbers_are_refused_before_anything_is_written(tmp_path, wrong):
    facts = {"split": "balanced", "identities": 1, "images": 1, "size_px": 32, "seed": 0, "workers": 1}
    with pytest.raises(InputError, match="choose one of|are needed"):
        render_set(tmp_path / "set", **facts | wrong)
    assert not (tmp_path / "set").exists()


def test_a_folder_with_other_images_is_not_mixed(folder, tmp_path, capsys):
    assert cli.main(["population", "render", "--out", str(folder), "--size", "48"]) == 2
    assert "holds a set made with" in capsys.readouterr().err
    (tmp_path / "notes.txt").write_text("")
    with pytest.raises(InputError, match="holds other files"):
        render_set(tmp_path, "balanced", 1, 1, 32)
