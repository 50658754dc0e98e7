"""What a notebook can and cannot do with its stage."""

import json
import re
import subprocess
import sys
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import pytest

from sface_lib.chapters.registry import CHAPTERS
from sface_lib.errors import InputError, ParameterError, RunError
from sface_lib.population import VERIFIER_PATH
from sface_lib.run import Chapter, Facts, Results, Stage
from sface_lib.run.folder import sealed
from sface_lib.run.fragments import table_html


@pytest.fixture
def stage(tmp_path):
    return Stage.open("91_own", {"run_dir": str(tmp_path)})


@pytest.fixture
def shown(monkeypatch):
    """The HTML and Markdown that were displayed."""
    pieces = []
    monkeypatch.setattr("IPython.display.display", lambda item: pieces.append(item.data))
    return pieces


def chapter(name):
    """A chapter of the report, with results of any names, which opens without earlier ones."""
    found = next(each for each in CHAPTERS if each.name == name)
    return replace(found, results=dict, optional=(*found.uses, *found.reads))


def defaults(name):
    return chapter(name).parameters().model_dump()


def own(tmp_path, name, **changes):
    return Stage.open(chapter(name), {"run_dir": tmp_path, **defaults(name), **changes})


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
        Stage.open(chapter("02_generation"), {})


def test_a_path_of_the_user_is_no_reason_to_ask_for_parameters_of_other_stages(tmp_path):
    given = {"authentic": str(tmp_path), "protocol": str(tmp_path)}
    assert own(tmp_path, "01_data", **given).parameters.authentic == str(tmp_path)


@pytest.mark.parametrize(
    ("name", "changes", "sentence"),
    [
        (
            "02_generation",
            {"totl_kimg": 3},
            "'totl_kimg' does not exist in 02_generation; did you mean 'total_kimg'",
        ),
        (
            "02_generation",
            {"training_steps": 3},
            "'training_steps' does not exist in 02_generation; it has run_dir,",
        ),
        ("02_generation", {"total_kimg": 0, "generator_weights": "none"}, "total_kimg = 0 needs weights to use"),
        ("02_generation", {"generator_channel_base": 128}, "leaves fewer than 4 channels at 64 px"),
        ("02_generation", {"generator_weights": "absent.pkl"}, "generator_weights: no file or folder at 'absent.pkl'"),
        ("01_data", {"protocol": "pyproject.toml"}, "protocol and protocol_faces go with faces of your own"),
        ("04_training", {"keep_model": "best"}, "needs validation_identities and validation_interval_steps"),
        ("07_summary", {"seed": 3}, "parameter 'seed' does not exist in 07_summary; it has run_dir."),
        ("07_summary", {"run_dirr": "x"}, "parameter 'run_dirr' does not exist in 07_summary; did you mean 'run_dir'?"),
    ],
)
def test_a_kernel_refuses_what_the_command_line_refuses(tmp_path, name, changes, sentence):
    with pytest.raises(ParameterError, match=sentence):
        own(tmp_path, name, **changes)


def test_a_verifier_that_also_steers_is_refused_in_a_kernel(tmp_path):
    model = str(VERIFIER_PATH)
    with pytest.raises(ParameterError, match="identity_model is the verifier, which would judge its own work"):
        own(tmp_path, "02_generation", verifier=model, identity_model=model)


def test_a_misspelt_parameter_is_refused_before_torch_is_loaded(tmp_path):
    """As papermill runs it: the cell it adds holds the wrong name alone."""
    values = {"run_dir": str(tmp_path), **defaults("02_generation")}
    cells = ["\n".join(f"{name} = {value!r}" for name, value in values.items()), "# Parameters\ntotl_kimg = 3.0\n"]
    program = (
        "import sys\nfrom sface_lib.chapters import generation\nfrom sface_lib.run import Stage\n"
        f"cells = {cells!r}\nnamespace = dict(In=['', *cells, 'import os\\nx = 1'])\n"
        "for cell in cells: exec(cell, namespace)\n"
        "try: Stage.open(generation.CHAPTER, namespace)\n"
        "except Exception as error: print(type(error).__name__, error, 'torch' in sys.modules)"
    )
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert (
        said
        == "ParameterError parameter 'totl_kimg' does not exist in 02_generation; did you mean 'total_kimg'? False\n"
    )


def test_only_the_last_parameters_cell_and_what_was_injected_after_it_count(tmp_path):
    values = {"run_dir": str(tmp_path), **defaults("02_generation")}
    right = "\n".join(f"{name} = {value!r}" for name, value in values.items())
    history = ["", "# Parameters\nold = 1", right + "\ntotl_kimg = 3", "y = 1", right, "%time\nx = 1", "z = [1, open]"]
    opened = Stage.open(chapter("02_generation"), {"In": history, **values, "totl_kimg": 3, "x": 1})
    assert opened.parameters.total_kimg == values["total_kimg"]


def finished(tmp_path, name, text="", **changes):
    """Open and finish a stage that writes a file, or none."""
    made = own(tmp_path, name, **changes)
    if text:
        made.output(f"data/{name}.txt").write_text(text)
    made.finish({"text": text})


def test_stages_of_two_runs_are_not_read_together(tmp_path):
    finished(tmp_path, "01_data", "twelve identities")
    finished(tmp_path, "02_generation", "their faces")
    finished(tmp_path, "03_privacy")
    finished(tmp_path, "01_data", "twenty identities")
    with pytest.raises(RunError, match="02_generation, which was made from another 01_data .* run notebook 02_gen"):
        own(tmp_path, "07_summary")
    with pytest.raises(RunError, match="run notebook 02_generation again first"):
        own(tmp_path, "04_training")
    finished(tmp_path, "02_generation", "faces of twenty")
    with pytest.raises(RunError, match="03_privacy, which was made from another 01_data"):
        own(tmp_path, "07_summary")
    finished(tmp_path, "03_privacy")
    finished(tmp_path, "07_summary")


def test_an_earlier_stage_run_again_to_the_same_files_makes_nothing_stale(tmp_path):
    finished(tmp_path, "01_data", "twelve identities")
    finished(tmp_path, "02_generation", "their faces")
    finished(tmp_path, "01_data", "twelve identities")
    assert own(tmp_path, "07_summary").results(chapter("02_generation")) == {"text": "their faces"}


def test_a_stage_made_with_another_seed_is_named_with_both_values(tmp_path):
    finished(tmp_path, "01_data", seed=1)
    with pytest.raises(RunError, match="01_data was made with seed = 1, and this notebook has seed = 0; run notebook"):
        own(tmp_path, "02_generation")


@pytest.mark.parametrize("text", ["[]", '{"schema_version": 1}', "[" * 100_000])
def test_a_damaged_record_is_named_with_the_notebook_to_run(tmp_path, text):
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "01_data.json").write_text(text)
    with pytest.raises(RunError, match="01_data.json .*; run notebook 01_data again"):
        own(tmp_path, "02_generation")


def test_an_unfinished_stage_is_named_with_the_remedy(tmp_path):
    with pytest.raises(RunError, match="04_training, which has not finished in .*; run notebook 04_training first"):
        own(tmp_path, "05_evaluation").results(chapter("04_training"))


def test_what_a_chapter_needs_is_asked_for_when_it_opens(tmp_path):
    """Before any other import, and all of it but what it can do without: 04 needs no filters, and 06 no accuracy."""
    real = {each.name: each for each in CHAPTERS}
    values = {name: {"run_dir": tmp_path, **defaults(name)} for name in real}
    with pytest.raises(RunError, match="04_training reads 01_data, which has not finished in .*; run notebook 01_data"):
        Stage.open(real["04_training"], values["04_training"])
    finished(tmp_path, "01_data", "twelve identities")
    finished(tmp_path, "02_generation", "their faces")
    assert not Stage.open(real["04_training"], values["04_training"]).has_finished("03_privacy")
    Stage.open(real["06_attributes"], values["06_attributes"])
    with pytest.raises(RunError, match="05_evaluation reads 03_privacy, which has not finished"):
        Stage.open(real["05_evaluation"], values["05_evaluation"])
    with pytest.raises(RunError, match="07_summary reads 03_privacy, which has not finished"):
        Stage.open(real["07_summary"], values["07_summary"])


def test_reading_a_stage_that_is_not_declared_is_refused(tmp_path):
    with pytest.raises(RunError, match="02_generation does not declare that it reads 05_evaluation"):
        own(tmp_path, "02_generation").results(chapter("05_evaluation"))


def test_outputs_and_results_of_one_stage_reach_the_next(tmp_path, stage):
    folder = stage.output("data/faces")
    folder.mkdir()
    (folder / "a.txt").write_text("a")
    stage.finish({"n": 1})
    later = Stage.open("92_later", {"run_dir": tmp_path})
    assert later.results(Chapter("91_own", "Own")) == {"n": 1}
    assert later.input("data/faces/a.txt").read_text() == "a"
    with pytest.raises(RunError, match="data/other is not in .*; run notebook 91_own first"):
        later.input("data/other")


def test_a_path_outside_the_run_folder_is_refused(stage):
    with pytest.raises(InputError, match="not a path inside the folder"):
        stage.output("../elsewhere")


@dataclass(frozen=True)
class Rate(Facts):
    value: float | None
    unit: str


@dataclass(frozen=True)
class Found(Results):
    rates: dict[str, Rate]
    folds: tuple[int, ...]


FIRST = Chapter("81_first", "First", results=Found)
SECOND = Chapter("82_second", "Second", reads=(FIRST,))


def typed(tmp_path):
    """A first stage with typed results, finished."""
    first = Stage.open(FIRST, {"run_dir": tmp_path})
    first.finish(Found({"eer": Rate(0.25, "share"), "fmr1000": Rate(None, "share")}, (1, 2)))
    return tmp_path / "results" / "81_first.json"


def test_typed_results_come_back_by_attribute_with_a_schema_beside(tmp_path):
    typed(tmp_path)
    found = Stage.open(SECOND, {"run_dir": tmp_path}).results(FIRST)
    assert found == Found({"eer": Rate(0.25, "share"), "fmr1000": Rate(None, "share")}, (1, 2))
    schema = json.loads((tmp_path / "schemas" / "81_first.json").read_text())
    assert schema["properties"]["rates"]["additionalProperties"] == {"$ref": "#/$defs/Rate"}
    assert schema["$defs"]["Rate"]["properties"]["value"]["anyOf"] == [{"type": "number"}, {"type": "null"}]


def test_results_of_another_type_are_refused(tmp_path):
    first = Stage.open(FIRST, {"run_dir": tmp_path})
    for wrong in ({}, Found({"eer": Rate("a quarter", "share")}, ()), Found({}, (1.5,))):
        with pytest.raises(InputError, match="Found was declared|rates.eer.value: .* number|folds.0: .* integer"):
            first.finish(wrong)
    assert not (tmp_path / "results").exists()


def test_a_record_changed_by_hand_is_refused_by_name(tmp_path):
    path = typed(tmp_path)
    path.write_text(path.read_text().replace("0.25", "0.05"))
    with pytest.raises(RunError, match="81_first.json was changed after 81_first wrote it; run notebook 81_first"):
        Stage.open(SECOND, {"run_dir": tmp_path})


def test_results_of_another_version_are_refused_by_name(tmp_path):
    path = typed(tmp_path)
    path.write_text(json.dumps(sealed(json.loads(path.read_text()) | {"results_version": 2})))
    with pytest.raises(RunError, match="81_first.json holds results of version 2, and this program reads version 1"):
        Stage.open(SECOND, {"run_dir": tmp_path}).results(FIRST)


def test_results_of_another_form_are_refused_by_the_first_field_that_differs(tmp_path):
    path = typed(tmp_path)
    record = json.loads(path.read_text())
    record["results"]["rates"]["eer"]["error"] = 0.1
    path.write_text(json.dumps(sealed(record)))
    with pytest.raises(RunError, match="81_first.json cannot be read: rates.eer.error: .*; run notebook 81_first"):
        Stage.open(SECOND, {"run_dir": tmp_path}).results(FIRST)


@dataclass
class Metrics:
    eer: float | None
    counts: np.ndarray


def test_results_are_recorded_as_plain_json(tmp_path, stage):
    stage.output("data/x.txt").write_text("abc")
    per_rank = {np.int64(1): np.float32(0.5)}
    stage.finish({"link": Metrics(None, np.arange(2)), "n": np.int64(3), "per_rank": per_rank, "at": tmp_path})
    record = json.loads((tmp_path / "results/91_own.json").read_text())
    expected = {"link": {"eer": None, "counts": [0, 1]}, "n": 3, "per_rank": {"1": 0.5}, "at": str(tmp_path)}
    assert record["results"] == expected
    assert record["outputs"]["data/x.txt"]["bytes"] == 3 and record["machine"]["peak_memory_mib"] > 0


@pytest.mark.parametrize("value", [float("nan"), np.float32("inf"), np.array([1.0, np.nan])])
def test_nan_and_infinity_in_results_are_refused_by_name(tmp_path, stage, value):
    with pytest.raises(InputError, match=r"results\.link\.eer.* is (nan|inf), which JSON cannot hold; give None"):
        stage.finish({"link": {"eer": value}})
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
        stage.figure((fig, pd.DataFrame({"x": [1]})), name, alt="A line.")
    files = {
        suffix: [tmp_path / f"figures/91_own.{n}.{suffix}" for n in ("one", "two")] for suffix in ("png", "svg", "pdf")
    }
    assert all(one.read_bytes() == two.read_bytes() for one, two in files.values())
    assert plt.get_fignums() == [] and (tmp_path / "results/91_own.one.numbers.csv").exists()
    assert 'alt="A line."' in shown[0] and "<details>" in shown[0]


def test_a_figure_without_alt_text_is_refused(stage):
    import matplotlib.pyplot as plt

    with pytest.raises(InputError, match="alt text of figure curve is empty"):
        stage.figure(plt.figure(), "curve", alt=" ")


def test_pictures_of_authentic_faces_are_neither_written_nor_shown_unless_allowed(tmp_path, shown):
    pixels = np.zeros((4, 4, 3), np.uint8)
    given = {"authentic": str(tmp_path), "protocol": str(tmp_path)}
    hidden = own(tmp_path, "01_data", **given, show_authentic_images=None)
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
    with pytest.raises(InputError, match=r"\[H, W, 4\], RGBA; this one is float64 \(4, 4, 3\)"):
        stage.picture(np.zeros((4, 4, 3)), "x", alt="x")


def test_cells_that_must_not_be_relied_on_are_grey_and_in_brackets(stage, shown):
    stage.table(pd.DataFrame({"model": ["KT", "CL"], "eer": [0.1, 0.2]}), "link", "Link.", grey=[(1, "eer")])
    assert '<td class="number">0.1</td>' in shown[0] and '<td class="number grey">(0.2)</td>' in shown[0]


def test_embeddings_go_when_a_notebook_run_by_hand_has_finished(stage, monkeypatch):
    """Inside a report later stages read them."""
    for batch in ("1", None):
        monkeypatch.setenv("SFACE_BATCH", batch) if batch else monkeypatch.delenv("SFACE_BATCH", raising=False)
        stage.embeddings.mkdir(parents=True, exist_ok=True)
        stage.finish()
        assert stage.embeddings.exists() == bool(batch)


def test_whatever_is_missing_in_a_table_is_a_dash():
    whole = pd.array([3, None], dtype="Int64")
    frame = pd.DataFrame({"name": ["a", None], "whole": whole, "real": [0.5, np.nan], "when": [pd.NaT, pd.NaT]})
    html = table_html(frame, "Gaps.")
    assert html.count("–") == 5 and "NA" not in html and "NaN" not in html and ">3<" in html


def test_amounts_have_commas_and_no_decimals_and_years_are_names():
    frame = pd.DataFrame({"images": [2020628, 900], "kimg": [2000.0, 3.0], "auc": [0.5, 1.0], "year": [2022, 2024]})
    html = table_html(frame, "Sizes.", floats="%.3f")
    assert re.findall(r">([\d.,]+)</t[hd]>", html) == [
        "2,020,628",
        "2,000",
        "0.500",
        "2022",
        "900",
        "3",
        "1.000",
        "2024",
    ]
    assert ">yes<" in table_html(pd.DataFrame({"a": ["x"], "done": [True]}), "Done.")


def test_a_table_is_written_in_latex_as_it_is_shown(stage, shown, tmp_path):
    frame = pd.DataFrame({"model_%": ["K&T", "C_L"], "eer": [0.1, 0.25]})
    stage.table(frame, "link", "Link, 5 %.", floats="%.2f", grey=[(1, "eer")])
    assert (tmp_path / "results/91_own.link.tex").read_text().splitlines() == [
        r"\begin{table}",
        r"\caption{Link, 5 \%.}",
        r"\label{91_own.link}",
        r"\begin{tabular}{lr}",
        r"\toprule",
        r"model\_\% & eer \\",
        r"\midrule",
        r"K\&T & 0.10 \\",
        r"C\_L & (0.25) \\",
        r"\bottomrule",
        r"\end{tabular}",
        r"\end{table}",
    ]
