"""Promises about journals: written once however often it is tried, read from any chunk on."""

import asyncio
from collections.abc import Sequence

from llm_mcp_hub.domain.chunk import (
    Chunk,
    FinishChunk,
    FinishReason,
    ReasoningChunk,
    TextChunk,
    Usage,
)
from llm_mcp_hub.domain.journal import Journal, JournalEnd, JournalEntry, JournalError, JournalHead
from llm_mcp_hub.state.base import Store
from llm_mcp_hub.testing.store_promise import (
    START,
    Promises,
    equal,
    present,
)

AT_ONCE = 20
TTL = 60.0
ALIVE = START + 10.0
LARGE = 200_000

promise = Promises()


def head(turn: str = "t1", *, principal: str = "ann", key: str | None = None) -> JournalHead:
    """Of a turn."""
    return JournalHead(
        turn_id=turn,
        principal=principal,
        session_id="s1",
        model_id="echo/echo",
        created_at=START,
        key=key,
        fingerprint="f" if key else "",
    )


def entry(
    after: int,
    *texts: str,
    turn: str = "t1",
    principal: str = "ann",
    alive_until: float = ALIVE,
    end: JournalEnd | None = None,
) -> JournalEntry:
    """More text of a turn."""
    return JournalEntry(
        head(turn, principal=principal), after, text_chunks(*texts), alive_until, end
    )


def text_chunks(*texts: str) -> tuple[Chunk, ...]:
    """A chunk for each text."""
    return tuple(map(TextChunk, texts))


async def write(store: Store, *entries: JournalEntry, now: float = START) -> None:
    """Entries in one call."""
    await store.write_journals(entries, TTL, now)


async def whole(store: Store, turn: str = "t1", now: float = START) -> Journal:
    """One of ann's journals, which must exist."""
    return present(await store.read_journal("ann", turn, 0, now), f"journal of {turn}")


@promise("a journal that was never begun does not exist")
async def _unknown(store: Store) -> None:
    equal(await store.read_journal("ann", "t1", 0, START, START + 5), None, "read_journal")
    equal(await store.read_journal("ann", "t1", 0, START), None, "read_journal after it")
    await store.release_key("ann", "k", "t1")
    await write(store)
    equal(await store.read_journal("ann", "t1", 0, START), None, "read_journal after no entry")


@promise("what is written of a turn comes back exactly, from any chunk on")
async def _exact(store: Store) -> None:
    chunks = (
        ReasoningChunk("hm"),
        TextChunk('naïve \0 \U0001f600 "quoted" \\ line\nend '),
        TextChunk(""),
        FinishChunk(FinishReason.LENGTH, Usage(10, 4, 3, 1)),
    )
    first = JournalHead(
        turn_id="t:1",
        principal="ann",
        session_id=None,
        model_id="echo/é",
        created_at=START + 1 / 3,
        key="k",
        fingerprint="f",
    )
    error = JournalError("turn_timeout", "Say less, \0 é.", True, "messages", 0.1)
    await store.claim_key(first, START, TTL, START)
    await write(store, JournalEntry(first, 0, chunks[:1], START + 0.1))
    await write(store, JournalEntry(first, 1, chunks[1:], START + 1 / 3, JournalEnd(error)))
    for after in range(len(chunks) + 1):
        expected = Journal(first, chunks[after:], START + 1 / 3, JournalEnd(error), 0.0)
        equal(await store.read_journal("ann", "t:1", after, START), expected, f"after {after}")
    await write(store, entry(0, "x"), entry(1, end=JournalEnd()))
    equal((await whole(store)).end, JournalEnd(), "an end without chunks and without an error")


@promise("there is nothing to read beyond a journal's length, whatever the number")
async def _beyond(store: Store) -> None:
    await write(store, entry(0, "a", "b"))
    for after in (2, 3, 2**31, 2**63, 10**30):
        journal = present(await store.read_journal("ann", "t1", after, START), f"after {after}")
        equal(journal.chunks, (), f"chunks after {after}")


@promise("chunks that a journal has already are passed over")
async def _overlap(store: Store) -> None:
    await write(store, entry(0, "a", "b"))
    await write(store, entry(0, "A"), entry(1, "B", "c"), entry(0, "A", "B", "C", "d"))
    for after in range(5):
        journal = present(await store.read_journal("ann", "t1", after, START), "read_journal")
        equal(journal.chunks, text_chunks("a", "b", "c", "d")[after:], f"chunks after {after}")


@promise("an attempt that is repeated changes nothing")
async def _repeated(store: Store) -> None:
    attempts = (
        (entry(0, "a", "b"), entry(0, "x", turn="t2")),
        (entry(2, "c"), entry(3, "d")),
        (entry(4, "e", end=JournalEnd()), entry(1, "y", turn="t2")),
    )
    for attempt in attempts:
        await write(store, *attempt)
        before = (await whole(store), await whole(store, "t2"))
        await write(store, *attempt)
        equal((await whole(store), await whole(store, "t2")), before, f"after {attempt}")
    for attempt in attempts:
        await write(store, *attempt)
    equal(await whole(store), before[0], "after all attempts once more")


@promise("an entry that would leave a gap is dropped, and prolongs nothing")
async def _gap(store: Store) -> None:
    await write(store, entry(1, "x"))
    equal(await store.read_journal("ann", "t1", 0, START), None, "a journal without a beginning")
    await write(store, entry(0, "a"))
    before = await whole(store)
    late = entry(2, "x", alive_until=ALIVE + 9, end=JournalEnd())
    await write(store, late, now=START + 9)
    equal(await whole(store), before, "the journal")
    equal(await store.read_journal("ann", "t1", 0, START + TTL), None, "at its end")


@promise("an entry after the end is dropped, and prolongs nothing")
async def _after_end(store: Store) -> None:
    await write(store, entry(0, "a", end=JournalEnd()), entry(1, "b"))
    before = await whole(store)
    late = entry(1, "x", alive_until=ALIVE + 9, end=JournalEnd(JournalError("c", "m")))
    await write(store, late, entry(0, alive_until=ALIVE + 9), now=START + 9)
    equal(await whole(store), before, "the journal")
    equal(before.chunks, text_chunks("a"), "its chunks")
    equal(await store.read_journal("ann", "t1", 0, START + TTL), None, "at its end")


@promise("the entries of one call are carried out in order, whatever becomes of the others")
async def _in_order(store: Store) -> None:
    await write(store, entry(0, "x", turn="t2", end=JournalEnd()))
    await write(
        store,
        entry(0, "a", "b"),
        entry(7, "gap", turn="t3"),
        entry(2, "c"),
        entry(1, "late", turn="t2"),
        entry(0, "z", turn="t4"),
        entry(3, "d", end=JournalEnd()),
    )
    equal((await whole(store)).chunks, text_chunks("a", "b", "c", "d"), "chunks of the first turn")
    equal((await whole(store)).end, JournalEnd(), "its end")
    equal((await whole(store, "t2")).chunks, text_chunks("x"), "chunks of the ended turn")
    equal(await store.read_journal("ann", "t3", 0, START), None, "the turn with a gap")
    equal((await whole(store, "t4")).chunks, text_chunks("z"), "chunks of the turn after it")


@promise("an entry without chunks says that its owner is alive, and that only grows")
async def _alive(store: Store) -> None:
    await write(store, entry(0))
    equal((await whole(store)).chunks, (), "chunks of a journal begun without any")
    await write(store, entry(0, "a"))
    await write(store, entry(1, alive_until=ALIVE + 5))
    equal((await whole(store)).alive_until, ALIVE + 5, "alive_until")
    await write(store, entry(1, alive_until=ALIVE + 1))
    equal((await whole(store)).alive_until, ALIVE + 5, "alive_until after an earlier one")


@promise("how long readers wait is told to all who read, and only grows")
async def _wanted(store: Store) -> None:
    await write(store, entry(0, "a"))
    equal((await whole(store)).wanted_until, 0.0, "wanted_until at first")
    for wanted, expected in ((START + 5.1, 5.1), (START + 3, 5.1), (0.0, 5.1), (START + 6, 6)):
        journal = present(await store.read_journal("ann", "t1", 1, START, wanted), "read_journal")
        equal(journal.wanted_until, START + expected, f"returned to who waits until {wanted}")
    await write(store, entry(1, "b", end=JournalEnd()))
    equal((await whole(store)).wanted_until, START + 6, "wanted_until of another reader")


@promise("a journal ends a time after its last write, and reading does not prolong it")
async def _expires(store: Store) -> None:
    await write(store, entry(0, "a"))
    await write(store, entry(1), now=START + 5)
    end = START + 5 + TTL
    await store.read_journal("ann", "t1", 0, end - 1, end + 9)
    present(await store.read_journal("ann", "t1", 0, end - 0.1), "just before the end")
    equal(await store.read_journal("ann", "t1", 0, end), None, "at the end")
    await write(store, entry(1, "b"), now=end)
    equal(await store.read_journal("ann", "t1", 0, end), None, "after an entry that goes on")


@promise("an end that would leave a gap does not hinder the beginning that comes after it")
async def _end_before_beginning(store: Store) -> None:
    await write(store, entry(1, "x", end=JournalEnd()), entry(0, "a"))
    equal(await whole(store), Journal(head(), text_chunks("a"), ALIVE), "the journal")


@promise("turns that are written at once do not hinder each other")
async def _abreast(store: Store) -> None:
    async def writes(turns: Sequence[str]) -> None:
        for after in range(4):
            await write(store, *(entry(after, f"{turn} {after}", turn=turn) for turn in turns))

    names = [[f"t{row}-{number}" for number in range(5)] for row in range(AT_ONCE)]
    await asyncio.gather(*(writes(turns) for turns in names))
    for turn in (turn for turns in names for turn in turns):
        expected = text_chunks(*(f"{turn} {after}" for after in range(4)))
        equal((await whole(store, turn)).chunks, expected, f"chunks of {turn}")


@promise("long texts, many chunks and many entries come back whole")
async def _large(store: Store) -> None:
    texts = ["é" * LARGE, *map(str, range(1500))]
    await write(store, entry(0, *texts))
    for after in range(1501, 1801):
        await write(store, entry(after, "x"))
    journal = await whole(store)
    equal(journal.chunks == text_chunks(*texts, *["x"] * 300), True, "all chunks are as written")
    tail = present(await store.read_journal("ann", "t1", 1499, START), "read_journal")
    equal(tail.chunks == journal.chunks[1499:], True, "chunks from within an entry on are the same")


@promise("text that is not Unicode is mended, and hinders no other entry")
async def _not_unicode(store: Store) -> None:
    error = JournalEnd(JournalError("c", "\udcff"))
    await write(store, entry(0, "a\ud800b", "é", end=error), entry(0, "x", turn="t2"))
    journal = await whole(store)
    equal(journal.chunks, text_chunks("a�b", "é"), "chunks")
    equal(journal.end, JournalEnd(JournalError("c", "�")), "end")
    equal((await whole(store, "t2")).chunks, text_chunks("x"), "chunks of another turn")
