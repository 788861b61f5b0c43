"""Promises about idempotency keys: one turn has it, until it is released or its journal ends."""

import asyncio

import msgspec

from llm_mcp_hub.domain.journal import Journal, JournalEnd, JournalEntry
from llm_mcp_hub.state.base import Store
from llm_mcp_hub.testing.store_journals import (
    ALIVE,
    AT_ONCE,
    TTL,
    entry,
    head,
    text_chunks,
    whole,
    write,
)
from llm_mcp_hub.testing.store_promise import (
    START,
    BrokenPromiseError,
    Promises,
    equal,
    present,
    stored,
)

promise = Promises()


async def claim(
    store: Store, key: str, turn: str = "t1", *, principal: str = "ann", now: float = START
) -> str | None:
    """The turn that has the key already; None if it is the turn's now."""
    taken = await store.claim_key(head(turn, principal=principal, key=key), ALIVE, TTL, now)
    return taken.turn_id if taken is not None else None


@promise("a key is the first turn's that claims it, and that turn's journal is there, empty")
async def _claim(store: Store) -> None:
    first = head("t1", key="k")
    equal(await store.claim_key(first, ALIVE, TTL, START), None, "the first claim")
    equal(await whole(store), Journal(first, (), ALIVE), "its journal")
    other = head("t2", key="k")
    equal(await store.claim_key(other, ALIVE, TTL, START + 1), first, "the second claim")
    equal(await store.read_journal("ann", "t2", 0, START), None, "the journal of who came second")
    equal(await claim(store, "K", "t2"), None, "claim of another key")
    await write(store, entry(0, "a", end=JournalEnd()))
    equal(await claim(store, "k", "t3"), "t1", "who has the key when the turn has ended")
    equal((await whole(store)).chunks, text_chunks("a"), "its chunks")


@promise("what was not known when a key was claimed comes with the first chunks")
async def _head(store: Store) -> None:
    claimed = head("t1", key="k")
    await store.claim_key(claimed, ALIVE, TTL, START)
    known = msgspec.structs.replace(claimed, session_id="s9")
    await write(store, JournalEntry(known, 0, text_chunks("a"), ALIVE))
    equal((await whole(store)).head, known, "the head after the first chunks")
    equal(await store.claim_key(head("t2", key="k"), ALIVE, TTL, START), known, "who has the key")
    later = msgspec.structs.replace(claimed, session_id="other")
    await write(store, JournalEntry(later, 1, text_chunks("b"), ALIVE))
    equal((await whole(store)).head, known, "the head after further chunks")


@promise("claiming a key again, or for a turn that has begun, loses nothing")
async def _claim_again(store: Store) -> None:
    equal(await claim(store, "k"), None, "the first claim")
    await write(store, entry(0, "a", alive_until=ALIVE + 5))
    before = await whole(store)
    equal(await claim(store, "k"), None, "the same claim again")
    equal(await whole(store), before, "the journal after it")
    await write(store, entry(0, "x", turn="t2", end=JournalEnd()))
    before = await whole(store, "t2")
    equal(await claim(store, "k2", "t2"), None, "claim for a turn that has begun")
    equal(await whole(store, "t2"), before, "its journal after it")
    equal(await claim(store, "k2", "t3"), "t2", "who has its key")
    equal(await claim(store, "k3"), None, "claim of another key by a turn that has one")
    equal(await claim(store, "k", "t3"), None, "claim of the key it had")
    equal(await claim(store, "k3", "t2"), "t1", "who has the other")


@promise("writing claims no key")
async def _writing(store: Store) -> None:
    written = JournalEntry(head("t1", key="k"), 0, text_chunks("a"), ALIVE)
    await write(store, written)
    equal((await whole(store)).head, written.head, "the head")
    equal(await claim(store, "k", "t2"), None, "claim of a key that was only written")


@promise("a key is released by its turn only, and the journal stays")
async def _release(store: Store) -> None:
    await claim(store, "k")
    await write(store, entry(0, "a"))
    await store.release_key("ann", "k", "t2")
    await store.release_key("bob", "k", "t1")
    await store.release_key("ann", "K", "t1")
    equal(await claim(store, "k", "t2"), "t1", "who has the key")
    before = await whole(store)
    await store.release_key("ann", "k", "t1")
    equal(await whole(store), before, "the journal after the release")
    await write(store, entry(1, "b"))
    equal(await claim(store, "k", "t2"), None, "claim of the released key")
    await store.release_key("ann", "k", "t1")
    await write(store, entry(2, "c"))
    equal(await claim(store, "k", "t3"), "t2", "who has the key then")
    equal((await whole(store)).chunks, text_chunks("a", "b", "c"), "chunks of who had it first")


@promise("a key ends with its journal: a time after the last write, be it a claim or an entry")
async def _key_expires(store: Store) -> None:
    await claim(store, "k")
    end = START + TTL
    equal(await claim(store, "k", "t2", now=end - 0.1), "t1", "who has the key before the end")
    equal(await claim(store, "k", "t2", now=end), None, "claim at the end")
    equal(await store.read_journal("ann", "t1", 0, end), None, "the old turn's journal")
    await write(store, entry(0, "x", turn="t2"), now=end + 9)
    later = end + TTL
    equal(await claim(store, "k", "t3", now=later), "t2", "who has the key after a write")
    await claim(store, "k", "t2", now=later + 5)
    later += 5 + TTL
    equal(await claim(store, "k", "t3", now=later - 0.1), "t2", "who has the key after a claim")
    equal(await claim(store, "k", "t3", now=later), None, "claim at the end of it")


@promise("a journal can follow an expired one of the same turn, and has nothing of it")
async def _anew(store: Store) -> None:
    await claim(store, "k")
    await write(store, entry(0, "a", "b", "c", alive_until=ALIVE + 999, end=JournalEnd()))
    await store.read_journal("ann", "t1", 0, START, START + 999)
    end = START + TTL
    await write(store, entry(0, "x"), now=end)
    equal(await whole(store, now=end), Journal(head(), text_chunks("x"), ALIVE), "the new one")
    equal(await claim(store, "k", "t2", now=end), None, "claim of the old one's key")


@promise("two principals may use the same turn id and key, and never meet")
async def _principals(store: Store) -> None:
    await claim(store, "k")
    await write(store, entry(0, "ann's"))
    equal(await store.read_journal("bob", "t1", 0, START, START + 9), None, "bob's read_journal")
    equal(await claim(store, "k", "t1", principal="bob"), None, "bob's claim")
    await write(store, entry(0, "bob's", principal="bob", end=JournalEnd()))
    await store.release_key("bob", "k", "t1")
    journal = await whole(store)
    equal((journal.chunks, journal.end), (text_chunks("ann's"), None), "ann's journal")
    equal(journal.wanted_until, 0.0, "how long ann's journal is wanted")
    equal(await claim(store, "k", "t2"), "t1", "who has ann's key")


@promise("a journal that is deleted is gone with its key, and only that one")
async def _delete(store: Store) -> None:
    equal(await store.delete_journal("ann", "t1", START), False, "deleting what is not there")
    await claim(store, "k")
    await write(store, entry(0, "a", end=JournalEnd()), entry(0, "b", turn="t2"))
    equal(await store.delete_journal("bob", "t1", START), False, "deleting another principal's")
    present(await store.read_journal("ann", "t1", 0, START), "the journal before it")
    equal(await store.delete_journal("ann", "t1", START), True, "deleting it")
    equal(await store.read_journal("ann", "t1", 0, START), None, "the journal after it")
    equal(await store.delete_journal("ann", "t1", START), False, "deleting it again")
    equal((await whole(store, "t2")).chunks, text_chunks("b"), "chunks of another turn")
    equal(await claim(store, "k", "t3"), None, "claim of its key")
    await write(store, entry(0, "new"))
    equal(await whole(store), Journal(head(), text_chunks("new"), ALIVE), "one begun anew")
    equal(await store.delete_journal("ann", "t1", START + TTL), False, "an expired one")


@promise("a claim without a key is refused and begins nothing")
async def _no_key(store: Store) -> None:
    try:
        await store.claim_key(head(), ALIVE, TTL, START)
    except ValueError:
        equal(await store.read_journal("ann", "t1", 0, START), None, "the journal")
        return
    raise BrokenPromiseError("claim_key without a key was not refused")


@promise("of many claims of a key at once exactly one gets it, and the others learn which")
async def _claims(store: Store) -> None:
    turns = [f"t{number}" for number in range(AT_ONCE)]
    results = await asyncio.gather(*(claim(store, "k", turn) for turn in turns))
    won = [turn for turn, taken in zip(turns, results, strict=True) if taken is None]
    equal(len(won), 1, f"how many of {AT_ONCE} claims got the key")
    equal(set(results), {None, won[0]}, "who the others were told has it")


@promise("a session that is deleted leaves the journals of its turns")
async def _sessions(store: Store) -> None:
    await stored(store, "s1")
    await claim(store, "k")
    await write(store, entry(0, "a"))
    before = await whole(store)
    await store.delete("ann", "s1", START)
    equal(await whole(store), before, "the journal")
    equal(await claim(store, "k", "t2"), "t1", "who has the key")
