"""The service without HTTP: sign-ups, log-ins, sessions and identification, put together from their parts."""

from __future__ import annotations

import logging
import random
import secrets
import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from facelab.errors import FacelabError
from facelab.webapp import account_names, consent, template
from facelab.webapp.account_factors import AccountFactors, new_second_factor
from facelab.webapp.account_store import Account, AccountStore, SealedTemplate
from facelab.webapp.calibration import Calibration
from facelab.webapp.change_counter import watch_changes
from facelab.webapp.frame_analysis import FrameAnalyser, FrameAnalysis
from facelab.webapp.limits import AttemptLimiter, network_key
from facelab.webapp.liveness import Liveness
from facelab.webapp.login import INSTRUCTIONS, LogIn, LogInStep
from facelab.webapp.problems import Problem
from facelab.webapp.quality import Hint
from facelab.webapp.refusals import LogInRefusals
from facelab.webapp.replay import LOOKED_LIKE_A_RECORDING, ReplayGuard
from facelab.webapp.second_factor import NO_PROOF, Proof
from facelab.webapp.settings import Settings
from facelab.webapp.signup import SHOTS, SignUp
from facelab.webapp.token_store import TokenStore
from facelab.webapp.vault import Vault

_LOG = logging.getLogger(__name__)
_DECOY = "decoy"  # account of the template that unknown names are compared with


@dataclass(frozen=True)
class FrameOutcome:
    """What came of a frame.

    Attributes:
        state: of the dialogue; of a sign-up ``taken`` or ``again``, of a log-in ``straight``, ``turn``, ``in`` or ``refused``.
        instruction: what to do now; None when there is nothing more.
        hint: what was wrong with the frame.
        shots_taken: of a sign-up so far.
        name: of the account, where one was recognised.
        session: token of the session that began.
        lab_figures: scores and figures, for lab mode alone.
    """

    state: str
    instruction: str | None = None
    hint: Hint | None = None
    shots_taken: int = 0
    name: str | None = None
    session: str | None = None
    lab_figures: dict[str, float] | None = None


class FaceIdService:
    """Face-ID for one folder, one embedder and one calibration.

    Args:
        settings: how it is run.
        analyser: analyses the frames.
        calibration: of the analyser's embedder.
        liveness: tells a head that turns from a photograph.
        vault: of the key.
        store: the database.
        clock: seconds, rising; of dialogues, sessions and limits.
        rng: draws the side of the head turn, and when it is told; None: the operating system's randomness.

    Raises:
        FacelabError: as ``change_counter.watch_changes``, or the page has no name for a passkey.
    """

    def __init__(
        self,
        settings: Settings,
        analyser: FrameAnalyser,
        calibration: Calibration,
        liveness: Liveness,
        vault: Vault,
        store: AccountStore,
        clock: Callable[[], float] = time.monotonic,
        rng: random.Random | None = None,
    ) -> None:
        self.settings, self.calibration, self.liveness, self.store = settings, calibration, liveness, store
        self.consent_text = consent.consent_text(
            settings.idle_days, settings.audit_days, settings.second_factor, calibration, liveness
        )
        self._analyser, self._vault, self._clock, self._rng = analyser, vault, clock, rng
        self._fingerprint = analyser.embedder.fingerprint
        limits = settings.limits
        self._refusals = LogInRefusals(limits, clock)
        self._log_in_starts = AttemptLimiter(*limits.log_ins, clock)
        self._sign_up_starts = AttemptLimiter(*limits.sign_ups, clock)
        self._questions = AttemptLimiter(*limits.identifications, clock)
        self._frames = AttemptLimiter(*limits.frames, clock)
        dialogues = limits.open_dialogues, limits.dialogues_per_address
        self._sign_ups: TokenStore[SignUp] = TokenStore(*dialogues, settings.sign_up_seconds, clock)
        self._log_ins: TokenStore[LogIn] = TokenStore(*dialogues, settings.log_in_seconds, clock)
        self._sessions: TokenStore[str] = TokenStore(
            limits.sessions, limits.sessions_per_address, settings.session_seconds, clock
        )
        factor = new_second_factor(settings.second_factor, settings.urls, limits.dialogues_per_address, clock)
        self._factors = AccountFactors(factor, store, vault)
        self._replays = ReplayGuard(store, vault, clock)
        watch_changes(store, vault, settings.key_file)
        stranger = np.random.default_rng(secrets.randbits(128)).normal(size=analyser.embedder.dimension)
        whose = (_DECOY, _DECOY, _DECOY, self.consent_text.version, False, self._fingerprint)
        sealed = self._seal(template.make_template(stranger[None]), (*whose, _DECOY))
        self._decoy = SealedTemplate(*whose, sealed, _DECOY)
        if settings.clock_is_right:
            store.accept_clock()
        self.purge()

    def close(self) -> None:
        """Let go of threads and file."""
        self._analyser.close()
        self.store.close()

    def purge(self) -> int:
        """Delete accounts that were idle for too long; how many.

        Where the clock cannot be right or the database cannot be used just now, the log says so, and nobody is deleted.
        """
        try:
            gone = self.store.purge(self.settings.idle_days, self.settings.audit_days)
            self._forget(gone)
            return len(gone)
        except FacelabError as error:
            _LOG.error("%s", error)
        except sqlite3.Error as error:
            _LOG.error("The database cannot be used (%s): idle accounts will be deleted tomorrow.", error)
        return 0

    def forget_expired(self) -> None:
        """Let no picture of a face stay in memory because nobody came after its dialogue had expired."""
        for dialogues in (self._sign_ups, self._log_ins, self._sessions):
            dialogues.drop_expired()

    # ---- sign up

    def begin_sign_up(
        self, name: str, consent_version: str | None, findable: bool, address: str, proof: Proof = NO_PROOF
    ) -> str:
        """Begin a sign-up with its second factor, of somebody who agreed to this version of the text; its token.

        A page that was open before a restart shows the text of its time: who agreed to that has not agreed to the present one.

        Raises:
            Problem: ``other_consent``, ``no_consent``, or another reason why it cannot begin.
        """
        network = network_key(address)
        self._sign_up_starts.record_attempt(network)
        shown, key = account_names.display_name(name), account_names.comparison_key(name)
        if consent_version is None:
            raise Problem("no_consent")
        if consent_version != self.consent_text.version:
            raise Problem("other_consent")
        if self.store.has_name(key):
            raise Problem("name_taken")
        sign_up = SignUp(shown, key, consent_version, findable, self.calibration.threshold, self.liveness)
        sign_up.factor_record = self._factors.method.enrol(shown, proof)
        return self._sign_ups.put(sign_up, network)

    def submit_shot(self, token: str, data: bytes, address: str) -> FrameOutcome:
        """A frame for the next shot of a sign-up."""
        sign_up = self._sign_ups.get(token)
        frame = self._analyse(data, address)
        with sign_up.lock:
            hint = sign_up.offer(frame) if sign_up.next_shot else None
            shot = sign_up.next_shot
            state = "again" if hint else "taken"
            return FrameOutcome(
                state, shot.instruction if shot else None, hint, sign_up.shots_taken, lab_figures=self._lab(frame)
            )

    def finish_sign_up(self, token: str) -> str:
        """Keep the account, all of it or nothing; its name."""
        sign_up = self._sign_ups.get(token)
        with sign_up.lock:
            if sign_up.next_shot is not None:
                raise Problem("too_few_shots")
            if not self._sign_ups.drop(token):  # another request finished it a moment ago
                raise Problem("expired")
            account = self.store.new_account_id()
            agreed = sign_up.consent_version
            whose = (account, sign_up.name, sign_up.name_key, agreed, sign_up.findable, self._fingerprint)
            sealed = self._seal(sign_up.template(), (*whose, self._factors.kind))
            factor_sealed = self._factors.seal(account, sign_up.factor_record)
            seen_sealed = self._replays.seal(account, sign_up.frames)
            consent.keep_text(self.store, self.consent_text)
            self.store.add_account(*whose, sealed, self._factors.kind, factor_sealed, seen_sealed)
            return sign_up.name

    def forget_sign_up(self, token: str) -> None:
        """Forget a sign-up and what was taken for it."""
        if not self._sign_ups.drop(token):
            raise Problem("expired")

    # ---- second factor

    def passkey_creation(self, name: str, host: str, address: str) -> dict[str, object]:
        """What a browser needs to make a passkey for a sign-up, of which it counts as a start."""
        network = network_key(address)
        self._sign_up_starts.record_attempt(network)
        if self.store.has_name(account_names.comparison_key(name)):
            raise Problem("name_taken")
        return self._factors.method.creation_options(account_names.display_name(name), host, network)

    def passkey_request(self, host: str, address: str) -> dict[str, object]:
        """What a browser needs to use a passkey for a log-in, of which it counts as a start."""
        network = network_key(address)
        self._log_in_starts.record_attempt(network)
        return self._factors.method.request_options(host, network)

    # ---- log in

    def begin_log_in(self, name: str, address: str, proof: Proof = NO_PROOF) -> str:
        """Begin a log-in with its second factor; its nonce. Whether name and factor are right makes no difference yet."""
        key, network = account_names.comparison_key(name), network_key(address)
        self._log_in_starts.record_attempt(network)
        self._refusals.check(key, network)
        bounds = self.settings.max_log_in_frames, self.settings.turn_seconds
        log_in = LogIn(key, network, self.calibration.threshold, *bounds, self._clock, self._rng)
        log_in.passed_factor = self._factors.check(key, proof)
        return self._log_ins.put(log_in, network)

    def submit_log_in_frame(self, nonce: str, data: bytes, address: str) -> FrameOutcome:
        """A frame of a log-in."""
        log_in = self._log_ins.get(nonce)
        frame = self._analyse(data, address)
        with log_in.lock:
            if log_in.is_over:  # another frame ended it while this one was looked at
                raise Problem("expired")
            step = log_in.offer(frame)
            if log_in.straight_frame is not None and not log_in.is_counted:  # the side is about to be told
                self._refusals.record(log_in.name_key, log_in.address)
                log_in.is_counted = True
            self._replays.look(log_in, nonce, frame)
            if step.state in ("straight", "turn"):
                return FrameOutcome(step.state, step.instruction, step.hint, lab_figures=self._lab(frame))
            log_in.is_over = True
            self._log_ins.drop(nonce)
            return self._decide(log_in, step, frame)

    def _decide(self, log_in: LogIn, step: LogInStep, frame: FrameAnalysis) -> FrameOutcome:
        """The one decision. Whatever the reason of a refusal, the work and the answer are the same."""
        found = self.store.find_template(log_in.name_key, self._fingerprint)
        opened = self._open(found) if found else None
        claimed = self._open(self._decoy) if opened is None else opened
        frames = (log_in.straight_frame or frame, log_in.turned_frame or frame)
        scores = [template.comparison_score(claimed, one.embedding) for one in frames if one.embedding is not None]
        liveness = None
        if log_in.side and len(scores) == 2:
            liveness = self.liveness.score(*(one.face_crop for one in frames), log_in.side)
        lab = self._lab(frame, min(scores, default=None), liveness)
        alike = len(scores) == 2 and min(scores) >= self.calibration.threshold
        alive = liveness is not None and liveness >= 0
        replayed = self._replays.is_replay(log_in, found.account_id if found else None)
        face = step.state == "ready" and alike and alive and opened is not None and not replayed
        if face and self._factors.settle(log_in.passed_factor, found.account_id):
            self._refusals.accept(log_in.name_key, log_in.address)
            account = found.account_id
            seen_sealed = self._replays.seal(account, frames, log_in.digests)
            self.store.record_event("log_in", "ok", account, seen_sealed)  # nobody is let in without a row
            return FrameOutcome(
                "in",
                INSTRUCTIONS["in"],
                name=found.name,
                session=self._sessions.put(account, log_in.address),
                lab_figures=lab,
            )
        if log_in.straight_frame is None:
            self._refusals.record_without_face(log_in.address)
        outcome = LOOKED_LIKE_A_RECORDING if replayed else "refused"
        self.store.record_event("log_in", outcome, found.account_id if found else None)
        return FrameOutcome("refused", INSTRUCTIONS["refused"], lab_figures=lab)

    # ---- identification

    def identify(self, data: bytes, address: str) -> FrameOutcome:
        """The account that a frame shows, among those that may be found."""
        network = network_key(address)
        self._questions.record_attempt(network)
        frame = self._analyse(data, address)
        if frame.embedding is None:
            return FrameOutcome("nobody", hint=frame.hint, lab_figures=self._lab(frame))
        opened = ((self._open(one), one) for one in self.store.findable_templates(self._fingerprint))
        scored = [
            (template.comparison_score(vector, frame.embedding), one) for vector, one in opened if vector is not None
        ]
        best, found = max(scored, key=lambda pair: pair[0], default=(None, None))
        known = found is not None and best >= self.calibration.identify.threshold
        known = known and self._refusals.allows(found.name_key, network)  # a name that must wait is not told either
        self.store.record_event("who_am_i", "found" if known else "nobody", found.account_id if known else None)
        return FrameOutcome(
            "found" if known else "nobody", name=found.name if known else None, lab_figures=self._lab(frame, best)
        )

    # ---- sessions

    def session_account(self, session: str | None) -> Account | None:
        """Who is logged in with a session; None where nobody is."""
        try:
            return self.store.find_account(self._sessions.get(session)) if session else None
        except Problem:
            return None

    def log_out(self, session: str | None) -> None:
        """End a session."""
        account = self.session_account(session)
        if account is not None and self._sessions.drop(session):
            self.store.record_event("log_out", "ok", account.id)

    def delete_account(self, account: Account) -> bool:
        """Delete an account for good, end all its sessions, and forget the log-ins in which its owner is under way.

        Returns:
            Whether traces of it may still be in the file, as where the disk is full.
        """
        self.store.delete_account(account.id)
        self._forget([account])
        return self.store.has_traces

    # ---- parts

    def _forget(self, deleted: list[Account]) -> None:
        """Forget what memory holds of accounts that were deleted."""
        ids, names = {account.id for account in deleted}, {account.name_key for account in deleted}
        self._refusals.forget_networks(names)
        self._log_ins.drop_where(lambda log_in: log_in.name_key in names)
        self._sessions.drop_where(lambda owner: owner in ids)

    def _analyse(self, data: bytes, address: str) -> FrameAnalysis:
        self._frames.record_attempt(network_key(address))
        return self._analyser.analyse(data)

    def _seal(self, vector: np.ndarray, whose: tuple[str | bool, ...]) -> bytes:
        return self._vault.seal(vector.astype("<f4").tobytes(), *whose)

    def _open(self, one: SealedTemplate) -> np.ndarray | None:
        """The template; None where it or its account was changed in the database, which the audit tells."""
        try:
            return np.frombuffer(self._vault.open(one.sealed_bytes, *one.bound_to), "<f4")
        except FacelabError:
            self.store.record_event("open_template", "damaged", one.account_id)
            return None

    def _lab(
        self, frame: FrameAnalysis, score: float | None = None, liveness: float | None = None
    ) -> dict[str, float] | None:
        if not self.settings.lab_mode:
            return None
        figures = {"score": score, "threshold": self.calibration.threshold, "turn": frame.turn, "liveness": liveness}
        if frame.quality is not None:
            figures |= vars(frame.quality)
        return {key: round(float(value), 4) for key, value in figures.items() if value is not None}


def shot_instructions() -> list[dict[str, str]]:
    """The shots of a sign-up, for the page to tell beforehand."""
    return [{"key": shot.key, "say": shot.instruction} for shot in SHOTS]
