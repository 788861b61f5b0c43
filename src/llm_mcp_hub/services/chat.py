"""Opening a turn: from what the caller asks to a stream of chunks.

Guarantee: everything that can be wrong with a request is found before anything is spent, and a
turn that could not be opened leaves its session as it was, and not busy.
"""

import asyncio
import time

import msgspec
import structlog

from llm_mcp_hub.config import ImagesConfig
from llm_mcp_hub.domain.access import Principal
from llm_mcp_hub.domain.chat import TurnRequest
from llm_mcp_hub.domain.event import EventName
from llm_mcp_hub.domain.ids import is_session_id, new_turn_id
from llm_mcp_hub.domain.journal import JournalHead
from llm_mcp_hub.domain.turn import Outcome, TurnRecord
from llm_mcp_hub.errors import HubError, InternalError, InvalidRequest, TooManyTurns
from llm_mcp_hub.services.attempts import Attempts, AwaitedTurn, Awaits
from llm_mcp_hub.services.call_checks import check_calls
from llm_mcp_hub.services.catalog import Catalog
from llm_mcp_hub.services.choice import ModelChoice
from llm_mcp_hub.services.claim import claimed
from llm_mcp_hub.services.command import ChatCommand
from llm_mcp_hub.services.demanding import open_answer
from llm_mcp_hub.services.demands import demands_of
from llm_mcp_hub.services.events import Events
from llm_mcp_hub.services.follow import FollowedTurn
from llm_mcp_hub.services.limits import NO_USAGE, Admission
from llm_mcp_hub.services.linked_images import LinkedImages
from llm_mcp_hub.services.live import LiveTurn
from llm_mcp_hub.services.running import Opening, refused
from llm_mcp_hub.services.session_opening import SessionOpener
from llm_mcp_hub.services.tool_checks import check_tools
from llm_mcp_hub.services.turn import Turn
from llm_mcp_hub.services.turn_context import TurnContext

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


class ChatService:
    """Opens turns."""

    def __init__(
        self,
        catalog: Catalog,
        choice: ModelChoice,
        context: TurnContext,
        events: Events | None = None,
        images: LinkedImages | None = None,
    ) -> None:
        self._images = images if images is not None else LinkedImages(ImagesConfig())
        self._catalog = catalog
        self._choice = choice
        self._events = events if events is not None else Events()
        self._context = context
        self._opener = SessionOpener(context.store, context.leases, context.journals)
        self._draining = False

    def drain(self) -> None:
        """Open no more turns."""
        self._draining = True

    async def open_turn(
        self, principal: Principal, command: ChatCommand, awaits: Awaits | None = None
    ) -> Turn | FollowedTurn:
        """Begin a turn, or follow the one that has the command's key already.

        Args:
            principal: Who asks.
            command: What for.
            awaits: See `Attempts`: opening a turn of a chain takes until its first chunk.

        Raises:
            InvalidRequest: Nothing to answer, a session id that won't do, or tools, results or a
                form of the answer that make no sense.
            UnsupportedParameter: The provider can't do what is asked for.
            UnknownModel: Nobody offers the model.
            SessionBusy: Another turn runs on the session.
            KeyReused: The key came with another request before.
            LimitReached: The principal has had what it may have.
            Draining: The hub is shutting down, or began to while this waited.
            ProviderDraining: An administrator has the provider take no turns.
            HubError: What the provider raises, or one of several that could be asked.
        """
        if self._draining:
            raise refused()
        with Opening(self._context.running) as opening:
            turn = await self._open_turn(principal, command, opening, awaits)
        if self._events.listening and isinstance(turn, Turn):
            self._events.publish(
                EventName.TURN_STARTED,
                owner=principal.name,
                turn_id=turn.turn_id,
                session_id=turn.session_id,
                model=turn.model_id,
            )
        return turn

    async def _open_turn(
        self,
        principal: Principal,
        command: ChatCommand,
        being_opened: Opening,
        awaits: Awaits | None,
    ) -> Turn | FollowedTurn:
        started = time.perf_counter()
        _check(command)
        model = await self._choice.choose(principal, command.model, None, command.session_id)
        targets = await self._catalog.route(model)
        attempts = Attempts(targets, self._catalog.admit, being_opened, awaits)
        head = JournalHead(
            turn_id=new_turn_id(),
            principal=principal.name,
            session_id=command.session_id,
            model_id=attempts.target.id,
            created_at=time.time(),
            include_usage=command.include_usage,
            key=command.key,
            fingerprint=command.fingerprint,
            note=command.note,
        )
        if command.key is None:
            return await self._admit_turn(principal, command, attempts, head, started, being_opened)
        turn: Turn | None = None
        try:
            async with claimed(self._context.journals, head) as earlier:
                if earlier is not None:
                    return FollowedTurn(self._context.journals, earlier)
                turn = await self._admit_turn(
                    principal, command, attempts, head, started, being_opened
                )
        except BaseException:
            # Whoever leaves after the turn was opened and before it is theirs can't close it.
            if turn is not None:
                await asyncio.wait([asyncio.get_running_loop().create_task(turn.aclose())])
            raise
        return turn

    async def _admit_turn(
        self,
        principal: Principal,
        command: ChatCommand,
        attempts: Attempts,
        head: JournalHead,
        started: float,
        being_opened: Opening,
    ) -> Turn:
        admission: Admission | None = None
        try:
            admission = await self._enter(principal, command, head.turn_id)
            return await self._start_turn(
                principal, command, attempts, head, started, being_opened, admission
            )
        except BaseException as error:
            if admission is not None:
                await admission.leave(attempts.spent, spent=attempts.spent != NO_USAGE)
            cancelled = isinstance(error, asyncio.CancelledError)
            self._context.refused(
                TurnRecord(
                    turn_id=head.turn_id,
                    principal=principal.name,
                    session_id=command.session_id,
                    provider=attempts.target.provider.name,
                    model=attempts.target.model,
                    outcome=Outcome.CANCELLED if cancelled else Outcome.FAILED,
                    error_code=None if cancelled else getattr(error, "code", InternalError.code),
                    usage=attempts.spent,
                    seconds=time.perf_counter() - started,
                    first_chunk_seconds=None,
                )
            )
            raise

    async def _enter(
        self, principal: Principal, command: ChatCommand, turn_id: str
    ) -> Admission | None:
        try:
            return await self._context.limits.enter(principal, turn_id)
        except TooManyTurns:
            # The place may be that of a turn which this one is to take the session from.
            session_id = command.session_id
            if session_id is None or not await self._opener.made_way(principal.name, session_id):
                raise
            return await self._context.limits.enter(principal, turn_id)

    async def _start_turn(
        self,
        principal: Principal,
        command: ChatCommand,
        attempts: Attempts,
        head: JournalHead,
        started: float,
        being_opened: Opening,
        admission: Admission | None,
    ) -> Turn:
        turn_id = head.turn_id
        attempts.check()
        messages = await self._images.fetched(command.messages)
        if messages is not command.messages:
            command = msgspec.structs.replace(command, messages=messages)
        opening = await self._opener.open(principal, command, turn_id)
        request = TurnRequest(
            turn_id=turn_id,
            principal=principal.name,
            model=attempts.target.model,
            messages=opening.history + opening.new,
            prior=len(opening.history),
            prior_digest=opening.history_digest,
            digest=opening.digest,
            system=opening.system,
            options=command.options,
            tools=command.tool_choice.among(command.tools),
            parallel_tool_calls=command.parallel_tool_calls,
            priority=command.priority,
        )
        hold = opening.hold
        being_opened.turn_id = turn_id
        if hold is not None:
            being_opened.on = (principal.name, hold.session_id)
        session_id = hold.session_id if hold is not None else None
        attempts.turn = AwaitedTurn(turn_id, session_id, head.model_id, head.created_at, admission)
        try:
            request, stream = await open_answer(attempts, request, demands_of(command))
        except BaseException as error:
            if isinstance(error, HubError):
                log.warning(
                    "turn.not_opened",
                    turn_id=turn_id,
                    principal=principal.name,
                    model=attempts.target.id,
                    code=error.code,
                    detail=error.detail,
                    input_tokens=attempts.spent.input_tokens,
                    output_tokens=attempts.spent.output_tokens,
                )
            if hold is not None and hold.leased:
                self._context.leases.drop(turn_id)
                await self._opener.give_back(principal, hold.session_id, turn_id)
            raise
        provider, model_id = attempts.target.provider.name, attempts.target.id
        live: LiveTurn | None = None
        resumable = command.resumable and self._context.journals.enabled
        if command.key is not None or command.note or resumable:
            head = msgspec.structs.replace(
                head, session_id=session_id, model_id=model_id, digest=opening.digest
            )
            live = self._context.journals.begin(head, resumable=resumable)
        spent = attempts.spent
        return Turn(self._context, request, provider, stream, hold, started, spent, live, admission)


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
            "A session id is 1 to 128 of A-Z a-z 0-9 . _ : - and not `none`.", param="X-Session-ID"
        )
    check_tools(command.tools, command.tool_choice)
    # Clients that only hint at a session send the whole history.
    named = command.session_id is not None and command.remember and not command.hinted
    check_calls(command.messages, complete=not named)
    demands_of(command)
