"""What a person agrees to before a picture is taken."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from facelab.evaluation import Estimate
from facelab.webapp.audit_table import KEPT_EVENTS_BY_OTHERS
from facelab.webapp.calibration import Calibration
from facelab.webapp.database import Database
from facelab.webapp.liveness import QUOTED_ATTACKS, Liveness
from facelab.webapp.seen_table import KEPT_DAYS, KEPT_VISITS

EDITION = "4"  #: a change of the meaning raises it
_KEPT = "consent "  # before a version: a key of ``about``, whose value is the text

#: kind of second factor -> what is kept of it, what it does, what the face adds
_FACTORS = {
    "none": ("this template (encrypted)", "Your face alone lets you in.", "That can go wrong:"),
    "passphrase": (
        "this template and a value that your passphrase is checked by (both encrypted)",
        "You log in with a passphrase and with your face. The passphrase keeps others out.",
        "The face is there for the day when somebody else knows it, but it can be wrong:",
    ),
    "passkey": (
        "this template and the public key of your passkey (both encrypted)",
        "You log in with a passkey and with your face. The passkey keeps others out; its secret half never comes here.",
        "The face is there for the day when somebody has your device and can unlock it, but it can be wrong:",
    ),
}


@dataclass(frozen=True)
class ConsentText:
    """A text as it was shown.

    Attributes:
        version: kept with the account, so that it stays known what was agreed to; it ends with the digest of the text.
        paragraphs: what it says.
    """

    version: str
    paragraphs: tuple[str, ...]


def consent_text(
    idle_days: float, audit_days: float, second_factor: str, calibration: Calibration, liveness: Liveness
) -> ConsentText:
    """The text of a service.

    Args:
        idle_days: an account that nobody logged in to for so long is deleted.
        audit_days: a line of the log is deleted after so long (GDPR, Article 13 (2a): the period has to be told).
        second_factor: its kind, of ``second_factor.KINDS``.
        calibration, liveness: whose measured rates are quoted.
    """
    kept, locked, added = _FACTORS[second_factor]
    paragraphs = (
        "Face-ID looks at pictures from your camera to recognise you. From five of them it works out one list of numbers "
        "that describes your face, your template.",
        f"The service keeps your name, {kept}, whether others may find you by a picture, and a log of your sign-up, of "
        "log-ins with your name, also refused ones, and of searches that found you. It keeps no picture.",
        "So that a recording of you is known again, it also keeps check values of your pictures, encrypted: of your "
        f"last {KEPT_VISITS} visits, for {KEPT_DAYS:g} days. They too describe your face, but are no picture.",
        "The template is used to recognise you here, and for nothing else. It stays on the computer that this page "
        "comes from.",
        "You can see all that is stored about you, and delete it at any time. Then it is removed from every file of this "
        "service, and the log no longer says whose lines those were; a backup that was made before may still hold it all. "
        f"If you do not log in for {idle_days:g} days it is deleted as well. A line of the log is kept for {audit_days:g} "
        "days; if your account is deleted before, it stays for the rest of them at most, without your name. Of "
        "lines that others can cause (log-ins that were refused, searches that found you) only the newest "
        f"{KEPT_EVENTS_BY_OTHERS} are kept.",
        f"{locked} {added} {_match_rate(calibration)}",
        _photograph_rates(liveness),
        "This is a demonstration of a course. It can take another person for you, and it cannot tell every picture "
        "or film from a face. Do not protect anything of value with it.",
    )
    settings = f"{idle_days:g} days, log {audit_days:g} days, second factor {second_factor}"
    return ConsentText(f"{EDITION} ({settings}, {_mark(_whole(paragraphs))})", paragraphs)


def keep_text(database: Database, agreed: ConsentText) -> None:
    """Keep a text under its version, so that it can be read when the service has another one.

    Raises:
        sqlite3.Error: the disk is full.
    """
    if kept_text(database, agreed.version) is None:
        database.write_value(_KEPT + agreed.version, _whole(agreed.paragraphs).encode())


def kept_text(database: Database, version: str) -> str | None:
    """What a version says; None where an earlier facelab kept the version alone, or the text was changed since."""
    kept = database.read_value(_KEPT + version)
    text = kept.decode(errors="replace") if isinstance(kept, bytes) else ""
    return text if version.endswith(f"{_mark(text)})") else None


def _whole(paragraphs: tuple[str, ...]) -> str:
    return "\n\n".join(paragraphs)


def _mark(text: str) -> str:
    """What tells a text from every other one: it quotes rates that are measured, and changes with them."""
    return f"text {hashlib.sha256(text.encode()).hexdigest()[:16]}"


def _match_rate(calibration: Calibration) -> str:
    rate = calibration.fmr
    return (
        f"when photographs of {rate.n} people were compared with the templates of the others, {100 * rate.value:.2g} % of "
        f"{calibration.impostors:,} comparisons passed (95 % interval: {100 * rate.low:.2g} to {100 * rate.high:.2g} %), "
        "with a threshold that was set on the same people."
    )


def _photograph_rates(liveness: Liveness) -> str:
    """What somebody gets who has one photograph of the owner; shares as numbers of 100."""
    print_rate, warp_rate, chosen = (liveness.apcer[name] for name in QUOTED_ATTACKS)
    return (
        f"Somebody may hold a photograph of you before the camera. When that was tried on {chosen.n} people, of 100 attempts "
        f"with a print that was turned {_of_100(print_rate)} were let in, and of 100 with a picture that a computer had turned "
        f"{_of_100(warp_rate)}. Of 100 forgers who could make many pictures and send the best, {_of_100(chosen)} were. Of 100 "
        f"honest turns of the head {_of_100(liveness.bpcer)} were refused. All this was measured on photographs; a film of you "
        "that turns its head is not told from you."
    )


def _of_100(rate: Estimate) -> str:
    return f"{100 * rate.value:.0f} (95 % interval: {100 * rate.low:.0f} to {100 * rate.high:.0f})"
