"""``facelab app``: from the words of the command line to the running Face-ID service."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

from facelab.commands.console import console
from facelab.errors import FacelabError
from facelab.paths import user_path

_EXTRA = {"fastapi", "uvicorn", "cryptography", "starlette", "pydantic", "anyio"}


def app(
    host: Annotated[
        str, typer.Option(help="Address to listen on; any but this machine's own needs --cert and --key.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: any free one.")] = 8000,
    cert: Annotated[str | None, typer.Option(help="PEM file of the certificate, for https.")] = None,
    key: Annotated[str | None, typer.Option(help="PEM file of its key.")] = None,
    embedder: Annotated[str, typer.Option(help="sface, or the method.pt of a facelab train.")] = "sface",
    calibration: Annotated[
        str | None, typer.Option(help="Made by notebook 10 for this embedder; sface has one already.")
    ] = None,
    folder: Annotated[str | None, typer.Option(help="Of the accounts; the user's data folder by default.")] = None,
    lab: Annotated[bool, typer.Option(help="Show scores, for the course; on this machine alone.")] = False,
    clock_is_right: Annotated[
        bool,
        typer.Option("--clock-is-right", help="After a pause of more than 30 days: idle accounts are deleted again."),
    ] = False,
) -> None:
    """Face-ID: sign up and log in by face, in the browser. Ctrl-C ends it."""
    try:
        from facelab.webapp import server, settings
    except ModuleNotFoundError as error:
        if error.name not in _EXTRA:
            raise
        raise FacelabError(f"facelab app needs {error.name}.", "pip install 'facelab[app]'") from error

    if host.startswith("[") and host.endswith("]"):  # as it stands in the address of a page
        host = host[1:-1]
    address = server.ServerAddress(host, port, _path(cert), _path(key))
    server.check_address(address, lab)
    chosen = settings.Settings(
        folder=_path(folder) or settings.default_folder(),
        lab_mode=lab,
        https=cert is not None,
        clock_is_right=clock_is_right,
    )
    with closing(server.open_socket(address)) as listening_socket:
        service = server.new_service(chosen, embedder, _path(calibration))
        console.print(f"Face-ID: {' or '.join(server.page_urls(address, listening_socket))}  (Ctrl-C ends it)")
        console.print(f"embedder: {service.calibration.embedder}")
        console.print(f"calibration: {service.calibration}")
        console.print(f"folder: {chosen.folder}, key: {chosen.key_file}")
        others = service.store.count_accounts_without_template(service.calibration.fingerprint)
        if others:
            console.print(f"{others} accounts were made with another embedder: they cannot log in with this one.")
        server.run_service(service, address, listening_socket)


def _path(text: str | None) -> Path | None:
    return None if text is None else user_path(text)
