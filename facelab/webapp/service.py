"""The service without HTTP: sign-ups, log-ins, sessions and who-am-I, put together from their parts."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from facelab.errors import FacelabError
from facelab.webapp import consent, names, template
from facelab.webapp.calibration import Calibration
from facelab.webapp.limits import Window, network_of
from facelab.webapp.login import SAY, LogIn, Step
from facelab.webapp.pending import Pending
from facelab.webapp.problems import Problem
from facelab.webapp.quality import Hint
from facelab.webapp.replay import ReplayCache
from facelab.webapp.settings import Settings
from facelab.webapp.signup import SHOTS, SignUp
from facelab.webapp.store import Account, Store
from facelab.webapp.vault import Vault
from facelab.webapp.view import Looker, View

_DECOY = "decoy"  # account of the template that unknown names are compared with
_CHECK = b"facelab faceid"


@dataclass(frozen=True)
class Answer:
    """What came of a frame.

    Attributes:
        state: of the dialogue; of a sign-up ``taken`` or ``again``, of a log-in ``straight``, ``turn``, ``in`` or ``refused``.
        say: what to do now; None when there is nothing more.
        hint: what was wrong with the frame.
        taken: shots of a sign-up so far.
        name: of the account, where one was recognised.
        session: token of the session that began.
        lab: scores and figures, for lab mode alone.
    """

    state: str
    say: str | None = None
    hint: Hint | None = None
    taken: int = 0
    name: str | None = None
    session: str | None = None
    lab: dict[str, float] | None = None


class Service:
    """Face-ID for one folder, one embedder and one calibration.

    Args:
        settings: how it is run.
        looker: looks at frames.
        calibration: of the looker's embedder.
        vault: of the key.
        store: the database.
        clock: seconds, rising; of dialogues, sessions and limits.
        rng: draws the side of the head turn; None: the operating system's randomness.

    Raises:
        FacelabError: the key does not belong to the database.
    """

    def __init__(
        self,
        settings: Settings,
        looker: Looker,
        calibration: Calibration,
        vault: Vault,
        store: Store,
        clock: Callable[[], float] = time.monotonic,
        rng=None,
    ) -> None:
        self.settings, self.calibration, self.store = settings, calibration, store
        self.terms = consent.terms(settings.idle_days)
        self._looker, self._vault, self._rng = looker, vault, rng
        self._fingerprint = looker.embedder.fingerprint
        limits = settings.limits
        self._refused_names = Window(*limits.refused_per_name, clock)
        self._refused_addresses = Window(*limits.refused_per_address, clock)
        self._log_in_starts = Window(*limits.log_ins, clock)
        self._sign_up_starts = Window(*limits.sign_ups, clock)
        self._questions = Window(*limits.who_am_i, clock)
        self._frames = Window(*limits.frames, clock)
        self._sign_ups: Pending[SignUp] = Pending(limits.open_dialogues, settings.sign_up_seconds, clock)
        self._log_ins: Pending[LogIn] = Pending(limits.open_dialogues, settings.log_in_seconds, clock)
        self._sessions: Pending[str] = Pending(limits.sessions, settings.session_seconds, clock)
        self._replay = ReplayCache(clock=clock)
        self._check_key()
        stranger = np.random.default_rng(secrets.randbits(128)).normal(size=looker.embedder.dimension)
        self._decoy = self._seal(template.make(stranger[None]), _DECOY)
        self.purge()

    def close(self) -> None:
        """Let go of threads and file."""
        self._looker.close()
        self.store.close()

    def purge(self) -> int:
        """Delete accounts that were idle for too long; how many."""
        return self.store.purge(self.settings.idle_days, self.settings.audit_days)

    # ---- sign up

    def begin_sign_up(self, name: str, agreed: bool, findable: bool, address: str) -> str:
        """Begin a sign-up; its token."""
        self._sign_up_starts.take(network_of(address))
        shown, key = names.clean(name), names.key(name)
        if not agreed:
            raise Problem("no_consent")
        if self.store.has(key):
            raise Problem("name_taken")
        return self._sign_ups.put(SignUp(shown, key, findable, self.calibration.threshold))

    def shot(self, token: str, data: bytes, address: str) -> Answer:
        """A frame for the next shot of a sign-up."""
        sign_up = self._sign_ups.get(token)
        view = self._look(data, address)
        with sign_up.lock:
            hint = sign_up.offer(view) if sign_up.next_shot else None
            shot = sign_up.next_shot
            state = "again" if hint else "taken"
            return Answer(state, shot.say if shot else None, hint, sign_up.taken, lab=self._lab(view))

    def finish_sign_up(self, token: str) -> str:
        """Keep the account, all of it or nothing; its name."""
        sign_up = self._sign_ups.get(token)
        with sign_up.lock:
            if sign_up.next_shot is not None:
                raise Problem("too_few_shots")
            if not self._sign_ups.drop(token):  # another request finished it a moment ago
                raise Problem("expired")
            account = self.store.new_id()
            sealed = self._seal(sign_up.template(), account)
            agreed = self.terms.version
            self.store.add(account, sign_up.name, sign_up.key, agreed, sign_up.findable, self._fingerprint, sealed)
            return sign_up.name

    def forget_sign_up(self, token: str) -> None:
        """Forget a sign-up and what was taken for it."""
        if not self._sign_ups.drop(token):
            raise Problem("expired")

    # ---- log in

    def begin_log_in(self, name: str, address: str) -> str:
        """Begin a log-in; its nonce. Whether the name exists makes no difference."""
        key, network = names.key(name), network_of(address)
        self._log_in_starts.take(network)
        self._refused_names.check(key)
        self._refused_addresses.check(network)
        return self._log_ins.put(
            LogIn(key, network, self.calibration.threshold, self.settings.log_in_frames, self._rng)
        )

    def frame(self, nonce: str, data: bytes, address: str) -> Answer:
        """A frame of a log-in."""
        log_in = self._log_ins.get(nonce)
        view = self._look(data, address)
        with log_in.lock:
            if log_in.over:  # another frame ended it while this one was looked at
                raise Problem("expired")
            step = log_in.offer(view)
            log_in.replayed |= self._replay.seen(view.digests, view.bits if step.used else None, nonce, log_in.key)
            if step.state in ("straight", "turn"):
                return Answer(step.state, step.say, step.hint, lab=self._lab(view))
            log_in.over = True
            self._log_ins.drop(nonce)
            return self._decide(log_in, step, view)

    def _decide(self, log_in: LogIn, step: Step, view: View) -> Answer:
        """The one decision. Whatever the reason of a refusal, the work and the answer are the same."""
        found = self.store.sealed(log_in.key, self._fingerprint)
        account, sealed = (found.account, found.sealed) if found else (_DECOY, self._decoy)
        claimed = self._open(sealed, account)
        views = (log_in.straight or view, log_in.turned or view)
        scores = [template.score(claimed, one.embedding) for one in views if one.embedding is not None]
        lab = self._lab(view, min(scores, default=None))
        alike = len(scores) == 2 and min(scores) >= self.calibration.threshold
        within = self._take_refusal(
            log_in
        )  # counted first and given back after, so that no two can slip through at once
        if step.state == "ready" and alike and found and within and not log_in.replayed:
            self._refused_names.give_back(log_in.key)
            self._refused_addresses.give_back(log_in.address)
            self.store.audit("log_in", "ok", account)  # nobody is let in without a row
            return Answer("in", SAY["in"], name=found.name, session=self._sessions.put(account), lab=lab)
        self.store.audit("log_in", "refused", found.account if found else None)
        return Answer("refused", SAY["refused"], lab=lab)

    def _take_refusal(self, log_in: LogIn) -> bool:
        try:
            self._refused_names.take(log_in.key)
        except Problem:
            return False
        try:
            self._refused_addresses.take(log_in.address)
        except Problem:
            self._refused_names.give_back(log_in.key)
            return False
        return True

    # ---- who am I

    def who_am_i(self, data: bytes, address: str) -> Answer:
        """The account that a frame shows, among those that may be found."""
        self._questions.take(network_of(address))
        view = self._look(data, address)
        if view.embedding is None:
            return Answer("nobody", hint=view.hint, lab=self._lab(view))
        scored = [
            (template.score(self._open(one.sealed, one.account), view.embedding), one)
            for one in self.store.findable(self._fingerprint)
        ]
        best, found = max(scored, key=lambda pair: pair[0], default=(None, None))
        known = found is not None and best >= self.calibration.identify.threshold
        self.store.audit("who_am_i", "found" if known else "nobody", found.account if known else None)
        return Answer("found" if known else "nobody", name=found.name if known else None, lab=self._lab(view, best))

    # ---- sessions

    def account_of(self, session: str | None) -> Account | None:
        """Who is logged in with a session; None where nobody is."""
        try:
            return self.store.account(self._sessions.get(session)) if session else None
        except Problem:
            return None

    def log_out(self, session: str | None) -> None:
        """End a session."""
        account = self.account_of(session)
        if account is not None and self._sessions.drop(session):
            self.store.audit("log_out", "ok", account.id)

    def delete(self, account: Account) -> None:
        """Delete an account for good and end all its sessions."""
        self.store.delete(account.id)
        self._sessions.drop_where(lambda owner: owner == account.id)

    # ---- parts

    def _look(self, data: bytes, address: str) -> View:
        self._frames.take(network_of(address))
        return self._looker.look(data)

    def _seal(self, vector: np.ndarray, account: str) -> bytes:
        return self._vault.seal(vector.astype("<f4").tobytes(), account, self._fingerprint)

    def _open(self, sealed: bytes, account: str) -> np.ndarray:
        return np.frombuffer(self._vault.open(sealed, account, self._fingerprint), "<f4")

    def _check_key(self) -> None:
        """A wrong key is found at the start, not at the first log-in."""
        kept = self.store.about("check")
        if kept is None:
            self.store.set_about("check", self._vault.seal(_CHECK, "check", ""))
        elif self._vault.open(kept, "check", "") != _CHECK:
            raise FacelabError("The key does not belong to the database.", "Put back the key file of this folder.")

    def _lab(self, view: View, score: float | None = None) -> dict[str, float] | None:
        if not self.settings.lab:
            return None
        figures = {"score": score, "threshold": self.calibration.threshold, "turn": view.turn}
        if view.quality is not None:
            figures |= vars(view.quality)
        return {key: round(float(value), 4) for key, value in figures.items() if value is not None}


def shots_of_the_page() -> list[dict[str, str]]:
    """The shots of a sign-up, for the page to tell beforehand."""
    return [{"key": shot.key, "say": shot.say} for shot in SHOTS]
