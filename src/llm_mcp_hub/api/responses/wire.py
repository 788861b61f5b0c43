"""A turn as an answer of the Responses API: whole, or as the events of a stream. Pure.

An event's `sequence_number` counts the events of the answer from 0, however its chunks come, so
that a client that names the last one it has seen gets the rest. Deltas of text are the hot path:
what they have in common is encoded once.

An answer that breaks off ends with `response.failed`, for those who look at its status, and then
with `error`, which has the error in both places where clients look for one: OpenAI's raise it.
"""

from collections.abc import Sequence
from typing import Any

import msgspec

from llm_mcp_hub.api.answer import AnyTurn, KnownTurn
from llm_mcp_hub.api.responses.maker import Maker, error_told
from llm_mcp_hub.api.responses.objects import (
    Echo,
    OutputCall,
    OutputMessage,
    OutputReasoning,
    OutputRefusal,
    OutputText,
    SummaryText,
)
from llm_mcp_hub.api.responses.output import (
    Growing,
    Output,
    item_status,
    output_of_completion,
    refuses,
)
from llm_mcp_hub.domain.chunk import Chunk, FinishChunk, TextChunk
from llm_mcp_hub.domain.completion import Completion
from llm_mcp_hub.errors import HubError

_MARK = "\u0001"
_NUMBER = b'"sequence_number":'

_encode = msgspec.json.Encoder().encode


class ResponseEvents:
    """Encodes the events of one stream.

    Args:
        maker: Makes the response objects in them.
        seen: The number of the last event that the client has; None if it has none.
    """

    def __init__(self, maker: Maker, seen: int | None = None) -> None:
        self._maker = maker
        self._seen = -1 if seen is None else seen
        self._number = 0
        self._output = Output(maker.turn_id)
        self._text = (b"", b"")

    def encode(self, chunks: Sequence[Chunk]) -> bytes:
        """The events of the next chunks, joined."""
        out: list[bytes] = []
        self._output.refuses = self._maker.refusals and refuses(chunks)
        if not self._number:
            out += self._begin()
        for chunk in chunks:
            before = self._output.open
            opened = self._output.opened(chunk)
            if before is not None and before.done:
                out += self._done(before)
            if opened is not None:
                out += self._added(opened)
            grown = self._output.grown(chunk)
            if grown is not None:
                out.append(self._delta(grown, chunk))
            if isinstance(chunk, FinishChunk):
                status = item_status(chunk.reason)
                for item in self._output.items:
                    if not item.done:
                        out += self._done(item, status)
        return b"".join(out)

    def end(self, completion: Completion, last: int) -> bytes:  # noqa: ARG002  # as all have it
        """The event with the whole answer."""
        output = self._output.whole(item_status(completion.finish_reason))
        response = self._maker.ended(output, completion)
        return self._event(f"response.{response.status}", response=response)

    def fail(self, error: HubError) -> bytes:
        """The events of an answer that breaks off."""
        out = [] if self._number else self._begin()
        response = self._maker.failed(self._output.whole("incomplete"), error)
        told = error_told(error)
        out.append(self._event("response.failed", response=response))
        out.append(
            self._event("error", code=told.code, message=told.message, param=told.param, error=told)
        )
        return b"".join(out)

    def _begin(self) -> list[bytes]:
        response = self._maker.running()
        return [
            self._event("response.created", response=response),
            self._event("response.in_progress", response=response),
        ]

    def _added(self, one: Growing) -> list[bytes]:
        events = [self._event("response.output_item.added", output_index=one.index, item=one.item)]
        if isinstance(one.item, OutputMessage):
            self._text = self._around(one)
            part = OutputRefusal("") if one.refuses else OutputText("")
            place = {**_place(one), "content_index": 0}
            events.append(self._event("response.content_part.added", **place, part=part))
        elif isinstance(one.item, OutputReasoning):
            summary = {"summary_index": 0, "part": SummaryText("")}
            events.append(
                self._event("response.reasoning_summary_part.added", **_place(one), **summary)
            )
        return events

    def _delta(self, one: Growing, chunk: Chunk) -> bytes:
        if one.refuses:
            place = {**_place(one), "content_index": 0}
            return self._event("response.refusal.delta", **place, delta=one.texts[-1])
        if isinstance(chunk, TextChunk):
            number = self._number
            self._number += 1
            if number <= self._seen:
                return b""
            before, after = self._text
            return b"%s%s%s%d}\n\n" % (before, _encode(chunk.text), after, number)
        text = one.texts[-1]
        if isinstance(one.item, OutputReasoning):
            return self._event(
                "response.reasoning_summary_text.delta", **_place(one), summary_index=0, delta=text
            )
        return self._event("response.function_call_arguments.delta", **_place(one), delta=text)

    def _done(self, one: Growing, status: Any = "completed") -> list[bytes]:
        item = one.whole(status)
        events: list[bytes] = []
        if isinstance(item, OutputMessage):
            (part,) = item.content
            place = {**_place(one), "content_index": 0}
            if isinstance(part, OutputRefusal):
                said = self._event("response.refusal.done", **place, refusal=part.refusal)
            else:
                told = {"text": part.text, "logprobs": []}
                said = self._event("response.output_text.done", **place, **told)
            events = [said, self._event("response.content_part.done", **place, part=part)]
        elif isinstance(item, OutputReasoning):
            (summary,) = item.summary
            place = {**_place(one), "summary_index": 0}
            events = [
                self._event("response.reasoning_summary_text.done", **place, text=summary.text),
                self._event("response.reasoning_summary_part.done", **place, part=summary),
            ]
        elif isinstance(item, OutputCall):
            call = {"name": item.name, "arguments": item.arguments}
            events = [self._event("response.function_call_arguments.done", **_place(one), **call)]
        ended = self._event("response.output_item.done", output_index=one.index, item=item)
        return [*events, ended]

    def _around(self, one: Growing) -> tuple[bytes, bytes]:
        """What stands before and after the text in the deltas of a message."""
        kind = "response.output_text.delta"
        fields = {"type": kind, **_place(one), "content_index": 0, "delta": _MARK, "logprobs": []}
        before, _, after = _encode(fields).partition(_encode(_MARK))
        head = b"event: %s\ndata: %s" % (kind.encode(), before)
        return head, after.removesuffix(b"}") + b"," + _NUMBER

    def _event(self, kind: str, **fields: Any) -> bytes:
        number = self._number
        self._number += 1
        if number <= self._seen:
            return b""
        data = _encode({"type": kind, **fields, "sequence_number": number})
        return b"event: %s\ndata: %s\n\n" % (kind.encode(), data)


class ResponseForm:
    """Answers of `/v1/responses`, for `api.answer`.

    Args:
        echo: What is repeated of the request.
        seen: As for `ResponseEvents`.
    """

    def __init__(self, echo: Echo, seen: int | None = None) -> None:
        self._echo = echo
        self._seen = seen

    def whole(self, turn: AnyTurn, completion: Completion) -> bytes:
        """A whole answer, JSON."""
        maker = self._maker(turn)
        output = output_of_completion(turn.turn_id, completion, refusals=maker.refusals)
        return _encode(maker.ended(output, completion))

    def events(self, turn: KnownTurn) -> ResponseEvents:
        """The encoder of a streamed answer."""
        return ResponseEvents(self._maker(turn), self._seen)

    def _maker(self, turn: KnownTurn) -> Maker:
        return Maker(turn.turn_id, turn.created_at, turn.model_id, self._echo)


def _place(one: Growing) -> dict[str, Any]:
    return {"item_id": one.item.id, "output_index": one.index}
