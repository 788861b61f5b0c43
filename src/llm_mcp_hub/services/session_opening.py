"""From what a caller says to the conversation and the session it goes on from.

Guarantees: whoever leaves while a lease is being taken leaves no lease behind; a turn that goes on
only in case its caller comes back gives way to the next one on its session; a session that a client
only hints at is never changed by a request that does not go on from it.
"""

import asyncio
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from operator import attrgetter
from typing import Any

from msgspec import Struct

from llm_mcp_hub.domain import transcript
from llm_mcp_hub.domain.access import Principal
from llm_mcp_hub.domain.chat import Message
from llm_mcp_hub.domain.ids import new_session_id
from llm_mcp_hub.domain.session import Session
from llm_mcp_hub.errors import HubError, InvalidRequest, SessionBusy
from llm_mcp_hub.services.call_checks import with_all_results
from llm_mcp_hub.services.command import ChatCommand
from llm_mcp_hub.services.journals import Journals
from llm_mcp_hub.services.leases import LEASE_SECONDS, LeaseKeeper
from llm_mcp_hub.services.session_hold import SessionHold
from llm_mcp_hub.state.base import Lease, SessionStore
from llm_mcp_hub.within import within

GIVE_WAY_SECONDS = 5.0
"""How long a turn that is given up may take to let go of its session."""

_digest = attrgetter("digest")
_message = attrgetter("message")


class TurnStart(Struct, frozen=True):
    """The conversation a turn goes on from, what it adds, and its session.

    Attributes:
        history_digest: Digest of `history`.
        digest: Digest of `history` and `new`.
    """

    history: tuple[Message, ...]
    history_digest: str
    system: str
    new: tuple[Message, ...]
    digest: str
    hold: SessionHold | None


class SessionOpener:
    """Takes sessions for turns."""

    def __init__(self, store: SessionStore, leases: LeaseKeeper, journals: Journals) -> None:
        self._store = store
        self._leases = leases
        self._journals = journals

    async def open(self, principal: Principal, command: ChatCommand, turn_id: str) -> TurnStart:
        """Take the session that the command names, or that its history is known from, or a new one.

        Raises:
            SessionBusy: Another turn runs on the session.
            InvalidRequest: Results that don't fit the calls of the session.
        """
        messages = command.messages
        split = transcript.history_length(messages)
        system = command.system or ""
        remember = command.remember
        if remember and command.session_id is not None:
            if not command.hinted:
                return await self._open_named(principal, command, command.session_id, turn_id)
            start = await self._open_hinted(principal, command, command.session_id, turn_id)
            if start is not None:
                return start
            remember = split > 0  # something beside the conversation, such as a title for it
        digests = transcript.digests(messages)
        before = digests[split - 1] if split else transcript.EMPTY
        if remember and split:
            lease = Lease(turn_id, LEASE_SECONDS)
            session = await self._begin(
                principal,
                lease,
                None,
                lambda: self._store.begin_by_digest(principal.name, before, lease, time.time()),
            )
            if session is not None:
                self._leases.hold(turn_id, principal.name, session.summary.id)
                hold = SessionHold(
                    session_id=session.summary.id,
                    leased=True,
                    revision=session.summary.revision,
                    keep=split,
                    new=messages[split:],
                    digests=tuple(digests[split:]),
                    created_at=session.summary.created_at,
                )
                return TurnStart(messages[:split], before, system, hold.new, digests[-1], hold)
        begun = None
        if remember:
            begun = SessionHold(new_session_id(), False, 0, 0, messages, tuple(digests))
        return TurnStart(messages[:split], before, system, messages[split:], digests[-1], begun)

    async def give_back(self, principal: Principal, session_id: str, turn_id: str) -> None:
        """Give a lease back, also if the caller leaves at this moment."""

        async def release() -> None:
            # A lease that can't be given back passes by itself.
            with suppress(HubError):
                await self._store.release(principal.name, session_id, turn_id)

        await asyncio.wait([asyncio.get_running_loop().create_task(release())])

    async def _open_named(
        self, principal: Principal, command: ChatCommand, session_id: str, turn_id: str
    ) -> TurnStart:
        session = await self._take(principal, session_id, turn_id)
        going_on = transcript.reconcile(*_stored(session), command.messages)
        return await self._go_on(principal, command, session_id, turn_id, session, going_on)

    async def _open_hinted(
        self, principal: Principal, command: ChatCommand, session_id: str, turn_id: str
    ) -> TurnStart | None:
        """None if the request is no part of the session, or has to leave it to another turn."""
        if not transcript.history_length(command.messages):
            # Looked at first without a lease, for the next turn of the conversation may be coming.
            session = await self._store.get(principal.name, session_id, time.time())
            if transcript.belongs(*_stored(session), command.messages) is None:
                return None
        try:
            session = await self._take(principal, session_id, turn_id)
        except SessionBusy:
            return None
        going_on = transcript.belongs(*_stored(session), command.messages)
        if going_on is None:
            await self.give_back(principal, session_id, turn_id)
            return None
        return await self._go_on(principal, command, session_id, turn_id, session, going_on)

    async def _go_on(
        self,
        principal: Principal,
        command: ChatCommand,
        session_id: str,
        turn_id: str,
        session: Session | None,
        going_on: transcript.Continuation,
    ) -> TurnStart:
        """Go on from a session whose lease has been taken, or give that back."""
        try:
            start = _continue(session, command, session_id, going_on)
        except InvalidRequest:
            await self.give_back(principal, session_id, turn_id)
            raise
        self._leases.hold(turn_id, principal.name, session_id)
        return start

    async def _take(self, principal: Principal, session_id: str, turn_id: str) -> Session | None:
        """Take the lease of a session; the session, if there is one yet.

        Raises:
            SessionBusy: Another turn has it.
        """
        lease = Lease(turn_id, LEASE_SECONDS)

        def begin() -> Coroutine[Any, Any, Session | None]:
            return self._store.begin(principal.name, session_id, lease, time.time())

        try:
            return await self._begin(principal, lease, session_id, begin)
        except SessionBusy:
            if not await self.made_way(principal.name, session_id):
                raise
            return await self._begin(principal, lease, session_id, begin)

    async def made_way(self, principal: str, session_id: str) -> bool:
        """Whether a turn that only waited for its caller to come back has been ended."""
        left = self._journals.left_on(principal, session_id)
        if left is None:
            return False
        left.give_up()
        try:
            with within(GIVE_WAY_SECONDS):
                await left.ended()
        except TimeoutError:
            return False
        return True

    async def _begin(
        self,
        principal: Principal,
        lease: Lease,
        named: str | None,
        begin: Callable[[], Coroutine[Any, Any, Session | None]],
    ) -> Session | None:
        """Take a lease. A caller that leaves meanwhile leaves no lease behind."""
        try:
            return await begin()
        except asyncio.CancelledError:
            undoing = self._undo(principal, lease, named, begin)
            await asyncio.wait([asyncio.get_running_loop().create_task(undoing)])
            raise

    async def _undo(
        self,
        principal: Principal,
        lease: Lease,
        named: str | None,
        begin: Callable[[], Coroutine[Any, Any, Session | None]],
    ) -> None:
        """Give a lease back that may or may not have been taken."""
        with suppress(HubError):
            # Taking it again, which its holder may, tells whether and where it is held.
            session = await begin()
            session_id = named or (session.summary.id if session is not None else None)
            if session_id is not None:
                await self._store.release(principal.name, session_id, lease.id)


def _stored(session: Session | None) -> tuple[list[str], list[Message]]:
    """The digests and the messages of a session."""
    entries = session.messages if session is not None else ()
    return list(map(_digest, entries)), list(map(_message, entries))


def _continue(
    session: Session | None,
    command: ChatCommand,
    session_id: str,
    going_on: transcript.Continuation,
) -> TurnStart:
    """How a request goes on from a session; pure.

    Raises:
        InvalidRequest: Results that don't fit the calls of the session.
    """
    stored = session.messages if session is not None else ()
    kept = tuple(map(_message, stored[: going_on.keep]))
    kept_digest = stored[going_on.keep - 1].digest if going_on.keep else transcript.EMPTY
    added = with_all_results(kept, command.messages[going_on.first_new :])
    digests: list[str] = []
    digest = kept_digest
    for message in added:
        digest = transcript.extend(digest, message)
        digests.append(digest)
    split = transcript.history_length(added)
    hold = SessionHold(
        session_id=session_id,
        leased=True,
        revision=session.summary.revision if session is not None else 0,
        keep=going_on.keep,
        new=added,
        digests=tuple(digests),
        created_at=session.summary.created_at if session is not None else None,
    )
    system = command.system
    if system is None:
        system = session.summary.system if session is not None else ""
    return TurnStart(
        history=kept + added[:split],
        history_digest=digests[split - 1] if split else kept_digest,
        system=system,
        new=added[split:],
        digest=digests[-1],
        hold=hold,
    )
