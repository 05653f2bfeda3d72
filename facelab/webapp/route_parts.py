"""What the routes of several files share: the refusals in their description, the page's header, and whose request it is."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Header, Request

from facelab.webapp.messages import ErrorResponse


def _from_the_page(x_faceid: Annotated[str, Header(pattern="^1$", description="Always 1.")]) -> None:
    """Only so that the description names the header; ``SecurityMiddleware`` has checked it."""


CHANGES = [Depends(_from_the_page)]  #: of every operation that changes something


def errors(*statuses: int) -> dict[int | str, dict]:
    """The refusals of an operation, for the description."""
    return {status: {"model": ErrorResponse, "description": "Refused."} for status in sorted({403, *statuses})}


def client_address(request: Request) -> str:
    """The address that a request came from."""
    return request.client.host if request.client else "unknown"
