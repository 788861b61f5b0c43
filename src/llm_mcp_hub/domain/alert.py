"""What is wrong with a hub, or soon will be, for whoever looks after it."""

from enum import StrEnum

from msgspec import Struct


class Severity(StrEnum):
    """How much an alert matters.

    `error`: something can't be served. `warning`: something won't be, unless somebody acts.
    `info`: it is meant to be so.
    """

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class Alert(Struct, frozen=True):
    """One thing that is wrong now.

    Attributes:
        id: What it is about; the same for as long as it lasts.
        kind: `login`, `provider`, `plugin`, `state`, `webhook` or `hub`.
        subject: The provider or plugin it is about; empty for the hub as a whole.
        message: What is wrong.
        remedy: What to do about it; empty if the message says so or nothing is to be done.
        since: When it was first seen, Unix seconds.
    """

    id: str
    kind: str
    severity: Severity
    subject: str
    message: str
    remedy: str
    since: float


class Notice(Struct, frozen=True):
    """What a webhook is told. It holds no secret.

    Attributes:
        type: `login.expiring`, `login.expired`, `provider.unavailable` or `provider.available`.
        hub: Name of the machine that the hub runs on.
        text: All of it in one sentence, as chat programs want it.
        at: Unix seconds.
        expires_at: When the login ends, Unix seconds.
        days_left: Whole days until then.
    """

    type: str
    severity: Severity
    provider: str
    hub: str
    text: str
    message: str
    remedy: str
    at: float
    expires_at: float | None = None
    days_left: int | None = None
