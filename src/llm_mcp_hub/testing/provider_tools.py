"""Promises about the client's tools: calls, their results, and what must not be seen."""

import asyncio
import json
from collections.abc import Sequence

from llm_mcp_hub.domain.chat import Message, ToolCallPart, ToolResultPart, TurnRequest
from llm_mcp_hub.domain.chunk import Chunk, FinishChunk, FinishReason, ToolArgumentsChunk
from llm_mcp_hub.domain.chunk import ToolCallChunk as Call
from llm_mcp_hub.domain.completion import Completion, fold
from llm_mcp_hub.domain.model import Capability
from llm_mcp_hub.domain.tool import Tool
from llm_mcp_hub.errors import HubError
from llm_mcp_hub.providers.base import ChunkStream, Provider
from llm_mcp_hub.testing.promise import BrokenPromiseError, equal, present, require
from llm_mcp_hub.testing.provider_trial import (
    Promises,
    Trial,
    eventually,
    has_none,
    has_words,
    message,
    new_words,
    opened,
    within,
)

NAMES = ("look_up", "Send-2", "x")
"""Names that a vendor may know tools by otherwise."""
ARGUMENTS = {"city": '서울 "quoted" \\ 😀', "days": [1, 2.5, None, True], "in": {"a": {}}}
"""What is easily taken for something else on its way."""

promise = Promises()


@promise(
    "a call names a tool as it was offered, with an id of its own and one JSON object", "calls"
)
async def _one(trial: Trial) -> None:
    provider = await trial.started()
    require(Capability.TOOLS in provider.capabilities, "the capability `tools` is not said")
    ids: list[str] = []
    for name in NAMES:
        request = _asks(trial, [(name, ARGUMENTS)], tools=NAMES)
        async with opened(provider, request) as stream:
            chunks = [chunk async for batch in stream for chunk in batch]
        _in_order(chunks)
        completion = present(fold(chunks), "the answer: the stream has no FinishChunk")
        equal(completion.finish_reason, FinishReason.TOOL_CALLS, "the finish reason")
        equal([call.name for call in completion.tool_calls], [name], "the names of the calls")
        (call,) = completion.tool_calls
        equal(_arguments(call), ARGUMENTS, "the arguments")
        ids.append(call.id)
    require(all(ids), f"an id is empty: {ids}")
    equal(len(set(ids)), len(ids), "different ids")


def _in_order(chunks: Sequence[Chunk]) -> None:
    begun: set[int] = set()
    for place, chunk in enumerate(chunks):
        if isinstance(chunk, Call):
            equal(chunk.index, len(begun), "the index of a call")
            begun.add(chunk.index)
        elif isinstance(chunk, ToolArgumentsChunk):
            require(chunk.index in begun, "arguments come before their call")
        elif isinstance(chunk, FinishChunk):
            equal(place, len(chunks) - 1, "the place of the FinishChunk")


@promise(
    "calls of one answer are told apart, and there is one if there may be no more",
    "calls",
    "parallel",
)
async def _several(trial: Trial) -> None:
    provider = await trial.started()
    wanted = [(NAMES[0], {"n": 1}), (NAMES[1], {"n": 2}), (NAMES[0], {"n": 3})]
    calls = (await _run(provider, _asks(trial, wanted, tools=NAMES))).tool_calls
    made = [(call.name, _arguments(call)) for call in calls]
    equal(made, wanted, "the calls")
    equal(len({call.id for call in calls}), len(calls), "different ids")
    alone = _asks(trial, wanted, tools=NAMES, parallel=False)
    calls = (await _run(provider, alone)).tool_calls
    equal(len(calls), 1, "the calls of an answer that may have one")


@promise("a turn with the results of all calls goes on from there, in whatever order", "calls")
async def _goes_on(trial: Trial) -> None:
    provider = await trial.started()
    said = await _called(trial, provider, 2 if trial.abilities.parallel else 1)
    words = new_words(len(said[-1].parts))
    results = _results(said[-1], words)
    for order in (results, list(reversed(results))):
        answer = await _run(provider, trial.request(*said, *order, tools=_tools(NAMES)))
        equal(answer.tool_calls, (), "calls after the results")
        for word in words:
            has_words(answer.text, [word], "the answer to results")


@promise("calls and their results are rebuilt from the history", "calls")
async def _rebuilt(trial: Trial) -> None:
    first, second = await trial.started(), await trial.started()
    said = await _called(trial, first, 1)
    (word, more) = new_words(2)
    said += _results(said[-1], [word])
    request = trial.request(*said, tools=_tools(NAMES))
    answer = await _run(second, request)
    has_words(answer.text, [word], "the answer of a provider that did not make the call")
    await first.aclose()
    goes_on = trial.request(*said, answer.message, trial.say(more), tools=_tools(NAMES))
    equal((await _run(second, goes_on)).tool_calls, (), "calls long after the results")


@promise("a result that is an error is heard", "calls")
async def _error(trial: Trial) -> None:
    for fresh in (False, True):
        provider = await trial.started()
        said = await _called(trial, provider, 1)
        if fresh:
            provider = await trial.started()
        (word,) = new_words(1)
        said += _results(said[-1], [word], is_error=True)
        answer = await _run(provider, trial.request(*said, tools=_tools(NAMES)))
        has_words(answer.text, [word], "the answer to an error")


@promise("a conversation that waits for results can go on with other words", "calls", "echoes")
async def _otherwise(trial: Trial) -> None:
    provider = await trial.started()
    said = await _called(trial, provider, 1)
    unheard, word = new_words(2)
    said += _results(said[-1], [f"There is no result. {unheard}"], is_error=True)
    said.append(message(trial.say(word)))
    answer = await _run(provider, trial.request(*said, tools=_tools(NAMES)))
    has_words(answer.text, [word], "the answer to a text beside a result")
    equal(answer.tool_calls, (), "calls after a text that asks for none")


@promise("tools of one conversation are not seen by another", "calls")
async def _apart(trial: Trial) -> None:
    provider = await trial.started()
    at_once = max(2, trial.abilities.at_once)
    names = [f"tool_{word}" for word in new_words(at_once)]

    async def one(index: int) -> list[Message]:
        principal = ("ann", "bob")[index % 4 // 2]
        own = names[index]
        request = _asks(trial, [(own, {"n": index})], tools=[own], principal=principal)
        completion = await _run(provider, request)
        equal([call.name for call in completion.tool_calls], [own], "calls among others")
        equal(_arguments(completion.tool_calls[0]), {"n": index}, "arguments among others")
        return [*request.messages, completion.message]

    talks = await asyncio.gather(*map(one, range(at_once)))
    words = new_words(at_once)

    async def rest(index: int) -> None:
        principal = ("ann", "bob")[index % 4 // 2]
        said = [*talks[index], *_results(talks[index][-1], [words[index]])]
        request = trial.request(*said, tools=_tools([names[index]]), principal=principal)
        text = (await _run(provider, request)).text
        has_words(text, [words[index]], "an answer to results among others")
        has_none(text, [w for w in words if w != words[index]], "an answer to results among others")

    await asyncio.gather(*map(rest, range(at_once)))


@promise("conversations that wait for results leave room for others", "calls")
async def _room(trial: Trial) -> None:
    provider = await trial.started()
    talks = [await _called(trial, provider, 1) for _ in range(2 * trial.abilities.at_once + 1)]
    words = new_words(1)
    await within(trial.answer(provider, trial.say(*words)), "a turn beside those that wait")
    said = [*talks[0], *_results(talks[0][-1], words)]
    answer = await within(
        _run(provider, trial.request(*said, tools=_tools(NAMES))), "the turn of the one that waited"
    )
    has_words(answer.text, words, "the answer of the one that has waited longest")


@promise("a turn that is given up while it calls leaves nothing", "calls")
async def _given_up(trial: Trial) -> None:
    provider = await trial.started()
    for _ in range(trial.abilities.at_once + 1):
        request = _asks(trial, [(NAMES[0], ARGUMENTS)], tools=NAMES)
        stream = await within(provider.open_turn(request), "open_turn after others")
        await within(_until_a_call(stream), "a turn that calls, after others")
        await within(stream.aclose(), "aclose in the middle of a call")
        try:
            async for batch in stream:
                raise BrokenPromiseError(f"a closed stream says {batch!r}")
        except HubError:
            pass
    await eventually(
        lambda: provider.status().pool.claimed == 0, "workers stay claimed by turns given up"
    )
    await _called(trial, provider, 1)
    await within(provider.aclose(), "aclose while a conversation waits for results")


async def _until_a_call(stream: ChunkStream) -> None:
    async for batch in stream:
        if any(isinstance(chunk, Call) for chunk in batch):
            return


async def _called(trial: Trial, provider: Provider, count: int) -> list[Message]:
    """A conversation that waits for the results of so many calls."""
    wanted = [(NAMES[number % len(NAMES)], {"n": number}) for number in range(count)]
    request = _asks(trial, wanted, tools=NAMES)
    completion = await within(_run(provider, request), "a turn that calls")
    equal(len(completion.tool_calls), count, "calls")
    return [*request.messages, completion.message]


def _asks(
    trial: Trial,
    wanted: Sequence[tuple[str, object]],
    *,
    tools: Sequence[str],
    parallel: bool = True,
    principal: str = "ann",
) -> TurnRequest:
    """A first turn that has the model make these calls."""
    lines = (
        trial.abilities.calls.format(name=name, arguments=json.dumps(arguments))
        for name, arguments in wanted
    )
    return trial.request(
        "\n".join(lines), tools=_tools(tools), parallel_tool_calls=parallel, principal=principal
    )


async def _run(provider: Provider, request: TurnRequest) -> Completion:
    async with opened(provider, request) as stream:
        chunks = [chunk async for batch in stream for chunk in batch]
    return present(fold(chunks), "the answer: the stream has no FinishChunk")


def _tools(names: Sequence[str]) -> tuple[Tool, ...]:
    return tuple(Tool(name, f"Does {name}.") for name in names)


def _arguments(call: ToolCallPart) -> object:
    try:
        arguments = json.loads(call.arguments)
    except ValueError as error:
        raise BrokenPromiseError(f"arguments that are no JSON: {call.arguments!r}") from error
    require(isinstance(arguments, dict), f"arguments that are no object: {call.arguments!r}")
    return arguments


def _results(called: Message, words: Sequence[str], *, is_error: bool = False) -> list[Message]:
    calls = [part for part in called.parts if isinstance(part, ToolCallPart)]
    return [
        Message("tool", (ToolResultPart(call.id, word, is_error=is_error),))
        for call, word in zip(calls, words, strict=True)
    ]
