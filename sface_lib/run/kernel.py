"""What a notebook's kernel knows: the values that its `parameters` cell has set, and the machine it runs on."""

import ast
import os
import resource
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from sface_lib.errors import ParameterError, SfaceError
from sface_lib.run.chapter import Chapter
from sface_lib.run.parameters import Parameters, check, unknown_parameter

BATCH = "SFACE_BATCH"  # Set in the kernels that `sface report` starts.
INJECTED = "# Parameters"  # How the cell begins that papermill adds.


def in_batch() -> bool:
    """Whether this notebook is run by `sface report`, with nobody to move a slider."""
    return bool(os.environ.get(BATCH))


def sentences_only() -> None:
    """In a notebook, show an error of this program as its sentence, without the sixty lines above it."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    if shell is None:
        return

    def show(shell: Any, kind: type, error: BaseException, trace: Any, tb_offset: int | None = None) -> None:
        shell._showtraceback(kind, error, [f"{kind.__name__}: {error}"])

    shell.set_custom_exc((SfaceError,), show)


def take_parameters(stage: str, chapter: Chapter | None, namespace: Mapping[str, Any]) -> tuple[Path, Parameters]:
    """The run folder, absolute, and a chapter's parameters, checked as on the command line, out of a notebook's names.

    Raises
    ------
    ParameterError
        A name is missing or unknown, or a value is not allowed.
    """
    model = chapter.parameters if chapter else Parameters
    names = ["run_dir", *model.model_fields]
    missing = [name for name in names if name not in namespace]
    if missing:
        raise ParameterError(f"the parameters cell of {stage} does not set {', '.join(missing)}; add it there")
    if chapter:  # A notebook of one's own may set any.
        _refuse_unknown(stage, _names_set(namespace), model, names)
    parameters = check(model, {name: namespace[name] for name in names[1:]})
    return Path(namespace["run_dir"]).expanduser().resolve(), parameters


def _refuse_unknown(stage: str, names_set: Iterable[str], model: type[Parameters], names: Sequence[str]) -> None:
    for name in names_set:
        if name not in names:
            raise unknown_parameter(name, model, names, f"in {stage}", f"it has {', '.join(names)}")


def _names_set(namespace: Mapping[str, Any]) -> list[str]:
    """What was set as a parameter: by the last `parameters` cell and the last one that papermill injected.

    Kernels keep the text of the cells that they ran; a cell of nothing but constants that sets `run_dir` is the first
    kind, one that begins with papermill's comment the second. Outside a kernel it is all of the names.
    """
    if "In" not in namespace:
        return [name for name in namespace if not name.startswith("_")]
    given, injected = [], []
    for source in map(str, namespace["In"]):
        names = _constants_set(source)
        if names and source.lstrip().startswith(INJECTED):
            injected = names
        elif "run_dir" in names:
            given, injected = names, []
    return [*given, *injected]


def _constants_set(source: str) -> list[str]:
    """Names that a cell sets, where it does nothing but set names to constants; else none."""
    try:
        statements = ast.parse(source).body
        for statement in statements:
            ast.literal_eval(statement.value)
        return [target.id for statement in statements for target in _targets(statement)]
    except (SyntaxError, ValueError, AttributeError):
        return []


def _targets(statement: ast.stmt) -> list[ast.expr]:
    return statement.targets if isinstance(statement, ast.Assign) else [statement.target]


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
