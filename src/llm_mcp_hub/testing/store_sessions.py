"""Promises about storing sessions: appending, reading, expiring, deleting, finding."""

from llm_mcp_hub.domain.chat import (
    FilePart,
    ImagePart,
    Message,
    TextPart,
    ToolCallPart,
    ToolResultPart,
)
from llm_mcp_hub.domain.chunk import Usage
from llm_mcp_hub.domain.session import SessionSummary, StoredMessage
from llm_mcp_hub.errors import SessionChanged
from llm_mcp_hub.state.base import Store
from llm_mcp_hub.testing.store_promise import (
    LEASE_SECONDS,
    START,
    TTL,
    Promises,
    change,
    equal,
    lease,
    present,
    read,
    refused,
    said,
    stored,
)

promise = Promises()


@promise("a session that was never stored does not exist")
async def _unknown(store: Store) -> None:
    equal(await store.get("ann", "s1", START), None, "get")
    equal(await store.begin("ann", "s1", lease("a"), START), None, "begin")
    equal(await store.get("ann", "s1", START), None, "get after begin")
    equal((await store.list_sessions("ann", 9, None, START)).sessions, (), "listing after begin")


@promise("what append stores comes back exactly, whoever reads it")
async def _exact(store: Store) -> None:
    parts = (
        TextPart('naïve \0 \U0001f600 "quoted" \\ line\nend '),
        ImagePart("image/png", "aGk="),
        FilePart("application/pdf", "aGk=", "é.pdf"),
        ToolCallPart("call-1", "search", '{"q": 1.0}'),
    )
    messages = (
        StoredMessage(Message("assistant", parts), "d1", START + 0.1),
        StoredMessage(Message("tool", (ToolResultPart("call-1", "é"),)), "d2", START + 1 / 3),
        StoredMessage(Message("user", ()), "d3", START),
    )
    summary = await store.append("ann", "s:1", "t", change(0, messages), 0.1, START)
    expected = SessionSummary(
        id="s:1",
        principal="ann",
        revision=1,
        model="echo/echo",
        system="Be brief.",
        digest="d3",
        message_count=3,
        usage=Usage(10, 4, 3, 1),
        created_at=START,
        updated_at=START,
        expires_at=START + 0.1,
    )
    equal(summary, expected, "append")
    got = await read(store, "s:1")
    equal(got.summary, expected, "get")
    equal(got.messages, messages, "messages of get")
    (listed,) = (await store.list_sessions("ann", 9, None, START)).sessions
    equal(listed, expected, "listing")
    begun = present(await store.begin("ann", "s:1", lease("a"), START), "begin")
    equal(begun.messages, messages, "messages of begin")
    found = present(await store.begin_by_digest("ann", "d3", lease("a"), START), "by digest")
    equal(found, begun, "begin_by_digest")


@promise("a turn adds its messages and tokens, and moves revision and times on")
async def _second_turn(store: Store) -> None:
    await stored(store, "s1", "hello", "hi")
    later = START + 5
    more = said("how are you?", "well", digest=(await read(store)).summary.digest, at=later)
    turn = change(1, more, keep=2, usage=Usage(2, 1, 1, 0))
    summary = await store.append("ann", "s1", "t", turn, 60.0, later)
    equal((summary.revision, summary.message_count), (2, 4), "revision and count")
    equal(summary.usage, Usage(12, 5, 4, 1), "usage")
    equal((summary.created_at, summary.updated_at), (START, later), "times")
    equal((summary.expires_at, summary.digest), (later + 60.0, more[-1].digest), "end and digest")
    got = await read(store, "s1", later)
    equal(got.summary, summary, "summary of get")
    equal(got.messages, said("hello", "hi") + more, "messages")


@promise("messages after `keep` are dropped, and the digest is that of what is left")
async def _keep(store: Store) -> None:
    await stored(store, "s1", "one", "two", "three", "four")
    whole = said("one", "two", "three", "four")
    await store.append("ann", "s1", "t", change(1, (), keep=3), TTL, START)
    got = await read(store)
    equal(got.messages, whole[:3], "messages after keep=3")
    equal(got.summary.digest, whole[2].digest, "digest after keep=3")
    other = said("2", digest=whole[0].digest)
    await store.append("ann", "s1", "t", change(2, other, keep=1), TTL, START)
    equal((await read(store)).messages, whole[:1] + other, "messages after keep=1 and a new one")
    summary = await store.append("ann", "s1", "t", change(3), TTL, START)
    equal((summary.digest, summary.message_count), ("", 0), "digest and count after keep=0")
    equal((await read(store)).messages, (), "messages after keep=0")


@promise("an append at another revision is refused and changes nothing")
async def _wrong_revision(store: Store) -> None:
    await stored(store)
    before = await read(store)
    await store.begin("ann", "s1", lease("a"), START)
    for revision in (0, 2):
        turn = change(revision, said("x"))
        call = store.append("ann", "s1", "a", turn, 9 * TTL, START + 1)
        await refused(call, SessionChanged, f"append at revision {revision}, stored is 1")
    equal(await read(store), before, "the session after refused appends")
    call = store.append("ann", "s2", "a", change(1, said("x")), TTL, START)
    await refused(call, SessionChanged, "append at revision 1 to no session")
    equal(await store.get("ann", "s2", START), None, "get after it")


@promise("an append to a session that was deleted and begun anew is refused")
async def _begun_anew(store: Store) -> None:
    await stored(store)
    await store.delete("ann", "s1", START)
    await stored(store, "s1", "new", now=START + 1)
    turn = change(1, said("x"), created_at=START)
    call = store.append("ann", "s1", "old turn", turn, TTL, START + 2)
    await refused(call, SessionChanged, "append of a turn that began before the deletion")
    turn = change(1, said("x"), created_at=START + 1)
    summary = await store.append("ann", "s1", "new turn", turn, TTL, START + 2)
    equal(summary.revision, 2, "revision after the append of a turn that began after it")


@promise("a deleted session is gone for every call, and its id can be used again")
async def _delete(store: Store) -> None:
    summary = await stored(store)
    await store.begin("ann", "s1", lease("a"), START)
    equal(await store.delete("ann", "s1", START), True, "delete")
    equal(await store.delete("ann", "s1", START), False, "delete again")
    equal(await store.get("ann", "s1", START), None, "get")
    equal((await store.list_sessions(None, 9, None, START)).sessions, (), "listing")
    found = await store.begin_by_digest("ann", summary.digest, lease("b"), START)
    equal(found, None, "begin_by_digest")
    call = store.append("ann", "s1", "a", change(1, said("x"), keep=2), TTL, START)
    await refused(call, SessionChanged, "append of the turn that ran")
    equal(await store.begin("ann", "s1", lease("b"), START), None, "begin")
    await store.append("ann", "s1", "b", change(0, said("anew")), TTL, START)
    got = await read(store)
    equal((got.summary.revision, got.messages), (1, said("anew")), "the new session")


@promise("a session does not exist for any call once its time has come")
async def _expired(store: Store) -> None:
    summary = await stored(store, ttl=60.0)
    present(await store.get("ann", "s1", START + 59.9), "get just before the end")
    end = START + 60.0
    equal(await store.get("ann", "s1", end), None, "get at the end")
    equal((await store.list_sessions("ann", 9, None, end)).sessions, (), "listing")
    equal((await store.list_sessions(None, 9, None, end)).sessions, (), "everybody's listing")
    found = await store.begin_by_digest("ann", summary.digest, lease("a"), end)
    equal(found, None, "begin_by_digest")
    call = store.append("ann", "s1", "a", change(1, said("x")), TTL, end)
    await refused(call, SessionChanged, "append at its revision")
    equal(await store.delete("ann", "s1", end), False, "delete")


@promise("a session can follow an expired one of the same id, and has nothing of it")
async def _after_expired(store: Store) -> None:
    old = await stored(store, "s1", "secret", "noted", ttl=60.0)
    end = START + 60.0
    equal(await store.begin("ann", "s1", lease("a"), end), None, "begin")
    summary = await store.append("ann", "s1", "a", change(0, said("anew")), TTL, end)
    equal((summary.revision, summary.created_at), (1, end), "revision and time of creation")
    equal((summary.usage, summary.message_count), (Usage(10, 4, 3, 1), 1), "usage and count")
    equal((await read(store, "s1", end)).messages, said("anew"), "messages")
    equal(await store.begin_by_digest("ann", old.digest, lease("b"), end), None, "old digest")


@promise("reading and listing do not prolong a session's life")
async def _reading(store: Store) -> None:
    await stored(store, ttl=60.0)
    await store.get("ann", "s1", START + 50)
    await store.list_sessions("ann", 9, None, START + 50)
    equal((await read(store)).summary.expires_at, START + 60.0, "expires_at")


@promise("a session does not expire while a lease is held on it")
async def _outlives(store: Store) -> None:
    summary = await stored(store, ttl=10.0)
    begun = present(await store.begin("ann", "s1", lease("a"), START + 9), "begin")
    ends = START + 9 + LEASE_SECONDS
    equal(begun.summary.expires_at, ends, "expires_at after begin")
    later = ends - 1
    await store.renew([("ann", "s1")], lease("a"), later)
    equal((await read(store, "s1", later)).summary.expires_at, later + LEASE_SECONDS, "after renew")
    await store.release("ann", "s1", "a")
    found = await store.begin_by_digest("ann", summary.digest, lease("b"), later + 20)
    ends = later + 20 + LEASE_SECONDS
    equal(present(found, "by digest").summary.expires_at, ends, "after begin_by_digest")
    turn = change(1, said("x"), keep=2)
    summary = await store.append("ann", "s1", "b", turn, 1.0, ends - 1)
    equal(summary.expires_at, ends, "expires_at after append, which counts from now again")


@promise("two principals may use the same session id and never meet")
async def _principals(store: Store) -> None:
    await stored(store, "s1", "ann's")
    equal(await store.get("bob", "s1", START), None, "bob's get")
    await store.begin("ann", "s1", lease("a"), START)
    equal(await store.begin("bob", "s1", lease("b"), START), None, "bob's begin")
    digest = said("ann's")[-1].digest
    equal(await store.begin_by_digest("bob", digest, lease("b"), START), None, "bob's by digest")
    await store.append("bob", "s1", "b", change(0, said("bob's")), TTL, START)
    equal((await read(store)).messages, said("ann's"), "ann's messages")
    equal(await store.delete("bob", "s1", START), True, "bob's delete")
    equal(await store.delete("bob", "s1", START), False, "bob's second delete")
    equal((await read(store)).messages, said("ann's"), "ann's messages after bob's delete")


@promise("a session is found by the digest of its whole transcript only")
async def _by_digest(store: Store) -> None:
    first = await stored(store, "s1", "hello", "hi")
    equal(await store.begin_by_digest("ann", "unknown", lease("a"), START), None, "unknown")
    begun = said("hello")[0].digest
    equal(await store.begin_by_digest("ann", begun, lease("a"), START), None, "a beginning")
    more = said("more", digest=first.digest)
    second = await store.append("ann", "s1", "t", change(1, more, keep=2), TTL, START)
    found = await store.begin_by_digest("ann", first.digest, lease("a"), START)
    equal(found, None, "the digest before the last turn")
    found = await store.begin_by_digest("ann", second.digest, lease("a"), START)
    equal(present(found, "the present digest").messages, said("hello", "hi") + more, "messages")


@promise("of several sessions with one transcript the one updated last is found")
async def _latest(store: Store) -> None:
    digest = (await stored(store, "s2", now=START)).digest
    await stored(store, "s1", now=START + 2, ttl=60.0)
    await stored(store, "s3", now=START + 1)
    await stored(store, "s0", now=START + 1)

    async def found(now: float) -> str:
        session = present(await store.begin_by_digest("ann", digest, lease("a"), now), "found")
        await store.release("ann", session.summary.id, "a")
        return session.summary.id

    equal(await found(START + 3), "s1", "the latest")
    equal(await found(START + 70), "s3", "the latest that lives, by id where times are equal")
    await store.delete("ann", "s3", START + 70)
    equal(await found(START + 70), "s0", "the latest that is left")


@promise("a conversation of many and of long messages comes back whole")
async def _long(store: Store) -> None:
    many = said(*(f"message {index}" for index in range(2500)))
    await store.append("ann", "s1", "t", change(0, many), TTL, START)
    long = said("x" * 2_000_000, digest=many[-1].digest)
    await store.append("ann", "s1", "t", change(1, long, keep=2500), TTL, START)
    equal((await read(store)).messages == many + long, True, "messages are the same")
