"""Members that have been used, each kept for the one who may go on with it."""

import asyncio
from collections.abc import Callable, Hashable
from typing import Generic, NamedTuple, Protocol, TypeVar


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


class _Place(NamedTuple):
    key: Hashable
    timer: asyncio.TimerHandle


class Parking(Generic[M]):
    """Members by key, the longest parked first to go.

    Several may be kept under one key: they are in the same state, so any of them will do. That
    happens whenever one principal begins many conversations with the same words.

    Args:
        seconds: How long a member is kept.
        retire: Takes over a member that is no longer kept.
    """

    def __init__(self, seconds: float, retire: Callable[[M], None]) -> None:
        self._seconds = seconds
        self._retire = retire
        self._places: dict[M, _Place] = {}
        self._by_key: dict[Hashable, list[M]] = {}

    def __len__(self) -> int:
        return len(self._places)

    def put(self, key: Hashable, member: M) -> None:
        """Keep a member."""
        timer = asyncio.get_running_loop().call_later(self._seconds, self._evict, member)
        self._places[member] = _Place(key, timer)
        self._by_key.setdefault(key, []).append(member)

    def take(self, key: Hashable) -> M | None:
        """A living member under `key`, no longer kept."""
        while key in self._by_key:
            member = self._by_key[key][-1]
            self._leave(member)
            if member.alive:
                return member
            self._retire(member)
        return None

    def evict_oldest(self) -> None:
        """Give up the member that has been kept longest."""
        if self._places:
            self._evict(next(iter(self._places)))

    def evict_dead(self) -> None:
        """Give up members that can no longer be used."""
        for member in [member for member in self._places if not member.alive]:
            self._evict(member)

    def clear(self) -> None:
        """Give up all."""
        for member in list(self._places):
            self._evict(member)

    def _leave(self, member: M) -> None:
        key, timer = self._places.pop(member)
        timer.cancel()
        same = self._by_key[key]
        same.remove(member)
        if not same:
            del self._by_key[key]

    def _evict(self, member: M) -> None:
        self._leave(member)
        self._retire(member)
