"""Who waits for a member, and whose turn it is: fair between callers, and bounded.

Guarantees, whatever is asked in whatever order:

- At most `limit` wait. One more is refused, or, if another caller clearly hogs the queue, that
  caller's newest waiter in its place (the longest queue is dropped from).
- A caller's own waiters of one lane are served in the order in which they came.
- Interactive waiters go before batch ones, and within a lane the caller that holds the fewest
  members now, of those the one served least recently.
- Nobody starves: every `OLDEST_EVERY`-th grant goes to whoever has waited longest of all, so one
  with k waiters before it is served within `OLDEST_EVERY * (k + 1)` grants.

Pure: it neither waits nor knows what waits.
"""

from collections import deque
from collections.abc import Hashable, Mapping
from typing import Generic, NamedTuple, TypeVar

T = TypeVar("T", bound=Hashable)

OLDEST_EVERY = 8
CALLERS_REMEMBERED = 1024
"""How many callers' last grants are remembered, so that the memory stays bounded."""


class _Place(NamedTuple):
    caller: str
    batch: bool


class FairQueue(Generic[T]):
    """See the module. `T` is what waits."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._places: dict[T, _Place] = {}
        self._interactive: dict[str, deque[T]] = {}
        self._batch: dict[str, deque[T]] = {}
        self._served: dict[str, int] = {}
        self._grants = 0

    def __len__(self) -> int:
        return len(self._places)

    @property
    def batch(self) -> int:
        """How many wait in the batch lane."""
        return sum(map(len, self._batch.values()))

    def join(self, waiter: T, caller: str, *, batch: bool) -> T | None:
        """Have `waiter` wait, if there is room.

        Returns:
            None if there was; otherwise who is refused, and does not wait: `waiter` itself, or
            one that has waited so far.
        """
        refused = None
        if len(self._places) >= self._limit:
            refused = self._to_refuse(caller, batch=batch)
            if refused is None:
                return waiter
            self.leave(refused)
        self._places[waiter] = _Place(caller, batch)
        self._lane(batch).setdefault(caller, deque()).append(waiter)
        return refused

    def leave(self, waiter: T) -> None:
        """`waiter` waits no longer, if it does."""
        place = self._places.pop(waiter, None)
        if place is None:
            return
        lane = self._lane(place.batch)
        line = lane[place.caller]
        line.remove(waiter)
        if not line:
            del lane[place.caller]

    def next(self, held: Mapping[str, int]) -> T:
        """Take out whose turn it is; there must be one.

        Args:
            held: How many members each caller holds now; those who hold none may be missing.
        """
        self._grants += 1
        waiter = next(iter(self._places))
        if self._grants % OLDEST_EVERY:
            lane = self._interactive or self._batch
            served = self._served
            first = min(lane, key=lambda caller: (held.get(caller, 0), served.get(caller, 0)))
            waiter = lane[first][0]
        caller = self._places[waiter].caller
        self._served.pop(caller, None)
        self._served[caller] = self._grants
        if len(self._served) > CALLERS_REMEMBERED:
            del self._served[next(iter(self._served))]
        self.leave(waiter)
        return waiter

    def oldest(self) -> T:
        """Take out who has waited longest; there must be one."""
        waiter = next(iter(self._places))
        self.leave(waiter)
        return waiter

    def newest(self) -> T:
        """Take out who came last; there must be one."""
        waiter = next(reversed(self._places))
        self.leave(waiter)
        return waiter

    def _lane(self, batch: bool) -> dict[str, deque[T]]:
        return self._batch if batch else self._interactive

    def _to_refuse(self, caller: str, *, batch: bool) -> T | None:
        """Who makes room for a newcomer of `caller`; None if nobody is to."""
        waiting: dict[str, int] = {}
        for place in self._places.values():
            waiting[place.caller] = waiting.get(place.caller, 0) + 1
        own = waiting.get(caller, 0)
        # One fewer for it and one more for the newcomer must not turn the tables.
        hogs = [other for other, count in waiting.items() if count >= own + 2]
        if not hogs and not batch:
            # Within a fair share, what a person waits for goes before what can wait.
            hogs = [other for other in self._batch if other == caller or waiting[other] > own]
        if not hogs:
            return None
        hog = max(hogs, key=lambda other: (waiting[other], other in self._batch))
        return (self._batch.get(hog) or self._interactive[hog])[-1]
