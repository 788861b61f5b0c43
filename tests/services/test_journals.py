"""Journals are written behind the turns' backs, survive an absent store, and can be followed."""

import asyncio
import time

import pytest

from llm_mcp_hub.domain.chunk import FinishChunk, FinishReason, TextChunk, Usage
from llm_mcp_hub.domain.journal import JournalEnd, JournalEntry, JournalHead
from llm_mcp_hub.errors import (
    HubError,
    KeyReused,
    QueueFull,
    StateUnavailable,
    TurnLost,
    UnknownTurn,
)
from llm_mcp_hub.services import follow as follow_module
from llm_mcp_hub.services import journals as journals_module
from llm_mcp_hub.services.claim import claimed
from llm_mcp_hub.services.follow import FollowedTurn, follow, look, recorded, revived
from llm_mcp_hub.services.journals import Journals
from llm_mcp_hub.state.memory import MemoryStore

pytestmark = pytest.mark.anyio

TURN = "turn-000000000000000000000001"
END = FinishChunk(FinishReason.STOP, Usage(output_tokens=2))
PATIENCE_SECONDS = 10.0


def head(turn_id=TURN, key=None, fingerprint="", session_id="s"):
    return JournalHead(turn_id, "ann", session_id, "p/m", 1.0, key=key, fingerprint=fingerprint)


class Store(MemoryStore):
    """Counts the writes, and is away as long as it is told to be."""

    def __init__(self):
        super().__init__()
        self.writes: list[int] = []
        self.away = False
        self.written = asyncio.Event()

    async def write_journals(self, entries, ttl, now):
        self.writes.append(len(entries))
        if self.away:
            self.written.set()
            raise StateUnavailable("Away.")
        await super().write_journals(entries, ttl, now)
        self.written.set()


@pytest.fixture
async def store():
    return Store()


@pytest.fixture
async def journals(store):
    made = Journals(store, 0.05, 60.0)
    yield made
    await made.aclose()


async def soon(awaitable):
    return await asyncio.wait_for(awaitable, PATIENCE_SECONDS)


def words(*texts):
    return tuple(map(TextChunk, texts))


async def test_a_short_turn_is_one_write_and_not_waited_for(journals, store):
    live = journals.begin(head())
    live.add((*words("a", "b"), END))
    live.finish(JournalEnd())
    journals.touch(live)
    await asyncio.sleep(0)
    assert store.writes == []
    await soon(store.written.wait())
    found = await store.read_journal("ann", TURN, 0, time.time())
    assert found.chunks == (*words("a", "b"), END)
    assert found.end == JournalEnd()
    assert store.writes == [1]
    assert journals.live("ann", TURN) is None


async def test_the_beginning_of_a_turn_is_written_at_once_and_the_rest_in_its_time(journals, store):
    live = journals.begin(head())
    live.add(words("a"))
    journals.touch(live)
    await asyncio.sleep(0)
    assert store.writes == [1]
    await soon(store.written.wait())
    live.add(words("b"))
    journals.touch(live)
    await asyncio.sleep(0)
    assert store.writes == [1]


async def test_closing_waits_for_a_write_under_way():
    class Slow(Store):
        async def write_journals(self, entries, ttl, now):
            await asyncio.sleep(0)
            await super().write_journals(entries, ttl, now)

    slow = Slow()
    journals = Journals(slow, 0.05, 60.0)
    live = journals.begin(head())
    live.add(words("a"))
    journals.touch(live)
    await soon(journals.aclose())
    assert (await slow.read_journal("ann", TURN, 0, time.time())).chunks == words("a")


async def test_many_turns_are_one_write(journals, store):
    for number in range(50):
        live = journals.begin(head(f"turn-{number:024x}"))
        live.add(words("x"))
        journals.touch(live)
    await soon(store.written.wait())
    assert store.writes == [50]


async def test_what_could_not_be_written_is_written_when_the_store_is_back(
    journals, store, monkeypatch
):
    monkeypatch.setattr(journals_module, "RETRY_SECONDS", 0.01)
    store.away = True
    live = journals.begin(head())
    live.add(words("a"))
    journals.touch(live)
    await soon(store.written.wait())
    store.away = False
    store.written.clear()
    live.add(words("b"))
    await soon(store.written.wait())
    found = await store.read_journal("ann", TURN, 0, time.time())
    assert found.chunks == words("a", "b")


async def test_ended_turns_that_can_not_be_written_are_not_kept_for_ever(
    journals, store, monkeypatch
):
    monkeypatch.setattr(journals_module, "MAX_KEPT", 2)
    store.away = True
    for number in range(5):
        live = journals.begin(head(f"turn-{number:024x}"))
        live.finish(JournalEnd())
        journals.touch(live)
    await soon(store.written.wait())
    await asyncio.sleep(0)
    left = [number for number in range(5) if journals.live("ann", f"turn-{number:024x}")]
    assert left == [3, 4]


async def test_closing_writes_what_there_is(store):
    journals = Journals(store, 5.0, 60.0)
    live = journals.begin(head())
    live.add(words("a"))
    journals.touch(live)
    await soon(journals.aclose())
    assert (await store.read_journal("ann", TURN, 0, time.time())).chunks == words("a")


async def test_a_follower_sees_every_chunk_once_whenever_it_comes(journals):
    live = journals.begin(head())
    live.add(words("a"))
    seen: list[list] = [[], []]

    async def read(index, after):
        async for chunks in await follow(journals, "ann", TURN, after):
            seen[index] += chunks

    readers = [asyncio.create_task(read(0, 0)), asyncio.create_task(read(1, 2))]
    await asyncio.sleep(0)
    for text in "bcd":
        live.add(words(text))
        await asyncio.sleep(0)
    live.add((END,))
    live.finish(JournalEnd())
    await soon(asyncio.gather(*readers))
    assert seen == [[*words("a", "b", "c", "d"), END], [*words("c", "d"), END]]


async def test_a_turn_at_another_replica_is_followed_through_the_store(store):
    here, there = Journals(store, 5.0, 60.0), Journals(store, 5.0, 60.0)
    live = here.begin(head())
    live.add(words("a"))
    await here.settle(live)
    followed = await follow(there, "ann", TURN, 0)
    seen = []
    begun = asyncio.Event()

    async def read():
        async for chunks in followed:
            seen.extend(chunks)
            begun.set()

    reading = asyncio.create_task(read())
    await soon(begun.wait())
    live.add((*words("b"), END))
    live.finish(JournalEnd())
    await here.settle(live)
    await soon(reading)
    assert seen == [*words("a", "b"), END]
    assert followed.completion.text == "ab"
    await asyncio.gather(here.aclose(), there.aclose())


async def test_a_turn_that_its_hub_is_about_to_write_is_found(store):
    here, there = Journals(store, 5.0, 60.0), Journals(store, 5.0, 60.0)
    live = here.begin(head())
    following = asyncio.create_task(follow(there, "ann", TURN, 0))
    done, _ = await asyncio.wait([following], timeout=0.01)
    assert not done
    live.add(words("a"))
    here.touch(live)
    assert (await soon(following)).head == head()
    await asyncio.gather(here.aclose(), there.aclose())


async def test_a_turn_whose_hub_has_gone_ends_with_an_error(journals, store):
    entry = JournalEntry(head(), 0, words("a"), alive_until=time.time() - 1)
    await store.write_journals([entry], 60.0, time.time())
    seen = []
    with pytest.raises(TurnLost):  # noqa: PT012  # what came before the error counts
        async for chunks in await follow(journals, "ann", TURN, 0):
            seen += chunks
    assert seen == [*words("a")]


@pytest.mark.parametrize("principal", ["ann", "bob"])
async def test_who_has_no_such_turn_is_told_so(journals, principal, monkeypatch):
    monkeypatch.setattr(follow_module, "BEHIND_SECONDS", 0.0)
    if principal == "bob":
        journals.begin(head())
    with pytest.raises(UnknownTurn):
        await follow(journals, principal, TURN, 0)
    with pytest.raises(UnknownTurn):
        await look(journals, principal, TURN)


async def test_a_failed_turn_fails_for_those_who_follow_it_too(journals):
    live = journals.begin(head())
    live.add(words("a"))
    live.finish(JournalEnd(recorded(QueueFull("Full.", retry_after=3.0))))
    with pytest.raises(QueueFull, match="Full") as caught:
        await FollowedTurn(journals, live.head).collect()
    assert caught.value.retry_after == 3.0
    assert caught.value.retryable


async def test_an_error_of_a_plugins_own_comes_back_as_what_the_hub_knows():
    class Strange(HubError):
        code = "strange"

    assert revived(recorded(Strange("Odd."))).message == "Odd."


async def test_a_turn_nobody_follows_is_abandoned_after_a_while(journals):
    live = journals.begin(head())
    await soon(journals.abandoned(live))
    assert live.caller_left


async def test_a_turn_that_is_followed_is_not_abandoned(journals):
    live = journals.begin(head())
    with live.followed():
        waiting = asyncio.create_task(journals.abandoned(live))
        done, _ = await asyncio.wait([waiting], timeout=0.15)
        assert not done
    await soon(waiting)


async def test_a_turn_that_is_read_at_another_replica_is_not_abandoned(journals, store):
    live = journals.begin(head())
    await journals.settle(live)
    await store.read_journal("ann", TURN, 0, time.time(), time.time() + 60)
    waiting = asyncio.create_task(journals.abandoned(live))
    done, _ = await asyncio.wait([waiting], timeout=0.15)
    assert not done
    live.give_up()
    await soon(waiting)


async def test_a_keyed_turn_is_never_abandoned(journals):
    live = journals.begin(head(key="k"))
    waiting = asyncio.create_task(journals.abandoned(live))
    done, _ = await asyncio.wait([waiting], timeout=0.15)
    assert not done
    live.finish(JournalEnd())
    await soon(waiting)


async def test_a_key_is_free_again_after_an_opening_that_failed(journals):
    with pytest.raises(QueueFull):
        async with claimed(journals, head(key="k")):
            raise QueueFull("Full.")
    async with claimed(journals, head("turn-" + "2" * 24, key="k")) as earlier:
        assert earlier is None


async def test_a_key_is_free_again_after_a_caller_left_while_it_was_claimed(journals, store):
    reached = asyncio.Event()
    claim = store.claim_key

    async def slow(*arguments):
        found = await claim(*arguments)
        reached.set()
        await asyncio.Event().wait()
        return found

    store.claim_key = slow

    async def opening():
        async with claimed(journals, head(key="k")):
            pass

    task = asyncio.create_task(opening())
    await soon(reached.wait())
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    store.claim_key = claim
    assert await journals.claim(head("turn-" + "2" * 24, key="k")) is None


async def test_another_request_under_a_key_is_refused_and_changes_nothing(journals):
    async with claimed(journals, head(key="k", fingerprint="one")):
        pass
    with pytest.raises(KeyReused):
        async with claimed(journals, head("turn-" + "2" * 24, key="k", fingerprint="two")):
            pytest.fail("opened")
    async with claimed(journals, head("turn-" + "3" * 24, key="k", fingerprint="one")) as earlier:
        assert earlier.turn_id == TURN
