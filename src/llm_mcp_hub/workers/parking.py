"""Members that have been used, each kept for the one who may go on with it."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, Protocol, TypeVar


class Member(Protocol):
    """What a pool needs of a member."""

    @property
    def alive(self) -> bool:
        """Whether it can still be used."""
        ...

    def when_ended(self, callback: Callable[[], None]) -> None:
        """Have `callback` called once it can no longer be used."""
        ...

    async def aclose(self) -> None:
        """End it; bounded."""
        ...


M = TypeVar("M", bound=Member)


class Parking(Generic[M]):
    """Members by key, the longest parked first to go.

    Args:
        seconds: How long a member is kept.
        retire: Takes over a member that is no longer kept.
    """

    def __init__(self, seconds: float, retire: Callable[[M], None]) -> None:
        self._seconds = seconds
        self._retire = retire
        self._members: OrderedDict[Hashable, tuple[M, asyncio.TimerHandle]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._members)

    def put(self, key: Hashable, member: M) -> None:
        """Keep a member; one that is kept under the same key gives way to it."""
        self._evict(key)
        timer = asyncio.get_running_loop().call_later(self._seconds, self._evict, key)
        self._members[key] = (member, timer)

    def take(self, key: Hashable) -> M | None:
        """The living member under `key`, no longer kept."""
        if key in self._members:
            member, timer = self._members.pop(key)
            timer.cancel()
            if member.alive:
                return member
            self._retire(member)
        return None

    def evict_oldest(self) -> None:
        """Give up the member that has been kept longest."""
        if self._members:
            self._evict(next(iter(self._members)))

    def evict_dead(self) -> None:
        """Give up members that can no longer be used."""
        for key in [key for key, (member, _) in self._members.items() if not member.alive]:
            self._evict(key)

    def clear(self) -> None:
        """Give up all."""
        for key in list(self._members):
            self._evict(key)

    def _evict(self, key: Hashable) -> None:
        if key in self._members:
            member, timer = self._members.pop(key)
            timer.cancel()
            self._retire(member)
