"""How a pool is doing, as figures for people and dashboards."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from llm_mcp_hub.domain.status import PoolFigures, WorkerFigures, WorkerState
from llm_mcp_hub.errors import HubError
from llm_mcp_hub.workers.lease import Blank, Lease, Life, M, Parked
from llm_mcp_hub.workers.limits import PoolLimits
from llm_mcp_hub.workers.refill import Counts
from llm_mcp_hub.workers.tally import Tally


class PoolNow(NamedTuple):
    """What a pool is like at a moment: `batch` of those who wait are in the batch lane."""

    counts: Counts
    batch: int
    retry_after: float
    paused: HubError | None


def pool_figures(now: PoolNow, limits: PoolLimits, tally: Tally) -> PoolFigures:
    """The figures of a pool."""
    counts = now.counts
    middle, high = tally.waits(0.5, 0.95)
    return PoolFigures(
        blank=counts.blank,
        starting=counts.starting,
        ending=counts.ending,
        claimed=counts.claimed,
        parked=counts.parked,
        queued=counts.waiting,
        queued_batch=now.batch,
        min_spare=limits.min_spare,
        max_workers=limits.max_workers,
        max_queue=limits.max_queue,
        served=tally.served,
        refused=tally.refused,
        refused_full=tally.refused_full,
        refused_late=tally.refused_late,
        refused_memory=tally.refused_memory,
        refused_paused=tally.refused_paused,
        starts=tally.starts,
        failed_starts=tally.failed_starts,
        evicted=tally.evicted,
        died=tally.died,
        recycled_turns=tally.recycled["turns"],
        recycled_age=tally.recycled["age"],
        recycled_memory=tally.recycled["memory"],
        wait_p50=middle,
        wait_p95=high,
        hold_seconds=tally.hold.mean,
        start_seconds=tally.start.mean,
        retry_after=now.retry_after,
        paused=now.paused.message if now.paused is not None else "",
    )


def worker_figures(
    now: float,
    blanks: Iterable[Blank[M]],
    leases: Iterable[Lease[M]],
    parking: Iterable[Parked[M]],
    ending: Mapping[Life[M], float],
) -> tuple[WorkerFigures, ...]:
    """The figures of each member."""
    return (
        *(_worker(now, one.life, WorkerState.BLANK, one.since) for one in blanks),
        *(_worker(now, one.life, WorkerState.CLAIMED, one.since, one.principal) for one in leases),
        *(
            _worker(now, one.life, WorkerState.PARKED, one.since, one.key.principal)
            for one in parking
        ),
        *(_worker(now, life, WorkerState.ENDING, since) for life, since in ending.items()),
    )


def _worker(
    now: float, life: Life[M], state: WorkerState, since: float, principal: str | None = None
) -> WorkerFigures:
    return WorkerFigures(
        pid=life.member.pid,
        state=state,
        age_seconds=now - life.started_at,
        state_seconds=now - since,
        turns=life.turns,
        rss_bytes=life.member.rss_bytes,
        cpu_seconds=life.member.cpu_seconds,
        principal=principal,
    )
