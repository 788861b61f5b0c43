"""What the checks of a store are made of: numbered promises, and small sessions to try them on."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import TypeVar

from msgspec import Struct

from llm_mcp_hub.domain.chat import Message, TextPart
from llm_mcp_hub.domain.chunk import Usage
from llm_mcp_hub.domain.session import (
    Session,
    SessionAppend,
    SessionSummary,
    StoredMessage,
)
from llm_mcp_hub.domain.transcript import extend
from llm_mcp_hub.errors import HubError
from llm_mcp_hub.state.base import Lease, Store

OpenStore = Callable[[], AbstractAsyncContextManager[Store]]
Check = Callable[[Store], Awaitable[None]]
T = TypeVar("T")

START = 1_700_000_000.125
"""The `now` at which every check begins. Time passes only where a check says so."""
TTL = 3600.0
LEASE_SECONDS = 30.0


class BrokenPromiseError(AssertionError):
    """A store does not do what `state.base` promises; the message says which promise and how."""


class Promise(Struct, frozen=True):
    """A sentence about stores, and the check that it is true of one."""

    text: str
    check: Check


class Promises:
    """A list of promises, filled by decorating their checks."""

    def __init__(self) -> None:
        self.all: list[Promise] = []

    def __call__(self, text: str) -> Callable[[Check], Check]:
        """Register a check under the sentence it checks."""

        def register(check: Check) -> Check:
            self.all.append(Promise(text, check))
            return check

        return register


def equal(actual: object, expected: object, what: str) -> None:
    """Compare, and say what was compared if it differs."""
    if actual != expected:
        raise BrokenPromiseError(f"{what}: expected {expected!r}, got {actual!r}")


async def refused(call: Awaitable[object], error: type[HubError], what: str) -> None:
    """Await a call that must raise the error."""
    try:
        result = await call
    except error as refusal:
        equal(refusal.message[:1].islower(), False, f"{what}: the message begins in lower case")
        return
    except HubError as other:
        raise BrokenPromiseError(f"{what}: expected {error.__name__}, got {other!r}") from other
    raise BrokenPromiseError(f"{what}: expected {error.__name__}, got the result {result!r}")


def present(value: T | None, what: str) -> T:
    """The value, which must not be None."""
    if value is None:
        raise BrokenPromiseError(f"{what}: got None")
    return value


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
