"""What a notebook can and cannot do with its stage."""

import json
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest

from sface_lib.errors import InputError, ParameterError, RunError
from sface_lib.parameters import ReportParameters, stage_parameters
from sface_lib.report import Stage


@pytest.fixture
def stage(tmp_path):
    return Stage.open("91_own", {"run_dir": str(tmp_path)})


@pytest.fixture
def shown(monkeypatch):
    """The HTML and Markdown that were displayed."""
    pieces = []
    monkeypatch.setattr("IPython.display.display", lambda item: pieces.append(item.data))
    return pieces


def own(tmp_path, name, **changes):
    return Stage.open(name, {"run_dir": tmp_path, **stage_parameters(ReportParameters(), name), **changes})


def test_parameters_come_from_the_namespace_and_only_those_of_the_stage(tmp_path):
    p = own(tmp_path, "02_generation", total_kimg=3.5).parameters
    assert p.total_kimg == 3.5
    with pytest.raises(AttributeError):
        p.training_steps  # noqa: B018 - a parameter of stage 04: the access is what is tested


def test_a_value_out_of_range_is_refused_by_name(tmp_path):
    with pytest.raises(ParameterError, match="parameter psi = 7.0 is not allowed: .*less than or equal to 1"):
        own(tmp_path, "02_generation", psi=7.0)


def test_a_parameter_that_the_cell_does_not_set_is_named(tmp_path):
    with pytest.raises(ParameterError, match="parameters cell of 02_generation does not set run_dir"):
        Stage.open("02_generation", {})


def test_a_path_of_the_user_is_no_reason_to_ask_for_parameters_of_other_stages(tmp_path):
    assert own(tmp_path, "01_data", authentic=str(tmp_path)).parameters.authentic == str(tmp_path)


def test_an_unfinished_stage_is_named_with_the_remedy(tmp_path):
    with pytest.raises(RunError, match="04_training, which has not finished in .*; run notebook 04_training first"):
        own(tmp_path, "05_evaluation").result("04_training")


def test_reading_a_stage_that_is_not_declared_is_refused(tmp_path):
    with pytest.raises(RunError, match="02_generation does not declare that it reads 05_evaluation"):
        own(tmp_path, "02_generation").result("05_evaluation")


def test_outputs_and_results_of_one_stage_reach_the_next(tmp_path, stage):
    folder = stage.output("data/faces")
    folder.mkdir()
    (folder / "a.txt").write_text("a")
    stage.finish(n=1)
    later = Stage.open("92_later", {"run_dir": tmp_path})
    assert later.result("91_own") == {"n": 1}
    assert later.input("data/faces/a.txt").read_text() == "a"
    with pytest.raises(RunError, match="data/other is not in .*; run notebook 91_own first"):
        later.input("data/other")


def test_a_path_outside_the_run_folder_is_refused(stage):
    with pytest.raises(InputError, match="not a path inside the run folder"):
        stage.output("../elsewhere")


@dataclass
class Metrics:
    eer: float | None
    counts: np.ndarray


def test_results_are_recorded_as_plain_json(tmp_path, stage):
    stage.output("data/x.txt").write_text("abc")
    stage.finish(link=Metrics(None, np.arange(2)), n=np.int64(3), per_rank={np.int64(1): np.float32(0.5)}, at=tmp_path)
    record = json.loads((tmp_path / "results/91_own.json").read_text())
    expected = {"link": {"eer": None, "counts": [0, 1]}, "n": 3, "per_rank": {"1": 0.5}, "at": str(tmp_path)}
    assert record["results"] == expected
    assert record["outputs"]["data/x.txt"]["bytes"] == 3 and record["machine"]["peak_memory_mib"] > 0


@pytest.mark.parametrize("value", [float("nan"), np.float32("inf"), np.array([1.0, np.nan])])
def test_nan_and_infinity_in_results_are_refused_by_name(tmp_path, stage, value):
    with pytest.raises(InputError, match=r"results\.link\.eer.* is (nan|inf), which JSON cannot hold; give None"):
        stage.finish(link={"eer": value})
    assert not (tmp_path / "results/91_own.json").exists()


def test_a_registered_output_that_was_not_written_is_named(stage):
    stage.output("weights/w.safetensors")
    with pytest.raises(RunError, match=r"91_own registered weights/w\.safetensors but did not write it"):
        stage.finish()


def test_checkpoints_stay_until_the_stage_has_finished_and_is_opened_again(tmp_path, stage):
    (stage.scratch("generator") / "checkpoint").write_text("x")
    again = Stage.open("91_own", {"run_dir": tmp_path})
    assert (again.scratch("generator") / "checkpoint").exists()
    again.finish()
    assert (again.scratch("generator") / "checkpoint").exists()
    once_more = Stage.open("91_own", {"run_dir": tmp_path})
    assert not (tmp_path / "results/91_own.json").exists()
    assert not (once_more.scratch("generator") / "checkpoint").exists()


def test_other_parameters_begin_without_checkpoints_and_going_back_finds_them(tmp_path):
    (own(tmp_path, "02_generation").scratch("generator") / "checkpoint").write_text("x")
    assert not (own(tmp_path, "02_generation", generator_batch=8).scratch("generator") / "checkpoint").exists()
    assert (own(tmp_path, "02_generation").scratch("generator") / "checkpoint").exists()


def test_other_data_begin_without_checkpoints(tmp_path):
    def select(text):
        data = own(tmp_path, "01_data")
        data.output("data/selection.csv").write_text(text)
        data.finish()
        return own(tmp_path, "02_generation").scratch("generator")

    (select("a") / "checkpoint").write_text("x")
    assert not (select("b") / "checkpoint").exists()
    assert (select("a") / "checkpoint").exists()


def test_a_table_is_written_in_full_and_shown_escaped(tmp_path, stage, shown):
    frame = pd.DataFrame({"name": ["<b>", "c"], "eer": [0.123456789, np.nan], "n": [1, 2]})
    stage.table(frame, "link", "Link <test>.", floats="%.2f")
    assert "0.123456789" in (tmp_path / "results/91_own.link.csv").read_text()
    assert "<caption>Link &lt;test&gt;.</caption>" in shown[0] and '<th scope="row">&lt;b&gt;</th>' in shown[0]
    assert '<td class="number">0.12</td>' in shown[0] and '<td class="number">–</td>' in shown[0]


def test_a_figure_is_written_twice_the_same_closed_and_shown_with_alt_text(tmp_path, stage, shown):
    import matplotlib.pyplot as plt

    for name in ("one", "two"):
        fig, axes = plt.subplots()
        axes.plot([1, 2])
        stage.figure(fig, name, alt="A line.", table=pd.DataFrame({"x": [1]}))
    files = {suffix: [tmp_path / f"figures/91_own.{n}.{suffix}" for n in ("one", "two")] for suffix in ("png", "svg")}
    assert all(one.read_bytes() == two.read_bytes() for one, two in files.values())
    assert plt.get_fignums() == [] and (tmp_path / "results/91_own.one.csv").exists()
    assert 'alt="A line."' in shown[0] and "<details>" in shown[0]


def test_a_figure_without_alt_text_is_refused(stage):
    import matplotlib.pyplot as plt

    with pytest.raises(InputError, match="alt text of figure curve is empty"):
        stage.figure(plt.figure(), "curve", alt=" ")


def test_pictures_of_authentic_faces_are_neither_written_nor_shown_unless_allowed(tmp_path, shown):
    pixels = np.zeros((4, 4, 3), np.uint8)
    hidden = own(tmp_path, "01_data", authentic=str(tmp_path), show_authentic_images=None)
    hidden.picture(pixels, "faces", alt="Faces.", shows="authentic")
    assert shown == ["Pictures of authentic faces are hidden (show_authentic_images is false)."]
    assert not (tmp_path / "figures").exists()
    own(tmp_path, "01_data").picture(pixels, "faces", alt="Faces.", shows="authentic")
    assert (tmp_path / "figures/01_data.faces.png").exists()


def test_a_picture_keeps_its_pixels_exactly(tmp_path, stage, shown):
    from PIL import Image

    pixels = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    stage.picture(pixels, "noise", alt="Noise.")
    assert np.array_equal(np.asarray(Image.open(tmp_path / "figures/91_own.noise.png")), pixels)


def test_a_picture_of_another_type_is_refused(stage):
    with pytest.raises(InputError, match=r"uint8 \[H, W, 3\], RGB; this one is float64 \(4, 4, 3\)"):
        stage.picture(np.zeros((4, 4, 3)), "x", alt="x")


def test_cells_that_must_not_be_relied_on_are_grey_and_in_brackets(stage, shown):
    stage.table(pd.DataFrame({"model": ["KT", "CL"], "eer": [0.1, 0.2]}), "link", "Link.", grey=[(1, "eer")])
    assert '<td class="number">0.1</td>' in shown[0] and '<td class="number grey">(0.2)</td>' in shown[0]
