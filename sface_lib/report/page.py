"""A page of tables and sentences: one self-contained HTML file in the report's style."""

from collections.abc import Iterable
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from sface_lib.files import write_text
from sface_lib.report.html import TEMPLATE_FOLDER


def write_page(path: Path, title: str, intro: str, sections: Iterable[tuple[str, Iterable[str]]]) -> Path:
    """Write a page; give its path.

    Parameters
    ----------
    intro
        A sentence under the title.
    sections
        Heading, and HTML pieces such as `table_html` gives.
    """
    environment = Environment(loader=FileSystemLoader(TEMPLATE_FOLDER), autoescape=True, undefined=StrictUndefined)
    css = (TEMPLATE_FOLDER / "report.css").read_text(encoding="utf-8")
    page = environment.get_template("page.html.j2").render(css=css, title=title, intro=intro, sections=list(sections))
    return write_text(path, page)
