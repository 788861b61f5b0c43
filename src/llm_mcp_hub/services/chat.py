"""Opening a turn: from what the caller asks to a stream of chunks.

Guarantee: everything that can be wrong with a request is found before anything is spent, and a
turn that could not be opened leaves its session as it was, and not busy.
"""

import asyncio
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

import structlog
from msgspec import Struct

from llm_mcp_hub.domain import transcript
from llm_mcp_hub.domain.access import Principal
from llm_mcp_hub.domain.chat import Message, TurnOptions, TurnRequest
from llm_mcp_hub.domain.ids import is_session_id, new_session_id, new_turn_id
from llm_mcp_hub.domain.session import Session
from llm_mcp_hub.errors import Draining, HubError, InvalidRequest
from llm_mcp_hub.services.catalog import Catalog
from llm_mcp_hub.services.leases import LEASE_SECONDS
from llm_mcp_hub.services.turn import SessionHold, Turn, TurnContext
from llm_mcp_hub.state.base import Lease

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


class ChatCommand(Struct, frozen=True):
    """What a caller asks for, through any door.

    Attributes:
        messages: New messages, or a whole history; the last is from the user or a tool.
        system: The system prompt; None to keep that of the session `session_id` names.
        session_id: The session the caller names, None to have it recognised or begun.
        remember: Whether anything is stored at all.
    """

    model: str
    messages: tuple[Message, ...]
    system: str | None = None
    options: TurnOptions = TurnOptions()
    session_id: str | None = None
    remember: bool = True


class _Opening(Struct, frozen=True):
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


class ChatService:
    """Opens turns."""

    def __init__(self, catalog: Catalog, context: TurnContext) -> None:
        self._catalog = catalog
        self._context = context
        self._draining = False

    def drain(self) -> None:
        """Open no more turns."""
        self._draining = True

    async def open_turn(self, principal: Principal, command: ChatCommand) -> Turn:
        """Begin a turn.

        Raises:
            InvalidRequest: Nothing to answer, or a session id that won't do.
            UnknownModel: Nobody offers the model.
            SessionBusy: Another turn runs on the session.
            HubError: What the provider raises.
        """
        started = time.perf_counter()
        if self._draining:
            raise Draining("The hub is shutting down; send the request again later.")
        _check(command)
        provider, model = await self._catalog.resolve(command.model)
        turn_id = new_turn_id()
        opening = await self._open_session(principal, command, turn_id)
        request = TurnRequest(
            turn_id=turn_id,
            principal=principal.name,
            model=model,
            messages=opening.history + opening.new,
            prior=len(opening.history),
            prior_digest=opening.history_digest,
            digest=opening.digest,
            system=opening.system,
            options=command.options,
        )
        hold = opening.hold
        try:
            stream = await provider.open_turn(request)
        except BaseException as error:
            if isinstance(error, HubError):
                log.warning(
                    "turn.not_opened",
                    turn_id=turn_id,
                    principal=principal.name,
                    model=f"{provider.name}/{model}",
                    code=error.code,
                    detail=error.detail,
                )
            if hold is not None and hold.leased:
                self._context.leases.drop(turn_id)
                # A lease that can't be given back passes by itself; the cause matters more.
                with suppress(HubError):
                    await self._context.store.release(principal.name, hold.session_id, turn_id)
            raise
        return Turn(self._context, request, provider.name, stream, hold, started)

    async def _open_session(
        self, principal: Principal, command: ChatCommand, turn_id: str
    ) -> _Opening:
        messages = command.messages
        split = transcript.history_length(messages)
        system = command.system or ""
        if command.remember and command.session_id is not None:
            return await self._open_named(principal, command, command.session_id, turn_id)
        digests = transcript.digests(messages)
        before = digests[split - 1] if split else transcript.EMPTY
        if command.remember and split:
            lease = Lease(turn_id, LEASE_SECONDS)
            session = await self._begin(
                principal,
                lease,
                None,
                lambda: self._context.store.begin_by_digest(
                    principal.name, before, lease, time.time()
                ),
            )
            if session is not None:
                self._context.leases.hold(turn_id, principal.name, session.summary.id)
                hold = SessionHold(
                    session_id=session.summary.id,
                    leased=True,
                    revision=session.summary.revision,
                    keep=split,
                    new=messages[split:],
                    digests=tuple(digests[split:]),
                    created_at=session.summary.created_at,
                )
                return _Opening(messages[:split], before, system, hold.new, digests[-1], hold)
        begun = None
        if command.remember:
            begun = SessionHold(new_session_id(), False, 0, 0, messages, tuple(digests))
        return _Opening(messages[:split], before, system, messages[split:], digests[-1], begun)

    async def _open_named(
        self, principal: Principal, command: ChatCommand, session_id: str, turn_id: str
    ) -> _Opening:
        lease = Lease(turn_id, LEASE_SECONDS)
        session = await self._begin(
            principal,
            lease,
            session_id,
            lambda: self._context.store.begin(principal.name, session_id, lease, time.time()),
        )
        self._context.leases.hold(turn_id, principal.name, session_id)
        return _continue(session, command, session_id)

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
                await self._context.store.release(principal.name, session_id, lease.id)


def _continue(session: Session | None, command: ChatCommand, session_id: str) -> _Opening:
    """How a request goes on from the session it names; pure."""
    stored = session.messages if session is not None else ()
    going_on = transcript.reconcile(
        [entry.digest for entry in stored],
        [entry.message for entry in stored],
        command.messages,
    )
    kept = tuple(entry.message for entry in stored[: going_on.keep])
    kept_digest = stored[going_on.keep - 1].digest if going_on.keep else transcript.EMPTY
    added = command.messages[going_on.first_new :]
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
    return _Opening(
        history=kept + added[:split],
        history_digest=digests[split - 1] if split else kept_digest,
        system=system,
        new=added[split:],
        digest=digests[-1],
        hold=hold,
    )


def _check(command: ChatCommand) -> None:
    if not command.messages:
        raise InvalidRequest("`messages` is empty: say something.", param="messages")
    if command.messages[-1].role == "assistant":
        raise InvalidRequest(
            "The last message is the assistant's; end with what the user or a tool says.",
            param="messages",
        )
    if command.session_id is not None and not is_session_id(command.session_id):
        raise InvalidRequest(
            "A session id is 1 to 128 of A-Z a-z 0-9 . _ : -", param="X-Session-ID"
        )
