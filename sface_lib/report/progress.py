"""What the user sees while notebooks run: one bar on a terminal, one line a stage elsewhere."""

import re
import sys
import time
from typing import Any, TextIO

from tqdm import tqdm

ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
WIDEST_NOTE = 60


class Progress:
    """A bar over the cells of a notebook, with the last line of the running cell's own progress behind it.

    It is also the text stream that papermill copies a cell's stderr to.

    Attributes
    ----------
    place
        Of the notebook in the report, such as "2 of 7".
    left
        Seconds that the report takes from this notebook on; None where nobody knows.
    """

    def __init__(self, stream: TextIO | None = None, lines: TextIO | None = None):
        self.stream, self.lines = stream or sys.stderr, lines or sys.stdout
        self.cell_index = 0
        self.place = ""
        self.left: float | None = None
        self._began = 0.0
        self._bar: Any = None
        self._stage, self._headings = "", []

    def start(self, stage: str, cells: list[Any]) -> None:
        """Begin a notebook; `cells` are those of the notebook that is executed."""
        self._stage, self._headings, self.cell_index = stage, headings(cells, stage), 0
        self._began = time.monotonic()
        hidden = not self.stream.isatty()
        if hidden and self.place:
            self.say(f"{stage}: notebook {self.place}{self._time_left()}")
        bar_format = "{desc} |{bar:20}| {elapsed}{postfix}"
        self._bar = tqdm(
            total=len(cells),
            file=self.stream,
            leave=False,
            disable=hidden,
            bar_format=bar_format,
            dynamic_ncols=True,
        )

    def cell(self, cell: Any, cell_index: int) -> None:
        """Called when a cell starts."""
        self.cell_index = cell_index
        self._bar.n = cell_index
        self._bar.set_postfix_str("", refresh=False)
        of = f" ({self.place}{self._time_left()})" if self.place else ""
        self._bar.set_description_str(
            f'{self._stage}{of}, cell {cell_index + 1} of {len(self._headings)}: "{self._headings[cell_index]}"'
        )

    def _time_left(self) -> str:
        """How long the report still takes, in words; empty where nobody knows."""
        if self.left is None:
            return ""
        minutes = round((self.left - (time.monotonic() - self._began)) / 60)
        if minutes < 1:
            return ", about a minute left"
        hours = f"{minutes // 60} h {minutes % 60} min" if minutes >= 100 else f"{minutes} min"
        return f", about {hours} left"

    def write(self, text: str) -> int:
        """Take a piece of the cell's stderr; its last line stands behind the bar."""
        seen = [line.strip() for line in re.split(r"[\r\n]", ESCAPES.sub("", text)) if line.strip()]
        if seen and self._bar is not None:
            self._bar.set_postfix_str(seen[-1][:WIDEST_NOTE])
        return len(text)

    def flush(self) -> None:
        """Nothing is held back."""

    def close(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def say(self, line: str) -> None:
        """A line that stays."""
        self.close()
        print(line, file=self.lines, flush=True)


def headings(cells: list[Any], default: str) -> list[str]:
    """For every cell, the last Markdown heading at or above it."""
    titles, current = [], default
    for cell in cells:
        if cell.cell_type == "markdown":
            lines = re.findall(r"^#{1,6} +(.+?) *#*$", cell.source, flags=re.MULTILINE)
            current = lines[-1] if lines else current
        titles.append(current)
    return titles
