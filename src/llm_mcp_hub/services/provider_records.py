"""What the state store knows of providers beside the configuration: added, drained, restarted ones.

Guarantees: what is kept has passed the checks for run-time settings, so no command, argument,
executable, variable or address is ever in it; of changes that several hubs or command lines make at
once none is lost; the configuration has the last word: its names can't be added or removed.
"""

import asyncio
import secrets
import time
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
import structlog
from msgspec import Struct

from llm_mcp_hub.domain.status import Origin
from llm_mcp_hub.errors import (
    Conflict,
    InvalidRequest,
    NameTaken,
    ProviderConfigured,
    UnknownProvider,
)
from llm_mcp_hub.providers.maker import NAME, Configured, ProviderMaker
from llm_mcp_hub.state.records import Record, RecordStore

COLLECTION = "providers"
MOST_ADDED = 32
"""Each may hold several processes of hundreds of megabytes."""
LONGEST_NAME = 64
TRIES = 8
"""How often a change is tried; a try that fails has lost to a change that somebody else made."""

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


class ProviderRecord(Struct, frozen=True):
    """A provider's record.

    Attributes:
        kind: Of one that was added; empty for one of the configuration.
        settings: Of one that was added: what was asked for.
        id: Tells one addition of a name from the next.
        draining: Whether it takes no new turns.
        restarts: How often its workers were to be replaced.
        created_at: Unix seconds.
        created_by: The principal who added it.
    """

    kind: str = ""
    settings: dict[str, Any] = {}
    id: str = ""
    draining: bool = False
    restarts: int = 0
    created_at: float = 0.0
    created_by: str = ""


class ProviderRecords:
    """Reads and changes the records.

    Args:
        store: Where they are.
        maker: Knows the kinds and what they may be given.
        configured: The providers of the configuration.
    """

    def __init__(
        self, store: RecordStore, maker: ProviderMaker, configured: Mapping[str, Configured]
    ) -> None:
        self._store = store
        self._maker = maker
        self._configured = configured

    async def version(self) -> int:
        """Another one than before if anything has changed."""
        return await self._store.records_version(COLLECTION)

    async def all(self) -> tuple[int, dict[str, ProviderRecord]]:
        """The version, and every record that can be read, by name."""
        collection = await self._store.list_records(COLLECTION)
        found = {record.name: _decoded(record) for record in collection.records}
        known = {name: record for name, record in found.items() if record is not None}
        return collection.version, known

    async def add(self, name: str, kind: str, settings: Mapping[str, Any], by: str) -> None:
        """Keep a new provider.

        Raises:
            InvalidRequest: The name, the kind or a setting won't do.
            NameTaken: There is one of that name.
            Conflict: There are too many.
        """
        if not NAME.fullmatch(name) or len(name) > LONGEST_NAME:
            raise InvalidRequest(
                f"A provider's name is 1 to {LONGEST_NAME} of A-Z a-z 0-9 . _ - and begins with a "
                "letter or digit.",
                param="name",
            )
        if name in self._configured:
            raise NameTaken(
                f"The name {name!r} belongs to a provider of the configuration file or of a "
                "plugin. Choose another.",
                param="name",
            )
        await asyncio.to_thread(self._maker.check_added, kind, settings)
        _, records = await self.all()
        if sum(bool(one.kind) for one in records.values()) >= MOST_ADDED:
            raise Conflict(
                f"There are {MOST_ADDED} added providers already, and no more can be. Remove one."
            )
        record = ProviderRecord(
            kind, dict(settings), secrets.token_hex(8), created_at=time.time(), created_by=by
        )
        stored = await self._store.get_record(COLLECTION, name)
        earlier = _decoded(stored) if stored is not None else None
        # What is left of a provider that was in the configuration once is no obstacle.
        free = stored is None or (earlier is not None and not earlier.kind)
        expected = stored.version if stored is not None else 0
        body = msgspec.json.encode(record)
        if not free or await self._store.put_record(COLLECTION, name, body, expected) is None:
            raise NameTaken(f"There is a provider {name!r} already.", param="name")

    async def remove(self, name: str) -> None:
        """Forget a provider that was added.

        Raises:
            UnknownProvider: There is none.
            ProviderConfigured: It was not added, but is configured.
        """
        configured = self._configured.get(name)
        if configured is not None:
            how = (
                f"Set `enabled = false` under `[providers.{name}]` there"
                if configured.origin is Origin.AUTOMATIC
                else f"Remove `[providers.{name}]` there, or set `enabled = false` in it"
            )
            raise ProviderConfigured(
                f"The provider {name!r} comes from the configuration file or a plugin. {how}, and "
                "restart the hub; or have it drained."
            )
        stored = await self._store.get_record(COLLECTION, name)
        record = _decoded(stored) if stored is not None else None
        if record is not None and not record.kind:
            raise _unknown(name)
        if not await self._store.delete_record(COLLECTION, name):
            raise _unknown(name)

    async def drain(self, name: str, *, draining: bool) -> None:
        """Have a provider take no new turns, or take them again.

        Raises:
            UnknownProvider: There is none.
        """
        await self._change(name, lambda one: msgspec.structs.replace(one, draining=draining))

    async def restart(self, name: str) -> None:
        """Have a provider's workers replaced, at every hub.

        Raises:
            UnknownProvider: There is none.
        """
        await self._change(
            name, lambda one: msgspec.structs.replace(one, restarts=one.restarts + 1)
        )

    async def _change(self, name: str, change: Callable[[ProviderRecord], ProviderRecord]) -> None:
        configured = self._configured.get(name)
        for _ in range(TRIES):
            stored = await self._store.get_record(COLLECTION, name)
            record = _decoded(stored) if stored is not None else None
            exists = configured.enabled if configured is not None else record and record.kind
            if not exists:
                raise _unknown(name)
            before = record or ProviderRecord()
            changed = change(before)
            if changed == before:
                return
            body = msgspec.json.encode(changed)
            expected = stored.version if stored is not None else 0
            if await self._store.put_record(COLLECTION, name, body, expected) is not None:
                return
        raise Conflict(f"Others change the provider {name!r} all the time. Try again.")


def _unknown(name: str) -> UnknownProvider:
    return UnknownProvider(f"There is no provider {name!r}; `GET /v1/providers` lists them.")


def _decoded(record: Record) -> ProviderRecord | None:
    """None for one that a newer version of the hub wrote in another way."""
    try:
        return msgspec.json.decode(record.body, type=ProviderRecord)
    except msgspec.DecodeError as error:
        log.warning("provider.record_unreadable", provider=record.name, reason=str(error))
        return None
