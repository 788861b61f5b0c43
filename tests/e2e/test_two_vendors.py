"""One conversation goes from one vendor's real tool to the other's and back, under one id."""

from collections.abc import Iterator
from typing import Any

import pytest
from openai import OpenAI
from tests.e2e.conftest import sdk

from llm_mcp_hub.testing.hub import TestHub
from llm_mcp_hub_claude.testing.messages_api import FakeMessagesApi
from llm_mcp_hub_gemini.testing.code_assist import FakeCodeAssist

pytestmark = [
    pytest.mark.usefixtures("fresh_google"),
    pytest.mark.real_cli,
    pytest.mark.xdist_group("claude"),
    pytest.mark.timeout(180),
]

CLAUDE = "claude/sonnet"
GEMINI = "gemini/gemini-2.5-flash"


@pytest.fixture(scope="module")
def hub(two_vendors: TestHub) -> TestHub:
    return two_vendors


@pytest.fixture(scope="module")
def client(hub: TestHub) -> Iterator[OpenAI]:
    with sdk(hub) as made:
        yield made


def claude_was_told(vendor: FakeMessagesApi) -> list[tuple[str, str]]:
    return [
        (role, "".join(block.get("text", "") for block in blocks))
        for role, blocks in vendor.requests[-1].turns
        if role != "system"
    ]


def gemini_was_told(google: FakeCodeAssist) -> list[tuple[str, str]]:
    roles = {"model": "assistant", "user": "user"}
    return [(roles[role], "".join(parts)) for role, parts in google.requests[-1].turns]


def say(client: OpenAI, session: str, model: str, text: str, **fields: Any) -> str:
    answer = client.chat.completions.create(
        model=model,
        messages=[{"role": "user", "content": text}],
        extra_headers={"X-Session-ID": session},
        **fields,
    )
    return answer.choices[0].message.content or ""


def conversation(*texts: str) -> list[tuple[str, str]]:
    """What was said, the answers being echoes, up to the last text, which has none yet."""
    told: list[tuple[str, str]] = []
    for text in texts:
        told += [("user", text), ("assistant", f"echo: {text}")]
    return told[:-1]


@pytest.mark.parametrize("start", ["claude", "gemini"])
def test_a_conversation_keeps_its_history_from_one_vendor_to_the_other_and_back(
    client: OpenAI, vendor: FakeMessagesApi, google: FakeCodeAssist, start: str
) -> None:
    order = [CLAUDE, GEMINI, CLAUDE, GEMINI]
    told = {CLAUDE: lambda: claude_was_told(vendor), GEMINI: lambda: gemini_was_told(google)}
    if start == "gemini":
        order = order[1:]
    session = f"across-{start}"
    texts = ["my name is Zoe", "who am I?", "/help me", "and now"][: len(order)]
    for number, (model, text) in enumerate(zip(order, texts, strict=True)):
        assert say(client, session, model, text).replace("\u200b", "") == f"echo: {text}"
        heard = [(role, words.replace("\u200b", "")) for role, words in told[model]()]
        assert heard == conversation(*texts[: number + 1])


def test_options_that_gemini_does_not_know_are_named(client: OpenAI) -> None:
    raw = client.chat.completions.with_raw_response.create(
        model=GEMINI,
        messages=[{"role": "user", "content": "hello"}],
        max_tokens=7,
        temperature=0.5,
    )
    assert raw.headers["x-hub-ignored"] == "temperature, max_tokens"
    assert raw.parse().choices[0].message.content == "echo: hello"


def test_the_login_of_gemini_is_shown_without_a_date(client: OpenAI, hub: TestHub) -> None:
    say(client, "none", GEMINI, "hello")
    answer = client.get("/../health/tokens", cast_to=object)
    [token] = [one for one in answer["data"] if one["provider"] == "gemini"]  # type: ignore[index]  # parsed JSON
    assert token["status"] == "valid"
    assert token["expires_at"] is None
    assert token["refreshed_at"] is not None
    assert token["verified_at"] is not None
    assert token["last_error"] == ""
