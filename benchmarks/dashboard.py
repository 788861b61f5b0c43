"""What the dashboard costs the hub, and how fast it opens: `python benchmarks/dashboard.py`.

The start of a hub without and with the dashboard, in turn; its memory; its processor time and the
latency of chat requests without and with open tabs, in turn in one hub, so that what happens to the
machine meanwhile hits both; and the first view in Chromium. Needs the built pages.
"""

import argparse
import contextlib
import statistics
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext

import httpx
from dashboard_server import Served, open_tabs, serve, sign_in
from dashboard_view import measure_views

REQUESTS = 200
SHARE_SECONDS = 6.0
"""Three times as long as a page may be old, so that each tab looks three times."""

Tabs = Callable[[], AbstractContextManager[None]]


def measure_starts(rounds: int) -> None:
    """Time until it serves, and memory, without and with."""
    found: dict[str, list[tuple[float, float, float]]] = {"without": [], "with": []}
    for _ in range(rounds):
        for kind, rows in found.items():
            with serve(kind) as served:
                served.latencies(20)
                rows.append((served.start_seconds, served.start_cpu_seconds, served.rss_mb()))
    print("\n| | start s | of the processor s | memory MiB |\n|---|---|---|---|")
    for kind, rows in found.items():
        middle = [statistics.median(column) for column in zip(*rows, strict=True)]
        print(f"| {kind} the dashboard | {middle[0]:.2f} | {middle[1]:.2f} | {middle[2]:.1f} |")


def measure_tabs(served: Served, http: httpx.Client, count: int, rounds: int) -> None:
    """Chat latency and processor time without and with tabs."""
    kinds: dict[str, Tabs] = {
        "no tab": nullcontext,
        f"{count} tabs": lambda: open_tabs(served, http, count),
    }
    latencies: dict[str, list[list[float]]] = {kind: [] for kind in kinds}
    shares: dict[str, list[float]] = {kind: [] for kind in kinds}
    memory: dict[str, list[float]] = {kind: [] for kind in kinds}
    for number in range(rounds):
        for kind in list(kinds) if number % 2 else reversed(kinds):
            with kinds[kind]():
                latencies[kind].append(served.latencies(REQUESTS))
                shares[kind].append(served.cpu_share(SHARE_SECONDS))
                memory[kind].append(served.rss_mb())
    print("\n| | p50 ms | p95 ms | idle: of a core | memory MiB |\n|---|---|---|---|---|")
    for kind in kinds:
        p50, p95 = (statistics.median(_at(one, q) for one in latencies[kind]) for q in (0.5, 0.95))
        share, mib = statistics.median(shares[kind]), statistics.median(memory[kind])
        print(f"| {kind} | {p50:.2f} | {p95:.2f} | {share:.1%} | {mib:.1f} |")
    for q in (0.5, 0.95):
        ratios = sorted(
            _at(with_tabs, q) / _at(without, q)
            for without, with_tabs in zip(*latencies.values(), strict=True)
        )
        print(
            f"p{q * 100:.0f} with {count} tabs beside the same round without: "
            f"{statistics.median(ratios):.3f} ({ratios[0]:.3f} to {ratios[-1]:.3f})"
        )


def print_views(served: Served, runs: int) -> None:
    """The first view."""
    print("\n| link | cache | usable s | painted s | bytes | files |\n|---|---|---|---|---|---|")
    for row in measure_views(served, runs):
        print(
            f"| {row['link']} | {row['cache']} | {row['seconds']:.2f} "
            f"| {row['painted_seconds']:.2f} | {row['bytes']:,.0f} | {row['files']:.0f} |"
        )


@contextlib.contextmanager
def signed_in() -> Iterator[tuple[Served, httpx.Client]]:
    """A hub with the dashboard, and somebody who uses it."""
    with serve("with") as served, contextlib.closing(sign_in(served)) as http:
        yield served, http


def _at(ordered: list[float], quantile: float) -> float:
    return ordered[min(len(ordered) - 1, int(len(ordered) * quantile))]


def main() -> None:
    """Measure what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tabs", type=int, default=20)
    parser.add_argument("--starts", type=int, default=3, help="of each kind")
    parser.add_argument("--rounds", type=int, default=10, help="without and with tabs")
    parser.add_argument("--views", type=int, default=7, help="sign-ins of each kind")
    options = parser.parse_args()
    if options.starts:
        measure_starts(options.starts)
    with signed_in() as (served, http):
        if options.rounds:
            measure_tabs(served, http, options.tabs, options.rounds)
        if options.views:
            print_views(served, options.views)


if __name__ == "__main__":
    main()
