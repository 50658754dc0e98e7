"""Finished runs side by side: a row for each set of each run, and what keeps their numbers apart.

Nothing is averaged over runs: where two of them differ in persons, judges or settings, their numbers are answers to two
questions.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import pandas as pd

from sface_lib.chapters import data, evaluation, privacy, summary, training
from sface_lib.chapters.data.results import DataResults
from sface_lib.chapters.evaluation.results import EvaluationResults
from sface_lib.chapters.privacy.results import AuditFacts, PrivacyResults
from sface_lib.chapters.setspec import AUTHENTIC
from sface_lib.chapters.summary.compute import ModelBesideLink, summarise
from sface_lib.chapters.summary.results import SummaryResults
from sface_lib.chapters.training.results import BY_LABELS, TrainingResults
from sface_lib.chapters.words import capitalised, saw_authentic, the
from sface_lib.errors import InputError
from sface_lib.files import read_json
from sface_lib.run import Chapter, results_of
from sface_lib.run.folder import RunFolder, read_record

MISSING = "–"


@dataclass(frozen=True, eq=False)
class FinishedRun:
    """What a run folder holds of a report that came as far as notebook 03.

    Attributes
    ----------
    name
        The folder's.
    parameters
        Of the whole report, by name; paths as they were given.
    inputs
        Name of a file or folder that was given -> SHA-256 of its contents.
    training, evaluation
        None where nothing was trained or given; `answers` is None where notebook 07 has not finished.
    """

    name: str
    parameters: dict[str, Any]
    inputs: dict[str, str]
    data: DataResults
    privacy: PrivacyResults
    training: TrainingResults | None
    evaluation: EvaluationResults | None
    answers: SummaryResults | None


def open_runs(folders: Sequence[str | Path]) -> list[FinishedRun]:
    """Runs by their folders, each under a name of its own.

    Raises
    ------
    InputError
        A folder is given twice, or holds no finished run.
    RunError
        A record in it is of another version, or was changed by hand.
    """
    paths = [Path(folder) for folder in folders]
    resolved = [path.resolve() for path in paths]
    for path, own in zip(paths, resolved, strict=True):
        if resolved.count(own) > 1:
            raise InputError(f"the run '{path}' is given twice; give each once")
    names = [path.name for path in resolved]
    names = [str(path) if names.count(name) > 1 else name for path, name in zip(paths, names, strict=True)]
    return [_open_run(path, name) for path, name in zip(paths, names, strict=True)]


def _open_run(path: Path, name: str) -> FinishedRun:
    folder = RunFolder(path)
    if not folder.manifest.is_file() or not folder.record(privacy.CHAPTER.name).is_file():
        raise InputError(
            f"'{path}' holds no run whose notebook {privacy.CHAPTER.name} has finished; give the folder that "
            "`sface report --out` wrote, with manifest.json and results"
        )
    try:
        manifest = read_json(folder.manifest)
        given = {each: facts["sha256"] for each, facts in manifest["inputs"].items()}
        parameters = dict(manifest["parameters"])
    except (ValueError, KeyError, TypeError, AttributeError):
        raise InputError(f"{folder.manifest} is no manifest that this version wrote; run the report again") from None

    def read(chapter: Chapter[Any]) -> Any:
        if not folder.record(chapter.name).is_file():
            return None
        return results_of(read_record(path, chapter.name), chapter, folder.record(chapter.name))

    parts = (data, privacy, training, evaluation, summary)
    return FinishedRun(name, parameters, given, *(read(part.CHAPTER) for part in parts))


def sets_side_by_side(runs: Sequence[FinishedRun]) -> pd.DataFrame:
    """A row for each set of each run, by the strongest judge that may judge it."""
    return pd.DataFrame(_row(run, audit) for run in runs for audit in run.privacy.sets)


def _row(run: FinishedRun, audit: AuditFacts) -> dict[str, Any]:
    judge, leak = audit.larger, audit.leak.get(audit.larger)
    link, free = (audit.link(judge) if judge else None), audit.label_free.get(judge)
    judged = [claim for claim in audit.claims if claim.p_corrected is not None]
    model = _taught_by(run, audit.name)
    accuracy = model and model.mean_accuracy
    baseline = _taught_by(run, AUTHENTIC)
    return {
        "run": run.name,
        "set": audit.name,
        "classes": audit.labels,
        "exposed": saw_authentic(audit.name, audit.exposed),
        "images": audit.images,
        "gives away": run.answers.gives_away.get(audit.name, MISSING) if run.answers else MISSING,
        "judge": judge or "none may judge it",
        "link (AUC)": link.auc if link else None,
        "label-free (%)": 100 * free.observed if free and audit.control_is_exchangeable else None,
        "leak share ≥ (%)": 100 * leak.bound if leak else None,
        "claims above chance": f"{sum(claim.above for claim in judged)} of {len(judged)}",
        "accuracy (%)": 100 * accuracy if accuracy else None,
        "baseline (%)": 100 * baseline.mean_accuracy if accuracy and baseline else None,
    }


def _taught_by(run: FinishedRun, name: str) -> ModelBesideLink | None:
    """The network of a run that a set alone has taught by its labels, or that was given for it."""
    if run.training is None or run.evaluation is None:
        return None
    models = summarise(run.privacy, run.training, run.evaluation).models
    return next((model for model in models if model.learns_from == name and model.strategy in BY_LABELS), None)


def differences(runs: Sequence[FinishedRun]) -> pd.DataFrame:
    """Parameters, and contents of what was given, that are not the same in all runs: a row each, a column a run."""
    rows = []
    for kind, tables in (
        ("parameter", [run.parameters for run in runs]),
        ("contents of", [{name: digest[:12] for name, digest in run.inputs.items()} for run in runs]),
    ):
        for name in dict.fromkeys(name for table in tables for name in table):
            values = [str(table.get(name, MISSING)) for table in tables]
            if len(set(values)) > 1:
                rows.append({"differs": f"{kind} {name}"} | dict(zip((run.name for run in runs), values, strict=True)))
    return pd.DataFrame(rows, columns=["differs", *(run.name for run in runs)])


def cautions(runs: Sequence[FinishedRun]) -> list[str]:
    """What keeps numbers of two runs apart, as sentences; none where they may be read side by side."""
    said = []
    for first, second in combinations(runs, 2):
        both = f"{first.name} and {second.name}"
        if first.data.fingerprint != second.data.fingerprint:
            said.append(f"{both} hold their sets against different authentic faces: their links are to other persons.")
        elif first.data.training_images != second.data.training_images:
            said.append(f"{both} have different training images of the same authentic faces.")
        for name in first.privacy.judges.keys() & second.privacy.judges.keys():
            if first.privacy.judges[name].sha256 != second.privacy.judges[name].sha256:
                said.append(
                    f"{capitalised(the(name))} of {first.name} is not that of {second.name}: scores by the two do not "
                    "compare."
                )
        if first.evaluation and second.evaluation and first.evaluation.pairs != second.evaluation.pairs:
            said.append(f"{both} are evaluated on different pairs: their accuracies do not compare.")
    return said
