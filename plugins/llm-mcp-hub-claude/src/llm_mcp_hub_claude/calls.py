"""The calls of one answer, put together from the events of its blocks; pure.

Guarantee: the client is told of calls of its own tools only; of several calls at once when it wants
one at a time, the first is told and the others kept.
"""

from collections import deque
from collections.abc import Callable, Sequence

import msgspec
from msgspec import Struct, field

from llm_mcp_hub.domain.chunk import Chunk, ToolArgumentsChunk, ToolCallChunk
from llm_mcp_hub_claude.lines import ContentBlock

NO_ARGUMENTS = "{}"


class Call(Struct):
    """A call that the model writes, under the client's name of the tool."""

    id: str
    name: str
    written: list[str] = field(default_factory=list)

    @property
    def arguments(self) -> str:
        """The arguments as JSON text, so far."""
        return "".join(self.written)


class Calls:
    """The calls of an answer.

    Attributes:
        asked: The ids of all calls of the answer, told or kept.
        told: How many calls the client has been told of.
        kept: Whole calls that it has not been told of.
        garbled: Whether the arguments of any are no JSON object.
    """

    def __init__(self, name_of: Callable[[str], str | None], *, parallel: bool) -> None:
        self.asked: list[str] = []
        self.told = 0
        self.kept: deque[Call] = deque()
        self.garbled = False
        self._name_of = name_of
        self._parallel = parallel
        self._writing: Call | None = None
        self._is_told = False

    def begin(self, block: ContentBlock) -> list[Chunk]:
        """A block begins."""
        name = self._name_of(block.name) if block.type == "tool_use" else None
        self._writing = None if name is None else Call(block.id, name)
        if self._writing is None:
            return []
        self.asked.append(block.id)
        self._is_told = self._parallel or not self.told
        return [self._begin(self._writing)] if self._is_told else []

    def write(self, text: str) -> list[Chunk]:
        """More of the arguments."""
        if self._writing is None or not text:
            return []
        self._writing.written.append(text)
        return [ToolArgumentsChunk(self.told - 1, text)] if self._is_told else []

    def end(self) -> list[Chunk]:
        """A block ends."""
        call, self._writing = self._writing, None
        if call is None:
            return []
        added: list[Chunk] = []
        if not call.arguments:
            call.written.append(NO_ARGUMENTS)
            added.append(ToolArgumentsChunk(self.told - 1, NO_ARGUMENTS))
        self.garbled = self.garbled or not _is_object(call.arguments)
        if self._is_told:
            return added
        self.kept.append(call)
        return []

    def _begin(self, call: Call) -> ToolCallChunk:
        self.told += 1
        return ToolCallChunk(self.told - 1, call.id, call.name)


def _is_object(text: str) -> bool:
    try:
        return isinstance(msgspec.json.decode(text), dict)
    except msgspec.DecodeError:
        return False


def whole(call: Call) -> Sequence[Chunk]:
    """A call as the only one of an answer."""
    return (ToolCallChunk(0, call.id, call.name), ToolArgumentsChunk(0, call.arguments))
