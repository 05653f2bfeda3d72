"""The operations that ask a browser for a passkey. Its answer comes with the sign-up or the log-in."""

from __future__ import annotations

from fastapi import FastAPI, Request

from facelab.webapp.messages import PasskeyCreationRequest, PasskeyOptionsResponse
from facelab.webapp.middleware import host_without_port
from facelab.webapp.route_parts import CHANGES, client_address, errors
from facelab.webapp.service import FaceIdService


def add_passkey_routes(app: FastAPI, service: FaceIdService) -> None:
    """Add the operations to an application."""

    @app.post("/api/passkey/creation", responses=errors(400, 409, 413, 422, 429), dependencies=CHANGES)
    def creation(body: PasskeyCreationRequest, request: Request) -> PasskeyOptionsResponse:
        """What ``navigator.credentials.create`` needs for a sign-up."""
        options = service.passkey_creation(body.name, _host(request), client_address(request))
        return PasskeyOptionsResponse(public_key=options)

    @app.post("/api/passkey/request", responses=errors(413, 422, 429), dependencies=CHANGES)
    def request_one(request: Request) -> PasskeyOptionsResponse:
        """What ``navigator.credentials.get`` needs for a log-in, whoever is claimed."""
        options = service.passkey_request(_host(request), client_address(request))
        return PasskeyOptionsResponse(public_key=options)


def _host(request: Request) -> str:
    return host_without_port(request.headers.get("host", ""))
