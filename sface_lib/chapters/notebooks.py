"""Writes each notebook's `parameters` cell from its chapter: `python -m sface_lib.chapters.notebooks FOLDER`."""

import sys
from pathlib import Path

import nbformat

from sface_lib.chapters.registry import CHAPTERS
from sface_lib.run.parameters import cell_source


def write_parameter_cells(folder: Path) -> None:
    """Replace the cell tagged `parameters` of each chapter's notebook in a folder."""
    for chapter in CHAPTERS:
        path = folder / f"{chapter.name}.ipynb"
        notebook = nbformat.read(path, as_version=4)
        cell = next(cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", []))
        cell.source = cell_source(chapter.parameters)
        nbformat.write(notebook, path)


if __name__ == "__main__":
    write_parameter_cells(Path(sys.argv[1]))
