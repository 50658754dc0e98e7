"""What chapters hand over, without a run: a folder, and pairs."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from sface_lib.chapters.setspec import GENERATED, SetSpec
from sface_lib.chapters.shared import Unseen
from sface_lib.chapters.study import Study, open_study
from sface_lib.data import FaceSet, Protocol

NOTHING_APART = Unseen().model_dump(exclude={"authentic"})
BY_DEFAULT = {"identity_order": "", "on_bad_image": "stop"} | NOTHING_APART


class StageFolder:
    """As much of a stage as files handed over, and a study, need."""

    def __init__(self, folder: Path, **parameters: Any):
        given = {"synthetic": (SetSpec(name=GENERATED),)} | BY_DEFAULT | parameters
        self.folder, self.parameters = folder, type("Parameters", (), given)

    def output(self, name: str) -> Path:
        (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
        return self.folder / name

    input = output

    def inputs(self, start: str) -> list[str]:
        return sorted(path.relative_to(self.folder).as_posix() for path in self.folder.glob(f"{start}*"))

    def has_finished(self, stage: str) -> bool:
        return True

    def study(self) -> Study:
        return open_study(self.parameters, self.input)


def pairs_of(faces: FaceSet, rows: Iterable[tuple[int, int, int, int]]) -> Protocol:
    """Pairs of positions, whether they are of one person, and their fold."""
    left, right, same, fold = zip(*rows, strict=True)
    names = (tuple(faces.names[i] for i in side) for side in (left, right))
    return Protocol(*names, np.array(same, bool), np.array(fold))
