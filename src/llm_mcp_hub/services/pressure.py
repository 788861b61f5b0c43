"""How close the hub is to refusing requests: for whoever decides where the next one goes."""

import os
from collections.abc import Iterable

from msgspec import Struct

from llm_mcp_hub.domain.status import PoolFigures, ProviderState
from llm_mcp_hub.providers.registry import Entry
from llm_mcp_hub.services.running import RunningTurns
from llm_mcp_hub.workers.memory import available_bytes


class ProviderPressure(Struct, frozen=True):
    """One provider's share.

    Attributes:
        accepting: Whether a request that comes now would be taken, at once or into the queue.
        reason: Why it would not; empty if it would.
        busy: Claimed workers, of `max_workers`.
        load: `busy` and `queued` as a share of `max_workers` and `max_queue` together, 0 to 1.
        wait_p95: So many seconds 95 % of the last claims waited at most.
        retry_after: When somebody who were refused now should come again, in seconds.
    """

    name: str
    accepting: bool
    reason: str
    busy: int
    max_workers: int
    queued: int
    max_queue: int
    refused: int
    load: float
    wait_p95: float
    retry_after: float


class Pressure(Struct, frozen=True):
    """The hub as a whole.

    Attributes:
        accepting: Whether any provider does.
        running: Turns under way, those being opened included.
        load: Of the least loaded provider that accepts; 1 if there is none.
        memory_available_bytes: What this machine or container has left, where it says so.
        load_average: The machine's, over the last minute, per core.
    """

    accepting: bool
    running: int
    load: float
    memory_available_bytes: int | None
    load_average: float
    providers: tuple[ProviderPressure, ...]


def pressure(providers: Iterable[Entry], running: RunningTurns, *, draining: bool) -> Pressure:
    """The pressure at this moment; reads two small files."""
    each = tuple(_of(provider, draining=draining) for provider in providers)
    loads = [one.load for one in each if one.accepting]
    return Pressure(
        accepting=bool(loads),
        running=len(running),
        load=min(loads, default=1.0),
        memory_available_bytes=available_bytes(),
        load_average=os.getloadavg()[0] / (os.cpu_count() or 1),
        providers=each,
    )


def _of(provider: Entry, *, draining: bool) -> ProviderPressure:
    status = provider.status()
    pool = status.pool
    reason = "The hub is shutting down." if draining else _why_not(status.state, pool)
    room = pool.max_workers + pool.max_queue
    return ProviderPressure(
        name=provider.name,
        accepting=not (reason or status.reason),
        reason=reason or status.reason,
        busy=pool.claimed,
        max_workers=pool.max_workers,
        queued=pool.queued,
        max_queue=pool.max_queue,
        refused=pool.refused,
        load=(pool.claimed + pool.queued) / room if room else 0.0,
        wait_p95=pool.wait_p95,
        retry_after=pool.retry_after,
    )


def _why_not(state: ProviderState, pool: PoolFigures) -> str:
    if state is ProviderState.STARTING:
        return ""  # requests wait for the self-test
    if pool.paused and not pool.parked and not pool.blank:
        return pool.paused
    if pool.max_workers and pool.queued >= pool.max_queue and pool.claimed >= pool.max_workers:
        return "All workers are busy and the queue is full."
    return ""
