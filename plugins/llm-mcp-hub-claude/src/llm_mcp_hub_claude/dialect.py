"""Claude Code's `stream-json` protocol as a machine without I/O.

Guarantees beside those of `providers.dialect`: nothing is sent to the model before the account
has been checked, at every turn; text is never repeated, whatever the tool tries again; an answer
that was cut by a limit or a refusal ends there, though the tool would go on by itself; an answer
with calls ends once the tool waits for all their results, and a tool that does not is given up.

Every fact about the protocol was seen with Claude Code 2.1.329.
"""

import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence

import msgspec

from llm_mcp_hub.domain.calls import results_in
from llm_mcp_hub.domain.chat import TurnRequest
from llm_mcp_hub.domain.chunk import FinishChunk, FinishReason, TextChunk, Usage
from llm_mcp_hub.domain.model import ModelCard
from llm_mcp_hub.errors import HubError, InvalidRequest
from llm_mcp_hub.providers.dialect import (
    Event,
    Inspected,
    Pong,
    QuotaSeen,
    Ready,
    TurnFailed,
    UsageSeen,
)
from llm_mcp_hub_claude import lines
from llm_mcp_hub_claude.account import refuse_account, refuse_key_source
from llm_mcp_hub_claude.answer import Answer
from llm_mcp_hub_claude.calls import Call, whole
from llm_mcp_hub_claude.control import PING, Control
from llm_mcp_hub_claude.errors import (
    Failure,
    call_garbled,
    line_garbled,
    quota_windows,
    stream_cut,
    to_hub_error,
    went_on,
)
from llm_mcp_hub_claude.history import replay
from llm_mcp_hub_claude.phase import Phase
from llm_mcp_hub_claude.tool_server import ToolServer


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
        self._clock = clock
        self._outgoing = bytearray()
        self._control = Control(aliases or {})
        self._tools = ToolServer()
        self._phase = Phase.IDLE
        self._steps: deque[bytes] = deque()
        self._request: TurnRequest | None = None
        self._answer = Answer()
        self._kept: deque[Call] = deque()
        self._charged = Usage()
        self._failure = Failure()

    def probe(self) -> None:
        """`get_binary_version`: answered before `initialize`, and leaves the worker blank."""
        self._outgoing += self._control.ask("get_binary_version")

    def inspect(self) -> None:
        """`initialize`, whose reply tells models and account."""
        self._outgoing += self._control.initialize("", tools=False, purpose="inspect")

    def begin(self, request: TurnRequest, *, continued: bool) -> None:
        """Begin a turn.

        Raises:
            InvalidRequest: None of the new messages says anything.
        """
        new = request.messages[request.prior if continued else 0 :]
        if continued and self._phase is Phase.SUSPENDED:
            self._steps = deque([self._tools.give(results_in(new))])
        else:
            self._steps = deque(replay(new))
            self._charged = Usage()
        if not self._steps:
            raise InvalidRequest("The last message is empty: say something.", param="messages")
        self._tools.offer(request.tools)
        self._answer = Answer(self._tools.name_of, request.parallel_tool_calls)
        self._failure = Failure()
        self._phase = Phase.PREPARING
        self._request = request
        if not continued:
            # Alone: even the choice of a model may make the tool ask the back end.
            self._outgoing += self._control.initialize(request.system, tools=bool(request.tools))
        elif self._kept:
            # The next call is known already; this is answered at once, and has it told.
            self._outgoing += self._control.ask("get_binary_version", "next call")
        else:
            self._outgoing += self._control.configure(request.options)
            self._step_if_ready()

    def ping(self) -> bool:
        """`get_binary_version` again.

        Seen with Claude Code 2.1.329: answered within milliseconds while the back end hangs, before
        or amid an answer, tries again or tries a model out; nothing is sent to the back end.
        """
        self._outgoing += lines.control_request(PING, "get_binary_version")
        return True

    def interrupt(self) -> None:
        """Have generation stopped; nothing of the turn is told any more."""
        if self._phase in (Phase.PREPARING, Phase.TALKING, Phase.SUSPENDED):
            self._end_early()

    def receive(self, raw_lines: Sequence[bytes]) -> list[Event]:
        """See `providers.dialect`."""
        events: list[Event] = []
        for raw in raw_lines:
            try:
                self._line(raw, events)
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                raise line_garbled(raw, error) from error
        return events

    def data_to_send(self) -> bytes:
        """See `providers.dialect`."""
        data = bytes(self._outgoing)
        self._outgoing.clear()
        return data

    def _line(self, raw: bytes, events: list[Event]) -> None:
        line = lines.decode_line(raw)
        if line.event is None:
            self._other(line.type, raw, events)
        elif self._phase is Phase.TALKING:
            self._stream(line.event, events)
        elif self._phase is Phase.SUSPENDED and line.event.type == "message_start":
            raise went_on()

    def _step_if_ready(self) -> None:
        if not self._control.busy and self._tools.ready:
            self._phase = Phase.TALKING
            self._step()

    def _step(self) -> None:
        self._outgoing += self._steps.popleft()

    def _end_early(self) -> None:
        self._phase = Phase.OVER
        self._steps.clear()
        self._outgoing += self._control.ask("interrupt")

    def _note(self, **known: object) -> None:
        self._failure = msgspec.structs.replace(self._failure, **known)

    def _fail(self, error: HubError, events: list[Event]) -> None:
        self._end_early()
        events.append(TurnFailed(error))

    def _suspend(self, usage: Usage, events: list[Event]) -> None:
        self._phase = Phase.SUSPENDED
        self._charged += usage
        events.append(FinishChunk(FinishReason.TOOL_CALLS, usage))

    def _suspend_if_it_waits(self, events: list[Event]) -> None:
        answer = self._answer
        if answer.stopped and self._tools.waits_for(answer.calls.asked):
            self._kept = answer.calls.kept
            self._suspend(answer.spent, events)

    def _stream(self, event: lines.StreamEvent, events: list[Event]) -> None:
        if event.type == "message_start":
            if self._answer.stopped:
                raise went_on()
            begun = self._answer.start(event.message)
            events.append(UsageSeen(self._answer.spent))
            if not begun:
                self._fail(stream_cut(), events)
        elif event.type == "message_delta":
            finish = self._answer.stop(event)
            events.append(UsageSeen(self._answer.spent))
            if finish is not None:
                self._end_early()
                events.append(finish)
            elif self._answer.calls.garbled:
                self._fail(call_garbled(), events)
        elif event.type == "message_stop":
            self._answer.stopped = bool(self._answer.calls.asked)
            self._suspend_if_it_waits(events)
        else:
            events += self._answer.block(event)

    def _other(self, kind: str, raw: bytes, events: list[Event]) -> None:
        if kind == "control_response":
            self._replied(lines.decode_control(raw).response, events)
        elif kind == "control_request":
            self._asked(lines.decode_foreign_request(raw), events)
        elif kind == "rate_limit_event":
            limits = lines.decode_limits(raw).rate_limit_info
            self._note(limits=limits)
            if windows := quota_windows(limits):
                events.append(QuotaSeen(windows))
            elif not self._answer.started:
                # Left over from the turn before, it says nothing for this one.
                events.append(Pong())
        elif kind == "tool_progress":
            # Every half a minute while a result is withheld.
            events.append(Pong())
        elif self._phase is Phase.SUSPENDED and kind == "result":
            raise went_on()
        elif self._phase is Phase.TALKING:
            if kind == "result":
                self._result(lines.decode_result(raw), events)
            elif kind == "system":
                self._system(lines.decode_system(raw), events)
            elif kind == "assistant":
                said = lines.decode_assistant(raw)
                if said.error is not None:
                    self._note(kind=said.error, cause=said.api_error)

    def _asked(self, line: lines.ForeignLine, events: list[Event]) -> None:
        if line.request.subtype != "mcp_message":
            # Unanswered, it would hold the turn up for ever.
            self._outgoing += lines.refusal_line(line.request_id)
            return
        message = lines.decode_rpc(line.request.message)
        self._outgoing += self._tools.receive(line.request_id, message)
        if self._phase is Phase.PREPARING:
            self._step_if_ready()
        elif self._phase is Phase.TALKING:
            self._suspend_if_it_waits(events)

    def _replied(self, reply: lines.ControlReply, events: list[Event]) -> None:
        if reply.request_id == PING:
            events.append(Pong())
            return
        purpose = self._control.answered(reply.request_id)
        payload = reply.response or lines.ControlPayload()
        error = self._control.error_in(purpose, reply)
        if error is not None:
            self._fail(error, events)
        elif purpose == "get_binary_version":
            events.append(Ready(payload.version))
        elif purpose == "inspect":
            cards = tuple(ModelCard(model.value, model.display_name) for model in payload.models)
            events.append(Inspected(cards, refuse_account(payload.account)))
        elif self._phase is Phase.PREPARING:
            if purpose == "initialize" and self._request is not None:
                refusal = refuse_account(payload.account)
                if refusal is not None:
                    self._fail(refusal, events)
                    return
                self._outgoing += self._control.choose_model(self._request.model, payload.models)
                self._outgoing += self._control.configure(self._request.options)
            self._step_if_ready()
            if purpose == "next call":
                events += whole(self._kept.popleft())
                self._suspend(Usage(), events)

    def _system(self, line: lines.SystemLine, events: list[Event]) -> None:
        if line.subtype == "init":
            refusal = refuse_key_source(line.api_key_source) or self._tools.refuse_loss(line.tools)
            if refusal is not None:
                self._fail(refusal, events)
        elif line.subtype == "api_retry":
            if self._answer.under_way:
                self._fail(stream_cut(), events)
            elif line.retry_delay_ms is not None:
                self._note(retry_delay=line.retry_delay_ms / 1000)

    def _result(self, line: lines.ResultLine, events: list[Event]) -> None:
        usage = self._answer.usage_of(line.usage, self._charged)
        if line.is_error or line.subtype != "success":
            self._note(status=line.api_error_status, error_type=line.api_error_type)
            self._note(text=line.result, said=self._answer.said)
            self._phase = Phase.OVER
            # With an error it may leave out what broke, of which the stream has told.
            events.append(UsageSeen(usage.at_least(self._answer.spent)))
            events.append(TurnFailed(to_hub_error(self._failure, self._clock())))
        elif self._steps:
            self._step()
        elif self._answer.stopped:
            raise went_on()
        else:
            self._phase = Phase.IDLE
            if not self._answer.started and line.result:
                # The answer came without a stream.
                events.append(TextChunk(line.result))
            events.append(FinishChunk(FinishReason.STOP, usage))
