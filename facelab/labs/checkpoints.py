"""Checkpoints of a notebook that is run in batch: a folder of the run, thrown away when it is done."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from facelab.files import try_lock_folder
from facelab.labs.build import notebook_from_source
from facelab.labs.notebook import CHECKPOINTS_VARIABLE
from facelab.labs.notebook_file import code_cells, read_notebook
from facelab.paths import runs_root

if TYPE_CHECKING:  # which calls this
    from facelab.labs.batch import BatchRun


@contextmanager
def notebook_checkpoints(run: BatchRun) -> Iterator[None]:
    """Kernels that start within the block keep checkpoints: below ``runs/checkpoints``, apart for what decides the run.

    They are there for the next try where the block ends by an error, or the process is killed; else they are removed, and so
    are those of the same run with other code. A second process that runs the same at once does without. The folder stays with
    its lock: another process may be about to take it.
    """
    folder = runs_root() / "checkpoints" / run.executed.relative_to(runs_root() / "notebooks").with_suffix("")
    with try_lock_folder(folder) as held:
        os.environ.pop(CHECKPOINTS_VARIABLE, None)
        if held:
            own = folder / _digest(run)
            for other in folder.iterdir():
                if other.is_dir() and other != own:
                    shutil.rmtree(other)
            os.environ[CHECKPOINTS_VARIABLE] = str(own.resolve())
        try:
            yield
        finally:
            os.environ.pop(CHECKPOINTS_VARIABLE, None)
        if held:  # still: a run that gets the folder next may keep checkpoints under this very name
            shutil.rmtree(own, ignore_errors=True)


def _digest(run: BatchRun) -> str:
    """Of what decides the weights, but for the photographs, which ``fit`` looks at itself: the code of the notebook, of the
    modules beside it and of this package, the parameters with the files that they name, and the libraries that compute."""
    digest = hashlib.sha256()
    notebook = read_notebook(run.notebook) if run.is_file else notebook_from_source(run.notebook)
    package = Path(__file__).resolve().parents[1]
    modules = [*sorted(run.kernel_folder.glob("*.py")), *sorted(package.rglob("*.py"))]
    named = [Path(value) for value in run.parameters.values() if isinstance(value, str) and os.path.isfile(value)]
    parts = [*code_cells(notebook), repr(sorted(run.parameters.items())), version("torch"), version("numpy")]
    for part in (*(text.encode(errors="surrogatepass") for text in parts), *(p.read_bytes() for p in modules + named)):
        digest.update(hashlib.sha256(part).digest())
    return digest.hexdigest()[:16]
