"""Pieces of HTML that notebooks display: tables with captions and header scopes, pictures with alt text."""

import base64
import io
from html import escape
from typing import Any

from sface_lib.errors import InputError


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
        Format of floating point numbers, in `%` style.
    grey
        Pairs of (row position, column name) whose value must not be relied on: shown in grey and in brackets.
    """
    places = {(row, list(frame.columns).index(column) + int(index)) for row, column in grey}
    frame = frame.reset_index() if index else frame
    columns = [[_text(value, floats) for value in frame.iloc[:, i]] for i in range(frame.shape[1])]
    kinds = ["number" if _is_numeric(frame.iloc[:, i]) else "" for i in range(frame.shape[1])]
    names = zip(frame, kinds, strict=True)
    head = "".join(f'<th scope="col"{_classes(kind)}>{escape(str(name))}</th>' for name, kind in names)
    rows = enumerate(zip(*columns, strict=True))
    body = "".join(_row(texts, kinds, {j for i, j in places if i == row}) for row, texts in rows)
    return f"<table><caption>{escape(caption)}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _row(texts: tuple[str, ...], kinds: list[str], grey: set[int]) -> str:
    """One row; its first cell names it, cells at the positions `grey` are in grey and in brackets."""
    cells = []
    for i, (text, kind) in enumerate(zip(texts, kinds, strict=True)):
        tag, scope = ("td", "") if i else ("th", ' scope="row"')
        text, kind = (f"({text})", f"{kind} grey".strip()) if i in grey else (text, kind)
        cells.append(f"<{tag}{scope}{_classes(kind)}>{text}</{tag}>")
    return f"<tr>{''.join(cells)}</tr>"


def _classes(kind: str) -> str:
    return f' class="{kind}"' if kind else ""


def _is_missing(value: Any) -> bool:
    """Whether a cell is empty: None, NaN, or pandas' own."""
    from pandas import isna
    from pandas.api.types import is_scalar

    return value is None or (is_scalar(value) and bool(isna(value)))


def _is_number(value: Any) -> bool:
    return not isinstance(value, (str, bool)) and (hasattr(value, "__index__") or hasattr(value, "__float__"))


def _is_numeric(column: Any) -> bool:
    """Whether a column holds numbers, and nothing else but gaps."""
    filled = [value for value in column if not _is_missing(value)]
    return bool(filled) and all(map(_is_number, filled))


def _text(value: Any, floats: str) -> str:
    """A value's escaped text."""
    if _is_missing(value):
        return "–"
    real = _is_number(value) and not hasattr(value, "__index__")
    return escape(floats % value if real else str(value))


def figure_html(png: bytes, alt: str, caption: str = "", shows: str = "plot", table: str = "") -> str:
    """A `<figure>` with the PNG inside it, its caption, and its table folded beside it."""
    source = "data:image/png;base64," + base64.b64encode(png).decode()
    caption = f"<figcaption>{escape(caption)}</figcaption>" if caption else ""
    folded = f"<details><summary>The numbers behind this figure</summary>{table}</details>" if table else ""
    image = f'<img src="{source}" alt="{escape(alt)}">'
    return f'<figure class="shows-{escape(shows)}">{image}{caption}</figure>{folded}'


def png_of_pixels(pixels: Any) -> bytes:
    """An image uint8 `[H, W, 3]`, RGB, as PNG, exactly.

    Raises
    ------
    InputError
        The array has another type or shape.
    """
    from PIL import Image

    shape, kind = getattr(pixels, "shape", None), str(getattr(pixels, "dtype", type(pixels).__name__))
    if kind != "uint8" or shape is None or len(shape) != 3 or shape[2] != 3 or 0 in shape:
        raise InputError(f"a picture is uint8 [H, W, 3], RGB; this one is {kind} {shape}")
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "png")
    return stream.getvalue()
