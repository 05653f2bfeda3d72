"""What the service says no to: one code, one status of HTTP and one sentence for each."""

from __future__ import annotations

import math

from facelab.errors import FacelabError

#: code -> (status, what is wrong, what to do)
PROBLEMS: dict[str, tuple[int, str, str]] = {
    "bad_request": (422, "The request is not complete.", "Send the fields that the description names."),
    "not_json": (400, "The request cannot be read.", "Send JSON."),
    "not_signed_in": (401, "You are not logged in.", "Log in first."),
    "foreign_host": (403, "This name does not belong to the service.", "Use the address that it printed at its start."),
    "no_header": (403, "The request did not come from the page.", "Send the header X-FaceID: 1."),
    "not_found": (404, "There is nothing here.", "Go back to the start page."),
    "expired": (404, "This took too long or is over.", "Start again."),
    "wrong_method": (405, "This cannot be done here.", "Go back to the start page."),
    "too_slow": (408, "The request did not arrive in time.", "Try again."),
    "name_taken": (409, "This name is taken.", "Choose another one."),
    "other_consent": (409, "The text that you agree to has changed.", "Load the page again, and read it."),
    "too_few_shots": (409, "Some photographs are still missing.", "Take them first."),
    "too_large": (413, "The request is too large.", "Send a photograph of at most 2 MB."),
    "wrong_type": (415, "This is not a kind of photograph that can be read.", "Send a JPEG, PNG or WebP."),
    "bad_photograph": (422, "The photograph cannot be read.", "Take another one, of 64 to 4096 pixels a side."),
    "bad_name": (
        422,
        "This name cannot be used.",
        "Use 1 to 64 letters of one alphabet, digits, spaces and punctuation.",
    ),
    "weak_passphrase": (
        422,
        "This passphrase is too easy to guess.",
        "Use a sentence: at least 12 characters besides your name, 5 of them different.",
    ),
    "bad_passkey": (
        422,
        "This passkey cannot be used.",
        "Try again with a device that asks for your finger, face or PIN.",
    ),
    "no_passkey_here": (
        422,
        "Passkeys do not work at this address.",
        "Open the page by the name that the service printed at its start.",
    ),
    "wrong_factor": (422, "The second factor is missing, or of another kind.", "Load the page again."),
    "no_consent": (422, "Without your consent nothing is stored.", "Agree to the text, or leave."),
    "too_often": (429, "Too many tries.", "Wait {seconds}."),
    "busy": (429, "Too many people are using this right now.", "Try again in a minute."),
    "storage": (503, "The service cannot write to its disk.", "Tell the person who runs it."),
}


class Problem(FacelabError):
    """The service refuses a request.

    Args:
        code: a key of ``PROBLEMS``.
        seconds: of ``too_often``: until it is worth while to try again.

    Attributes:
        retry_after: the same as a whole number, not less than one; None of all other codes.
    """

    def __init__(self, code: str, seconds: float | None = None) -> None:
        self.status, what, remedy = PROBLEMS[code]
        self.retry_after = None if seconds is None else max(1, math.ceil(seconds))
        said = "1 second" if self.retry_after == 1 else f"{self.retry_after} seconds"
        super().__init__(what, remedy.format(seconds=said))
        self.code = code
