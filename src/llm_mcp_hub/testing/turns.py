"""Turn requests for tests of providers, and what became of them."""

from collections.abc import Sequence

from msgspec import Struct

from llm_mcp_hub.domain import transcript
from llm_mcp_hub.domain.chat import Message, Part, Role, TextPart, TurnOptions, TurnRequest
from llm_mcp_hub.domain.chunk import Chunk, ReasoningChunk, TextChunk, Usage
from llm_mcp_hub.domain.completion import Completion, fold
from llm_mcp_hub.domain.tool import Tool
from llm_mcp_hub.errors import HubError
from llm_mcp_hub.providers.base import Provider, used_by


class Outcome(Struct, frozen=True):
    """How a turn went.

    Attributes:
        error: What it ended with, if it failed.
        usage: What it has used, as its stream tells.
    """

    chunks: tuple[Chunk, ...]
    error: HubError | None = None
    usage: Usage = Usage()

    @property
    def completion(self) -> Completion:
        """The answer.

        Raises:
            HubError: That of the turn.
            AssertionError: The turn ended without a finish.
        """
        if self.error is not None:
            raise self.error
        completion = fold(self.chunks)
        if completion is None:
            raise AssertionError("the turn has no finish")
        return completion

    @property
    def text(self) -> str:
        """All text that came, reasoning too, error or not."""
        said = (c for c in self.chunks if isinstance(c, TextChunk | ReasoningChunk))
        return "".join(chunk.text for chunk in said)


def message(role: Role, *parts: Part | str) -> Message:
    """A message; strings are texts."""
    whole = tuple(TextPart(part) if isinstance(part, str) else part for part in parts)
    return Message(role, whole)


def turn_request(
    *messages: Message | str,
    model: str = "default",
    system: str = "",
    options: TurnOptions | None = None,
    principal: str = "tester",
    tools: Sequence[Tool] = (),
    parallel_tool_calls: bool = True,
) -> TurnRequest:
    """A request as the hub makes it; strings are the user's messages."""
    whole = tuple(m if isinstance(m, Message) else message("user", m) for m in messages)
    digests = transcript.digests(whole)
    prior = transcript.history_length(whole)
    return TurnRequest(
        turn_id="turn-test",
        principal=principal,
        model=model,
        messages=whole,
        prior=prior,
        prior_digest=digests[prior - 1] if prior else transcript.EMPTY,
        digest=digests[-1],
        system=system,
        options=options or TurnOptions(),
        tools=tuple(tools),
        parallel_tool_calls=parallel_tool_calls,
    )


async def run_turn(provider: Provider, request: TurnRequest) -> Outcome:
    """Run a turn to its end and close it."""
    chunks: list[Chunk] = []
    failure: HubError | None = None
    try:
        stream = await provider.open_turn(request)
    except HubError as error:
        return Outcome((), error)
    try:
        async for batch in stream:
            chunks += batch
    except HubError as error:
        failure = error
    finally:
        await stream.aclose()
    return Outcome(tuple(chunks), failure, used_by(stream))
