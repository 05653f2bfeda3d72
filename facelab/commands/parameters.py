"""``-p name=value``, as several commands take it."""

from __future__ import annotations

from typing import Annotated

import typer

from facelab.errors import BadParameterError

Parameters = Annotated[list[str] | None, typer.Option("--param", "-p", help="name=value, as often as needed.")]


def parse_parameters(words: list[str] | None) -> dict[str, str]:
    """``["epochs=3"]`` to ``{"epochs": "3"}``.

    Raises:
        BadParameterError: a word without ``=``.
    """
    for word in words or []:
        if "=" not in word:
            raise BadParameterError(f"-p {word!r} has no '='.", "Write -p name=value.")
    return dict(word.split("=", 1) for word in words or [])
