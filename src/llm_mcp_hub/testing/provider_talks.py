"""Promises about conversations: what is remembered, and what must not be."""

import asyncio

from llm_mcp_hub.domain.completion import Completion
from llm_mcp_hub.providers.base import ChunkStream, Provider
from llm_mcp_hub.testing.promise import BrokenPromiseError, require
from llm_mcp_hub.testing.provider_trial import (
    Promises,
    Trial,
    begun,
    has_none,
    has_words,
    message,
    new_words,
    opened,
    within,
)

TURNS = 3
CUMULATIVE = 1.5
"""A turn that counts so many times the tokens it should has counted those of others."""

promise = Promises()


@promise("a conversation goes on: an answer knows all that was said before", "remembers")
async def _goes_on(trial: Trial) -> None:
    provider = await trial.started()
    words = new_words(TURNS)
    said = await talk(trial, provider, words)
    has_words(said[-1], words, "the last answer")


@promise("a conversation is rebuilt from its history, the model's own words included", "remembers")
async def _rebuilt(trial: Trial) -> None:
    first, second = await trial.started(), await trial.started()
    words = new_words(TURNS)
    said = await talk(trial, first, words)
    has_words(said[-1], words, "the answer of the provider that was there")
    one, answered, two = new_words(3)
    history = (trial.say(one), trial.say(answered), trial.say(two))
    has_words((await trial.answer(second, *history)).text, [one, answered, two], "rebuilt")
    last = said[:-1]
    has_words((await trial.answer(second, *last)).text, words, "rebuilt from what was said")


@promise("several messages in a row are all heard", "remembers")
async def _in_a_row(trial: Trial) -> None:
    provider = await trial.started()
    words = new_words(5)
    one, two, three, four, five = map(trial.say, words)
    texts = [message(one), message(two), message(three, user=False), message(four), message(five)]
    has_words((await trial.answer(provider, *texts)).text, words, "the answer")


@promise("a history that is not what was said is taken as it is given", "remembers")
async def _edited(trial: Trial) -> None:
    provider = await trial.started()
    words = new_words(2)
    said = await talk(trial, provider, words)
    old, new, last = words[1], *new_words(2)
    edited = [*said[:2], said[2].replace(old, new), said[3].replace(old, new), trial.say(last)]
    text = (await trial.answer(provider, *edited)).text
    has_words(text, [words[0], new, last], "after an edit")
    has_none(text, [old], "after an edit")


@promise("one history can go on in several ways, and none of them knows of another", "echoes")
async def _branches(trial: Trial) -> None:
    provider = await trial.started()
    (root,) = new_words(1)
    said = await talk(trial, provider, [root])
    branches = new_words(2)
    for principal in ("ann", "bob"):
        for word in branches:
            others = [each for each in branches if each != word]
            answer = await trial.answer(provider, *said, trial.say(word), principal=principal)
            has_words(answer.text, [word], "the answer of a branch")
            has_none(answer.text, others, "the answer of a branch")


@promise("conversations at the same time never meet, of one principal or of several", "echoes")
async def _at_once(trial: Trial) -> None:
    provider = await trial.started()
    at_once = max(2, trial.abilities.at_once)
    words = [new_words(TURNS) for _ in range(at_once)]

    async def one(index: int) -> list[str]:
        principal = ("ann", "bob")[index % 4 // 2]
        return await talk(trial, provider, words[index], principal=principal)

    for own, said in zip(words, await asyncio.gather(*map(one, range(at_once))), strict=True):
        others = [word for each in words if each is not own for word in each]
        for number, answer in enumerate(said[1::2]):
            has_words(answer, [own[number]], "an answer among others")
            has_none(answer, others, "an answer among others")


@promise("a worker serves one principal, for as long as it lives", "own_workers")
async def _own_workers(trial: Trial) -> None:
    provider = await trial.started()
    owners: dict[int, str] = {}
    for principal in ("ann", "bob", "ann", "eve"):
        request = trial.request(trial.say(*new_words(1)), principal=principal)
        async with opened(provider, request) as stream:
            async for _ in stream:
                _note_owners(provider, owners)
        _note_owners(provider, owners)
    shown = set(owners.values())
    require(shown == {"ann", "bob", "eve"}, f"the workers name {sorted(shown)} as their principals")


@promise("as many turns run at the same time as `at_once` says", "slow")
async def _side_by_side(trial: Trial) -> None:
    provider = await trial.started()
    request = trial.request(trial.abilities.slow)
    streams: list[ChunkStream] = []
    try:
        for number in range(trial.abilities.at_once):
            what = f"the beginning of turn {number + 1} beside others"
            streams.append(await within(provider.open_turn(request), what))
            await within(begun(streams[-1]), what)
    finally:
        await within(asyncio.gather(*(one.aclose() for one in streams)), "aclose of all")


@promise("a system prompt is heard, in its own turn only", "system")
async def _system(trial: Trial) -> None:
    provider = await trial.started()
    first, second, hello, more = new_words(4)
    answer = await trial.answer(provider, trial.say(hello), system=trial.say(first))
    has_words(answer.text, [first], "with a system prompt")
    history = (trial.say(hello), "Well.", trial.say(more))
    text = (await trial.answer(provider, *history, system=trial.say(second))).text
    has_words(text, [second], "with another system prompt")
    has_none(text, [first], "with another system prompt")
    text = (await trial.answer(provider, trial.say(hello), answer.text, trial.say(more))).text
    if not trial.abilities.remembers:
        has_none(text, [first], "without a system prompt")
    has_none(text, [second], "without a system prompt")
    text = (await trial.answer(provider, trial.say(hello))).text
    has_none(text, [first, second], "in a new conversation")


@promise("a turn that was given up is not remembered", "remembers", "slow")
async def _given_up(trial: Trial) -> None:
    provider = await trial.started()
    (word,) = new_words(1)
    said = await talk(trial, provider, [word])
    (dropped,) = new_words(1)
    slow = f"{trial.abilities.slow} {dropped}"
    async with opened(provider, trial.request(*said, slow)) as stream:
        await begun(stream)
    (last,) = new_words(1)
    text = (await trial.answer(provider, *said, trial.say(last))).text
    has_words(text, [word, last], "after a turn that was given up")
    has_none(text, [dropped], "after a turn that was given up")


@promise("a turn counts its own tokens, not those of the turns before it", "usage")
async def _own_usage(trial: Trial) -> None:
    goes_on, rebuilt = await trial.started(), await trial.started()
    words = new_words(TURNS)
    said: list[str] = []
    last: Completion | None = None
    for word in words:
        said.append(trial.say(word))
        last = await trial.answer(goes_on, *said)
        said.append(last.text)
    fresh = await trial.answer(rebuilt, *said[:-1])
    if last is None:
        raise BrokenPromiseError("no turn")
    for name in ("input_tokens", "output_tokens"):
        continued, once = getattr(last.usage, name), getattr(fresh.usage, name)
        too_many = continued > CUMULATIVE * once + 1
        require(not too_many, f"{name}: {continued} after {TURNS} turns, {once} alone")


async def talk(
    trial: Trial, provider: Provider, words: list[str], principal: str = "ann"
) -> list[str]:
    """Say one word in each turn; all that was said, answers included."""
    said: list[str] = []
    for word in words:
        said.append(trial.say(word))
        answer = await trial.answer(provider, *said, principal=principal)
        said.append(answer.text)
    return said


def _note_owners(provider: Provider, owners: dict[int, str]) -> None:
    for worker in provider.workers():
        if worker.pid is not None and worker.principal is not None:
            owner = owners.setdefault(worker.pid, worker.principal)
            same = owner == worker.principal
            require(same, f"worker {worker.pid} was {owner}'s and is {worker.principal}'s")
