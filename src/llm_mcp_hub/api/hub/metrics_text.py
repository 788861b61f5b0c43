"""A hub's figures in Prometheus' text format; written by `prometheus_client`, counted by the hub.

Everything counts from the start of this process, and is this hub's alone. Whose the turns are is no
label: there may be thousands of access tokens, and `GET /v1/usage` knows.
"""

from collections.abc import Iterator
from itertools import accumulate

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from llm_mcp_hub import __version__
from llm_mcp_hub.domain.status import ProviderState
from llm_mcp_hub.domain.usage import BOUNDARIES, figures, outcomes, time_classes
from llm_mcp_hub.hub import Hub

CONTENT_TYPE = CONTENT_TYPE_LATEST
PREFIX = "llm_mcp_hub"
CLASSES_TOGETHER = 4
"""So many of the hub's classes of times are one bucket: each is twice the one before."""
_MODEL = ("provider", "model")
_NOW = ("blank", "starting", "ending", "claimed", "parked")
_EVENTS = (
    "served",
    "starts",
    "failed_starts",
    "evicted",
    "died",
    "recycled_turns",
    "recycled_age",
    "recycled_memory",
)
_REFUSED = ("full", "late", "memory", "paused")


def exposition(hub: Hub) -> bytes:
    """Everything, at this moment."""
    registry = CollectorRegistry()
    registry.register(_HubCollector(hub))
    ProcessCollector(registry=registry)
    return generate_latest(registry)


class _HubCollector(Collector):
    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    def collect(self) -> Iterator[Metric]:
        yield InfoMetricFamily(PREFIX, "The hub.", {"version": __version__})
        yield from self._turns()
        yield from self._pools()
        yield from self._whole()

    def _whole(self) -> Iterator[Metric]:
        pressure = self._hub.pressure()
        for name, text, value in (
            ("running_turns", "Turns under way, those being opened included.", pressure.running),
            ("accepting", "Whether any provider takes requests.", int(pressure.accepting)),
            ("load", "Of the least loaded provider that takes requests.", pressure.load),
        ):
            yield GaugeMetricFamily(f"{PREFIX}_{name}", text, value)

    def _turns(self) -> Iterator[Metric]:
        turns = CounterMetricFamily(
            f"{PREFIX}_turns", "Requests by how they ended.", labels=(*_MODEL, "outcome")
        )
        errors = CounterMetricFamily(
            f"{PREFIX}_errors", "Failed requests by code.", labels=(*_MODEL, "code")
        )
        tokens = CounterMetricFamily(
            f"{PREFIX}_tokens",
            "Tokens. Cached ones are input too, reasoning is output too.",
            labels=(*_MODEL, "kind"),
        )
        times = HistogramMetricFamily(
            f"{PREFIX}_turn_seconds", "Whole time of answered requests.", labels=_MODEL
        )
        firsts = HistogramMetricFamily(
            f"{PREFIX}_first_chunk_seconds",
            "Until the first chunk of answered requests.",
            labels=_MODEL,
        )
        for names, counts in sorted(self._hub.counted().items()):
            found = figures(counts)
            for outcome, number in outcomes(counts).items():
                turns.add_metric((*names, outcome.value), number)
            for code, number in found.errors.items():
                errors.add_metric((*names, code), number)
            for kind in ("input", "cached", "output", "reasoning"):
                tokens.add_metric((*names, kind), getattr(found, f"{kind}_tokens"))
            for family, first in ((times, False), (firsts, True)):
                numbers, seconds = time_classes(counts, first=first)
                family.add_metric(names, _buckets(numbers), seconds)
        yield from (turns, errors, tokens, times, firsts)

    def _pools(self) -> Iterator[Metric]:
        available = GaugeMetricFamily(
            f"{PREFIX}_provider_available", "Whether it takes requests.", labels=("provider",)
        )
        workers = GaugeMetricFamily(
            f"{PREFIX}_workers", "Workers by what they do.", labels=("provider", "state")
        )
        limits = GaugeMetricFamily(
            f"{PREFIX}_workers_limit", "Workers that there may be.", labels=("provider",)
        )
        queued = GaugeMetricFamily(
            f"{PREFIX}_queued", "Requests that wait for a worker.", labels=("provider",)
        )
        events = CounterMetricFamily(
            f"{PREFIX}_worker_events",
            "What has happened in the pool.",
            labels=("provider", "event"),
        )
        refused = CounterMetricFamily(
            f"{PREFIX}_refused", "Requests that got no worker.", labels=("provider", "reason")
        )
        deadlines = CounterMetricFamily(
            f"{PREFIX}_deadlines_passed",
            "How often a deadline has passed.",
            labels=("provider", "deadline"),
        )
        for provider in self._hub.registry:
            name, status = provider.name, provider.status()
            pool = status.pool
            available.add_metric((name,), int(status.state is ProviderState.AVAILABLE))
            limits.add_metric((name,), pool.max_workers)
            queued.add_metric((name,), pool.queued)
            for state in _NOW:
                workers.add_metric((name, state), getattr(pool, state))
            for event in _EVENTS:
                events.add_metric((name, event), getattr(pool, event))
            for reason in _REFUSED:
                refused.add_metric((name, reason), getattr(pool, f"refused_{reason}"))
            for deadline, number in status.deadlines.items():
                deadlines.add_metric((name, deadline), number)
        yield from (available, workers, limits, queued, events, refused, deadlines)


def _buckets(numbers: list[int]) -> list[tuple[str, float]]:
    """Upper ends with how many were not above them."""
    up_to = list(accumulate(numbers))
    ends = range(0, len(BOUNDARIES), CLASSES_TOGETHER)
    return [*((str(BOUNDARIES[end]), up_to[end]) for end in ends), ("+Inf", up_to[-1])]
