"""``facelab crop``: the faces of a folder of photographs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from facelab.commands.console import console
from facelab.commands.output_tree import print_foreign, print_mended, print_some
from facelab.errors import BadParameterError, nearest_name
from facelab.paths import user_path

if TYPE_CHECKING:
    from facelab.cropping.framing import Framing


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
    max_side: Annotated[
        int | None, typer.Option(help="Larger photographs are shrunk to this before the search [640; haar: 1000].")
    ] = None,
    workers: Annotated[int, typer.Option(min=1, help="Threads.")] = 2,
    prune: Annotated[bool, typer.Option(help="Remove earlier crops whose photograph is gone.")] = False,
) -> None:
    """Crop the largest face of every photograph, aligned by the eyes; resumable. Exit code 1 if a photograph has no crop."""
    from facelab.cropping import HaarDetector, YuNetDetector, crop_tree

    known = {"yunet": YuNetDetector(upscale=1), "haar": HaarDetector(("frontal", "profile", "profile_flipped"))}
    if detector not in known:
        raise BadParameterError(
            f"No detector is called {detector!r}.{nearest_name(detector, known)}", f"There are: {', '.join(known)}."
        )
    plain = known[detector]
    chosen = replace(plain, padding=padding, upscale=upscale, max_side=plain.max_side if max_side is None else max_side)
    report = crop_tree(user_path(in_dir), user_path(out_dir), chosen, size, margin, workers, prune)
    console.print(str(report))
    for file, reason in report.failures:
        console.print(f"no crop: {file}: {reason}")
    for file, reason in report.other_files:
        console.print(f"no photograph: {file}: {reason}")
    print_mended(report.mended_files, "made again, the crop")
    fate = ": removed" if report.is_pruned else ": left there; --prune removes them"
    print_some(report.leftover_crops, "crop", "crops", "whose photograph is gone", fate)
    print_foreign(report.foreign_files, out_dir)
    sizes = [row.photo_size for row in report.rows if row.photo_size]
    for line in _options_without_effect(chosen.framing(), plain.framing(), sizes):
        console.print(line)
    if report.failures:
        raise typer.Exit(1)


def _options_without_effect(chosen: Framing, plain: Framing, sizes: list[tuple[int, int]]) -> list[str]:
    """Which options would have been left out as well, and for how many photographs.

    Args:
        chosen: with the options.
        plain: without them.
        sizes: (width, height) of the photographs.
    """
    reasons = {
        "padding": "it is less than a pixel",
        "upscale": f"they are shrunk to --max-side {chosen.max_side} before the search all the same",
        "max_side": "they are smaller anyway",
    }
    lines = []
    for name, reason in reasons.items():
        without = replace(chosen, **{name: getattr(plain, name)})
        count = 0 if without == chosen else sum(without.layout(*size) == chosen.layout(*size) for size in sizes)
        if count:
            option = name.replace("_", "-")
            lines.append(f"--{option} changed nothing for {count} of {len(sizes)} photographs: {reason}")
    return lines
