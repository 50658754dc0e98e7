"""What a notebook's kernel knows: the values that its `parameters` cell has set, and the machine it runs on."""

import os
import resource
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError, create_model

from sface_lib.errors import ParameterError
from sface_lib.parameters import ReportParameters, stage_parameters

BATCH = "SFACE_BATCH"  # Set in the kernels that `sface report` starts.


def in_batch() -> bool:
    """Whether this notebook is run by `sface report`, with nobody to move a slider."""
    return bool(os.environ.get(BATCH))


def take_parameters(stage: str, namespace: Mapping[str, Any]) -> tuple[Path, BaseModel]:
    """The run folder, absolute, and the stage's parameters, checked, out of a notebook's names.

    Raises
    ------
    ParameterError
        A name is missing, or its value is not allowed.
    """
    names = ["run_dir", *stage_parameters(ReportParameters(), stage)]
    missing = [name for name in names if name not in namespace]
    if missing:
        raise ParameterError(f"the parameters cell of {stage} does not set {', '.join(missing)}; add it there")
    values = {name: namespace[name] for name in names[1:]}
    return Path(namespace["run_dir"]).expanduser().resolve(), _checked(values)


def _checked(values: dict[str, Any]) -> BaseModel:
    """Check a stage's parameters one by one, by their own fields: rules between fields need all of them."""
    fields = {
        name: (field.annotation, field) for name, field in ReportParameters.model_fields.items() if name in values
    }
    try:
        return create_model("StageParameters", __config__=ReportParameters.model_config, **fields)(**values)
    except ValidationError as error:
        first = error.errors()[0]
        name, message = first["loc"][0], first["msg"]
        raise ParameterError(f"parameter {name} = {first['input']!r} is not allowed: {message}") from None


def machine_facts() -> dict[str, Any]:
    """Peak memory of this kernel, and the device if the notebook used torch."""
    facts: dict[str, Any] = {"peak_memory_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)}
    torch = sys.modules.get("torch")
    if torch is not None:
        facts["device"] = torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu"
        facts["threads"] = torch.get_num_threads()
    if engine := sys.modules.get("sface_lib.engine"):
        facts["bf16_is_fast"] = engine.bf16_is_fast()
    return facts
