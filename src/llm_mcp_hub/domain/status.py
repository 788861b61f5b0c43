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
        account: Whose login it is, as far as anybody may see it: `zo…@example.com`.
        refreshed_at: When the vendor's tool last renewed it, Unix seconds.
        last_error: Why the vendor last refused it, empty once it has worked again.
    """

    state: CredentialState
    method: str | None = None
    expires_at: float | None = None
    plan: str | None = None
    verified_at: float | None = None
    message: str = ""
    remedy: str = ""
    account: str | None = None
    refreshed_at: float | None = None
    last_error: str = ""


def credential_state(expires_at: float, now: float) -> CredentialState:
    """The state of a login with a known end. Both are Unix seconds."""
    if expires_at <= now:
        return CredentialState.EXPIRED
    if expires_at - now <= WARNING_DAYS * 86_400:
        return CredentialState.EXPIRING
    return CredentialState.READY


def masked(account: str) -> str:
    """An account's name, recognisable to its owner and of no use to anybody else."""
    name, at, host = account.partition("@")
    return f"{name[:2]}…{at}{host}"


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


class WorkerState(StrEnum):
    """What a worker of a pool is doing."""

    BLANK = "blank"
    CLAIMED = "claimed"
    PARKED = "parked"
    ENDING = "ending"


class WorkerFigures(Struct, frozen=True):
    """How one worker is doing.

    Attributes:
        age_seconds: Since it was ready.
        state_seconds: Since it has been in its state: idle, busy or ending for so long.
        turns: So many it has been claimed for.
        rss_bytes: Memory it holds, its children included, as last measured.
        cpu_seconds: CPU time it has used, as last measured.
        principal: Whose conversation it holds.
    """

    pid: int | None
    state: WorkerState
    age_seconds: float
    state_seconds: float
    turns: int
    rss_bytes: int | None
    cpu_seconds: float | None
    principal: str | None


class PoolFigures(Struct, frozen=True):
    """How a provider's workers are doing: now, since the hub's start, and lately.

    Attributes:
        queued_batch: So many of `queued` are in the batch lane.
        min_spare: So many are to wait unclaimed.
        served: Claims since the start, as all counts from here to `recycled_memory`.
        refused: The sum of the four after it.
        refused_full: The queue was full.
        refused_late: The wait was too long.
        refused_memory: There was no memory for a worker.
        refused_paused: None was to be started, see `paused`.
        evicted: Idle ones that were ended, whatever for.
        died: Ended by themselves.
        wait_p50: So many seconds the last claims waited at most, half of them.
        wait_p95: The same of 95 % of them.
        hold_seconds: How long workers are claimed, a moving average.
        start_seconds: How long starts take, a moving average.
        retry_after: Seconds after which one who were refused now should come again.
        paused: Why no workers are started; empty if they are.
    """

    blank: int = 0
    starting: int = 0
    ending: int = 0
    claimed: int = 0
    parked: int = 0
    queued: int = 0
    queued_batch: int = 0
    min_spare: int = 0
    max_workers: int = 0
    max_queue: int = 0
    served: int = 0
    refused: int = 0
    refused_full: int = 0
    refused_late: int = 0
    refused_memory: int = 0
    refused_paused: int = 0
    starts: int = 0
    failed_starts: int = 0
    evicted: int = 0
    died: int = 0
    recycled_turns: int = 0
    recycled_age: int = 0
    recycled_memory: int = 0
    wait_p50: float = 0.0
    wait_p95: float = 0.0
    hold_seconds: float = 0.0
    start_seconds: float = 0.0
    retry_after: float = 0.0
    paused: str = ""


class ProviderState(StrEnum):
    """Whether a provider takes requests."""

    STARTING = "starting"
    AVAILABLE = "available"
    UNAVAILABLE = "unavailable"


class Origin(StrEnum):
    """Where a provider comes from: the configuration, its plugin by itself, or a request."""

    CONFIGURED = "configured"
    AUTOMATIC = "automatic"
    ADDED = "added"


class ProviderStatus(Struct, frozen=True):
    """What a provider says of itself.

    Attributes:
        reason: Why it is not available, and what to do; empty when it is.
        version: Of the vendor's tool, once known.
        warning: What is wrong although it is available; empty when nothing is.
        deadlines: How often each deadline has passed since the hub's start, by name.
    """

    state: ProviderState
    reason: str = ""
    version: str | None = None
    pool: PoolFigures = PoolFigures()
    quota: tuple[QuotaWindow, ...] = ()
    warning: str = ""
    deadlines: dict[str, int] = {}
