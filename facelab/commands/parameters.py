"""``-p name=value``, as several commands take it."""

from __future__ import annotations

from typing import Annotated

import typer

from facelab.errors import BadParameterError

Parameters = Annotated[list[str] | None, typer.Option("--param", "-p", help="name=value, as often as needed.")]
Preset = Annotated[
    str | None,
    typer.Option(help="smoke: seconds; laptop: minutes; paper: the papers' settings, on a GPU.", show_default="laptop"),
]


def parse_parameters(words: list[str] | None) -> dict[str, str]:
    """``["epochs=3"]`` to ``{"epochs": "3"}``.

    Raises:
        BadParameterError: a word that is not ``name=value``, or a name that is given twice.
    """
    values: dict[str, str] = {}
    for word in words or []:
        name, equals, value = word.partition("=")
        name = name.strip()
        if not equals:
            raise BadParameterError(f"-p {word!r} has no '='.", "Write -p name=value.")
        if not name or value.startswith("="):
            raise BadParameterError(f"-p {word!r} is not of the form name=value.", "Write -p name=value, with one '='.")
        if name in values:
            raise BadParameterError(f"-p names {name!r} twice.", "Give each parameter once.")
        values[name] = value
    return values


def notebook_values(preset: str | None, words: list[str] | None) -> dict[str, str]:
    """What ``--preset`` and ``-p`` say of the parameters of a notebook.

    Raises:
        BadParameterError: as for ``parse_parameters``, or both name the preset.
    """
    values = parse_parameters(words)
    if preset is None:
        return values
    if "preset" in values:
        raise BadParameterError("The preset is given twice.", "Give either --preset or -p preset=.")
    return {"preset": preset, **values}
