"""A student's machine for tests: facelab as a wheel lays it out, without a checkout, and JupyterLab."""

from __future__ import annotations

import contextlib
import inspect
import os
import re
import shutil
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import nbformat
from visitor import free_port

from facelab.exercises import Exercise
from facelab.exercises.registry import all_exercises
from facelab.paths import project_root

LIMIT = 300  #: seconds after which an answer of another process counts as missing; the machine may be busy


def install(site: Path) -> Path:
    """Lay out the package in a folder as its wheel does (``force-include`` of pyproject.toml)."""
    root = project_root()
    shutil.copytree(root / "facelab", site / "facelab")
    table = (
        (root / "pyproject.toml").read_text(encoding="utf-8").partition("wheel.force-include]")[2].partition("\n[")[0]
    )
    for name, goal in re.findall(r'^"(.+)" = "(facelab/.+)"$', table, re.MULTILINE):
        shutil.copytree(root / name, site / goal, ignore=shutil.ignore_patterns(".ipynb_checkpoints"))
    return site


def surroundings(site: Path) -> dict[str, str]:
    """The environment of a process that imports facelab from there, and knows of no folder of runs."""
    found = {name: value for name, value in os.environ.items() if name not in ("FACELAB_RUNS", "FACELAB_DATA")}
    return found | {"PYTHONPATH": str(site), "OMP_NUM_THREADS": "1"}


def facelab(site: Path, here: Path, *words: str) -> subprocess.CompletedProcess:
    """The installed command, called in a folder."""
    return subprocess.run(
        [sys.executable, "-m", "facelab.cli", *words],
        cwd=here, env=surroundings(site), capture_output=True, text=True, timeout=LIMIT,
    )  # fmt: skip


def exercises_of(chapter: int) -> list[Exercise]:
    """The exercises of a notebook that have a solution."""
    found = all_exercises().items()
    return [task for number, task in found if number.startswith(f"{chapter}.") and isinstance(task, Exercise)]


def write_answers(path: Path, chapter: int) -> None:
    """A student's notebook with three answers to a chapter's first exercises: a right one, a wrong one, and none.

    It begins as notebook 02 does, whatever its file is called.
    """
    right, wrong, none = exercises_of(chapter)[:3]
    module = inspect.getmodule(right.solution)
    parameters = 'preset: str = "laptop"\ndataset: str = "orl-wild"\nseed: int = 0'
    begin = 'run = labs.begin("02_cnn_mlp", preset=preset, dataset=dataset, seed=seed)'
    cells = [
        nbformat.v4.new_code_cell(parameters, metadata={"tags": ["parameters"]}),
        nbformat.v4.new_code_cell(
            "from facelab import labs\nfrom facelab.exercises.registry import find_exercise\n"
            f"from {module.__name__} import {right.function_name}\n{begin}"
        ),
        nbformat.v4.new_code_cell(f"labs.check_answer(find_exercise({right.number!r}), {right.function_name});"),
        nbformat.v4.new_code_cell(
            f"def answer(*_, **__):\n    return 'a guess'\n\nlabs.check_answer(find_exercise({wrong.number!r}), answer);"
        ),
        nbformat.v4.new_code_cell(
            f"def answer(*_, **__):\n    return ...\n\nlabs.check_answer(find_exercise({none.number!r}), answer);"
        ),
        nbformat.v4.new_code_cell('run.record_metric("mine", 0.5, n=10)\nrun.finish()'),
    ]
    notebook = nbformat.v4.new_notebook(cells=cells)
    notebook.metadata["kernelspec"] = {"display_name": "Python 3", "language": "python", "name": "python3"}
    nbformat.write(notebook, path)


def printed(path: Path) -> str:
    """What the cells of a stored notebook printed."""
    cells = nbformat.read(path, as_version=4).cells
    return "".join(output.get("text", "") for cell in cells for output in cell.get("outputs", []))


@contextlib.contextmanager
def running_lab(site: Path, folder: Path, log: Path):
    """JupyterLab in a folder; gives its address."""
    port = free_port()
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", f"--port={port}"]
    command += ["--ServerApp.port_retries=0", "--IdentityProvider.token=", "--LabApp.news_url=None"]
    command += ["--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate"]
    own = {
        name: str(log.parent / name.lower())
        for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR")
    }
    with log.open("wb") as output:
        server = subprocess.Popen(
            command, cwd=folder, env=surroundings(site) | own, stdout=output, stderr=output, start_new_session=True
        )
    address, end = f"http://127.0.0.1:{port}", time.monotonic() + LIMIT
    try:
        while True:
            try:
                urllib.request.urlopen(address + "/api/status", timeout=LIMIT).close()
                break
            except OSError:
                if server.poll() is not None or time.monotonic() > end:
                    raise AssertionError(f"JupyterLab does not answer:\n{log.read_text()}") from None
                time.sleep(0.2)
        yield address
    finally:
        server.terminate()
        server.wait(LIMIT)
