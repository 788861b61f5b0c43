"""The items of an answer, growing with its chunks or made of a whole one; pure.

The id of an item has the digits of its turn and its place in the answer, so that an item that is
referred to can be found again.
"""

import re
from collections.abc import Sequence

from msgspec import Struct
from msgspec.structs import replace

from llm_mcp_hub.api.responses.objects import (
    ItemStatus,
    OutputCall,
    OutputItem,
    OutputMessage,
    OutputReasoning,
    OutputRefusal,
    OutputText,
    SummaryText,
)
from llm_mcp_hub.api.responses.schemas import FunctionCallItem, InputItem, MessageItem
from llm_mcp_hub.domain.chunk import (
    Chunk,
    FinishChunk,
    FinishReason,
    ReasoningChunk,
    TextChunk,
    ToolArgumentsChunk,
    ToolCallChunk,
)
from llm_mcp_hub.domain.completion import Completion

_RESPONSE_ID = re.compile(r"resp_([0-9a-f]{24})")
_ITEM_ID = re.compile(r"(?:msg|rs|fc)_([0-9a-f]{24})[0-9a-f]{4}")


def response_id(turn_id: str) -> str:
    """The id clients see, `resp_` and the turn's digits."""
    return f"resp_{turn_id.removeprefix('turn-')}"


def turn_of_response(value: str) -> str | None:
    """The turn that an answer's id names; None if it is no such id."""
    return _turn(_RESPONSE_ID, value)


def turn_of_item(value: str) -> str | None:
    """The turn that an item's id names; None if it is no such id."""
    return _turn(_ITEM_ID, value)


def _turn(pattern: re.Pattern[str], value: str) -> str | None:
    match = pattern.fullmatch(value)
    return f"turn-{match.group(1)}" if match is not None else None


class Growing(Struct):
    """An item that more may be added to.

    Attributes:
        index: Its place in the answer.
        item: It, without what is in `texts`.
        refuses: Whether it is a message that refuses to answer.
    """

    index: int
    item: OutputItem
    texts: list[str]
    done: bool = False
    refuses: bool = False

    @property
    def text(self) -> str:
        """All that was added."""
        return "".join(self.texts)

    def whole(self, status: ItemStatus) -> OutputItem:
        """The item with all that was added."""
        if isinstance(self.item, OutputReasoning):
            return replace(self.item, summary=[SummaryText(self.text)])
        if isinstance(self.item, OutputMessage):
            if self.refuses:
                refusal = OutputRefusal(self.text)
                return replace(self.item, content=[refusal], status="completed")
            return replace(self.item, content=[OutputText(self.text)], status=status)
        return replace(self.item, arguments=self.text or "{}", status=status)


class Output:
    """The items of one answer as it grows.

    Reasoning and messages are each one item as long as nothing else comes between; a call can be
    added to until the end.

    Attributes:
        items: All of them, in order.
        open: The reasoning or message that goes on.
        refuses: Whether messages that begin from now on refuse to answer.
    """

    def __init__(self, turn_id: str, *, refuses: bool = False) -> None:
        self.refuses = refuses
        self._digits = turn_id.removeprefix("turn-")
        self._calls: dict[int, Growing] = {}
        self.items: list[Growing] = []
        self.open: Growing | None = None

    def opened(self, chunk: Chunk) -> Growing | None:
        """The new item that a chunk begins, if it does; the `open` one before it is done then."""
        if isinstance(chunk, TextChunk):
            if chunk.text and not self._is_open(OutputMessage):
                return self._run(OutputMessage(self._id("msg"), [], "in_progress"))
        elif isinstance(chunk, ReasoningChunk):
            if chunk.text and not self._is_open(OutputReasoning):
                return self._run(OutputReasoning(self._id("rs"), []))
        elif isinstance(chunk, ToolCallChunk):
            call = self._new(OutputCall(self._id("fc"), chunk.id, chunk.name, "", "in_progress"))
            self._calls[chunk.index] = call
            self.open = None
            return call
        elif isinstance(chunk, FinishChunk) and not self._answered():
            return self._run(OutputMessage(self._id("msg"), [], "in_progress"))
        return None

    def grown(self, chunk: Chunk) -> Growing | None:
        """The item that a chunk adds to, after it has; None if it adds nothing."""
        if isinstance(chunk, TextChunk | ReasoningChunk):
            item = self.open if chunk.text else None
        elif isinstance(chunk, ToolArgumentsChunk):
            item = self._calls.get(chunk.index)
        else:
            return None
        if item is not None:
            item.texts.append(chunk.text)
        return item

    def whole(self, status: ItemStatus) -> list[OutputItem]:
        """All items as they are now; those that are not done have the given status."""
        return [item.whole("completed" if item.done else status) for item in self.items]

    def _is_open(self, kind: type[OutputItem]) -> bool:
        return self.open is not None and isinstance(self.open.item, kind)

    def _answered(self) -> bool:
        return any(not isinstance(one.item, OutputReasoning) for one in self.items)

    def _run(self, item: OutputItem) -> Growing:
        self.open = self._new(item)
        return self.open

    def _new(self, item: OutputItem) -> Growing:
        if self.open is not None:
            self.open.done = True
        refuses = self.refuses and isinstance(item, OutputMessage)
        growing = Growing(len(self.items), item, [], refuses=refuses)
        self.items.append(growing)
        return growing

    def _id(self, kind: str) -> str:
        return f"{kind}_{self._digits}{len(self.items):04x}"


def refuses(chunks: Sequence[Chunk]) -> bool:
    """Whether chunks are the end of an answer that refuses in words."""
    last = chunks[-1] if chunks else None
    ends = isinstance(last, FinishChunk) and last.reason is FinishReason.CONTENT_FILTER
    return ends and any(isinstance(chunk, TextChunk) and chunk.text for chunk in chunks)


def output_of(
    turn_id: str, chunks: Sequence[Chunk], status: ItemStatus, *, refusals: bool = False
) -> list[OutputItem]:
    """The items that chunks amount to; `refusals` as for `maker.Maker`."""
    output = Output(turn_id, refuses=refusals and refuses(chunks))
    for chunk in chunks:
        output.opened(chunk)
        output.grown(chunk)
    return output.whole(status)


def output_of_completion(
    turn_id: str, completion: Completion, *, refusals: bool = False
) -> list[OutputItem]:
    """The items of a whole answer: reasoning, text, calls; `refusals` as for `maker.Maker`."""
    chunks: list[Chunk] = []
    if completion.reasoning:
        chunks.append(ReasoningChunk(completion.reasoning))
    if completion.text:
        chunks.append(TextChunk(completion.text))
    for index, call in enumerate(completion.tool_calls):
        chunks.append(ToolCallChunk(index, call.id, call.name))
        chunks.append(ToolArgumentsChunk(index, call.arguments))
    chunks.append(FinishChunk(completion.finish_reason, completion.usage))
    status = item_status(completion.finish_reason)
    return output_of(turn_id, chunks, status, refusals=refusals)


def item_status(reason: FinishReason) -> ItemStatus:
    """The status of what was being written when the answer ended."""
    cut = reason in (FinishReason.LENGTH, FinishReason.CONTENT_FILTER)
    return "incomplete" if cut else "completed"


def as_input(item: OutputItem) -> InputItem | None:
    """An item of an answer as one of a later request; None for what goes no further."""
    if isinstance(item, OutputMessage):
        texts = (p.text if isinstance(p, OutputText) else p.refusal for p in item.content)
        return MessageItem("assistant", "".join(texts))
    if isinstance(item, OutputCall):
        return FunctionCallItem(item.call_id, item.name, item.arguments)
    return None
