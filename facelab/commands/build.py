"""``facelab build``: the stored notebooks again from their sources."""

from __future__ import annotations

from typing import Annotated

import typer

from facelab.commands.console import console


def build(
    notebooks: Annotated[list[str] | None, typer.Argument(help="Numbers or names; all by default.")] = None,
    text: Annotated[
        bool, typer.Option("--text", help="Bring only the text up to date; no code is run, the outputs stay.")
    ] = False,
) -> None:
    """Run notebooks/src/NN_name.py at its default parameters and store it with its outputs as notebooks/NN_name.ipynb."""
    import nbformat

    from facelab.labs.build import build_notebook, update_text
    from facelab.labs.parameters import find_sources
    from facelab.paths import project_root

    project_root()  # an installed package is never written to
    rebuild = update_text if text else build_notebook
    for source in find_sources(notebooks or ["all"]):
        console.print(f"building {source.stem} ...")
        path = rebuild(source)
        seconds = nbformat.read(path, as_version=4).metadata["facelab"]["seconds"]
        console.print(f"  {seconds} s, {path.stat().st_size / 1024:.0f} kB")
