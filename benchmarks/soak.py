"""Whether the hub grows: `make soak`, 15 minutes.

`llm-mcp-hub serve` with the echo provider, SQLite and everything on, under a steady mixed load:
whole and streamed answers, conversations of several turns, clients that leave in mid-stream, and
workers that are killed now and then. After the warm-up, and again at the end, the load pauses until
no used worker is left, and the hub's memory and the processes below it are counted. The exit status
is 1 if either has changed by more than 5 %.
"""

import argparse
import asyncio
import json
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

import msgspec
import uvloop
from client import Caller, post
from watched import Look, Watched, serve

ALLOWED = 0.05
WARM_UP = 1 / 3
"""Share of the time before the first look."""
WARM_UP_SECONDS = 120.0
"""At least so long, if there is as much time: sessions live for one minute here, journals for half
of one, and only then are there as many as there will be."""
CLIENTS = 16
THINKING_SECONDS = 0.05
KILL_SECONDS = 15.0
"""Seldom enough for the crash budget of a provider's default settings."""
SAMPLE_SECONDS = 30.0
LEAVING = 0.05
TURNS = 8
CONFIG = """
[providers.echo]
word_seconds = 0.001
[providers.echo.pool]
max_workers = 24
park_seconds = 5
[sessions]
ttl_seconds = 60
[turns]
journal_seconds = 30
[log]
format = "json"
"""


class Soak(msgspec.Struct):
    """What came out."""

    minutes: float
    turns: dict[str, int]
    kills: int
    warm: Look
    end: Look
    samples: list[Look]

    @property
    def growth(self) -> float:
        """Of the memory, as a share."""
        return self.end.rss_kib / self.warm.rss_kib - 1

    @property
    def passed(self) -> bool:
        """Whether memory and children are where they were."""
        children = abs(self.end.children / self.warm.children - 1)
        return abs(self.growth) <= ALLOWED and children <= ALLOWED


class Load:
    """Many clients at once, for a while."""

    def __init__(self, hub: Watched) -> None:
        self.turns: Counter[str] = Counter()
        self.kills = 0
        self.samples: list[Look] = []
        self._hub = hub
        self._until = 0.0

    async def run(self, seconds: float) -> None:
        """Go on for so long."""
        self._until = time.monotonic() + seconds
        async with asyncio.TaskGroup() as group:
            for number in range(CLIENTS):
                group.create_task(self._client(random.Random(number + time.time())))
            group.create_task(self._kill())
            group.create_task(self._sample())

    async def _client(self, chance: random.Random) -> None:
        caller: Caller | None = None
        session, left = "", 0
        while time.monotonic() < self._until:
            if not left:
                session, left = f"soak-{chance.getrandbits(64):x}", chance.randint(1, TURNS)
            left -= 1
            streamed = chance.random() < 0.7
            words = "".join(f" word{number}" for number in range(chance.randint(5, 60)))
            body = {
                "model": "echo/echo",
                "stream": streamed,
                "messages": [{"role": "user", "content": words}],
            }
            request = post(self._hub.port, self._hub.token, json.dumps(body).encode(), session)
            caller = caller or await Caller.connect(self._hub.port)
            if chance.random() < LEAVING:
                with suppress(TimeoutError, ConnectionError, RuntimeError):
                    async with asyncio.timeout(chance.random() * 0.05):
                        await caller.ask(request, streamed=streamed)
                self.turns["left"] += 1
                caller.close()
                caller, left = None, 0
            else:
                caller = await self._turn(caller, request, streamed)
            await asyncio.sleep(chance.expovariate(1 / THINKING_SECONDS))
        if caller is not None:
            caller.close()

    async def _turn(self, caller: Caller, request: bytes, streamed: bool) -> Caller | None:
        """A turn to its end; returns the connection if it can be used again."""
        try:
            await caller.ask(request, streamed=streamed)
        except ConnectionError:
            self.turns["cut"] += 1
            return None
        except RuntimeError as error:  # another status than 200
            self.turns[str(error).partition('"code":"')[2].partition('"')[0]] += 1
            caller.close()
            return None
        self.turns["failed" if caller.failed else "done"] += 1
        return caller

    async def _kill(self) -> None:
        while time.monotonic() + KILL_SECONDS < self._until:
            await asyncio.sleep(KILL_SECONDS)
            there = self._hub.workers()
            if there:
                with suppress(ProcessLookupError):
                    os.kill(random.choice(there), signal.SIGKILL)
                    self.kills += 1

    async def _sample(self) -> None:
        while time.monotonic() + SAMPLE_SECONDS < self._until:
            await asyncio.sleep(SAMPLE_SECONDS)
            self.samples.append(self._hub.look())


def soak(minutes: float) -> Soak:
    """The whole of it."""
    seconds = minutes * 60
    warm_up = min(max(seconds * WARM_UP, WARM_UP_SECONDS), seconds * (1 - WARM_UP))
    with tempfile.TemporaryDirectory(prefix="soak-") as folder, serve(Path(folder), CONFIG) as hub:
        load = Load(hub)
        uvloop.run(load.run(warm_up))
        warm = hub.at_rest()
        uvloop.run(load.run(seconds - warm_up))
        end = hub.at_rest()
        return Soak(minutes, dict(load.turns.most_common()), load.kills, warm, end, load.samples)


def show(soaked: Soak) -> None:
    """A table for `docs/benchmarks.md`."""
    write = sys.stdout.write
    turns = ", ".join(f"{how} {count:,}" for how, count in soaked.turns.items())
    write(f"{soaked.minutes:g} minutes; turns: {turns}; workers killed: {soaked.kills}\n\n")
    write("| | after the warm-up | at the end | change |\n|---|---|---|---|\n")
    warm, end = soaked.warm, soaked.end
    for name, before, after in (
        ("memory of the hub, MiB", warm.rss_kib / 1024, end.rss_kib / 1024),
        ("processes below it", warm.children, end.children),
        ("descriptors", warm.descriptors, end.descriptors),
        ("threads", warm.threads, end.threads),
    ):
        shown = [
            f"{value:.1f}" if isinstance(value, float) else str(value) for value in (before, after)
        ]
        write(f"| {name} | {shown[0]} | {shown[1]} | {after / before - 1:+.1%} |\n")
    write("\nunder load, MiB: ")
    write(" ".join(f"{look.rss_kib / 1024:.0f}" for look in soaked.samples) + "\n")
    write(f"{'within' if soaked.passed else 'NOT within'} {ALLOWED:.0%}\n")


def main() -> None:
    """Measure, print, and judge."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=15.0)
    parser.add_argument("--json", type=Path, help="write the figures here too")
    options = parser.parse_args()
    soaked = soak(options.minutes)
    show(soaked)
    if options.json:
        options.json.write_bytes(msgspec.json.encode(soaked))
    if not soaked.passed:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
