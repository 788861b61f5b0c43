"""Those who wait for a blank, each for a bounded time.

Guarantees: `wait` ends with a blank that is the caller's alone or with an error, within
`queue_seconds`; a blank that was granted to somebody who no longer wants it is given back; order
and length are the fair queue's.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Collection, Iterable
from typing import Generic

from llm_mcp_hub.errors import HubError
from llm_mcp_hub.within import within
from llm_mcp_hub.workers import refusals
from llm_mcp_hub.workers.fair_queue import FairQueue
from llm_mcp_hub.workers.lease import Blank, M
from llm_mcp_hub.workers.limits import PoolLimits
from llm_mcp_hub.workers.tally import Tally


class _Waiter(Generic[M]):
    __slots__ = ("blank", "principal")

    def __init__(self, principal: str) -> None:
        self.principal = principal
        self.blank: asyncio.Future[Blank[M]] = asyncio.get_running_loop().create_future()


class WaitingLine(Generic[M]):
    """See the module.

    Args:
        give_back: Takes a blank that was granted and is not wanted.
        retry_after: When one who is refused now should come again, in seconds.
    """

    def __init__(
        self,
        limits: PoolLimits,
        tally: Tally,
        give_back: Callable[[Blank[M]], None],
        retry_after: Callable[[], float],
    ) -> None:
        self._seconds = limits.queue_seconds
        self._tally = tally
        self._give_back = give_back
        self._retry_after = retry_after
        self._queue: FairQueue[_Waiter[M]] = FairQueue(limits.max_queue)
        self._granted: dict[_Waiter[M], Blank[M]] = {}

    def __len__(self) -> int:
        return len(self._queue)

    @property
    def batch(self) -> int:
        """How many of them are in the batch lane."""
        return self._queue.batch

    @property
    def granted(self) -> Collection[Blank[M]]:
        """Blanks on their way to those who have waited for them."""
        return self._granted.values()

    async def wait(self, principal: str, *, batch: bool, joined: Callable[[], None]) -> Blank[M]:
        """Wait for a blank; `joined` is called once there is something to wait for.

        Raises:
            QueueFull: Too many wait already, or somebody who had fewer waiting took the place.
            QueueTimeout: None came in time.
            Draining: The pool is closing.
            HubError: What `refuse` was given.
        """
        waiter: _Waiter[M] = _Waiter(principal)
        refused = self._queue.join(waiter, principal, batch=batch)
        if refused is not None:
            full = refusals.queue_full(len(self._queue), self._retry_after())
            self._tally.refused_full += _refuse(refused, full)
        joined()
        try:
            with within(self._seconds):
                blank = await waiter.blank
        except BaseException as error:
            self._queue.leave(waiter)
            refusal = self._unwanted(waiter)
            if not isinstance(error, TimeoutError):
                raise
            if refusal is not None:
                raise refusal from None  # at the very moment when the time was over
            self._tally.refused_late += 1
            raise refusals.queue_timeout(self._seconds, self._retry_after()) from None
        if self._granted.pop(waiter, None) is None:
            raise refusals.draining()
        return blank

    def grant(self, blank: Blank[M], held: Iterable[str]) -> None:
        """Give a blank to whose turn it is, or back if nobody cares any more.

        Args:
            blank: One that nobody has been given.
            held: The principal of each member that is claimed, for fairness.
        """
        holding = Counter(held)
        holding.update(waiter.principal for waiter in self._granted)
        while self._queue:
            waiter = self._queue.next(holding)
            if not waiter.blank.done():
                self._granted[waiter] = blank
                waiter.blank.set_result(blank)
                return
        self._give_back(blank)

    def refuse_one(self, error: HubError) -> None:
        """Fail one whose turn it is."""
        while self._queue:
            if _refuse(self._queue.oldest(), error):
                return

    def refuse_beyond(self, count: int, error: HubError) -> int:
        """Fail the newest until only `count` are left; how many that were."""
        refused = 0
        while len(self._queue) > count:
            refused += _refuse(self._queue.newest(), error.again())
        return refused

    def close(self) -> list[Blank[M]]:
        """Fail all; what had been granted to any of them."""
        self.refuse_beyond(0, refusals.draining())
        blanks = list(self._granted.values())
        self._granted.clear()
        return blanks

    def _unwanted(self, waiter: _Waiter[M]) -> BaseException | None:
        """What it was refused with, if it was; a blank it was granted is given back."""
        blank = self._granted.pop(waiter, None)
        if blank is not None:
            self._give_back(blank)
        if waiter.blank.done() and not waiter.blank.cancelled():
            return waiter.blank.exception()
        return None


def _refuse(waiter: _Waiter[M], error: HubError) -> bool:
    """Whether it was still waiting."""
    if waiter.blank.done():
        return False
    waiter.blank.set_exception(error)
    return True
