"""Notebooks from their sources: built, executed and normalised for the repository, or run with parameters into ``runs/``."""

from __future__ import annotations

import base64
import io
import os
import time
from pathlib import Path

import jupytext
import nbformat
import papermill
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbformat import NotebookNode
from papermill.exceptions import PapermillExecutionError
from papermill.iorw import papermill_io
from PIL import Image

from facelab.datasets.loading import locate_source
from facelab.datasets.sources import parse_joined_name
from facelab.errors import FacelabError
from facelab.files import atomic_write
from facelab.labs.exercise_cells import add_exercise_cells
from facelab.labs.kernel import kernel_options
from facelab.labs.notebook import BUILDING_VARIABLE
from facelab.labs.parameters import resolve_parameters, run_label
from facelab.paths import cache_root, data_root, project_root, runs_root

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
    _fix_folders()
    notebook = notebook_from_source(source)
    folder = project_root() / "notebooks"
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
    path = project_root() / "notebooks" / f"{source.stem}.ipynb"
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


def _fix_folders() -> None:
    """Make the folders that the environment names absolute: a kernel runs in notebooks/, not where the user stands."""
    for name, root in (("FACELAB_DATA", data_root), ("FACELAB_CACHE", cache_root), ("FACELAB_RUNS", runs_root)):
        if os.environ.get(name):
            os.environ[name] = str(root().resolve())


def _normalise(output: NotebookNode) -> None:
    """Make an output small and the same each time: plots as palette PNG, no metadata."""
    if "metadata" in output:
        output["metadata"] = {}
    png = output.get("data", {}).get("image/png")
    if png is not None:
        picture = Image.open(io.BytesIO(base64.b64decode(png))).convert("RGB")
        packed = io.BytesIO()
        # a median cut would merge thin lines of two colours into one
        picture.quantize(64, Image.Quantize.MAXCOVERAGE, kmeans=1, dither=Image.Dither.NONE).save(
            packed, "PNG", optimize=True
        )
        output["data"]["image/png"] = base64.b64encode(packed.getvalue()).decode()


def prepare_run(parameters: dict[str, object]) -> None:
    """Refuse a run that cannot begin on this machine, before its kernel starts; folders of the environment become absolute.

    Args:
        parameters: all of the notebook, checked.

    Raises:
        BadParameterError: a variable of the environment names a file as its folder.
        DataMissingError: the data set is not here.
    """
    _fix_folders()
    for part in parse_joined_name(str(parameters["dataset"])):
        locate_source(part)


def run_notebook(source: Path, values: dict[str, object]) -> Path:
    """Run a notebook by papermill with other parameters, into ``runs/notebooks``.

    Args:
        source: the notebook's source.
        values: parameters that differ from its defaults.

    Returns:
        Path of the executed notebook, also where it failed half way.

    Raises:
        BadParameterError: unknown parameter or wrong type, before anything is run.
        DataMissingError: the data set is not here; the same.
        FacelabError: a cell raised an error, or it was stopped.
    """
    parameters = resolve_parameters(source, values, parse=False)
    prepare_run(parameters)
    executed = runs_root() / "notebooks" / f"{source.stem}-{run_label(source, parameters)}.ipynb"
    try:
        with kernel_options(source.stem, f"Give it less to do or a larger machine. Look at {executed}.") as options:
            papermill.execute_notebook(
                _Files.path(source.with_suffix(".ipynb")), _Files.path(executed), parameters,
                cwd=project_root() / "notebooks", progress_bar=False, **options,
            )  # fmt: skip
    except PapermillExecutionError as error:
        raise FacelabError(
            f"{source.stem} failed in cell {error.exec_count}: {error.ename}: {error.evalue}", f"Look at {executed}."
        ) from error
    return executed


class _Files:
    """Where papermill has a notebook from, and how it writes it after each cell: whole, so that who looks at it meanwhile, or a
    second run of the same, never meets half a file. Nothing else is on the disk that a killed run could leave there."""

    SCHEME = "facelab:"

    @classmethod
    def path(cls, path: Path) -> str:
        """As papermill takes it, which fills in what stands in braces."""
        return cls.SCHEME + str(path).replace("{", "{{").replace("}", "}}")

    def read(self, path: str) -> str:
        """The notebook of a source; papermill wants it to be called ``.ipynb``."""
        return nbformat.writes(notebook_from_source(Path(path.removeprefix(self.SCHEME)).with_suffix(".py")))

    def write(self, text: str, path: str) -> None:
        """Bytes of a name that is not UTF-8 become what JSON has for them."""
        with atomic_write(Path(path.removeprefix(self.SCHEME))) as partial:
            partial.write_bytes(text.encode(errors="backslashreplace"))

    def pretty_path(self, path: str) -> str:
        """As papermill logs it."""
        return path


papermill_io.register(_Files.SCHEME, _Files())
