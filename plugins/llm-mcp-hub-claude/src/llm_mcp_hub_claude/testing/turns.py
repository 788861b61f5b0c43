"""Turn requests for tests, with a model of Claude's, and what became of them."""

from collections.abc import Sequence

from llm_mcp_hub.domain.chat import Message, TurnOptions, TurnRequest
from llm_mcp_hub.domain.tool import Tool
from llm_mcp_hub.testing import turns
from llm_mcp_hub.testing.turns import Outcome, message, run_turn

__all__ = ["Outcome", "message", "run_turn", "turn_request"]


def turn_request(
    *messages: Message | str,
    model: str = "haiku",
    system: str = "",
    options: TurnOptions | None = None,
    principal: str = "tester",
    tools: Sequence[Tool] = (),
    parallel_tool_calls: bool = True,
) -> TurnRequest:
    """A request as the hub makes it; strings are the user's messages."""
    return turns.turn_request(
        *messages,
        model=model,
        system=system,
        options=options,
        principal=principal,
        tools=tools,
        parallel_tool_calls=parallel_tool_calls,
    )
