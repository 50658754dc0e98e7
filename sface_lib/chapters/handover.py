"""Files that a notebook leaves in the run folder for later ones: where they lie, and what is written to them."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from sface_lib.files import write_text
from sface_lib.recognition import ProtocolPairs

SELECTION = "data/selection.csv"
CONTROL = "data/control.csv"
HELD_OUT = "data/held-out.csv"
PAIRS = "data/pairs.csv"
SYNTHETIC = "data/synthetic.zip"
CORRECT = "data/correct.csv"
FILTERED = "data/filtered/"


def write_selection(stage: Any, positions: np.ndarray, labels: np.ndarray) -> None:
    """Hand the training images on: their positions in the authentic set, and their labels."""
    table = pd.DataFrame({"position": positions, "label": labels})
    write_text(stage.output(SELECTION), table.to_csv(index=False))


def write_pairs(stage: Any, pairs: Mapping[str, ProtocolPairs]) -> None:
    """Hand the evaluated pairs of each benchmark on, as positions in the set that they name."""
    tables = [
        pd.DataFrame(dataclasses.asdict(of_benchmark)).assign(benchmark=name) for name, of_benchmark in pairs.items()
    ]
    write_text(stage.output(PAIRS), pd.concat(tables).to_csv(index=False))


def filtered_file(name: str, fmr: float) -> str:
    """Where notebook 03 leaves the positions that a filter keeps of a synthetic set."""
    return f"{FILTERED}{name}/{fmr:g}.csv"


def write_filtered(stage: Any, name: str, fmr: float, kept: np.ndarray) -> None:
    """Hand on which images of a synthetic set a filter keeps."""
    write_text(stage.output(filtered_file(name, fmr)), pd.DataFrame({"position": kept}).to_csv(index=False))


def filtered_sets(stage: Any, name: str) -> dict[float, np.ndarray]:
    """For each filter of notebook 03, by its false match rate, the positions that it keeps of a synthetic set."""
    start = f"{FILTERED}{name}/"
    rates = sorted(float(file.removeprefix(start).removesuffix(".csv")) for file in stage.inputs(start))
    return {fmr: pd.read_csv(stage.input(filtered_file(name, fmr)))["position"].to_numpy(np.int64) for fmr in rates}


def write_correct(stage: Any, correct: Mapping[str, Mapping[str, np.ndarray]]) -> None:
    """Hand on which evaluated pairs each model judges rightly: a column a model, in the order of the benchmark's pairs.

    A value is the share of the model's seeds that are right.
    """
    tables = [pd.DataFrame(columns).assign(benchmark=benchmark) for benchmark, columns in correct.items()]
    write_text(stage.output(CORRECT), pd.concat(tables).to_csv(index=False))
