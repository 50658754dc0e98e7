"""Checkpoints are whole or absent, logs continue where training does, draws are a function of their place."""

import json
import types

import pytest
import torch
from safetensors import SafetensorError

from sface_lib.engine import (
    JsonLines,
    checkpoints,
    flatten,
    launch,
    load_checkpoint,
    load_optimiser,
    load_strictly,
    make_accelerator,
    measure_step,
    read_log,
    require_finite,
    save_checkpoint,
    seed_step,
)
from sface_lib.errors import CheckpointError, InputError, TrainingError, WeightsError
from sface_lib.files import atomic_path, is_full_disk, write_json

TENSORS = {"a": torch.arange(3.0)}


def test_the_newest_two_checkpoints_are_kept_and_no_temporary(tmp_path):
    for step in (1, 2, 10):
        save_checkpoint(tmp_path, step, TENSORS, {"data": "x"})
    assert [path.name for path in checkpoints(tmp_path)] == ["checkpoint-000000010", "checkpoint-000000002"]
    assert len(list(tmp_path.iterdir())) == 2
    tensors, state = load_checkpoint(tmp_path, {"data": "x"})
    assert torch.equal(tensors["a"], TENSORS["a"]) and state["step"] == 10


def test_a_failed_write_leaves_the_last_checkpoint(tmp_path, monkeypatch):
    save_checkpoint(tmp_path, 1, TENSORS, {})
    monkeypatch.setattr(
        "sface_lib.engine.checkpointing.write_json", lambda *a: (_ for _ in ()).throw(OSError(28, "No space left"))
    )
    with pytest.raises(OSError, match="No space"):
        save_checkpoint(tmp_path, 2, TENSORS, {})
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint-000000001"]


def test_a_checkpoint_of_another_configuration_or_without_a_field_is_refused(tmp_path):
    save_checkpoint(tmp_path, 1, TENSORS, {"data": "x"})
    with pytest.raises(CheckpointError, match="another data"):
        load_checkpoint(tmp_path, {"data": "y"})
    with pytest.raises(CheckpointError, match="lacks the field 'recipe'"):
        load_checkpoint(tmp_path, {"recipe": 1})
    (checkpoints(tmp_path)[0] / "state.json").write_text("{")
    with pytest.raises(CheckpointError, match="every checkpoint in .* is damaged"):
        load_checkpoint(tmp_path, {"data": "x"})
    assert load_checkpoint(tmp_path / "none", {}) is None


def flip_a_byte(path):
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    path.write_bytes(bytes(content))


def edit_the_step(path):
    path.write_text(path.read_text().replace('"step": 2', '"step": 1'))


@pytest.mark.parametrize(
    ("file", "damage"),
    [("tensors.safetensors", flip_a_byte), ("state.json", edit_the_step), ("state.json", flip_a_byte)],
)
def test_a_checkpoint_that_is_not_what_was_written_is_passed_over_and_named(tmp_path, capsys, file, damage):
    for step in (1, 2):
        save_checkpoint(tmp_path, step, {"a": torch.arange(3.0) + step}, {"data": "x"})
    damage(tmp_path / "checkpoint-000000002" / file)
    tensors, state = load_checkpoint(tmp_path, {"data": "x"})
    assert (state["step"], tensors["a"].tolist()) == (1, [1.0, 2.0, 3.0])
    said = capsys.readouterr().out
    assert str(tmp_path / "checkpoint-000000002") in said and "is damaged" in said
    (tmp_path / "checkpoint-000000001" / "state.json").write_text("[]")
    with pytest.raises(CheckpointError, match="every checkpoint in .* is damaged; delete the folder"):
        load_checkpoint(tmp_path, {"data": "x"})


def test_a_full_disk_is_the_systems_error_and_not_the_writers(tmp_path, monkeypatch):
    def full(*_, **__):
        raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")

    save_checkpoint(tmp_path, 1, TENSORS, {})
    monkeypatch.setattr("sface_lib.engine.weights.save_file", full)
    with pytest.raises(OSError) as caught:
        save_checkpoint(tmp_path, 2, TENSORS, {})
    assert is_full_disk(caught.value) and "checkpoint-000000002" in caught.value.filename
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint-000000001"]


def test_a_log_goes_on_at_the_step_of_the_checkpoint(tmp_path):
    log = JsonLines(tmp_path / "log.jsonl")
    for step in (1, 2, 3):
        log.write(step=step, loss=0.5)
    with open(log.path, "a") as stream:
        stream.write('{"step": 4, "lo')  # Cut by a kill.
    assert [row["step"] for row in read_log(log.path)] == [1, 2, 3]
    JsonLines(tmp_path / "log.jsonl", resume_at=2).write(step=3, loss=0.25)
    assert [json.loads(line) for line in log.path.read_text().splitlines()][-1] == {"step": 3, "loss": 0.25}
    assert len(read_log(log.path)) == 3


def test_an_optimiser_comes_back_whole():
    weight = torch.nn.Parameter(torch.ones(3))
    first, second = (torch.optim.Adam([weight], lr=0.1) for _ in range(2))
    weight.sum().backward()
    first.step()
    load_optimiser(second, "adam", flatten("adam", first.state_dict()))
    for name, value in first.state[weight].items():
        assert torch.equal(value, second.state[weight][name])


def test_draws_are_a_function_of_seed_step_and_rank():
    def draw(*place: int) -> tuple[float, float]:
        host = seed_step(*place)
        return torch.rand(1).item(), torch.rand(1, generator=host).item()

    assert draw(1, 2, 0) == draw(1, 2, 0)
    assert len({draw(1, 2, 0), draw(1, 3, 0), draw(2, 2, 0), draw(1, 2, 1)}) == 4


def test_weights_that_do_not_fit_are_refused_by_name():
    with pytest.raises(WeightsError, match=r"w\.safetensors does not fit the network: .*bias.*extra"):
        load_strictly(torch.nn.Linear(2, 2), {"weight": torch.zeros(2, 2), "extra": torch.zeros(1)}, "w.safetensors")


def test_losses_that_are_not_finite_name_the_step():
    require_finite({"loss": 1.0}, 3)
    with pytest.raises(TrainingError, match="loss became nan at step 3"):
        require_finite({"loss": float("nan")}, 3)


def test_the_precision_may_be_changed_within_a_process():
    assert make_accelerator("bf16").mixed_precision == "bf16"
    assert make_accelerator("float32").mixed_precision == "no"


def test_a_file_is_whole_or_absent(tmp_path):
    with pytest.raises(RuntimeError), atomic_path(tmp_path / "a.txt") as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ValueError, match="JSON compliant"):
        write_json(tmp_path / "a.json", {"x": float("nan")})
    assert list(tmp_path.iterdir()) == []


def test_processes_that_cannot_work_together_are_refused(monkeypatch):
    """Else each of them would train alone, all in one folder."""
    monkeypatch.setenv("WORLD_SIZE", "2")
    alone = types.SimpleNamespace(num_processes=1, device="mps")
    monkeypatch.setattr("sface_lib.engine.device.Accelerator", lambda **_: alone)
    with pytest.raises(InputError, match="2 processes were launched, which cannot work together on mps; use one"):
        make_accelerator()


def test_more_processes_than_devices_are_refused(monkeypatch):
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: True)
    monkeypatch.setattr(torch.accelerator, "device_count", lambda: 1)
    with pytest.raises(InputError, match="2 processes were launched on a machine of 1 devices; launch one a device"):
        make_accelerator("float32")


@pytest.mark.parametrize(
    ("says", "told"),
    [
        (r"printf 'x\n\rKT:  10%%|#   |' >&2; echo 'sface: the disk is full' >&2; exit 2", "^the disk is full$"),
        (r"printf 'x\n\rKT:  10%%|#   |sface: too fewsface: too few\n\n' >&2; exit 2", "^too few$"),
        (r"printf '\rKT:  10%%|#   |\377' >&2; exit 3", "^2 processes ended with code 3; .*launch.log holds what"),
    ],
)
def test_bars_of_launched_processes_are_shown_and_the_reason_behind_one_is_told(
    tmp_path, monkeypatch, capsys, says, told
):
    program = tmp_path / "python"
    program.write_text(f"#!/bin/sh\n{says}\n")
    program.chmod(0o755)
    monkeypatch.setattr("sys.executable", str(program))
    with pytest.raises(TrainingError, match=told):
        launch(2, ["recognition"], tmp_path / "work" / "launch.log")
    assert "\rKT:  10%|#   |" in capsys.readouterr().err
    assert b"\rKT:  10%|#   |" in (tmp_path / "work" / "launch.log").read_bytes()


def test_a_launch_that_is_stopped_ends_what_it_started(tmp_path, monkeypatch):
    program = tmp_path / "python"
    program.write_text(f"#!/bin/sh\ntrap 'touch {tmp_path}/ended; exit 1' TERM\nprintf '\\r0%%' >&2\nsleep 30 & wait\n")
    program.chmod(0o755)
    monkeypatch.setattr("sys.executable", str(program))

    def stop(_):
        raise KeyboardInterrupt

    monkeypatch.setattr("sys.stderr", types.SimpleNamespace(write=stop, flush=lambda: None))
    with pytest.raises(KeyboardInterrupt):
        launch(2, ["recognition"], tmp_path / "launch.log")
    assert (tmp_path / "ended").exists()


def test_a_measured_step_counts_each_saved_tensor_once():
    x, calls = torch.randn(10, 4, requires_grad=True), []

    def step():
        calls.append(1)
        y = x.exp()  # Keeps its result,
        (y * y).sum()  # which the product keeps again.

    cost = measure_step(step)
    assert cost.saved_bytes == 10 * 4 * 4 and cost.seconds > 0 and len(calls) == 3
