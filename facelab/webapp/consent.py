"""What a person agrees to before a picture is taken."""

from __future__ import annotations

from dataclasses import dataclass

EDITION = "2"  #: a change of the meaning raises it


@dataclass(frozen=True)
class ConsentText:
    """A text as it was shown.

    Attributes:
        version: kept with the account, so that it stays known what was agreed to.
        paragraphs: what it says.
    """

    version: str
    paragraphs: tuple[str, ...]


def consent_text(idle_days: float) -> ConsentText:
    """The text of a service that deletes an account which nobody logged in to for ``idle_days``."""
    return ConsentText(
        f"{EDITION} ({idle_days:g} days)",
        (
            "Face-ID looks at pictures from your camera to recognise you. From five of them it works out one list of numbers "
            "that describes your face, your template.",
            "Kept are your name, this template, encrypted, the times of your log-ins, and whether others may find you by "
            "a picture. No picture is kept.",
            "The template is used to recognise you here, and for nothing else. It stays on the computer that this page "
            "comes from.",
            "You can see all that is stored about you, and delete it at any time. Then it is gone from every file. If you do "
            f"not log in for {idle_days:g} days it is deleted as well.",
            "This is a demonstration of a course. It can take another person for you, and it cannot tell every picture "
            "or film from a face. Do not protect anything of value with it.",
        ),
    )
