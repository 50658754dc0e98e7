"""How long the rest of a run will take, by what its notebooks took before."""

import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from sface_lib.report.plan import ReportPlan
from sface_lib.report.reuse import neighbours
from sface_lib.run.folder import RunFolder

REFERENCE = Path(__file__).with_name("seconds.toml")  # Profile -> notebook -> seconds on the machine that it names.
FEWEST_SECONDS = 15.0  # Expected of notebooks that tell how fast this machine is; fewer tell nothing.


class TimeLeft:
    """The time that a run's notebooks should take, corrected by the time that they take.

    A notebook is expected to take what it took with the same parameters in this run folder or one beside it; else, in a
    profile that ships, what it took on the machine of `seconds.toml`.

    Parameters
    ----------
    plan
        What is run.
    folders
        The run folder before the run and those beside it, the last to be believed first.
    """

    def __init__(self, plan: ReportPlan, folders: Iterable[RunFolder]):
        self._names = [stage.name for stage in plan.stages]
        self._expected = _reference(plan)
        for folder in folders:
            self._expected |= _measured(plan.parameters, folder)
        self._known = self._took = 0.0

    def took(self, name: str, seconds: float) -> None:
        """A notebook was computed in so many seconds."""
        if name in self._expected:
            self._known += self._expected[name]
            self._took += seconds

    def after(self, position: int) -> float | None:
        """Seconds that the notebooks from this position on will take; None where one of them was never measured."""
        names = self._names[position:]
        if not self._expected.keys() >= set(names):
            return None
        speed = self._took / self._known if self._known >= FEWEST_SECONDS else 1.0
        return speed * sum(self._expected[name] for name in names)


def took_before(plan: ReportPlan) -> str:
    """How long all the notebooks took before, as a sentence; empty where one of them was never measured."""
    folder = RunFolder(plan.folder)
    seconds = TimeLeft(plan, [*neighbours(folder, lambda warning: None), folder]).after(0)
    if seconds is None:
        return ""
    return (
        f"With these parameters all notebooks took {seconds / 60:.0f} minutes before: in this run folder, in one "
        "beside it, or on the machine where the profile was measured."
    )


def _measured(parameters: Mapping[str, Mapping[str, Any]], folder: RunFolder) -> dict[str, float]:
    """What notebooks took that a folder has finished with these parameters."""
    seconds = {}
    for name, status in folder.stages.items():
        if status.seconds is None or name not in parameters:
            continue
        record = folder.read_record(name)
        if record is not None and record["parameters"] == parameters[name]:
            seconds[name] = status.seconds
    return seconds


def _reference(plan: ReportPlan) -> dict[str, float]:
    """What the notebooks of a profile that ships took, where none of its parameters was changed."""
    with open(REFERENCE, "rb") as file:
        return dict(tomllib.load(file).get(plan.profile, {})) if plan.unchanged else {}
