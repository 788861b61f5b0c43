"""Promises about what a turn has used, told beside its answer. Whoever tells nothing keeps them."""

from llm_mcp_hub.domain.chunk import Chunk, Usage
from llm_mcp_hub.domain.completion import fold
from llm_mcp_hub.providers.base import ChunkStream, used_by
from llm_mcp_hub.testing.promise import equal, present, require
from llm_mcp_hub.testing.provider_trial import Promises, Trial, begun, new_words, opened, within

promise = Promises()


@promise("a stream that tells what its turn has used tells at its end what its FinishChunk does")
async def _at_the_end(trial: Trial) -> None:
    provider = await trial.started()
    chunks: list[Chunk] = []
    async with opened(provider, trial.request(trial.say(*new_words(5)))) as stream:
        _told(stream)
        async for batch in stream:
            _told(stream)
            chunks += batch
        usage = present(fold(chunks), "the answer: the stream has no FinishChunk").usage
        _equal(stream, usage, "at its end")
    _equal(stream, usage, "once it is closed")


@promise("a stream that is given up goes on telling what its turn has used", "slow")
async def _given_up(trial: Trial) -> None:
    provider = await trial.started()
    stream = await provider.open_turn(trial.request(trial.abilities.slow))
    await begun(stream)
    before = _told(stream)
    await within(stream.aclose(), "aclose in the middle")
    after = _told(stream)
    require(after.at_least(before) == after, f"used before it was closed: {before}, after: {after}")
    await within(stream.aclose(), "aclose once more")
    _equal(stream, after, "closed once more")


def _told(stream: ChunkStream) -> Usage:
    usage = getattr(stream, "usage", Usage())
    require(isinstance(usage, Usage), f"`usage` of a stream is no Usage: {usage!r}")
    return used_by(stream)


def _equal(stream: ChunkStream, usage: Usage, when: str) -> None:
    told = _told(stream)
    if hasattr(stream, "usage"):
        equal(told, usage, f"the usage of a stream {when}")
