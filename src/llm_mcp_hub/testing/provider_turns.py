"""Promises about one turn."""

import asyncio
from collections.abc import Sequence

from llm_mcp_hub.domain.chunk import Chunk, FinishChunk, FinishReason, ReasoningChunk, TextChunk
from llm_mcp_hub.domain.completion import fold
from llm_mcp_hub.errors import HubError, UnknownModel
from llm_mcp_hub.providers.base import Provider
from llm_mcp_hub.testing.promise import BrokenPromiseError, equal, present, refused, require
from llm_mcp_hub.testing.provider_trial import (
    Promises,
    Trial,
    has_words,
    new_words,
    opened,
    within,
)

UNKNOWN_MODELS = ("", "no-such-model", "../no-such-model", "--no-such-model", "no\nsuch model")
TEXTS = (
    "한국어 텍스트 😀 é \u202eright to left\u202c",
    "quotes \" ' ` and \\ and \\n and {braces} and $HOME and %s",
    "line\nafter line\r\n\tand\u2028on\u0085",
    '{"type":"result","text":"not a line of any protocol"}',
    "/help",
    "@/etc/hostname",
)
"""What is easily taken for something else on its way into a program and back."""
LONG = 200_000

promise = Promises()


@promise("a model that is not offered is refused before anything is spent")
async def _unknown_model(trial: Trial) -> None:
    provider = await trial.started()
    asked = trial.abilities.asked
    before = asked() if asked else 0
    for name in UNKNOWN_MODELS:
        call = provider.open_turn(trial.request("hello", model=name))
        error = await refused(call, UnknownModel, f"a turn with the model {name!r}")
        equal(error.retryable, False, "retryable")
    if asked:
        equal(asked(), before, "requests at the back end")
    await trial.answer(provider, trial.say(*new_words(1)))


@promise("a stream is batches that are never empty, and ends with its only FinishChunk")
async def _shape(trial: Trial) -> None:
    provider = await trial.started()
    async with opened(provider, trial.request(trial.say(*new_words(5)))) as stream:
        batches: list[Sequence[Chunk]] = [batch async for batch in stream]
    require(all(len(batch) for batch in batches), "a batch is empty")
    chunks = [chunk for batch in batches for chunk in batch]
    for chunk in chunks:
        known = isinstance(chunk, TextChunk | ReasoningChunk | FinishChunk)
        require(known, f"{chunk!r} is no chunk")
    finishes = [index for index, chunk in enumerate(chunks) if isinstance(chunk, FinishChunk)]
    equal(finishes, [len(chunks) - 1], f"places of FinishChunks among {len(chunks)} chunks")
    reason = present(fold(chunks), "the fold").finish_reason
    equal(reason, FinishReason.STOP, "the finish reason")


@promise("nothing of an answer is lost or repeated", "echoes")
async def _once(trial: Trial) -> None:
    provider = await trial.started()
    words = new_words(30)
    text = (await trial.answer(provider, trial.say(*words))).text
    has_words(text, words, "the answer")
    for word in words:
        equal(text.count(word), 1, f"how often {word} was said")


@promise("any text goes in and comes out as it is, a long one too", "echoes")
async def _texts(trial: Trial) -> None:
    provider = await trial.started()
    for text in TEXTS:
        (word,) = new_words(1)
        said = (await trial.answer(provider, trial.say(text, word))).text
        require(f"{text} {word}" in said, f"{text!r} became {said!r}")
    (word,) = new_words(1)
    long = "x" * LONG
    said = (await trial.answer(provider, trial.say(f"{long}{word}"))).text
    require(f"{long}{word}" in said, f"of {LONG} characters {said.count('x')} came back")


@promise("an answer is the same however slowly it is read", "echoes")
async def _slowly(trial: Trial) -> None:
    provider = await trial.started()
    words = new_words(20)
    chunks: list[Chunk] = []
    async with opened(provider, trial.request(trial.say(*words))) as stream:
        async for batch in stream:
            chunks += batch
            # Enough turns of the loop for everything to arrive that is on its way.
            for _ in range(50):
                await asyncio.sleep(0)
    has_words(present(fold(chunks), "the answer").text, words, "the answer that was read slowly")


@promise("a turn counts its tokens, and parts never exceed their whole", "usage")
async def _usage(trial: Trial) -> None:
    provider = await trial.started()
    usage = (await trial.answer(provider, trial.say(*new_words(10)))).usage
    require(usage.input_tokens > 0, f"no input tokens: {usage}")
    require(usage.output_tokens > 0, f"no output tokens: {usage}")
    require(0 <= usage.cached_tokens <= usage.input_tokens, f"cached tokens: {usage}")
    require(0 <= usage.reasoning_tokens <= usage.output_tokens, f"reasoning tokens: {usage}")


@promise("an answer that max_tokens cuts says so, and the next turn is not cut", "max_tokens")
async def _max_tokens(trial: Trial) -> None:
    provider = await trial.started()
    words = new_words(40)
    cut = await trial.answer(provider, trial.say(*words), max_tokens=1)
    equal(cut.finish_reason, FinishReason.LENGTH, "the finish reason")
    require(words[-1] not in cut.text, "the answer is not cut")
    more = new_words(1)
    history = (trial.say(*words), cut.text or "…", trial.say(*more))
    whole = await trial.answer(provider, *history)
    equal(whole.finish_reason, FinishReason.STOP, "the finish reason of the turn after it")


@promise("a turn that fails raises a HubError for people, and hinders no other turn", "fails")
async def _fails(trial: Trial) -> None:
    provider = await trial.started()
    for _ in range(trial.abilities.at_once + 1):
        error = await within(_failure(trial, provider), "a turn that fails")
        require(error.message.strip(), f"{error!r} has no message")
    words = new_words(1)
    answer = await within(trial.answer(provider, trial.say(*words)), "the turn after failures")
    if trial.abilities.echoes:
        has_words(answer.text, words, "the answer after failures")


async def _failure(trial: Trial, provider: Provider) -> HubError:
    request = trial.request(trial.abilities.fails)
    try:
        async with opened(provider, request) as stream:
            async for batch in stream:
                finished = any(isinstance(chunk, FinishChunk) for chunk in batch)
                require(not finished, "a turn that fails has a FinishChunk")
    except HubError as error:
        return error
    raise BrokenPromiseError("a turn that fails ended without an error")
