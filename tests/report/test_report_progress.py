"""The bar names notebook and cell and moves with the cell's own progress; elsewhere than on a terminal it is quiet."""

import io

from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from sface_lib.report.execution import settled
from sface_lib.report.progress import Progress, headings

CELLS = [
    new_markdown_cell("# Generation\n\n## Train the GAN"),
    new_code_cell("train()"),
    new_code_cell("draw()"),
]


class Terminal(io.StringIO):
    def isatty(self):
        return True


def follow(stream):
    progress = Progress(stream=stream, lines=io.StringIO())
    progress.place = "2 of 7"
    progress.start("02_generation", CELLS)
    progress.cell(cell=CELLS[1], cell_index=1)
    progress._bar.mininterval = 0
    progress.write("step 1\r\x1b[32mstep 2 of 9\x1b[0m\r")
    progress.close()
    return stream.getvalue()


def test_the_bar_names_notebook_cell_and_the_last_line_of_its_stderr():
    text = follow(Terminal())
    assert (
        '02_generation (2 of 7), cell 2 of 3: "Train the GAN"' in text
        and "step 2 of 9" in text
        and "\x1b[32m" not in text
    )


def test_where_no_terminal_is_nothing_is_drawn_and_a_line_says_what_begins():
    assert follow(io.StringIO()) == ""
    progress = Progress(stream=io.StringIO(), lines=io.StringIO())
    progress.place = "2 of 7"
    progress.start("02_generation", CELLS)
    assert progress.lines.getvalue() == "02_generation: notebook 2 of 7\n"


def test_a_cell_belongs_to_the_last_heading_above_it():
    assert headings([new_code_cell(""), *CELLS], "start") == ["start", *["Train the GAN"] * 3]


def test_of_a_bar_only_its_last_state_is_kept_and_warnings_and_prints_stay():
    def said(name, text):
        return new_output("stream", name=name, text=text)

    cell = new_code_cell("train()")
    bar = [said("stderr", f"\rtrain: {share} %") for share in (0, 50, 100)]
    wiped = [said("stderr", "\rdraw: 50 %"), said("stderr", "\r          "), said("stderr", "\r")]
    cell.outputs = [
        *bar,
        said("stderr", "\n"),
        *wiped,
        said("stderr", "a warning\nof two lines\n"),
        said("stdout", "a\n\nb"),
    ]
    (kept,) = settled(new_notebook(cells=[cell])).cells
    assert [(each.name, each.text) for each in kept.outputs] == [
        ("stderr", "train: 100 %\na warning\nof two lines\n"),
        ("stdout", "a\n\nb"),
    ]
    cell.outputs = wiped
    assert settled(new_notebook(cells=[cell])).cells[0].outputs == []
