"""Everything about the service that can be set."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

import platformdirs

from facelab.paths import user_path

LOOPBACK = ("127.0.0.1", "localhost", "::1")


def default_folder() -> Path:
    """Where the accounts are kept: a folder of this user alone."""
    return Path(platformdirs.user_data_dir("facelab", appauthor=False)) / "faceid"


def default_key_file() -> Path:
    """The key that seals the templates: ``FACELAB_KEY_FILE``, else in the user's configuration folder."""
    named = os.environ.get("FACELAB_KEY_FILE")
    folder = Path(platformdirs.user_config_dir("facelab", appauthor=False))
    return user_path(named) if named else folder / "faceid.key"


@dataclass(frozen=True)
class Limits:
    """How much one name or one address may ask for; each pair is a number and the seconds that it counts for.

    Attributes:
        waits_of_a_network: after log-ins that told which side to turn to and let nobody in, whether they ended or were
            dropped, by the name that was claimed, whether it exists or not, and the network: how many cost nothing, the first
            wait in seconds and the longest; see ``refusals``.
        waits_of_strange_networks: the same, by the name, for all networks together that never logged in to it.
        refusals_per_address: the same, and those that were refused without a straight face, by the address of the network.
        log_ins: dialogues that are started, by address.
        sign_ups: the same.
        identifications: questions, by address.
        frames: frames of all kinds, by address; a page sends about three in a second.
        open_dialogues: sign-ups, and log-ins, that are under way at one time.
        dialogues_per_address: those of one address; its oldest makes room for one more.
        sessions: people who are logged in at one time.
        sessions_per_address: those of one address; the oldest makes room.
        waiting_frames: frames that wait or are looked at, at one time, by address.
        open_bodies: requests with a body that are under way, at one time, by address.
        connections: by address.
    """

    waits_of_a_network: tuple[int, float, float] = (5, 30, 600)
    waits_of_strange_networks: tuple[int, float, float] = (5, 1, 60)
    refusals_per_address: tuple[int, float] = (20, 600)
    log_ins: tuple[int, float] = (120, 600)
    sign_ups: tuple[int, float] = (60, 600)
    identifications: tuple[int, float] = (60, 600)
    frames: tuple[int, float] = (600, 60)
    open_dialogues: int = 256
    dialogues_per_address: int = 32
    sessions: int = 1024
    sessions_per_address: int = 256
    waiting_frames: int = 2
    open_bodies: int = 8
    connections: int = 64


@dataclass(frozen=True)
class Settings:
    """How the service is run.

    Attributes:
        folder: of the database.
        key_file: outside that folder; made at the first start.
        lab_mode: answers to frames carry scores.
        https: the page is served by https, so the cookie must be too; see ``session_cookie``.
        second_factor: its kind, of ``second_factor.KINDS``.
        urls: where the page is; a passkey belongs to one of them.
        clock_is_right: the clock's time is taken, however far it is from the newest that the database saw.
        idle_days: accounts that nobody logged in to for so long are deleted.
        audit_days: rows of the audit older than this are deleted.
        sign_up_seconds, log_in_seconds, session_seconds: how long each lasts.
        max_log_in_frames: most frames of one log-in.
        turn_seconds: how long the head may take to turn, from when the side is told; each frame is judged as it comes.
        limits: see ``Limits``.
    """

    folder: Path = field(default_factory=default_folder)
    key_file: Path = field(default_factory=default_key_file)
    lab_mode: bool = False
    https: bool = False
    second_factor: str = "none"
    urls: tuple[str, ...] = ()
    clock_is_right: bool = False
    idle_days: float = 90
    audit_days: float = 365
    sign_up_seconds: float = 300
    log_in_seconds: float = 45
    session_seconds: float = 1800
    max_log_in_frames: int = 60
    turn_seconds: float = 10
    limits: Limits = field(default_factory=Limits)
