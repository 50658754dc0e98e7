"""The page: one self-contained HTML file made from the executed notebooks."""

from datetime import datetime
from pathlib import Path
from typing import Any

from pygments.formatters import HtmlFormatter

from sface_lib.chapters.story import bibliography, glossary
from sface_lib.files import write_text
from sface_lib.report.cells import Composer, Outline, code_html, plain_traceback, without_results
from sface_lib.report.execution import read_executed
from sface_lib.report.labels import Labels
from sface_lib.report.mentions import Mentions, identifier
from sface_lib.report.page import render
from sface_lib.report.plan import ReportPlan
from sface_lib.report.progress import headings
from sface_lib.report.redaction import Redactor, collect_names
from sface_lib.run import Chapter
from sface_lib.run.folder import RunFolder

SYMBOLS = {"done": "✓", "reused": "↺", "failed": "✗", "interrupted": "■", "not run": "–", "running": "…"}


def write_report(plan: ReportPlan, folder: RunFolder, manifest: dict[str, Any]) -> Path:
    """Write `report.html` from the executed notebooks, the status and the manifest; give its path."""
    inputs = {path for named in plan.inputs.values() for path in named.values()}
    redact = Redactor(() if plan.show_authentic_images else collect_names(inputs))
    labels, mentions = Labels(), Mentions(glossary(), bibliography(), plan.set_names)
    stages = [_section(folder, spec, redact, labels, mentions) for spec in plan.stages]
    seconds = [status.seconds for status in folder.stages.values() if status.seconds is not None]
    page = render(
        "report.html.j2",
        light_css=HtmlFormatter(style="default").get_style_defs(".highlight"),
        dark_css=HtmlFormatter(style="github-dark").get_style_defs(".highlight"),
        profile=plan.profile,
        made=f"{datetime.now():%Y-%m-%d %H:%M}",
        version=manifest["versions"]["sface"],
        commit=(manifest["git_commit"] or "")[:10],
        run=folder.path.name,
        duration=_duration(sum(seconds)),
        failure=_failure(plan, folder, redact),
        headline=[piece for stage in stages for piece in stage["headline"]],
        stages=stages,
        parameters=[{**row, "changed": row["value"] != row["default"]} for row in plan.parameter_rows],
        provenance=_provenance(manifest),
        files=_files(manifest),
        glossary=[(identifier(term), term) for term in sorted(mentions.terms, key=lambda t: t.forms[0].lower())],
        sources=[(identifier(source), source) for source in mentions.sources],
        redact=redact,
    )
    return write_text(folder.report, labels.link(page))


def _section(folder: RunFolder, spec: Chapter, redact: Redactor, labels: Labels, mentions: Mentions) -> dict[str, Any]:
    """Everything the template shows of one stage."""
    status = folder.stages[spec.name]
    notebook = _executed(folder, spec.name) if status.state != "not run" else None
    composer = Composer(folder.path, redact, labels, mentions, Outline(spec.name))
    pieces = _pieces(notebook, composer) if notebook else []
    return {
        "name": spec.name,
        "title": composer.outline.title or spec.title,
        "state": status.state,
        "symbol": SYMBOLS[status.state],
        "seconds": "" if status.seconds is None else f"{status.seconds:,.1f}",
        "note": redact(status.reason or (f"from {status.reused_from}" if status.reused_from else "")),
        "headline": composer.headline,
        "pieces": pieces,
        "entries": composer.outline.entries,
    }


def _pieces(notebook: Any, composer: Composer) -> list[str]:
    """The cells of a notebook as HTML, in order, without words about what did not run.

    Code cells that show nothing are folded together with the next one.
    """
    pieces, left_out, waiting = [], without_results(notebook.cells), []
    for i, (cell, heading) in enumerate(zip(notebook.cells, headings(notebook.cells, "this notebook"), strict=True)):
        if cell.cell_type == "code":
            waiting.append(composer.redact(cell.source))
            if shown := composer.outputs(cell.outputs, heading):
                pieces.append(_folded(waiting) + shown)
        elif cell.cell_type == "markdown" and i not in left_out:
            pieces += [_folded(waiting), composer.markdown(cell.source, heading)]
    return [*pieces, _folded(waiting)]


def _folded(sources: list[str]) -> str:
    """Cells of code as one folded piece; they wait no longer."""
    code = code_html("\n\n".join(filter(None, sources)))
    sources.clear()
    return code


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min {rest} s"


def _executed(folder: RunFolder, stage: str) -> Any:
    """The executed notebook; None where it was never written or cut short, e.g. by a full disk."""
    try:
        return read_executed(folder.notebook(stage))
    except (OSError, ValueError):
        return None


def _failure(plan: ReportPlan, folder: RunFolder, redact: Redactor) -> dict[str, Any] | None:
    """What stands at the top when a stage failed: the reason, the cell, and its error."""
    for spec in plan.stages:
        status = folder.stages[spec.name]
        if status.state not in ("failed", "interrupted"):
            continue
        notebook = _executed(folder, spec.name)
        inside = notebook is not None and status.cell is not None and status.cell < len(notebook.cells)
        cell = notebook.cells[status.cell] if inside else None
        code = cell is not None and cell.cell_type == "code"
        errors = [output for output in cell.outputs if output.output_type == "error"] if code else []
        return {
            "stage": spec.name,
            "state": status.state,
            "reason": redact(status.reason or ""),
            "number": status.cell + 1 if code else None,
            "code": code_html(redact(cell.source), folded=False) if code else "",
            "traceback": redact("\n".join(plain_traceback(error) for error in errors)),
        }
    return None


def _provenance(manifest: dict[str, Any]) -> list[tuple[str, str]]:
    """Rows of the provenance table: machine and versions."""
    machine = manifest["machine"]
    devices = {stage["machine"].get("device") for stage in manifest["stages"].values() if stage["machine"]} - {None}
    rows = [("processor", f"{machine['processor']}, {machine['cores']} cores"), ("system", machine["system"])]
    rows += [("device", ", ".join(sorted(devices)))] if devices else []
    rows += [("git commit", manifest["git_commit"])] if manifest["git_commit"] else []
    peaks = [stage["machine"]["peak_memory_mib"] for stage in manifest["stages"].values() if stage["machine"]]
    rows += [("peak memory of a stage", f"{max(peaks):,} MiB")] if peaks else []
    return [*rows, ("versions", ", ".join(f"{name} {text}" for name, text in manifest["versions"].items()))]


def _files(manifest: dict[str, Any]) -> list[dict[str, Any]]:
    """Rows of the table of files: inputs, then each stage's outputs."""
    rows = [
        {"role": "input", "name": f"{name}: {facts['path']}", **facts} for name, facts in manifest["inputs"].items()
    ]
    for stage, facts in manifest["stages"].items():
        rows += [{"role": stage, "name": name, **contents} for name, contents in facts["outputs"].items()]
    return rows
