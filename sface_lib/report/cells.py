"""Cells of an executed notebook as clean HTML: headings in order, ids unique, every picture with words, no script."""

import html
import itertools
import re
from typing import Any

import bleach
from bs4 import BeautifulSoup, Comment, NavigableString
from nbconvert.filters import markdown2html, strip_ansi
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

from sface_lib.report.redaction import Redactor

ERROR_CLASS = "traceback"
TAGS = frozenset(
    re.findall(
        r"\w+",
        "p br hr em strong b i s u sub sup code pre kbd blockquote ul ol li dl dt dd div span h1 h2 h3 h4 h5 h6 "
        "table caption thead tbody tfoot tr th td figure figcaption img details summary",
    )
)
ATTRIBUTES = {
    "*": ["class"],
    "img": ["src", "alt"],
    "th": ["scope", "colspan", "rowspan"],
    "td": ["colspan", "rowspan"],
}
HEADINGS = re.compile(r"^h[1-6]$")


class Outline:
    """The headings of one notebook: their levels never skip, their ids are unique on the page.

    Attributes
    ----------
    title
        The notebook's first heading, where it opens with one of level 1: the page shows it at level 2.
    entries
        Pairs (id, text) of the headings of level 3, for the table of contents.
    """

    def __init__(self, section: str):
        self.title: str | None = None
        self.entries: list[tuple[str, str]] = []
        self._section, self._level, self._ids = section, 2, {section}

    def add(self, level: int, text: str) -> tuple[int, str]:
        """The level that a heading gets on the page, and its id."""
        self._level = max(3, min(level, self._level + 1, 6))
        base = f"{self._section}-{re.sub(r'[^a-z0-9]+', '-', text.lower()).strip('-') or 'part'}"
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
    return f'<details class="code"><summary>Code</summary>{code}</details>' if folded else code


def markdown_html(source: str, redact: Redactor, outline: Outline, heading: str) -> str:
    """Markdown as HTML; HTML inside it is shown as text."""
    return _clean(markdown2html(source), redact, outline, heading)


def outputs_html(outputs: list[Any], redact: Redactor, outline: Outline, heading: str) -> str:
    """Outputs of a cell, in order. What went to stderr is progress, and is left out."""
    pieces = [_output(output, redact, outline, heading) for output in outputs]
    return "".join(f'<div class="output">{piece}</div>' for piece in pieces if piece)


def plain_traceback(output: Any) -> str:
    """An error output as text."""
    lines = output.get("traceback") or [f"{output.ename}: {output.evalue}"]
    return strip_ansi("\n".join(lines))


def _output(output: Any, redact: Redactor, outline: Outline, heading: str) -> str:
    """One output: the richest form that the page can hold."""
    if output.output_type == "stream":
        return _pre(redact(strip_ansi(output.text))) if output.name == "stdout" else ""
    if output.output_type == "error":
        return _pre(redact(plain_traceback(output)), ERROR_CLASS)
    data = output.get("data", {})
    if "application/vnd.jupyter.widget-view+json" in data:
        return ""
    if "text/html" in data:
        return _clean(data["text/html"], redact, outline, heading)
    if "text/markdown" in data:
        return _clean(markdown2html(data["text/markdown"]), redact, outline, heading)
    if "image/png" in data:
        alt = html.escape(redact(f"Picture in: {heading}"))
        return f'<figure><img src="data:image/png;base64,{"".join(data["image/png"].split())}" alt="{alt}"></figure>'
    return _pre(redact(data["text/plain"])) if "text/plain" in data else ""


def _pre(text: str, css_class: str = "text") -> str:
    return f'<pre class="{css_class}" tabindex="0">{html.escape(text)}</pre>' if text.strip() else ""


def _clean(source: str, redact: Redactor, outline: Outline, heading: str) -> str:
    """Allowed tags only, no address but embedded data, names withheld, headings and pictures put in order."""
    soup = BeautifulSoup(source, "html.parser")
    for useless in soup.select("style, a.anchor-link"):
        useless.decompose()
    for link in soup.find_all("a"):
        link.unwrap()
    allowed = bleach.clean(str(soup), TAGS, ATTRIBUTES, ["data"], strip_comments=True)
    soup = BeautifulSoup(allowed, "html.parser")
    for text in soup.find_all(string=True):
        if not isinstance(text, Comment):
            text.replace_with(NavigableString(redact(str(text))))
    for image in soup.find_all("img"):
        _clean_image(image, redact, heading)
    for tag in soup.find_all(HEADINGS):
        _place_heading(tag, outline)
    for table in soup.find_all("table"):
        table.wrap(soup.new_tag("div", attrs={"class": "scroll", "tabindex": "0"}))
    return str(soup)


def _clean_image(image: Any, redact: Redactor, heading: str) -> None:
    """Alt text always; a picture that is not embedded in the page gives way to its words."""
    image["alt"] = redact(image.get("alt") or "").strip() or redact(f"Picture in: {heading}")
    if not image.get("src", "").startswith("data:image/"):
        image.replace_with(NavigableString(f"[picture: {image['alt']}]"))


def _place_heading(tag: Any, outline: Outline) -> None:
    """Notebook headings go one level down; the first of level 1 becomes the section's title."""
    text = tag.get_text().strip()
    if not text or (tag.name == "h1" and outline.takes_title(text)):
        tag.decompose()
        return
    level, identifier = outline.add(int(tag.name[1]) + 1, text)
    tag.name, tag["id"] = f"h{level}", identifier
