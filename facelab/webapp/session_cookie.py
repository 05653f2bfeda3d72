"""The cookie that a session lives in: its name, who may read it, and where it travels."""

from __future__ import annotations

from typing import Annotated

from fastapi import Cookie, Depends, Request, Response

from facelab.webapp.settings import Settings

_PLAIN = "faceid"
#: By https, with a prefix for which browsers take a cookie from this host alone (RFC 6265bis). Another host of the same domain
#: could set the plain name for the whole domain, and so let somebody act in its own account without their knowing.
_OF_THIS_HOST = "__Host-faceid"


def cookie_name(settings: Settings) -> str:
    """What the cookie is called."""
    return _OF_THIS_HOST if settings.https else _PLAIN


def _read(
    request: Request,
    plain: Annotated[str | None, Cookie(alias=_PLAIN, description="Set by a log-in over http.")] = None,
    of_this_host: Annotated[str | None, Cookie(alias=_OF_THIS_HOST, description="Set by a log-in over https.")] = None,
) -> str | None:
    return of_this_host if request.app.state.service.settings.https else plain


#: Of the session that a request belongs to; None where it has none.
SessionToken = Annotated[str | None, Depends(_read)]


def set_session(response: Response, settings: Settings, session: str) -> None:
    """Let the browser keep a session."""
    response.set_cookie(cookie_name(settings), session, max_age=int(settings.session_seconds), **_flags(settings))


def delete_session(response: Response, settings: Settings) -> None:
    """Let the browser forget its session."""
    response.delete_cookie(cookie_name(settings), **_flags(settings))


def _flags(settings: Settings) -> dict:
    """No script reads it, no other site sends it, and where the page came by https it travels by https alone."""
    return {"httponly": True, "samesite": "strict", "secure": settings.https}
