"""The calls of one conversation, from the agent's to the client's and back.

Guarantees: a call is told once, whole, and after all text that came before it; a result goes to
the call that it names; a turn that may have one call has one, and the next one comes with the next
turn.
"""

from collections.abc import Callable, Sequence

from llm_mcp_hub.domain.calls import results_in
from llm_mcp_hub.domain.chat import TurnRequest
from llm_mcp_hub.domain.chunk import (
    Chunk,
    FinishChunk,
    FinishReason,
    ToolArgumentsChunk,
    ToolCallChunk,
    Usage,
)
from llm_mcp_hub.domain.tool import Tool
from llm_mcp_hub_acp.client_tools.names import SERVER
from llm_mcp_hub_acp.client_tools.server import ToolServer
from llm_mcp_hub_acp.client_tools.toolbox import Called, Told


class Calls:
    """See the module.

    Args:
        server: Where the agent finds the tools.
        tools: What the client offers.
        tell: Told of what the agent does with them.

    Attributes:
        missing: Whether the agent had the time to ask for the tools, and did not.
        asked: Whether the agent is being asked to show that all its text has come.
    """

    def __init__(
        self, server: ToolServer, tools: Sequence[Tool], tell: Callable[[Told], None]
    ) -> None:
        self._server = server
        self._toolbox = server.open(tools, tell)
        self._arrived: list[Called] = []
        self._waiting: set[str] = set()
        self._answered = 0
        self._completed: set[str] = set()
        self.missing = False
        self.asked = False

    @property
    def servers(self) -> list[dict[str, object]]:
        """`mcpServers` of a session that is to have the tools; it has yet to ask for them."""
        self._toolbox.listed = self.missing = False
        secret = {"name": "Authorization", "value": f"Bearer {self._toolbox.secret}"}
        url = self._server.url(self._toolbox)
        return [{"type": "http", "name": SERVER, "url": url, "headers": [secret]}]

    @property
    def listed(self) -> bool:
        """Whether the agent has asked for the tools since the last session began."""
        return self._toolbox.listed

    def expect_listing(self) -> None:
        """The session is there."""
        self._toolbox.expect_listing()

    def arrive(self, call: Called) -> None:
        """The agent has made a call."""
        self._arrived.append(call)

    @property
    def untold(self) -> bool:
        """Whether there are calls that the client does not know of."""
        return bool(self._arrived)

    def take(self, usage: Usage, *, parallel: bool) -> list[Chunk]:
        """The end of a turn: the calls that have arrived, or the first of them."""
        count = len(self._arrived) if parallel else 1
        calls, self._arrived = self._arrived[:count], self._arrived[count:]
        chunks: list[Chunk] = []
        for index, call in enumerate(calls):
            self._waiting.add(call.id)
            chunks.append(ToolCallChunk(index, call.id, call.name))
            chunks.append(ToolArgumentsChunk(index, call.arguments))
        return [*chunks, FinishChunk(FinishReason.TOOL_CALLS, usage)]

    def answer(self, request: TurnRequest) -> None:
        """Give the agent the results that a turn brings."""
        for result in results_in(request.messages[request.prior :]):
            if result.call_id in self._waiting:
                self._waiting.discard(result.call_id)
                self._answered += 1
                self._toolbox.answer(result)

    def give_up(self, call_id: str) -> bool:
        """The agent waits no more for a result; whether the client was to give it."""
        self._arrived = [call for call in self._arrived if call.id != call_id]
        return call_id in self._waiting

    def completed(self, call_id: str) -> bool:
        """An agent says that a call of some tool is done; whether it can be one of the client's.

        Args:
            call_id: What the agent calls it.
        """
        self._completed.add(call_id)
        return len(self._completed) <= self._answered

    def close(self) -> None:
        """Have no tools any more."""
        self._server.close(self._toolbox)
