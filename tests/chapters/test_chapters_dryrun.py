"""A dry run opens every path, measures, and writes nothing."""

from types import SimpleNamespace

import numpy as np
import pytest
from tiny_faces import random_set

from sface_lib.chapters import costs, dryrun
from sface_lib.chapters.costs import Cost, Sizes, audit_costs
from sface_lib.chapters.dryrun import _duration, _pace
from sface_lib.chapters.profiles import build_parameters
from sface_lib.chapters.training.launch import make_recipe
from sface_lib.chapters.training.parameters import RecognitionTrainingParameters
from sface_lib.chapters.training.plan import TrainingSet
from sface_lib.cli import main
from sface_lib.data import Protocol, convert_set, open_faces, write_bin, write_protocol
from sface_lib.engine import make_accelerator
from sface_lib.privacy.judges import Judge
from sface_lib.recognition import InputSpec, untrained_model
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


@pytest.mark.slow
@pytest.mark.processes
def test_a_dry_run_tells_inputs_work_and_hours_and_leaves_no_trace(tmp_path, capsys, rendered_zip, monkeypatch):
    faces = open_faces(rendered_zip(tmp_path / "set.zip", 4, 4, 32))
    convert_set(tmp_path / "set.zip", tmp_path / "rec" / "train.rec")
    (tmp_path / "bins").mkdir()
    for name in ("lfw", "cfp_fp"):
        write_bin(tmp_path / "bins" / f"{name}.bin", faces.load(np.arange(8)).numpy(), [True, False, True, False])
    p = check(RecognitionTrainingParameters, {n: TINY[n] for n in ("recognition_resolution_px", "recognition_batch")})
    verifier = untrained_model(make_recipe(p, 0)).save(tmp_path / "verifier.safetensors")
    given = {"authentic": tmp_path / "rec", "protocol": tmp_path / "bins", "verifier": verifier}
    given["second_verifier"] = "none"
    settings = [f"--set={name}={value}" for name, value in (TINY | given).items()]
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    assert main(["report", "--profile", "faces", "--dry-run", *settings]) == 0
    said = capsys.readouterr().out
    assert "RecordIO, 16 images, 4 identities" in said and "CFP-FP: 4 pairs, LFW: 4 pairs" in said
    assert "training of the generator: 500 images" in said and "training of 4 recognition models" in said
    assert "start of the notebooks: 7 notebooks" in said and "looking for eyes: 96 images" in said
    assert "In all: " in said and sorted(tmp_path.rglob("*")) == before
    # 4 classes of 20 images are drawn; the 16 images of the .bin files have no identities, so that nothing filters.
    assert "embedding by the verifier: 96 images" in said and "scores of the filters" not in said
    assert "evaluation of 4 recognition models: 64 images" in said and "attributes: " not in said


@pytest.mark.slow
@pytest.mark.usefixtures("inputs_opened_here")
def test_a_dry_run_of_given_sets_counts_what_an_audit_computes_and_no_generator(
    tmp_path, capsys, rendered_zip, monkeypatch
):
    monkeypatch.setattr(dryrun, "start_cost", lambda p: Cost("start of the notebooks", 5, 1.0))
    rendered_zip(tmp_path / "own.zip", 4, 4, 32)
    rendered_zip(tmp_path / "other.zip", 3, 5, 32)
    names = [open_faces(tmp_path / "own.zip").names[i] for i in (0, 1, 0, 4)]
    pairs = Protocol(tuple(names[::2]), tuple(names[1::2]), np.array([True, False]), np.array([1, 2]))
    write_protocol(tmp_path / "own.csv", pairs)
    p = check(RecognitionTrainingParameters, {n: TINY[n] for n in ("recognition_resolution_px", "recognition_batch")})
    verifier = untrained_model(make_recipe(p, 0)).save(tmp_path / "verifier.safetensors")
    given = {"authentic": tmp_path / "own.zip", "protocol": tmp_path / "own.csv", "verifier": verifier, "processes": 2}
    given |= {"synthetic": f"x={tmp_path}/other.zip", "second_verifier": "none"}
    settings = [f"--set={name}={value}" for name, value in (TINY | given).items()]
    assert main(["report", "--profile", "faces", "--dry-run", *settings]) == 0
    said = capsys.readouterr().out
    assert "generator" not in said and f"synthetic x: {tmp_path}/other.zip, 0.00 GiB, zip, 15 images" in said
    # 16 authentic images and 15 given ones; 3 that the pairs name stand for control persons, whom a filter needs.
    assert "embedding by the verifier: 34 images" in said and "raw pixels: 34 images" in said
    # By two judges: 16^2 / 2 and 15^2 / 2 within the sets, and 16 * 15 between them.
    assert f"scores of all judges: {2 * (128 + 112 + 240)} scores" in said
    assert f"scores of the filters: {3 * 4 * 18} scores" in said  # 3 rates, 4 persons, 15 + 3 images.
    assert "if 2 processes share trainings and embeddings evenly, the rest being done by one process" in said


class _StandIn:
    """A network that sees 8 px."""

    spec = InputSpec(8)


def test_only_the_judge_that_filters_embeds_whole_sets(tmp_path, monkeypatch):
    monkeypatch.setattr(costs, "compared_images", lambda *about: (np.arange(3), np.arange(2)))
    monkeypatch.setattr(costs, "time_calls", lambda step: 1.0)
    monkeypatch.setattr(costs, "open_judge", lambda name, path, embedder: Judge(name, _StandIn(), "", None, len))
    faces = random_set(tmp_path / "faces", 12, 4)
    unborn = SimpleNamespace(labels=np.repeat(np.arange(4), 10))
    sets = {
        "authentic": TrainingSet(faces),
        "a": TrainingSet(unborn),
        "b": TrainingSet(faces.relabelled(None, ()), "none"),
    }
    study = SimpleNamespace(judges=lambda public: {"first": "x", "second": "y"})
    for control, expected in ((5, [12 + 5 + 40 + 12, 3 + 5 + 2 + 2]), (0, [3 + 2 + 2] * 2)):
        p = build_parameters("smoke")
        found = audit_costs(p, study, sets, Sizes(control, 0, 7), make_accelerator())
        assert [each.images for each in found if each.what.startswith("embedding")] == expected


def test_an_audit_of_the_size_of_casia_is_counted_in_moments():
    labels = np.repeat(np.arange(10_000), 50)
    sets = {name: TrainingSet(SimpleNamespace(labels=labels), "authentic") for name in ("authentic", *"vwxyz")}
    audit = costs._Audit(build_parameters("quick"), sets, Sizes(100_000, 0, 0))
    assert audit.filter_scores == 5 * 600_000 * 10_000 * 3
    # Each link is of 1e8 scores at most; the authentic images are scored within once, each synthetic set by itself.
    assert 0.9e8 < audit.scores / (5 + 5 / 2 + 1 / 2) <= 1e8 and 1e13 < audit.products < 2e13


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.2, "a second or less"), (99, "99 seconds"), (100, "2 minutes"), (5999, "100 minutes"), (6000, "1.7 hours")],
)
def test_a_duration_has_the_unit_that_fits_it(seconds, words):
    assert _duration(seconds) == words


def test_what_takes_longer_than_a_second_is_given_by_its_seconds():
    assert _pace(0.25) == "4 a second" and _pace(11.4) == "11.4 seconds each"


def test_the_paper_profile_names_what_it_needs(capsys):
    assert main(["report", "--profile", "paper", "--dry-run"]) == 2
    assert "needs authentic, protocol, verifier, generator_weights" in capsys.readouterr().err


def test_a_protocol_of_one_pair_file_is_named_by_it(tmp_path):
    from sface_lib.chapters.dryrun import _pairs

    pairs = Protocol(("a/1", "a/1"), ("a/2", "b/1"), np.array([True, False]), np.array([1, 2]))
    assert _pairs(write_protocol(tmp_path / "own.csv", pairs)) == ", own: 2 pairs"
