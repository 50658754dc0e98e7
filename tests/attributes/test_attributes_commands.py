"""From annotated pictures to a classifier to a table, by command."""

import functools
import zipfile

import pandas as pd
import pytest
from tiny_faces import random_set, tiny_classifier, visible_set

from sface_lib.attributes import annotate_faces, open_classifier, train_classifier
from sface_lib.cli import main
from sface_lib.engine import make_accelerator
from sface_lib.recognition import Embedder


@pytest.fixture
def annotated(tmp_path):
    """A set, a CSV of what shows in it, and the train command so far."""
    faces, values = visible_set(tmp_path / "set.zip", 40, 6, 16)
    table = pd.DataFrame({"name": faces.names, "Male": values[:, 0], "Smiling": values[:, 1]})
    table.to_csv(tmp_path / "table.csv", index=False)
    places = {"faces": "set.zip", "table": "table.csv", "out": "mac.safetensors", "work": "work"}
    command = [f"--{name}={tmp_path / place}" for name, place in places.items()]
    return faces, values, ["attributes", "train", *command, "--size=16", "--steps=3", "--seed=2"]


def refused(capsys, command) -> str:
    """What a command says that is refused: one sentence, on the error stream."""
    capsys.readouterr()
    assert main(command) == 2
    said = capsys.readouterr().err.strip().splitlines()
    assert said[-1].startswith("sface: ") and not any("Traceback" in line for line in said)
    return said[-1]


def test_a_classifier_is_trained_and_annotates(tmp_path, annotated, capsys):
    faces, values, command = annotated
    assert main(command) == 0
    said = capsys.readouterr().out
    assert f"Classifier: {tmp_path / 'mac.safetensors'}, 2 attributes" in said and "balanced_accuracy" in said
    made = open_classifier(tmp_path / "mac.safetensors")
    own = train_classifier(
        faces, values, ("Male", "Smiling"), make_accelerator(), tmp_path / "own", size_px=16, steps=3, seed=2
    )
    assert made.fingerprint == own.fingerprint and made.own
    assert str(tmp_path / "table.csv") in made.description["trained_on"]
    other = random_set(tmp_path / "other.zip", 20, 4)
    out = tmp_path / "tables" / "other.parquet"
    drawing = ["annotate", str(other.path), "--out", str(out), f"--classifier={tmp_path / 'mac.safetensors'}"]
    assert main([*drawing, "--passes=3", "--seed=5"]) == 0
    told = int(made.reliable().sum())
    assert f"{out}, 20 images; {told} of 2 attributes are classified reliably" in capsys.readouterr().out
    table, found = pd.read_parquet(out), annotate_faces(made, other, Embedder(make_accelerator()), 5, 3)
    assert table["name"].tolist() == list(other.names)
    assert (table[["Male", "Smiling"]] == found.label).all(axis=None)
    assert (table[["Male_confidence", "Smiling_confidence"]] == found.confidence).all(axis=None)
    # Nothing is written over.
    assert "exists already" in refused(capsys, drawing)


def test_a_head_is_trained_on_a_models_embeddings(tmp_path, annotated, capsys, monkeypatch):
    brief = functools.partial(train_classifier, head_steps=60)
    monkeypatch.setattr("sface_lib.attributes.train_classifier", brief)
    _, _, command = annotated
    weights = tiny_classifier().embedder.save(tmp_path / "model.safetensors")
    assert main([*command, f"--embedder={weights}"]) == 0
    path = tmp_path / "mac.safetensors"
    assert not open_classifier(path, weights).own
    drawing = ["annotate", str(tmp_path / "set.zip"), f"--out={tmp_path / 'a.parquet'}", f"--classifier={path}"]
    assert "of another model than the shipped verifier; give its embedder" in refused(capsys, drawing)
    assert main([*drawing, f"--embedder={weights}", "--passes=1"]) == 0


def test_without_a_word_the_shipped_classifier_annotates(tmp_path, capsys):
    random_set(tmp_path / "set.zip", 4)
    assert main(["annotate", str(tmp_path / "set.zip"), f"--out={tmp_path / 'a.parquet'}", "--passes=1"]) == 0
    assert set(open_classifier().names) < set(pd.read_parquet(tmp_path / "a.parquet").columns)


def test_what_cannot_be_trained_is_refused_in_one_sentence(tmp_path, annotated, capsys):
    _, _, command = annotated
    table = pd.read_csv(tmp_path / "table.csv")
    said = {}
    for what, changed in {
        "unknown": table.rename(columns={"Smiling": "Smileing"}),
        "coded": table.assign(Male=2),
        "fewer": table[:-3],
    }.items():
        changed.to_csv(tmp_path / f"{what}.csv", index=False)
        said[what] = refused(capsys, [*command, f"--table={tmp_path / what}.csv"])
    said["none"] = refused(capsys, [*command, f"--table={tmp_path}/none.csv"])
    assert "unknown.csv' names 'Smileing' (did you mean Smiling?)" in said["unknown"]
    assert "Male of" in said["coded"] and "3 images of" in said["fewer"]
    assert f"no file at '{tmp_path}/none.csv'" in said["none"]
    assert "size_px = 30" in refused(capsys, [*command, "--size=30"])
    assert not (tmp_path / "mac.safetensors").exists()


def test_images_in_one_folder_of_a_zip_are_trained_on_without_identities(tmp_path, annotated, capsys):
    """CelebA's zip and list, as they are handed out."""
    faces, values, command = annotated
    names = [f"{i:06d}.jpg" for i in range(1, len(faces) + 1)]
    with zipfile.ZipFile(tmp_path / "img_align_celeba.zip", "w") as archive:
        for name, i in zip(names, range(len(faces)), strict=True):
            archive.writestr(f"img_align_celeba/{name}", faces.encoded(i))
    rows = [f"{name} {male:2d} {smiling:2d}" for name, (male, smiling) in zip(names, values, strict=True)]
    (tmp_path / "list.txt").write_text("\n".join([str(len(rows)), "Male Smiling", *rows]) + "\n")
    changed = [f"--faces={tmp_path / 'img_align_celeba.zip'}", f"--table={tmp_path / 'list.txt'}"]
    assert main([*command, *changed]) == 0
    assert "judged on other images, of persons who may have taught" in capsys.readouterr().out


def test_a_seed_that_cannot_be_is_refused_in_one_sentence_and_leaves_nothing(tmp_path, annotated, capsys):
    _, _, command = annotated
    assert "seed" in refused(capsys, [*command, "--seed=-1"])


def test_images_without_a_row_are_left_out_where_asked_for(tmp_path, annotated, capsys):
    _, _, command = annotated
    table = pd.read_csv(tmp_path / "table.csv")
    table[:-6].to_csv(tmp_path / "table.csv", index=False)
    assert main([*command, "--missing=skip"]) == 0


def test_another_suffix_than_the_help_asks_for_is_refused_before_training(tmp_path, annotated, capsys):
    _, _, command = annotated
    assert "does not end in .safetensors" in refused(capsys, [*command, f"--out={tmp_path / 'mac.pth'}"])
    assert not (tmp_path / "work").exists()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--passes=0"], "at least 1 pass"),
        (["--out=table.csv"], "does not end in .parquet"),
        (["--classifier=none.safetensors"], "none.safetensors cannot be read"),
        (["--seed=-1"], "seed"),
    ],
)
def test_what_cannot_be_annotated_is_refused_in_one_sentence(tmp_path, capsys, monkeypatch, options, said):
    monkeypatch.chdir(tmp_path)
    random_set(tmp_path / "set.zip", 4)
    tiny_classifier().save(tmp_path / "mac.safetensors")
    command = ["annotate", "set.zip", "--out=a.parquet", "--classifier=mac.safetensors", *options]
    assert said in refused(capsys, command)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mac.safetensors", "set.zip"]
