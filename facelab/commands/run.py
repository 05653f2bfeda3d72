"""``facelab run``: notebooks by papermill, with other parameters."""

from __future__ import annotations

from typing import Annotated

import typer

from facelab.commands.console import console
from facelab.commands.parameters import Parameters, Preset, notebook_values


def run(
    notebooks: Annotated[list[str], typer.Argument(help="Numbers or names, or 'all'.")],
    preset: Preset = None,
    param: Parameters = None,
) -> None:
    """Run notebooks by papermill into runs/notebooks; the measured numbers go to runs/records."""
    from facelab.labs.build import prepare_run, run_notebook
    from facelab.labs.parameters import find_sources, resolve_parameters

    sources, values = find_sources(notebooks), notebook_values(preset, param)
    # a wrong parameter is refused before the first notebook runs, and so is what is not on this machine
    parameters = [resolve_parameters(source, values, parse=True) for source in sources]
    for checked in parameters:
        prepare_run(checked)
    for number, (source, checked) in enumerate(zip(sources, parameters, strict=True), start=1):
        console.print(f"[{number}/{len(sources)}] {source.stem} (preset {checked['preset']}) ...")
        console.print(f"    {run_notebook(source, checked)}")
