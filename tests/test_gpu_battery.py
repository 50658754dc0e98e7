"""The GPU battery itself, at toy size on the CPU: its rows run, resume, and can fail."""

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from sface_lib.files import read_json
from sface_lib.population import VERIFIER_PATH


@pytest.fixture(scope="module")
def gpu(benchmarks):
    return benchmarks("gpu")


def test_a_difference_is_relative_to_what_was_wanted(gpu):
    assert gpu.relative_error(np.array([3.0, 4.0]), np.array([3.0, 4.0])) == 0
    assert gpu.relative_error(np.array([3.0, 9.0]), np.array([3.0, 4.0])) == pytest.approx(1.0)
    assert gpu.relative_error(np.array([np.nan, 4.0]), np.array([np.nan, 4.0])) == 0
    assert gpu.relative_error(np.array([np.nan]), np.array([1.0])) == float("inf")
    assert gpu.relative_error(np.zeros(2), np.ones(3)) == float("inf")


def test_a_row_is_computed_once_a_failed_one_again_and_none_after_its_time(gpu, tmp_path):
    calls = []

    def work():
        calls.append(1)
        if len(calls) == 1:
            raise ValueError("first time")
        return {"n": len(calls)}

    for _ in range(3):
        part = gpu.Rows(tmp_path / "part.json", seconds=60)
        part.row("a", work)
    assert len(calls) == 2 and read_json(tmp_path / "part.json")["a"]["n"] == 2
    late = gpu.Rows(tmp_path / "part.json", seconds=-1)
    late.row("b", work)
    assert "b" not in late.rows and len(calls) == 2
    assert list(gpu.failures({"x": {"failed": "Traceback\nValueError: no"}})) == ["x failed: ValueError: no"]


@pytest.mark.slow
def test_every_loop_gives_numbers_and_one_that_differs_is_named(gpu, tmp_path):
    gpu.write_values(tmp_path, "cpu", gpu.TOY)
    assert not list(tmp_path.rglob("*.txt")), [path.read_text() for path in tmp_path.rglob("*.txt")]
    (tmp_path / "float32").mkdir()
    for name in gpu.COMPARED:
        arrays = dict(np.load(gpu.file_of(tmp_path, "cpu", name)))
        for array in arrays.values():
            known = array[~np.isnan(array)]
            assert np.isfinite(known).all() and np.ptp(known) > 0, name
        np.savez(gpu.file_of(tmp_path, "float32", name), **arrays)
        assert gpu.compared(tmp_path, "float32", name)["within"]
        np.savez(gpu.file_of(tmp_path, "float32", name), **{key: 1.1 * array for key, array in arrays.items()})
        found = gpu.compared(tmp_path, "float32", name)
        assert list(gpu.failures({name: found})) == [f"{name} does not agree: {found['apart']}"]


def test_a_disagreement_without_a_number_is_a_row_and_no_crash(gpu, tmp_path):
    for precision, array in (("cpu", np.ones(3)), ("float32", np.array([1.0, np.nan, 1.0]))):
        (tmp_path / precision).mkdir()
        np.savez(gpu.file_of(tmp_path, precision, "sampling"), images=array)
    rows = gpu.Rows(tmp_path / "agree.json")
    rows.row("sampling", lambda: gpu.compared(tmp_path, "float32", "sampling"))
    assert list(gpu.failures(read_json(tmp_path / "agree.json"))) == [
        "sampling does not agree: {'images': 'of other shape, or not numbers'}"
    ]


def test_a_row_that_is_no_number_for_json_has_failed(gpu, tmp_path):
    rows = gpu.Rows(tmp_path / "part.json")
    rows.row("rate", lambda: {"images/s": float("inf")})
    assert "Out of range float" in read_json(tmp_path / "part.json")["rate"]["failed"]


def test_a_tensor_too_large_for_a_file_is_cut_into_rows(gpu):
    state = {"small": torch.ones(4, 2), "large": torch.arange(4096.0).view(64, 64), "count": torch.tensor(3)}
    pieces = dict(gpu._pieces(state, most_mib=3 / 1024))
    assert {name: tuple(piece.shape) for name, piece in pieces.items()} == {
        "small": (4, 2), "large.0": (21, 64), "large.1": (21, 64), "large.2": (21, 64), "large.3": (1, 64), "count": (),
    }  # fmt: skip
    whole = torch.cat([pieces[f"large.{i}"] for i in range(4)])
    assert torch.equal(whole, state["large"].half()) and pieces["count"] == 3


@pytest.mark.slow
def test_a_long_training_gives_small_files_and_is_not_begun_again(gpu, tmp_path, rendered_zip):
    faces = [str(rendered_zip(tmp_path / f"{i}.zip", 4, 4, 64, first=4 * i)) for i in range(2)]
    command = ["transfer", "--toy", "--out", str(tmp_path / "out"), "--seconds", "1", "--teacher", str(VERIFIER_PATH)]
    assert gpu.main([*command, "--faces", *faces]) == 0
    found, weights = read_json(tmp_path / "out/transfer.json"), tmp_path / "out/student-0.safetensors"
    assert (found["images"], found["identities"], found["files"]) == (32, 8, ["student-0.safetensors"])
    first = load_file(weights)
    assert gpu.main([*command, "--faces", *faces]) == 0
    assert all((first[name] == tensor).all() for name, tensor in load_file(weights).items())
