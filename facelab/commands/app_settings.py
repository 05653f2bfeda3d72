"""What ``facelab app`` and ``facelab accounts`` share: where the accounts are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from facelab.paths import user_path

if TYPE_CHECKING:
    from facelab.webapp.settings import Settings


def accounts_settings(folder: str | None) -> Settings:
    """The settings of a service whose accounts are in a folder that a user typed; None: the user's data folder."""
    from facelab.webapp.settings import Settings, default_folder

    return Settings(folder=default_folder() if folder is None else user_path(folder))
