"""The benchmarks' harness: rows are told and kept at once, bars can be missed, and tables say what measured them."""

import pytest

from sface_lib.files import read_json, write_json, write_text

MACHINE = {"processor": "P", "threads": 2, "TFLOP/s float32": 0.123456, "date": "2026-01-02", "row_seconds": 1.0}


@pytest.fixture(scope="module")
def bench(benchmarks):
    return benchmarks("bench")


def test_a_bar_is_met_on_its_own_side_alone(bench):
    from rows import asked

    assert asked({"s": 2.0}, "s", at_most=2) == {"s": 2.0, "asked": "s at most 2", "met": True}
    assert not asked({"s": 2.1}, "s", at_most=2)["met"] and asked({"share": 0.5}, "share", at_least=0.5)["met"]
    missed = {"a": asked({"share": 0.4}, "share", at_least=0.5), "b": {"failed": "Traceback\nValueError: no"}, "c": {}}
    assert list(bench.failures(missed)) == [
        "a misses what is asked: share at least 0.5",
        "b failed: ValueError: no",
    ]


def test_a_table_names_what_measured_and_marks_what_missed_and_failed(bench):
    rows = {
        "machine": MACHINE,
        "fast": {"images/s": 12345.6, "share": 0.5, "row_seconds": 3.0},
        "slow": {"s": 2.5, "asked": "s at most 2", "met": False},
        "broken": {"failed": "Traceback\nValueError: no"},
    }
    assert bench.table("privacy", rows) == (
        "## Privacy\n\nprocessor: P, threads: 2, TFLOP/s float32: 0.123, date: 2026-01-02.\n\n"
        "| what | measured | asked |\n|---|---|---|\n"
        "| fast | images/s: 12,346; share: 0.5 |  |\n"
        "| slow | s: 2.5 | s at most 2: **not met** |\n"
        "| broken | **failed** |  |\n"
    )


def test_tables_are_written_below_the_text_and_replace_older_ones(bench, tmp_path):
    path = write_text(tmp_path / "speed.md", f"# By hand\n\n{bench.MADE_BELOW}old tables")
    (tmp_path / "speed").mkdir()
    write_json(tmp_path / "speed" / "moments.json", {"machine": MACHINE, "a wait": {"s": 0.25}})
    bench.publish(tmp_path)
    text = path.read_text()
    assert text.startswith(f"# By hand\n\n{bench.MADE_BELOW}\n## Moments") and "| a wait | s: 0.25 |" in text
    assert "old tables" not in text


def test_the_tables_of_the_documentation_are_those_of_its_numbers(bench):
    text = (bench.DOCS / "speed.md").read_text(encoding="utf-8")
    assert text.partition(bench.MADE_BELOW)[2] == "\n" + bench.tables(bench.DOCS / "speed")


def test_an_unknown_benchmark_is_refused(bench, capsys):
    assert bench.main(["privcy"]) == 2
    assert "there is no benchmark 'privcy'; choose of reports, moments" in capsys.readouterr().err


def test_bf16_is_left_out_where_the_processor_only_emulates_it(bench, monkeypatch):
    import rows

    for fast, wanted in ((True, ("float32", "bf16")), (False, ("float32",))):
        monkeypatch.setattr(rows, "bf16_is_fast", lambda fast=fast: fast)
        monkeypatch.setattr(rows, "matrix_rate", lambda dtype, device: 1e12)
        assert rows.precisions() == wanted
        assert [key for key in rows.machine() if key.startswith("TFLOP/s")] == [f"TFLOP/s {name}" for name in wanted]


@pytest.mark.nightly
@pytest.mark.slow
@pytest.mark.parametrize("name", ["moments", "attributes"])
def test_rows_of_a_benchmark_are_measured(bench, tmp_path, name):
    rows = bench.run(name, tmp_path)
    assert read_json(tmp_path / f"{name}.json") == rows and len(rows) > 4
    assert [line for line in bench.failures(rows) if " failed: " in line] == []
