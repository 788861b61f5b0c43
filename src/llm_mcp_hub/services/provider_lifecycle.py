"""Providers that come, rest and go while the hub runs, as the state store says.

Guarantees: what is asked for at one hub has happened there when the call returns (a removal has
begun), and happens at every other hub on the same state within `LOOK_SECONDS` and the time of a
look; it is so again after a restart. A provider that goes takes no new turn, lets those that run
finish for `grace` seconds, and tells the callers of the others; then its workers are ended.
"""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import msgspec
import structlog

from llm_mcp_hub.domain.status import Origin
from llm_mcp_hub.errors import HubError, NameTaken
from llm_mcp_hub.providers.maker import Configured, ProviderMaker, not_made
from llm_mcp_hub.providers.registry import Entry, Registry
from llm_mcp_hub.services.provider_records import ProviderRecord, ProviderRecords
from llm_mcp_hub.services.running import RunningTurns
from llm_mcp_hub.state.records import RecordStore

LOOK_SECONDS = 2.0
"""How often a hub looks whether another one has changed something."""
STOP_SECONDS = 5.0
"""How long turns may take to end once they are stopped."""

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


class ProviderLifecycle:
    """See the module.

    Args:
        registry: The providers there are; whoever made it closes it.
        store: Where the records are.
        maker: Makes those that are added.
        configured: The providers of the configuration.
        running: The turns that run.
        grace: How long those of a provider that is removed may go on, in seconds.
        only: The one provider that is wanted; None for all.
    """

    def __init__(
        self,
        registry: Registry,
        store: RecordStore,
        maker: ProviderMaker,
        configured: Mapping[str, Configured],
        running: RunningTurns,
        grace: float,
        only: str | None = None,
    ) -> None:
        self._registry = registry
        self._records = ProviderRecords(store, maker, configured)
        self._maker = maker
        self._configured = configured
        self._running = running
        self._grace = grace
        self._only = only
        self._seen = -1
        self._restarts: dict[str, int] = {}
        self._applying = asyncio.Lock()
        self._look = asyncio.Event()
        self._watching: asyncio.Task[None] | None = None
        self._leaving: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        """Do what the records say, start all providers, and watch the records from now on."""
        try:
            await self._apply()
        except HubError as error:
            # A store that is away for a moment must not keep the hub from starting.
            log.warning("providers.not_read", reason=error.message)
        if self._only is not None and self._registry.find_entry(self._only) is not None:
            for entry in self._registry.entries():
                if entry.name != self._only:
                    await self._registry.leave(entry.name)
        await self._registry.start()
        self._watching = asyncio.create_task(self._watch())

    async def add(self, name: str, kind: str, settings: Mapping[str, Any], by: str) -> None:
        """Make and start a provider of an installed plugin's.

        Raises:
            InvalidRequest: The name, the kind or a setting won't do.
            NameTaken: There is one of that name, or one is being removed.
            Conflict: There are too many.
        """
        if (entry := self._registry.find_entry(name)) is not None and entry.leaving:
            raise NameTaken(
                f"The provider {name!r} is being removed. Try again once it is gone.", param="name"
            )
        await self._records.add(name, kind, settings, by)
        await self._apply()

    async def remove(self, name: str) -> None:
        """Begin to remove a provider that was added.

        Raises:
            UnknownProvider: There is none.
            ProviderConfigured: It was not added, but is configured.
        """
        await self._records.remove(name)
        await self._apply()

    async def drain(self, name: str, *, draining: bool) -> None:
        """Have a provider take no new turns, or take them again.

        Raises:
            UnknownProvider: There is none.
        """
        await self._records.drain(name, draining=draining)
        await self._apply()

    async def restart(self, name: str) -> None:
        """Have a provider's workers replaced; make one anew that could not be made.

        Raises:
            UnknownProvider: There is none.
        """
        await self._records.restart(name)
        await self._apply()

    def kinds(self) -> list[tuple[str, dict[str, Any] | None]]:
        """What can be added: each kind, with the JSON Schema of what it may be given."""
        return [
            (
                kind,
                msgspec.json.schema(factory.runtime_settings)
                if factory.runtime_settings is not None
                else None,
            )
            for kind, factory in sorted(self._maker.kinds.items())
            if factory.addable
        ]

    async def aclose(self) -> None:
        """Look no more, and cut removals short; the registry closes what is left of them."""
        tasks = [*self._leaving, *([self._watching] if self._watching is not None else [])]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def _watch(self) -> None:
        troubled = False
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_SECONDS):
                    await self._look.wait()
            try:
                if self._look.is_set() or await self._records.version() != self._seen:
                    self._look.clear()
                    await self._apply()
                troubled = False
            except HubError as error:
                if not troubled:
                    log.warning("providers.not_read", reason=error.message)
                troubled = True
            except Exception:  # a defect here must not end the watch
                log.exception("providers.watch_failed")

    async def _apply(self) -> None:
        """Make the registry what the records say."""
        async with self._applying:
            version, records = await self._records.all()
            for entry in self._registry.entries():
                record = records.get(entry.name)
                added = record.id if record is not None and record.kind else ""
                if entry.origin is Origin.ADDED and entry.made_of != added and not entry.leaving:
                    self._begin_to_leave(entry)
            for name, record in records.items():
                if record.kind and self._registry.find_entry(name) is None:
                    await self._join(name, record)
            for entry in self._registry.entries():
                if not entry.leaving:
                    await self._follow(entry, records.get(entry.name, ProviderRecord()))
            self._seen = version

    async def _join(self, name: str, record: ProviderRecord) -> None:
        if self._only not in (None, name) or name in self._configured:
            return
        entry = Entry(
            name,
            record.kind,
            Origin.ADDED,
            settings=record.settings,
            made_of=record.id,
            draining=record.draining,
        )
        try:
            entry.provider = await asyncio.to_thread(
                self._maker.make_added, name, record.kind, record.settings
            )
        except HubError as error:
            entry.failure = error
        except Exception as error:  # noqa: BLE001  # logged there
            entry.failure = not_made(name, error)
        self._restarts[name] = record.restarts
        await self._registry.join(entry)
        log.info(
            "provider.added",
            provider=name,
            kind=record.kind,
            by=record.created_by,
            reason=entry.failure.message if entry.failure is not None else "",
        )

    async def _follow(self, entry: Entry, record: ProviderRecord) -> None:
        """Drain, resume or restart a provider, if its record says so and did not before."""
        restarts = self._restarts.get(entry.name, record.restarts if self._seen < 0 else 0)
        self._restarts[entry.name] = record.restarts
        drained, entry.draining = entry.draining, record.draining
        if drained != record.draining:
            log.info(
                "provider.drained" if record.draining else "provider.resumed", provider=entry.name
            )
        provider = entry.provider
        try:
            if provider is not None and drained != record.draining:
                (provider.drain if record.draining else provider.resume)()
            if record.restarts == restarts:
                return
            log.info("provider.restarted", provider=entry.name)
            if provider is not None:
                provider.restart()
            elif entry.origin is Origin.ADDED:
                await self._registry.leave(entry.name)
                await self._join(entry.name, record)
        except Exception:  # whatever a foreign provider does, the others follow
            log.exception("provider.not_changed", provider=entry.name)

    def _begin_to_leave(self, entry: Entry) -> None:
        entry.leaving = True
        log.info("provider.leaving", provider=entry.name, turns=self._running.count(entry.name))
        task = asyncio.create_task(self._leave(entry))
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)

    async def _leave(self, entry: Entry) -> None:
        try:
            if entry.provider is not None:
                entry.provider.drain()
        except Exception:  # it is closed all the same
            log.exception("provider.not_changed", provider=entry.name)
        await self._running.wait_until_none(self._grace, entry.name)
        await self._running.stop(STOP_SECONDS, entry.name)
        await self._registry.leave(entry.name)
        self._restarts.pop(entry.name, None)
        log.info("provider.removed", provider=entry.name)
        # Another of that name may wait.
        self._look.set()
