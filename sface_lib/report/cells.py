"""Cells of an executed notebook as pieces of the page.

What comes out holds no script and no address of another place: everything in it is allowed by name.
"""

import base64
import html
import io
import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import nh3
from bs4 import BeautifulSoup, Comment, NavigableString
from nbconvert.filters import markdown2html, strip_ansi
from PIL import Image
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

from sface_lib.report.labels import Labels, slug
from sface_lib.report.mentions import Mentions
from sface_lib.report.redaction import Redactor
from sface_lib.run.fragments import FOLDED, HEADLINE

ERROR_CLASS = "traceback"
TAGS = frozenset(
    re.findall(
        r"\w+",
        "a p br hr em strong b i u s del ins sub sup code pre kbd blockquote ul ol li dl dt dd div span "
        "h1 h2 h3 h4 h5 h6 table caption thead tbody tfoot tr th td figure figcaption img details summary",
    )
)
FACTS = "data-points", "data-sheet"  # Of figures, for the page's script.
ATTRIBUTES = {
    "*": {"class"},
    "a": {"href"},
    "img": {"src", "alt"},
    "figure": {"id", *FACTS},
    "details": {"data-colour"},
    "table": {"id"},
    "th": {"scope", "colspan", "rowspan"},
    "td": {"colspan", "rowspan"},
}
PNG = "data:image/png;base64,"
WEBP_EFFORT = 40  # Of 100.
SENTENCE = 36  # Letters of a line of a sentence in a table in print, where there is room for no more.
BETWEEN_COLUMNS = 1.5  # Letters.
HALF_A_PAGE = 68  # Letters of a table that leaves room for another beside it in print.
TABLE_FILES = (("CSV", "csv"), ("LaTeX", "tex"))
INTERVAL, UNBROKEN = re.compile(r"\[[^\]]*\]"), "\u00a0"  # An interval stays on one line.
BREAKABLE = re.compile(r"(?<=\d) (?=(?:%|px\b))|(?<=\bp) (?=[<≤=] )|(?<=[<≤≥=]) (?=\d)")  # A value and its unit.
HEADINGS = re.compile(r"^h[1-6]$")
MARKDOWN_HEADING = re.compile(r"(#{1,6}) ")
SIZE = re.compile(r'<svg\b[^>]*?\bwidth="([0-9.]+)pt" height="([0-9.]+)pt"')
PATHS = re.compile(r' d="[^"]*"')
FINER = re.compile(r"(\b\d+\.\d\d)\d+")  # Than a hundredth of a point.
WIDE_PT = 560  # A figure that is wider has panels beside one another.
TALL = 1.15  # Height over width of a figure of many rows.


class Outline:
    """The headings of one notebook: their levels never skip, their ids are unique on the page.

    Attributes
    ----------
    section
        Id of the notebook's section on the page.
    title
        The notebook's first heading, where it opens with one of level 1: the page shows it at level 2.
    entries
        Pairs (id, text) of the headings of level 3, for the table of contents.
    """

    def __init__(self, section: str):
        self.title: str | None = None
        self.entries: list[tuple[str, str]] = []
        self.section, self._level, self._ids = section, 2, {section}

    def add(self, level: int, text: str) -> tuple[int, str]:
        """The level that a heading gets on the page, and its id."""
        self._level = max(3, min(level, self._level + 1, 6))
        base = f"{self.section}-{slug(text) or 'part'}"
        candidates = (base if count == 1 else f"{base}-{count}" for count in itertools.count(1))
        identifier = next(candidate for candidate in candidates if candidate not in self._ids)
        self._ids.add(identifier)
        if self._level == 3:
            self.entries.append((identifier, text))
        return self._level, identifier

    def takes_title(self, text: str) -> bool:
        """Whether a heading of level 1 becomes the notebook's title: it does when it comes first."""
        if self.title is not None or self.entries:
            return False
        self.title = text
        return True


def code_html(source: str, folded: bool = True) -> str:
    """Highlighted Python, folded away unless told otherwise."""
    if not source.strip():
        return ""
    code = highlight(source, PythonLexer(), HtmlFormatter(cssclass="highlight", wrapcode=True))
    code = code.replace("<pre>", '<pre tabindex="0">', 1)
    return f'<details class="code"><summary>Code</summary>{code}</details>' if folded else code


def plain_traceback(output: Any) -> str:
    """An error output as text."""
    lines = output.get("traceback") or [f"{output.ename}: {output.evalue}"]
    return strip_ansi("\n".join(lines))


def without_results(cells: Sequence[Any]) -> set[int]:
    """Positions of text under which code ran and showed nothing: of parts that these parameters leave out.

    A heading stands for all up to the next one of its level; text without a heading for the code up to the next text.
    The notebook's title stays.
    """
    silent = set()
    for i, cell in enumerate(cells):
        level = _level(cell)
        if cell.cell_type != "markdown" or level == 1:
            continue
        code = [each for each in _below(cells[i + 1 :], level) if each.cell_type == "code"]
        if code and not any(_shows(output) for each in code for output in each.outputs):
            silent.add(i)
    return silent


def _level(cell: Any) -> int:
    """That of the heading that a cell begins with; 0 without one."""
    heading = MARKDOWN_HEADING.match(cell.source) if cell.cell_type == "markdown" else None
    return len(heading.group(1)) if heading else 0


def _below(following: Sequence[Any], level: int) -> Iterator[Any]:
    """Of the cells that follow a text, those that belong to it; `level` is that of its heading, 0 without one."""
    for cell in following:
        if cell.cell_type == "markdown" and (level == 0 or 0 < _level(cell) <= level):
            return
        yield cell


def _shows(output: Any) -> bool:
    """Whether the page shows an output: stderr is progress, and a widget needs a kernel."""
    if output.output_type == "stream":
        return output.name == "stdout" and bool(output.text.strip())
    return "application/vnd.jupyter.widget-view+json" not in output.get("data", {})


@dataclass
class Composer:
    """Makes pieces of the page from the cells of one notebook, in their order.

    Attributes
    ----------
    folder
        The run folder, with the files of tables and figures.
    redact
        Takes names out of text.
    labels, mentions
        Of the whole page.
    outline
        The notebook's headings.
    headline
        Outputs for the first screen, which stand nowhere else.
    """

    folder: Path
    redact: Redactor
    labels: Labels
    mentions: Mentions
    outline: Outline
    headline: list[str] = field(default_factory=list)

    def markdown(self, source: str, heading: str) -> str:
        """Markdown as HTML; HTML inside it is shown as text."""
        return self._clean(markdown2html(source), heading)

    def outputs(self, outputs: list[Any], heading: str) -> str:
        """Outputs of a cell. What went to stderr is progress, and is left out."""
        shown = ""
        for piece in filter(None, (self._output(output, heading) for output in outputs)):
            if piece.startswith(f'<div class="{HEADLINE}"'):
                self.headline.append(piece)
            else:
                shown += f'<div class="output">{piece}</div>'
        return shown

    def _output(self, output: Any, heading: str) -> str:
        """One output: the richest form that the page can hold."""
        if not _shows(output):
            return ""
        if output.output_type == "stream":
            return _pre(self.redact(strip_ansi(output.text)))
        if output.output_type == "error":
            return _pre(self.redact(plain_traceback(output)), ERROR_CLASS)
        data = output.get("data", {})
        if "text/html" in data:
            return self._clean(data["text/html"], heading)
        if "text/markdown" in data:
            return self._clean(markdown2html(data["text/markdown"]), heading)
        if "image/png" in data:
            alt = html.escape(self.redact(f"Picture in: {heading}"))
            source = f"data:image/png;base64,{''.join(data['image/png'].split())}"
            return f'<figure><img src="{source}" alt="{alt}"></figure>'
        return _pre(self.redact(data["text/plain"])) if "text/plain" in data else ""

    def _clean(self, source: str, heading: str) -> str:
        """Allowed tags only, no address but places on the page, names withheld; headings, tables, figures in order."""
        soup = BeautifulSoup(source, "html.parser")
        for useless in soup.select("style, a.anchor-link"):
            useless.decompose()
        _escape(soup)
        allowed = nh3.clean(str(soup), TAGS, set(), ATTRIBUTES, link_rel=None, url_schemes={"data"})
        soup = BeautifulSoup(allowed, "html.parser")
        for link in soup.find_all("a"):
            if not link.get("href", "").startswith("#"):
                link.unwrap()
        for text in soup.find_all(string=True):
            if not isinstance(text, Comment):
                text.replace_with(NavigableString(self.redact(str(text))))
        for text in soup.find_all(string=BREAKABLE):
            if not text.find_parent(("code", "pre")):
                text.replace_with(NavigableString(BREAKABLE.sub(UNBROKEN, str(text))))
        for image in soup.find_all("img"):
            self._image(image, heading)
        for figure in soup.find_all("figure"):
            figure.attrs |= {fact: self.redact(figure[fact]) for fact in FACTS if fact in figure.attrs}
        for tag in soup.find_all(HEADINGS):
            self._heading(tag)
        for figure in soup.find_all("figure", id=True):
            self._figure(soup, figure)
        for table in soup.find_all("table"):
            self._table(soup, table)
        self.mentions.link(soup, self.outline.section)
        return str(soup)

    def _image(self, image: Any, heading: str) -> None:
        """Alt text always; a picture that is not embedded in the page gives way to its words."""
        image["alt"] = self.redact(image.get("alt") or "").strip() or self.redact(f"Picture in: {heading}")
        if not image.get("src", "").startswith("data:image/"):
            image.replace_with(NavigableString(f"[picture: {image['alt']}]"))

    def _heading(self, tag: Any) -> None:
        """Notebook headings go one level down; the first of level 1 becomes the section's title."""
        text = tag.get_text().strip()
        if not text or (tag.name == "h1" and self.outline.takes_title(text)):
            tag.decompose()
            return
        level, identifier = self.outline.add(int(tag.name[1]) + 1, text)
        tag.name, tag["id"] = f"h{level}", identifier

    def _figure(self, soup: Any, figure: Any) -> None:
        """A number before its caption, the drawing as lines instead of pixels, and its files."""
        name, image = figure["id"], figure.find("img")
        if image is None:
            return
        drawing = self.folder / "figures" / f"{name}.svg"
        if drawing.is_file():
            lines = PATHS.sub(lambda path: FINER.sub(r"\1", path.group()), drawing.read_text(encoding="utf-8"))
            image["src"] = f"data:image/svg+xml;base64,{base64.b64encode(lines.encode()).decode()}"
            size = SIZE.search(lines[:2000])
            width, height = map(float, size.groups()) if size else (0, 0)
            shape = [name for name, is_so in (("wide", width > WIDE_PT), ("tall", height > TALL * width)) if is_so]
            figure["class"] = [*figure.get("class", ()), *shape]
        else:
            image["src"] = _smaller(image["src"])
        image.wrap(soup.new_tag("div", attrs={"class": "scroll", "tabindex": "0"}))
        caption = figure.find("figcaption") or soup.new_tag("figcaption")
        figure.append(caption)
        caption.insert(0, self._label(soup, "Figure", name))
        files = [self.folder / "figures" / f"{name}.{suffix}" for suffix in ("pdf", "svg", "png")]
        there = [path for path in files if path.is_file()]
        if there:
            links = [(path.suffix[1:].upper(), f"figures/{quote(path.name)}", path.name) for path in there]
            caption.append(_files(soup, links))

    def _table(self, soup: Any, table: Any) -> None:
        """A box that scrolls; for a table of the run also a number before its caption, and its files."""
        for text in table.find_all(string=INTERVAL):
            whole = INTERVAL.sub(lambda span: span.group().replace(" ", UNBROKEN), str(text))
            text.replace_with(NavigableString(whole))
        for cell in table.find_all("td", string=INTERVAL):
            if len(cell.get_text()) <= SENTENCE:
                cell["class"] = [*cell.get("class", ()), "span"]
        letters = _letters(table)
        table["style"] = f"--letters: {letters}"
        if letters <= HALF_A_PAGE:
            table["class"] = [*table.get("class", ()), "narrow"]
        box = table.wrap(soup.new_tag("div", attrs={"class": "scroll", "tabindex": "0"}))
        name = table.get("id")
        if not name:
            return
        parent = table.find_parent("details")
        folded = parent is not None and FOLDED in parent.get("class", ())
        if table.caption and (parent is None or folded) and not table.find_parent(class_=HEADLINE):
            (parent.summary if folded else table.caption).insert(0, self._label(soup, "Table", name))
        files = [(title, self.folder / "results" / f"{name}.{kind}") for title, kind in TABLE_FILES]
        links = [(title, self._embedded(path), path.name) for title, path in files if path.is_file()]
        if links:
            box.insert_after(_files(soup, links))

    def _embedded(self, path: Path) -> str:
        """A text file as an address that holds it, without names."""
        text = self.redact(path.read_text(encoding="utf-8"))
        return f"data:text/plain;charset=utf-8;base64,{base64.b64encode(text.encode()).decode()}"

    def _label(self, soup: Any, kind: str, name: str) -> Any:
        label = soup.new_tag("span", attrs={"class": "label"})
        label.string = f"{self.labels.add(kind, name)}. "
        return label


def _escape(soup: Any) -> None:
    """Turn tags that are not allowed into text; what stands between them stays."""
    for tag in soup.find_all(lambda tag: tag.name not in TAGS):
        bare = tag.copy_self()
        closing = "" if bare.is_empty_element else f"</{tag.name}>"
        tag.insert_before(bare.decode(formatter=None).removesuffix(closing))
        tag.insert_after(closing)
        tag.unwrap()


def _files(soup: Any, links: list[tuple[str, str, str]]) -> Any:
    """Links to files, beside a figure or table: text, address, and the name under which it is saved."""
    line = soup.new_tag("span", attrs={"class": "files"})
    for text, address, name in links:
        link = soup.new_tag("a", attrs={"href": address, "download": name})
        link.string = text
        line.append(link)
    return line


def _smaller(address: str) -> str:
    """A picture as lossless WebP, of which faces take two thirds of what they take as PNG."""
    if not address.startswith(PNG):
        return address
    stream = io.BytesIO()
    with Image.open(io.BytesIO(base64.b64decode(address.removeprefix(PNG)))) as picture:
        picture.save(stream, "webp", lossless=True, quality=WEBP_EFFORT)
    return f"data:image/webp;base64,{base64.b64encode(stream.getvalue()).decode()}"


def _letters(table: Any) -> int:
    """How many letters wide a table is in print, where sentences are broken and nothing else is."""
    rows = [row.find_all(["th", "td"]) for row in table.find_all("tr")]
    widths: dict[int, float] = {}
    for row in rows:
        for column, cell in enumerate(row):
            text, broken = cell.get_text(), "text" in cell.get("class", ()) or cell.get("scope") == "col"
            longest = max(map(len, text.split()), default=0) if broken else len(text)
            least = min(len(text), SENTENCE) if "text" in cell.get("class", ()) and cell.get("scope") != "col" else 0
            widths[column] = max(widths.get(column, 0), longest, least)
    return round(sum(width + BETWEEN_COLUMNS for width in widths.values()))


def _pre(text: str, css_class: str = "text") -> str:
    return f'<pre class="{css_class}" tabindex="0">{html.escape(text)}</pre>' if text.strip() else ""
