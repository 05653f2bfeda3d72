"""The JSON of the HTTP interface: what a request and an answer hold."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictStr


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid")


class SignUpRequest(_Request):
    """Who wants an account, and what they agree to."""

    name: StrictStr = Field(min_length=1, max_length=200)
    consent: StrictBool
    findable: StrictBool = False


class LogInRequest(_Request):
    """Who somebody claims to be."""

    name: StrictStr = Field(min_length=1, max_length=200)


class ErrorAnswer(BaseModel):
    """Why a request was refused: a code for programs, a sentence for people."""

    error: str
    message: str


class HintAnswer(BaseModel):
    """What was wrong with a frame."""

    code: str
    message: str


class ConsentAnswer(BaseModel):
    """The text that people agree to."""

    version: str
    text: list[str]


class ShotAnswer(BaseModel):
    """One of the shots of a sign-up."""

    key: str
    say: str


class StateAnswer(BaseModel):
    """What the page needs at its start."""

    signed_in: str | None
    lab: bool
    embedder: str
    keep_days: float = Field(description="An account that nobody logs in to for so many days is deleted.")
    consent: ConsentAnswer
    shots: list[ShotAnswer]


class SignUpAnswer(BaseModel):
    """A sign-up has begun."""

    sign_up: str
    taken: int
    needed: int
    say: str


class ShotResult(BaseModel):
    """What came of a shot."""

    accepted: bool
    hint: HintAnswer | None
    taken: int
    needed: int
    say: str | None
    lab: dict[str, float] | None = None


class NameAnswer(BaseModel):
    """Whose account it is."""

    name: str


class LogInAnswer(BaseModel):
    """A log-in has begun."""

    challenge: str
    say: str
    seconds: float


class FrameResult(BaseModel):
    """What came of a frame of a log-in."""

    state: str
    say: str
    hint: HintAnswer | None
    name: str | None = None
    lab: dict[str, float] | None = None


class WhoResult(BaseModel):
    """Who a frame shows."""

    name: str | None
    hint: HintAnswer | None
    lab: dict[str, float] | None = None


class EventAnswer(BaseModel):
    """A row of the audit."""

    time: str
    event: str
    outcome: str


class MeAnswer(BaseModel):
    """All that is stored about an account."""

    name: str
    created: str
    last_login: str | None
    consent: dict[str, str]
    findable: bool
    templates: int
    embedder: str
    audit: list[EventAnswer]
