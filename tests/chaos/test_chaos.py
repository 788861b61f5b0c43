"""Everything at once: many clients, and workers that break in every way there is."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from llm_mcp_hub.domain.status import PoolFigures
from llm_mcp_hub.testing.hub import TestHub

from . import census
from .injector import Injector
from .talks import REQUEST_SECONDS, How, Talk, Violation, summary

CLIENTS = 32
ANOTHER_TALK = 0.3
"""How often a client goes on with another one of its conversations."""
THINKING_SECONDS = 0.4
PRINCIPALS = 3
SPARE = 2
SETTLE_SECONDS = 30.0
SETTINGS = {
    "pool": {
        "min_spare": SPARE,
        "max_workers": 20,
        "max_queue": 64,
        "queue_seconds": 10.0,
        "park_seconds": 2.0,
    },
    "deadlines": {"start": 10.0, "first_chunk": 5.0, "idle": 3.0, "total": 15.0},
    "supervision": {
        "max_crashes": 1_000_000,  # or it would be unavailable all of the time
        "heartbeat_seconds": 1.5,
        "resting_seconds": 2.0,
        "answer_seconds": 1.0,
    },
    "limits": {"memory_mb": 128, "output_mb": 16, "cpu_seconds": 5, "processes": 8},
}


async def take_part(
    talks: list[Talk], chance: random.Random, over: asyncio.Event, violations: list[str]
) -> None:
    """One client: a turn after the other, mostly in the same conversation as before."""
    talk = talks[0]
    while not over.is_set():
        if chance.random() < ANOTHER_TALK:
            talk = chance.choice(talks)
        try:
            async with asyncio.timeout(REQUEST_SECONDS):
                await talk.turn(chance)
        except Violation as violation:
            violations.append(str(violation))
        except TimeoutError:
            violations.append(f"{talk.secret}: no end within {REQUEST_SECONDS:g} s")
        except httpx.TransportError as error:
            violations.append(f"{talk.secret}: the connection was cut: {error!r}")
        await pause(over, chance.expovariate(1 / THINKING_SECONDS))


async def pause(over: asyncio.Event, seconds: float) -> None:
    """Let so much time pass, unless it is over before."""
    with suppress(TimeoutError):
        await asyncio.wait_for(over.wait(), seconds)


async def run(
    hub: TestHub, tokens: list[str], injector: Injector, seed: int
) -> tuple[Counter[str], list[str]]:
    """The whole of it; returns how turns ended and what promises were broken."""
    outcomes: Counter[str] = Counter()
    violations: list[str] = []
    over = asyncio.Event()
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(
        base_url=hub.base_url, limits=limits, timeout=REQUEST_SECONDS, trust_env=False
    ) as client:
        clients = []
        for number in range(CLIENTS):
            # All principals use the same names for their sessions.
            token, name = tokens[number % PRINCIPALS], f"session{number // PRINCIPALS}"
            clients.append(
                [
                    Talk(client, token, f"s{number}t{index}s", session, outcomes)
                    for index, session in enumerate([name, f"{name}.more", None])
                ]
            )
        async with asyncio.TaskGroup() as group:
            breaking = group.create_task(injector.run())
            for number, talks in enumerate(clients):
                chance = random.Random(f"{seed} {number}")
                group.create_task(take_part(talks, chance, over, violations))
            await asyncio.wait([breaking])
            over.set()
        await until_idle(hub)
        for talks in clients:
            for talk in talks:
                try:
                    await talk.audit()
                except Violation as violation:
                    violations.append(str(violation))
    return outcomes, violations


async def until_idle(hub: TestHub) -> None:
    """Until no turn runs, no used worker is left, and the spares are there."""
    status = hub.hub.registry.get("chaos").status
    async with asyncio.timeout(SETTLE_SECONDS):
        while not is_idle(status().pool):  # noqa: ASYNC110  # a state that has no event
            await asyncio.sleep(0.005)


def is_idle(pool: PoolFigures) -> bool:
    busy = pool.claimed + pool.queued + pool.parked + pool.starting + pool.ending
    return busy == 0 and pool.blank == SPARE


def census_at_rest(hub: TestHub, temporary: Path) -> census.Census:
    """What there is once no turn runs and the spares are back."""
    hub.call(until_idle(hub))
    return census.take(temporary, hub.call(census.running_tasks()))


def check_same(before: census.Census, now: Callable[[], census.Census]) -> None:
    """Everything is back to where it was, or comes back in a moment."""
    deadline = time.monotonic() + SETTLE_SECONDS
    while (changes := census.changes(before, now())) and time.monotonic() < deadline:
        pass
    assert changes == {}


async def check_it_answers(hub: TestHub, token: str, secret: str, forgiven: int = 0) -> None:
    """Two conversations of some turns, with so many failures at most."""
    outcomes: Counter[str] = Counter()
    talks = []
    async with httpx.AsyncClient(base_url=hub.base_url, timeout=REQUEST_SECONDS) as client:
        for session in (f"{secret}.named", None):
            talks.append(Talk(client, token, secret, session, outcomes))
            patient = random.Random(2)
            while outcomes[How.DONE] < 3:
                if await talks[-1].turn(patient) not in set(How):
                    forgiven -= 1
                assert forgiven >= 0, outcomes
            outcomes.clear()
        await until_idle(hub)
        for talk in talks:
            await talk.audit()


@pytest.mark.chaos
@pytest.mark.timeout(300)
def test_no_promise_is_broken_while_workers_are(
    make_hub: Callable[..., TestHub],
    marker: str,
    temporary: Path,
    seed: int,
    chaos_times: int,
) -> None:
    with make_hub(**SETTINGS) as hub:  # what is made once for a process is there afterwards
        asyncio.run(check_it_answers(hub, hub.token("warm"), "warm"))
    before = census.take(temporary)
    injector = Injector(marker, random.Random(seed), chaos_times)
    with make_hub(**SETTINGS) as hub:
        tokens = [hub.token(f"principal{number}") for number in range(PRINCIPALS)]
        asyncio.run(check_it_answers(hub, tokens[0], "before"))
        at_rest = census_at_rest(hub, temporary)

        outcomes, violations = asyncio.run(run(hub, tokens, injector, seed))
        print(summary(outcomes, injector.committed))  # noqa: T201
        pool = hub.hub.registry.get("chaos").status().pool

        assert violations == []
        assert set(injector.committed) == set(injector.faults)
        assert min(injector.committed.values()) >= chaos_times
        assert outcomes[How.DONE] > outcomes.total() / 2
        assert outcomes[How.LEFT] > 0
        assert outcomes[How.RESUMED] > 0
        assert pool.served > pool.starts - pool.failed_starts  # some were continued
        # A spare may have been broken at the last moment, when nobody looked.
        asyncio.run(check_it_answers(hub, tokens[0], "after", forgiven=SPARE))
        check_same(at_rest, lambda: census_at_rest(hub, temporary))
    check_same(before, lambda: census.take(temporary))
