"""What late notebooks open, opened before the first one starts: known now, not after the generator's training.

It is run as a process of its own (`python -m sface_lib.chapters.inputs`, the parameters as JSON on its input), because
torch would fill the report's process to the end of the run.
"""

import json
import sys
from functools import partial
from pathlib import Path
from typing import Any

from sface_lib.attributes import open_classifier
from sface_lib.chapters.generation.launch import open_pair
from sface_lib.chapters.registry import ReportParameters
from sface_lib.chapters.setspec import SHIPPED
from sface_lib.chapters.study import open_study, read_groups
from sface_lib.chapters.synthetic import open_given
from sface_lib.errors import SfaceError
from sface_lib.recognition import GivenEmbeddings, RecognitionModel, open_model
from sface_lib.run.parameters import check, input_paths

# What a model is for that must be a network.
NETWORKS = {
    "verifier": "as the verifier, which sees images that are made in memory, too (second_verifier may be vectors)",
    "teacher": "as a teacher",
    "identity_model": "to steer a generator",
}


def open_inputs(p: ReportParameters) -> None:
    """Open models, synthetic sets that are given, and the table of groups.

    Raises
    ------
    SfaceError
        One of them cannot be read, or holds something else than it should, such as vectors where a network is needed.
    """
    openers: dict[str, Any] = {name: partial(open_network, purpose=purpose) for name, purpose in NETWORKS.items()} | {
        "second_verifier": partial(open_network, purpose="to judge what this run draws") if p.generates else open_model,
        "generator_weights": lambda path: open_pair(path, p.total_kimg > 0),
        "attribute_classifier": open_classifier,
        "groups": read_groups,
    }
    for name, path in input_paths(p).items():
        if opener := openers.get(name):
            opener(path)
    given = [each for each in p.synthetic if each.path and each.path != SHIPPED]
    if given:
        names = open_study(p).faces.identities
        for each in given:
            open_given(each, names, p.identity_order)
            if each.model:
                open_model(each.model)


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
