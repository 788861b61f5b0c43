"""Claude Code's `stream-json` protocol as a machine without I/O.

Guarantees beside those of `providers.dialect`: nothing is sent to the model before the account
has been checked, at every turn; text is never repeated, whatever the tool tries again; an answer
that was cut by a limit or a refusal ends there, though the tool would go on by itself.

Every fact about the protocol was seen with Claude Code 2.1.329.
"""

import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from enum import Enum, auto

import msgspec

from llm_mcp_hub.domain.chat import TurnOptions, TurnRequest
from llm_mcp_hub.domain.chunk import FinishChunk, FinishReason, TextChunk
from llm_mcp_hub.domain.model import ModelCard
from llm_mcp_hub.errors import HubError, InvalidRequest, WorkerGarbled
from llm_mcp_hub.providers.dialect import Event, Inspected, Pong, QuotaSeen, Ready, TurnFailed
from llm_mcp_hub_claude import lines
from llm_mcp_hub_claude.account import refuse_account, refuse_key_source
from llm_mcp_hub_claude.answer import Answer
from llm_mcp_hub_claude.errors import (
    Failure,
    model_refused,
    model_replaced,
    quota_windows,
    step_refused,
    stream_cut,
    to_hub_error,
)
from llm_mcp_hub_claude.history import replay
from llm_mcp_hub_claude.options import flag_settings

SYSTEM_PROMPT_OF_NONE = ""
"""Sent when the caller gives no system prompt: nothing but the vendor's own line of identity
remains of the system prompt then."""


PING = "ping"
"""Id of the requests for a sign of life. Their answers are no step of a turn."""


class _Phase(Enum):
    IDLE = auto()
    PREPARING = auto()
    """Waiting for the replies to what was asked before the conversation goes in."""
    TALKING = auto()
    """Steps of the conversation go in; the last one is being answered."""
    OVER = auto()
    """The turn ended before the tool was done: whatever still comes is not for anyone."""


class ClaudeDialect:
    """See the module.

    Args:
        aliases: Names of models that stand for others.
        clock: Unix seconds; used to tell how long a limit still holds.
    """

    def __init__(
        self,
        aliases: Mapping[str, str] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._aliases = aliases or {}
        self._clock = clock
        self._outgoing = bytearray()
        self._asked: dict[str, str] = {}
        self._requests = 0
        self._phase = _Phase.IDLE
        self._steps: deque[bytes] = deque()
        self._request: TurnRequest | None = None
        self._full_id = ""
        self._options = TurnOptions()
        self._answer = Answer()
        self._failure = Failure()

    def probe(self) -> None:
        """`get_binary_version`: answered before `initialize`, and leaves the worker blank."""
        self._ask("get_binary_version")

    def inspect(self) -> None:
        """`initialize`, whose reply tells models and account."""
        self._ask("initialize", "inspect", systemPrompt=[SYSTEM_PROMPT_OF_NONE])

    def begin(self, request: TurnRequest, *, continued: bool) -> None:
        """Begin a turn.

        Raises:
            InvalidRequest: None of the new messages says anything.
        """
        first = request.prior if continued else 0
        self._steps = deque(replay(request.messages[first:]))
        if not self._steps:
            raise InvalidRequest("The last message is empty: say something.", param="messages")
        self._answer = Answer()
        self._failure = Failure()
        self._phase = _Phase.PREPARING
        self._request = request
        if continued:
            self._configure(request)
            self._step_if_ready()
        else:
            # Alone: even the choice of a model may make the tool ask the back end.
            self._ask("initialize", systemPrompt=[request.system or SYSTEM_PROMPT_OF_NONE])

    def ping(self) -> bool:
        """`get_binary_version` again.

        Seen with Claude Code 2.1.329: answered within milliseconds while the back end hangs, before
        or amid an answer, tries again or tries a model out; nothing is sent to the back end.
        """
        self._outgoing += lines.control_request(PING, "get_binary_version")
        return True

    def interrupt(self) -> None:
        """Have generation stopped; nothing of the turn is told any more."""
        if self._phase in (_Phase.PREPARING, _Phase.TALKING):
            self._end_early()

    def receive(self, raw_lines: Sequence[bytes]) -> list[Event]:
        """See `providers.dialect`."""
        events: list[Event] = []
        for raw in raw_lines:
            try:
                self._line(raw, events)
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                raise WorkerGarbled(
                    "Claude Code wrote something that the hub does not understand. Run "
                    "`llm-mcp-hub doctor` to see whether its version fits.",
                    detail=f"{error}: {raw[:200]!r}",
                ) from error
        return events

    def data_to_send(self) -> bytes:
        """See `providers.dialect`."""
        data = bytes(self._outgoing)
        self._outgoing.clear()
        return data

    def _line(self, raw: bytes, events: list[Event]) -> None:
        try:
            line = lines.decode_line(raw)
        except msgspec.ValidationError:
            # Other lines may have an `event` of another kind.
            kind = lines.decode_kind(raw).type
            if kind == "stream_event":
                raise
            self._other(kind, raw, events)
            return
        if line.event is None:
            self._other(line.type, raw, events)
        elif self._phase is _Phase.TALKING:
            self._stream(line.event, events)

    def _ask(self, subtype: str, purpose: str | None = None, **fields: object) -> None:
        self._requests += 1
        request_id = f"hub-{self._requests}"
        self._asked[request_id] = purpose or subtype
        self._outgoing += lines.control_request(request_id, subtype, **fields)

    def _configure(self, request: TurnRequest) -> None:
        if request.options != self._options:
            self._options = request.options
            self._ask("apply_flag_settings", settings=flag_settings(request.options))

    def _choose_model(self, request: TurnRequest, models: Sequence[lines.ModelEntry]) -> None:
        name = self._aliases.get(request.model, request.model)
        # Under its short name the tool takes a model at once; a full id it tries out upstream.
        short = next((model.value for model in models if model.resolved == name), name)
        self._full_id = name if short == name and name.startswith("claude-") else ""
        self._ask("set_model", model=short)

    def _step_if_ready(self) -> None:
        if not self._asked:
            self._step()

    def _step(self) -> None:
        self._phase = _Phase.TALKING
        self._outgoing += self._steps.popleft()

    def _end_early(self) -> None:
        self._phase = _Phase.OVER
        self._steps.clear()
        self._ask("interrupt")

    def _fail(self, error: HubError, events: list[Event]) -> None:
        self._end_early()
        events.append(TurnFailed(error))

    def _stream(self, event: lines.StreamEvent, events: list[Event]) -> None:
        if event.type == "content_block_delta":
            if event.delta is not None and (chunk := self._answer.delta(event.delta)) is not None:
                events.append(chunk)
        elif event.type == "message_start":
            if not self._answer.start(event.message):
                self._fail(stream_cut(), events)
        elif event.type == "message_delta":
            finish = self._answer.stop(event)
            if finish is not None:
                self._end_early()
                events.append(finish)

    def _other(self, kind: str, raw: bytes, events: list[Event]) -> None:
        if kind == "control_response":
            self._replied(lines.decode_control(raw).response, events)
        elif kind == "control_request":
            # Unanswered, it would hold the turn up for ever.
            self._outgoing += lines.refusal_line(lines.decode_foreign_request(raw).request_id)
        elif kind == "rate_limit_event":
            limits = lines.decode_limits(raw).rate_limit_info
            self._failure = msgspec.structs.replace(self._failure, limits=limits)
            windows = quota_windows(limits)
            if windows:
                events.append(QuotaSeen(windows))
        elif self._phase is _Phase.TALKING:
            if kind == "result":
                self._result(lines.decode_result(raw), events)
            elif kind == "system":
                self._system(lines.decode_system(raw), events)
            elif kind == "assistant":
                said = lines.decode_assistant(raw)
                if said.error is not None:
                    self._failure = msgspec.structs.replace(
                        self._failure, kind=said.error, cause=said.api_error
                    )

    def _replied(self, reply: lines.ControlReply, events: list[Event]) -> None:
        if reply.request_id == PING:
            events.append(Pong())
            return
        purpose = self._asked.pop(reply.request_id, "")
        payload = reply.response or lines.ControlPayload()
        if reply.subtype != "success" and purpose != "interrupt":
            self._fail(self._refused(purpose, reply), events)
        elif purpose == "get_binary_version":
            events.append(Ready(payload.version))
        elif purpose == "inspect":
            cards = tuple(ModelCard(model.value, model.display_name) for model in payload.models)
            events.append(Inspected(cards, refuse_account(payload.account)))
        elif self._phase is _Phase.PREPARING:
            if purpose == "initialize" and self._request is not None:
                refusal = refuse_account(payload.account)
                if refusal is not None:
                    self._fail(refusal, events)
                    return
                self._choose_model(self._request, payload.models)
                self._configure(self._request)
            elif purpose == "set_model" and (error := self._replaced(payload.model)) is not None:
                self._fail(error, events)
                return
            self._step_if_ready()

    def _replaced(self, chosen: str | None) -> HubError | None:
        """What to say if the tool chose another model than the full id that was asked for."""
        asked = self._full_id.removesuffix("[1m]")
        if not asked or chosen in (None, asked):
            return None
        return model_replaced(asked, chosen or "")

    def _refused(self, purpose: str, reply: lines.ControlReply) -> HubError:
        if purpose == "set_model":
            return model_refused(reply.error_code, reply.error or "")
        return step_refused(purpose, reply.error)

    def _system(self, line: lines.SystemLine, events: list[Event]) -> None:
        if line.subtype == "init":
            refusal = refuse_key_source(line.api_key_source)
            if refusal is not None:
                self._fail(refusal, events)
        elif line.subtype == "api_retry":
            if self._answer.under_way:
                self._fail(stream_cut(), events)
            elif line.retry_delay_ms is not None:
                seconds = line.retry_delay_ms / 1000
                self._failure = msgspec.structs.replace(self._failure, retry_delay=seconds)

    def _result(self, line: lines.ResultLine, events: list[Event]) -> None:
        if line.is_error or line.subtype != "success":
            failure = msgspec.structs.replace(
                self._failure,
                status=line.api_error_status,
                error_type=line.api_error_type,
                text=line.result,
                said=self._answer.said,
            )
            self._phase = _Phase.OVER
            events.append(TurnFailed(to_hub_error(failure, self._clock())))
        elif self._steps:
            self._step()
        else:
            self._phase = _Phase.IDLE
            if not self._answer.started and line.result:
                # The answer came without a stream.
                events.append(TextChunk(line.result))
            events.append(FinishChunk(FinishReason.STOP, self._answer.usage_of(line.usage)))
