"""Notebook files (.ipynb) that may be anybody's: read, or refused in one line."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from facelab.errors import BadParameterError

if TYPE_CHECKING:
    from nbformat import NotebookNode

NOTEBOOK_SUFFIX = ".ipynb"


def read_notebook(path: Path) -> NotebookNode:
    """A notebook as nbformat has it, version 4; its cells may be of any version since 3.

    Raises:
        BadParameterError: there is no such file, or it is not a notebook that Jupyter can open.
    """
    import nbformat  # takes more than a second to load, and each notebook of the course imports this module

    try:
        notebook = nbformat.reads(path.read_text(encoding="utf-8"), as_version=4)
        nbformat.validate(notebook)
    except OSError as error:
        raise BadParameterError(
            f"{path} cannot be read ({error.strerror}).", f"Name a notebook file that is there ({NOTEBOOK_SUFFIX})."
        ) from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, nbformat.ValidationError) as error:
        why = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise BadParameterError(
            f"{path} is not a notebook ({why[:100]}).", "Open it in JupyterLab and save it there, or name another file."
        ) from error
    return notebook


def code_cells(notebook: NotebookNode) -> list[str]:
    """The code of its cells, in order; empty ones, as JupyterLab adds at the end, do not count."""
    return [cell.source.strip() for cell in notebook.cells if cell.cell_type == "code" and cell.source.strip()]


def parameters_cell(notebook: NotebookNode) -> str | None:
    """The code of the first cell tagged ``parameters``; None where there is none."""
    cells = (cell for cell in notebook.cells if cell.cell_type == "code")
    return next((cell.source for cell in cells if "parameters" in cell.metadata.get("tags", [])), None)
