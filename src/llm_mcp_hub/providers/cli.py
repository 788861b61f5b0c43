"""A provider that is a program: its life from the self-test to the last worker.

Guarantees: nothing is served before the self-test has passed; a failed self-test makes the
provider unavailable with its reason, and is tried again when a request comes, at most every
`RETEST_SECONDS`, so a person who repairs the cause has nothing to restart; a login that was
refused during a turn shows in the status until a turn succeeds, and no worker that was started
with it is used again.
"""

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence

import structlog

from llm_mcp_hub.domain.chat import TurnRequest
from llm_mcp_hub.domain.model import ModelCard
from llm_mcp_hub.domain.status import CredentialStatus, ProviderState, ProviderStatus, QuotaWindow
from llm_mcp_hub.errors import (
    HubError,
    InternalError,
    LoginRequired,
    ProviderUnavailable,
)
from llm_mcp_hub.providers.conversation import Conversation
from llm_mcp_hub.providers.deadlines import Deadlines
from llm_mcp_hub.providers.dialect import Dialect, Event, QuotaSeen, Ready
from llm_mcp_hub.providers.turn import CliTurn
from llm_mcp_hub.workers.limits import PoolLimits
from llm_mcp_hub.workers.pool import Pool
from llm_mcp_hub.workers.spec import WorkerSpec

RETEST_SECONDS = 5.0

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


class CliProvider(ABC):
    """Base of providers that run a vendor's tool, one conversation per worker."""

    def __init__(self, name: str, limits: PoolLimits, deadlines: Deadlines) -> None:
        self.name = name
        self._deadlines = deadlines
        self._pool: Pool[Conversation] = Pool(self._start_blank, limits, self._start_failed)
        self._state = ProviderState.STARTING
        self._failure: HubError | None = None
        self._refused: LoginRequired | None = None
        self._closed = False
        self._tested_at = float("-inf")
        self._testing: asyncio.Task[None] | None = None
        self._version: str | None = None
        self._models: tuple[ModelCard, ...] = ()
        self._quota: dict[str, QuotaWindow] = {}
        self._verified_at: float | None = None

    @abstractmethod
    def worker_spec(self) -> WorkerSpec:
        """How to start a worker now.

        Raises:
            HubError: The program is missing or not logged in; the message says what to do.
        """

    @abstractmethod
    def new_dialect(self) -> Dialect:
        """A dialect for a fresh worker."""

    def check_version(self, version: str | None) -> None:  # noqa: B027  # optional to override
        """Refuse a program that is too old.

        Raises:
            ProviderUnavailable: It is.
        """

    def check_request(self, request: TurnRequest) -> None:  # noqa: B027  # optional to override
        """Refuse a request that this provider can't serve.

        Raises:
            BadRequest: It can't.
        """

    def credential_status(self) -> CredentialStatus | None:
        """None: a program without a login. Overridden by those with one."""
        return None

    def fallback_models(self) -> tuple[ModelCard, ...]:
        """Models to show while the program has not told them."""
        return ()

    async def start(self) -> None:
        """Begin the self-test."""
        if not self._closed:
            self._test()

    async def models(self) -> Sequence[ModelCard]:
        """What the program said, or the fallback."""
        return self._models or self.fallback_models()

    def status(self) -> ProviderStatus:
        """State, reason and figures."""
        failure = self._failure or self._refused
        return ProviderStatus(
            state=ProviderState.UNAVAILABLE if failure else self._state,
            reason=failure.message if failure else "",
            version=self._version,
            pool=self._pool.figures,
            quota=tuple(self._quota.values()),
        )

    async def open_turn(self, request: TurnRequest) -> CliTurn:
        """Begin a turn, waiting for the self-test and a worker if need be."""
        self.check_request(request)
        if self._state is not ProviderState.AVAILABLE:
            await self._become_available()
        return await CliTurn.open(
            self._pool, request, self._deadlines, self._on_event, self._turn_ended
        )

    async def aclose(self) -> None:
        """End the self-test and all workers."""
        self._closed = True
        closing = [asyncio.create_task(self._pool.aclose())]
        if self._testing is not None:
            self._testing.cancel()
            closing.append(self._testing)
        await asyncio.wait(closing)

    def _turn_ended(self, error: HubError | None) -> None:
        if error is None:
            self._verified_at = time.time()
            if self._failure is not None and self._failure is self._refused:
                self._set_available()
            self._refused = None
        elif isinstance(error, LoginRequired):
            self._refused = error
            self._tested_at = time.monotonic()
            self._set_failure(error)
            self._pool.renew()

    def _test(self) -> "asyncio.Task[None]":
        if self._testing is None or self._testing.done():
            self._testing = asyncio.get_running_loop().create_task(self._self_test())
        return self._testing

    async def _become_available(self) -> None:
        testing = self._testing is not None and not self._testing.done()
        stale = time.monotonic() - self._tested_at > RETEST_SECONDS
        if (testing or stale) and not self._closed:
            # Not awaited itself: `aclose` cancels it, and that is no cancellation of the caller.
            await asyncio.wait([self._test()])
        if self._failure is not None:
            raise self._failure.again()

    async def _self_test(self) -> None:
        try:
            conversation = await self._start_blank()
            try:
                inspected = await conversation.inspect(self._deadlines.start)
            finally:
                await conversation.aclose()
            if inspected.refusal is not None:
                raise inspected.refusal
            self._models = inspected.models
        except HubError as error:
            self._set_failure(error)
        except Exception as error:  # a defect here must end as a visible state
            log.exception("provider.self_test_crashed", provider=self.name)
            self._set_failure(InternalError(f"The self-test crashed: {type(error).__name__}."))
        else:
            self._set_available()
            self._pool.warm()
        self._tested_at = time.monotonic()

    def _set_available(self) -> None:
        self._failure = None
        self._state = ProviderState.AVAILABLE
        log.info("provider.available", provider=self.name, version=self._version)

    def _set_failure(self, error: HubError) -> None:
        self._failure = error
        self._state = ProviderState.UNAVAILABLE
        log.warning(
            "provider.unavailable", provider=self.name, code=error.code, detail=error.detail
        )

    async def _start_blank(self) -> Conversation:
        conversation, ready = await Conversation.start(
            self.worker_spec(), self.new_dialect(), self._deadlines.start
        )
        try:
            self._check_ready(ready)
        except BaseException:
            await conversation.aclose()
            raise
        return conversation

    def _check_ready(self, ready: Ready) -> None:
        self.check_version(ready.version)
        self._version = ready.version

    def _start_failed(self, error: HubError) -> None:
        log.warning("worker.start_failed", provider=self.name, code=error.code, detail=error.detail)
        if isinstance(error, LoginRequired | ProviderUnavailable):
            # No single worker's misfortune: the program or its login is gone.
            self._tested_at = time.monotonic()
            self._set_failure(error)

    def _on_event(self, event: Event) -> None:
        if isinstance(event, QuotaSeen):
            self._quota |= {window.name: window for window in event.windows}
