"""The HTTP interface: every operation reads its request, calls the service and writes its answer, no more."""

from __future__ import annotations

import asyncio
import functools
import logging
import sqlite3
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from dataclasses import asdict
from datetime import datetime, timezone
from pathlib import Path
from typing import Annotated

from anyio import to_thread
from fastapi import Depends, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException

from facelab.webapp.account_store import Account
from facelab.webapp.consent import kept_text
from facelab.webapp.frame_bounds import is_laborious
from facelab.webapp.frames import MEDIA_TYPES
from facelab.webapp.messages import (
    AccountResponse,
    DeletionResponse,
    FrameResponse,
    IdentificationResponse,
    LogInRequest,
    LogInResponse,
    NameResponse,
    ShotResponse,
    SignUpRequest,
    SignUpResponse,
    StateResponse,
)
from facelab.webapp.middleware import SecurityMiddleware, problem_response
from facelab.webapp.passkey_routes import add_passkey_routes
from facelab.webapp.problems import Problem
from facelab.webapp.route_parts import CHANGES, client_address, errors
from facelab.webapp.second_factor import Proof
from facelab.webapp.seen_table import KEPT_DAYS
from facelab.webapp.service import FaceIdService, FrameOutcome, shot_instructions
from facelab.webapp.session_cookie import SessionToken, delete_session, set_session
from facelab.webapp.signup import SHOTS
from facelab.webapp.work_queue import WorkQueue

PAGE_FOLDER = Path(__file__).with_name("page")
_DAY, _MINUTE = 86_400, 60
_LOG = logging.getLogger("uvicorn.error")  # the log that the server prints
_PHOTOGRAPH = {"schema": {"type": "string", "format": "binary"}}
_FRAME_BODY = {"requestBody": {"required": True, "content": dict.fromkeys(MEDIA_TYPES, _PHOTOGRAPH)}}


async def _frame(request: Request) -> bytes:
    """The bytes of a photograph; ``SecurityMiddleware`` has seen to their number."""
    if request.headers.get("content-type", "").split(";")[0].strip().lower() not in MEDIA_TYPES:
        raise Problem("wrong_type")
    return await request.body()


def _account(request: Request, session: SessionToken) -> Account:
    account = request.app.state.service.session_account(session)
    if account is None:
        raise Problem("not_signed_in")
    return account


FrameBytes = Annotated[bytes, Depends(_frame)]
SignedInAccount = Annotated[Account, Depends(_account)]


def new_app(service: FaceIdService, allowed_hosts: Collection[str]) -> FastAPI:
    """The application.

    Args:
        service: what it serves; who opened it closes it.
        allowed_hosts: names that it answers to, in lower case, without port.
    """

    @asynccontextmanager
    async def life(_: FastAPI) -> AsyncIterator[None]:
        cleaning = [
            asyncio.create_task(_repeat(_DAY, service.purge)),
            asyncio.create_task(_repeat(_MINUTE, service.forget_expired)),
        ]
        yield
        for task in cleaning:
            task.cancel()

    app = FastAPI(title="facelab Face-ID", version="1", docs_url=None, redoc_url=None, lifespan=life)
    app.state.service = service
    open_bodies = service.settings.limits.open_bodies
    app.add_middleware(SecurityMiddleware, allowed_hosts=allowed_hosts, open_bodies=open_bodies)
    _add_errors(app)
    queue = WorkQueue(service.settings.limits.waiting_frames)
    passphrases = WorkQueue(service.settings.limits.waiting_frames, workers=1)  # each takes 19 MiB
    _add_sign_up(app, service, queue, passphrases)
    _add_log_in(app, service, queue, passphrases)
    add_passkey_routes(app, service)
    _add_account(app, service)
    _add_page(app)
    return app


async def _repeat(seconds: float, action: Callable[[], object]) -> None:
    while True:
        await asyncio.sleep(seconds)
        await asyncio.to_thread(action)


def _add_errors(app: FastAPI) -> None:
    @app.exception_handler(Problem)
    async def problem(_: Request, error: Problem) -> JSONResponse:
        return problem_response(error)

    @app.exception_handler(sqlite3.Error)
    async def storage(_: Request, error: sqlite3.Error) -> JSONResponse:
        _LOG.error("The database cannot be used: %s", error)
        return problem_response(Problem("storage"))

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> JSONResponse:
        unread = any(fault["type"] == "json_invalid" for fault in error.errors())
        return problem_response(Problem("not_json" if unread else "bad_request"))

    @app.exception_handler(HTTPException)
    async def other(_: Request, error: HTTPException) -> JSONResponse:
        code = {400: "not_json", 405: "wrong_method"}.get(error.status_code, "not_found")
        response = problem_response(Problem(code))
        response.headers.update(error.headers or {})
        return response


def _add_sign_up(app: FastAPI, service: FaceIdService, queue: WorkQueue, passphrases: WorkQueue) -> None:
    @app.get("/api/state", responses=errors())
    def state(session: SessionToken) -> StateResponse:
        """What the page needs at its start."""
        account = service.session_account(session)
        return StateResponse(
            signed_in=account.name if account else None,
            lab=service.settings.lab_mode,
            embedder=service.calibration.embedder,
            keep_days=service.settings.idle_days,
            visit_days=KEPT_DAYS,
            log_days=service.settings.audit_days,
            consent={"version": service.consent_text.version, "text": list(service.consent_text.paragraphs)},
            shots=shot_instructions(),
            second_factor=service.settings.second_factor,
        )

    @app.post("/api/sign-up", status_code=201, responses=errors(400, 404, 409, 413, 422, 429), dependencies=CHANGES)
    async def begin_sign_up(body: SignUpRequest, request: Request) -> SignUpResponse:
        """Begin a sign-up."""
        address, proof = client_address(request), Proof(body.passphrase, body.passkey)
        begin = functools.partial(service.begin_sign_up, body.name, body.consent, body.findable, address, proof)
        token = await _in_turn(passphrases, address, proof, begin)
        return SignUpResponse(sign_up=token, taken=0, needed=len(SHOTS), say=SHOTS[0].instruction)

    @app.post(
        "/api/sign-up/{token}/shots",
        response_model_exclude_unset=True,
        responses=errors(404, 413, 415, 422, 429),
        dependencies=CHANGES,
        openapi_extra=_FRAME_BODY,
    )
    async def shot(token: str, frame: FrameBytes, request: Request) -> ShotResponse:
        """A frame for the next shot."""
        address = client_address(request)
        outcome = await queue.run(address, lambda: service.submit_shot(token, frame, address), is_laborious(frame))
        accepted = outcome.state == "taken"
        return ShotResponse(
            accepted=accepted,
            hint=_hint(outcome),
            taken=outcome.shots_taken,
            needed=len(SHOTS),
            say=outcome.instruction,
            **_lab(outcome),
        )

    @app.post(
        "/api/sign-up/{token}/finish",
        status_code=201,
        responses=errors(404, 409, 413, 422, 429),
        dependencies=CHANGES,
    )
    def finish_sign_up(token: str) -> NameResponse:
        """Keep the account."""
        return NameResponse(name=service.finish_sign_up(token))

    @app.delete("/api/sign-up/{token}", status_code=204, responses=errors(404, 413, 422, 429), dependencies=CHANGES)
    def forget_sign_up(token: str) -> None:
        """Forget a sign-up."""
        service.forget_sign_up(token)


def _add_log_in(app: FastAPI, service: FaceIdService, queue: WorkQueue, passphrases: WorkQueue) -> None:
    @app.post("/api/log-in", status_code=201, responses=errors(400, 404, 413, 422, 429), dependencies=CHANGES)
    async def begin_log_in(body: LogInRequest, request: Request) -> LogInResponse:
        """Begin a log-in. The answer is the same for names that do not exist, and for a second factor that is wrong."""
        address, proof = client_address(request), Proof(body.passphrase, body.passkey)
        begin = functools.partial(service.begin_log_in, body.name, address, proof)
        nonce = await _in_turn(passphrases, address, proof, begin)
        settings = service.settings
        limits = {"seconds": settings.log_in_seconds, "turn_seconds": settings.turn_seconds}
        return LogInResponse(challenge=nonce, say=SHOTS[0].instruction, **limits)

    @app.post(
        "/api/log-in/{nonce}/frames",
        response_model_exclude_unset=True,
        responses=errors(404, 413, 415, 422, 429),
        dependencies=CHANGES,
        openapi_extra=_FRAME_BODY,
    )
    async def frame(nonce: str, frame: FrameBytes, request: Request, response: Response) -> FrameResponse:
        """A frame of a log-in."""
        address = client_address(request)
        outcome = await queue.run(
            address, lambda: service.submit_log_in_frame(nonce, frame, address), is_laborious(frame)
        )
        if outcome.session is not None:
            set_session(response, service.settings, outcome.session)
        name = {} if outcome.name is None else {"name": outcome.name}
        return FrameResponse(state=outcome.state, say=outcome.instruction, hint=_hint(outcome), **name, **_lab(outcome))

    @app.post(
        "/api/who-am-i",
        response_model_exclude_unset=True,
        responses=errors(413, 415, 422, 429),
        dependencies=CHANGES,
        openapi_extra=_FRAME_BODY,
    )
    async def who_am_i(frame: FrameBytes, request: Request) -> IdentificationResponse:
        """Who a frame shows, among those who may be found."""
        address = client_address(request)
        outcome = await queue.run(address, lambda: service.identify(frame, address), is_laborious(frame))
        return IdentificationResponse(name=outcome.name, hint=_hint(outcome), **_lab(outcome))


def _add_account(app: FastAPI, service: FaceIdService) -> None:
    @app.post("/api/log-out", status_code=204, responses=errors(413, 422, 429), dependencies=CHANGES)
    def log_out(response: Response, session: SessionToken) -> None:
        """End the session."""
        service.log_out(session)
        delete_session(response, service.settings)

    @app.get("/api/me", responses=errors(401))
    def me(account: SignedInAccount) -> AccountResponse:
        """All that is stored about the account."""
        return AccountResponse(
            name=account.name,
            created=_date(account.created),
            last_login=None if account.last_login is None else _date(account.last_login),
            consent={"version": account.consent_version, "time": _date(account.created)},
            findable=account.findable,
            second_factor=account.factor,
            templates=service.store.count_templates(account.id),
            remembered_visits=len(service.store.seen_frames(account.id)),
            embedder=service.calibration.embedder,
            audit=[asdict(event) | {"time": _date(event.time)} for event in service.store.account_events(account.id)],
            consent_text=kept_text(service.store, account.consent_version),
        )

    @app.delete("/api/me", responses=errors(401, 413, 422, 429), dependencies=CHANGES)
    def delete_me(account: SignedInAccount, response: Response) -> DeletionResponse:
        """Delete the account for good."""
        has_traces = service.delete_account(account)
        delete_session(response, service.settings)
        return DeletionResponse(has_traces=has_traces)


def _add_page(app: FastAPI) -> None:
    @app.get("/", include_in_schema=False)
    def index() -> FileResponse:
        return FileResponse(PAGE_FOLDER / "index.html")

    app.mount("/page", StaticFiles(directory=PAGE_FOLDER))


async def _in_turn(queue: WorkQueue, address: str, proof: Proof, begin: Callable[[], str]) -> str:
    """Begin a dialogue; where a passphrase is worked on, in a queue that nothing else waits behind."""
    return await (to_thread.run_sync(begin) if proof.passphrase is None else queue.run(address, begin))


def _date(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def _hint(outcome: FrameOutcome) -> dict[str, str] | None:
    return None if outcome.hint is None else asdict(outcome.hint)


def _lab(outcome: FrameOutcome) -> dict[str, dict[str, float]]:
    """Figures are in an answer in lab mode alone; otherwise not even their name is."""
    return {} if outcome.lab_figures is None else {"lab": outcome.lab_figures}
