"""When a provider's program is tested: at the start, when it changed, and until it works.

Guarantees: one test runs at a time, and whoever wants one meanwhile shares it. After a failure it
is repeated by itself, first within `PROBE_SECONDS` and ever more slowly up to
`PROBE_LIMIT_SECONDS`; at once when the program is seen to be another one; and for a request, though
not sooner than `RETEST_SECONDS` after the last test, nor sooner than that one took. So whoever
repairs something has nothing to restart, and a broken program is not started in a loop.
"""

import asyncio
from collections.abc import Awaitable, Callable
from math import inf

import structlog

from llm_mcp_hub.errors import HubError, InternalError
from llm_mcp_hub.providers.program import Program
from llm_mcp_hub.workers.backoff import Backoff

RETEST_SECONDS = 5.0
"""A person who has repaired something tries again about so soon."""
PROBE_SECONDS = 5.0
PROBE_LIMIT_SECONDS = 300.0
PROGRAM_SECONDS = 30.0
"""How often the program is looked at while no worker is started."""

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


class SelfTest:
    """See the module. Made outside of the event loop; used inside.

    Args:
        run: Starts a worker, looks at it and ends it; raises what is wrong; bounded.
        identify: What the program is now. Raises a `HubError` if there is none, or no login.
        passed: Told that the program works, and which one it is.
        failed: Told why it does not.
        chance: Random numbers from 0 to 1.
    """

    def __init__(
        self,
        run: Callable[[], Awaitable[None]],
        identify: Callable[[], Program],
        passed: Callable[[Program], None],
        failed: Callable[[HubError], None],
        chance: Callable[[], float],
    ) -> None:
        self._run = run
        self._identify = identify
        self._passed = passed
        self._failed = failed
        self._backoff = Backoff(PROBE_SECONDS, PROBE_LIMIT_SECONDS, chance)
        self._task: asyncio.Task[None] | None = None
        self._probe: asyncio.TimerHandle | None = None
        self._look: asyncio.TimerHandle | None = None
        self._program: Program | None = None
        self._ended_at = -inf
        self._took = 0.0
        self._closed = False

    @property
    def under_way(self) -> bool:
        """Whether a test runs."""
        return self._task is not None and not self._task.done()

    @property
    def due(self) -> bool:
        """Whether a request may have the test repeated."""
        return self.wait < 0

    @property
    def wait(self) -> float:
        """Seconds until a request may have the test repeated; negative if it may."""
        now = asyncio.get_running_loop().time()
        return self._ended_at + max(RETEST_SECONDS, self._took) - now

    def changed(self) -> bool:
        """Whether the program is not the one that was tested last.

        Raises:
            HubError: There is none, or no login.
        """
        return self._identify() != self._program

    def begin(self) -> None:
        """Test, in the background, unless that is under way."""
        if self.under_way or self._closed:
            return
        if self._look is None:
            self._look_later()
        self._task = asyncio.get_running_loop().create_task(self._test())

    async def result(self) -> None:
        """Wait for the test, which begins now unless it is under way. Does not raise its error."""
        self.begin()
        if self._task is not None:
            # Not awaited itself: `aclose` cancels it, and that is no cancellation of the caller.
            await asyncio.wait([self._task])

    def failed_elsewhere(self, *, gone: bool = False) -> None:
        """What a test finds was found without one just now.

        Args:
            gone: The program or its login is missing; it is tested as soon as it is there.
        """
        self._ended_at = asyncio.get_running_loop().time()
        self._took = 0.0
        if gone:
            self._program = None

    def repeat(self) -> None:
        """Have it repeated by itself, later each time."""
        if self._probe is None and not self._closed:
            loop = asyncio.get_running_loop()
            self._backoff.failed(loop.time())
            self._probe = loop.call_later(self._backoff.wait(loop.time()), self._probe_now)

    def repeat_no_more(self) -> None:
        """There is nothing left to find out."""
        self._backoff.succeeded()
        if self._probe is not None:
            self._probe.cancel()
            self._probe = None

    async def aclose(self) -> None:
        """End the test, and test no more."""
        self._closed = True
        for timer in (self._probe, self._look):
            if timer is not None:
                timer.cancel()
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _test(self) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        self._program = None
        try:
            self._program = program = self._identify()
            await self._run()
        except HubError as error:
            self._ended(began)
            self._failed(error)
        except Exception as error:  # a defect here must end as a visible state
            log.exception("provider.self_test_crashed")
            self._ended(began)
            self._failed(InternalError(f"The self-test crashed: {type(error).__name__}."))
        else:
            self._ended(began)
            self._passed(program)

    def _ended(self, began: float) -> None:
        self._ended_at = asyncio.get_running_loop().time()
        self._took = self._ended_at - began

    def _probe_now(self) -> None:
        self._probe = None
        self.begin()

    def _look_later(self) -> None:
        self._look = asyncio.get_running_loop().call_later(PROGRAM_SECONDS, self._look_now)

    def _look_now(self) -> None:
        self._look_later()
        try:
            changed = self.changed()
        except HubError:
            return  # an update may be half written; if it is gone, the next start says so
        if changed:
            self.begin()
