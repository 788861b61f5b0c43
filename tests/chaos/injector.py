"""Breaks workers at random moments, in an order that a seed decides."""

import asyncio
import os
import random
import signal
from collections import Counter
from contextlib import suppress

from . import processes
from .worker import FAULTS

KILL, STOP, STOP_FOR_A_WHILE = "kill", "stop", "stop_for_a_while"
EVERY_SECONDS = 0.2
STOPPED_SECONDS = (0.2, 2.0)


class Injector:
    """Commits every fault before any a second time.

    Args:
        marker: An argument that every worker has.
        chance: Decides the order of faults, their victims and their moments.
        times: How often it commits each of them.

    Attributes:
        committed: How often each fault was committed.
    """

    def __init__(self, marker: str, chance: random.Random, times: int) -> None:
        self.committed: Counter[str] = Counter()
        self._marker = marker
        self._chance = chance
        self._times = times
        self._deck: list[str] = []
        self._own = {fault.__name__: signal.SIGRTMIN + n for n, fault in enumerate(FAULTS)}

    @property
    def faults(self) -> list[str]:
        """The names of all faults."""
        return [KILL, STOP, STOP_FOR_A_WHILE, *self._own]

    async def run(self) -> None:
        """Commit faults until each was committed so often."""
        continuing: set[asyncio.Task[None]] = set()
        while any(self.committed[fault] < self._times for fault in self.faults):
            await asyncio.sleep(self._chance.expovariate(1 / EVERY_SECONDS))
            victims = sorted(processes.running_program(self._marker, "chaos"))
            if victims:
                pid, fault = self._chance.choice(victims), self._next()
                with suppress(ProcessLookupError):
                    self._commit(pid, fault)
                if fault == STOP_FOR_A_WHILE:
                    seconds = self._chance.uniform(*STOPPED_SECONDS)
                    continuing.add(asyncio.create_task(_continue(pid, seconds)))
        if continuing:
            await asyncio.wait(continuing)

    def _next(self) -> str:
        if not self._deck:
            self._deck = self.faults
            self._chance.shuffle(self._deck)
        return self._deck.pop()

    def _commit(self, pid: int, fault: str) -> None:
        if fault in self._own:
            os.kill(pid, self._own[fault])
        else:
            os.kill(pid, signal.SIGKILL if fault == KILL else signal.SIGSTOP)
        self.committed[fault] += 1


async def _continue(pid: int, seconds: float) -> None:
    await asyncio.sleep(seconds)
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGCONT)
