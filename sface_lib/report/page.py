"""A page of tables and sentences: one self-contained HTML file in the report's style."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from sface_lib.files import write_text

TEMPLATE_FOLDER = Path(__file__).parent


def render(template: str, **values: Any) -> str:
    """A page from a template and its values, with the report's style as `css` and what it can do as `script`."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATE_FOLDER), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    css, script = ((TEMPLATE_FOLDER / f"report.{kind}").read_text(encoding="utf-8") for kind in ("css", "js"))
    return environment.get_template(template).render(css=css, script=script, **values)


def write_page(path: Path, title: str, intro: str, sections: Iterable[tuple[str, Iterable[str]]]) -> Path:
    """Write a page; give its path.

    Parameters
    ----------
    intro
        A sentence under the title.
    sections
        Heading, and HTML pieces such as `table_html` gives.
    """
    return write_text(path, render("page.html.j2", title=title, intro=intro, sections=list(sections)))
