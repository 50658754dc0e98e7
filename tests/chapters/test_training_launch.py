"""Which models a report trains, from parameters to weights, in this process and in several."""

import os
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from sface_lib.chapters.generation.launch import train_generator
from sface_lib.chapters.generation.parameters import GeneratorTrainingParameters
from sface_lib.chapters.profiles import build_parameters
from sface_lib.chapters.registry import ReportParameters
from sface_lib.chapters.training import launch
from sface_lib.chapters.training.launch import keep_aside, launch_recognition, make_recipe, train_recognition
from sface_lib.chapters.training.parameters import RecognitionTrainingParameters, TrainingParameters
from sface_lib.chapters.training.plan import TrainingSet, plan_models
from sface_lib.cli import main, recognition
from sface_lib.data import (
    FaceBatches,
    encode_png,
    join,
    open_bins,
    open_faces,
    parts,
    place_in_class,
    write_bin,
    write_faces,
    write_protocol,
    write_selection,
)
from sface_lib.data.write import write_encoded
from sface_lib.engine import make_accelerator, read_log
from sface_lib.errors import InputError, ParameterError, TrainingError
from sface_lib.population import VERIFIER_PATH
from sface_lib.recognition import (
    CachedTeacher,
    TeacherViews,
    open_model,
    resolve_pairs,
    teach,
    untrained_model,
)
from sface_lib.run.parameters import check

SMALL = {
    "backbone": "small",
    "recognition_resolution_px": 32,
    "embedding_size": 32,
    "training_steps": 4,
    "recognition_batch": 16,
    "precision": "float32",
}


def parameters(**changes) -> TrainingParameters:
    return check(TrainingParameters, SMALL | changes)


@pytest.fixture
def faces(tmp_path, rendered_zip):
    return open_faces(rendered_zip(tmp_path / "set.zip", 8, 8, 32))


def same_weights(a, b) -> bool:
    first, second = a.network.state_dict(), b.network.state_dict()
    return all(torch.equal(first[name], second[name]) for name in first)


def of_labels(authentic, synthetic):
    """The authentic set and the generator's, of which only the labels are asked for."""
    return {
        name: TrainingSet(SimpleNamespace(labels=labels))
        for name, labels in (("authentic", authentic), ("generated", synthetic))
    }


NAMES = ["baseline", "CLS generated", "KT generated", "CL generated"]


def test_baseline_and_synthetic_models_get_equal_images_of_each_class():
    authentic, synthetic = np.repeat([0, 1, 2], [3, 9, 5]), np.repeat([0, 1, 2], 6)
    planned = plan_models(parameters(images_per_class=6), of_labels(authentic, synthetic), {})
    assert [model.name for model in planned] == NAMES
    assert np.bincount(authentic[planned[0].positions]).tolist() == [3, 6, 5]
    for model in planned[1:]:
        assert np.bincount(synthetic[model.positions]).tolist() == [3, 6, 5]
        assert (place_in_class(synthetic)[model.positions] < 6).all()


def test_every_seed_has_its_own_baseline_before_those_that_it_teaches():
    labels = np.repeat([0, 1], 4)
    planned = plan_models(parameters(seed=5, recognition_seeds=2), of_labels(labels, labels), {})
    assert [(model.name, model.seed) for model in planned] == [(name, seed) for seed in (5, 6) for name in NAMES]
    assert len({model.file for model in planned}) == 8


def test_a_sweep_trains_the_baseline_only_where_as_many_authentic_images_exist():
    authentic, synthetic = np.repeat([0, 1], 4), np.repeat([0, 1], 8)
    p = parameters(images_per_class=8, sweep_images_per_class="2, 4, 8")
    planned = plan_models(p, of_labels(authentic, synthetic), {})
    swept = {model.name: len(model.positions) for model in planned[4:]}
    # Four images of each class are what the first four models have.
    assert swept == {f"{name} 2": 4 for name in NAMES} | {f"{name} 8": 16 for name in NAMES[1:]}


def test_further_images_of_a_class_replace_what_a_filter_took_as_long_as_there_are_some():
    authentic, synthetic = np.repeat([0, 1], 2), np.repeat([0, 1], 4)
    planned = plan_models(parameters(), of_labels(authentic, synthetic), {0.5: np.array([1, 2, 3, 7])})
    assert planned[-1].name == "CLS generated filtered 0.5" and planned[-1].positions.tolist() == [1, 2, 7]


@pytest.mark.nightly
@pytest.mark.slow
@pytest.mark.processes
def test_two_processes_give_a_model_their_bar_and_a_finished_run_is_read(tmp_path, faces, monkeypatch, capsys):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("TQDM_DISABLE", "")
    p = parameters(processes=2, validation_interval_steps=2)
    teacher = untrained_model(make_recipe(p, 9))
    left, right = np.array([0, 8, 0, 8]), np.array([1, 9, 8, 1])
    judged_on = (faces, type("Pairs", (), {"left": left, "right": right, "same": np.array([1, 1, 0, 0], bool)})())
    judged_on[1].fold = np.array([1, 2, 1, 2])
    part = faces.subset(np.flatnonzero(faces.labels != 3))
    model = launch_recognition(p, "CL", part, tmp_path / "two", 0, teacher, judged_on)
    log = read_log(tmp_path / "two" / "log.jsonl")
    assert [row["step"] for row in log if "accuracy" in row] == [2, 4]
    assert "\rCL:   0%|" in capsys.readouterr().err and "Weights: " in (tmp_path / "two" / "launch.log").read_text()
    monkeypatch.setattr(launch, "launch", lambda processes, command, log: main(command))  # One process, and this one.
    again = launch_recognition(p, "CL", part, tmp_path / "two", 0, teacher, judged_on)
    assert same_weights(model, again) and len(read_log(tmp_path / "two" / "log.jsonl")) == len(log)


@pytest.mark.slow
def test_a_mixture_of_sets_is_trained_on_alike_in_this_process_and_by_the_command(
    tmp_path, faces, rendered_zip, capsys
):
    other = open_faces(rendered_zip(tmp_path / "other.zip", 4, 8, 32, first=20))
    mixed = join({"own": faces, "other": other}).subset(np.r_[0:40, 64 + np.arange(16)])
    assert [len(part) for part in parts(mixed)] == [40, 16] and len(mixed.identities) == 7
    command = ["recognition", "train", "--out", str(tmp_path / "run")]
    for i, part in enumerate(parts(mixed)):
        command += ["--faces", str(part.path), "--selection", str(write_selection(tmp_path / f"{i}.csv", part))]
    settings = [f"--set={name}={value}" for name, value in SMALL.items()]
    assert main([*command, *settings]) == 0
    own = train_recognition(parameters(), "CLS", FaceBatches(mixed, 32), tmp_path / "own", 0)
    assert same_weights(open_model(tmp_path / "run" / "model.safetensors"), own)
    assert main([*command, "--faces", str(other.path), *settings]) == 2
    assert "3 sets by --faces and 2 selections by --selection do not go together" in capsys.readouterr().err


def test_a_launched_training_is_told_every_set_of_a_mixture(tmp_path, faces, rendered_zip, monkeypatch):
    other = open_faces(rendered_zip(tmp_path / "other.zip", 4, 8, 32, first=20))
    commands = []
    monkeypatch.setattr(launch, "launch", lambda processes, command, log: commands.append(command))
    monkeypatch.setattr(launch, "open_model", lambda path: path)
    launch_recognition(parameters(processes=2), "CLS", join({"own": faces, "other": other}), tmp_path / "out", 0)
    (command,) = commands
    assert [command[i + 1] for i, word in enumerate(command) if word == "--faces"] == [str(faces.path), str(other.path)]
    assert command.count("--selection") == 2


@pytest.mark.parametrize("labels", ["auto", "folders", "none"])
def test_launched_processes_take_for_identities_what_this_one_takes(tmp_path, faces, monkeypatch, labels):
    """Else they would refuse numbered folders that were said to be identities, or to be none."""
    asked = []
    monkeypatch.setattr(launch, "launch", lambda processes, command, log: asked.extend(command))
    monkeypatch.setattr(launch, "open_model", lambda path: None)
    part = open_faces(faces.path, labels=labels).subset([0, 1])
    launch_recognition(parameters(processes=2), "KT", part.relabelled(None, ()), tmp_path / "two", 0)
    assert asked[asked.index("--labels") + 1] == labels


@pytest.mark.slow
@pytest.mark.processes
def test_what_a_launched_process_refuses_is_told_in_its_words(tmp_path, faces, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    with pytest.raises(TrainingError, match="^strategy KT needs a teacher$"):
        launch_recognition(parameters(processes=1), "KT", faces, tmp_path / "one", 0)


def test_the_command_trains_what_the_library_trains(tmp_path, faces, capsys):
    settings = [f"--set={name}={value}" for name, value in SMALL.items()]
    command = ["recognition", "train", "--faces", str(faces.path), "--out", str(tmp_path / "run"), "--seed", "3"]
    assert main([*command, *settings]) == 0
    assert f"Weights: {tmp_path / 'run' / 'model.safetensors'}" in capsys.readouterr().out
    own = train_recognition(parameters(), "CLS", FaceBatches(faces, 32), tmp_path / "own", 3)
    assert same_weights(open_model(tmp_path / "run" / "model.safetensors"), own)


@pytest.mark.parametrize("asked", [{}, {"validation_interval_steps": 2, "validation_identities": 3}])
def test_pairs_that_nothing_would_judge_on_are_refused(tmp_path, faces, capsys, asked):
    settings = [f"--set={name}={value}" for name, value in (SMALL | asked).items()]
    command = ["recognition", "train", "--faces", str(faces.path), "--out", str(tmp_path / "run")]
    assert main([*command, "--protocol", "pairs.txt", *settings]) == 2
    assert "validation would not use pairs.txt: set validation_interval_steps above 0" in capsys.readouterr().err


def test_pairs_of_a_folder_of_bins_judge_a_training_by_itself(tmp_path, faces, capsys):
    """As they do in a launched training of a report whose protocol is such a folder."""
    bins = tmp_path / "bins"
    bins.mkdir()
    images = faces.load(size_px=32).numpy()
    for name, at in (("cfp_fp", (0, 1, 0, 8)), ("lfw", (0, 1, 8, 9, 0, 8, 1, 9))):
        write_bin(bins / f"{name}.bin", images[list(at)], [True, False] if len(at) == 4 else [True, True, False, False])
    pairs = write_protocol(tmp_path / "pairs.csv", open_bins(bins)[1]["LFW"])
    command = ["recognition", "train", "--faces", str(faces.path), "--out", str(tmp_path / "run")]
    settings = [f"--set={name}={value}" for name, value in (SMALL | {"validation_interval_steps": 2}).items()]
    assert main([*command, "--protocol", str(pairs), "--images", str(bins), *settings]) == 0, capsys.readouterr().err
    assert [row["step"] for row in read_log(tmp_path / "run" / "log.jsonl") if "accuracy" in row] == [2, 4]
    assert main([*command, "--protocol", str(pairs), *settings]) == 2
    assert "pairs.csv holds names of images; give the faces that they name by --images" in capsys.readouterr().err


def test_a_profile_of_a_whole_report_trains_recognition_alone():
    p = build_parameters("paper", {"training_steps": "4"}, RecognitionTrainingParameters)
    assert p.training_steps == 4 and p.backbone == "iresnet50"
    with pytest.raises(ParameterError, match="profile 'paper' needs"):
        build_parameters("paper", {})


def test_a_process_that_fails_among_others_ends_at_once(monkeypatch, capfd):
    """It leaves no group in order, which could wait for processes that wait for it."""
    monkeypatch.setenv("WORLD_SIZE", "2")
    ended = []
    monkeypatch.setattr(os, "_exit", ended.append)
    assert main(["recognition", "train", "--faces", "nowhere", "--out", "out"]) == 2 and ended == [2]
    monkeypatch.setattr(recognition, "train", lambda _: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        main(["recognition", "train", "--faces", "nowhere", "--out", "out"])
    assert ended == [2, 1] and "ZeroDivisionError" in capfd.readouterr().err


def test_identities_kept_aside_do_not_train(faces):
    data = FaceBatches(faces, 32)
    left, aside = keep_aside(data, 3, seed=0)
    assert left.n_classes == len(left.faces.identities) == 5 and len(aside.identities) == 3
    assert not set(left.faces.identities) & set(aside.identities) and keep_aside(data, 0, 0) == (data, None)
    for number in (1, 7):
        with pytest.raises(InputError, match=f"validation_identities = {number} of 8: keep at least two aside"):
            keep_aside(data, number, 0)


def test_identities_kept_aside_give_genuine_pairs_and_not_too_many(faces):
    left, aside = keep_aside(FaceBatches(faces, 32), 3, seed=0, most_judged=9)
    assert np.bincount(aside.labels).tolist() == [3, 3, 3] and len(left) == 40
    singles = faces.subset(np.arange(0, 64, 8))
    with pytest.raises(InputError, match="the 3 identities that validation_identities keeps aside have one image each"):
        keep_aside(FaceBatches(singles, 32), 3, 0)


def test_the_best_model_by_identities_kept_aside_counts_where_asked_for(tmp_path, faces):
    asked = {"validation_interval_steps": 1, "validation_identities": 3, "keep_model": "best"}
    model = train_recognition(parameters(**asked), "CLS", FaceBatches(faces, 32), tmp_path / "best", 0)
    accuracies = [row["accuracy"] for row in read_log(tmp_path / "best" / "log.jsonl")]
    assert len(accuracies) == 4
    # The same training stopped where the best accuracy came first ends with the same weights.
    best = 1 + int(np.argmax(accuracies))
    assert same_weights(model, open_model(tmp_path / "best" / "best.safetensors")) and 1 <= best <= 4


def test_validation_without_anything_to_judge_on_is_refused(tmp_path, faces):
    with pytest.raises(InputError, match="needs pairs to judge on, or validation_identities above 0"):
        train_recognition(parameters(validation_interval_steps=2), "CLS", FaceBatches(faces, 32), tmp_path, 0)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"keep_model": "best"}, "keep_model = 'best' needs validation_identities"),
        ({"early_stop": 3}, "early_stop needs validation"),
        (
            {"sweep_images_per_class": "4, 40"},
            "sweep_images_per_class holds 40; give numbers from 2 to images_per_class",
        ),
        ({"sweep_images_per_class": "four"}, "sweep_images_per_class = 'four' is not allowed"),
        ({"backbone": "resnet"}, "backbone = 'resnet' is not allowed"),
        ({"grey_share": 1.5}, "grey_share = 1.5 is not allowed"),
        ({"processes": 3, "generator_batch": 12}, "recognition_batch = 64 cannot be divided among 3 processes"),
        (
            {"processes": 2, "recognition_gradient_accumulation_steps": 3},
            "cannot be divided among 2 processes .*_steps = 3; give a multiple of 6",
        ),
        ({"processes": 3}, "generator_batch = 16 cannot be shared by 3 processes; give a multiple"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(changes, message):
    with pytest.raises(ParameterError, match=message):
        check(ReportParameters, changes)


def test_pairs_of_a_subset_are_found_by_name_in_a_launched_process(tmp_path, faces):
    """The pairs that a launched process reads are names in the whole set, whatever subset was given."""
    from sface_lib.data import Protocol, read_protocol, read_selection, write_protocol

    part = faces.subset([9, 3, 20])
    selection = write_selection(tmp_path / "selection.csv", part)
    assert read_selection(selection, len(faces)).tolist() == [9, 3, 20]
    names = np.array(part.names, object)
    protocol = Protocol(tuple(names[[0, 1]]), tuple(names[[1, 2]]), np.array([False, False]), np.array([1, 2]))
    found = resolve_pairs(read_protocol(write_protocol(tmp_path / "pairs.csv", protocol)), faces)
    assert found.left.tolist() == [9, 3] and found.right.tolist() == [3, 20]
    assert make_accelerator("float32").num_processes == 1


def test_a_training_by_itself_chooses_no_model_by_the_pairs_that_judge_it():
    with pytest.raises(ParameterError, match="keep_model = 'best' needs validation_identities"):
        parameters(keep_model="best", validation_interval_steps=2)
    with pytest.raises(ParameterError, match="early_stop needs validation"):
        parameters(early_stop=3)


def test_a_teacher_sees_every_image_once_whichever_subsets_are_trained_on(faces, monkeypatch):
    accelerator, model = make_accelerator("float32"), untrained_model(make_recipe(parameters(), 9))
    embedded, embed = [], TeacherViews._embed
    monkeypatch.setattr(TeacherViews, "_embed", lambda self, own: embedded.extend(own.names) or embed(self, own))

    def views(data):
        return teach(model, data, accelerator, plain_views=True).views

    whole = FaceBatches(faces, 32)
    first, second = views(whole.subset(np.array([0, 1, 9]))), views(whole.subset(np.array([9, 30, 0])))
    assert embedded == [faces.names[i] for i in (0, 1, 9, 30)]
    assert torch.equal(second[:, 0], first[:, 2]) and torch.equal(second[:, 2], first[:, 0])
    alone = CachedTeacher(model, FaceBatches(faces.subset([9, 30, 0]), 32), accelerator).views
    assert torch.allclose(second, alone, atol=1e-5)
    turned = views(FaceBatches(faces.subset([9, 1, 0]), 32))  # Another set, and so another teacher.
    assert torch.allclose(turned, first.flip(1), atol=1e-5) and len(embedded) == 10


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["folder", "dataset.json", "record"])
def test_one_identity_is_refused_with_what_was_taken_for_it(tmp_path, rendered_zip, kind):
    images = open_faces(rendered_zip(tmp_path / "many.zip", 4, 8, 32)).load()
    path = {"folder": tmp_path / "set", "dataset.json": tmp_path / "set.zip", "record": tmp_path / "set.rec"}[kind]
    if kind == "folder":
        (path / "celeba").mkdir(parents=True)
        for i, image in enumerate(images):
            (path / "celeba" / f"{i}.png").write_bytes(encode_png(image))
    elif kind == "record":
        write_encoded(path, (encode_png(image) for image in images), np.zeros(len(images), np.int64))
    else:
        write_faces(path, images, np.zeros(len(images), np.int64))
    told = {"folder": "the folder of an image", "dataset.json": "in dataset.json", "record": "an image's record"}[kind]
    data = FaceBatches(open_faces(path, labels="folders" if kind == "folder" else "auto"), 32)
    with pytest.raises(InputError, match=f"strategy CLS needs two identities or more.* are of one; .*{told}"):
        train_recognition(parameters(), "CLS", data, tmp_path / "out", 0)
    assert not (tmp_path / "out" / "model.safetensors").exists()
    assert train_recognition(parameters(), "KT", data, tmp_path / "kt", 0, open_model(VERIFIER_PATH))


def test_a_generator_of_classes_refuses_one_identity(tmp_path, rendered_zip):
    images = open_faces(rendered_zip(tmp_path / "many.zip", 4, 8, 32)).load()
    path = write_faces(tmp_path / "one.zip", images, np.zeros(len(images), np.int64))
    p = check(
        GeneratorTrainingParameters,
        {"authentic": str(path), "generator_weights": "none", "generator_resolution_px": 16, "generator_batch": 8},
    )
    with pytest.raises(InputError, match="a generator of classes needs two identities or more"):
        train_generator(p, tmp_path / "gan")
