"""Chains: who is asked when somebody can't answer, and what becomes of the turn."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from llm_mcp_hub import errors
from llm_mcp_hub.domain.access import Principal, Scope
from llm_mcp_hub.domain.chat import Message, TextPart
from llm_mcp_hub.domain.chunk import FinishChunk, FinishReason, TextChunk, Usage
from llm_mcp_hub.domain.limits import TokenLimits
from llm_mcp_hub.domain.model import ModelCard
from llm_mcp_hub.domain.tool import Tool
from llm_mcp_hub.domain.turn import Outcome
from llm_mcp_hub.providers.registry import Registry
from llm_mcp_hub.services import claim, journals
from llm_mcp_hub.services.attempts import NOT_NOW
from llm_mcp_hub.services.catalog import Catalog
from llm_mcp_hub.services.chat import ChatService
from llm_mcp_hub.services.choice import ModelChoice
from llm_mcp_hub.services.command import ChatCommand
from llm_mcp_hub.services.follow import FollowedTurn
from llm_mcp_hub.services.journals import Journals
from llm_mcp_hub.services.leases import LeaseKeeper
from llm_mcp_hub.services.limits import LimitKeeper
from llm_mcp_hub.services.running import RunningTurns
from llm_mcp_hub.services.turn_context import TurnContext
from llm_mcp_hub.state.memory import MemoryStore

pytestmark = pytest.mark.anyio
ME = Principal("me", frozenset({Scope.CHAT}))
HI = (Message("user", (TextPart("hi"),)),)
END = FinishChunk(FinishReason.STOP, Usage(output_tokens=1))
ONLY_ITS_OWN = (
    errors.InvalidRequest,
    errors.ContextTooLong,
    errors.RequestTooLarge,
    errors.UnknownModel,
    errors.WorkerDied,
    errors.TurnTimeout,
    errors.ProviderStreamCut,
)


class Stream:
    def __init__(self, provider):
        self._provider = provider

    async def __aiter__(self) -> AsyncIterator[tuple]:
        for batch in self._provider.script:
            if isinstance(batch, Exception):
                raise batch
            if isinstance(batch, asyncio.Event):
                await batch.wait()
            else:
                yield batch

    async def aclose(self):
        self._provider.closed += 1

    @property
    def usage(self):
        return self._provider.used


class Provider:
    capabilities = frozenset()

    def __init__(self, name):
        self.name = name
        self.script = [(TextChunk(f"{name} says"),), (TextChunk(" yes"), END)]
        self.refusal = None
        self.used = None
        self.asked = []
        self.closed = 0

    async def models(self):
        return [ModelCard("m")]

    async def open_turn(self, request):
        self.asked.append(request)
        if self.refusal is not None:
            raise self.refusal
        return Stream(self)


class World:
    def __init__(self, aliases):
        self.store = MemoryStore()
        self.a, self.b, self.c = (Provider(name) for name in "abc")
        self.registry = Registry()
        for provider in (self.a, self.b, self.c):
            self.registry.add(provider.name, provider)
        self.running = RunningTurns()
        self.journals = Journals(self.store, 5.0, 60.0)
        self.finished, self.refused = [], []
        context = TurnContext(
            store=self.store,
            leases=LeaseKeeper(self.store),
            running=self.running,
            journals=self.journals,
            limits=LimitKeeper(self.store),
            session_ttl=60.0,
            finished=self.finished.append,
            refused=self.refused.append,
        )
        choice = ModelChoice(self.registry, self.store, aliases)
        self.chat = ChatService(Catalog(self.registry, aliases), choice, context)

    async def open(self, model="a/m,b/m", who=ME, **fields):
        return await self.chat.open_turn(who, ChatCommand(model, HI, **fields))

    async def answer(self, model="a/m,b/m", **fields):
        turn = await self.open(model, **fields)
        try:
            return turn, await turn.collect()
        finally:
            await turn.aclose()


@pytest.fixture
async def world():
    made = World({"pair": ["a/m", "b/m"], "gone": ["nobody/m", "b/m"], "none": "nobody/m"})
    yield made
    await made.journals.aclose()


@pytest.mark.parametrize("kind", NOT_NOW)
async def test_who_can_t_answer_now_is_passed_over(world, kind):
    world.a.refusal = kind("Not now.")
    turn, completion = await world.answer(session_id="s")

    assert (completion.text, turn.model_id) == ("b says yes", "b/m")
    session = await world.store.get("me", "s", 1.0)
    assert session.summary.model == "b/m"
    assert (session.summary.revision, session.summary.message_count) == (1, 2)
    (record,) = world.finished
    assert (record.provider, record.turn_id, record.outcome) == ("b", turn.turn_id, Outcome.DONE)
    assert world.a.asked[0].turn_id == world.b.asked[0].turn_id == turn.turn_id
    assert not world.refused


@pytest.mark.parametrize("kind", NOT_NOW)
async def test_a_stream_that_fails_before_its_first_chunk_is_closed_and_passed_over(world, kind):
    world.a.script = [kind("Not now.")]
    _, completion = await world.answer()

    assert completion.text == "b says yes"
    assert (world.a.closed, world.b.closed) == (1, 1)


@pytest.mark.parametrize("kind", ONLY_ITS_OWN)
@pytest.mark.parametrize("late", [False, True])
async def test_an_error_of_the_request_itself_ends_the_turn(world, kind, late):
    if late:
        world.a.script = [kind("No.")]
    else:
        world.a.refusal = kind("No.")
    with pytest.raises(kind, match=r"^No\.$"):
        await world.open(session_id="s")

    assert not world.b.asked
    assert world.refused[0].provider == "a"
    _, completion = await world.answer("b/m", session_id="s")
    assert completion.text == "b says yes"


async def test_after_the_first_chunk_nobody_else_is_asked(world):
    world.a.script = [(TextChunk("I"),), errors.ProviderRateLimited("Spent.")]
    with pytest.raises(errors.ProviderRateLimited, match=r"^Spent\.$"):
        await world.answer()

    assert not world.b.asked


async def test_no_chunk_is_lost_or_held_back_behind_a_chain(world):
    world.a.refusal = errors.LoginRequired("Log in.")
    more = asyncio.Event()
    world.b.script = [(TextChunk("one"),), more, (TextChunk(" two"), END)]
    turn = await world.open()
    seen = []
    async for chunks in turn:
        seen.append(chunks)
        more.set()
    await turn.aclose()

    assert seen == [(TextChunk("one"),), (TextChunk(" two"), END)]


async def test_of_a_single_model_no_chunk_is_waited_for(world):
    world.a.script = [asyncio.Event()]
    turn = await world.open("a/m")
    await turn.aclose()

    assert world.a.closed == 1


async def test_when_nobody_can_the_most_helpful_error_tells_what_each_has_said(world):
    world.a.refusal = errors.LoginRequired("Log a in.")
    world.b.script = [errors.ProviderRateLimited("Spent until noon.", retry_after=60.0)]
    world.c.refusal = errors.ProviderRateLimited("Spent until three.", retry_after=900.0)
    with pytest.raises(errors.ProviderRateLimited) as failure:
        await world.open("c/m,a/m,b/m", session_id="s")

    for said in ("a/m: Log a in.", "b/m: Spent until noon.", "c/m: Spent until three."):
        assert said in failure.value.message
    assert (failure.value.retry_after, failure.value.retryable) == (60.0, True)
    (record,) = world.refused
    assert (record.provider, record.error_code) == ("b", "provider_rate_limited")
    assert await world.store.get("me", "s", 1.0) is None


async def test_an_option_that_one_does_not_know_is_refused_only_if_nobody_takes_it(world):
    world.a.refusal = errors.UnsupportedParameter("No effort.", param="reasoning_effort")
    _, completion = await world.answer()
    assert completion.text == "b says yes"

    world.b.refusal = errors.QueueFull("Full.")
    with pytest.raises(errors.QueueFull):
        await world.open()
    world.b.refusal = errors.UnsupportedParameter("None here.", param="reasoning_effort")
    with pytest.raises(errors.UnsupportedParameter) as failure:
        await world.open()
    assert failure.value.param == "reasoning_effort"


async def test_a_request_with_tools_goes_to_who_can_call_them(world):
    tools = (Tool("look"),)
    with pytest.raises(errors.UnsupportedParameter):
        await world.open(tools=tools)
    assert not world.a.asked

    world.b.capabilities = frozenset({"tools"})
    turn, _ = await world.answer(tools=tools)
    assert turn.model_id == "b/m"
    assert not world.a.asked


async def test_a_drained_provider_is_passed_over(world):
    world.registry.entry("a").draining = True
    turn, _ = await world.answer()

    assert turn.model_id == "b/m"
    assert not world.a.asked


async def test_a_configured_chain_is_asked_in_its_order(world):
    turn, _ = await world.answer("pair")
    assert turn.model_id == "a/m"
    world.a.refusal = errors.ProviderUnavailable("Down.")
    turn, _ = await world.answer("pair")
    assert turn.model_id == "b/m"


async def test_what_an_alias_names_and_nobody_offers_is_left_out_but_not_what_the_caller_names(
    world,
):
    turn, _ = await world.answer("gone")
    assert turn.model_id == "b/m"
    for unknown in ("nobody/m,b/m", "none", ","):
        with pytest.raises(errors.UnknownModel):
            await world.open(unknown)


async def test_a_chain_that_is_too_long_is_refused(world):
    with pytest.raises(errors.InvalidRequest):
        await world.open(",".join(f"a/m{n}" for n in range(9)))


async def test_a_turn_that_is_given_up_while_somebody_is_asked_leaves_nothing(world):
    world.a.refusal = errors.QueueFull("Full.")
    world.b.script = [asyncio.Event()]
    opening = asyncio.create_task(world.open(session_id="s"))
    while not world.b.asked:  # noqa: ASYNC110  # what is waited for has no event
        await asyncio.sleep(0)
    assert (world.running.count("a"), world.running.count("b")) == (0, 1)
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening

    assert world.b.closed == 1
    assert world.running.count("b") == 0
    _, completion = await world.answer("c/m", session_id="s")
    assert completion.text == "c says yes"


async def test_who_waits_for_a_provider_s_last_turn_is_told_when_it_goes_to_another(world):
    gate = asyncio.Event()
    world.a.script = [gate, errors.QueueFull("Full.")]
    world.b.script = [asyncio.Event()]
    opening = asyncio.create_task(world.open())
    while not world.a.asked:  # noqa: ASYNC110  # as above
        await asyncio.sleep(0)
    waiting = asyncio.create_task(world.running.wait_until_none(30.0, "a"))
    await asyncio.sleep(0)
    gate.set()
    async with asyncio.timeout(5):
        await waiting
    opening.cancel()
    await asyncio.wait([opening])


async def test_a_key_s_turn_is_known_by_who_has_answered_it(world):
    world.a.refusal = errors.ProviderRateLimited("Spent.")
    again = {"key": "k", "fingerprint": "f"}
    turn, _ = await world.answer(**again)
    followed = await world.open(**again)

    assert isinstance(followed, FollowedTurn)
    assert (await followed.collect()).text == "b says yes"
    assert (followed.turn_id, followed.model_id) == (turn.turn_id, "b/m")
    assert len(world.b.asked) == 1


async def test_who_follows_a_key_while_it_is_decided_learns_who_answers(world):
    gate = asyncio.Event()
    world.a.script = [gate, errors.ProviderRateLimited("Spent.")]
    again = {"key": "k", "fingerprint": "f"}
    opening = asyncio.create_task(world.open(**again))
    while not world.a.asked:  # noqa: ASYNC110  # as above
        await asyncio.sleep(0)
    followed = await world.open(**again)
    collecting = asyncio.create_task(followed.collect())
    gate.set()
    turn = await opening
    await turn.collect()
    await turn.aclose()
    await collecting

    assert followed.model_id == "b/m"


async def test_who_follows_a_turn_that_is_long_in_opening_does_not_take_it_for_lost(
    world, monkeypatch
):
    monkeypatch.setattr(claim, "RENEW_SECONDS", 0.01)
    monkeypatch.setattr(journals, "ALIVE_SECONDS", 0.2)
    renewals = []
    write = world.store.write_journals

    async def watched(entries, ttl, now):
        renewals.append(now)
        await write(entries, ttl, now)

    monkeypatch.setattr(world.store, "write_journals", watched)
    gate = asyncio.Event()
    world.a.script = [gate, (TextChunk("late"), END)]
    again = {"key": "k", "fingerprint": "f"}
    opening = asyncio.create_task(world.open(**again))
    while not world.a.asked:  # noqa: ASYNC110  # as above
        await asyncio.sleep(0)
    collecting = asyncio.create_task((await world.open(**again)).collect())
    async with asyncio.timeout(5):
        while not renewals or renewals[-1] < renewals[0] + 0.5:
            assert not collecting.done()
            await asyncio.sleep(0.01)
    gate.set()
    turn = await opening
    await turn.collect()
    await turn.aclose()

    assert (await collecting).text == "late"


async def test_what_was_used_in_vain_counts_beside_the_answer_and_is_not_its_usage(world):
    limited = Principal("me", frozenset({Scope.CHAT}), limits=TokenLimits(tokens_per_day=100))
    world.a.used = Usage(7, 2, 1)
    world.a.script = [errors.ProviderOverloaded("Not now.")]
    turn = await world.open(who=limited)
    completion = await turn.collect()
    await turn.aclose()

    assert completion.usage == END.usage
    (record,) = world.finished
    assert (record.provider, record.usage) == ("b", Usage(7, 2, 2))
    assert world.store._used["me"].tokens == 9


async def test_what_the_one_that_answers_has_used_counts_when_it_breaks_off(world):
    world.a.refusal = errors.ProviderOverloaded("Not now.")
    world.b.used = Usage(7, 0, 1)
    world.b.script = [(TextChunk("I"),), errors.WorkerDied("…")]
    turn = await world.open()
    with pytest.raises(errors.WorkerDied):
        await turn.collect()
    await turn.aclose()

    assert world.finished[0].usage == Usage(7, 0, 1)


async def test_what_was_used_in_vain_counts_where_nobody_answers(world):
    limited = Principal("me", frozenset({Scope.CHAT}), limits=TokenLimits(tokens_per_day=100))
    for provider, output in ((world.a, 1), (world.b, 2)):
        provider.used = Usage(7, 0, output)
        provider.script = [errors.ProviderOverloaded("Not now.")]
    with pytest.raises(errors.ProviderOverloaded):
        await world.open(who=limited)

    (record,) = world.refused
    assert (record.outcome, record.usage) == (Outcome.FAILED, Usage(14, 0, 3))
    used = world.store._used["me"]
    assert (used.tokens, used.requests) == (17, 1)


async def test_what_was_used_counts_when_the_caller_leaves_before_anybody_has_answered(world):
    limited = Principal("me", frozenset({Scope.CHAT}), limits=TokenLimits(tokens_per_day=100))
    world.a.used = Usage(7, 0, 1)
    world.a.script = [asyncio.Event()]
    opening = asyncio.create_task(world.open(who=limited))
    while not world.a.asked:  # noqa: ASYNC110  # what is waited for has no event
        await asyncio.sleep(0)
    opening.cancel()
    await asyncio.wait([opening])

    (record,) = world.refused
    assert (record.outcome, record.usage) == (Outcome.CANCELLED, Usage(7, 0, 1))
    assert world.store._used["me"].tokens == 8


async def test_a_chain_counts_once_for_the_limits(world):
    world.a.refusal = errors.ProviderRateLimited("Spent.")
    limited = Principal("me", frozenset({Scope.CHAT}), limits=TokenLimits(requests_per_minute=1))
    turn = await world.open(who=limited)
    await turn.collect()
    await turn.aclose()
    with pytest.raises(errors.RateLimited):
        await world.open(who=limited)
