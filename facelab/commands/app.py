"""``facelab app``: from the words of the command line to the running Face-ID service."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from facelab.commands.app_settings import accounts_settings
from facelab.commands.console import console
from facelab.errors import BadParameterError
from facelab.extras import needs_extra
from facelab.paths import user_path

if TYPE_CHECKING:
    from facelab.webapp.server import ServerAddress


def app(
    host: Annotated[
        str, typer.Option(help="Address to listen on; any but this machine's own needs --cert and --key.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: any free one.")] = 8000,
    cert: Annotated[str | None, typer.Option(help="PEM file of the certificate, for https.")] = None,
    key: Annotated[str | None, typer.Option(help="PEM file of its key.")] = None,
    embedder: Annotated[
        str,
        typer.Option(help="sface, a method.pt of facelab train, a folder of facelab export, or an .onnx file."),
    ] = "sface",
    calibration: Annotated[
        str | None, typer.Option(help="Made by notebook 10 for this embedder; sface has one already.")
    ] = None,
    folder: Annotated[str | None, typer.Option(help="Of the accounts; the user's data folder by default.")] = None,
    second_factor: Annotated[
        str | None,
        typer.Option(
            help="Beside the face: none (this machine alone; its default), passphrase, or passkey (the default beyond it)."
        ),
    ] = None,
    lab: Annotated[bool, typer.Option(help="Show scores, for the course; on this machine alone.")] = False,
    clock_is_right: Annotated[
        bool,
        typer.Option("--clock-is-right", help="After a pause of more than 30 days: idle accounts are deleted again."),
    ] = False,
    check: Annotated[
        bool,
        typer.Option(
            "--check", help="Only say whether all is sound, and what a purge would remove; exit code 1 if not."
        ),
    ] = False,
) -> None:
    """Face-ID: sign up and log in by face, in the browser. Ctrl-C ends it."""
    with needs_extra("facelab app", "app"):
        from facelab.webapp.core_dumps import forbid_core_dumps
        from facelab.webapp.server import ServerAddress

    forbid_core_dumps()
    if check:
        idle = {"host": host != "127.0.0.1", "port": port != 8000, "cert": cert, "key": key, "lab": lab}
        _refuse_idle_options(idle | {"second-factor": second_factor, "clock-is-right": clock_is_right})
        _check(folder, embedder, calibration)
        return
    if host.startswith("[") and host.endswith("]"):  # as it stands in the address of a page
        host = host[1:-1]
    address = ServerAddress(host, port, _path(cert), _path(key))
    _serve(address, folder, embedder, calibration, second_factor, lab, clock_is_right)


def _serve(
    address: ServerAddress,
    folder: str | None,
    embedder: str,
    calibration: str | None,
    second_factor: str | None,
    lab: bool,
    clock_is_right: bool,
) -> None:
    from facelab.webapp import server
    from facelab.webapp.account_factors import choose_kind
    from facelab.webapp.passkey import passkey_origins

    server.check_address(address, lab)
    with closing(server.open_socket(address)) as listening_socket:
        urls = server.page_urls(address, listening_socket)
        chosen = replace(
            accounts_settings(folder),
            lab_mode=lab,
            https=address.cert is not None,
            second_factor=choose_kind(second_factor, server.is_loopback(address.host), urls),
            urls=tuple(urls),
            clock_is_right=clock_is_right,
        )
        service = server.new_service(chosen, embedder, _path(calibration), decode_in_processes=True)
        console.print(f"Face-ID: {' or '.join(urls)}  (Ctrl-C ends it)")
        console.print(f"embedder: {service.calibration.embedder}")
        console.print(f"calibration: {service.calibration}")
        console.print(f"folder: {chosen.folder}, key: {chosen.key_file}")
        only = f", at {' or '.join(passkey_origins(urls).values())} alone" if chosen.second_factor == "passkey" else ""
        console.print(f"second factor: {chosen.second_factor}{only}")
        others = service.store.count_accounts_without_template(service.calibration.fingerprint)
        if others:
            console.print(f"{others} accounts were made with another embedder: they cannot log in with this one.")
        unlike = service.store.count_accounts_with_other_factor(chosen.second_factor)
        if unlike:
            console.print(f"{unlike} accounts have another second factor: they cannot log in with this one.")
        server.run_service(service, address, listening_socket)


def _refuse_idle_options(given: Mapping[str, object]) -> None:
    names = ", ".join(f"--{name}" for name, value in given.items() if value)
    if names:
        raise BadParameterError(f"--check opens no service: {names} would change nothing.", "Leave that out.")


def _check(folder: str | None, embedder: str, calibration: str | None) -> None:
    from facelab.exchange.embedders import new_embedder
    from facelab.webapp.checkup import check_accounts, check_measurements

    known = new_embedder(embedder)
    findings = check_accounts(accounts_settings(folder), {known.fingerprint: known.name})
    findings += check_measurements(known, _path(calibration))
    for finding in findings:
        console.print(f"{finding.subject}: {finding.text}")
    if any(finding.is_fault for finding in findings):
        raise typer.Exit(1)


def _path(text: str | None) -> Path | None:
    return None if text is None else user_path(text)
