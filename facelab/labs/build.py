"""Notebooks from their sources: built, executed and normalised for the repository."""

from __future__ import annotations

import base64
import io
import os
import time
from pathlib import Path

import jupytext
import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbformat import NotebookNode
from PIL import Image

from facelab.errors import FacelabError
from facelab.files import atomic_write
from facelab.labs.exercise_cells import add_exercise_cells
from facelab.labs.kernel import fix_folders, kernel_options
from facelab.labs.notebook import BUILDING_VARIABLE
from facelab.paths import project_folder

_KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}


def notebook_from_source(source: Path) -> NotebookNode:
    """The notebook that a jupytext source describes, without outputs; the same bytes each time."""
    notebook = jupytext.read(source, fmt="py:percent")
    add_exercise_cells(notebook)
    notebook.metadata = {"kernelspec": _KERNEL, "language_info": {"name": "python"}}
    for number, cell in enumerate(notebook.cells):
        cell["id"] = f"cell-{number:03d}"
        cell["metadata"] = {"tags": cell.metadata["tags"]} if cell.metadata.get("tags") else {}
    return notebook


def build_notebook(source: Path) -> Path:
    """Execute a source at its default parameters and store the notebook with its outputs.

    Returns:
        Path of the notebook.

    Raises:
        FacelabError: a cell raised an error; it is named and nothing is stored.
    """
    fix_folders()
    notebook = notebook_from_source(source)
    folder = project_folder("notebooks")
    started = time.monotonic()
    os.environ[BUILDING_VARIABLE] = "1"  # the kernel inherits it
    try:
        with kernel_options(source.stem, "Close other programs, and build it again.") as options:
            client = NotebookClient(notebook, resources={"metadata": {"path": str(folder)}}, **options)
            with client.setup_kernel():  # not client.execute(): it would take Ctrl-C and SIGTERM for itself
                for number, cell in enumerate(notebook.cells):
                    client.execute_cell(cell, number, execution_count=client.code_cells_executed + 1)
    except CellExecutionError as error:
        raise FacelabError(f"{source.name} failed: {str(error).strip()}", "Mend the cell.") from error
    finally:
        del os.environ[BUILDING_VARIABLE]
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell["metadata"].pop("execution", None)
            for output in cell.outputs:
                _normalise(output)
    notebook.metadata["facelab"] = {"seconds": round(time.monotonic() - started)}
    notebook.metadata["language_info"] = {"name": "python"}
    path = folder / f"{source.stem}.ipynb"
    with atomic_write(path) as partial:
        nbformat.write(notebook, partial)
    return path


def update_text(source: Path) -> Path:
    """Bring the text cells of a stored notebook up to its source, without executing anything: the outputs stay true.

    Returns:
        Path of the notebook.

    Raises:
        FacelabError: the code differs too, so that the notebook must be built.
    """
    path = project_folder("notebooks") / f"{source.stem}.ipynb"
    stored, wanted = nbformat.read(path, as_version=4), notebook_from_source(source)

    def code(notebook: NotebookNode) -> list[tuple[int, str, list[str]]]:
        cells = enumerate(notebook.cells)
        return [(n, c.source, c.metadata.get("tags", [])) for n, c in cells if c.cell_type == "code"]

    if code(stored) != code(wanted):
        raise FacelabError(
            f"The code of {source.name} is not what {path.name} ran.", f"Build it: facelab build {source.stem}."
        )
    for cell, new in zip(stored.cells, wanted.cells, strict=True):
        cell["source"] = new.source
    with atomic_write(path) as partial:
        nbformat.write(stored, partial)
    return path


def _normalise(output: NotebookNode) -> None:
    """Make an output small and the same each time: plots as palette PNG, no metadata but the words for a picture."""
    if "metadata" in output:
        described = {
            kind: {"alt": of["alt"]}
            for kind, of in output["metadata"].items()
            if isinstance(of, dict) and "alt" in of  # others are of no kind of output, as IPython's "isolated"
        }
        output["metadata"] = described
    png = output.get("data", {}).get("image/png")
    if png is not None:
        picture = Image.open(io.BytesIO(base64.b64decode(png))).convert("RGB")
        packed = io.BytesIO()
        # a median cut would merge thin lines of two colours into one
        picture.quantize(32, Image.Quantize.MAXCOVERAGE, kmeans=1, dither=Image.Dither.NONE).save(
            packed, "PNG", optimize=True
        )
        output["data"]["image/png"] = base64.b64encode(packed.getvalue()).decode()
