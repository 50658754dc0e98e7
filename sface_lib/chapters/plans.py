"""What will be claimed, by which models and of which images: written with its hash before anything is scored."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sface_lib.errors import InputError
from sface_lib.files import read_json, sha256_of_json, write_json


@dataclass(frozen=True)
class Plans:
    """The plans of one file of a run folder, the first in front: families of claims, which are corrected together.

    Attributes
    ----------
    file
        Relative to the run folder.
    plans
        Of each its `sha256`, and its `families`: name -> what is fixed of it.
    """

    file: str
    plans: tuple[Mapping[str, Any], ...]

    @property
    def changes(self) -> list[str]:
        """What differs between the first plan and the last, in words."""
        first, last = (self.plans[i]["families"] for i in (0, -1))
        families = [f"the family {name}" for name in sorted(first.keys() ^ last.keys())]
        fields = [
            f"{field} of {name}"
            for name in last
            if name in first
            for field in last[name]
            if first[name].get(field) != last[name][field]
        ]
        return [*families, *fields]

    def in_words(self) -> str:
        """Where the plan is, its hash, and what was changed since the first one in the run folder."""
        said = f"The plan is `{self.file}`, SHA-256 `{self.plans[-1]['sha256']}`."
        if not self.changes:
            return said
        return (
            f"{said}\n\n**This is plan {len(self.plans)} of this run folder.** The first was "
            f"`{self.plans[0]['sha256']}`; since then {', '.join(self.changes)} changed, perhaps with the scores in "
            "view."
        )


def record_plan(stage: Any, file: str, families: Mapping[str, Any]) -> Plans:
    """Write a plan behind those that the run folder holds, unless it is the last one.

    A notebook that is run again with other parameters thus shows that it was. `families` is JSON.

    Raises
    ------
    InputError
        The file of the run folder holds no plans.
    """
    path, sha256 = stage.run_dir / file, sha256_of_json(families)
    try:
        plans = [dict(each) for each in read_json(path)["plans"]] if path.exists() else []
        known = all({"sha256", "families"} <= each.keys() for each in plans)
    except (ValueError, KeyError, TypeError):
        known = False
    if not known:
        raise InputError(f"{path} holds no plans of claims; remove it, which also forgets earlier plans")
    if not plans or plans[-1]["sha256"] != sha256:
        plans.append({"sha256": sha256, "families": families})
    write_json(stage.output(file), {"plans": plans})
    return Plans(file, tuple(plans))
