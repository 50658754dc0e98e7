"""Finished runs side by side: a row for each set of each run, and what keeps their numbers apart."""

import json
from dataclasses import replace

import pytest
from audit_facts import a_judge, audit_facts, privacy_results

from sface_lib.biometrics import verification_metrics
from sface_lib.chapters import data, evaluation, privacy, training
from sface_lib.chapters.data.results import DataResults
from sface_lib.chapters.evaluation.results import Accuracy, EvaluationResults
from sface_lib.chapters.privacy.results import LeakFacts, LinkAtChance
from sface_lib.chapters.summary import runs
from sface_lib.chapters.training.results import TrainedModel, TrainingResults
from sface_lib.cli import main
from sface_lib.errors import InputError, RunError
from sface_lib.files import write_json
from sface_lib.run.folder import sealed
from sface_lib.run.results import as_plain

LINK = verification_metrics([0.9, 0.4], [0.5, 0.1])  # AUC 0.75.
DATA = DataResults(False, 4000, 200, 0, "f", 2400, 120, 0, 0, 0, 0, 3000, ("first",), 60, (1, 2), ())
OWN = audit_facts(
    {"a": LINK},
    name="dcface",
    labels="own",
    larger="a",
    metrics={"a": {}},
    label_free={"a": LinkAtChance(0.8, 0.4, 0.6, 0.01, False)},
    leak={"a": LeakFacts(0.25, 0.95, 100, 80, 5)},
)


def write_run(path, *sets, judge=None, faces=DATA, models=None, inputs=None, **parameters):
    """A run folder as a report leaves it."""
    found = privacy_results({"a": judge or a_judge()}, *sets)
    parts = {data.CHAPTER: faces, privacy.CHAPTER: found}
    if models:
        accuracy = {name: Accuracy(mean, 0.0, mean - 0.1, mean + 0.1, "learnt") for name, mean in models.items()}
        means = {name: each.mean for name, each in accuracy.items()}
        own = tuple(trained(*name.split()) for name in models)
        parts[training.CHAPTER] = TrainingResults(10, 8, own, "nobody", None, "iresnet18", 64, {})
        parts[evaluation.CHAPTER] = EvaluationResults(
            {"first": 600}, (1, 2), 64, {}, 1, {"first": accuracy}, means, {}, (), None, ()
        )
    for chapter, results in parts.items():
        record = {part: {} for part in ("parameters", "made_from", "outputs", "machine")}
        record |= {"stage": chapter.name, "results_version": chapter.results_version}
        write_json(
            path / "results" / f"{chapter.name}.json", sealed(record | {"results": as_plain(results, chapter.results)})
        )
    write_json(path / "manifest.json", {"parameters": parameters, "inputs": inputs or {}})
    return path


def trained(strategy: str, learns_from: str) -> TrainedModel:
    about = {
        "taught": strategy in ("KT", "CL"),
        "per_class": None,
        "fmr": None,
        "mix": None,
        "seed": 0,
        "file": "",
        "sha256": None,
        "images": 9,
        "classes": 3,
    }
    name = f"{strategy} {learns_from}"
    return TrainedModel(name=name, strategy=strategy, trained_on=learns_from, seconds=1.0, accuracies=(), **about)


def test_each_set_of_each_run_has_a_row_by_the_judge_that_sees_most(tmp_path):
    labelled = audit_facts({"a": LINK}, larger="a")
    folders = [write_run(tmp_path / "one", labelled, OWN), write_run(tmp_path / "two", replace(OWN, larger=None))]
    table = runs.sets_side_by_side(runs.open_runs(folders)).set_index(["run", "set"])
    assert table.index.tolist() == [("one", "generated"), ("one", "dcface"), ("two", "dcface")]
    assert table.loc[("one", "generated"), "link (AUC)"] == 0.75
    own = table.loc[("one", "dcface")]
    assert (own["label-free (%)"], own["leak share ≥ (%)"]) == (80, 25) and own["judge"] == "a"
    assert own["classes"] == "own" and own["claims above chance"] == "0 of 0"
    assert table.loc[("two", "dcface"), "judge"] == "none may judge it"
    # Where control persons are not exchangeable, the share supports no claim.
    write_run(tmp_path / "three", replace(OWN, control_is_exchangeable=False))
    assert runs.sets_side_by_side(runs.open_runs([tmp_path / "three"]))["label-free (%)"].isna().all()


def test_what_a_set_taught_stands_beside_what_authentic_faces_did(tmp_path):
    """By its labels alone; what a teacher added is none of the set's."""
    models = {"CLS authentic": 0.9, "KT dcface": 0.85, "CLS dcface": 0.7}
    table = runs.sets_side_by_side(runs.open_runs([write_run(tmp_path / "one", OWN, models=models)]))
    assert table.loc[0, ["accuracy (%)", "baseline (%)"]].tolist() == pytest.approx([70, 90])
    given = write_run(tmp_path / "two", OWN, models={"given dcface": 0.6})
    table = runs.sets_side_by_side(runs.open_runs([given]))
    assert table["accuracy (%)"].tolist() == pytest.approx([60]) and table["baseline (%)"].isna().all()


def test_what_differs_is_named_and_what_is_the_same_is_not(tmp_path):
    one = write_run(tmp_path / "one", OWN, inputs={"authentic": {"sha256": "1" * 64}}, seed=0, shuffles=1000)
    two = write_run(tmp_path / "two", OWN, inputs={"authentic": {"sha256": "2" * 64}}, seed=1, shuffles=1000)
    table = runs.differences(runs.open_runs([one, two]))
    assert table.to_dict("records") == [
        {"differs": "parameter seed", "one": "0", "two": "1"},
        {"differs": "contents of authentic", "one": "1" * 12, "two": "2" * 12},
    ]
    assert len(runs.differences(runs.open_runs([one]))) == 0


def test_other_persons_judges_and_images_keep_numbers_apart(tmp_path):
    one = write_run(tmp_path / "one", OWN)
    assert runs.cautions(runs.open_runs([one, write_run(tmp_path / "same", OWN)])) == []
    changes = {
        "other judge": ({"judge": a_judge(sha256="another")}, "The a of one is not that of other judge"),
        "other faces": ({"faces": replace(DATA, fingerprint="g")}, "different authentic faces"),
        "fewer": ({"faces": replace(DATA, training_images=100)}, "different training images of the same"),
    }
    for name, (change, said) in changes.items():
        (caution,) = runs.cautions(runs.open_runs([one, write_run(tmp_path / name, OWN, **change)]))
        assert said in caution


def test_folders_that_hold_no_finished_run_are_refused(tmp_path):
    one = write_run(tmp_path / "one", OWN)
    with pytest.raises(InputError, match="is given twice"):
        runs.open_runs([one, tmp_path / "." / "one"])
    with pytest.raises(InputError, match="'.*nothing' holds no run whose notebook 03_privacy has finished"):
        runs.open_runs([tmp_path / "nothing"])
    record = one / "results" / "03_privacy.json"
    record.write_text(record.read_text().replace("dcface", "casia"))
    with pytest.raises(RunError, match="was changed after 03_privacy wrote it"):
        runs.open_runs([one])
    (write_run(tmp_path / "two", OWN) / "manifest.json").write_text("[]")
    with pytest.raises(InputError, match="is no manifest that this version wrote"):
        runs.open_runs([tmp_path / "two"])


def test_runs_of_one_name_go_by_their_paths(tmp_path):
    folders = [write_run(tmp_path / place / "run", OWN) for place in ("a", "b")]
    assert [run.name for run in runs.open_runs(folders)] == [str(folder) for folder in folders]


def test_the_command_writes_a_page_and_the_same_as_json(tmp_path, capsys):
    folders = [write_run(tmp_path / "<one>", OWN, seed=0), write_run(tmp_path / "two", OWN, seed=1)]
    assert main(["compare", *map(str, folders), "--out", str(tmp_path / "out")]) == 0
    page = (tmp_path / "out" / "compare.html").read_text()
    assert "&lt;one&gt;" in page and "<one>" not in page and "parameter seed" in page
    assert page.count("<h2") == 2 and "src=" not in page and 'href="http' not in page
    found = json.loads((tmp_path / "out" / "compare.json").read_text())
    assert [row["leak share ≥ (%)"] for row in found["sets"]] == [25, 25]
    assert found["sets"][0]["link (AUC)"] is None and found["cautions"] == []
    assert main(["compare", str(tmp_path / "none"), "--out", str(tmp_path / "out")]) == 2
    assert "holds no run" in capsys.readouterr().err
