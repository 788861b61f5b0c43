"""The session a turn belongs to, and how the turn gets into it.

Guarantee: a turn is stored once or not at all, also when it is unknown whether an attempt has
succeeded; a state store that is away for a moment is waited for.
"""

import asyncio
import time

from msgspec import Struct

from llm_mcp_hub.domain import transcript
from llm_mcp_hub.domain.chat import Message, TurnRequest
from llm_mcp_hub.domain.completion import Completion
from llm_mcp_hub.domain.session import SessionAppend, StoredMessage
from llm_mcp_hub.errors import SessionChanged, StateUnavailable
from llm_mcp_hub.state.base import SessionStore

STORE_SECONDS = 5.0
"""How long storing a finished turn is tried while the state store is away."""
STORE_RETRY_SECONDS = 0.25


class SessionHold(Struct, frozen=True):
    """The session that a turn belongs to and what it starts from there.

    Attributes:
        leased: Whether the turn holds the session's lease; a session that begins with this turn
            under an id of the hub's own needs none.
        keep: How many of the stored messages stay.
        new: The messages this turn adds, before the answer.
        digests: Their digests.
        created_at: When the session that `revision` counts was begun; None for a new one.
    """

    session_id: str
    leased: bool
    revision: int
    keep: int
    new: tuple[Message, ...]
    digests: tuple[str, ...]
    created_at: float | None = None


def session_change(
    hold: SessionHold, request: TurnRequest, model_id: str, completion: Completion
) -> SessionAppend:
    """What a complete turn adds to its session; pure but for the time."""
    now = time.time()
    answer = completion.message
    messages = [
        StoredMessage(message, digest, now)
        for message, digest in zip(hold.new, hold.digests, strict=True)
    ]
    messages.append(StoredMessage(answer, transcript.extend(request.digest, answer), now))
    return SessionAppend(
        expected_revision=hold.revision,
        keep=hold.keep,
        messages=tuple(messages),
        model=model_id,
        system=request.system,
        usage=completion.usage,
        expected_created_at=hold.created_at,
    )


async def store_turn(
    store: SessionStore,
    request: TurnRequest,
    hold: SessionHold,
    change: SessionAppend,
    ttl: float,
    *,
    tried: bool,
) -> None:
    """Store a turn and give its lease back.

    Args:
        store: Where.
        request: The turn.
        hold: Its session.
        change: What it adds.
        ttl: How long the session lives, in seconds.
        tried: Whether an earlier attempt may have succeeded unseen.

    Raises:
        SessionChanged: The session moved on meanwhile.
        StateUnavailable: The store did not come back within `STORE_SECONDS`.
    """
    deadline = time.monotonic() + STORE_SECONDS
    at = change.messages[-1].created_at
    while True:
        try:
            try:
                await store.append(
                    request.principal, hold.session_id, request.turn_id, change, ttl, at
                )
            except SessionChanged:
                if not (tried and await _is_stored(store, request.principal, hold, change)):
                    raise
            return
        except StateUnavailable as error:
            tried = True
            if time.monotonic() >= deadline:
                # Generated and paid for already: the same request would pay again.
                raise StateUnavailable(error.message, retryable=False) from error
            await asyncio.sleep(STORE_RETRY_SECONDS)


async def _is_stored(
    store: SessionStore, principal: str, hold: SessionHold, change: SessionAppend
) -> bool:
    """Whether an attempt that seemed to fail was carried out after all."""
    session = await store.get(principal, hold.session_id, time.time())
    return (
        session is not None
        and session.summary.revision == hold.revision + 1
        and session.summary.digest == change.messages[-1].digest
    )
