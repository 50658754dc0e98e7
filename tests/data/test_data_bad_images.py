"""Images that can't be decoded: all are named at once, and every command goes on without them where it is told to."""

import itertools
import json
import os
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from tiny_faces import tiny_classifier

from sface_lib import cli
from sface_lib.data import FaceBatches, Protocol, open_faces, write_protocol
from sface_lib.errors import BadImageError
from sface_lib.population import VERIFIER_PATH

PEOPLE, IMAGES = [f"p{k:02d}" for k in range(12)], 3
BAD = ("p02/1.png", "p05/0.png", "p09/2.png")
TRAINING = ["--profile=smoke", *(f"--set={s}" for s in ("training_steps=2", "recognition_batch=4", "backbone=small"))]


@pytest.fixture
def damaged(tmp_path, make):
    """Twelve persons of three images each, of which three are cut; their headers are whole."""
    for seed, (person, number) in enumerate(itertools.product(PEOPLE, range(IMAGES))):
        file = tmp_path / "set" / person / f"{number}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        data = make.encode(make.pixels_of(seed, 32, 32))
        file.write_bytes(data[:600] if f"{person}/{number}.png" in BAD else data)
    return tmp_path / "set"


@pytest.fixture
def pairs(tmp_path):
    """A genuine pair of each person and one with the next, in two folds; four of the 24 name a cut image."""
    left = [f"{person}/0.png" for person in PEOPLE] * 2
    right = [f"{person}/1.png" for person in PEOPLE] + [f"{person}/2.png" for person in PEOPLE[1:] + PEOPLE[:1]]
    same, fold = np.repeat([True, False], len(PEOPLE)), np.tile(np.arange(len(PEOPLE)) // 6 + 1, 2)
    return write_protocol(tmp_path / "pairs.csv", Protocol(tuple(left), tuple(right), same, fold))


def named(text):
    return all(name in text for name in BAD)


@pytest.mark.parametrize("touch", [
    lambda faces: faces.load(size_px=16),
    lambda faces: faces.load([7], size_px=16),
    lambda faces: faces[15],
    lambda faces: FaceBatches(faces, 16),
    lambda faces: FaceBatches(faces, 16, held=False).images([7]),
    lambda faces: faces.usable(),
])  # fmt: skip
def test_wherever_the_first_bad_image_is_met_all_are_counted_and_named(damaged, touch):
    with pytest.raises(BadImageError, match="holds 3 images that cannot be decoded.*--on-bad-image skip") as caught:
        touch(open_faces(damaged))
    assert named(str(caught.value)) and [name for name, _ in caught.value.bad] == list(BAD)


def test_of_many_bad_images_the_first_ten_are_named_and_all_are_counted(tmp_path, make):
    for number in range(12):
        make.fill(tmp_path / "set", {f"p{number:02d}": 1})
        (tmp_path / "set" / f"p{number:02d}" / "0.png").write_bytes(b"no image")
    with pytest.raises(BadImageError, match=r"holds 12 images .*'p09/0\.png' \([^)]*\) and 2 more; "):
        open_faces(tmp_path / "set").load(size_px=16)


def test_the_usable_images_are_a_set_that_can_be_read(damaged):
    faces = open_faces(damaged, on_bad_image="skip")
    usable = faces.usable()
    assert len(usable) == len(faces) - 3 and not set(BAD) & set(usable.names)
    assert usable.load().shape[0] == 33 and usable.usable() is usable


def commands(damaged, pairs, tmp_path):
    tiny_classifier().save(tmp_path / "mac.safetensors")
    names = open_faces(damaged).names
    pd.DataFrame({"name": names, "Male": np.resize([1, -1], len(names))}).to_csv(tmp_path / "table.csv", index=False)
    judged = ["--protocol", pairs, "--images", damaged]
    validation = ["--set=validation_interval_steps=2", "--set=validation_identities=0"]
    return {
        "verify": ["verify", "--model", VERIFIER_PATH, *judged],
        "recognition": ["recognition", "train", "--faces", damaged, "--out", tmp_path / "out", *TRAINING]
        + ["--set=validation_interval_steps=0"],
        "validation": ["recognition", "train", "--faces", damaged, "--out", tmp_path / "out", *TRAINING, *judged]
        + validation,
        "annotate": ["annotate", damaged, "--out", tmp_path / "a.parquet"]
        + ["--classifier", tmp_path / "mac.safetensors"],
        "attributes": ["attributes", "train", "--faces", damaged, "--table", tmp_path / "table.csv", "--size=16"]
        + ["--steps=2", "--out", tmp_path / "new.safetensors", "--work", tmp_path / "work"],
        "generator": ["generator", "train", "--out", tmp_path / "out", "--profile=smoke", "--set=total_kimg=0.032"]
        + ["--set=generator_batch=8", f"--set=authentic={damaged}"],
    }  # fmt: skip


@pytest.mark.parametrize("name", ["verify", "recognition", "validation", "annotate", "attributes", "generator"])
def test_a_command_stops_with_all_named_and_goes_on_where_it_is_told_to_skip(damaged, pairs, tmp_path, capsys, name):
    command = [str(word) for word in commands(damaged, pairs, tmp_path)[name]]
    assert cli.main(command) == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert "holds 3 images that cannot be decoded" in said and named(said) and "--on-bad-image skip" in said
    assert cli.main([*command, "--on-bad-image=skip"]) == 0
    said = capsys.readouterr().out
    assert "Skipped: 3 of 36 images, which cannot be decoded" in said and named(said)
    assert ("and the 4 pairs that name them" in said) == (name in ("verify", "validation"))


def test_nothing_is_said_of_skipping_where_all_is_good(folder, tmp_path, capsys):
    assert cli.main(["data", "convert", str(folder), str(tmp_path / "copy.zip"), "--on-bad-image=skip"]) == 0
    assert "Skipped" not in capsys.readouterr().out


@pytest.mark.parametrize("selection", [False, True])
def test_a_generator_is_trained_on_the_good_images_of_its_selection(damaged, tmp_path, capsys, selection):
    command = ["generator", "train", "--out", str(tmp_path / "out"), "--profile=smoke", "--set=total_kimg=0.016"]
    command += ["--set=generator_batch=8", f"--set=authentic={damaged}", "--on-bad-image=skip"]
    if selection:
        pd.DataFrame({"position": range(18)}).to_csv(tmp_path / "selection.csv", index=False)
        command += ["--selection", str(tmp_path / "selection.csv")]
    assert cli.main(command) == 0
    said = capsys.readouterr().out
    assert ("Skipped: 2 of 18 images" if selection else "Skipped: 3 of 36 images") in said


PROGRAM = """
import json, os, sys
from pathlib import Path
from sface_lib.cli import sets
from sface_lib.data import open_faces
from sface_lib.data.faces import FaceSet
looked, inspect = [], FaceSet._inspect
FaceSet._inspect = lambda self, progress: looked.append(len(self)) or inspect(self, progress)
usable = sets.usable(open_faces(sys.argv[1], sys.argv[2]))
found = {"looked": looked, "names": usable.names, "fingerprint": usable.fingerprint}
Path(sys.argv[3], os.environ["RANK"] + ".json").write_text(json.dumps(found))
"""


@pytest.mark.slow
@pytest.mark.processes
def test_of_several_processes_the_first_looks_for_bad_images(tmp_path, damaged):
    (tmp_path / "program.py").write_text(PROGRAM)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    command += [str(tmp_path / "program.py"), str(damaged), "skip", str(tmp_path)]
    answer = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"})
    assert answer.returncode == 0, answer.stderr[-2000:]
    first, second = (json.loads((tmp_path / f"{rank}.json").read_text()) for rank in "01")
    assert (first["looked"], second["looked"]) == ([36], [])
    assert first["names"] == second["names"] and len(first["names"]) == 33 and not set(BAD) & set(first["names"])
    assert first["fingerprint"] == second["fingerprint"]
