"""Who looks on sees the training: its losses and newest faces, drawn as they are logged."""

import io
import json
from types import SimpleNamespace

import numpy as np
import pytest
from IPython import display as shown_by
from PIL import Image

from sface_lib.chapters import live
from sface_lib.run.kernel import BATCH


@pytest.fixture
def screen(monkeypatch):
    """What was displayed in a notebook that somebody looks at: first the words, then every drawing."""
    seen = []
    monkeypatch.delenv(BATCH, raising=False)

    def display(what, display_id):
        seen.append(what)
        return SimpleNamespace(update=seen.append)

    monkeypatch.setattr(shown_by, "display", display)
    return seen


def log(folder, rows):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "log.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def size(png):
    return Image.open(io.BytesIO(png)).size


def test_the_newest_training_is_drawn_as_often_as_it_logs(screen, tmp_path):
    with live.watched(tmp_path, every_seconds=0.01):
        log(tmp_path / "first", [{"step": 1, "loss": 3.0}])
    assert len(screen) == 2 and tmp_path.name in screen[1].alt
    with live.watched(tmp_path, every_seconds=0.01):
        pass
    assert len(screen) == 4  # A finished training is shown once.


def test_what_is_drawn_last_is_what_was_logged_last(screen, tmp_path):
    log(tmp_path / "model", [{"step": 1, "loss": 3.0}])
    with live.watched(tmp_path, every_seconds=60):
        log(tmp_path / "model", [{"step": 1, "loss": 3.0}, {"step": 2, "loss": 1.0}])
    assert screen[-1].data == live.drawing(tmp_path / "model" / "log.jsonl")


def test_a_failed_training_is_no_longer_watched(screen, tmp_path):
    with pytest.raises(ValueError, match="diverged"), live.watched(tmp_path, every_seconds=60):
        raise ValueError("diverged")
    assert len(screen) == 1


def test_nobody_looks_on_in_batch(screen, tmp_path, monkeypatch):
    monkeypatch.setenv(BATCH, "1")
    log(tmp_path, [{"step": 1, "loss": 3.0}])
    with live.watched(tmp_path):
        pass
    assert screen == []


def test_faces_stand_beside_the_losses(tmp_path):
    rows = [{"step": step, "kimg": step, "loss_generator": 1.0, "loss_discriminator": 2.0} for step in (1, 2)]
    log(tmp_path, rows)
    narrow = size(live.drawing(tmp_path / "log.jsonl"))
    np.save(tmp_path / "grid-000000002.npy", np.zeros((12, 3, 16, 16), np.uint8))
    assert size(live.drawing(tmp_path / "log.jsonl"))[0] > narrow[0]
