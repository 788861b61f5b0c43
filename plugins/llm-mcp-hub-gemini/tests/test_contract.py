"""What the provider promises, with the real Gemini CLI on a loopback Code Assist."""

import asyncio
import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from llm_mcp_hub.domain.chat import ImagePart
from llm_mcp_hub.domain.chunk import FinishReason, ReasoningChunk, TextChunk, Usage
from llm_mcp_hub.domain.status import CredentialState, ProviderState
from llm_mcp_hub.errors import (
    ContextTooLong,
    HubError,
    InvalidRequest,
    LoginRequired,
    ProviderFailed,
    ProviderOverloaded,
    ProviderRateLimited,
    ProviderStreamCut,
    ProviderUnavailable,
    TurnTimeout,
    UnknownModel,
)
from llm_mcp_hub.testing.turns import Outcome, message, run_turn, turn_request
from llm_mcp_hub_acp.prompt import SHIELD
from llm_mcp_hub_gemini.provider import GeminiProvider
from llm_mcp_hub_gemini.testing.code_assist import ACCOUNT, FakeCodeAssist, Reply
from llm_mcp_hub_gemini.testing.login import ACCESS_TOKEN, write_login

pytestmark = [pytest.mark.anyio, pytest.mark.real_cli, pytest.mark.xdist_group("gemini")]

MakeProvider = Callable[..., GeminiProvider]
MODEL = "gemini-2.5-flash"
PIXEL = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk"
    "+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


def ask(*messages: Any, model: str = MODEL, **fields: Any) -> Any:
    return turn_request(*messages, model=model, **fields)


async def recovered(provider: GeminiProvider) -> None:
    """Wait until the provider has found out by itself that what was wrong is over."""
    async with asyncio.timeout(60):
        while provider.status().state is not ProviderState.AVAILABLE:  # noqa: ASYNC110
            await asyncio.sleep(0.05)


async def test_a_turn_is_answered_in_pieces_with_its_usage(
    provider: GeminiProvider, api: FakeCodeAssist
) -> None:
    outcome = await run_turn(provider, ask("hello you there", system="Be brief."))
    assert outcome.completion.text == "echo: hello you there"
    assert outcome.completion.finish_reason is FinishReason.STOP
    assert outcome.completion.usage == Usage(input_tokens=31, output_tokens=17)
    assert sum(isinstance(chunk, TextChunk) for chunk in outcome.chunks) == 4
    [request] = api.requests
    assert request.model == MODEL
    assert request.headers["authorization"] == f"Bearer {ACCESS_TOKEN}"
    assert request.turns == [
        ("user", ["<system_instructions>\nBe brief.\n</system_instructions>", "hello you there"])
    ]


async def test_nothing_of_the_tools_own_gets_in_the_way(
    provider: GeminiProvider, api: FakeCodeAssist
) -> None:
    await run_turn(provider, ask("hello"))
    [request] = api.requests
    assert request.body["request"]["tools"] == [{"functionDeclarations": []}]
    assert len(request.system) < 300
    assert str(Path.cwd()) not in json.dumps(request.body)
    assert request.turns == [("user", ["hello"])]


async def test_an_answer_is_streamed_while_it_is_made(
    provider: GeminiProvider, api: FakeCodeAssist
) -> None:
    api.script(Reply(text="one two three four", hold_after=2, thought="**Hm**\nhm"))
    stream = await provider.open_turn(ask("count"))
    chunks: list[Any] = []
    async for batch in stream:
        chunks += batch
        if any(isinstance(chunk, TextChunk) for chunk in chunks):
            assert api.requests[0].state in ("open", "done")
            api.release()
    await stream.aclose()
    assert isinstance(chunks[0], ReasoningChunk)
    assert "".join(c.text for c in chunks if isinstance(c, TextChunk)) == "one two three four"


async def test_the_next_turn_goes_on_in_the_same_session(
    provider: GeminiProvider, api: FakeCodeAssist
) -> None:
    first = await run_turn(provider, ask("my name is Zoe", system="Be brief."))
    history = ("my name is Zoe", first.completion.message)
    second = await run_turn(provider, ask(*history, "who am I?", system="Be brief."))
    await run_turn(
        provider, ask(*history, "who am I?", second.completion.message, "!", system="Be brief.")
    )
    sessions = {request.body["request"]["session_id"] for request in api.requests}
    assert len(sessions) == 1
    assert api.requests[-1].turns == [
        (
            "user",
            ["<system_instructions>\nBe brief.\n</system_instructions>", "my name is Zoe"],
        ),
        ("model", ["echo: my name is Zoe"]),
        ("user", ["who am I?"]),
        ("model", ["echo: who am I?"]),
        ("user", [f"{SHIELD}!"]),
    ]


async def test_a_history_is_rebuilt_with_its_roles_and_images(
    provider: GeminiProvider, api: FakeCodeAssist
) -> None:
    history = [
        message("user", "/help me, I am Zoe"),
        message("assistant", "Hello Zoe"),
        message("user", "look", ImagePart("image/png", PIXEL)),
        message("user", "and say"),
        message("assistant", "A pixel"),
    ]
    outcome = await run_turn(provider, ask(*history, "?", system="Be brief."))
    assert outcome.completion.text == f"echo: {SHIELD}?"
    image = {"inlineData": {"mimeType": "image/png", "data": PIXEL}}
    assert api.requests[-1].turns == [
        (
            "user",
            [
                "<system_instructions>\nBe brief.\n</system_instructions>",
                f"{SHIELD}/help me, I am Zoe",
            ],
        ),
        ("model", ["Hello Zoe"]),
        ("user", ["look", image, "and say"]),
        ("model", ["A pixel"]),
        ("user", [f"{SHIELD}?"]),
    ]
    again = [*history, message("user", "?"), outcome.completion.message]
    await run_turn(provider, ask(*again, "more", system="Be brief."))
    assert api.requests[-1].turns[:-2] == api.requests[-2].turns


async def test_an_image_arrives(provider: GeminiProvider, api: FakeCodeAssist) -> None:
    await run_turn(provider, ask(message("user", ImagePart("image/png", PIXEL), "what is it?")))
    image = {"inlineData": {"mimeType": "image/png", "data": PIXEL}}
    assert api.requests[-1].turns == [("user", [image, "what is it?"])]


async def test_eight_conversations_are_answered_at_once_in_one_process(
    provider: GeminiProvider, api: FakeCodeAssist
) -> None:
    api.default = Reply(hold_after=2)
    turns = [asyncio.ensure_future(run_turn(provider, ask(f"number {n}"))) for n in range(8)]
    # All eight are half way, before any is over: they overlap, whatever the clock says.
    await api.wait_async(lambda: sum(request.sent == 2 for request in api.requests) == 8)
    assert all(request.state == "open" for request in api.requests)
    assert len({worker.pid for worker in provider.workers()}) == 1
    api.release()
    outcomes = await asyncio.gather(*turns)
    assert [outcome.completion.text for outcome in outcomes] == [
        f"echo: number {n}" for n in range(8)
    ]


async def test_who_leaves_stops_the_back_end_and_no_other_conversation(
    provider: GeminiProvider, api: FakeCodeAssist
) -> None:
    api.default = Reply(text="abcdefgh", hold_after=2)
    leaving = await provider.open_turn(ask("leaving"))
    staying = asyncio.ensure_future(run_turn(provider, ask("staying")))
    await api.wait_async(lambda: sum(request.sent == 2 for request in api.requests) == 2)
    async for _ in leaving:
        break
    await leaving.aclose()
    await api.wait_async(lambda: any(request.state == "aborted" for request in api.requests))
    api.release()
    assert (await staying).completion.text == "abcdefgh"
    await provider._pool.settled()
    # Nothing of the conversation that is over is left on the disk.
    [worker] = provider._shared._all
    files = list(worker._worker.directory.glob("home/.gemini/tmp/*/chats/*"))
    assert files
    assert not any("leaving" in file.read_text() for file in files)
    assert provider.status().pool.died == 0


async def test_a_process_that_was_killed_costs_nothing_but_time(
    own_provider: GeminiProvider, api: FakeCodeAssist
) -> None:
    first = await run_turn(own_provider, ask("one"))
    [pid] = {worker.pid for worker in own_provider.workers()}
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    outcome = await run_turn(own_provider, ask("one", first.completion.message, "two"))
    assert outcome.completion.text == "echo: two"
    assert api.requests[-1].turns == [
        ("user", ["one"]),
        ("model", ["echo: one"]),
        ("user", ["two"]),
    ]


async def test_a_model_that_hangs_ends_at_the_deadline(
    make_provider: MakeProvider, api: FakeCodeAssist
) -> None:
    provider = make_provider(deadlines={"first_chunk": 1.0}, supervision={"heartbeat_seconds": 0.2})
    try:
        await run_turn(provider, ask("warm"))
        api.script(Reply(hang=True))
        outcome = await run_turn(provider, ask("hello"))
        assert isinstance(outcome.error, TurnTimeout)
        await api.wait_async(lambda: api.requests[-1].state == "aborted")
        assert provider.status().pool.died == 0
        assert (await run_turn(provider, ask("hello"))).completion.text == "echo: hello"
    finally:
        await provider.aclose()


async def test_models_are_those_of_the_login_and_any_full_name(
    provider: GeminiProvider, api: FakeCodeAssist
) -> None:
    await run_turn(provider, ask("hello", model="gemini-2.5-pro"))
    assert api.requests[-1].model == "gemini-2.5-pro"
    names = {card.name for card in await provider.models()}
    assert {"auto", "gemini-2.5-pro"} <= names
    with pytest.raises(UnknownModel):
        await provider.open_turn(ask("hello", model="gpt-4o"))


PROJECT = {"metadata": {"model": MODEL}, "domain": "cloudcode-pa.googleapis.com"}
ERROR_INFO = "type.googleapis.com/google.rpc.ErrorInfo"
ERRORS: list[tuple[Reply, type[HubError], bool]] = [
    (Reply(status=400), InvalidRequest, False),
    (
        Reply(status=400, error="The input token count (2000000) exceeds the maximum."),
        ContextTooLong,
        False,
    ),
    (Reply(status=401), LoginRequired, False),
    (Reply(status=403), LoginRequired, False),
    (Reply(status=404, error="Requested entity was not found."), UnknownModel, False),
    (
        Reply(
            status=429,
            error="Quota exceeded for requests per minute.",
            details=(
                {"@type": ERROR_INFO, "reason": "RATE_LIMIT_EXCEEDED", **PROJECT},
                {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "2s"},
            ),
        ),
        ProviderRateLimited,
        True,
    ),
    (
        Reply(
            status=429,
            error="You have exhausted your capacity. Your quota will reset after 11h22m.",
            details=(
                {"@type": ERROR_INFO, "reason": "QUOTA_EXHAUSTED", **PROJECT},
                {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "40920s"},
            ),
        ),
        ProviderRateLimited,
        False,
    ),
    (Reply(status=500), ProviderFailed, True),
    (Reply(status=503), ProviderOverloaded, True),
    (Reply(hold_after=0, then="cut"), ProviderFailed, True),
    (Reply(text="", finish="SAFETY"), ProviderFailed, False),
]


@pytest.mark.parametrize(
    ("reply", "kind", "retryable"),
    ERRORS,
    ids=[f"{reply.status}-{kind.__name__}" for reply, kind, _ in ERRORS],
)
async def test_a_failure_becomes_the_hubs_error(
    own_provider: GeminiProvider,
    api: FakeCodeAssist,
    reply: Reply,
    kind: type[HubError],
    retryable: bool,
) -> None:
    if reply.hold_after is not None:
        api.release()
    api.script(reply)
    outcome = await run_turn(own_provider, ask("hello"))
    assert type(outcome.error) is kind
    assert outcome.error.retryable is retryable
    assert "scripted" not in outcome.error.message
    assert len(api.requests) == 1  # nothing was tried again
    if kind is ProviderRateLimited:
        assert outcome.error.retry_after == (60.0 if retryable else 40_920.0)
    after = await run_turn(own_provider, ask("hello"))
    assert after.completion.text == "echo: hello"


async def test_an_answer_that_is_cut_is_never_repeated(
    provider: GeminiProvider, api: FakeCodeAssist
) -> None:
    api.script(Reply(text="abcdefgh", then="cut"))
    outcome = await run_turn(provider, ask("hello"))
    assert outcome.text == "abcd"
    assert isinstance(outcome.error, ProviderStreamCut)
    assert not outcome.error.retryable
    assert len(api.requests) == 1


async def test_an_answer_that_hits_a_limit_says_so(
    provider: GeminiProvider, api: FakeCodeAssist
) -> None:
    api.script(Reply(text="abcdefgh", finish=""))
    outcome = await run_turn(provider, ask("hello"))
    assert outcome.completion.text == "abcdefgh"
    assert outcome.completion.finish_reason is FinishReason.LENGTH


async def test_the_refusal_of_a_private_login_says_what_to_do(
    own_provider: GeminiProvider, api: FakeCodeAssist
) -> None:
    api.entitled = False
    outcome = await run_turn(own_provider, ask("hello"))
    assert type(outcome.error) is ProviderUnavailable
    assert "Standard and Enterprise" in outcome.error.message
    status = own_provider.status()
    assert status.state is ProviderState.UNAVAILABLE
    assert "no longer for individuals" in status.reason
    credential = own_provider.credential_status()
    assert "Standard and Enterprise" in credential.last_error
    api.entitled = True
    await recovered(own_provider)
    assert (await run_turn(own_provider, ask("hello"))).completion.text == "echo: hello"
    assert own_provider.credential_status().last_error == ""


async def test_an_expired_login_is_renewed_by_the_tool_through_the_link(
    make_provider: MakeProvider, api: FakeCodeAssist, tmp_path: Path
) -> None:
    login = write_login(tmp_path / "login", expires_in=-3600)
    provider = make_provider(login)
    try:
        outcome = await run_turn(provider, ask("hello"))
    finally:
        await provider.aclose()
    assert outcome.completion.text == "echo: hello"
    assert api.requests[-1].headers["authorization"] == "Bearer ya29.renewed"
    stored = json.loads((login / "oauth_creds.json").read_text())
    assert stored["access_token"] == "ya29.renewed"
    assert not (login / "oauth_creds.json").is_symlink()


async def login_refused(provider: GeminiProvider) -> Outcome:
    outcome = await run_turn(provider, ask("hello"))
    assert isinstance(outcome.error, LoginRequired)
    assert "llm-mcp-hub setup gemini" in outcome.error.message
    assert provider.status().state is ProviderState.UNAVAILABLE
    return outcome


async def test_a_login_that_was_revoked_is_noticed_at_the_start(
    make_provider: MakeProvider,
    api: FakeCodeAssist,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("llm_mcp_hub.providers.self_test.RETEST_SECONDS", 0.0)
    login = write_login(tmp_path / "login", expires_in=-3600)
    api.token_status = 400
    provider = make_provider(login)
    try:
        await login_refused(provider)
        credential = provider.credential_status()
        assert credential.state is CredentialState.EXPIRED
        assert credential.last_error
        api.reset()
        write_login(login)
        await recovered(provider)
        assert (await run_turn(provider, ask("hello"))).completion.text == "echo: hello"
        assert provider.credential_status().state is CredentialState.READY
    finally:
        await provider.aclose()


async def test_a_login_that_is_refused_in_the_middle_has_another_process_try_the_next(
    own_provider: GeminiProvider, api: FakeCodeAssist
) -> None:
    assert (await run_turn(own_provider, ask("hello"))).completion.text == "echo: hello"
    [before] = {worker.pid for worker in own_provider.workers()}
    api.script(Reply(status=401))
    await login_refused(own_provider)
    assert (await run_turn(own_provider, ask("hello"))).completion.text == "echo: hello"
    [after] = {worker.pid for worker in own_provider.workers() if worker.state != "ending"}
    assert after != before


async def test_without_a_login_nothing_is_started(
    make_provider: MakeProvider, tmp_path: Path
) -> None:
    provider = make_provider(tmp_path / "empty")
    try:
        await login_refused(provider)
        assert provider.credential_status().state is CredentialState.MISSING
        assert provider.status().pool.starts == 0
    finally:
        await provider.aclose()


async def test_the_login_shows_whose_it_is_and_when_it_was_used(
    own_provider: GeminiProvider, api: FakeCodeAssist
) -> None:
    await run_turn(own_provider, ask("hello"))
    credential = own_provider.credential_status()
    assert credential.state is CredentialState.READY
    assert credential.expires_at is None
    assert credential.refreshed_at is not None
    assert credential.verified_at is not None
    assert credential.account in (None, "zo…@example.com")
    assert ACCOUNT not in str(credential)
