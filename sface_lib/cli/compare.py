"""`sface compare`: a page of finished runs side by side."""

from argparse import Namespace
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

from sface_lib.cli.options import Commands, add_command, option

CAPTION = (
    "Every set of every run, by the admissible judge that sees the strongest link; nothing is averaged over runs. "
    "Classes are authentic identities, identities of the set's own, or none. Exposed: whether its generator may "
    "have seen the authentic set. Links are those of notebook 03; accuracy is that of CLS, averaged over benchmarks."
)
OPTIONS = (
    option("runs", nargs="+", metavar="RUN", help="a run folder of `sface report`"),
    option("--out", default="compare", metavar="DIR", help="folder of the page (default: compare)"),
)


def add_commands(commands: Commands) -> None:
    """`compare`."""
    add_command(
        commands,
        "compare",
        compare_runs,
        OPTIONS,
        help="show finished runs side by side",
        description="Write a page with a row for each set of each run, and what differs between the runs. Nothing is "
        "averaged over runs.",
    )


def compare_runs(arguments: Namespace) -> None:
    """`sface compare`."""
    from sface_lib.chapters.summary import runs
    from sface_lib.files import write_json
    from sface_lib.report.page import write_page

    opened, out = runs.open_runs(arguments.runs), Path(arguments.out)
    tables = {"sets": runs.sets_side_by_side(opened), "differences": runs.differences(opened)}
    cautions = runs.cautions(opened)
    intro = f"{len(tables['sets'])} sets of {len(opened)} runs: {', '.join(run.name for run in opened)}."
    sections = _sections(**tables, cautions=cautions)
    page = write_page(out / "compare.html", "Synthetic face sets, run by run", intro, sections)
    rows = {name: table.astype(object).where(table.notna(), None).to_dict("records") for name, table in tables.items()}
    write_json(out / "compare.json", rows | {"cautions": cautions})
    print(f"Page: {page}")


def _sections(sets: Any, differences: Any, cautions: Sequence[str]) -> list[tuple[str, list[str]]]:
    """Headings and HTML pieces of the page."""
    from sface_lib.run.fragments import table_html

    listed = "".join(f"<li>{escape(text)}</li>" for text in cautions)
    settings = (
        table_html(differences, "Parameters and inputs that differ between the runs.")
        if len(differences)
        else "<p>Nothing differs.</p>"
    )
    return [
        ("Sets", [table_html(sets, CAPTION)]),
        ("How the runs differ", [f"<ul>{listed}</ul>" if listed else "", settings]),
    ]
