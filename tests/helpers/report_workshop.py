"""A workshop for reports of tiny notebooks, so that the runner is tested without the real ones."""

import io
import json
from dataclasses import dataclass, field
from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from sface_lib.report.plan import ReportPlan
from sface_lib.report.progress import Progress
from sface_lib.report.runner import run_report
from sface_lib.run import Chapter

FIRST = Chapter("91_first", "First")
STAGES = (FIRST, Chapter("92_second", "Second", reads=(FIRST,)))
OPEN = "from sface_lib.run.stage import Stage\nstage = Stage.open({name!r}, globals())"
WRITE = "stage.output('data/first.txt').write_text(word)"
READ = "text = stage.input('data/first.txt').read_text()"


@dataclass
class Workshop:
    """A folder with notebooks and run folders."""

    folder: Path
    inputs: dict = field(default_factory=dict)

    def notebook(self, name: str, *cells) -> Path:
        """Write a notebook: title, parameters, opening, then `cells` (text is code)."""
        first = new_code_cell('run_dir = "runs/interactive"\nword = "default"', metadata={"tags": ["parameters"]})
        head = [new_markdown_cell(f"# The {name} notebook"), first, new_code_cell(OPEN.format(name=name))]
        body = [new_code_cell(cell) if isinstance(cell, str) else cell for cell in cells]
        for i, cell in enumerate([*head, *body]):
            cell["id"] = f"cell-{i}"
        path = self.folder / "notebooks" / f"{name}.ipynb"
        path.parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(new_notebook(cells=[*head, *body]), path)
        return path

    def usual_notebooks(self) -> "Workshop":
        """A first stage that writes a word, a second one that reads it."""
        self.notebook("91_first", WRITE, "stage.finish({'length': len(word)})")
        self.notebook("92_second", READ, "print(text)\nstage.finish({'text': text})")
        return self

    def plan(self, run: str = "a", **changes) -> ReportPlan:
        """What to run, in the run folder of this name."""
        facts = {
            "parameters": {"91_first": {"word": "hello"}},
            "inputs": self.inputs,
            "stages": STAGES,
        } | changes
        return ReportPlan(folder=self.folder / "runs" / run, notebooks=self.folder / "notebooks", **facts)

    def run(self, run: str = "a", **changes) -> tuple[int, str]:
        """Exit code, and what was printed."""
        lines = io.StringIO()
        code = run_report(self.plan(run, **changes), Progress(stream=io.StringIO(), lines=lines))
        return code, lines.getvalue()

    def states(self, run: str = "a") -> list[str]:
        """States of the stages in status.json."""
        return [stage["state"] for stage in self.status(run).values()]

    def status(self, run: str = "a") -> dict:
        """The stages of status.json."""
        return json.loads((self.folder / "runs" / run / "status.json").read_text())["stages"]

    def page(self, run: str = "a") -> str:
        """The report."""
        return (self.folder / "runs" / run / "report.html").read_text(encoding="utf-8")
