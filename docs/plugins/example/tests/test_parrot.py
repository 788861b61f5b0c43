import asyncio
from pathlib import Path

import httpx
import llm_mcp_hub_parrot
import pytest
from llm_mcp_hub_parrot import Parrot, ParrotSettings

from llm_mcp_hub.providers.base import ProviderContext
from llm_mcp_hub.testing import Abilities, check_provider, create_test_hub, provider_promises

ABILITIES = Abilities(
    model="long",
    echoes=True,
    remembers=True,
    system=True,
    usage=True,
    max_tokens=True,
    slow="word " * 100_000,
    fails=" ",
    at_once=20,
)


def make():
    return Parrot(ProviderContext("parrot", ParrotSettings(word_seconds=0.001), Path(), {}))


@pytest.mark.parametrize("number", provider_promises(ABILITIES))
def test_a_promise_is_kept(number):
    asyncio.run(check_provider(make, ABILITIES, number))


def test_it_answers_through_a_hub():
    with create_test_hub(plugins=[("parrot", llm_mcp_hub_parrot)]) as hub:
        answer = httpx.post(
            f"{hub.base_url}/v1/chat/completions",
            headers=hub.headers(),
            json={"model": "parrot/short", "messages": [{"role": "user", "content": "hello"}]},
        )
    assert answer.json()["choices"][0]["message"]["content"] == "hello"
