"""Promises about records: one of each name, changed on condition, and a version that tells."""

import asyncio

from llm_mcp_hub.state.base import Store
from llm_mcp_hub.state.records import Collection, Record
from llm_mcp_hub.testing.store_promise import Promises, equal, present

BODIES = (b"", b"{}", b":1:", bytes(range(256)), "\u00e9\U0001f600".encode(), b"x" * 300_000)
AT_ONCE = 8

promise = Promises()


@promise("a record is read as it was put, whatever bytes it is of")
async def _bytes(store: Store) -> None:
    for number, body in enumerate(BODIES):
        version = await store.put_record("things", f"n{number}", body)
        record = Record(f"n{number}", present(version, "put_record"), body)
        equal(await store.get_record("things", record.name), record, "get_record")
    listed = await store.list_records("things")
    equal([one.body for one in listed.records], list(BODIES), "the listed bodies")
    equal(await store.get_record("things", "other"), None, "get_record of an unknown name")


@promise("records are listed by name, and put again in place of the one before")
async def _names(store: Store) -> None:
    names = ["b", "a", "\u00e9", "Z", "a:1", "a b", "\U0001f600", "1"]
    for name in names:
        await store.put_record("things", name, name.encode())
    await store.put_record("things", "a", b"anew")
    listed = await store.list_records("things")
    equal([one.name for one in listed.records], sorted(names), "the names")
    bodies = {one.name: one.body for one in listed.records}
    equal((bodies["a"], bodies["b"]), (b"anew", b"b"), "the bodies")


@promise("a collection's version grows with each change, and is that of its latest record")
async def _versions(store: Store) -> None:
    equal(await store.records_version("things"), 0, "the version at first")
    equal(await store.list_records("things"), Collection(0, ()), "the list at first")
    first = present(await store.put_record("things", "a", b"1"), "put_record")
    second = present(await store.put_record("things", "b", b"1"), "put_record")
    equal(0 < first < second, True, f"{first} and {second} grow")
    equal(await store.records_version("things"), second, "the version after two")
    same = present(await store.put_record("things", "a", b"1"), "put_record")
    equal(same > second, True, "putting the same again is a change")
    await store.delete_record("things", "b")
    deleted = await store.records_version("things")
    equal(deleted > same, True, "deleting is a change")
    listed = await store.list_records("things")
    equal(listed, Collection(deleted, (Record("a", same, b"1"),)), "the list at last")
    await store.delete_record("things", "a")
    version = await store.put_record("things", "a", b"2")
    equal(present(version, "put_record") > deleted + 1, True, "it grows over an empty collection")


@promise("a change that expects another version is refused and changes nothing, not the version")
async def _expected(store: Store) -> None:
    equal(await store.put_record("things", "a", b"1", 7), None, "put over none with a version")
    equal(await store.delete_record("things", "a"), False, "delete of none")
    equal(await store.delete_record("things", "a", 0), False, "delete of none, expecting none")
    equal(await store.records_version("things"), 0, "the version after refusals alone")
    first = present(await store.put_record("things", "a", b"1", 0), "put of a new one")
    equal(await store.put_record("things", "a", b"2", 0), None, "put of a new one again")
    other = present(await store.put_record("things", "b", b"1", 0), "put of another")
    equal(await store.put_record("things", "a", b"2", other), None, "put with another's version")
    equal(await store.delete_record("things", "a", other), False, "delete with another's version")
    before = Collection(other, (Record("a", first, b"1"), Record("b", other, b"1")))
    equal(await store.list_records("things"), before, "the list after refusals")
    second = present(await store.put_record("things", "a", b"2", first), "put as expected")
    equal(await store.delete_record("things", "a", first), False, "delete with an old version")
    equal(await store.delete_record("things", "a", second), True, "delete as expected")
    equal(await store.delete_record("things", "b"), True, "delete of whatever is there")
    equal((await store.list_records("things")).records, (), "the list at last")


@promise("of several changes at once that expect the same, exactly one is made")
async def _race(store: Store) -> None:
    puts = [store.put_record("things", "a", b"%d" % number, 0) for number in range(AT_ONCE)]
    versions = [one for one in await asyncio.gather(*puts) if one is not None]
    equal(len(versions), 1, "how many were made")
    puts = [store.put_record("things", f"n{number}", b"") for number in range(AT_ONCE)]
    every = {present(one, "put_record") for one in await asyncio.gather(*puts)}
    equal(len(every), AT_ONCE, "versions of changes at once")
    equal(await store.records_version("things"), max(every), "the version")


@promise("collections do not notice each other")
async def _apart(store: Store) -> None:
    await store.put_record("things", "a", b"1")
    equal(await store.list_records("others"), Collection(0, ()), "the other's list")
    equal(await store.get_record("others", "a"), None, "the other's record")
    equal(await store.delete_record("others", "a"), False, "delete of the other's")
    await store.put_record("others", "a", b"2")
    await store.delete_record("others", "a")
    equal(await store.records_version("things"), 1, "the version")
    equal((await store.list_records("things")).records, (Record("a", 1, b"1"),), "the list")
