"""A turn from its first chunk to its last consequence, with a store and a provider in between."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from itertools import repeat

import pytest

from llm_mcp_hub.domain.access import Principal, Scope
from llm_mcp_hub.domain.chat import Message, TextPart
from llm_mcp_hub.domain.chunk import FinishChunk, FinishReason, TextChunk, Usage
from llm_mcp_hub.domain.journal import JournalEnd
from llm_mcp_hub.domain.limits import TokenLimits
from llm_mcp_hub.domain.response_format import ResponseFormat
from llm_mcp_hub.domain.turn import Outcome
from llm_mcp_hub.errors import (
    Draining,
    FormatNotHonoured,
    InternalError,
    InvalidRequest,
    ProviderStreamCut,
    QueueFull,
    SessionBusy,
    SessionChanged,
    StateUnavailable,
    UnknownModel,
    WorkerDied,
)
from llm_mcp_hub.providers.registry import Registry
from llm_mcp_hub.services import session_hold
from llm_mcp_hub.services import turn as turn_service
from llm_mcp_hub.services.catalog import Catalog
from llm_mcp_hub.services.chat import ChatService
from llm_mcp_hub.services.choice import ModelChoice
from llm_mcp_hub.services.command import ChatCommand
from llm_mcp_hub.services.journals import Journals
from llm_mcp_hub.services.leases import LeaseKeeper
from llm_mcp_hub.services.limits import LimitKeeper
from llm_mcp_hub.services.running import RunningTurns
from llm_mcp_hub.services.turn import Turn
from llm_mcp_hub.services.turn_context import TurnContext
from llm_mcp_hub.state.base import Lease
from llm_mcp_hub.state.memory import MemoryStore

pytestmark = pytest.mark.anyio
ME = Principal("me", frozenset({Scope.CHAT}))
LIMITED = Principal("me", frozenset({Scope.CHAT}), limits=TokenLimits(concurrent_turns=9))
END = FinishChunk(FinishReason.STOP, Usage(output_tokens=1))


class Store(MemoryStore):
    """Notes what is called, and fails when told to."""

    def __init__(self, notes):
        super().__init__()
        self.notes = notes
        self.failing: dict[str, Iterator[Exception]] = {}
        self.after: dict[str, Exception] = {}
        self.hold: dict[str, asyncio.Event] = {}
        self.before: dict[str, asyncio.Event] = {}

    async def _do(self, name, work):
        self.notes.append(name)
        error = next(self.failing.get(name, iter(())), None)
        if error is not None:
            work.close()
            raise error
        if name in self.before:
            try:
                await self.before[name].wait()
            except asyncio.CancelledError:
                work.close()
                raise
        result = await work
        if name in self.hold:
            await self.hold[name].wait()
        if name in self.after:
            raise self.after.pop(name)
        return result

    async def begin(self, *args):
        return await self._do("begin", super().begin(*args))

    async def begin_by_digest(self, *args):
        return await self._do("begin_by_digest", super().begin_by_digest(*args))

    async def append(self, *args):
        return await self._do("append", super().append(*args))

    async def get(self, *args):
        return await self._do("get", super().get(*args))

    async def release(self, *args):
        return await self._do("release", super().release(*args))


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
        self._provider.notes.append("close")
        if self._provider.closing is not None:
            await self._provider.closing.wait()
        if self._provider.close_error is not None:
            raise self._provider.close_error

    @property
    def usage(self):
        if isinstance(self._provider.used, Exception):
            raise self._provider.used
        return self._provider.used


class Provider:
    capabilities: frozenset[str] = frozenset()
    name = "p"

    def __init__(self, notes):
        self.notes = notes
        self.script = [(TextChunk("yes"),), (END,)]
        self.refusal: Exception | None = None
        self.opening: asyncio.Event | None = None
        self.closing: asyncio.Event | None = None
        self.close_error: Exception | None = None
        self.used: Usage | Exception | None = None
        self.requests = []

    async def models(self):
        return ()

    async def open_turn(self, request):
        self.notes.append("open")
        self.requests.append(request)
        if self.opening is not None:
            await self.opening.wait()
        if self.refusal is not None:
            raise self.refusal
        return Stream(self)


class World:
    """A chat service with everything around it under control."""

    def __init__(self, resume_seconds=0.0):
        self.notes: list[str] = []
        self.records = []
        self.store = Store(self.notes)
        self.provider = Provider(self.notes)
        registry = Registry()
        registry.add("p", self.provider)
        self.leases = LeaseKeeper(self.store)
        self.journals = Journals(self.store, resume_seconds, 60.0)
        self.limits = LimitKeeper(self.store)
        self.running = RunningTurns()
        self.refused = []
        context = TurnContext(
            store=self.store,
            leases=self.leases,
            running=self.running,
            journals=self.journals,
            limits=self.limits,
            session_ttl=60.0,
            finished=self._finished,
            refused=self.refused.append,
        )
        choice = ModelChoice(registry, self.store, {})
        self.chat = ChatService(Catalog(registry, {}), choice, context)

    def _finished(self, record):
        self.notes.append("finished")
        self.records.append(record)

    async def open(self, *texts, session=None, me=ME, **fields):
        roles = ("user", "assistant")
        messages = tuple(Message(roles[n % 2], (TextPart(t),)) for n, t in enumerate(texts))
        return await self.chat.open_turn(
            me, ChatCommand("p/m", messages or _hi(), session_id=session, **fields)
        )

    async def free(self, session="s"):
        """Whether nobody holds the session's lease."""
        try:
            await MemoryStore.begin(self.store, "me", session, Lease("probe", 30), 1.0)
        except SessionBusy:
            return False
        await MemoryStore.release(self.store, "me", session, "probe")
        return True


def _hi():
    return (Message("user", (TextPart("hi"),)),)


@pytest.fixture
def world():
    return World()


async def until(condition):
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110  # what is waited for has no event
            await asyncio.sleep(0)


async def test_a_turn_is_stored_before_its_end_is_told(world):
    turn = await world.open(session="s")
    async for chunks in turn:
        world.notes.append("told" if END in chunks else "text")
    await turn.aclose()

    assert world.notes == ["begin", "open", "text", "append", "told", "close", "finished"]
    assert world.records[0].outcome is Outcome.DONE
    assert await world.free()


async def test_collect_is_the_fold_of_the_stream(world):
    turn = await world.open()
    completion = await turn.collect()
    await turn.aclose()

    assert completion.text == "yes"
    assert completion == turn.completion


async def test_a_new_session_without_an_id_needs_no_lease(world):
    turn = await world.open()
    await turn.collect()
    await turn.aclose()

    assert world.notes == ["open", "append", "close", "finished"]


async def test_nothing_remembered_touches_no_store(world):
    turn = await world.open("a", "b", "c", remember=False)
    await turn.collect()
    await turn.aclose()

    assert world.notes == ["open", "close", "finished"]
    assert world.provider.requests[0].prior == 2


async def test_a_turn_given_up_stores_nothing_and_frees_its_session(world):
    turn = await world.open(session="s")
    async for _ in turn:
        break
    await turn.aclose()

    assert world.notes == ["begin", "open", "close", "release", "finished"]
    assert world.records[0].outcome is Outcome.CANCELLED
    assert await world.store.get("me", "s", 1.0) is None
    assert await world.free()


@pytest.mark.parametrize(
    ("script", "raised", "code"),
    [
        ([(TextChunk("a"),), WorkerDied("…")], WorkerDied, "worker_died"),
        ([(TextChunk("a"),)], ProviderStreamCut, "provider_stream_cut"),
        ([], ProviderStreamCut, "provider_stream_cut"),
        ([ValueError("odd")], InternalError, "internal_error"),
    ],
)
async def test_a_turn_that_fails_stores_nothing_and_frees_its_session(world, script, raised, code):
    world.provider.script = script
    turn = await world.open(session="s")
    with pytest.raises(raised):
        await turn.collect()
    await turn.aclose()

    assert (world.records[0].outcome, world.records[0].error_code) == (Outcome.FAILED, code)
    assert "append" not in world.notes
    assert await world.free()


@pytest.mark.parametrize("script", [[WorkerDied("…")], [(TextChunk("a"),), asyncio.Event()]])
@pytest.mark.parametrize("used", [Usage(20, 5, 3), None, ValueError("odd")])
async def test_what_a_turn_without_an_answer_has_used_is_recorded_and_limited_once(
    world, script, used
):
    world.provider.script = script
    world.provider.used = used
    told = used if isinstance(used, Usage) else Usage()
    who = Principal("me", frozenset({Scope.CHAT}), limits=TokenLimits(tokens_per_day=100))
    turn = await world.chat.open_turn(who, ChatCommand("p/m", _hi()))
    reading = asyncio.create_task(turn.collect())
    for _ in range(5):
        await asyncio.sleep(0)
    reading.cancel()
    await asyncio.wait([reading])
    for _ in range(2):
        await turn.aclose()

    (record,) = world.records
    assert record.usage == told
    assert world.store._used["me"].tokens == told.input_tokens + told.output_tokens


async def test_what_is_known_only_once_the_stream_is_closed_counts(world):
    world.provider.script = [(TextChunk("a"),), asyncio.Event()]
    world.provider.closing = asyncio.Event()
    turn = await world.open()
    async for _ in turn:
        break
    closing = asyncio.create_task(turn.aclose())
    await until(lambda: "close" in world.notes)
    world.provider.used = Usage(20, 5, 3)
    world.provider.closing.set()
    await closing

    assert world.records[0].usage == Usage(20, 5, 3)


async def test_the_usage_of_an_answer_is_what_its_end_says(world):
    world.provider.used = Usage(20, 5, 3)
    turn = await world.open()
    await turn.collect()
    await turn.aclose()

    assert world.records[0].usage == END.usage


async def test_a_turn_that_answers_otherwise_than_demanded_is_charged_for_both_answers(world):
    who = Principal("me", frozenset({Scope.CHAT}), limits=TokenLimits(tokens_per_day=100))
    wanted = ChatCommand("p/m", _hi(), response_format=ResponseFormat("json_object"))
    turn = await world.chat.open_turn(who, wanted)
    with pytest.raises(FormatNotHonoured):
        await turn.collect()
    await turn.aclose()

    assert world.records[0].usage == END.usage + END.usage
    assert world.store._used["me"].tokens == 2


@pytest.mark.parametrize("late", [WorkerDied("late"), ValueError("late"), (TextChunk("late"),)])
async def test_what_a_provider_does_after_its_end_changes_nothing(world, late):
    world.provider.script = [(TextChunk("yes"), END), late]
    turn = await world.open(session="s")
    completion = await turn.collect()
    await turn.aclose()

    assert completion.text == "yes"
    assert world.records[0].outcome is Outcome.DONE


async def test_a_store_that_is_away_for_a_moment_costs_time_only(world, monkeypatch):
    monkeypatch.setattr(session_hold, "STORE_RETRY_SECONDS", 0.0)
    world.store.failing["append"] = repeat(StateUnavailable("away"), 2)
    turn = await world.open(session="s")
    await turn.collect()
    await turn.aclose()

    assert world.notes.count("append") == 3
    assert (await world.store.get("me", "s", 1.0)).summary.revision == 1


async def test_a_store_that_stays_away_is_reported_and_the_turn_not_to_be_repeated(
    world, monkeypatch
):
    monkeypatch.setattr(session_hold, "STORE_RETRY_SECONDS", 0.0)
    monkeypatch.setattr(session_hold, "STORE_SECONDS", 0.02)
    world.store.failing["append"] = repeat(StateUnavailable("away"))
    turn = await world.open(session="s")
    with pytest.raises(StateUnavailable) as failure:
        await turn.collect()
    await turn.aclose()

    assert failure.value.retryable is False
    assert world.records[0].error_code == "state_unavailable"
    assert world.records[0].usage.output_tokens == 1
    assert await world.free()


async def test_an_append_that_was_carried_out_though_it_seemed_to_fail_is_not_lost(
    world, monkeypatch
):
    monkeypatch.setattr(session_hold, "STORE_RETRY_SECONDS", 0.0)
    world.store.after["append"] = StateUnavailable("no answer")
    turn = await world.open(session="s")
    await turn.collect()
    await turn.aclose()

    assert world.records[0].outcome is Outcome.DONE
    assert (await world.store.get("me", "s", 1.0)).summary.revision == 1


async def test_an_append_of_which_it_is_unknown_for_a_while_whether_it_succeeded_is_not_lost(
    world, monkeypatch
):
    monkeypatch.setattr(session_hold, "STORE_RETRY_SECONDS", 0.0)
    world.store.after["append"] = StateUnavailable("no answer")
    world.store.failing["get"] = repeat(StateUnavailable("away"), 2)
    turn = await world.open(session="s")
    await turn.collect()
    await turn.aclose()

    assert world.notes.count("get") == 3
    assert world.records[0].outcome is Outcome.DONE


async def test_a_session_that_moved_on_is_reported(world):
    turn = await world.open(session="s")
    world.store.failing["append"] = repeat(SessionChanged("moved"), 1)
    with pytest.raises(SessionChanged):
        await turn.collect()
    await turn.aclose()

    assert world.records[0].error_code == "session_changed"
    assert await world.free()


async def test_a_caller_who_leaves_while_the_turn_is_stored_does_not_undo_it(world):
    world.store.hold["append"] = asyncio.Event()
    turn = await world.open(session="s")
    collecting = asyncio.create_task(turn.collect())
    await until(lambda: "append" in world.notes)
    collecting.cancel()
    await asyncio.wait([collecting])
    closing = asyncio.create_task(turn.aclose())
    await until(lambda: "close" in world.notes)
    world.store.hold["append"].set()
    await closing

    assert world.records[0].outcome is Outcome.DONE
    assert "release" not in world.notes
    assert await world.free()


async def test_a_reader_who_leaves_while_its_place_is_given_back_leaves_a_whole_journal(world):
    real, giving_back = world.store.leave_turn, asyncio.Event()

    async def slow(*call):
        giving_back.set()
        await asyncio.Event().wait()
        await real(*call)

    world.store.leave_turn = slow
    turn = await world.open(session="s", note=b"n", me=LIMITED)
    collecting = asyncio.create_task(turn.collect())
    await giving_back.wait()
    collecting.cancel()
    await asyncio.wait([collecting])
    await turn.aclose()

    journal = await world.journals.read("me", turn.turn_id, 0)
    assert journal.end == JournalEnd()
    assert len(journal.chunks) == 2
    assert world.records[0].outcome is Outcome.DONE


async def test_a_caller_who_leaves_just_after_its_keyed_turn_was_opened_frees_its_session(world):
    opening = asyncio.create_task(world.open(session="s", key="k", fingerprint="f"))
    await until(lambda: any(isinstance(one, Turn) for one in world.running))
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening

    assert len(world.running) == 0
    assert world.records[0].outcome is Outcome.CANCELLED
    assert await world.free()
    turn = await world.open(session="s", key="k", fingerprint="f")
    assert isinstance(turn, Turn)
    await turn.aclose()


async def test_a_caller_who_leaves_while_an_opening_that_failed_is_undone_frees_the_session(world):
    world.provider.refusal = QueueFull("full")
    world.store.before["release"] = asyncio.Event()
    opening = asyncio.create_task(world.open(session="s"))
    await until(lambda: "release" in world.notes)
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening
    world.store.before["release"].set()

    async with asyncio.timeout(5):
        while not await world.free():  # noqa: ASYNC110  # as in `until`
            await asyncio.sleep(0)


async def test_closing_twice_is_closing_once(world):
    turn = await world.open(session="s")
    await asyncio.gather(turn.aclose(), turn.aclose())
    await turn.aclose()

    assert world.notes.count("close") == 1
    assert len(world.records) == 1


async def test_closing_is_not_undone_by_a_cancellation(world):
    world.provider.closing = asyncio.Event()
    turn = await world.open(session="s")
    closing = asyncio.create_task(turn.aclose())
    await until(lambda: "close" in world.notes)
    closing.cancel()
    await asyncio.wait([closing])
    world.provider.closing.set()
    await turn.aclose()

    assert world.notes[-3:] == ["close", "release", "finished"]
    assert await world.free()


@pytest.mark.parametrize("problem", ["hangs", "raises"])
async def test_a_provider_that_does_not_close_keeps_nobody(world, monkeypatch, problem):
    monkeypatch.setattr(turn_service, "CLOSE_SECONDS", 0.01)
    if problem == "hangs":
        world.provider.closing = asyncio.Event()
    else:
        world.provider.close_error = ValueError("odd")
    turn = await world.open(session="s")
    await turn.collect()
    async with asyncio.timeout(5):
        await turn.aclose()

    assert len(world.records) == 1
    assert await world.free()


async def test_a_session_that_can_not_be_freed_is_no_reason_to_fail(world):
    world.store.failing["release"] = repeat(StateUnavailable("away"), 1)
    turn = await world.open(session="s")
    await turn.aclose()

    assert world.records[0].outcome is Outcome.CANCELLED


async def test_a_turn_that_can_not_be_opened_frees_its_session(world):
    world.provider.refusal = QueueFull("full")
    with pytest.raises(QueueFull):
        await world.open(session="s")

    assert world.notes == ["begin", "open", "release"]
    assert await world.free()
    assert world.records == []


async def test_a_caller_who_leaves_while_the_provider_opens_frees_the_session(world):
    world.provider.opening = asyncio.Event()
    opening = asyncio.create_task(world.open(session="s"))
    await until(lambda: "open" in world.notes)
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening

    assert await world.free()


@pytest.mark.parametrize("named", [True, False])
async def test_a_caller_who_leaves_while_the_session_is_taken_frees_it(world, named):
    first = await world.open(session="s")
    await first.collect()
    await first.aclose()
    call = "begin" if named else "begin_by_digest"
    world.store.hold[call] = asyncio.Event()
    texts = ("hi", "yes", "more")
    opening = asyncio.create_task(world.open(*texts, session="s" if named else None))
    await until(lambda: call in world.notes[5:])
    opening.cancel()
    await asyncio.sleep(0)
    world.store.hold[call].set()
    with pytest.raises(asyncio.CancelledError):
        await opening

    assert world.notes[-1] == "release"
    assert await world.free()


async def test_a_busy_session_costs_nothing(world):
    running = await world.open(session="s")
    with pytest.raises(SessionBusy):
        await world.open(session="s")
    await running.aclose()

    assert world.notes.count("open") == 1


@pytest.mark.parametrize(
    ("messages", "fields", "raised"),
    [
        ((), {}, InvalidRequest),
        ((Message("assistant", ()),), {}, InvalidRequest),
        (_hi(), {"session_id": "a b"}, InvalidRequest),
        (_hi(), {"model": "q/m"}, UnknownModel),
        (_hi(), {"model": "m"}, UnknownModel),
    ],
)
async def test_what_is_wrong_is_found_before_anything_is_touched(world, messages, fields, raised):
    with pytest.raises(raised):
        await world.chat.open_turn(
            ME, ChatCommand(**{"model": "p/m", "messages": messages} | fields)
        )

    assert world.notes == []


async def test_a_hub_that_drains_opens_no_more_turns(world):
    running = await world.open(session="s")
    world.chat.drain()
    with pytest.raises(Draining):
        await world.open()
    await running.collect()
    await running.aclose()

    assert world.records[0].outcome is Outcome.DONE


async def test_leases_of_turns_that_take_long_are_renewed_and_others_let_be(world, monkeypatch):
    from llm_mcp_hub.services import leases

    monkeypatch.setattr(leases, "RENEW_SECONDS", 0.0)
    renewed = []

    async def renew(sessions, lease, now):
        renewed.append((sessions, lease.id))
        if len(renewed) == 1:
            raise ValueError("a defect")

    world.store.renew = renew
    one = await world.open(session="one")
    two = await world.open(session="two")
    done = await world.open(session="done")
    await done.collect()
    await done.aclose()
    await world.leases.renew()
    await one.aclose()
    await two.aclose()
    await world.leases.renew()

    assert renewed == [([("me", "one")], one.turn_id), ([("me", "two")], two.turn_id)]
