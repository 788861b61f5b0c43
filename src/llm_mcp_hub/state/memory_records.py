"""The records of `MemoryStore`: the part of it that is about documents, not sessions."""

from llm_mcp_hub.state.records import Collection, Record


class MemoryRecords:
    """Records in this process's memory."""

    def __init__(self) -> None:
        super().__init__()
        self._records: dict[str, dict[str, Record]] = {}
        self._versions: dict[str, int] = {}

    async def put_record(
        self, collection: str, name: str, body: bytes, expected: int | None = None
    ) -> int | None:
        """Store a record."""
        records = self._records.setdefault(collection, {})
        if not _fits(records.get(name), expected):
            return None
        version = self._changed(collection)
        records[name] = Record(name, version, bytes(body))
        return version

    async def get_record(self, collection: str, name: str) -> Record | None:
        """The record of that name."""
        return self._records.get(collection, {}).get(name)

    async def list_records(self, collection: str) -> Collection:
        """All records, with the version."""
        records = self._records.get(collection, {})
        return Collection(
            self._versions.get(collection, 0), tuple(records[name] for name in sorted(records))
        )

    async def delete_record(self, collection: str, name: str, expected: int | None = None) -> bool:
        """Forget a record."""
        records = self._records.get(collection, {})
        record = records.get(name)
        if record is None or not _fits(record, expected):
            return False
        del records[name]
        self._changed(collection)
        return True

    async def records_version(self, collection: str) -> int:
        """The collection's version."""
        return self._versions.get(collection, 0)

    def _changed(self, collection: str) -> int:
        version = self._versions[collection] = self._versions.get(collection, 0) + 1
        return version


def _fits(record: Record | None, expected: int | None) -> bool:
    return expected is None or expected == (record.version if record is not None else 0)
