"""Members that have been used, each kept for the conversation that may go on with it.

Guarantee: what is taken under a key was parked under that key, by the principal in it; a member
is kept for at most so many seconds; whatever is no longer kept has been taken or given up, once.
"""

import asyncio
from collections.abc import Callable, Iterator
from typing import Generic, Literal

from llm_mcp_hub.workers.alarm import Alarm
from llm_mcp_hub.workers.lease import M, Parked, ParkKey

EvictReason = Literal["room", "memory", "expired", "renewed", "died", "closing"]


class Parking(Generic[M]):
    """Members by key, the longest parked first to go.

    Several may be kept under one key: they are in the same state, so any of them will do. That
    happens whenever one principal begins many conversations with the same words.

    Args:
        seconds: How long a member is kept.
        give_up: Takes over a member that is no longer kept.
    """

    def __init__(self, seconds: float, give_up: Callable[[Parked[M], EvictReason], None]) -> None:
        self._seconds = seconds
        self._give_up = give_up
        # In the order in which they were put, which is that in which they expire.
        self._until: dict[Parked[M], float] = {}
        self._alarm = Alarm(self._expire)
        self._by_key: dict[ParkKey, list[Parked[M]]] = {}

    def __len__(self) -> int:
        return len(self._until)

    def __iter__(self) -> Iterator[Parked[M]]:
        return iter(self._until)

    def put(self, parked: Parked[M]) -> None:
        """Keep a member."""
        self._until[parked] = asyncio.get_running_loop().time() + self._seconds
        self._alarm.ring_in(self._seconds)
        self._by_key.setdefault(parked.key, []).append(parked)

    def take(self, key: ParkKey) -> Parked[M] | None:
        """A living member under `key`, no longer kept."""
        while key in self._by_key:
            parked = self._by_key[key][-1]
            if parked.life.member.alive:
                self._leave(parked)
                return parked
            self._evict(parked, "died")
        return None

    def evict_oldest(self, reason: EvictReason) -> None:
        """Give up the member that has been kept longest."""
        if self._until:
            self._evict(next(iter(self._until)), reason)

    def evict_dead(self) -> None:
        """Give up members that can no longer be used."""
        for parked in [parked for parked in self._until if not parked.life.member.alive]:
            self._evict(parked, "died")

    def clear(self, reason: EvictReason) -> None:
        """Give up all."""
        self._alarm.stop()
        for parked in list(self._until):
            self._evict(parked, reason)

    def _expire(self) -> None:
        now = asyncio.get_running_loop().time()
        while self._until:
            parked, until = next(iter(self._until.items()))
            if until > now:
                self._alarm.ring_in(until - now)
                return
            self._evict(parked, "expired")

    def _leave(self, parked: Parked[M]) -> None:
        del self._until[parked]
        same = self._by_key[parked.key]
        same.remove(parked)
        if not same:
            del self._by_key[parked.key]

    def _evict(self, parked: Parked[M], reason: EvictReason) -> None:
        self._leave(parked)
        self._give_up(parked, reason)
