"""The command line refuses before any kernel starts, and says what is allowed."""

import numpy as np
import pytest

from sface_lib import cli
from sface_lib.chapters.registry import ReportParameters
from sface_lib.data import encode_png
from sface_lib.report import runner
from sface_lib.report.plan import plan_report
from sface_lib.run.parameters import describe


@pytest.fixture
def refused(monkeypatch, capsys, tmp_path):
    """Run the command; give its one complaint. A run that starts is an error."""
    monkeypatch.setattr(runner, "run_report", lambda plan: pytest.fail("a run started"))
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        assert cli.main(["report", *arguments]) == 2
        complaint = capsys.readouterr().err
        assert complaint.startswith("sface: ") and complaint.count("\n") == 1
        assert list(tmp_path.iterdir()) == []
        return complaint

    return run


def test_an_unknown_parameter_is_refused_with_the_nearest_name(refused):
    assert "parameter 'total_kimgs' does not exist; did you mean 'total_kimg'?" in refused("--set", "total_kimgs=3")


def test_a_renamed_parameter_is_refused_with_its_new_name(refused):
    said = refused("--set", "recognition_parts=2")
    assert "parameter 'recognition_parts' is called 'recognition_gradient_accumulation_steps' now" in said


def test_an_ill_typed_value_is_refused_with_what_is_allowed(refused):
    complaint = refused("--set", "images_per_class=many")
    assert "images_per_class" in complaint and "'many'" in complaint and "integer" in complaint


def test_a_value_out_of_range_is_refused(refused):
    assert "psi" in refused("--set", "psi=2")


def test_a_setting_without_a_value_is_refused(refused):
    assert "--set 'psi' has no '='" in refused("--set", "psi")


def test_a_path_that_does_not_exist_is_refused(refused):
    assert "no file or folder at 'nowhere'" in refused("--set", "authentic=nowhere")


def test_an_unknown_profile_is_refused_with_those_there_are(refused):
    assert "profile 'huge' does not exist; choose one of" in refused("--profile", "huge")


def test_an_unknown_stage_is_refused_with_those_there_are(refused):
    assert "stage '09' does not exist; choose one of 01_data, 02_generation" in refused("--from", "09")


def test_a_run_error_is_one_line_and_exit_code_2(monkeypatch, capsys, tmp_path):
    (tmp_path / "file").write_text("")
    assert cli.main(["report", "--out", str(tmp_path / "file" / "run")]) == 2
    assert "choose another folder with --out" in capsys.readouterr().err


def test_the_help_lists_every_parameter(capsys):
    with pytest.raises(SystemExit):
        cli.main(["report", "--help"])
    text = capsys.readouterr().out
    assert all(f"  {row['name']}  (" in text for row in describe(ReportParameters))


def test_the_default_folder_depends_on_profile_and_parameters(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folders = [plan_report("smoke", overrides).folder for overrides in ({}, {"seed": "1"}, {})]
    assert folders[0] == folders[2] != folders[1]
    assert folders[0].parent == tmp_path / "runs" and folders[0].name.startswith("smoke-")


def test_every_notebook_sets_exactly_the_parameters_of_its_stage():
    """Else a parameter would be injected that nobody reads, or read without being part of the stage's key."""
    import ast

    import nbformat

    plan = plan_report("smoke", {})
    for spec in plan.stages:
        cells = nbformat.read(plan.notebooks / f"{spec.name}.ipynb", as_version=4).cells
        (source,) = [cell.source for cell in cells if "parameters" in cell.metadata.get("tags", ())]
        set_names = {target.id for node in ast.parse(source).body for target in node.targets}
        assert set_names == {"run_dir", *plan.parameters[spec.name]}, spec.name


@pytest.mark.slow
def test_a_verifier_that_is_no_model_is_refused_before_the_generator_trains(refused, tmp_path_factory):
    text = tmp_path_factory.mktemp("given") / "pairs.txt"
    text.write_text("10\t300\n" * 20)
    given = [f"--set={name}={text}" for name in ("authentic", "protocol", "verifier")]
    assert f"{text} is text that begins with '10 300 10" in refused("--profile", "faces", *given)


@pytest.mark.usefixtures("inputs_opened_here")
@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("groups", "person,group\nAnn,a\n", "has the columns ['person', 'group']; give identity and group"),
        ("groups", "", "cannot be read as CSV"),
    ],
)
def test_what_late_notebooks_read_is_opened_before_anything_starts(refused, tmp_path_factory, name, content, sentence):
    given = tmp_path_factory.mktemp("given") / "given.csv"
    given.write_text(content)
    assert sentence in refused("--profile", "smoke", f"--set={name}={given}")


@pytest.mark.usefixtures("inputs_opened_here")
@pytest.mark.parametrize(
    ("judge", "synthetic", "sentence"),
    [
        ("verifier", "generated", "can have none of those that this run's generator draws"),
        ("second_verifier", "generated", "can have none of those that this run's generator draws"),
        ("verifier", "mine=embedded", "lacks 144 of 144 images"),
    ],
)
def test_vectors_that_lack_images_are_refused_before_anything_starts(
    refused, tmp_path_factory, judge, synthetic, sentence
):
    given = tmp_path_factory.mktemp("given") / "judge.npz"
    np.savez(given, files=np.array(["nobody.png"]), vectors=np.eye(1, 8, dtype=np.float32))
    assert sentence in refused("--profile", "smoke", f"--set={judge}={given}", f"--set=synthetic={synthetic}")


@pytest.mark.usefixtures("inputs_opened_here")
def test_a_synthetic_set_that_is_none_is_refused_before_anything_starts(refused, tmp_path_factory):
    given = tmp_path_factory.mktemp("given") / "set.zip"
    given.write_text("no set")
    assert "is not an archive" in refused("--profile", "smoke", f"--set=synthetic=generated, mine={given}")


@pytest.mark.usefixtures("inputs_opened_here")
def test_numbered_folders_are_refused_in_the_words_of_a_report(refused, tmp_path_factory):
    folder = tmp_path_factory.mktemp("given") / "ffhq"
    for name in ("00000/00000", "00000/00001", "01000/01000"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}.png").write_bytes(encode_png(np.zeros((3, 8, 8), np.uint8)))
    complaint = refused("--profile", "smoke", f"--set=synthetic=ffhq={folder}")
    assert f"ffhq={folder}:none if so, or as ffhq={folder}:folders if each folder is one identity" in complaint
