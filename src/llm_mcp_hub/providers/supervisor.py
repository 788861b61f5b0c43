"""Whether a provider takes requests, and its pool starts workers.

Guarantees: nothing is served before the self-test has passed. A failed one, or more unexpected ends
than the crash budget bears, makes the provider unavailable with the reason, and the pool starts
nothing; `self_test.py` says when it is tried again. A program that was replaced, as by an update,
is tested before any worker is started from it: if it passes, no worker of the one before gets
another turn; if it fails, they go on serving, and the provider stays available while there are any.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Protocol

import structlog

from llm_mcp_hub.domain.status import PoolFigures, ProviderState
from llm_mcp_hub.errors import HubError, LoginRequired, ProviderUnavailable, WorkerLimitExceeded
from llm_mcp_hub.providers.crash_budget import CrashBudget
from llm_mcp_hub.providers.program import Program
from llm_mcp_hub.providers.self_test import SelfTest
from llm_mcp_hub.providers.supervision import Supervision

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


class SupervisedPool(Protocol):
    """What a supervisor needs of a pool; see `workers.pool.Pool`."""

    @property
    def figures(self) -> PoolFigures:
        """How it is doing."""
        ...

    def pause(self, reason: HubError) -> None:
        """Start nothing."""
        ...

    def resume(self, *, warm: bool = True) -> None:
        """Start again; spare members at once, or only when one is claimed."""
        ...

    def warm(self) -> None:
        """Start spare members."""
        ...

    def renew(self) -> None:
        """Use nothing again that was started so far."""
        ...


class Supervisor:
    """See the module. Made outside of the event loop; used inside.

    Args:
        name: The provider's.
        pool: Its pool.
        run: The self-test: starts a worker, looks at it and ends it; raises what is wrong.
        identify: What the program is now. Raises a `HubError` if there is none, or no login.
        chance: Random numbers from 0 to 1.

    Attributes:
        normal: Whether turns may be tried without asking `admit` first.
    """

    def __init__(
        self,
        name: str,
        pool: SupervisedPool,
        run: Callable[[], Awaitable[None]],
        identify: Callable[[], Program],
        supervision: Supervision,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.normal = False
        self._name = name
        self._pool = pool
        self._supervision = supervision
        self._test = SelfTest(run, identify, self._passed, self._failed, chance)
        self._budget = CrashBudget(supervision.max_crashes, supervision.crash_seconds)
        self._failure: HubError | None = None
        self._degraded: HubError | None = None
        self._told: tuple[str, str, str] | None = None
        self._proved: Program | None = None
        self._resting = False

    @property
    def failure(self) -> HubError | None:
        """Why the provider is unavailable, or None."""
        if self._degraded is not None and not self._any_left():
            return self._degraded
        return self._failure

    @property
    def state(self) -> ProviderState:
        """Whether the provider takes requests."""
        if self.failure is not None:
            return ProviderState.UNAVAILABLE
        return ProviderState.STARTING if self._proved is None else ProviderState.AVAILABLE

    @property
    def warning(self) -> str:
        """What is wrong although the provider is available; empty if nothing is."""
        if self._degraded is None or self.failure is not None:
            return ""
        return (
            "No new workers are started, and those there are go on serving: "
            f"{self._degraded.message}"
        )

    def start(self) -> None:
        """Begin the self-test."""
        self._test.begin()

    async def admit(self) -> None:
        """Wait for the self-test if it is under way or due.

        Raises:
            HubError: Why no turn may be tried.
        """
        if self._degraded is not None and self._any_left():
            if self._test.due:
                self._test.begin()
            return
        if self._test.under_way or self._test.due:
            await self._test.result()
        failure = self.failure
        if failure is None:
            return
        error = failure.again()
        if error.retryable and error.retry_after is None:
            error.retry_after = max(1.0, self._test.wait)
        raise error

    async def before_start(self) -> None:
        """Test the program before a worker is started from it, if it is not the tested one.

        Raises:
            HubError: It failed, now or before.
        """
        if self.normal and (self._test.under_way or self._test.changed()):
            await self._test.result()
        failure = self._failure or self._degraded
        if failure is not None:
            raise failure.again()

    def start_failed(self, error: HubError) -> None:
        """A start of the pool's failed."""
        log.warning(
            "worker.start_failed", provider=self._name, code=error.code, detail=error.detail
        )
        if not self.normal:
            return
        if isinstance(error, LoginRequired | ProviderUnavailable):
            # No single worker's misfortune: the program or its login is gone.
            self._test.failed_elsewhere(gone=True)
            self._failed(error)
        else:
            self._crashed(error)

    def lost(self, error: HubError) -> None:
        """A worker ended, garbled or hung unbidden."""
        log.warning("worker.lost", provider=self._name, code=error.code, detail=error.detail)
        # One that took too much of something says little about the program: the request did it.
        if not isinstance(error, WorkerLimitExceeded):
            self._crashed(error)

    def worked(self) -> None:
        """A turn succeeded: whatever failed before, the program works."""
        self._budget.reset()

    def refused(self, error: LoginRequired) -> None:
        """The vendor refused the login: no worker that was started with it is used again."""
        self._test.failed_elsewhere()
        self._fail(error)
        self._pool.renew()

    def recover(self) -> None:
        """Make the provider available: what it failed of is over."""
        changed = not self.normal
        self.normal = True
        self._failure = self._degraded = self._told = None
        self._budget.reset()
        self._test.repeat_no_more()
        self._pool.resume(warm=not self._resting)
        if changed:
            log.info("provider.available", provider=self._name)

    def rest(self) -> None:
        """Keep no workers but those with a turn, until `wake`."""
        self._resting = True
        self._pool.renew()

    def wake(self) -> None:
        """Keep workers in reserve again."""
        self._resting = False
        if self.normal:
            self._pool.warm()

    def restart(self) -> None:
        """Have every worker replaced, and test a program that failed.

        If only an update failed, the workers that go on serving are kept until it passes.
        """
        if self._degraded is None:
            self._pool.renew()
        if not self.normal:
            self._test.begin()
        elif not self._resting:
            self._pool.warm()

    async def aclose(self) -> None:
        """End the self-test, and test no more."""
        await self._test.aclose()

    def _passed(self, program: Program) -> None:
        if self._proved is not None and program != self._proved:
            log.info("provider.program_changed", provider=self._name)
            self._pool.renew()
        self._proved = program
        self.recover()

    def _failed(self, error: HubError) -> None:
        usable = self._proved is not None and self._failure is None and self._any_left()
        if usable and not isinstance(error, LoginRequired):
            self._degraded = error
            self._trouble("provider.degraded", error)
        else:
            self._fail(error)

    def _crashed(self, error: HubError) -> None:
        now = asyncio.get_running_loop().time()
        if self._failure is not None or self._proved is None or not self._budget.spend(now):
            return
        self._test.failed_elsewhere()
        self._fail(
            ProviderUnavailable(
                "The provider's program failed unexpectedly more than "
                f"{self._supervision.max_crashes} times within "
                f"{self._supervision.crash_seconds:g} s, and is tested again by itself. "
                f"Run `llm-mcp-hub doctor`. The last time: {error.message}",
                retryable=True,
                detail=error.detail,
            )
        )

    def _fail(self, error: HubError) -> None:
        self._degraded = None
        self._failure = error
        self._trouble("provider.unavailable", error)

    def _trouble(self, event: str, error: HubError) -> None:
        trouble = (event, error.code, error.message)
        if trouble != self._told:  # each self-test that fails as the one before is no news
            self._told = trouble
            log.warning(event, provider=self._name, code=error.code, detail=error.detail)
        self.normal = False
        self._pool.pause(error)
        self._test.repeat()

    def _any_left(self) -> bool:
        figures = self._pool.figures
        return figures.blank + figures.claimed + figures.parked > 0
