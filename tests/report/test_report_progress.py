"""The bar names notebook and cell and moves with the cell's own progress; elsewhere than on a terminal it is quiet."""

import io

from nbformat.v4 import new_code_cell, new_markdown_cell

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
