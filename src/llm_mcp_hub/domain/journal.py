"""What is recorded of a turn while it runs, so that its answer outlives the connection it goes to.

A journal is the turn's chunks in order, numbered from 1, and how it ended. Its owner, the hub that
runs the turn, writes it; anybody of the same principal may read it, from any replica, also while it
grows, or write its end, which the owner hears of when it renews it.
"""

from msgspec import Struct

from llm_mcp_hub.domain.chunk import Chunk


class JournalHead(Struct, frozen=True):
    """What is known of a turn from its beginning.

    Attributes:
        model_id: `provider/name`.
        created_at: Unix seconds.
        include_usage: Whether the caller asked for the token counts among the events.
        key: The caller's `Idempotency-Key`, or None.
        fingerprint: Digest of the request that came with `key`; empty without one.
        digest: Of the transcript that the turn answers, by which its place in the session is found.
        note: What its door will want to know of the request, in the door's own words. A turn with a
            note is kept for as long as its session.
    """

    turn_id: str
    principal: str
    session_id: str | None
    model_id: str
    created_at: float
    include_usage: bool = False
    key: str | None = None
    fingerprint: str = ""
    digest: str = ""
    note: bytes = b""


class JournalError(Struct, frozen=True):
    """The `HubError` that ended a turn.

    Attributes:
        code: `HubError.code`, from which the class is found again.
    """

    code: str
    message: str
    retryable: bool = False
    param: str | None = None
    retry_after: float | None = None


class JournalEnd(Struct, frozen=True):
    """How a turn ended; `error` is None after its `FinishChunk`."""

    error: JournalError | None = None


class JournalEntry(Struct, frozen=True):
    """One addition to a journal.

    Attributes:
        after: How many chunks of the turn come before `chunks`.
        alive_until: Unix seconds; unless the owner writes again by then, it is gone.
        end: Given with the last entry.
    """

    head: JournalHead
    after: int
    chunks: tuple[Chunk, ...]
    alive_until: float
    end: JournalEnd | None = None


class Journal(Struct, frozen=True):
    """A journal as it is read.

    Attributes:
        chunks: Those after the number that was asked for.
        wanted_until: The latest time, in Unix seconds, until which a reader said it waits; 0 if
            nobody did.
    """

    head: JournalHead
    chunks: tuple[Chunk, ...]
    alive_until: float
    end: JournalEnd | None = None
    wanted_until: float = 0.0
