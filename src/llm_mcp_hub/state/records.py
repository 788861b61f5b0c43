"""What a store promises about records: small named documents of the hub's own, by collection.

They are for what few write and every hub on the state has to notice, such as providers that were
added at run time: a collection has a version, which grows with each change and costs next to
nothing to look at.
"""

from typing import Protocol

from msgspec import Struct


class Record(Struct, frozen=True):
    """A document.

    Attributes:
        name: Unicode text, unique in its collection.
        version: The collection's version that its last change made.
        body: What was put.
    """

    name: str
    version: int
    body: bytes


class Collection(Struct, frozen=True):
    """All records of one collection at one moment, by name.

    Attributes:
        version: 0 if nothing was ever put.
    """

    version: int
    records: tuple[Record, ...]


class RecordStore(Protocol):
    """Collections of records. The name of a collection is of a-z and `-`.

    `expected` makes a change depend on what is there: the record's version, or 0 for no record.
    None is: whatever is there. A change that is refused changes nothing, the version included.
    Records do not expire.
    """

    async def put_record(
        self, collection: str, name: str, body: bytes, expected: int | None = None
    ) -> int | None:
        """Store a record, in place of the one of that name.

        Returns its new version, which is the collection's; None if it is not as `expected`.
        """
        ...

    async def get_record(self, collection: str, name: str) -> Record | None:
        """The record of that name."""
        ...

    async def list_records(self, collection: str) -> Collection:
        """All records, in one step with the version."""
        ...

    async def delete_record(self, collection: str, name: str, expected: int | None = None) -> bool:
        """Forget a record. False if there is none, or not the one that is `expected`."""
        ...

    async def records_version(self, collection: str) -> int:
        """The collection's version: another one than before whenever something has changed."""
        ...
