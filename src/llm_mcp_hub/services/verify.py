"""Finding out whether a provider answers, by having it answer.

Guarantee: one turn of the caller's, as small as can be, with the provider's default model; it is in
no session, and ends within `VERIFY_SECONDS`.
"""

import asyncio
import time

from msgspec import Struct

from llm_mcp_hub.domain.access import Principal
from llm_mcp_hub.domain.chat import Message, TextPart
from llm_mcp_hub.domain.status import CredentialStatus
from llm_mcp_hub.errors import ProviderUnavailable, TurnTimeout
from llm_mcp_hub.providers.registry import Registry
from llm_mcp_hub.services.chat import ChatService
from llm_mcp_hub.services.command import ChatCommand

VERIFY_SECONDS = 60.0
PROMPT = "Reply with the single word: ok"


class Verification(Struct, frozen=True):
    """A provider has answered.

    Attributes:
        model: `provider/name` of the model that was asked.
        verified_at: When it had answered, Unix seconds.
        seconds: How long that took.
        credential: Its login; None if it needs none.
    """

    provider: str
    model: str
    verified_at: float
    seconds: float
    credential: CredentialStatus | None


class VerifyService:
    """See the module."""

    def __init__(self, registry: Registry, chat: ChatService) -> None:
        self._registry = registry
        self._chat = chat

    async def verify(self, caller: Principal, name: str) -> Verification:
        """Have a provider answer.

        Raises:
            UnknownProvider: There is none of that name.
            TurnTimeout: No answer within `VERIFY_SECONDS`.
            HubError: Why it does not answer: not logged in, a limit, …
        """
        provider = self._registry.get(name)
        models = await provider.models()
        if not models:
            raise ProviderUnavailable(f"The provider {name!r} offers no model to ask.")
        model = f"{name}/{models[0].name}"
        message = Message("user", (TextPart(PROMPT),))
        command = ChatCommand(model=model, messages=(message,), remember=False)
        began = time.monotonic()
        try:
            async with asyncio.timeout(VERIFY_SECONDS):
                turn = await self._chat.open_turn(caller, command)
                try:
                    await turn.collect()
                finally:
                    await turn.aclose()
        except TimeoutError:
            raise TurnTimeout(
                f"{model} did not answer within {VERIFY_SECONDS:g} s. Look at the provider's pool, "
                "then try again."
            ) from None
        return Verification(
            provider=name,
            model=model,
            verified_at=time.time(),
            seconds=time.monotonic() - began,
            credential=provider.credential_status(),
        )
