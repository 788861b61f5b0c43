"""The suite can fail for records, too: for each of these defects it does."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest
from msgspec.structs import replace

from llm_mcp_hub.state.base import Store
from llm_mcp_hub.state.memory import MemoryStore
from llm_mcp_hub.state.records import Collection, Record
from llm_mcp_hub.testing import check_store
from llm_mcp_hub.testing.store_histories import compare_with_model
from llm_mcp_hub.testing.store_promise import BrokenPromiseError


def opener(kind: type[MemoryStore]) -> Callable[[], AbstractAsyncContextManager[Store]]:
    @asynccontextmanager
    async def open_store() -> AsyncIterator[Store]:
        yield kind()

    return open_store


class IgnoresWhatIsExpected(MemoryStore):
    async def put_record(
        self, collection: str, name: str, body: bytes, expected: int | None = None
    ) -> int | None:
        return await super().put_record(collection, name, body)


class DeletesWhateverIsThere(MemoryStore):
    async def delete_record(self, collection: str, name: str, expected: int | None = None) -> bool:
        return await super().delete_record(collection, name)


class PutsInTwoSteps(MemoryStore):
    async def put_record(
        self, collection: str, name: str, body: bytes, expected: int | None = None
    ) -> int | None:
        held = await self.get_record(collection, name)
        await asyncio.sleep(0)
        if expected not in (None, held.version if held else 0):
            return None
        return await super().put_record(collection, name, body)


class CountsRefusals(MemoryStore):
    async def put_record(
        self, collection: str, name: str, body: bytes, expected: int | None = None
    ) -> int | None:
        made = await super().put_record(collection, name, body, expected)
        if made is None:
            self._changed(collection)
        return made


class DeletesInSilence(MemoryStore):
    async def delete_record(self, collection: str, name: str, expected: int | None = None) -> bool:
        version = self._versions.get(collection, 0)
        deleted = await super().delete_record(collection, name, expected)
        self._versions[collection] = version
        return deleted


class CountsEveryRecordForItself(MemoryStore):
    async def put_record(
        self, collection: str, name: str, body: bytes, expected: int | None = None
    ) -> int | None:
        held = await self.get_record(collection, name)
        made = await super().put_record(collection, name, body, expected)
        if made is not None:
            made = held.version + 1 if held else 1
            self._records[collection][name] = Record(name, made, body)
        return made


class ForgetsTheVersionOfAnEmptyCollection(MemoryStore):
    async def delete_record(self, collection: str, name: str, expected: int | None = None) -> bool:
        deleted = await super().delete_record(collection, name, expected)
        if not self._records.get(collection):
            self._versions.pop(collection, None)
        return deleted


class ListsAsTheyCame(MemoryStore):
    async def list_records(self, collection: str) -> Collection:
        listed = await super().list_records(collection)
        by_version = sorted(listed.records, key=lambda record: record.version)
        return Collection(listed.version, tuple(by_version))


class CutsLongBodies(MemoryStore):
    async def get_record(self, collection: str, name: str) -> Record | None:
        found = await super().get_record(collection, name)
        return replace(found, body=found.body[:65536]) if found else None


class HasOneCollection(MemoryStore):
    async def get_record(self, collection: str, name: str) -> Record | None:
        return await super().get_record("all", name)

    async def list_records(self, collection: str) -> Collection:
        return await super().list_records("all")

    async def put_record(
        self, collection: str, name: str, body: bytes, expected: int | None = None
    ) -> int | None:
        return await super().put_record("all", name, body, expected)


class HasOneVersion(MemoryStore):
    def _changed(self, collection: str) -> int:
        super()._changed("all")
        self._versions = dict.fromkeys((*self._versions, collection), self._versions["all"])
        return self._versions[collection]


DEFECTS = [kind for kind in MemoryStore.__subclasses__() if kind.__module__ == __name__]


@pytest.mark.parametrize("kind", DEFECTS)
def test_a_store_with_a_defect_is_rejected(kind: type[MemoryStore]) -> None:
    with pytest.raises(BrokenPromiseError, match="is broken"):
        check_store(opener(kind), histories=0)


@pytest.mark.parametrize(
    "kind", [IgnoresWhatIsExpected, DeletesWhateverIsThere, DeletesInSilence, HasOneVersion]
)
def test_the_model_alone_finds_the_defect(kind: type[MemoryStore]) -> None:
    with pytest.raises(BrokenPromiseError, match="expected"):
        compare_with_model(opener(kind), 1000, kinds=["records"], shorten=False)
