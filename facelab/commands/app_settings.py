"""What ``facelab app`` and ``facelab accounts`` share: the packages that they need, and where the accounts are."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from facelab.errors import FacelabError
from facelab.paths import user_path

if TYPE_CHECKING:
    from facelab.webapp.settings import Settings

_EXTRA = {"fastapi", "uvicorn", "cryptography", "starlette", "pydantic", "anyio", "webauthn"}


@contextmanager
def needs_app_extra(command: str) -> Iterator[None]:
    """Import what belongs to the extra ``app`` within the block.

    Raises:
        FacelabError: it is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name not in _EXTRA:
            raise
        raise FacelabError(f"{command} needs {error.name}.", "pip install 'facelab[app]'") from error


def accounts_settings(folder: str | None) -> Settings:
    """The settings of a service whose accounts are in a folder that a user typed; None: the user's data folder."""
    from facelab.webapp.settings import Settings, default_folder

    return Settings(folder=default_folder() if folder is None else user_path(folder))
