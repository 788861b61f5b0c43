"""A provider that is a program which carries many conversations in one worker.

Guarantees: those of `supervised.py`. A pool's member is one conversation: a blank is one that was
opened ahead and never spoken in, a parked one has served exactly one caller. The workers behind
them are few (`shared_workers.py`): one takes new conversations, and those before it end with the
last of theirs. A renewal of the pool is one of the workers too.
"""

from abc import abstractmethod
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from llm_mcp_hub.errors import HubError
from llm_mcp_hub.providers.deadlines import Deadlines
from llm_mcp_hub.providers.resting import Resting
from llm_mcp_hub.providers.rotation import Rotation
from llm_mcp_hub.providers.shared_conversation import SharedConversation
from llm_mcp_hub.providers.shared_dialect import SharedDialect
from llm_mcp_hub.providers.shared_worker import SharedWorker
from llm_mcp_hub.providers.shared_workers import SharedWorkers
from llm_mcp_hub.providers.supervised import SupervisedProvider
from llm_mcp_hub.providers.supervision import Supervision
from llm_mcp_hub.workers.limits import PoolLimits
from llm_mcp_hub.workers.memory import MemoryGauge
from llm_mcp_hub.workers.pool import Pool

SHARED_POOL = PoolLimits(
    min_spare=2, max_spare=4, max_workers=32, max_turns=6, recycle_turns=0, recycle_rss_mb=0
)
"""What suits conversations that cost half a megabyte each. How long a worker lives is the
rotation's to say."""


class SharedProvider(SupervisedProvider[SharedConversation]):
    """Base of providers that run a vendor's tool, many conversations per worker.

    Args:
        name: The name it is configured under.
        limits: Sizes of its pool, in conversations.
        deadlines: Of its turns.
        supervision: When a worker counts as hung, and the program as broken.
        rotation: How long one worker takes new conversations.
    """

    def __init__(
        self,
        name: str,
        limits: PoolLimits,
        deadlines: Deadlines,
        supervision: Supervision = Supervision(),  # noqa: B008  # immutable
        rotation: Rotation = Rotation(),  # noqa: B008  # immutable
    ) -> None:
        self._shared = SharedWorkers(self._start_worker, rotation, self._lost)
        super().__init__(name, limits, deadlines, supervision)

    @abstractmethod
    def new_dialect(self, directory: Path) -> SharedDialect:
        """A dialect for a fresh worker, whose private files are in `directory`."""

    async def aclose(self) -> None:
        """End the self-test, all conversations and all workers."""
        await super().aclose()
        await self._shared.aclose()

    async def _self_test(self) -> None:
        self._models = (await self._shared.renew()).models

    async def _start_member(self) -> SharedConversation:
        await self._supervisor.before_start()
        conversation = await self._shared.open()
        self._resting.start()
        return conversation

    async def _start_worker(self) -> SharedWorker:
        worker = await SharedWorker.start(self.worker_spec(), self.new_dialect, self._time_limits)
        try:
            self.check_version(worker.says.version)
        except BaseException:
            await worker.aclose()
            raise
        self._version = worker.says.version
        if worker.says.capabilities is not None:
            self.capabilities = worker.says.capabilities
        return worker

    def _lost(self, error: HubError) -> None:
        self._supervisor.lost(error)

    def _workers_at_rest(self) -> Iterable[Resting]:
        return self._shared.resting

    def _make_pool(self, limits: PoolLimits) -> Pool[SharedConversation]:
        return _SharedPool(
            self._shared,
            self._start_member,
            limits,
            self._start_failed,
            on_event=self._on_pool_event,
            room_for=MemoryGauge().room_for,
        )


class _SharedPool(Pool[SharedConversation]):
    """A pool whose renewal retires the workers behind its members."""

    def __init__(self, shared: SharedWorkers, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._shared = shared

    def renew(self) -> None:
        """See `Pool.renew`."""
        super().renew()
        self._shared.retire()
