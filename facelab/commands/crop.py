"""``facelab crop``: the faces of a folder of photographs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from facelab.commands.console import console
from facelab.errors import BadParameterError


def crop(
    in_dir: Annotated[Path, typer.Argument(help="Folder tree of photographs.")],
    out_dir: Annotated[Path, typer.Argument(help="New folder for the faces, or one begun with the same settings.")],
    detector: Annotated[str, typer.Option(help="yunet or haar.")] = "yunet",
    size: Annotated[int, typer.Option(help="Side of the crops in pixels.")] = 112,
    margin: Annotated[float, typer.Option(help="Room around the face, as a share of the side.")] = 0.0,
    padding: Annotated[
        float, typer.Option(help="Border added before the search, as a share of the shorter side.")
    ] = 0.0,
    upscale: Annotated[float, typer.Option(help="Enlarge before the search, for faces below 24 pixels.")] = 1.0,
    workers: Annotated[int, typer.Option(min=1, help="Threads.")] = 2,
) -> None:
    """Crop the largest face of every photograph, aligned by the eyes; resumable. Exit code 1 if a photograph has no crop."""
    from facelab.cropping import HaarDetector, YuNetDetector, crop_tree

    known = {
        "yunet": lambda: YuNetDetector(padding=padding, upscale=upscale),
        "haar": lambda: HaarDetector(("frontal", "profile", "profile_flipped"), padding=padding, upscale=upscale),
    }
    if detector not in known:
        raise BadParameterError(f"No detector is called {detector!r}.", f"There are: {', '.join(known)}.")
    report = crop_tree(in_dir, out_dir, known[detector](), size, margin, workers)
    console.print(str(report), markup=False)
    for file, reason in report.failures:
        console.print(f"no crop: {file}: {reason}", markup=False)
    if report.failures:
        raise typer.Exit(1)
