"""Calls on records for made-up histories: two collections with the same few names.

What a change expects is made up relative to what the model holds: most changes are as expected.
"""

from collections.abc import Mapping
from typing import Any

import hypothesis.strategies as st
from msgspec import Struct

from llm_mcp_hub.state.base import Store
from llm_mcp_hub.testing.store_journal_steps import Calls
from llm_mcp_hub.testing.store_model import StoreModel


class _Change(Struct, frozen=True):
    collection: str
    name: str
    off: int | None

    def expected(self, model: StoreModel) -> int | None:
        """None for anything; else the record's version, or another one."""
        held = model.get_record(self.collection, self.name)
        return None if self.off is None else (held.version if held else 0) + self.off


class PutRecord(_Change, frozen=True):
    """New, or in place of another."""

    body: bytes

    def calls(self, store: Store, model: StoreModel, now: float) -> Calls:  # noqa: ARG002  # as of all steps
        """Of both."""
        call = (self.collection, self.name, self.body, self.expected(model))
        return store.put_record(*call), lambda: model.put_record(*call)


class DeleteRecord(_Change, frozen=True):
    """One that may not exist."""

    def calls(self, store: Store, model: StoreModel, now: float) -> Calls:  # noqa: ARG002  # as of all steps
        """Of both."""
        call = (self.collection, self.name, self.expected(model))
        return store.delete_record(*call), lambda: model.delete_record(*call)


class ReadRecords(Struct, frozen=True):
    """All of a collection, one by one and together."""

    collection: str

    def calls(self, store: Store, model: StoreModel, now: float) -> Calls:  # noqa: ARG002  # as of all steps
        """Of both."""

        async def read() -> Any:
            single = [await store.get_record(self.collection, name) for name in NAMES]
            version = await store.records_version(self.collection)
            return await store.list_records(self.collection), version, single

        def expected() -> Any:
            listed = model.list_records(self.collection)
            single = [model.get_record(self.collection, name) for name in NAMES]
            return listed, listed.version, single

        return read(), expected


RecordStep = PutRecord | DeleteRecord | ReadRecords

NAMES = ("a", "b", "\u00e9")
_collections = st.sampled_from(["things", "things", "others"])
_change: dict[str, st.SearchStrategy[Any]] = {
    "collection": _collections,
    "name": st.sampled_from(NAMES),
    "off": st.sampled_from([None, 0, 0, 0, 1, -1]),
}
record_steps: Mapping[str, tuple[int, st.SearchStrategy[RecordStep]]] = {
    "put": (4, st.builds(PutRecord, body=st.binary(max_size=3), **_change)),
    "delete": (2, st.builds(DeleteRecord, **_change)),
    "read": (2, st.builds(ReadRecords, _collections)),
}
