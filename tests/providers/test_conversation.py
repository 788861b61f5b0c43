"""What a worker says, and how a dialect is asked what it means."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import pytest
from tests.providers.conftest import ScriptedDialect

from llm_mcp_hub.domain.chunk import TextChunk
from llm_mcp_hub.errors import WorkerGarbled
from llm_mcp_hub.providers.conversation import Conversation
from llm_mcp_hub.providers.dialect import Event

pytestmark = pytest.mark.anyio

TEXT = b'["text","a"]'


class FakeWorker:
    """Has written lines, all at once."""

    def __init__(self, *lines: bytes) -> None:
        self.lines = list(lines)

    async def receive(self) -> list[bytes]:
        lines, self.lines = self.lines, []
        return lines

    def send(self, data: bytes) -> None: ...


class OneByOne(ScriptedDialect):
    """Its method returns a list."""

    def __init__(self) -> None:
        super().__init__()
        self.given: list[int] = []

    def receive(self, lines: Sequence[bytes]) -> list[Event]:
        self.given.append(len(lines))
        return super().receive(lines)


class AtOnce(OneByOne):
    """Its method is a generator."""

    def receive(self, lines: Sequence[bytes]) -> Iterator[Event]:  # type: ignore[override]  # a dialect may have either
        self.given.append(len(lines))
        for line in lines:
            yield from ScriptedDialect.receive(self, (line,))


def conversation(dialect: ScriptedDialect, *lines: bytes) -> Conversation:
    worker: Any = FakeWorker(*lines)
    return Conversation(worker, dialect)


@pytest.mark.parametrize(("kind", "given"), [(OneByOne, [1, 1]), (AtOnce, [2])])
async def test_a_generator_is_given_all_lines_that_have_come(
    kind: type[OneByOne], given: Iterable[int]
) -> None:
    dialect = kind()
    assert await conversation(dialect, TEXT, TEXT).receive() == [TextChunk("a"), TextChunk("a")]
    assert dialect.given == given


@pytest.mark.parametrize("kind", [OneByOne, AtOnce])
async def test_what_was_said_before_a_line_that_breaks_the_protocol_is_not_lost(
    kind: type[OneByOne],
) -> None:
    broken = conversation(kind(), TEXT, b"{", TEXT)
    assert await broken.receive() == [TextChunk("a")]
    with pytest.raises(WorkerGarbled):
        await broken.receive()
