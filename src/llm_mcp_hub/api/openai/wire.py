"""A turn as OpenAI's JSON: whole, or as the events of a stream. Pure.

Events are the hot path: what all events of a stream have in common is encoded once, and the
events of a batch are joined into one write.

The id of an event is the number of the turn's last chunk in it, so that a client that names the
last id it has seen gets the rest. The first event, without a chunk, is 0; the one with the token
counts and `[DONE]` count on after the last chunk.
"""

from collections.abc import Sequence
from typing import cast

import msgspec

from llm_mcp_hub.api.answer import AnyTurn, KnownTurn
from llm_mcp_hub.api.errors import error_body
from llm_mcp_hub.api.openai.schemas import (
    ChatCompletion,
    ChatCompletionChunk,
    Choice,
    ChunkChoice,
    CompletionMessage,
    CompletionTokensDetails,
    CompletionUsage,
    Delta,
    FunctionCall,
    FunctionDelta,
    PromptTokensDetails,
    ToolCallDelta,
    ToolCallObject,
)
from llm_mcp_hub.domain.chunk import (
    Chunk,
    FinishChunk,
    FinishReason,
    ReasoningChunk,
    TextChunk,
    ToolArgumentsChunk,
    ToolCallChunk,
    Usage,
)
from llm_mcp_hub.domain.completion import Completion
from llm_mcp_hub.errors import HubError

DONE = b"data: [DONE]\n\n"
CONTENT_FILTER = FinishReason.CONTENT_FILTER
_MARK = "\u0001"
_ONLY_TEXT = frozenset({TextChunk})

_encode = msgspec.json.Encoder().encode


def completion_id(turn_id: str) -> str:
    """The id clients see, `chatcmpl-` and the turn's digits."""
    return f"chatcmpl-{turn_id.removeprefix('turn-')}"


def whole(
    completion: Completion, turn_id: str, created: float, model_id: str, *, refusals: bool = False
) -> ChatCompletion:
    """A whole answer; `refusals` as for `ChatForm`."""
    calls = [
        ToolCallObject(call.id, FunctionCall(call.name, call.arguments))
        for call in completion.tool_calls
    ]
    refused = refusals and completion.text and completion.finish_reason is CONTENT_FILTER
    message = CompletionMessage(
        # Clients take an empty text beside calls for an answer.
        content=None if refused or (calls and not completion.text) else completion.text,
        refusal=completion.text if refused else None,
        reasoning_content=completion.reasoning or msgspec.UNSET,
        tool_calls=calls or msgspec.UNSET,
    )
    reason = FinishReason.STOP if refused else completion.finish_reason
    return ChatCompletion(
        id=completion_id(turn_id),
        created=int(created),
        model=model_id,
        choices=[Choice(message, reason.value)],
        usage=usage_object(completion.usage),
    )


def usage_object(usage: Usage) -> CompletionUsage:
    """Token counts in OpenAI's shape."""
    return CompletionUsage(
        prompt_tokens=usage.input_tokens,
        completion_tokens=usage.output_tokens,
        total_tokens=usage.input_tokens + usage.output_tokens,
        prompt_tokens_details=PromptTokensDetails(usage.cached_tokens),
        completion_tokens_details=CompletionTokensDetails(usage.reasoning_tokens),
    )


def _call_delta(chunk: ToolCallChunk | ToolArgumentsChunk) -> Delta:
    if isinstance(chunk, ToolCallChunk):
        call = ToolCallDelta(chunk.index, FunctionDelta(chunk.name), chunk.id, "function")
    else:
        call = ToolCallDelta(chunk.index, FunctionDelta(arguments=chunk.text))
    return Delta(tool_calls=[call])


def _refuses(chunks: Sequence[Chunk]) -> bool:
    """Whether chunks are the end of an answer that refuses in words."""
    last = chunks[-1]
    ends = type(last) is FinishChunk and last.reason is CONTENT_FILTER
    return ends and any(isinstance(chunk, TextChunk) for chunk in chunks)


def _leading_texts(chunks: Sequence[Chunk]) -> Sequence[TextChunk]:
    """All chunks, or all but the last, if they are texts, as nearly always; otherwise none."""
    texts = chunks[:-1] if chunks and type(chunks[-1]) is not TextChunk else chunks
    if _ONLY_TEXT.issuperset(map(type, texts)):
        return cast("Sequence[TextChunk]", texts)
    return ()


class EventEncoder:
    """Encodes the events of one stream.

    Args:
        include_usage: Send the token counts in an event of their own before the end, and
            `usage: null` in every other, as OpenAI does.
        seen: The id of the last event that the client has; None if it has none.
        refusals: As for `ChatForm`.
    """

    __slots__ = (
        "_created",
        "_id",
        "_include_usage",
        "_model",
        "_number",
        "_reasoning",
        "_refusals",
        "_seen",
        "_text",
    )

    def __init__(
        self,
        turn_id: str,
        created: float,
        model_id: str,
        *,
        include_usage: bool,
        seen: int | None = None,
        refusals: bool = False,
    ) -> None:
        self._refusals = refusals
        self._seen = -1 if seen is None else seen
        self._number = max(0, self._seen)
        self._id = completion_id(turn_id)
        self._created = int(created)
        self._model = model_id
        self._include_usage = include_usage
        self._text = self._around(Delta(content=_MARK))
        self._reasoning = self._around(Delta(reasoning_content=_MARK))

    def encode(self, chunks: Sequence[Chunk]) -> bytes:
        """The events of the next chunks, joined."""
        out: list[bytes] = []
        if self._seen < 0:
            self._seen = 0
            out.append(b"id: 0\n" + self._event(Delta(role="assistant", content="")))
        number = self._number
        refused = self._refusals and _refuses(chunks)
        texts = () if refused else _leading_texts(chunks)
        before, after = self._text
        out += [
            b"id: %d\n%b%b%b" % (place, before, _encode(chunk.text), after)
            for place, chunk in enumerate(texts, number + 1)
        ]
        number += len(texts)
        for chunk in chunks[len(texts) :]:
            number += 1
            # By type, for a struct that is no instance costs `isinstance` twenty times as much.
            if type(chunk) is TextChunk and not refused:
                before, after = self._text
                out.append(b"id: %d\n%b%b%b" % (number, before, _encode(chunk.text), after))
            elif type(chunk) is TextChunk:
                out.append(b"id: %d\n" % number + self._event(Delta(refusal=chunk.text)))
            elif type(chunk) is FinishChunk:
                reason = FinishReason.STOP if refused else chunk.reason
                out.append(b"id: %d\n" % number + self._event(Delta(), reason.value))
            elif type(chunk) is ReasoningChunk:
                before, after = self._reasoning
                out.append(b"id: %d\n%b%b%b" % (number, before, _encode(chunk.text), after))
            elif isinstance(chunk, ToolCallChunk | ToolArgumentsChunk):
                out.append(b"id: %d\n" % number + self._event(_call_delta(chunk)))
        self._number = number
        return b"".join(out)

    def end(self, completion: Completion, last: int) -> bytes:
        """The events after the last chunk, which has the number `last`."""
        data = b""
        if self._include_usage and self._seen <= last:
            event = ChatCompletionChunk(
                id=self._id,
                created=self._created,
                model=self._model,
                choices=[],
                usage=usage_object(completion.usage),
            )
            data = b"id: %d\ndata: %s\n\n" % (last + 1, _encode(event))
        return data + b"id: %d\n" % (last + 1 + self._include_usage) + DONE

    def fail(self, error: HubError) -> bytes:
        """The event of an error, without `[DONE]`: OpenAI's clients raise it."""
        return b"data: " + error_body(error) + b"\n\n"

    def _around(self, delta: Delta) -> tuple[bytes, bytes]:
        """What stands before and after the text in an event whose text is `_MARK`."""
        before, _, after = self._event(delta).partition(_encode(_MARK))
        return before, after

    def _event(self, delta: Delta, finish_reason: str | None = None) -> bytes:
        chunk = ChatCompletionChunk(
            id=self._id,
            created=self._created,
            model=self._model,
            choices=[ChunkChoice(delta, finish_reason=finish_reason)],
            usage=None if self._include_usage else msgspec.UNSET,
        )
        return b"data: " + _encode(chunk) + b"\n\n"


class ChatForm:
    """Answers of `/v1/chat/completions`, for `api.answer`.

    Args:
        include_usage: As for `EventEncoder`.
        seen: As for `EventEncoder`.
        refusals: A form was asked for, so that the text of a model that refuses is no answer but
            its `refusal`. It comes with the end, since it was held back to be judged.
    """

    def __init__(
        self, *, include_usage: bool = False, seen: int | None = None, refusals: bool = False
    ) -> None:
        self._include_usage = include_usage
        self._seen = seen
        self._refusals = refusals

    def whole(self, turn: AnyTurn, completion: Completion) -> bytes:
        """A whole answer, JSON."""
        answer = whole(
            completion,
            turn.turn_id,
            turn.created_at,
            turn.model_id,
            refusals=self._refusals,
        )
        return _encode(answer)

    def events(self, turn: KnownTurn) -> EventEncoder:
        """The encoder of a streamed answer."""
        return EventEncoder(
            turn.turn_id,
            turn.created_at,
            turn.model_id,
            include_usage=self._include_usage,
            seen=self._seen,
            refusals=self._refusals,
        )
