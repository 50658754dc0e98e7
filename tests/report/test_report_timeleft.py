"""The time left is what the notebooks took before, corrected by what they take now."""

from types import SimpleNamespace

import pytest

from sface_lib.report.plan import plan_report
from sface_lib.report.timeleft import TimeLeft, took_before
from sface_lib.run import Chapter

STAGES = tuple(Chapter(name, name) for name in ("01_a", "02_b", "03_c"))
PARAMETERS = {stage.name: {"seed": 0} for stage in STAGES}
PLAN = SimpleNamespace(stages=STAGES, parameters=PARAMETERS, profile="own", unchanged=False)


def folder(seconds, **seeds):
    """A run folder whose notebooks took so many seconds, each with the seed 0 unless told otherwise."""
    stages = {name: SimpleNamespace(seconds=each) for name, each in zip(PARAMETERS, seconds, strict=True)}
    records = {name: {"parameters": {"seed": seeds.get(name[:2], 0)}} for name in stages}
    return SimpleNamespace(stages=stages, read_record=records.get)


def test_what_took_so_long_before_takes_as_long_again_on_a_machine_as_fast():
    left = TimeLeft(PLAN, [folder((99, 99, 99)), folder((30, 60, 10))])  # The last folder counts.
    assert [left.after(position) for position in (0, 1, 2, 3)] == [100, 70, 10, 0]
    left.took("01_a", 60)  # This machine is half as fast.
    assert left.after(1) == 140
    left.took("02_b", 75)
    assert left.after(2) == pytest.approx(15)


def test_few_seconds_tell_nothing_of_a_machine():
    left = TimeLeft(PLAN, [folder((10, 60, 10))])
    left.took("01_a", 40)
    assert left.after(1) == 70


def test_nobody_knows_how_long_takes_what_was_never_run_with_these_parameters():
    other = {"01": 1}
    left = TimeLeft(PLAN, [folder((30, 60, 10), **other), folder((None, None, 20), **other)])
    assert left.after(0) is None and left.after(1) == 80


def test_a_profile_that_ships_was_measured_and_one_that_was_changed_was_not(tmp_path):
    whole = took_before(plan_report("quick", {}, str(tmp_path / "run")))
    assert "all notebooks took 6 minutes before" in whole
    assert took_before(plan_report("quick", {"seed": "1"}, str(tmp_path / "run"))) == ""
