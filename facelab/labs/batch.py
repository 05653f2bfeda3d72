"""Notebooks in batch: run by papermill with other parameters, into ``runs/notebooks``; the course's own, or any file."""

from __future__ import annotations

import html
import logging
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import nbformat
import papermill
from papermill.exceptions import PapermillExecutionError
from papermill.execute import ERROR_MARKER_TAG
from papermill.iorw import papermill_io

from facelab.datasets.loading import locate_source
from facelab.datasets.sources import parse_joined_name
from facelab.errors import BadParameterError, FacelabError, PreemptedError
from facelab.files import atomic_write
from facelab.labs.build import notebook_from_source
from facelab.labs.checkpoints import notebook_checkpoints
from facelab.labs.kernel import fix_folders, kernel_options
from facelab.labs.kernel_signals import SignalRelay
from facelab.labs.notebook_file import NOTEBOOK_SUFFIX, code_cells, read_notebook
from facelab.labs.parameters import has_parameters, nearest_notebook, resolve_parameters, run_label
from facelab.paths import runs_root, work_root
from facelab.threads import most_threads


@dataclass(frozen=True)
class BatchRun:
    """One notebook that is to be run.

    Attributes:
        notebook: its source, of the course's own; else the notebook file.
        parameters: what papermill hands over: all of the course's own; of a file those that were given.
        label: of its output file, after the notebook's name: "laptop-orl-wild-0".
    """

    notebook: Path
    parameters: dict[str, object]
    label: str

    @property
    def is_file(self) -> bool:
        """Whether it is a notebook file, and not the course's own."""
        return self.notebook.suffix.lower() == NOTEBOOK_SUFFIX

    @property
    def executed(self) -> Path:
        """Where the executed notebook is written; of a file below the name of its folder, apart from the course's own."""
        name = "-".join(filter(None, (self.notebook.stem, self.label)))
        folder = runs_root() / "notebooks" / (self.notebook.parent.name if self.is_file else "")
        return folder / f"{name}{NOTEBOOK_SUFFIX}"

    @property
    def kernel_folder(self) -> Path:
        """Where its kernel runs, and finds modules of the student: beside the file; of the course's own in ``notebooks/``."""
        if self.is_file:
            return self.notebook.parent
        folder = work_root() / "notebooks"
        return folder if folder.is_dir() else work_root()


def plan_source(source: Path, values: dict[str, object], *, parse: bool) -> BatchRun:
    """A run of the course's own notebook.

    Args:
        source: the notebook's source.
        values: parameters that differ from its defaults; text where ``parse``, as from a command line.

    Raises:
        BadParameterError: unknown parameter, wrong type, or a value that is not allowed.
    """
    parameters = resolve_parameters(source, values, parse=parse)
    return BatchRun(source, parameters, run_label(source, parameters))


def plan_file(path: Path, values: dict[str, str]) -> BatchRun:
    """A run of a notebook file as it is; its own parameters cell says what ``values`` (text) may be.

    Args:
        path: the file, absolute.
        values: parameters that differ from its defaults. Without any its parameters cell may hold whatever code it likes.

    Raises:
        BadParameterError: no notebook; or it has no parameters cell, or another one, and values are given.
    """
    if path.suffix.lower() != NOTEBOOK_SUFFIX or not path.is_file():
        raise BadParameterError(
            f"{path} is not a notebook file.{nearest_notebook(path.name)}",
            f"Give the path of one that is there and ends in {NOTEBOOK_SUFFIX}, or a name of the course's.",
        )
    if not has_parameters(path) and values:
        raise BadParameterError(
            f"{path} has no cell tagged 'parameters', so it takes no -p and no --preset.",
            "Run it without, or tag the cell that sets its values.",
        )
    if not values:
        return BatchRun(path, {}, "")
    parameters = resolve_parameters(path, values, parse=True)
    return BatchRun(path, {name: parameters[name] for name in values}, run_label(path, parameters))


def differs_from_course(source: Path) -> Path | None:
    """The notebook file of the course that is worked on, where its code is not what the source says; text does not count."""
    path = work_root() / "notebooks" / f"{source.stem}{NOTEBOOK_SUFFIX}"
    if not path.is_file():
        return None
    try:
        own = code_cells(read_notebook(path))
    except BadParameterError:  # damaged: it is not the course's either
        return path
    return None if own == code_cells(notebook_from_source(source)) else path


def prepare(run: BatchRun) -> None:
    """Refuse a run that cannot begin on this machine, before its kernel starts; folders of the environment become absolute.

    Raises:
        BadParameterError: a variable of the environment names a file as its folder, or no number of threads.
        DataMissingError: the data set is not here.
    """
    fix_folders()
    most_threads()
    for part in parse_joined_name(str(run.parameters["dataset"])) if "dataset" in run.parameters else ():
        locate_source(part)


def execute(run: BatchRun, *, makes_room: bool = False) -> Path:
    """Run a notebook by papermill.

    Args:
        run: which.
        makes_room: whether a signal that asks this process to make room, or to end, lets a training that is under way write
            its checkpoint first.

    Returns:
        Path of the executed notebook.

    Raises:
        BadParameterError, DataMissingError: as ``prepare``.
        PreemptedError: it made room; the same call goes on.
        FacelabError: a cell raised an error, or it was stopped; the executed notebook is written up to there, and has the
            error on top.
    """
    prepare(run)
    name, executed, relay = run.notebook.stem, run.executed, SignalRelay()
    given = _Files.path(run.notebook) if run.is_file else _Sources.path(run.notebook.with_suffix(NOTEBOOK_SUFFIX))
    relief = f"Give it less to do or a larger machine. Look at {executed}."
    try:
        with (
            relay.listen() if makes_room else nullcontext(),
            notebook_checkpoints(run),
            kernel_options(name, relief, relay) as options,
        ):
            papermill.execute_notebook(
                given,
                _Files.path(executed),
                run.parameters,
                cwd=run.kernel_folder,
                progress_bar=False,
                start_timeout=options["startup_timeout"],
                **options,
            )
    except PapermillExecutionError as error:
        if error.ename == PreemptedError.__name__:
            raise PreemptedError(f"{name} made room in cell {error.exec_count}.", "The same call goes on.") from error
        raise FacelabError(
            f"{name} failed in cell {error.exec_count}: {error.ename}: {error.evalue}", f"Look at {executed}."
        ) from error
    except FacelabError as error:
        relay.stop(name)
        if executed.is_file():
            _put_on_top(executed, error.problem)
        raise
    return executed


def _put_on_top(executed: Path, problem: str) -> None:
    """An error as the first cell of an executed notebook, where papermill has those that a cell raised."""
    notebook = read_notebook(executed)
    text = f'<span style="color:red; font-size:2em">{html.escape(problem)}</span>'
    notebook.cells.insert(0, nbformat.v4.new_markdown_cell(text, metadata={"tags": [ERROR_MARKER_TAG]}))
    _Files().write(nbformat.writes(notebook), str(executed))


def run_notebook(source: Path, values: dict[str, object]) -> Path:
    """Run the course's own notebook with other parameters; see ``plan_source`` and ``execute``."""
    return execute(plan_source(source, values, parse=False))


class _Files:
    """Where papermill has a notebook from, and how it writes it after each cell: whole, so that who looks at it meanwhile, or a
    second run of the same, never meets half a file. Nothing else is on the disk that a killed run could leave there."""

    SCHEME = "facelab:"

    @classmethod
    def path(cls, path: Path) -> str:
        """As papermill takes it, which fills in what stands in braces."""
        return cls.SCHEME + str(path).replace("{", "{{").replace("}", "}}")

    def read(self, path: str) -> str:
        """The notebook of a file."""
        return nbformat.writes(read_notebook(Path(path.removeprefix(self.SCHEME))))

    def write(self, text: str, path: str) -> None:
        """Bytes of a name that is not UTF-8 become what JSON has for them."""
        with atomic_write(Path(path.removeprefix(self.SCHEME))) as partial:
            partial.write_bytes(text.encode(errors="backslashreplace"))

    def pretty_path(self, path: str) -> str:
        """As papermill logs it."""
        return path


class _Sources(_Files):
    """The course's own notebooks, made from their sources; papermill wants them to be called ``.ipynb``."""

    SCHEME = "facelab-source:"

    def read(self, path: str) -> str:
        """The notebook of a source."""
        return nbformat.writes(notebook_from_source(Path(path.removeprefix(self.SCHEME)).with_suffix(".py")))


logging.getLogger("papermill").setLevel(logging.CRITICAL)  # how a kernel ended is said in our words
for _handler in (_Files(), _Sources()):
    papermill_io.register(_handler.SCHEME, _handler)
