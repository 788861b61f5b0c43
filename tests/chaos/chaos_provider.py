"""A plugin whose provider runs `worker.py`, as a vendor's tool is run.

It stands alone, so that a copy of it serves as an installed plugin in a hub of its own process.
"""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec
from msgspec import Struct

from llm_mcp_hub.domain.chat import TurnRequest
from llm_mcp_hub.hookspecs import hookimpl
from llm_mcp_hub.providers.base import ProviderContext, ProviderFactory
from llm_mcp_hub.providers.cli import CliProvider
from llm_mcp_hub.providers.deadlines import Deadlines
from llm_mcp_hub.providers.dialect import Event
from llm_mcp_hub.providers.echo import MODEL, EchoDialect
from llm_mcp_hub.providers.supervision import Supervision
from llm_mcp_hub.workers.limits import PoolLimits
from llm_mcp_hub.workers.spec import WorkerSpec
from llm_mcp_hub.workers.worker_limits import WorkerLimits

WORKER = Path(__file__).with_name("worker.py")
NOISE = b'{"type":"noise"}'


class ChaosSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """`marker` and `manner` are arguments of the program."""

    marker: str
    manner: str = ""
    pool: PoolLimits = PoolLimits()
    deadlines: Deadlines = Deadlines()
    supervision: Supervision = Supervision()
    limits: WorkerLimits = WorkerLimits()


class ChaosDialect(EchoDialect):
    """Tells the worker what users said: all of it, or what is new to a worker that remembers."""

    def begin(self, request: TurnRequest, *, continued: bool) -> None:
        said = request.messages[request.prior if continued else 0 :]
        texts = [message.text for message in said if message.role == "user"]
        self._outgoing += msgspec.json.encode({"type": "say", "texts": texts}) + b"\n"

    def receive(self, lines: Sequence[bytes]) -> Iterator[Event]:
        return super().receive([line for line in lines if line != NOISE])


class ChaosProvider(CliProvider):
    def __init__(self, name: str, settings: ChaosSettings) -> None:
        super().__init__(name, settings.pool, settings.deadlines, settings.supervision)
        arguments = [word for word in (settings.marker, settings.manner) if word]
        argv = (sys.executable, "-I", "-S", str(WORKER), *arguments)
        self._spec = WorkerSpec(argv, limits=settings.limits)

    def worker_spec(self) -> WorkerSpec:
        return self._spec

    def new_dialect(self) -> ChaosDialect:
        return ChaosDialect()

    def fallback_models(self):
        return (MODEL,)


def _create(context: ProviderContext) -> ChaosProvider:
    return ChaosProvider(context.name, context.settings)


@hookimpl
def hub_register_providers() -> list[ProviderFactory]:
    return [ProviderFactory("chaos", _create, ChaosSettings, automatic=False)]
