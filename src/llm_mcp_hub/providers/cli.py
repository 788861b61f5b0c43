"""A provider that is a program: its life from the self-test to the last worker.

Guarantees: those of `supervisor.py` about when it takes requests; a login that was refused during a
turn shows in the status until a turn succeeds, and no worker that was started with it is used
again.
"""

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

import structlog

from llm_mcp_hub.domain.chat import TurnRequest
from llm_mcp_hub.domain.model import ModelCard
from llm_mcp_hub.domain.status import (
    CredentialStatus,
    ProviderState,
    ProviderStatus,
    QuotaWindow,
    WorkerFigures,
)
from llm_mcp_hub.errors import HubError, LoginRequired
from llm_mcp_hub.providers.conversation import Conversation
from llm_mcp_hub.providers.deadlines import Deadlines, TimeLimits
from llm_mcp_hub.providers.dialect import Dialect, Event, QuotaSeen
from llm_mcp_hub.providers.program import Program, identify
from llm_mcp_hub.providers.resting import RestingHeartbeat
from llm_mcp_hub.providers.supervision import Supervision
from llm_mcp_hub.providers.supervisor import Supervisor
from llm_mcp_hub.providers.turn import CliTurn
from llm_mcp_hub.workers.limits import PoolLimits
from llm_mcp_hub.workers.memory import MemoryGauge
from llm_mcp_hub.workers.pool import Pool, PoolEvent
from llm_mcp_hub.workers.spec import WorkerSpec

OFTEN = frozenset({"worker.claimed", "worker.parked", "worker.discarded"})
"""Events of every turn: logged for debugging alone."""

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


class CliProvider(ABC):
    """Base of providers that run a vendor's tool, one conversation per worker.

    Args:
        name: The name it is configured under.
        limits: Sizes of its pool.
        deadlines: Of its turns.
        supervision: When a worker counts as hung, and the program as broken.
    """

    def __init__(
        self,
        name: str,
        limits: PoolLimits,
        deadlines: Deadlines,
        supervision: Supervision = Supervision(),  # noqa: B008  # immutable
    ) -> None:
        self.name = name
        self._time_limits = TimeLimits(deadlines, supervision)
        self._pool: Pool[Conversation] = Pool(
            self._start_member,
            limits,
            self._start_failed,
            on_event=self._on_pool_event,
            room_for=MemoryGauge().room_for,
        )
        self._supervisor = Supervisor(
            name, self._pool, self._self_test, self._identify, supervision
        )
        self._resting = RestingHeartbeat(self._pool.idle, supervision)
        self._refused: LoginRequired | None = None
        self._version: str | None = None
        self._models: tuple[ModelCard, ...] = ()
        self._quota: dict[str, QuotaWindow] = {}
        self._verified_at: float | None = None
        self._observer: Callable[[PoolEvent], None] | None = None

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
        self._supervisor.start()

    async def models(self) -> Sequence[ModelCard]:
        """What the program said, or the fallback."""
        return self._models or self.fallback_models()

    def status(self) -> ProviderStatus:
        """State, reason and figures."""
        failure = self._supervisor.failure or self._refused
        return ProviderStatus(
            state=ProviderState.UNAVAILABLE if failure else self._supervisor.state,
            reason=failure.message if failure else "",
            warning="" if failure else self._supervisor.warning,
            version=self._version,
            pool=self._pool.figures,
            quota=tuple(self._quota.values()),
            deadlines={name.value: count for name, count in self._time_limits.passed.items()},
        )

    def workers(self) -> Sequence[WorkerFigures]:
        """Every worker of the pool."""
        return self._pool.members()

    def observe(self, tell: Callable[[PoolEvent], None]) -> None:
        """Tell of what happens to its workers, beside the log."""
        self._observer = tell

    async def open_turn(self, request: TurnRequest) -> CliTurn:
        """Begin a turn, waiting for the self-test and a worker if need be."""
        self.check_request(request)
        if not self._supervisor.normal:
            await self._supervisor.admit()
        return await CliTurn.open(
            self._pool, request, self._time_limits, self._on_event, self._turn_ended
        )

    def drain(self) -> None:
        """End the workers that have no turn, and start none in reserve."""
        self._supervisor.rest()

    def resume(self) -> None:
        """Start workers in reserve again."""
        self._supervisor.wake()

    def restart(self) -> None:
        """Have all workers replaced, those with a turn after it; test an unavailable program."""
        self._supervisor.restart()

    async def aclose(self) -> None:
        """End the self-test and all workers."""
        self._resting.stop()
        await asyncio.gather(self._pool.aclose(), self._supervisor.aclose())

    def _turn_ended(self, error: HubError | None) -> None:
        if error is None:
            self._verified_at = time.time()
            self._supervisor.worked()
            if self._refused is not None:
                if self._supervisor.failure is self._refused:
                    self._supervisor.recover()
                self._refused = None
        elif isinstance(error, LoginRequired):
            self._refused = error
            self._supervisor.refused(error)

    def _identify(self) -> Program:
        return identify(self.worker_spec().argv)

    async def _self_test(self) -> None:
        conversation = await self._start_worker()
        try:
            inspected = await conversation.inspect(self._time_limits)
        finally:
            await conversation.aclose()
        if inspected.refusal is not None:
            raise inspected.refusal
        self._models = inspected.models

    async def _start_member(self) -> Conversation:
        await self._supervisor.before_start()
        conversation = await self._start_worker()
        conversation.supervise(self._supervisor.lost)
        self._resting.start()
        return conversation

    async def _start_worker(self) -> Conversation:
        conversation, ready = await Conversation.start(
            self.worker_spec(), self.new_dialect(), self._time_limits
        )
        try:
            self.check_version(ready.version)
        except BaseException:
            await conversation.aclose()
            raise
        self._version = ready.version
        return conversation

    def _start_failed(self, error: HubError) -> None:
        self._supervisor.start_failed(error)

    def _on_event(self, event: Event) -> None:
        if isinstance(event, QuotaSeen):
            self._quota |= {window.name: window for window in event.windows}

    def _on_pool_event(self, event: PoolEvent) -> None:
        write = log.debug if event.name in OFTEN else log.info
        write(
            event.name,
            provider=self.name,
            pid=event.pid,
            reason=event.reason,
            seconds=event.seconds,
        )
        if self._observer is not None:
            self._observer(event)
