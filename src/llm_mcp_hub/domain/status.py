"""What the hub knows about its providers' health and logins."""

from enum import StrEnum

from msgspec import Struct

WARNING_DAYS = 7
"""A login that ends within so many days is `expiring`."""


class CredentialState(StrEnum):
    """State of a provider's login, judged without asking the vendor."""

    READY = "ready"
    EXPIRING = "expiring"
    EXPIRED = "expired"
    MISSING = "missing"
    UNKNOWN = "unknown"


class CredentialStatus(Struct, frozen=True):
    """A provider's login: dates and names, never a token.

    Attributes:
        method: `oauth_token` (a long-lived token in a file), `oauth_file` (the vendor's own
            login), or None if the provider needs none.
        expires_at: Unix seconds, or None where the vendor does not tell.
        plan: The subscription, as the vendor names it.
        verified_at: When a real completion last succeeded, Unix seconds.
        message: What the state means here.
        remedy: What to do about it; empty when there is nothing to do.
    """

    state: CredentialState
    method: str | None = None
    expires_at: float | None = None
    plan: str | None = None
    verified_at: float | None = None
    message: str = ""
    remedy: str = ""


def credential_state(expires_at: float, now: float) -> CredentialState:
    """The state of a login with a known end. Both are Unix seconds."""
    if expires_at <= now:
        return CredentialState.EXPIRED
    if expires_at - now <= WARNING_DAYS * 86_400:
        return CredentialState.EXPIRING
    return CredentialState.READY


class QuotaWindow(Struct, frozen=True):
    """One of the vendor's usage windows.

    Attributes:
        utilization: Used share, 0 to 1, where the vendor says so.
        resets_at: Unix seconds.
        status: The vendor's own word.
    """

    name: str
    utilization: float | None
    resets_at: float | None
    status: str | None


class PoolFigures(Struct, frozen=True):
    """How a provider's workers are doing at this moment; `served` and `refused` since start."""

    blank: int = 0
    starting: int = 0
    ending: int = 0
    claimed: int = 0
    parked: int = 0
    queued: int = 0
    max_workers: int = 0
    max_queue: int = 0
    served: int = 0
    refused: int = 0

    def __add__(self, other: "PoolFigures") -> "PoolFigures":
        return PoolFigures(
            *(getattr(self, name) + getattr(other, name) for name in self.__struct_fields__)
        )


class ProviderState(StrEnum):
    """Whether a provider takes requests."""

    STARTING = "starting"
    AVAILABLE = "available"
    UNAVAILABLE = "unavailable"


class ProviderStatus(Struct, frozen=True):
    """What a provider says of itself.

    Attributes:
        reason: Why it is not available, and what to do; empty when it is.
        version: Of the vendor's tool, once known.
    """

    state: ProviderState
    reason: str = ""
    version: str | None = None
    pool: PoolFigures = PoolFigures()
    quota: tuple[QuotaWindow, ...] = ()
