"""Providers that tell the wrong thing of themselves; `breaks` has words of the promise."""

import asyncio
import socket
import subprocess
import time
from collections.abc import AsyncGenerator, Sequence

import msgspec
from tests.testing.defects.good import (
    SECRET,
    Good,
)

from llm_mcp_hub.domain.chat import TurnRequest
from llm_mcp_hub.domain.chunk import Chunk
from llm_mcp_hub.domain.model import ModelCard
from llm_mcp_hub.domain.status import (
    CredentialState,
    CredentialStatus,
    ProviderState,
    ProviderStatus,
    WorkerFigures,
)
from llm_mcp_hub.errors import ProviderOverloaded
from llm_mcp_hub.providers.base import ProviderContext


class RaisesBeforeTheStart(Good):
    breaks = "models never raises"
    ready = False

    async def start(self) -> None:
        self.ready = True

    async def models(self) -> Sequence[ModelCard]:
        if not self.ready:
            raise RuntimeError("not yet")
        return await super().models()


class ListsTwice(Good):
    breaks = "models never raises"
    model_names = ("all", "all")


class ListsNoModel(Good):
    breaks = "models never raises"
    model_names = ()


class ListsFirstWhatItDoesNotServe(Good):
    breaks = "the first model"

    async def models(self) -> Sequence[ModelCard]:
        return [ModelCard("ghost"), *await super().models()]


class RaisesAtTheStart(Good):
    breaks = "start returns"

    async def start(self) -> None:
        raise RuntimeError("no program")


class GetsReadyInTheForeground(Good):
    breaks = "start returns"

    async def start(self) -> None:
        await asyncio.sleep(0.3)


class AsksAProgramForItsStatus(Good):
    breaks = "do nothing but read"

    def status(self) -> ProviderStatus:
        subprocess.run(["true"], check=True)
        return super().status()


class WritesDownWhenItWasAsked(Good):
    breaks = "do nothing but read"

    def credential_status(self) -> CredentialStatus | None:
        (self.context.data_dir / "asked").write_text("now")
        return super().credential_status()


class ReadsMuchForItsWorkers(Good):
    breaks = "do nothing but read"

    def __init__(self, context: ProviderContext) -> None:
        super().__init__(context)
        self.log = context.data_dir / "log"
        self.log.write_bytes(bytes(1 << 20))

    def workers(self) -> Sequence[WorkerFigures]:
        self.log.read_bytes()
        return ()


class AsksAServerForItsStatus(Good):
    breaks = "do nothing but read"

    def status(self) -> ProviderStatus:
        with socket.socket() as client:
            client.connect_ex(("127.0.0.1", 9))
        return super().status()


class IsUnavailableWithoutAReason(Good):
    breaks = "a provider that is unavailable"

    def status(self) -> ProviderStatus:
        return ProviderStatus(ProviderState.UNAVAILABLE)


class StartsForEver(Good):
    breaks = "a provider that is unavailable"

    def status(self) -> ProviderStatus:
        return ProviderStatus(ProviderState.STARTING)


class HasNoRemedy(Good):
    breaks = "a credential status"

    def credential_status(self) -> CredentialStatus | None:
        return CredentialStatus(CredentialState.MISSING, message="It is not there.")


class CountsInMilliseconds(Good):
    breaks = "a credential status"

    def credential_status(self) -> CredentialStatus | None:
        until = time.time() * 1000
        return CredentialStatus(CredentialState.READY, expires_at=until, verified_at=1.0)


class NeverVerifiesItsLogin(Good):
    breaks = "a credential status"

    def credential_status(self) -> CredentialStatus | None:
        return CredentialStatus(CredentialState.READY)


class ShowsItsToken(Good):
    breaks = "shows a secret"

    def credential_status(self) -> CredentialStatus | None:
        status = super().credential_status()
        assert status is not None
        return msgspec.structs.replace(status, message=f"Logged in with {SECRET}.")


class ShowsItsTokenInAnError(Good):
    breaks = "shows a secret"

    async def answer(self, request: TurnRequest) -> AsyncGenerator[str | Chunk, None]:
        if "fail" in request.messages[-1].text:
            raise ProviderOverloaded(f"Refused: Bearer {SECRET}")
        async for piece in super().answer(request):
            yield piece
