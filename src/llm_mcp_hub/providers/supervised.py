"""What all providers that are programs have in common: their life from the self-test to the end.

`cli.py` is for tools that carry one conversation in each worker, `shared.py` for those that carry
many in one. Guarantees: those of `supervisor.py` about when it takes requests; a login that was
refused during a turn shows in the status until a turn succeeds, and no worker that was started with
it is used again.
"""

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from typing import Generic

import structlog

from llm_mcp_hub.domain.chat import TurnOptions, TurnRequest
from llm_mcp_hub.domain.model import Capability, ModelCard
from llm_mcp_hub.domain.status import (
    CredentialStatus,
    ProviderState,
    ProviderStatus,
    QuotaWindow,
    WorkerFigures,
)
from llm_mcp_hub.errors import HubError, LoginRequired
from llm_mcp_hub.providers.deadlines import Deadlines, TimeLimits
from llm_mcp_hub.providers.dialect import Event, QuotaSeen
from llm_mcp_hub.providers.member import T
from llm_mcp_hub.providers.program import Program, identify
from llm_mcp_hub.providers.resting import Resting, RestingHeartbeat
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


class SupervisedProvider(ABC, Generic[T]):
    """See the module. `T` is the member of its pool: a live conversation.

    Args:
        name: The name it is configured under.
        limits: Sizes of its pool.
        deadlines: Of its turns.
        supervision: When a worker counts as hung, and the program as broken.
    """

    capabilities: frozenset[Capability] = frozenset()

    def __init__(
        self,
        name: str,
        limits: PoolLimits,
        deadlines: Deadlines,
        supervision: Supervision = Supervision(),  # noqa: B008  # immutable
    ) -> None:
        self.name = name
        self._time_limits = TimeLimits(deadlines, supervision)
        self._pool = self._make_pool(limits)
        self._supervisor = Supervisor(
            name, self._pool, self._self_test, self._identify, supervision
        )
        self._resting = RestingHeartbeat(self._workers_at_rest, supervision)
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
    async def _start_member(self) -> T:
        """Start a member of the pool, ready to use."""

    @abstractmethod
    async def _self_test(self) -> None:
        """See whether the program works; sets `_models`. Raises what is wrong."""

    @abstractmethod
    def _workers_at_rest(self) -> Iterable[Resting]:
        """The workers that have no turn now."""

    def check_version(self, version: str | None) -> None:  # optional to override
        """Refuse a program that is too old.

        Raises:
            ProviderUnavailable: It is.
        """

    def check_request(self, request: TurnRequest) -> None:  # optional to override
        """Refuse a request that this provider can't serve.

        Raises:
            BadRequest: It can't.
        """

    def ignored(self, options: TurnOptions) -> Sequence[str]:  # noqa: ARG002  # to be overridden
        """Every option has an effect. Overridden by those of which that is not true."""
        return ()

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

    async def open_turn(self, request: TurnRequest) -> CliTurn[T]:
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

    def _make_pool(self, limits: PoolLimits) -> Pool[T]:
        return Pool(
            self._start_member,
            limits,
            self._start_failed,
            on_event=self._on_pool_event,
            room_for=MemoryGauge().room_for,
        )

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
