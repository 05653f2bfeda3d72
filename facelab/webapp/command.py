"""``facelab app``: from the words of the command line to the running service."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from facelab.errors import FacelabError

_EXTRA = {"fastapi", "uvicorn", "cryptography", "starlette", "pydantic", "anyio"}


def start(
    host: str,
    port: int,
    cert: Path | None,
    key: Path | None,
    embedder: str,
    calibration: Path | None,
    folder: Path | None,
    lab: bool,
    say: Callable[[str], None] = print,
) -> None:
    """Start Face-ID and serve until Ctrl-C; arguments as the options of the command, ``say`` tells the user a line.

    Raises:
        FacelabError: whatever keeps it from starting, in one line.
    """
    try:
        from facelab.webapp import serve, settings
    except ModuleNotFoundError as error:
        if error.name not in _EXTRA:
            raise
        raise FacelabError(f"facelab app needs {error.name}.", "pip install 'facelab[app]'") from error

    address = serve.Address(host, port, cert, key)
    serve.check_address(address, lab)
    chosen = settings.Settings(folder=folder or settings.default_folder(), lab=lab, secure=cert is not None)
    service = serve.new_service(chosen, embedder, calibration)
    opened = serve.listen(address)
    say(f"Face-ID: {serve.url_of(address, opened)}  (Ctrl-C ends it)")
    say(f"embedder: {service.calibration.embedder}")
    say(f"calibration: {service.calibration}")
    say(f"folder: {chosen.folder}, key: {chosen.key_file}")
    others = service.store.of_other_embedders(service.calibration.fingerprint)
    if others:
        say(f"{others} accounts were made with another embedder: they cannot log in with this one.")
    serve.run(service, address, opened)
