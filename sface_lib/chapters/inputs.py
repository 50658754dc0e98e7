"""What late notebooks open, opened before the first one starts: known now, not after the generator's training.

It is run as a process of its own (`python -m sface_lib.chapters.inputs`, the parameters as JSON on its input), because
torch would fill the report's process to the end of the run.
"""

import json
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from sface_lib.attributes import open_classifier
from sface_lib.chapters.registry import ReportParameters
from sface_lib.chapters.setspec import SHIPPED
from sface_lib.chapters.study import Study, open_persons, open_study, read_groups
from sface_lib.chapters.synthetic import open_given
from sface_lib.chapters.vectors import check_vectors
from sface_lib.data import FaceSet, select_images
from sface_lib.errors import SfaceError
from sface_lib.generators import open_generator
from sface_lib.recognition import GivenEmbeddings, RecognitionModel, open_model
from sface_lib.run.parameters import check, input_paths

JUDGES = ("verifier", "second_verifier")
NETWORKS = {"teacher": "as a teacher", "identity_model": "to steer a generator"}  # What a model that is none can't do.


def open_inputs(p: ReportParameters) -> None:
    """Open models, synthetic sets that are given, and the table of groups.

    Raises
    ------
    SfaceError
        One of them cannot be read, or holds something else than it should, such as vectors where a network is needed;
        or a judge given as vectors lacks images.
    """
    openers: dict[str, Any] = dict.fromkeys((*JUDGES, "baseline_model"), open_model) | {
        "generator_weights": lambda path: open_generator(path, p.total_kimg > 0),
        "attribute_classifier": open_classifier,
        "groups": read_groups,
    }
    openers |= {name: partial(open_network, purpose=purpose) for name, purpose in NETWORKS.items()}
    for name, path in input_paths(p).items():
        if opener := openers.get(name):
            opener(path)
    study = open_study(p)
    given = [each for each in p.synthetic if each.path and each.path != SHIPPED]
    sets = [open_given(each, study.faces.identities, p.identity_order).faces for each in given]
    for each in p.synthetic:
        if each.model:
            open_model(each.model)
    judges = {name: path for name, path in input_paths(p).items() if name in JUDGES}
    check_vectors(judges, _judged(p, study, sets), p.generates)


def _judged(p: ReportParameters, study: Study, synthetic: list[FaceSet]) -> Iterator[FaceSet]:
    """The sets that lie on disk, without authentic images that are too few to train."""
    faces = study.select()
    yield faces.subset(select_images(faces.require_labels(), p.min_images))
    yield from synthetic
    yield from (open_persons(name, getattr(p, name)) for name in ("control", "held_out") if getattr(p, name))


def open_network(path: str | Path, purpose: str) -> RecognitionModel:
    """A recognition model that must do more than judge given sets; raises `InputError` for vectors."""
    model = open_model(path)
    if isinstance(model, GivenEmbeddings):
        model.refuse(purpose)
    return model


if __name__ == "__main__":
    try:
        open_inputs(check(ReportParameters, json.load(sys.stdin)))
    except SfaceError as error:
        sys.exit(str(error))
