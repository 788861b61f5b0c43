"""Writing one turn to the terminal or the pipe as it comes.

Guarantee: what the model writes can't steer the terminal: control characters are left out there.
"""

import sys

from rich.console import Console
from rich.text import Text

from llm_mcp_hub.commands.output import console, on_terminal
from llm_mcp_hub.domain.chunk import FinishReason, ReasoningChunk, TextChunk
from llm_mcp_hub.hub import Hub
from llm_mcp_hub.services.access import LOCAL
from llm_mcp_hub.services.command import ChatCommand

_CONTROLS = dict.fromkeys([*range(9), *range(11, 32), *range(127, 160)])
"""All but tab and line feed."""

CUT = {
    FinishReason.LENGTH: "[the answer was cut at its longest]",
    FinishReason.CONTENT_FILTER: "[the provider stopped the answer]",
}


class Writer:
    """Writes answers to standard output, and reasoning, if wanted, beside it."""

    def __init__(self, *, reasoning: bool) -> None:
        self._reasoning: Console | None = None
        if reasoning:
            self._reasoning = console(stderr=not on_terminal())
        self._terminal = on_terminal()
        self._in_reasoning = False
        self._at_line_start = True

    def text(self, text: str) -> None:
        """More of the answer."""
        if self._in_reasoning:
            self._in_reasoning = False
            self._dim("\n\n")
        sys.stdout.write(text.translate(_CONTROLS) if self._terminal else text)
        sys.stdout.flush()
        self._at_line_start = text.endswith("\n")

    def reasoning(self, text: str) -> None:
        """More of the reasoning."""
        if self._reasoning is not None:
            self._in_reasoning = True
            self._dim(text.translate(_CONTROLS))

    def end(self) -> None:
        """The answer ends here, complete or not."""
        self._in_reasoning = False
        if not self._at_line_start:
            sys.stdout.write("\n")
            sys.stdout.flush()
            self._at_line_start = True

    def _dim(self, text: str) -> None:
        if self._reasoning is not None:
            self._reasoning.print(Text(text, style="dim"), end="", soft_wrap=True)


async def say(hub: Hub, command: ChatCommand, writer: Writer) -> FinishReason | None:
    """Run one turn of the principal `local`, writing the answer.

    Raises:
        HubError: It failed; what had come before is written.
    """
    turn = await hub.chat.open_turn(LOCAL, command)
    try:
        async for chunks in turn:
            for chunk in chunks:
                if isinstance(chunk, TextChunk):
                    writer.text(chunk.text)
                elif isinstance(chunk, ReasoningChunk):
                    writer.reasoning(chunk.text)
    finally:
        writer.end()
        await turn.aclose()
    return turn.completion.finish_reason if turn.completion is not None else None
