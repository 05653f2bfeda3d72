"""The HTTP interface: every operation reads its request, calls the service and writes its answer, no more."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import asdict
from datetime import datetime, timezone
from pathlib import Path
from typing import Annotated

from fastapi import Cookie, Depends, FastAPI, Header, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException

from facelab.webapp.frames import TYPES
from facelab.webapp.guard import Guard, answer
from facelab.webapp.messages import (
    ErrorAnswer,
    FrameResult,
    LogInAnswer,
    LogInRequest,
    MeAnswer,
    NameAnswer,
    ShotResult,
    SignUpAnswer,
    SignUpRequest,
    StateAnswer,
    WhoResult,
)
from facelab.webapp.problems import Problem
from facelab.webapp.service import Answer, Service, shots_of_the_page
from facelab.webapp.signup import SHOTS
from facelab.webapp.store import Account

PAGE = Path(__file__).with_name("page")
COOKIE = "faceid"
_DAY = 86_400
_LOG = logging.getLogger("uvicorn.error")  # the log that the server prints
_PHOTOGRAPH = {"schema": {"type": "string", "format": "binary"}}
_FRAME_BODY = {"requestBody": {"required": True, "content": dict.fromkeys(TYPES, _PHOTOGRAPH)}}


async def _frame(request: Request) -> bytes:
    """The bytes of a photograph; ``Guard`` has seen to their number."""
    if request.headers.get("content-type", "").split(";")[0].strip().lower() not in TYPES:
        raise Problem("wrong_type")
    return await request.body()


def _from_the_page(x_faceid: Annotated[str, Header(pattern="^1$", description="Always 1.")]) -> None:
    """Only so that the description names the header; ``Guard`` has checked it."""


Session = Annotated[str | None, Cookie(alias=COOKIE, description="Set by a log-in.")]


def _account(request: Request, session: Session = None) -> Account:
    account = request.app.state.service.account_of(session)
    if account is None:
        raise Problem("not_signed_in")
    return account


Frame = Annotated[bytes, Depends(_frame)]
SignedIn = Annotated[Account, Depends(_account)]
_CHANGES = [Depends(_from_the_page)]


def _errors(*statuses: int) -> dict[int | str, dict]:
    """The refusals of an operation, for the description."""
    return {status: {"model": ErrorAnswer, "description": "Refused."} for status in sorted({403, *statuses})}


def new_app(service: Service, hosts: Collection[str]) -> FastAPI:
    """The application.

    Args:
        service: what it serves; who opened it closes it.
        hosts: names that it answers to, without port.
    """

    @asynccontextmanager
    async def life(_: FastAPI) -> AsyncIterator[None]:
        cleaning = asyncio.create_task(_purge_daily(service))
        yield
        cleaning.cancel()

    app = FastAPI(title="facelab Face-ID", version="1", docs_url=None, redoc_url=None, lifespan=life)
    app.state.service = service
    app.add_middleware(Guard, hosts=hosts)
    _add_errors(app)
    _add_sign_up(app, service)
    _add_log_in(app, service)
    _add_account(app, service)
    _add_page(app)
    return app


async def _purge_daily(service: Service) -> None:
    while True:
        await asyncio.sleep(_DAY)
        await asyncio.to_thread(service.purge)


def _add_errors(app: FastAPI) -> None:
    @app.exception_handler(Problem)
    async def problem(_: Request, error: Problem) -> JSONResponse:
        return answer(error)

    @app.exception_handler(sqlite3.Error)
    async def storage(_: Request, error: sqlite3.Error) -> JSONResponse:
        _LOG.error("The database cannot be used: %s", error)
        return answer(Problem("storage"))

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> JSONResponse:
        unread = any(fault["type"] == "json_invalid" for fault in error.errors())
        return answer(Problem("not_json" if unread else "bad_request"))

    @app.exception_handler(HTTPException)
    async def other(_: Request, error: HTTPException) -> JSONResponse:
        code = {400: "not_json", 405: "wrong_method"}.get(error.status_code, "not_found")
        told = answer(Problem(code))
        told.headers.update(error.headers or {})
        return told


def _add_sign_up(app: FastAPI, service: Service) -> None:
    @app.get("/api/state", responses=_errors())
    def state(session: Session = None) -> StateAnswer:
        """What the page needs at its start."""
        account = service.account_of(session)
        return StateAnswer(
            signed_in=account.name if account else None,
            lab=service.settings.lab,
            embedder=service.calibration.embedder,
            keep_days=service.settings.idle_days,
            consent={"version": service.terms.version, "text": list(service.terms.text)},
            shots=shots_of_the_page(),
        )

    @app.post("/api/sign-up", status_code=201, responses=_errors(400, 409, 413, 422, 429), dependencies=_CHANGES)
    def begin_sign_up(asked: SignUpRequest, request: Request) -> SignUpAnswer:
        """Begin a sign-up."""
        token = service.begin_sign_up(asked.name, asked.consent, asked.findable, _address(request))
        return SignUpAnswer(sign_up=token, taken=0, needed=len(SHOTS), say=SHOTS[0].say)

    @app.post(
        "/api/sign-up/{token}/shots",
        response_model_exclude_unset=True,
        responses=_errors(404, 413, 415, 422, 429),
        dependencies=_CHANGES,
        openapi_extra=_FRAME_BODY,
    )
    def shot(token: str, frame: Frame, request: Request) -> ShotResult:
        """A frame for the next shot."""
        found = service.shot(token, frame, _address(request))
        accepted = found.state == "taken"
        return ShotResult(
            accepted=accepted, hint=_hint(found), taken=found.taken, needed=len(SHOTS), say=found.say, **_lab(found)
        )

    @app.post(
        "/api/sign-up/{token}/finish", status_code=201, responses=_errors(404, 409, 413, 422), dependencies=_CHANGES
    )
    def finish_sign_up(token: str) -> NameAnswer:
        """Keep the account."""
        return NameAnswer(name=service.finish_sign_up(token))

    @app.delete("/api/sign-up/{token}", status_code=204, responses=_errors(404, 413, 422), dependencies=_CHANGES)
    def forget_sign_up(token: str) -> None:
        """Forget a sign-up."""
        service.forget_sign_up(token)


def _add_log_in(app: FastAPI, service: Service) -> None:
    @app.post("/api/log-in", status_code=201, responses=_errors(400, 413, 422, 429), dependencies=_CHANGES)
    def begin_log_in(asked: LogInRequest, request: Request) -> LogInAnswer:
        """Begin a log-in. The answer is the same for names that do not exist."""
        nonce = service.begin_log_in(asked.name, _address(request))
        return LogInAnswer(challenge=nonce, say=SHOTS[0].say, seconds=service.settings.log_in_seconds)

    @app.post(
        "/api/log-in/{nonce}/frames",
        response_model_exclude_unset=True,
        responses=_errors(404, 413, 415, 422, 429),
        dependencies=_CHANGES,
        openapi_extra=_FRAME_BODY,
    )
    def frame(nonce: str, frame: Frame, request: Request, response: Response) -> FrameResult:
        """A frame of a log-in."""
        found = service.frame(nonce, frame, _address(request))
        if found.session is not None:
            length = int(service.settings.session_seconds)
            response.set_cookie(COOKIE, found.session, max_age=length, **_cookie_flags(service))
        name = {} if found.name is None else {"name": found.name}
        return FrameResult(state=found.state, say=found.say, hint=_hint(found), **name, **_lab(found))

    @app.post(
        "/api/who-am-i",
        response_model_exclude_unset=True,
        responses=_errors(413, 415, 422, 429),
        dependencies=_CHANGES,
        openapi_extra=_FRAME_BODY,
    )
    def who_am_i(frame: Frame, request: Request) -> WhoResult:
        """Who a frame shows, among those who may be found."""
        found = service.who_am_i(frame, _address(request))
        return WhoResult(name=found.name, hint=_hint(found), **_lab(found))


def _add_account(app: FastAPI, service: Service) -> None:
    @app.post("/api/log-out", status_code=204, responses=_errors(413, 422), dependencies=_CHANGES)
    def log_out(response: Response, session: Session = None) -> None:
        """End the session."""
        service.log_out(session)
        response.delete_cookie(COOKIE, **_cookie_flags(service))

    @app.get("/api/me", responses=_errors(401))
    def me(account: SignedIn) -> MeAnswer:
        """All that is stored about the account."""
        return MeAnswer(
            name=account.name,
            created=_date(account.created),
            last_login=None if account.last_login is None else _date(account.last_login),
            consent={"version": account.consent, "time": _date(account.created)},
            findable=account.findable,
            templates=service.store.templates(account.id),
            embedder=service.calibration.embedder,
            audit=[asdict(event) | {"time": _date(event.time)} for event in service.store.events(account.id)],
        )

    @app.delete("/api/me", status_code=204, responses=_errors(401, 413, 422), dependencies=_CHANGES)
    def delete_me(account: SignedIn, response: Response) -> None:
        """Delete the account for good."""
        service.delete(account)
        response.delete_cookie(COOKIE, **_cookie_flags(service))


def _add_page(app: FastAPI) -> None:
    @app.get("/", include_in_schema=False)
    def index() -> FileResponse:
        return FileResponse(PAGE / "index.html")

    app.mount("/page", StaticFiles(directory=PAGE))


def _cookie_flags(service: Service) -> dict:
    """No script reads it, no other site sends it, and where the page came by https it travels by https alone."""
    return {"httponly": True, "samesite": "strict", "secure": service.settings.secure}


def _address(request: Request) -> str:
    return request.client.host if request.client else "unknown"


def _date(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def _hint(found: Answer) -> dict[str, str] | None:
    return None if found.hint is None else asdict(found.hint)


def _lab(found: Answer) -> dict[str, dict[str, float]]:
    """Figures are in an answer in lab mode alone; otherwise not even their name is."""
    return {} if found.lab is None else {"lab": found.lab}
