"""Tables and figures as notebooks display them, in HTML, and tables as papers set them, in LaTeX."""

import base64
import io
import json
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from html import escape
from typing import Any

from sface_lib.errors import InputError

MISSING = "–"
HEADLINE = "headline"  # Class of what belongs on the first screen of the page.
FOLDED = "folded"  # Class of a table under a line that opens it.
THRESHOLDS = "thresholds"  # And of one that the page turns into a slider.
BADGES = ("yes", "no", "undecided", "not reliable")  # What may be said of a finding.
BADGES_MEAN = (
    "Yes: it is shown. No: its absence is shown, within a margin. Undecided: neither. "
    "Not reliable: the measurement itself is in doubt."
)
NUMBER = re.compile(r"(?:[<≤≥] )?-?\d[\d,]*(?:\.\d+)?(?: %)?")  # Text that is read as a number.
NONE = (MISSING, "unknown", "none")  # And what stands in its place.
NEGATIVE_ZERO = re.compile(r"^-(0(?:\.0*)?)$")
LONG = 24  # Characters from which on a text is a sentence.
NO_AMOUNTS = ("year", "seed")  # Columns whose whole numbers are names.
LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "≥": r"$\geq$",
    "≤": r"$\leq$",
    "–": "--",
} | {letter: "\\" + letter for letter in "&%$#_{}"}


class ShownTable:
    """What is shown of a `pandas.DataFrame`: the names of its columns, their kinds, and the text of every cell.

    Attributes
    ----------
    kinds
        "number" for a column of numbers and gaps, "text" for one of whole sentences, else "".
    rows
        Texts, row by row; missing values are a dash.
    grey
        Positions (row, column) of what must not be relied on; its text is in brackets.
    """

    def __init__(self, frame: Any, index: bool = False, floats: str = "%.4g", grey: Iterable[tuple[int, str]] = ()):
        self.grey = {(row, list(frame.columns).index(column) + int(index)) for row, column in grey}
        frame = frame.reset_index() if index else frame
        self.names = [str(name) for name in frame]
        self.kinds = [_kind(frame.iloc[:, i]) for i in range(frame.shape[1])]
        columns = [_texts(frame.iloc[:, i], floats, name not in NO_AMOUNTS) for i, name in enumerate(self.names)]
        rows = enumerate(zip(*columns, strict=True))
        self.rows = [[f"({t})" if (i, j) in self.grey else t for j, t in enumerate(texts)] for i, texts in rows]

    def html(self, caption: str, name: str = "") -> str:
        """The table in HTML, every value escaped; `name` is its id, to which text can link."""
        names = zip(self.names, self.kinds, strict=True)
        head = "".join(f'<th scope="col"{_classes(kind)}>{escape(text)}</th>' for text, kind in names)
        body = "".join(
            _row(texts, self.kinds, {j for i, j in self.grey if i == row}) for row, texts in enumerate(self.rows)
        )
        return (
            f"<table{_identity(name)}><caption>{escape(caption)}</caption><thead><tr>{head}</tr></thead>"
            f"<tbody>{body}</tbody></table>"
        )

    def latex(self, caption: str, name: str) -> str:
        """The table in LaTeX, for a document that loads the package booktabs; `name` is its label."""
        head, *rows = [" & ".join(map(latex_text, texts)) + r" \\" for texts in (self.names, *self.rows)]
        columns = "".join("r" if kind == "number" else "l" for kind in self.kinds)
        lines = [
            r"\begin{table}",
            rf"\caption{{{latex_text(caption)}}}",
            rf"\label{{{name}}}",
            rf"\begin{{tabular}}{{{columns}}}",
            *(r"\toprule", head, r"\midrule", *rows, r"\bottomrule"),
            r"\end{tabular}",
            r"\end{table}",
        ]
        return "\n".join(lines) + "\n"


def table_html(frame: Any, caption: str, index: bool = False, floats: str = "%.4g", grey: Any = ()) -> str:
    """A `pandas.DataFrame` as an HTML table; every value is escaped, missing ones are a dash.

    Parameters
    ----------
    frame
        The table.
    caption
        One sentence that says what the rows are and in which units.
    index
        Whether the frame's index is the first column.
    floats
        Format of floating point numbers below 1,000, in `%` style; larger ones are shown without decimals.
    grey
        Pairs of (row position, column name) whose value must not be relied on: shown in grey and in brackets.
    """
    return ShownTable(frame, index, floats, grey).html(caption)


def latex_text(text: str) -> str:
    """A text with LaTeX's own characters escaped."""
    return "".join(LATEX.get(letter, letter) for letter in text)


def _row(texts: list[str], kinds: list[str], grey: set[int]) -> str:
    """One row; its first cell names it."""
    cells = []
    for i, (text, kind) in enumerate(zip(texts, kinds, strict=True)):
        tag, scope = ("td", "") if i else ("th", ' scope="row"')
        kind = f"{kind} grey".strip() if i in grey else kind
        cells.append(f"<{tag}{scope}{_classes(kind)}>{escape(text)}</{tag}>")
    return f"<tr>{''.join(cells)}</tr>"


def _classes(kind: str) -> str:
    return f' class="{kind}"' if kind else ""


def _identity(name: str) -> str:
    return f' id="{escape(name)}"' if name else ""


def _is_missing(value: Any) -> bool:
    """Whether a cell is empty: None, NaN, or pandas' own."""
    from pandas import isna
    from pandas.api.types import is_scalar

    return value is None or (is_scalar(value) and bool(isna(value)))


def _is_number(value: Any) -> bool:
    number = hasattr(value, "__index__") or hasattr(value, "__float__")
    return number and not isinstance(value, str) and not _is_truth(value)


def _is_truth(value: Any) -> bool:
    """Whether a value is Python's or numpy's True or False."""
    return type(value).__name__ in ("bool", "bool_")


def _is_numeric(column: Any) -> bool:
    """Whether a column holds numbers, and nothing else but gaps."""
    filled = [value for value in column if not _is_missing(value)]
    return bool(filled) and all(map(_is_number, filled))


def _kind(column: Any) -> str:
    """What a column holds: see `ShownTable`."""
    if _is_numeric(column):
        return "number"
    filled = [value for value in column if not _is_missing(value)]
    if any(map(NUMBER.fullmatch, map(str, filled))) and all(
        NUMBER.fullmatch(str(value)) or value in NONE for value in filled
    ):
        return "number"
    return "text" if any(len(str(value)) > LONG for value in column) else ""


def _texts(column: Any, floats: str, amounts: bool) -> list[str]:
    """The texts of a column; one of whole numbers above 1 has no decimals, whatever their type."""
    numbers = [value for value in column if not _is_missing(value) and _is_number(value)]
    whole = all(float(value).is_integer() for value in numbers) and any(abs(value) > 1 for value in numbers)
    return [_text(value, "%.0f" if whole else floats, amounts) for value in column]


def _text(value: Any, floats: str, amounts: bool) -> str:
    """A value's text; an amount from 1,000 on has no decimals, and commas between its thousands."""
    if _is_missing(value):
        return MISSING
    if _is_truth(value):
        return "yes" if value else "no"
    if not _is_number(value):
        return str(value)
    if amounts and abs(value) >= 1000 and abs(value) != float("inf"):
        return f"{float(value):,.0f}"
    return str(value) if hasattr(value, "__index__") else NEGATIVE_ZERO.sub(r"\1", floats % value)


def folded_html(table: str, summary: str, kind: str = "", colour: str = "") -> str:
    """A table folded under a line that says what it holds.

    Of the kind "thresholds" the page makes a slider of it, in this colour.
    """
    assert kind in ("", THRESHOLDS)
    facts = f' data-colour="{escape(colour)}"' if colour else ""
    return (
        f'<details class="{FOLDED}{kind and f" {kind}"}"{facts}><summary>{escape(summary)}</summary>{table}</details>'
    )


@dataclass(frozen=True)
class Sheet:
    """A contact sheet whose faces the page shows one by one, in rows and columns that a reader chooses.

    Attributes
    ----------
    side_px, gap_px
        Of a face, and between two; the faces end at the right and at the bottom of the picture.
    rows, columns
        What each stands for.
    of_rows, of_columns
        What a reader chooses by them.
    """

    side_px: int
    gap_px: int
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    of_rows: str = "Row"
    of_columns: str = "Column"


def figure_html(
    png: bytes,
    alt: str,
    caption: str = "",
    shows: str = "plot",
    table: str = "",
    name: str = "",
    points: str = "",
    sheet: Sheet | None = None,
) -> str:
    """A `<figure>` with the PNG inside it, its caption, and its table folded beside it.

    `name` is its id; `points` what the page names under a pointer, see `sface_lib.run.hover`; `sheet` the faces that
    it shows one by one.
    """
    caption = f"<figcaption>{escape(caption)}</figcaption>" if caption else ""
    folded = f"<details><summary>The numbers behind this figure</summary>{table}</details>" if table else ""
    image = f'<img src="{png_address(png)}" alt="{escape(alt)}">'
    facts = f' data-points="{escape(points)}"' if points else ""
    facts += f' data-sheet="{escape(json.dumps(asdict(sheet)))}"' if sheet else ""
    return f'<figure{_identity(name)} class="shows-{escape(shows)}"{facts}>{image}{caption}</figure>{folded}'


@dataclass(frozen=True)
class Finding:
    """One finding on the first screen of the page.

    Attributes
    ----------
    about
        What was asked, as a question to answer by yes or no.
    number, interval
        The finding as a number with its unit, and how sure it is; either may be empty.
    badge
        One of `BADGES`.
    sentence
        The finding in words.
    evidence
        Name of the table or figure that it rests on, such as "03_privacy.claims", and what text calls it.
    """

    about: str
    number: str
    interval: str
    badge: str
    sentence: str
    evidence: tuple[str, str]

    def __post_init__(self) -> None:
        assert self.badge in BADGES


def headline_html(whose: str, findings: Iterable[Finding], limits: Iterable[str], table: str = "") -> str:
    """What stands on the first screen of the page: whose faces, the findings as cards, a table, and the limits."""
    cards = "".join(
        f'<li class="finding"><p class="about">{escape(each.about)} '
        f'<span class="badge {each.badge.replace(" ", "-")}">{each.badge}</span></p>'
        f'<p class="number">{escape(each.number or MISSING)} <span class="interval">{escape(each.interval)}</span></p>'
        f"<p>{escape(each.sentence)}</p>"
        f'<p class="evidence"><a href="#{escape(each.evidence[0])}">{escape(each.evidence[1])}</a></p></li>'
        for each in findings
    )
    listed = "".join(f"<li>{escape(limit)}</li>" for limit in limits)
    return (
        f'<div class="{HEADLINE}"><p class="whose">{escape(whose)}</p><ul class="findings">{cards}</ul>'
        f'<p class="badges">{BADGES_MEAN}</p>{table}'
        f'<p class="limits-of"><strong>Limits of this run</strong></p><ul class="limits">{listed}</ul></div>'
    )


def png_address(png: bytes) -> str:
    """A PNG as an address that holds it."""
    return "data:image/png;base64," + base64.b64encode(png).decode()


def png_of_pixels(pixels: Any) -> bytes:
    """An image uint8 `[H, W, 3]`, RGB, or `[H, W, 4]`, RGBA, as PNG, exactly.

    Raises
    ------
    InputError
        The array has another type or shape.
    """
    from PIL import Image

    shape, kind = getattr(pixels, "shape", None), str(getattr(pixels, "dtype", type(pixels).__name__))
    if kind != "uint8" or shape is None or len(shape) != 3 or shape[2] not in (3, 4) or 0 in shape:
        raise InputError(f"a picture is uint8 [H, W, 3], RGB, or [H, W, 4], RGBA; this one is {kind} {shape}")
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "png")
    return stream.getvalue()
