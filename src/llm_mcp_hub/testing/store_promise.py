"""What the checks of a store are made of: promises about one, and small sessions to try them on."""

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager

from llm_mcp_hub.domain.chat import Message, TextPart
from llm_mcp_hub.domain.chunk import Usage
from llm_mcp_hub.domain.session import (
    Session,
    SessionAppend,
    SessionSummary,
    StoredMessage,
)
from llm_mcp_hub.domain.transcript import extend
from llm_mcp_hub.state.base import Lease, Store
from llm_mcp_hub.testing.promise import (
    BrokenPromiseError,
    PromiseList,
    equal,
    present,
    refused,
)

__all__ = ["BrokenPromiseError", "equal", "present", "refused"]

OpenStore = Callable[[], AbstractAsyncContextManager[Store]]
Promises = PromiseList[Store]

START = 1_700_000_000.125
"""The `now` at which every check begins. Time passes only where a check says so."""
TTL = 3600.0
LEASE_SECONDS = 30.0


def lease(name: str) -> Lease:
    """The lease of the turn of that name."""
    return Lease(name, LEASE_SECONDS)


def said(*texts: str, digest: str = "", at: float = START) -> tuple[StoredMessage, ...]:
    """Messages of those texts, from the user and the assistant in turn, after a transcript."""
    stored: list[StoredMessage] = []
    for index, text in enumerate(texts):
        message = Message("assistant" if index % 2 else "user", (TextPart(text),))
        digest = extend(digest, message)
        stored.append(StoredMessage(message, digest, at))
    return tuple(stored)


def change(
    revision: int,
    messages: Sequence[StoredMessage] = (),
    *,
    keep: int = 0,
    usage: Usage | None = None,
    created_at: float | None = None,
) -> SessionAppend:
    """A turn that started from a revision."""
    return SessionAppend(
        expected_revision=revision,
        keep=keep,
        messages=tuple(messages),
        model="echo/echo",
        system="Be brief.",
        usage=usage or Usage(10, 4, 3, 1),
        expected_created_at=created_at,
    )


async def stored(
    store: Store,
    session_id: str = "s1",
    *texts: str,
    principal: str = "ann",
    now: float = START,
    ttl: float = TTL,
) -> SessionSummary:
    """Store the first turn of a session."""
    turn = f"first turn of {session_id}"
    await store.begin(principal, session_id, lease(turn), now)
    messages = said(*(texts or ("hello", "hi")), at=now)
    return await store.append(principal, session_id, turn, change(0, messages), ttl, now)


async def read(store: Store, session_id: str = "s1", now: float = START) -> Session:
    """One of ann's sessions, which must exist."""
    return present(await store.get("ann", session_id, now), f"get of {session_id}")
