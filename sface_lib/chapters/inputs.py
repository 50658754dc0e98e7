"""What late notebooks open, opened before the first one starts: known now, not after the generator's training.

It is run as a process of its own (`python -m sface_lib.chapters.inputs`, the parameters as JSON on its input), because
torch would fill the report's process to the end of the run.
"""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sface_lib.attributes import open_classifier
from sface_lib.chapters.generation.launch import open_pair
from sface_lib.chapters.study import read_groups
from sface_lib.data import open_faces
from sface_lib.errors import SfaceError
from sface_lib.recognition import open_model

MODELS = ("verifier", "second_verifier", "teacher", "identity_model")


def open_inputs(paths: Mapping[str, Path], trains: bool) -> None:
    """Open models, sets of attributes and the table of groups; `trains` says whether generator weights are trained on.

    Parameters
    ----------
    paths
        What is given, by parameter; see `run.parameters.input_paths`.

    Raises
    ------
    SfaceError
        One of them cannot be read, or holds something else than it should.
    """
    openers: dict[str, Any] = dict.fromkeys(MODELS, open_model) | {
        "generator_weights": lambda path: open_pair(path, trains),
        "attribute_classifier": open_classifier,
        "attribute_sets": open_faces,
        "groups": read_groups,
    }
    for name, path in paths.items():
        if opener := openers.get(name.split(" ")[0]):
            opener(path)


if __name__ == "__main__":
    asked = json.load(sys.stdin)
    try:
        open_inputs({name: Path(path) for name, path in asked["paths"].items()}, asked["trains"])
    except SfaceError as error:
        sys.exit(str(error))
