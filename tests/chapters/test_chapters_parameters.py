"""A wrong name or value is refused in one sentence before anything starts."""

import pytest

from sface_lib.chapters.data.parameters import DataParameters
from sface_lib.chapters.profiles import build_parameters, load_profile, profile_names
from sface_lib.chapters.registry import CHAPTERS, ReportParameters
from sface_lib.errors import ParameterError
from sface_lib.report.plan import plan_report
from sface_lib.run.parameters import describe, input_paths


def test_an_unknown_name_is_answered_with_the_nearest_one():
    with pytest.raises(ParameterError, match="parameter 'totl_kimg' does not exist; did you mean 'total_kimg'"):
        build_parameters("smoke", {"totl_kimg": "3"})
    with pytest.raises(ParameterError, match="'zzz' does not exist; 'sface report --help' lists all"):
        build_parameters("smoke", {"zzz": "1"})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("total_kimg", "long"),
        ("total_kimg", "-1"),
        ("total_kimg", "nan"),
        ("seed", "1.5"),
        ("seed", "-1"),
        ("generator_resolution_px", "48"),
        ("backbone", "resnet"),
        ("psi", "1.2"),
        ("show_authentic_images", "perhaps"),
    ],
)
def test_a_wrong_value_is_named_with_its_parameter(name, value):
    with pytest.raises(ParameterError, match=rf"parameter {name} = '?{value}'? is not allowed"):
        build_parameters("smoke", {name: value})


def test_text_becomes_the_type_of_its_field():
    built = build_parameters("smoke", {"total_kimg": "3", "seed": "7", "show_authentic_images": "false"})
    assert (built.total_kimg, built.seed, built.show_authentic_images) == (3.0, 7, False)
    assert build_parameters("smoke", {"generator_resolution_px": "32"}).generator_resolution_px == 32


def test_an_unknown_profile_is_answered_with_those_there_are():
    with pytest.raises(
        ParameterError, match="'fast' does not exist; choose one of audit, faces, full, paper, quick, smoke"
    ):
        load_profile("fast")


def test_every_profile_is_valid(tmp_path):
    assert profile_names() == ("audit", "faces", "full", "paper", "quick", "smoke")
    for name in profile_names():
        needed = load_profile(name).get("required", [])
        assert set(load_profile(name)) - {"required"} | set(needed) <= set(ReportParameters.model_fields)
        given = dict.fromkeys(needed, str(tmp_path))
        build_parameters(name, given | ({"synthetic": f"own={tmp_path}"} if "synthetic" in needed else {}))


def test_a_profile_that_needs_paths_names_the_missing_ones(tmp_path):
    with pytest.raises(
        ParameterError, match="'paper' needs protocol, verifier, generator_weights; give --set protocol="
    ):
        build_parameters("paper", {"authentic": str(tmp_path)})


def test_what_a_profile_needs_may_stand_in_a_study_file(tmp_path):
    study = tmp_path / "mine.toml"
    study.write_text('profile = "audit"\nauthentic = "a"\nprotocol = "p"\n[synthetic.own]\npath = "s"\n')
    for name in "aps":
        (tmp_path / name).mkdir()
    with pytest.raises(ParameterError, match="needs verifier; give --set verifier=PATH"):
        build_parameters(str(study))
    assert build_parameters(str(study), {"verifier": str(tmp_path)}).has_models is False
    with pytest.raises(ParameterError, match="give .*--set synthetic=NAME=PATH --set protocol=PATH"):
        build_parameters("audit", {"authentic": str(tmp_path)})


def test_faces_of_ones_own_need_a_verifier_and_pairs(tmp_path):
    with pytest.raises(ParameterError, match="protocol=PATH"):
        build_parameters("faces", {"authentic": str(tmp_path)})
    with pytest.raises(ParameterError, match="verifier=PATH"):
        build_parameters("faces", {"authentic": str(tmp_path), "protocol": str(tmp_path)})


def test_a_path_must_exist_and_becomes_absolute(tmp_path, monkeypatch):
    with pytest.raises(ParameterError, match="authentic: no file or folder at '/nowhere'"):
        build_parameters("faces", {"authentic": "/nowhere"})
    monkeypatch.chdir(tmp_path)
    (tmp_path / "set").mkdir()
    built = build_parameters("faces", {"authentic": "set", "verifier": "set", "protocol": "set"})
    assert built.authentic == str((tmp_path / "set").resolve())
    assert not built.show_authentic_images  # False for every set but the embedded one.
    assert input_paths(built) == {n: tmp_path.resolve() / "set" for n in ("authentic", "protocol", "verifier")}
    assert input_paths(build_parameters("smoke")) == {}


def test_faces_may_be_a_pattern_of_shards_and_weights_may_not(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("a-0.tar", "a-1.tar", "net-0.pth", "net-1.pth", "pairs.csv"):
        (tmp_path / name).touch()
    given = dict.fromkeys(("authentic", "control", "held_out", "protocol_faces"), "a-{0..1}.tar")
    given |= {"protocol": "pairs.csv", "verifier": "net-0.pth", "synthetic": "x=a-{0..1}.tar:none"}
    built = build_parameters("faces", given)
    pattern = tmp_path.resolve() / "a-{0..1}.tar"
    shards = {name: path for name, path in input_paths(built).items() if "{" in path.name}
    assert shards == dict.fromkeys(("authentic", "control", "held_out", "protocol_faces", "synthetic x"), pattern)
    with pytest.raises(ParameterError, match="names 3 shards, of which 'a-2.tar' does not exist"):
        build_parameters("faces", given | {"control": "a-{0..2}.tar"})
    with pytest.raises(ParameterError, match="names no shard; count from the lower number"):
        build_parameters("faces", given | {"control": "a-{1..0}.tar"})
    with pytest.raises(ParameterError, match="no file or folder at 'net-{0..1}.pth'; give an existing path"):
        build_parameters("faces", given | {"verifier": "net-{0..1}.pth"})


def test_only_the_embedded_set_is_shown_without_asking():
    assert build_parameters("smoke").show_authentic_images is True


def test_every_parameter_is_one_sentence_long_and_read_by_a_chapter():
    read = {name for chapter in CHAPTERS for name in chapter.parameters.model_fields}
    for row in describe(ReportParameters):
        assert row["description"].endswith(".") and len(row["description"]) > 15, row["name"]
        assert row["name"] in read


@pytest.mark.usefixtures("inputs_opened_here")
def test_a_stage_is_given_only_what_it_reads_and_a_path_only_where_it_is_read(tmp_path):
    groups = tmp_path / "groups.csv"
    groups.write_text("identity,group\na,b\n")
    plan = plan_report("smoke", {"groups": str(groups)})
    given = plan.parameters["02_generation"]
    assert "total_kimg" in given and "training_steps" not in given and "teacher" not in given
    assert {stage for stage, paths in plan.inputs.items() if paths} == {"03_privacy", "05_evaluation"}


def test_a_part_of_a_report_takes_what_it_reads_from_a_profile():
    p = build_parameters("smoke", {"min_images": "3", "total_kimg": "7"}, DataParameters)
    assert (p.min_images, p.embedded_identities) == (3, 12) and not hasattr(p, "total_kimg")
    with pytest.raises(ParameterError, match="'min_imges' does not exist; did you mean 'min_images'"):
        build_parameters("smoke", {"min_imges": "3"}, DataParameters)


def test_pairs_of_ones_own_need_faces_of_ones_own(tmp_path):
    for name in ("protocol", "protocol_faces"):
        with pytest.raises(ParameterError, match="give authentic=PATH too"):
            build_parameters("smoke", {name: str(tmp_path)})


def test_a_generator_needs_channels_at_every_resolution():
    with pytest.raises(ParameterError, match="leaves fewer than 4 channels at 128 px; give at least 512"):
        build_parameters("smoke", {"generator_resolution_px": "128", "generator_channel_base": "64"})


@pytest.mark.parametrize("text", ["banana", "1-", "-3", "1,,2", ""])
def test_a_choice_of_folds_is_refused_by_its_form(text):
    with pytest.raises(ParameterError, match="evaluation_folds"):
        build_parameters("smoke", {"evaluation_folds": text})
    assert build_parameters("smoke", {"evaluation_folds": "1-5, 8"}).evaluation_folds == "1-5, 8"
