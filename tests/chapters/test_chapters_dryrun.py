"""A dry run opens every path, measures, and writes nothing."""

import numpy as np
import torch

from sface_lib.chapters.dryrun import _SavedBytes
from sface_lib.chapters.training.launch import make_recipe
from sface_lib.chapters.training.parameters import RecognitionTrainingParameters
from sface_lib.cli import main
from sface_lib.data import Protocol, convert_set, open_faces, write_bin, write_protocol
from sface_lib.recognition import untrained_model
from sface_lib.run.parameters import check

TINY = {
    "generator_weights": "none",
    "generator_resolution_px": "16",
    "generator_channel_base": "64",
    "recognition_resolution_px": "32",
    "generator_batch": "8",
    "recognition_batch": "8",
    "total_kimg": "0.5",
    "min_images": "2",
}


def test_a_dry_run_tells_inputs_work_and_hours_and_leaves_no_trace(tmp_path, capsys, rendered_zip, monkeypatch):
    faces = open_faces(rendered_zip(tmp_path / "set.zip", 4, 4, 32))
    convert_set(tmp_path / "set.zip", tmp_path / "rec" / "train.rec")
    (tmp_path / "bins").mkdir()
    for name in ("lfw", "cfp_fp"):
        write_bin(tmp_path / "bins" / f"{name}.bin", faces.load(np.arange(8)).numpy(), [True, False, True, False])
    p = check(RecognitionTrainingParameters, {n: TINY[n] for n in ("recognition_resolution_px", "recognition_batch")})
    verifier = untrained_model(make_recipe(p, 0)).save(tmp_path / "verifier.safetensors")
    given = {"authentic": tmp_path / "rec", "protocol": tmp_path / "bins", "verifier": verifier}
    settings = [f"--set={name}={value}" for name, value in (TINY | given).items()]
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    assert main(["report", "--profile", "faces", "--dry-run", *settings]) == 0
    said = capsys.readouterr().out
    assert "RecordIO, 16 images, 4 identities" in said and "cfp_fp: 4 pairs, lfw: 4 pairs" in said
    assert "training of the generator: 500 images" in said and "training of 4 recognition models" in said
    assert "Hours in all" in said and sorted(tmp_path.rglob("*")) == before


def test_kept_tensors_are_counted_once():
    x = torch.randn(10, 4, requires_grad=True)
    with (held := _SavedBytes()):
        y = x.exp()  # Keeps its result,
        (y * y).sum()  # which the product keeps again.
    assert held.bytes == 10 * 4 * 4


def test_the_paper_profile_names_what_it_needs(capsys):
    assert main(["report", "--profile", "paper", "--dry-run"]) == 2
    assert "needs authentic, protocol, verifier, generator_weights" in capsys.readouterr().err


def test_a_protocol_of_one_pair_file_is_named_by_it(tmp_path):
    from sface_lib.chapters.dryrun import _contents

    pairs = Protocol(("a/1", "a/1"), ("a/2", "b/1"), np.array([True, False]), np.array([1, 2]))
    assert _contents("synthetic x taught by r100.onnx", tmp_path / "r100.onnx") == ""  # A model is no set to open.
    assert _contents("protocol", write_protocol(tmp_path / "own.csv", pairs)) == ", own: 2 pairs"
