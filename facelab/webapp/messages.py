"""The JSON of the HTTP interface: what a request and an answer hold."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictStr


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _ProofRequest(_Request):
    """A request that carries the second factor which the state names; both are left out where it is none."""

    passphrase: StrictStr | None = Field(None, min_length=1, max_length=200)
    passkey: dict[str, Any] | None = Field(None, description="The JSON of the browser's PublicKeyCredential.")


class SignUpRequest(_ProofRequest):
    """Who wants an account, and what they agree to."""

    name: StrictStr = Field(min_length=1, max_length=200)
    consent: StrictStr | None = Field(
        max_length=200, description="Version of the text that was read; null: no consent."
    )
    findable: StrictBool = False


class LogInRequest(_ProofRequest):
    """Who somebody claims to be."""

    name: StrictStr = Field(min_length=1, max_length=200)


class PasskeyCreationRequest(_Request):
    """Who wants to make a passkey."""

    name: StrictStr = Field(min_length=1, max_length=200)


class ErrorResponse(BaseModel):
    """Why a request was refused: a code for programs, a sentence for people."""

    error: str
    message: str


class HintSchema(BaseModel):
    """What was wrong with a frame."""

    code: str
    message: str


class ConsentSchema(BaseModel):
    """The text that people agree to."""

    version: str
    text: list[str]


class ShotSchema(BaseModel):
    """One of the shots of a sign-up."""

    key: str
    say: str


class StateResponse(BaseModel):
    """What the page needs at its start."""

    signed_in: str | None
    lab: bool
    embedder: str
    keep_days: float = Field(description="An account that nobody logs in to for so many days is deleted.")
    visit_days: float = Field(description="Check values of the pictures of a visit are kept for so many days at most.")
    log_days: float = Field(description="Lines of the log are kept for so many days at most.")
    consent: ConsentSchema
    shots: list[ShotSchema]
    second_factor: str = Field(description="What a sign-up and a log-in carry: none, passphrase or passkey.")


class PasskeyOptionsResponse(BaseModel):
    """What a browser is asked for."""

    public_key: dict[str, Any] = Field(description="PublicKeyCredentialCreationOptionsJSON or ...RequestOptionsJSON.")


class SignUpResponse(BaseModel):
    """A sign-up has begun."""

    sign_up: str
    taken: int
    needed: int
    say: str


class ShotResponse(BaseModel):
    """What came of a shot."""

    accepted: bool
    hint: HintSchema | None
    taken: int
    needed: int
    say: str | None
    lab: dict[str, float] | None = None


class NameResponse(BaseModel):
    """Whose account it is."""

    name: str


class LogInResponse(BaseModel):
    """A log-in has begun."""

    challenge: str
    say: str
    seconds: float = Field(description="How long the whole log-in may take.")
    turn_seconds: float = Field(description="How long the head may take to turn, from when the side is told.")


class FrameResponse(BaseModel):
    """What came of a frame of a log-in."""

    state: str
    say: str
    hint: HintSchema | None
    name: str | None = None
    lab: dict[str, float] | None = None


class IdentificationResponse(BaseModel):
    """Who a frame shows."""

    name: str | None
    hint: HintSchema | None
    lab: dict[str, float] | None = None


class DeletionResponse(BaseModel):
    """The account is deleted."""

    has_traces: bool = Field(description="Traces may be in the file until it can be written anew, as on a full disk.")


class AuditEventSchema(BaseModel):
    """A row of the audit."""

    time: str
    event: str
    outcome: str


class AccountResponse(BaseModel):
    """All that is stored about an account."""

    name: str
    created: str
    last_login: str | None
    consent: dict[str, str]
    findable: bool
    second_factor: str
    templates: int
    remembered_visits: int = Field(description="Visits of which check values are kept, to know a recording again.")
    embedder: str
    audit: list[AuditEventSchema]
    consent_text: str | None = Field(description="What was agreed to; null where only its version was kept.")
