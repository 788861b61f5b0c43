"""The hub's own providers keep every promise of the contract kit."""

import asyncio
import re
from collections.abc import AsyncGenerator, Callable
from pathlib import Path

import pytest

from llm_mcp_hub.domain.chat import TurnRequest
from llm_mcp_hub.domain.chunk import Chunk, FinishChunk, FinishReason, Usage
from llm_mcp_hub.errors import ProviderOverloaded
from llm_mcp_hub.providers.base import Provider, ProviderContext
from llm_mcp_hub.providers.echo import EchoProvider, EchoSettings
from llm_mcp_hub.providers.plain import PlainProvider
from llm_mcp_hub.testing import Abilities, check_provider, provider_promises
from llm_mcp_hub.testing.provider_suite import PROVIDER_PROMISES
from llm_mcp_hub.workers.limits import PoolLimits

pytestmark = pytest.mark.anyio

ECHO = Abilities(
    echoes=True,
    usage=True,
    max_tokens=True,
    slow="word " * 20_000,
    at_once=3,
    own_workers=True,
    calls="/call {name} {arguments}",
    parallel=True,
)


def make_echo() -> EchoProvider:
    return EchoProvider("echo", EchoSettings(0.005, PoolLimits(min_spare=1, max_workers=3)))


class Telling(PlainProvider):
    """Says everything it was told, a word at a time."""

    model_names = ("all", "other")

    async def answer(self, request: TurnRequest) -> AsyncGenerator[str | Chunk, None]:
        told = [request.system, *(message.text for message in request.messages)]
        words = re.findall(r"\s*\S+", "\n".join(text for text in told if text))
        if "fail" in request.messages[-1].text:
            raise ProviderOverloaded("It is too much. Try again later.")
        said = 0
        for word in words[: request.options.max_tokens]:
            yield word
            said += 1
            await asyncio.sleep(0)
        if "wait" in request.messages[-1].text:
            await asyncio.Event().wait()
        cut = said < len(words)
        yield FinishChunk(FinishReason.LENGTH if cut else FinishReason.STOP, Usage(9, 0, said))


PLAIN = Abilities(
    echoes=True,
    remembers=True,
    system=True,
    usage=True,
    max_tokens=True,
    slow="wait",
    fails="fail",
    at_once=20,
)


@pytest.fixture
def make_plain(tmp_path: Path) -> Callable[[], Provider]:
    return lambda: Telling(ProviderContext("plain", None, tmp_path, {}))


def text_of(number: int) -> str:
    return f"{number} {PROVIDER_PROMISES[number - 1]}"


@pytest.mark.parametrize("number", provider_promises(ECHO), ids=text_of)
async def test_echo_keeps_the_promise(number: int) -> None:
    await check_provider(make_echo, ECHO, number)


@pytest.mark.parametrize("number", provider_promises(PLAIN), ids=text_of)
async def test_a_plain_provider_keeps_the_promise(
    number: int, make_plain: Callable[[], Provider]
) -> None:
    await check_provider(make_plain, PLAIN, number)


def test_promises_are_told_apart_by_their_texts() -> None:
    texts = [promise.text for promise in PROVIDER_PROMISES]
    assert len(set(texts)) == len(texts)


def test_every_promise_needs_abilities_that_exist() -> None:
    for promise in PROVIDER_PROMISES:
        assert set(promise.needs) <= set(Abilities.__struct_fields__)


async def test_a_promise_that_can_t_be_seen_is_not_said_to_be_kept() -> None:
    hidden = set(range(1, len(PROVIDER_PROMISES) + 1)) - set(provider_promises(Abilities()))
    assert hidden
    for number in hidden:
        with pytest.raises(ValueError, match="abilities"):
            await check_provider(make_echo, Abilities(), number)
