"""A provider that is a program which carries one conversation in each worker.

Guarantees: those of `supervised.py`; a worker is a pool's member, and its process ends with its
conversation.
"""

from abc import abstractmethod
from collections.abc import Iterable

from llm_mcp_hub.providers.conversation import Conversation
from llm_mcp_hub.providers.dialect import Dialect
from llm_mcp_hub.providers.resting import Resting
from llm_mcp_hub.providers.supervised import SupervisedProvider


class CliProvider(SupervisedProvider[Conversation]):
    """Base of providers that run a vendor's tool, one conversation per worker."""

    @abstractmethod
    def new_dialect(self) -> Dialect:
        """A dialect for a fresh worker."""

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

    def _workers_at_rest(self) -> Iterable[Resting]:
        return self._pool.idle()
