"""Providers that break a promise about counting beside the answer."""

from typing import Any

from tests.testing.defects.good import Good, Wrapped

from llm_mcp_hub.domain.chat import TurnRequest
from llm_mcp_hub.domain.chunk import Usage
from llm_mcp_hub.providers.base import ChunkStream, used_by


class Counts(Good):
    """Its streams tell what `told` makes of what they have used."""

    async def open_turn(self, request: TurnRequest) -> ChunkStream:
        return Counted(await super().open_turn(request), self.told)

    def told(self, usage: Usage, *, closed: int) -> Any:
        raise NotImplementedError


class Counted(Wrapped):
    def __init__(self, stream: ChunkStream, told: Any) -> None:
        super().__init__(stream)
        self.told = told
        self.closed = 0

    @property
    def usage(self) -> Any:
        return self.told(used_by(self.stream), closed=self.closed)

    async def aclose(self) -> None:
        self.closed += 1
        await super().aclose()


class TellsNumbers(Counts):
    breaks = "tells at its end what its FinishChunk does"

    def told(self, usage: Usage, *, closed: int) -> Any:
        return usage.output_tokens


class TellsLess(Counts):
    breaks = "tells at its end what its FinishChunk does"

    def told(self, usage: Usage, *, closed: int) -> Any:
        return Usage(usage.input_tokens)


class ForgetsAtTheEnd(Counts):
    breaks = "tells at its end what its FinishChunk does"

    def told(self, usage: Usage, *, closed: int) -> Any:
        return Usage() if closed else usage


class ForgetsWhenGivenUp(Counts):
    breaks = "goes on telling what its turn has used"

    def told(self, usage: Usage, *, closed: int) -> Any:
        return Usage() if closed else Usage(9, 0, 1)


class CountsItsClosings(Counts):
    breaks = "goes on telling what its turn has used"

    def told(self, usage: Usage, *, closed: int) -> Any:
        return Usage(9, 0, closed)
