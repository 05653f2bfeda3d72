"""``facelab start``: a student's own copy of the course."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from facelab.commands.console import console, error_console

_MOST_NAMED = 5  # new files; more are counted


def start(
    folder: Annotated[Path, typer.Argument(help="Where the copy is, or shall be.")],
    update: Annotated[
        bool, typer.Option("--update", help="Write the new file beside each one that you changed (NAME.new.ipynb).")
    ] = False,
    restore: Annotated[bool, typer.Option("--restore", help="Bring back the files that you deleted.")] = False,
) -> None:
    """Lay out your own copy of the course: notebooks, figures, and START.md, which says how to go on.

    Called again, after an update of facelab, it brings the copy up to date. A file that you changed is never overwritten.
    """
    from facelab.labs.course_copy import START_PAGE, lay_out
    from facelab.paths import absolute_path

    place = absolute_path(folder)
    report = lay_out(place, update=update, restore=restore)
    if report.damaged:
        error_console.print("The list of what was laid out here is damaged: each file that differs counts as yours.")
    _say("new", report.added if len(report.added) <= _MOST_NAMED else [f"{len(report.added)} files"])
    _say("brought up to date", report.replaced)
    _say("changed by you, so kept", report.own)
    _say("changed by you, so kept, though there is a newer one", report.kept)
    _say("the newer ones, written beside yours", report.beside)
    _say("not written, since something else has this name (move it away)", report.blocked)
    _say("not brought back, since you deleted them (--restore brings them back)", report.deleted)
    _say("left, but no longer a part of the course", report.dropped)
    if report.kept and not update:
        console.print("To have the newer ones beside yours: add --update.")
    if not (report.added or report.replaced or report.kept):
        console.print("Nothing is new.")
    console.print(f"The course is in {place}. Go there (cd), and read {START_PAGE}.")


def _say(what: str, names: list[str]) -> None:
    if names:
        console.print(f"{what}: {', '.join(names)}")
