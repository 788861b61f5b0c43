"""Promises about ends: of a turn, finished or not, and of the provider."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence

from llm_mcp_hub.domain.chunk import Chunk, FinishChunk
from llm_mcp_hub.errors import HubError
from llm_mcp_hub.providers.base import ChunkStream, Provider
from llm_mcp_hub.testing.promise import BrokenPromiseError, equal, refused, require
from llm_mcp_hub.testing.provider_trial import (
    Promises,
    Trial,
    begun,
    eventually,
    has_words,
    new_words,
    opened,
    within,
)
from llm_mcp_hub.testing.remains import Remains, own_temporary_files

SETTLE_SECONDS = 2.0

promise = Promises()


@promise("a stream can be closed before it is read, after its end, and more than once")
async def _any_time(trial: Trial) -> None:
    provider = await trial.started()
    request = trial.request(trial.say(*new_words(3)))
    unread = await provider.open_turn(request)
    for _ in range(3):
        await within(unread.aclose(), "aclose of a stream that was not read")
    await _says_no_more(unread)
    read = await provider.open_turn(request)
    async for _ in read:
        pass
    for _ in range(3):
        await within(read.aclose(), "aclose of a stream at its end")
    both = await provider.open_turn(request)
    await within(asyncio.gather(both.aclose(), both.aclose()), "aclose twice at the same time")
    await within(trial.answer(provider, trial.say(*new_words(1))), "the turn after those closed")


@promise("a stream that is closed in the middle says no more and never finishes", "slow")
async def _middle(trial: Trial) -> None:
    provider = await trial.started()
    stream = await provider.open_turn(trial.request(trial.abilities.slow))
    await begun(stream)
    await within(stream.aclose(), "aclose in the middle")
    await _says_no_more(stream)


async def _says_no_more(stream: ChunkStream) -> None:
    try:
        async with asyncio.timeout(5):
            async for batch in stream:
                raise BrokenPromiseError(f"a closed stream says {batch!r}")
    except HubError:
        return
    except TimeoutError as error:
        raise BrokenPromiseError("reading a closed stream does not end") from error


@promise("closing a stream ends the read that waits for it", "slow")
async def _while_read(trial: Trial) -> None:
    provider = await trial.started()
    stream = await provider.open_turn(trial.request(trial.abilities.slow))
    reading = asyncio.create_task(_read(stream))
    for _ in range(3):
        await asyncio.sleep(0)
    await within(stream.aclose(), "aclose while the stream is read")
    finished = await within(reading, "the read of a stream that was closed")
    equal(finished, False, "a stream that was closed has a FinishChunk")


async def _read(stream: ChunkStream) -> bool:
    """Read to the end; whether it was one."""
    finished = False
    try:
        async for batch in stream:
            finished = any(isinstance(chunk, FinishChunk) for chunk in batch)
    except HubError:
        return False
    return finished


@promise("once a stream is closed its back end generates no more", "slow", "generating")
async def _no_more(trial: Trial) -> None:
    provider = await trial.started()
    generating = _generating(trial)
    before = generating()
    stream = await provider.open_turn(trial.request(trial.abilities.slow))
    await begun(stream)
    require(generating() > before, "`generating` does not tell of an answer that is being made")
    await within(stream.aclose(), "aclose in the middle")
    await eventually(lambda: generating() <= before, "the back end goes on generating")


def _generating(trial: Trial) -> Callable[[], int]:
    generating = trial.abilities.generating
    if generating is None:
        raise BrokenPromiseError("nothing tells what the back end generates")
    return generating


@promise("turns that are given up make room for others, as often as one likes", "slow")
async def _room(trial: Trial) -> None:
    provider = await trial.started()
    for _ in range(2 * trial.abilities.at_once + 1):
        stream = await within(
            provider.open_turn(trial.request(trial.abilities.slow)), "open_turn after others"
        )
        await begun(stream)
        await within(stream.aclose(), "aclose in the middle")
    words = new_words(1)
    answer = await within(trial.answer(provider, trial.say(*words)), "the turn after all these")
    if trial.abilities.echoes:
        has_words(answer.text, words, "the answer after all these")
    await eventually(
        lambda: provider.status().pool.claimed == 0, "workers stay claimed by turns given up"
    )


@promise("a reader that is cancelled is cancelled at once, and its stream can be closed", "slow")
async def _cancelled(trial: Trial) -> None:
    provider = await trial.started()
    stream = await provider.open_turn(trial.request(trial.abilities.slow))
    reading = asyncio.create_task(_read(stream))
    for _ in range(3):
        await asyncio.sleep(0)
    reading.cancel()
    await within(asyncio.wait([reading]), "the end of a reader that was cancelled")
    require(reading.cancelled(), "the reader's cancellation was swallowed")
    await within(stream.aclose(), "aclose after a cancellation")
    await within(trial.answer(provider, trial.say(*new_words(1))), "the turn after it")


@promise("aclose ends the turns that run, with an error", "slow")
async def _ends_turns(trial: Trial) -> None:
    provider = await trial.started()
    stream = await provider.open_turn(trial.request(trial.abilities.slow))
    batches = await begun(stream)
    reading = asyncio.create_task(_drain(batches))
    await within(provider.aclose(), "aclose while a turn runs")
    error = await within(reading, "the turn that ran")
    require(error, "the turn that ran ended as if its answer were complete")
    await within(stream.aclose(), "aclose of a stream whose provider is closed")


async def _drain(batches: AsyncIterator[Sequence[Chunk]]) -> HubError | None:
    try:
        async for _ in batches:
            pass
    except HubError as error:
        return error
    return None


@promise("after aclose a turn is refused with a HubError, and nothing else fails")
async def _refuses(trial: Trial) -> None:
    provider = await trial.started()
    await trial.answer(provider, trial.say(*new_words(1)))
    for _ in range(2):
        await within(provider.aclose(), "aclose")
    await _is_closed(trial, provider)
    await within(provider.start(), "start after aclose")
    await _is_closed(trial, provider)
    await within(provider.aclose(), "aclose after that")


async def _is_closed(trial: Trial, provider: Provider) -> None:
    call = provider.open_turn(trial.request(trial.say(*new_words(1))))
    await within(refused(call, HubError, "open_turn after aclose"), "open_turn after aclose")
    require(await provider.models(), "no models after aclose")
    provider.status()
    provider.workers()
    provider.credential_status()


@promise("aclose leaves no process, task, thread, descriptor or temporary file behind")
async def _leaves_nothing(trial: Trial) -> None:
    with own_temporary_files():
        before = Remains()
        unstarted = trial.fresh()
        await within(unstarted.aclose(), "aclose of a provider that was not started")
        await _nothing_new(before, "a provider that was not started")
        starting = await trial.started()
        await within(starting.aclose(), "aclose at the start")
        await _nothing_new(before, "a provider that was just started")
        provider = await trial.started()
        await trial.answer(provider, trial.say(*new_words(1)))
        await asyncio.gather(*(_leave(trial, provider) for _ in range(trial.abilities.at_once)))
        await within(provider.aclose(), "aclose")
        await _nothing_new(before, "a provider that has served")


async def _leave(trial: Trial, provider: Provider) -> None:
    request = trial.request(trial.abilities.slow or trial.say(*new_words(1)))
    async with opened(provider, request) as stream:
        async for _ in stream:
            return


async def _nothing_new(before: Remains, what: str) -> None:
    # The other end of a connection may need a moment to notice that this one is gone.
    until = asyncio.get_running_loop().time() + SETTLE_SECONDS
    while (new := before.new()) and asyncio.get_running_loop().time() < until:  # noqa: ASYNC110
        await asyncio.sleep(0.02)
    require(not new, f"{what} leaves behind: {', '.join(new)}")
