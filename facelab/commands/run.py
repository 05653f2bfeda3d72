"""``facelab run``: notebooks by papermill, with other parameters."""

from __future__ import annotations

from typing import Annotated

import typer

from facelab.commands.console import console
from facelab.commands.parameters import Parameters, parse_parameters


def run(
    notebooks: Annotated[list[str], typer.Argument(help="Numbers or names, or 'all'.")],
    preset: Annotated[
        str, typer.Option(help="smoke: seconds; laptop: minutes; paper: the papers' settings, on a GPU.")
    ] = "laptop",
    param: Parameters = None,
) -> None:
    """Run notebooks by papermill into runs/notebooks; the measured numbers go to runs/records."""
    from facelab.labs.build import run_notebook
    from facelab.labs.parameters import find_source, notebook_sources, resolve_parameters

    found = notebook_sources() if notebooks == ["all"] else [find_source(name) for name in notebooks]
    values = {"preset": preset, **parse_parameters(param)}
    for source in found:
        resolve_parameters(source, values, parse=True)  # refuse a wrong parameter before the first notebook runs
    for number, source in enumerate(found, start=1):
        console.print(f"[{number}/{len(found)}] {source.stem} (preset {values['preset']}) ...", markup=False)
        console.print(f"    {run_notebook(source, values, parse=True)}", markup=False, soft_wrap=True)
