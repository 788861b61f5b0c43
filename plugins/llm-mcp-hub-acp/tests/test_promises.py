"""The provider keeps the promises of the contract kit, with the scripted agent."""

from collections.abc import Callable

import pytest

from llm_mcp_hub.testing import Abilities, check_provider
from llm_mcp_hub.testing.provider_suite import PROVIDER_PROMISES, provider_promises
from llm_mcp_hub_acp.provider import AcpProvider

pytestmark = pytest.mark.anyio

ABILITIES = Abilities(
    model="small",
    prompt="{}",
    echoes=True,
    usage=True,
    slow="fake:slow",
    fails="fake:error 400",
    at_once=3,
)


@pytest.mark.parametrize(
    "number",
    provider_promises(ABILITIES),
    ids=lambda number: f"{number} {PROVIDER_PROMISES[number - 1]}",
)
async def test_the_provider_keeps_the_promise(
    number: int, make_provider: Callable[..., AcpProvider]
) -> None:
    await check_provider(make_provider, ABILITIES, number)
