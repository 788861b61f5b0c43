"""What turns without an answer have used is counted, with the vendors' real tools.

How much that is, the tools tell: Claude Code what it has read as soon as an answer begins, the
Gemini CLI nothing before its answer is over.
"""

from collections.abc import Iterator
from itertools import count
from typing import Any

import httpx
import openai
import pytest
from openai import OpenAI
from tests.e2e.conftest import sdk, until

from llm_mcp_hub.testing.hub import TestHub
from llm_mcp_hub_claude.testing.messages_api import FakeMessagesApi
from llm_mcp_hub_claude.testing.messages_api import Reply as ClaudeReply
from llm_mcp_hub_gemini.testing.code_assist import FakeCodeAssist
from llm_mcp_hub_gemini.testing.code_assist import Reply as GeminiReply

pytestmark = [
    pytest.mark.usefixtures("fresh_google"),
    pytest.mark.real_cli,
    pytest.mark.xdist_group("claude"),
    pytest.mark.timeout(180),
]

CLAUDE = "claude/sonnet"
GEMINI = "gemini/gemini-2.5-flash"
BEGUN = (21, 3, 1)
"""Input, cached and output tokens of an answer of the fake Messages API that has begun."""
WHOLE = (21, 3, 20)
GEMINI_WHOLE = (31, 0, 17)
NUMBERS = count(1)
TOKENS = 1000
"""What each caller may use."""


@pytest.fixture(scope="module")
def hub(two_vendors: TestHub) -> TestHub:
    return two_vendors


class Caller:
    """Somebody with an access token of its own, whose name nobody else has."""

    def __init__(self, hub: TestHub, name: str) -> None:
        self._hub = hub
        self._name = name
        body = {"name": name, "scopes": ["chat"], "limits": {"tokens_per_day": TOKENS}}
        made = httpx.post(
            f"{hub.base_url}/v1/access-tokens", headers=hub.headers(), json=body, timeout=30
        )
        made.raise_for_status()
        self.client: OpenAI = sdk(hub, made.json()["token"])

    def ask(self, model: str, text: str = "hello", **fields: Any) -> Any:
        messages: Any = [{"role": "user", "content": text}]
        return self.client.chat.completions.create(model=model, messages=messages, **fields)

    def begin(self, model: str) -> Any:
        """A stream whose first text has come."""
        stream = self.ask(model, stream=True)
        assert next(chunk for chunk in stream if chunk.choices[0].delta.content)
        return stream

    def counted(self, requests: int = 1) -> dict[str, tuple[int, int, int]]:
        """Input, cached and output tokens by provider, once so many requests are over."""

        def figures() -> dict[str, dict[str, int]]:
            params = {"group_by": "access_token,provider"}
            url = f"{self._hub.base_url}/v1/usage"
            answer = httpx.get(url, headers=self._hub.headers(), params=params, timeout=30)
            groups = answer.raise_for_status().json()["groups"]
            mine = [one for one in groups if one["access_token"] == self._name]
            return {one["provider"]: one["figures"] for one in mine}

        until(
            lambda: sum(one["requests"] for one in figures().values()) == requests,
            "the counting of the turns",
        )
        return {
            name: (one["input_tokens"], one["cached_tokens"], one["output_tokens"])
            for name, one in figures().items()
        }

    def left(self) -> int:
        """Of its tokens of this day, before the request that asks for it."""
        raw = self.client.chat.completions.with_raw_response.create(
            model=CLAUDE, messages=[{"role": "user", "content": "hello"}]
        )
        return int(raw.headers["x-ratelimit-remaining-tokens"])


@pytest.fixture
def caller(hub: TestHub) -> Iterator[Caller]:
    made = Caller(hub, f"caller-{next(NUMBERS)}")
    with made.client:
        yield made


def test_claude_s_answer_that_breaks_off_is_counted(
    caller: Caller, vendor: FakeMessagesApi
) -> None:
    vendor.script(ClaudeReply(text="abcdefghij", hold_after=3, then="error event"))
    vendor.release()
    with pytest.raises(openai.APIStatusError):
        caller.ask(CLAUDE)
    assert caller.counted() == {"claude": BEGUN}


def test_claude_s_answer_whose_client_has_left_is_counted(
    caller: Caller, vendor: FakeMessagesApi
) -> None:
    vendor.script(ClaudeReply(text="some words that never end", pieces=5, hold_after=3))
    caller.begin(CLAUDE).close()
    vendor.wait(lambda: vendor.requests[-1].state == "aborted")
    assert caller.counted() == {"claude": BEGUN}
    assert caller.left() == TOKENS - BEGUN[0] - BEGUN[2]


def test_claude_s_next_turn_is_counted_alone(caller: Caller, vendor: FakeMessagesApi) -> None:
    headers = {"X-Session-ID": "after-a-failure"}
    vendor.script(ClaudeReply(text="abcdefghij", hold_after=3, then="error event"))
    vendor.release()
    with pytest.raises(openai.APIStatusError):
        caller.ask(CLAUDE, extra_headers=headers)
    for _ in range(2):
        caller.ask(CLAUDE, extra_headers=headers)
    assert caller.counted(3) == {"claude": (3 * 21, 3 * 3, 1 + 2 * 20)}


def test_gemini_s_answer_without_a_word_is_counted(caller: Caller, google: FakeCodeAssist) -> None:
    google.script(GeminiReply(text="", thought="**Hm**\nhm"))
    with pytest.raises(openai.APIStatusError):
        caller.ask(GEMINI)
    assert caller.counted() == {"gemini": GEMINI_WHOLE}


@pytest.mark.parametrize("leaves", [True, False])
def test_of_gemini_s_answer_that_breaks_off_nobody_knows_what_it_has_used(
    caller: Caller, google: FakeCodeAssist, leaves: bool
) -> None:
    then = "go on" if leaves else "cut"
    google.script(GeminiReply(text="abcdefgh", hold_after=2, then=then))
    stream = caller.begin(GEMINI)
    if leaves:
        stream.close()
        google.wait(lambda: google.requests[-1].state == "aborted")
    else:
        google.release()
        with pytest.raises(openai.APIError):
            list(stream)
    assert caller.counted() == {"gemini": (0, 0, 0)}


def test_what_one_vendor_has_used_in_vain_is_counted_with_the_other_s_answer(
    caller: Caller, vendor: FakeMessagesApi
) -> None:
    vendor.default = ClaudeReply(hold_after=0, then="error event")
    vendor.release()
    answer = caller.ask(f"{CLAUDE},{GEMINI}")
    assert answer.choices[0].message.content == "echo: hello"
    assert answer.usage.prompt_tokens == GEMINI_WHOLE[0]
    asked = len(vendor.requests)  # it tries again by itself
    input_tokens, cached, output = (asked * one for one in BEGUN)
    whole = (input_tokens + GEMINI_WHOLE[0], cached, output + GEMINI_WHOLE[2])
    assert caller.counted() == {"gemini": whole}
