"""Frames that were there before: who sends one again, or a copy of one, has a recording or a photograph, not a face."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import numpy as np

from facelab.errors import FacelabError
from facelab.webapp import seen_table
from facelab.webapp.account_store import AccountStore
from facelab.webapp.copies import POSES_OF_ONE_PICTURE, face_bits, is_one_picture, resemble_earlier
from facelab.webapp.frame_analysis import FrameAnalysis
from facelab.webapp.login import LogIn
from facelab.webapp.seen_frames import DigestMemory, SeenFrames
from facelab.webapp.vault import Vault

#: Outcome of such a log-in in the audit. At the door it is refused as any other; in "My data" its owner reads why.
LOOKED_LIKE_A_RECORDING = "looked_like_a_recording"


class ReplayGuard:
    """Knows recordings of earlier visits.

    In memory, for a day: digests of all frames with a face, whoever sent them for whatever name. In the database, sealed and
    bound to the account: what ``seen_table`` keeps of the sign-up and the log-ins that let the owner in. Of a log-in that was
    refused nothing is written down: it may show anybody.

    Args:
        store: the database.
        vault: of the key.
        clock: seconds, rising; for what is in memory.
    """

    def __init__(self, store: AccountStore, vault: Vault, clock: Callable[[], float] = time.monotonic) -> None:
        self._store, self._vault = store, vault
        self._digests = DigestMemory(clock=clock)

    def look(self, log_in: LogIn, nonce: str, frame: FrameAnalysis) -> None:
        """Look at any frame of a log-in; one without a face counts for nothing: all black frames are alike."""
        if frame.quality is not None:
            log_in.digests.append(frame.digest)
            log_in.is_replay |= self._digests.check_and_remember(frame.digest, nonce)

    def is_replay(self, log_in: LogIn, account_id: str | None) -> bool:
        """Whether a log-in that has come to its end shows what was there before.

        Args:
            log_in: with its frames.
            account_id: of the claimed name; None where there is no such account, which takes as long.
        """
        earlier = self._seen(account_id) if account_id else SeenFrames()
        known = log_in.is_replay or not earlier.digests.isdisjoint(log_in.digests)
        if log_in.turned_frame is None:
            return known
        straight, turned = log_in.straight_frame.face_crop, log_in.turned_frame.face_crop
        near = resemble_earlier(straight, turned, earlier.faces)
        return known | near | is_one_picture(straight, turned, POSES_OF_ONE_PICTURE)

    def seal(self, account_id: str, frames: Sequence[FrameAnalysis], digests: Sequence[bytes] = ()) -> bytes:
        """What to keep of a visit.

        Args:
            account_id: whose.
            frames: those that decided.
            digests: of its other frames.
        """
        faces = np.stack([face_bits(frame.face_crop) for frame in frames])
        seen = SeenFrames(faces, frozenset(digests) | {frame.digest for frame in frames})
        return self._vault.seal(seen.to_bytes(), *seen_table.seen_frames_binding(account_id))

    def _seen(self, account_id: str) -> SeenFrames:
        """Of all visits that are kept. What does not open is left out and told in the audit: who can change the database could
        delete it as well."""
        found = SeenFrames()
        for row in self._store.seen_frames(account_id):
            try:
                found |= SeenFrames.from_bytes(self._vault.open(row.sealed_bytes, *row.bound_to))
            except FacelabError:
                self._store.record_event("open_seen_frames", "damaged", account_id)
        return found
