"""The order of things at the end of an answer."""

import asyncio

import pytest

from llm_mcp_hub.api.answer import Answer
from llm_mcp_hub.api.openai.wire import ChatForm, error_body
from llm_mcp_hub.domain.chunk import FinishChunk, FinishReason, TextChunk, Usage
from llm_mcp_hub.domain.completion import fold

pytestmark = pytest.mark.anyio

CHUNKS = [TextChunk("Hi"), FinishChunk(FinishReason.STOP, Usage(1, 0, 1))]


class FinishedTurn:
    """A turn that has its answer, and tells when it is cleared up."""

    turn_id = "turn-1"
    session_id = None
    admission = None
    model_id = "fake/model"
    created_at = 0.0
    until_abandoned = None

    def __init__(self, order: list[str]) -> None:
        self._order = order
        self.completion = fold(CHUNKS)
        self.chunk_count = len(CHUNKS)

    async def __aiter__(self):
        yield CHUNKS

    async def collect(self):
        return self.completion

    async def aclose(self):
        self._order.append("cleared up")


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
async def test_the_end_of_an_answer_goes_out_before_the_turn_is_cleared_up(stream):
    order: list[str] = []

    async def send(message):
        if message["type"] == "http.response.body" and not message["more_body"]:
            # As a server does: what is sent leaves when the loop next comes round.
            asyncio.get_running_loop().call_soon(order.append, "gone out")

    async def receive():
        await asyncio.Event().wait()

    async def opening():
        return FinishedTurn(order)

    await Answer(receive, send, error_body).write(opening(), ChatForm(), stream=stream)
    assert order == ["gone out", "cleared up"]
