"""A stage is reused when, and only when, nothing that it depends on has changed."""

import json
import shutil

import nbformat
import pytest
from report_workshop import STAGES, Workshop

from sface_lib.chapters.registry import CHAPTERS
from sface_lib.chapters.training import CHAPTER as TRAINING
from sface_lib.errors import InputError, RunError
from sface_lib.files import sha256_of_file
from sface_lib.run import Chapter, Stage
from sface_lib.run.contents import describe_path
from sface_lib.run.folder import sealed, what_is_read


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A workshop whose run `a` is complete; tests work on copies of it."""
    folder = tmp_path_factory.mktemp("finished")
    workshop = Workshop(folder).usual_notebooks()
    given = folder / "given" / "faces.bin"
    given.parent.mkdir()
    given.write_bytes(b"faces")
    workshop.inputs = {"92_second": {"authentic": given}}
    assert workshop.run()[0] == 0
    return workshop


@pytest.fixture
def copy(finished, workshop):
    """The finished workshop elsewhere: contents count, places do not."""
    shutil.copytree(finished.folder, workshop.folder)
    workshop.inputs = {"92_second": {"authentic": workshop.folder / "given" / "faces.bin"}}
    return workshop


def edit(workshop, name, change):
    path = workshop.folder / "notebooks" / f"{name}.ipynb"
    notebook = nbformat.read(path, as_version=4)
    change(notebook)
    nbformat.write(notebook, path)


def test_an_unchanged_run_is_reused_and_the_report_says_so(copy):
    code, printed = copy.run()
    assert (code, copy.states()) == (0, ["reused", "reused"])
    assert "91_first reused\n92_second reused\nReport: " in printed
    assert copy.page().count("</span> reused</span>") == 2  # In the table, for each stage.


def test_editing_one_line_of_a_notebook_makes_it_run_again(copy):
    edit(
        copy,
        "92_second",
        lambda notebook: notebook.cells[-1].update(source="stage.finish({'text': text.upper()})"),
    )
    assert copy.run()[0] == 0
    assert copy.states() == ["reused", "done"]
    assert '"HELLO"' in (copy.folder / "runs/a/results/92_second.json").read_text()


def test_changing_metadata_and_outputs_of_a_notebook_changes_nothing(copy):
    def change(notebook):
        notebook.metadata["kernelspec"] = {"name": "other", "display_name": "Other"}
        notebook.cells[-1].metadata["collapsed"] = True
        notebook.cells[-1].execution_count = 7

    edit(copy, "91_first", change)
    copy.run()
    assert copy.states() == ["reused", "reused"]


def test_a_changed_input_file_makes_its_stage_run_again(copy):
    (copy.folder / "given" / "faces.bin").write_bytes(b"other")
    copy.run()
    assert copy.states() == ["reused", "done"]


def test_a_missing_input_is_refused_before_any_kernel(copy):
    (copy.folder / "given" / "faces.bin").unlink()
    with pytest.raises(InputError, match=r"no file or folder at .*faces\.bin"):
        copy.run()


def test_a_changed_parameter_makes_its_stage_and_its_readers_run_again(copy):
    copy.run(parameters={"91_first": {"word": "bye"}})
    assert copy.states() == ["done", "done"]


def test_code_that_a_stage_executes_makes_it_run_again_when_it_changes(copy, monkeypatch):
    copy.run()  # With the code as it is.
    monkeypatch.setattr(Chapter, "code_hash", lambda chapter, *_: chapter.name)
    copy.run()
    assert copy.states() == ["done", "done"]
    monkeypatch.setattr(Chapter, "code_hash", lambda chapter, *_: chapter.name.replace("92", "93"))
    copy.run()
    assert copy.states() == ["reused", "done"]


def test_a_damaged_output_makes_its_stage_run_again_and_its_readers_are_reused(copy):
    (copy.folder / "runs/a/data/first.txt").write_text("damaged")
    copy.run()
    assert copy.states() == ["done", "reused"]
    assert (copy.folder / "runs/a/data/first.txt").read_text() == "hello"


def test_an_edited_record_is_not_reused(copy):
    record = copy.folder / "runs/a/results/91_first.json"
    record.write_text(record.read_text().replace('"length": 5', '"length": 6'))
    copy.run()
    assert copy.states() == ["done", "reused"]


def test_a_number_changed_by_hand_is_not_reused_though_the_status_vouches_for_it(copy):
    tampered(copy, lambda text: text.replace('"length": 5', '"length": 6'))
    copy.run()
    assert copy.states() == ["done", "reused"]


def test_stages_are_taken_over_from_a_run_folder_beside_and_its_files_stay_as_they_are(copy):
    _, printed = copy.run("b")
    assert (copy.states("b"), copy.status("b")["91_first"]["reused_from"]) == (["reused", "reused"], "a")
    assert "91_first reused from a" in printed and "from a" in copy.page("b")
    copy.run("b", parameters={"91_first": {"word": "bye"}})
    assert (copy.folder / "runs/b/data/first.txt").read_text() == "bye"
    assert (copy.folder / "runs/a/data/first.txt").read_text() == "hello"
    copy.run("a")
    assert copy.states("a") == ["reused", "reused"]


def test_from_computes_that_stage_though_it_could_be_reused(copy):
    copy.run(start_from="92_second")
    assert copy.states() == ["reused", "done"]


def test_from_needs_the_earlier_stages_complete(workshop):
    workshop.usual_notebooks()
    with pytest.raises(RunError, match="--from 92_second needs 91_first, which is not complete or has changed"):
        workshop.run(start_from="92_second")


def test_a_linked_identity_folder_counts_by_its_contents(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "1.jpg").write_text("a")
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "Ann_Lee").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "set" / "loop").symlink_to(tmp_path / "set")
    before = describe_path(tmp_path / "set")
    (tmp_path / "elsewhere" / "1.jpg").write_text("b")
    assert before["files"] >= 1 and describe_path(tmp_path / "set")["sha256"] != before["sha256"]


def test_files_that_are_read_with_a_file_count_with_it(tmp_path):
    (tmp_path / "model.onnx").write_bytes(b"graph")
    (tmp_path / "train.rec").write_bytes(b"records")
    alone = [describe_path(tmp_path / name) for name in ("model.onnx", "train.rec")]
    (tmp_path / "model.onnx.data").write_bytes(b"tensors")
    (tmp_path / "train.idx").write_bytes(b"index")
    (tmp_path / "other.idx").write_bytes(b"no part of it")
    together = [describe_path(tmp_path / name) for name in ("model.onnx", "train.rec")]
    assert [found["files"] for found in alone + together] == [1, 1, 2, 2] and alone != together
    (tmp_path / "model.onnx.data").write_bytes(b"others!")
    assert describe_path(tmp_path / "model.onnx") != together[0]


def test_shards_are_described_by_their_contents_and_order_wherever_they_lie(tmp_path):
    for folder in ("here", "{there}"):
        (tmp_path / folder).mkdir()
        for name in "012":
            (tmp_path / folder / f"set-{name}.tar").write_text(name)
    here, there = (describe_path(tmp_path / folder / "set-{0..1}.tar") for folder in ("here", "{there}"))
    assert here == there and (here["files"], here["bytes"]) == (2, 2)
    assert describe_path(tmp_path / "here" / "set-{1,0}.tar")["sha256"] != here["sha256"]
    (tmp_path / "here" / "set-2.tar").write_text("is none of them")
    assert describe_path(tmp_path / "here" / "set-{0..1}.tar") == here
    (tmp_path / "here" / "set-1.tar").write_text("2")
    assert describe_path(tmp_path / "here" / "set-{0..1}.tar")["sha256"] != here["sha256"]
    (tmp_path / "here" / "set-1.tar").unlink()
    with pytest.raises(InputError, match="names 2 shards, of which '.*set-1.tar' does not exist"):
        describe_path(tmp_path / "here" / "set-{0..1}.tar")


def test_who_reads_files_alone_does_not_run_again_for_other_results():
    """What a stage measured may change, and how fast it was, with equal data and weights."""
    record = {
        "results": {"seconds": 1.0},
        "outputs": {"data/a.zip": {"sha256": "a"}, "figures/x.png": {"sha256": "x"}},
    }
    slower = record | {"results": {"seconds": 2.0}}
    redrawn = record | {"outputs": record["outputs"] | {"figures/x.png": {"sha256": "y"}}}
    other = record | {"outputs": {"data/a.zip": {"sha256": "b"}}}
    for files_only, same in ((True, [True, True, False]), (False, [False, True, False])):
        first = what_is_read(record, files_only)
        assert [what_is_read(changed, files_only) == first for changed in (slower, redrawn, other)] == same


def test_a_stage_may_not_read_results_that_it_declares_not_to(tmp_path):
    """Else it would be reused though they had changed."""
    stage = Stage(TRAINING.name, TRAINING, tmp_path, None)
    with pytest.raises(RunError, match="04_training declares that it uses only files of 03_privacy"):
        stage.results(next(chapter for chapter in CHAPTERS if chapter.name == "03_privacy"))


def tampered(workshop, change, run="a"):
    """Alter the first stage's record of a run so that its status still vouches for it."""
    record = workshop.folder / "runs" / run / "results/91_first.json"
    record.write_text(change(record.read_text()))
    status = workshop.folder / "runs" / run / "status.json"
    stages = json.loads(status.read_text())
    stages["stages"]["91_first"]["record"] = sha256_of_file(record)
    status.write_text(json.dumps(stages))


def tampered_copies(workshop, changes):
    """Put a copy of run `a` for each change in its place."""
    whole = workshop.folder / "runs/a"
    for i, change in enumerate(changes):
        shutil.copytree(whole, whole.with_name(f"a{i}"))
        tampered(workshop, change, f"a{i}")
    shutil.rmtree(whole)


def test_neighbours_records_that_name_paths_elsewhere_touch_nothing_there(copy):
    outside = [copy.folder / "runs/x", copy.folder / "x", copy.folder / "elsewhere"]
    for path in outside:
        path.mkdir()
        (path / "kept.txt").write_text("mine")
    facts = describe_path(outside[0])

    def with_output(name):
        def change(text):
            record = json.loads(text)
            record["outputs"][name] = facts
            return json.dumps(sealed(record))

        return change

    names = ("../x", str(copy.folder / "elsewhere"), "data/../../../x", "")
    tampered_copies(copy, map(with_output, names))
    code, printed = copy.run("b")
    assert (code, copy.states("b")[0]) == (0, "done")
    assert printed.count("Warning: nothing is reused from") == len(names)
    assert [(path / "kept.txt").read_text() for path in outside] == ["mine"] * 3


def test_neighbours_whose_status_is_broken_are_left_out_with_one_warning_each(copy):
    texts = ("[" * 100_000, "[]", '{"stages": 3}', "\x00", '{"stages": {"91_first": []}}')
    broken = [copy.folder / "runs" / f"{i}-broken" for i in range(len(texts))]
    for folder, text in zip(broken, texts, strict=True):
        folder.mkdir()
        (folder / "status.json").write_text(text)
    code, printed = copy.run("b")
    assert (code, copy.states("b")) == (0, ["reused", "reused"])  # From the whole one.
    assert [printed.count(f"Warning: nothing is reused from {folder}") for folder in broken] == [1] * len(texts)


def test_neighbours_whose_record_is_none_are_left_out_with_one_warning_each(copy):
    texts = ("[]", "[" * 100_000, "{}", '{"outputs": []}')
    tampered_copies(copy, [lambda record, text=text: text for text in texts])
    code, printed = copy.run("b")
    assert (code, copy.states("b")) == (0, ["done", "done"])
    assert printed.count("Warning: nothing is reused from") == len(texts)


def test_a_record_of_ones_own_that_is_broken_is_computed_anew(copy):
    tampered(copy, lambda record: "[]")
    assert copy.run()[0] == 0
    assert copy.states()[0] == "done"


def test_a_stage_that_is_left_out_leaves_nothing_for_later_ones_to_read(workshop):
    """The second stage of three is left out by other parameters: its readers run without it, not on what it left."""
    third = Chapter("93_third", "Third", reads=STAGES, uses=())
    workshop.usual_notebooks()
    workshop.notebook("93_third", "stage.finish({'read': stage.inputs('data/')})")
    assert workshop.run(stages=(*STAGES, third))[0] == 0
    record = workshop.folder / "runs/a/results/92_second.json"
    assert record.exists()
    code, told = workshop.run(stages=(STAGES[0], third))
    assert code == 0 and not record.exists()
    assert "91_first reused" in told and "93_third done" in told
    assert [*workshop.status()] == ["91_first", "93_third"] and "92_second" not in workshop.page()
