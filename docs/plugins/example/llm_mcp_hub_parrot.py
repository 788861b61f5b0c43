"""A provider that repeats what it was told."""

import asyncio
import re
from collections.abc import AsyncGenerator

from msgspec import Struct

from llm_mcp_hub import hookimpl
from llm_mcp_hub.domain.chat import TurnRequest
from llm_mcp_hub.domain.chunk import Chunk, FinishChunk, FinishReason, Usage
from llm_mcp_hub.errors import ConfigError, InvalidRequest
from llm_mcp_hub.providers.base import ProviderContext, ProviderFactory
from llm_mcp_hub.providers.plain import PlainProvider


class ParrotSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """`[providers.parrot]`: seconds to wait before each word."""

    word_seconds: float = 0.0


class Parrot(PlainProvider):
    """`short` repeats the last message, `long` all that was said, the system prompt first."""

    model_names = ("short", "long")

    def __init__(self, context: ProviderContext) -> None:
        super().__init__(context)
        self.word_seconds: float = context.settings.word_seconds
        if self.word_seconds < 0:
            raise ConfigError(f"`providers.{self.name}.word_seconds` can't be negative.")

    async def answer(self, request: TurnRequest) -> AsyncGenerator[str | Chunk, None]:
        """Say it a word at a time."""
        told = [message.text for message in request.messages]
        if not told[-1].strip():
            raise InvalidRequest("The parrot repeats text: say something.", param="messages")
        said = [request.system, *told] if request.model == "long" else told[-1:]
        words = re.findall(r"\S+\s*|\s+", "\n".join(text for text in said if text))
        limit = request.options.max_tokens
        for word in words[:limit]:
            await asyncio.sleep(self.word_seconds)
            yield word
        cut = limit is not None and limit < len(words)
        usage = Usage(
            input_tokens=sum(len(text.split()) for text in [request.system, *told]),
            output_tokens=len(words[:limit]),
        )
        yield FinishChunk(FinishReason.LENGTH if cut else FinishReason.STOP, usage)


@hookimpl
def hub_register_providers() -> list[ProviderFactory]:
    """One kind of provider, which exists wherever the plugin is installed."""
    return [ProviderFactory("parrot", Parrot, ParrotSettings)]
