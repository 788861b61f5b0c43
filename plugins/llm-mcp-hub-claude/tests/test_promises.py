"""The provider keeps every promise of the contract kit, with the fake tool and the real one."""

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from llm_mcp_hub.testing import Abilities, check_provider
from llm_mcp_hub.testing.provider_suite import PROVIDER_PROMISES
from llm_mcp_hub.workers.limits import PoolLimits
from llm_mcp_hub_claude.provider import ClaudeProvider
from llm_mcp_hub_claude.testing.messages_api import FakeMessagesApi, Reply, Request, ToolCall

pytestmark = pytest.mark.anyio

WAIT, FAIL, CALL = "please wait", "please fail", "please call "


def abilities(api: FakeMessagesApi, token: str) -> Abilities:
    return Abilities(
        model="haiku",
        echoes=True,
        remembers=True,
        system=True,
        usage=True,
        max_tokens=True,
        slow=WAIT,
        fails=FAIL,
        at_once=3,
        own_workers=True,
        calls=f"{CALL}{{name}} {{arguments}}",
        parallel=True,
        secrets=(token,),
        generating=lambda: sum(request.state == "open" for request in api.requests),
        asked=lambda: len(api.requests),
    )


def calls_in(text: str) -> tuple[ToolCall, ...]:
    """The calls that a text asks for, each in a line of its own."""
    wanted = [line.removeprefix(CALL) for line in text.splitlines() if line.startswith(CALL)]
    parts = [line.partition(" ") for line in wanted]
    return tuple(ToolCall(f"mcp__client__{name}", arguments) for name, _, arguments in parts)


def texts_in(blocks: str | Sequence[dict[str, Any]]) -> Iterator[str]:
    """All texts, those in the results of tools too."""
    if isinstance(blocks, str):
        yield blocks
        return
    for block in blocks:
        if block["type"] == "text":
            yield block["text"]
        elif block["type"] == "tool_result":
            yield from texts_in(block["content"])


def tell(request: Request) -> Reply:
    """Answer with all that the request tells, the words of its system prompt first."""
    if FAIL in request.last_user_text:
        return Reply(status=413)
    last = request.conversation[-1][1][-1]
    if calls := calls_in(last.get("text", "")):
        return Reply(text="", calls=calls)
    words = re.findall(r"\bw[0-9a-f]{10}\b", request.system)
    said = [text for _, blocks in request.conversation for text in texts_in(blocks)]
    text = "\n".join([*words, *said])
    if WAIT in request.last_user_text:
        return Reply(text=text, hold_after=1)
    if request.body["max_tokens"] == 1:
        return Reply(text=text.split()[0], stop_reason="max_tokens")
    return Reply(text=text)


@pytest.mark.parametrize(
    "number",
    range(1, len(PROVIDER_PROMISES) + 1),
    ids=lambda number: f"{number} {PROVIDER_PROMISES[number - 1]}",
)
async def test_the_provider_keeps_the_promise(
    number: int,
    make_provider: Callable[..., ClaudeProvider],
    executable: str,
    api: FakeMessagesApi,
) -> None:
    api.default = tell
    # No spares: most promises need one worker, and each start of the real tool takes its time.
    pool = PoolLimits(min_spare=0, max_workers=3)
    await check_provider(
        lambda: make_provider(executable, pool=pool), abilities(api, "sk-ant-oat01-test"), number
    )
