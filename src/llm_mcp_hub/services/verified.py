"""When a completion last proved each provider's login, kept in the state store.

Guarantees: the time outlives the hub and is the latest of all hubs on the state; it only grows, and
belongs to the provider as it was made, not to another that gets its name later; a store that is
away delays the keeping and nothing else.
"""

import asyncio
from contextlib import suppress

import msgspec
from msgspec import Struct

from llm_mcp_hub.domain.status import CredentialStatus
from llm_mcp_hub.errors import StateUnavailable
from llm_mcp_hub.providers.registry import Entry, Registry
from llm_mcp_hub.state.records import Record, RecordStore

COLLECTION = "verified-logins"
KEEP_SECONDS = 60.0
"""A time that is later than the kept one by less than this is kept at the hub's end only."""
EXCHANGE_SECONDS = 2.0
"""How long the store may take; what was not kept then is kept the next time."""


class Verified(Struct, frozen=True):
    """What is kept of one provider.

    Attributes:
        at: Unix seconds.
        made_of: Tells the provider from another one of the same name.
    """

    at: float
    made_of: str = ""


class VerifiedLogins:
    """See the module."""

    def __init__(self, store: RecordStore, registry: Registry) -> None:
        self._store = store
        self._registry = registry
        self._version = -1
        self._kept: dict[str, tuple[Verified, int]] = {}

    def credential(self, entry: Entry) -> CredentialStatus | None:
        """What a provider says of its login, with the latest time that anybody knows."""
        status = entry.provider.credential_status() if entry.provider is not None else None
        kept = self._kept_of(entry)
        if status is None or kept <= (status.verified_at or 0.0):
            return status
        return msgspec.structs.replace(status, verified_at=kept)

    async def exchange(self, later_by: float = KEEP_SECONDS) -> None:
        """Learn what others have kept, and keep what is later here by so many seconds."""
        # That the store is away is said by whoever looks after it.
        with suppress(StateUnavailable, TimeoutError):
            async with asyncio.timeout(EXCHANGE_SECONDS):
                await self._learn()
                for entry in self._registry.entries():
                    await self._keep(entry, later_by)

    async def aclose(self) -> None:
        """Keep the last times."""
        await self.exchange(0.0)

    async def _learn(self) -> None:
        if await self._store.records_version(COLLECTION) == self._version:
            return
        collection = await self._store.list_records(COLLECTION)
        self._kept = {one.name: (_decoded(one), one.version) for one in collection.records}
        self._version = collection.version

    async def _keep(self, entry: Entry, later_by: float) -> None:
        status = entry.provider.credential_status() if entry.provider is not None else None
        at = status.verified_at if status is not None else None
        if at is None or at <= self._kept_of(entry) + later_by:
            return
        _, expected = self._kept.get(entry.name, (None, 0))
        kept = Verified(at, entry.made_of)
        body = msgspec.json.encode(kept)
        version = await self._store.put_record(COLLECTION, entry.name, body, expected)
        if version is not None:  # else another hub was faster, and is heard of next time
            self._kept[entry.name] = kept, version

    def _kept_of(self, entry: Entry) -> float:
        kept, _ = self._kept.get(entry.name, (None, 0))
        return kept.at if kept is not None and kept.made_of == entry.made_of else 0.0


def _decoded(record: Record) -> Verified:
    try:
        return msgspec.json.decode(record.body, type=Verified)
    except msgspec.DecodeError:
        return Verified(0.0)
