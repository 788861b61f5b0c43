"""The providers there are, by name, wherever they come from.

Guarantees: a provider that can't be made, or fails to start, is listed with its error and stops
nothing else; providers come and go while the hub runs, and each one is closed exactly once, when it
goes or with the registry, in bounded time.
"""

import asyncio
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
import structlog

from llm_mcp_hub.domain.status import CredentialState, Origin, ProviderState, ProviderStatus
from llm_mcp_hub.errors import (
    ConfigError,
    HubError,
    NameTaken,
    ProviderDraining,
    UnknownProvider,
)
from llm_mcp_hub.providers.base import Provider
from llm_mcp_hub.providers.maker import Configured, ProviderMaker, not_made

CLOSE_SECONDS = 15.0
"""How long all providers together may take to end."""

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


class Entry(msgspec.Struct, eq=False):
    """A provider in the registry.

    Attributes:
        provider: None if it could not be made.
        failure: Why.
        settings: Of one that was added, what it was given.
        made_of: Of one that was added: which addition, for a name can be used again.
        draining: Whether it takes no new turns.
        leaving: Whether it is being removed.
        closing: What closes the provider, once something does.
    """

    name: str
    kind: str = ""
    origin: Origin = Origin.CONFIGURED
    provider: Provider | None = None
    failure: HubError | None = None
    settings: dict[str, Any] | None = None
    made_of: str = ""
    draining: bool = False
    leaving: bool = False
    closing: asyncio.Task[None] | None = None

    @property
    def refusal(self) -> HubError | None:
        """Why it takes no new turns, if an administrator wants that."""
        if self.leaving:
            return ProviderDraining(
                f"The provider {self.name!r} is being removed and takes no new turn. Use another."
            )
        if self.draining:
            return ProviderDraining(
                f"The provider {self.name!r} is drained: an administrator has it take no new turn. "
                f"Use another, or have it resumed: `llm-mcp-hub providers resume {self.name}`."
            )
        return None

    @property
    def set_up(self) -> bool:
        """Whether anybody means to use it; one that came with its plugin may never be logged in."""
        if self.origin is not Origin.AUTOMATIC or self.provider is None:
            return True
        if self.provider.status().state is ProviderState.AVAILABLE:
            return True
        credential = self.provider.credential_status()
        return credential is None or credential.state is not CredentialState.MISSING

    def status(self) -> ProviderStatus:
        """What the provider says of itself, unless it takes no turns."""
        refusal = self.refusal or self.failure
        if self.provider is None:
            return ProviderStatus(
                ProviderState.UNAVAILABLE, refusal.message if refusal is not None else ""
            )
        status = self.provider.status()
        if refusal is None:
            return status
        return msgspec.structs.replace(
            status, state=ProviderState.UNAVAILABLE, reason=refusal.message, warning=""
        )


class Registry:
    """See the module."""

    def __init__(self) -> None:
        self._entries: dict[str, Entry] = {}
        self._started = False
        self._closed = False

    def __iter__(self) -> Iterator[Provider]:
        """Those that could be made. Others may come and go meanwhile."""
        return iter([one.provider for one in self.entries() if one.provider is not None])

    def entries(self) -> tuple[Entry, ...]:
        """All of them."""
        return tuple(self._entries.values())

    def entry(self, name: str) -> Entry:
        """The entry of that name.

        Raises:
            UnknownProvider: There is none.
        """
        entry = self._entries.get(name)
        if entry is None:
            raise UnknownProvider(
                f"There is no provider {name!r}. There are: {', '.join(self._entries) or 'none'}."
            )
        return entry

    def get(self, name: str) -> Provider:
        """The provider of that name.

        Raises:
            UnknownProvider: There is none, or it could not be made.
        """
        entry = self.entry(name)
        if entry.provider is None:
            raise UnknownProvider(f"The provider {name!r} could not be made.")
        return entry.provider

    def find_entry(self, name: str) -> Entry | None:
        """The entry of that name, or None."""
        return self._entries.get(name)

    def find(self, name: str) -> Provider | None:
        """The provider of that name, or None."""
        entry = self._entries.get(name)
        return entry.provider if entry is not None else None

    def add(self, name: str, provider: Provider) -> None:
        """Take a provider over."""
        self.put(Entry(name, provider=provider))

    def put(self, entry: Entry) -> None:
        """Take an entry over, with its provider; it is started with the registry.

        Raises:
            NameTaken: There is one of that name.
        """
        if entry.name in self._entries:
            raise NameTaken(f"There is a provider {entry.name!r} already.", param="name")
        self._entries[entry.name] = entry

    async def join(self, entry: Entry) -> None:
        """Take an entry over, and start its provider if the others are started."""
        self.put(entry)
        if self._started and not self._closed:
            await _start(entry)

    async def leave(self, name: str) -> None:
        """Let go of an entry, and close its provider; bounded."""
        entry = self._entries.get(name)
        if entry is not None:
            await _close([entry])
            # Only now, so that `aclose` closes it if this is cut short.
            self._entries.pop(name, None)

    async def start(self) -> None:
        """Let every provider begin to get ready."""
        self._started = True
        for entry in self.entries():
            await _start(entry)

    async def aclose(self) -> None:
        """Close every provider; bounded."""
        self._closed = True
        await _close(list(self.entries()))


async def _start(entry: Entry) -> None:
    if entry.provider is None:
        return
    try:
        if entry.draining:
            entry.provider.drain()
        await entry.provider.start()
    except Exception:  # whatever a foreign provider does, the others start
        log.exception("provider.start_failed", provider=entry.name)


async def _close(entries: list[Entry]) -> None:
    closing = []
    for entry in entries:
        if entry.provider is not None:
            entry.closing = entry.closing or asyncio.create_task(entry.provider.aclose())
            closing.append(entry.closing)
    if not closing:
        return
    done, late = await asyncio.wait(closing, timeout=CLOSE_SECONDS)
    for task in late:
        task.cancel()
    for task in done:
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("provider.close_failed", error=repr(error))


def build_registry(configured: Mapping[str, Configured], maker: ProviderMaker) -> Registry:
    """Make every provider that is configured or comes by itself.

    Raises:
        ConfigError: The settings name a kind that no installed plugin makes.
    """
    registry = Registry()
    for name, wanted in configured.items():
        if not wanted.enabled:
            continue
        entry = Entry(name, wanted.kind, wanted.origin)
        try:
            entry.provider = maker.make(name, wanted.kind, wanted.table)
        except ConfigError:
            raise
        except Exception as error:  # noqa: BLE001  # logged there
            entry.failure = not_made(name, error)
        registry.put(entry)
    return registry
