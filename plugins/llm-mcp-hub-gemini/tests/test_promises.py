"""The provider keeps the promises of the contract kit, with the real Gemini CLI."""

import re
from collections.abc import Callable

import pytest

from llm_mcp_hub.testing import Abilities, check_provider
from llm_mcp_hub.testing.provider_suite import PROVIDER_PROMISES, provider_promises
from llm_mcp_hub_gemini.provider import GeminiProvider
from llm_mcp_hub_gemini.testing.code_assist import FakeCodeAssist, Reply, Request
from llm_mcp_hub_gemini.testing.login import ACCESS_TOKEN, REFRESH_TOKEN

pytestmark = [pytest.mark.anyio, pytest.mark.real_cli, pytest.mark.xdist_group("gemini")]

WAIT, FAIL = "please wait", "please fail"


def abilities(api: FakeCodeAssist | None) -> Abilities:
    requests = api.requests if api is not None else []
    return Abilities(
        model="gemini-2.5-flash",
        echoes=True,
        remembers=True,
        system=True,
        usage=True,
        slow=WAIT,
        fails=FAIL,
        at_once=3,
        secrets=(ACCESS_TOKEN, REFRESH_TOKEN),
        generating=lambda: sum(request.state == "open" for request in requests),
        asked=lambda: len(requests),
    )


def tell(request: Request) -> Reply:
    """Answer with all that the request tells, the words of its system prompt first."""
    if FAIL in request.last_user_text:
        return Reply(status=400)
    system, said = "", []
    for _, parts in request.turns:
        for part in parts:
            if part.startswith("<system_instructions>"):
                system = part
            else:
                said.append(part)
    text = "\n".join([*re.findall(r"\bw[0-9a-f]{10}\b", system), *said])
    return Reply(text=text, hold_after=1 if WAIT in request.last_user_text else None)


@pytest.mark.parametrize(
    "number",
    provider_promises(abilities(None)),
    ids=lambda number: f"{number} {PROVIDER_PROMISES[number - 1]}",
)
async def test_the_provider_keeps_the_promise(
    number: int, make_provider: Callable[..., GeminiProvider], api: FakeCodeAssist
) -> None:
    api.default = tell
    await check_provider(make_provider, abilities(api), number)
