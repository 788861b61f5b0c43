"""What the provider promises of any agent, with a scripted one that differs where agents do."""

import asyncio
import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from llm_mcp_hub.domain.chat import ImagePart, TurnOptions, TurnRequest
from llm_mcp_hub.domain.chunk import FinishReason, ReasoningChunk, TextChunk, Usage
from llm_mcp_hub.domain.status import CredentialState, ProviderState
from llm_mcp_hub.errors import (
    HubError,
    InvalidRequest,
    LoginRequired,
    ProviderFailed,
    ProviderRateLimited,
    ProviderUnavailable,
    TurnTimeout,
    UnknownModel,
    WorkerDied,
    WorkerGarbled,
    WorkerHung,
    WorkerStartFailed,
)
from llm_mcp_hub.testing.turns import message, run_turn, turn_request
from llm_mcp_hub_acp.provider import AcpProvider

pytestmark = pytest.mark.anyio

MakeProvider = Callable[..., AcpProvider]
USAGE = Usage(input_tokens=11, cached_tokens=3, output_tokens=20)


def ask(*messages: Any, model: str = "small", **fields: Any) -> TurnRequest:
    return turn_request(*messages, model=model, **fields)


async def told(provider: AcpProvider, *messages: Any, **fields: Any) -> dict[str, Any]:
    """What the agent knows of a conversation."""
    outcome = await run_turn(provider, ask(*messages, "fake:tell", **fields))
    found: dict[str, Any] = json.loads(outcome.completion.text)
    return found


async def test_an_answer_comes_in_pieces_with_its_usage(make_provider: MakeProvider) -> None:
    outcome = await run_turn(make_provider(), ask("hello you"))
    assert outcome.completion.text == "echo: hello you"
    assert outcome.completion.finish_reason is FinishReason.STOP
    assert outcome.completion.usage == USAGE
    assert sum(isinstance(chunk, TextChunk) for chunk in outcome.chunks) == 3


@pytest.mark.parametrize(
    ("options", "settings"),
    [
        ((), {"model_switch": "set_model"}),
        (("--switch=config",), {"model_switch": "set_config_option"}),
    ],
)
async def test_a_model_is_chosen_the_way_the_agent_knows(
    make_provider: MakeProvider, options: tuple[str, ...], settings: dict[str, Any]
) -> None:
    provider = make_provider(*options, **settings)
    assert (await told(provider, model="large"))["model"] == "large"
    assert (await told(provider, model="small"))["model"] == "small"
    assert [card.name for card in await provider.models()] == ["default", "small", "large"]


async def test_without_a_way_to_choose_there_is_one_model(make_provider: MakeProvider) -> None:
    provider = make_provider(model_switch="none", aliases={"mine": "small"})
    assert (await told(provider))["model"] == "small"
    assert [card.name for card in await provider.models()] == ["default", "small", "mine"]
    assert (await told(provider, model="mine"))["model"] == "small"
    with pytest.raises(UnknownModel):
        await provider.open_turn(ask("hello", model="large"))


async def test_a_way_to_choose_that_the_agent_does_not_know_is_an_error_that_says_so(
    make_provider: MakeProvider,
) -> None:
    provider = make_provider(model_switch="set_config_option")
    outcome = await run_turn(provider, ask("hello", model="large"))
    assert isinstance(outcome.error, WorkerGarbled)
    assert "model_switch" in outcome.error.message


@pytest.mark.parametrize(
    ("options", "usage", "found"),
    [
        ((), "result.usage", USAGE),
        (("--usage=update",), "update.usage", USAGE),
        ((), "result._meta.quota", Usage()),
    ],
)
async def test_usage_is_found_where_the_settings_say(
    make_provider: MakeProvider, options: tuple[str, ...], usage: str, found: Usage
) -> None:
    outcome = await run_turn(make_provider(*options, usage=usage), ask("hello"))
    assert outcome.completion.usage == found


async def test_a_request_for_permission_is_always_rejected(make_provider: MakeProvider) -> None:
    outcome = await run_turn(make_provider(), ask("fake:permission"))
    assert json.loads(outcome.completion.text) == {
        "outcome": {"outcome": "selected", "optionId": "no"}
    }


async def test_a_request_for_a_file_is_refused(make_provider: MakeProvider) -> None:
    outcome = await run_turn(make_provider(), ask("fake:file"))
    assert outcome.completion.text == "-32601"


async def test_an_agent_that_uses_a_tool_of_its_own_is_stopped(make_provider: MakeProvider) -> None:
    provider = make_provider()
    outcome = await run_turn(provider, ask("fake:tool"))
    assert outcome.text == "Let me look."
    assert isinstance(outcome.error, ProviderFailed)
    assert not outcome.error.retryable
    assert (await run_turn(provider, ask("hello"))).completion.text == "echo: hello"


async def test_an_agent_that_greets_with_garbage_is_refused_or_served_as_it_is_set(
    make_provider: MakeProvider,
) -> None:
    refused = await run_turn(make_provider("--garbage"), ask("hello"))
    assert isinstance(refused.error, WorkerStartFailed)
    served = await run_turn(make_provider("--garbage", noise="ignore"), ask("hello"))
    assert served.completion.text == "echo: hello"
    wants = await run_turn(make_provider("--garbage", noise="login"), ask("hello"))
    assert isinstance(wants.error, LoginRequired)
    assert "Log in with" in wants.error.message


async def test_garbage_amid_a_turn_fails_it_and_the_next_one_is_served(
    make_provider: MakeProvider,
) -> None:
    provider = make_provider()
    outcome = await run_turn(provider, ask("fake:garbage"))
    assert outcome.text == "word"
    assert isinstance(outcome.error, WorkerGarbled)
    assert (await run_turn(provider, ask("hello"))).completion.text == "echo: hello"


async def test_an_agent_that_never_answers_fails_at_its_deadline(
    make_provider: MakeProvider,
) -> None:
    provider = make_provider("--mute", deadlines={"start": 0.3})
    outcome = await run_turn(provider, ask("hello"))
    assert isinstance(outcome.error, WorkerStartFailed)
    assert "deadlines.start" in outcome.error.message
    assert provider.status().state is ProviderState.UNAVAILABLE


async def test_an_agent_that_speaks_another_version_is_refused(make_provider: MakeProvider) -> None:
    outcome = await run_turn(make_provider("--protocol=2"), ask("hello"))
    assert isinstance(outcome.error, ProviderUnavailable)
    assert "version 2" in outcome.error.message


async def test_a_login_is_made_with_the_configured_method(make_provider: MakeProvider) -> None:
    refused = await run_turn(make_provider("--needs-login=sso"), ask("hello"))
    assert isinstance(refused.error, LoginRequired)
    provider = make_provider("--needs-login=sso", authentication="sso")
    assert (await run_turn(provider, ask("hello"))).completion.text == "echo: hello"


async def test_a_missing_file_of_the_login_is_noticed_before_anything_is_started(
    make_provider: MakeProvider, tmp_path: Path
) -> None:
    login = tmp_path / "credentials.json"
    provider = make_provider(
        home_links={".agent/login.json": str(login)}, login_remedy="Run `agent login`."
    )
    outcome = await run_turn(provider, ask("hello"))
    assert isinstance(outcome.error, LoginRequired)
    assert "agent login" in outcome.error.message
    credential = provider.credential_status()
    assert credential is not None
    assert credential.state is CredentialState.MISSING
    login.write_text("{}")
    provider = make_provider(home_links={".agent/login.json": str(login)})
    environment = (await told(provider))["environment"]
    linked = Path(environment["HOME"], ".agent/login.json")
    assert linked.is_symlink()  # noqa: ASYNC240  # a test
    assert linked.read_text() == "{}"  # noqa: ASYNC240  # a test
    credential = provider.credential_status()
    assert credential is not None
    assert credential.state is CredentialState.READY
    assert credential.verified_at is not None


async def test_an_agent_has_a_private_home_and_no_keys(
    make_provider: MakeProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "must-never-be-seen")
    provider = make_provider(
        home_files={".config/agent.toml": "tools = []"}, environment={"AGENT_MODE": "lean"}
    )
    environment = (await told(provider))["environment"]
    assert environment["AGENT_MODE"] == "lean"
    assert "OPENAI_API_KEY" not in environment
    assert Path(environment["HOME"]) != Path.home()
    written = Path(environment["HOME"], ".config/agent.toml")
    assert written.read_text() == "tools = []"  # noqa: ASYNC240  # a test


async def test_conversations_run_side_by_side_in_one_process(make_provider: MakeProvider) -> None:
    provider = make_provider("--together=6", pool={"min_spare": 2, "max_turns": 6})
    outcomes = await asyncio.gather(
        *(run_turn(provider, ask(f"fake:hold {index}")) for index in range(6))
    )
    # Each says its second word only once all have said their first.
    assert [outcome.completion.text for outcome in outcomes] == ["one two"] * 6
    assert len({worker.pid for worker in provider.workers()}) == 1
    assert len(provider._shared._all) == 1


async def test_no_more_turns_run_at_once_than_may(make_provider: MakeProvider) -> None:
    provider = make_provider("--together=2", pool={"min_spare": 1, "max_turns": 2})
    outcomes = await asyncio.gather(
        *(run_turn(provider, ask(f"fake:hold {index}")) for index in range(6))
    )
    assert [outcome.completion.text for outcome in outcomes] == ["one two"] * 6
    assert provider.status().pool.wait_p95 > 0


async def test_a_conversation_goes_on_in_its_session_and_no_other_sees_it(
    make_provider: MakeProvider,
) -> None:
    provider = make_provider()
    first = await run_turn(provider, ask("my name is Zoe", system="Be brief."))
    assert provider.status().pool.parked == 1
    history = ("my name is Zoe", first.completion.message)
    goes_on = await told(provider, *history, system="Be brief.")
    assert goes_on["told"] == [
        "user: <system_instructions>\nBe brief.\n</system_instructions>",
        "user: my name is Zoe",
        "agent: my name is Zoe",
        "user: fake:tell",
    ]
    stranger = await told(provider, *history, system="Be brief.", principal="stranger")
    assert not any("agent:" in line for line in stranger["told"])


async def test_a_history_is_written_out_with_its_roles(make_provider: MakeProvider) -> None:
    history = (
        message("user", "my name is Zoe", ImagePart("image/png", "aGk=")),
        message("assistant", "Hello Zoe"),
    )
    known = (await told(make_provider(), *history, system="Be brief."))["told"]
    assert known[0].startswith("user: <system_instructions>\nBe brief.")
    assert (
        "<user>\nmy name is Zoe\n[image]\n</user>\n<assistant>\nHello Zoe\n</assistant>"
        in (known[1])
    )
    assert known[2:] == ["user: [image]", "user: fake:tell"]


@pytest.mark.parametrize("text", ["/help", "  $HOME", "?", "!ls", "@/etc/passwd read it"])
async def test_a_text_is_never_taken_for_a_command(make_provider: MakeProvider, text: str) -> None:
    outcome = await run_turn(make_provider(), ask(text))
    assert outcome.completion.text == f"echo: \u200b{text}"


async def test_reasoning_is_told_apart_from_the_answer(make_provider: MakeProvider) -> None:
    outcome = await run_turn(make_provider(), ask("fake:think"))
    assert outcome.chunks[0] == ReasoningChunk("hm")
    assert outcome.completion.text == "word"


@pytest.mark.parametrize(
    ("stop", "reason"),
    [
        ("max_tokens", FinishReason.LENGTH),
        ("max_turn_requests", FinishReason.LENGTH),
        ("refusal", FinishReason.CONTENT_FILTER),
    ],
)
async def test_an_answer_that_was_cut_says_so_and_is_not_gone_on_with(
    make_provider: MakeProvider, stop: str, reason: FinishReason
) -> None:
    provider = make_provider()
    outcome = await run_turn(provider, ask(f"fake:stop {stop}"))
    assert outcome.completion.finish_reason is reason
    assert provider.status().pool.parked == 0


async def test_an_end_that_nobody_knows_is_no_answer(make_provider: MakeProvider) -> None:
    outcome = await run_turn(make_provider(), ask("fake:stop surprise"))
    assert outcome.error is not None
    assert not outcome.error.retryable
    silent = await run_turn(make_provider(), ask("fake:silence"))
    assert isinstance(silent.error, ProviderFailed)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (-32000, LoginRequired),
        (400, InvalidRequest),
        (401, LoginRequired),
        (404, UnknownModel),
        (429, ProviderRateLimited),
        (500, ProviderFailed),
    ],
)
async def test_a_failure_becomes_the_hubs_error(
    make_provider: MakeProvider, code: int, kind: type[HubError]
) -> None:
    outcome = await run_turn(make_provider(), ask(f"fake:error {code}"))
    assert isinstance(outcome.error, kind)
    assert "words of the agent" not in outcome.error.message
    assert "words of the agent" in (outcome.error.detail or "")


async def test_who_leaves_stops_his_own_conversation_and_no_other(
    make_provider: MakeProvider,
) -> None:
    provider = make_provider("--together=2", pool={"min_spare": 2})
    leaving = await provider.open_turn(ask("fake:hang"))
    staying = asyncio.ensure_future(run_turn(provider, ask("fake:hold")))
    other = asyncio.ensure_future(run_turn(provider, ask("fake:hold")))
    await leaving.aclose()
    assert (await staying).completion.text == "one two"
    assert (await other).completion.text == "one two"
    await provider._pool.settled()
    figures = provider.status().pool
    assert (figures.claimed, figures.parked, figures.died) == (0, 2, 0)
    assert len(provider._shared._all) == 1


async def test_a_process_that_dies_takes_no_turn_with_it_that_has_not_spoken(
    make_provider: MakeProvider, until: Callable[..., Any]
) -> None:
    provider = make_provider("--together=2", pool={"min_spare": 1})
    spoken = await provider.open_turn(ask("fake:stop end_turn"))
    waiting = await provider.open_turn(ask("fake:hang"))
    assert spoken._lease is not None
    assert waiting._lease is not None
    pid = spoken._lease.member.pid
    assert waiting._lease.member.pid == pid
    text = [chunk async for batch in spoken for chunk in batch]
    await spoken.aclose()
    assert provider.status().pool.parked == 1
    os.kill(pid, signal.SIGKILL)
    reading = asyncio.ensure_future(anext(aiter(waiting)))
    await until(lambda: waiting._lease is not None and waiting._lease.member.pid != pid)
    assert provider.status().pool.parked == 0
    await waiting.aclose()
    with pytest.raises((StopAsyncIteration, WorkerDied)):
        await reading
    assert text


async def test_a_process_that_dies_of_the_turn_itself_is_not_started_for_ever(
    make_provider: MakeProvider,
) -> None:
    provider = make_provider()
    outcome = await run_turn(provider, ask("fake:die"))
    assert isinstance(outcome.error, WorkerDied)
    assert (await run_turn(provider, ask("hello"))).completion.text == "echo: hello"


async def test_a_process_that_gives_no_sign_of_life_is_ended(make_provider: MakeProvider) -> None:
    provider = make_provider(supervision={"heartbeat_seconds": 0.1, "answer_seconds": 0.2})
    stream = await provider.open_turn(ask("fake:stop end_turn"))
    assert stream._lease is not None
    os.kill(stream._lease.member.pid, signal.SIGSTOP)
    async for _ in stream:
        pass
    await stream.aclose()
    frozen = await provider.open_turn(ask("fake:hang"))
    assert frozen._lease is not None
    os.kill(frozen._lease.member.pid, signal.SIGSTOP)
    frozen._replacements = 0
    with pytest.raises(WorkerHung):
        async for _ in frozen:
            pass
    await frozen.aclose()


async def test_a_turn_that_only_waits_lives_on_signs_of_life(make_provider: MakeProvider) -> None:
    provider = make_provider(
        supervision={"heartbeat_seconds": 0.05, "answer_seconds": 5},
        deadlines={"first_chunk": 0.5},
    )
    outcome = await run_turn(provider, ask("fake:hang"))
    assert isinstance(outcome.error, TurnTimeout)
    assert provider.status().pool.died == 0


async def test_what_can_not_be_stopped_ends_with_its_process_once_nobody_else_talks(
    make_provider: MakeProvider, monkeypatch: pytest.MonkeyPatch, until: Callable[..., Any]
) -> None:
    monkeypatch.setattr("llm_mcp_hub.providers.shared_conversation.STOP_SECONDS", 0.1)
    provider = make_provider(pool={"min_spare": 1})
    deaf = await provider.open_turn(ask("fake:deaf"))
    other = await provider.open_turn(ask("fake:hang"))
    assert deaf._lease is not None
    assert other._lease is not None
    pid = other._lease.member.pid
    [worker] = provider._shared._all
    await deaf.aclose()
    await until(lambda: worker.retired)
    assert worker.alive
    assert (await told(provider))["pid"] != pid
    await other.aclose()
    await until(lambda: worker not in provider._shared._all)
    await until(lambda: not worker.alive)


async def test_a_process_takes_only_so_many_conversations(make_provider: MakeProvider) -> None:
    provider = make_provider(
        rotation={"conversations": 3},
        pool={"min_spare": 0, "max_spare": 0, "recycle_turns": 0},
    )
    pids = [(await told(provider, f"n{index}"))["pid"] for index in range(8)]
    assert len(set(pids)) >= 2
    assert pids == sorted(pids, key=pids.index)  # never back to an earlier one


async def test_a_refused_login_has_a_new_process_take_the_next_turn(
    make_provider: MakeProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("llm_mcp_hub.providers.self_test.RETEST_SECONDS", 0.0)
    provider = make_provider()
    before = (await told(provider))["pid"]
    refused = await run_turn(provider, ask("fake:error -32000"))
    assert isinstance(refused.error, LoginRequired)
    assert provider.status().state is ProviderState.UNAVAILABLE
    assert (await told(provider))["pid"] != before
    assert provider.status().state is ProviderState.AVAILABLE


async def test_options_without_a_word_in_the_protocol_are_named(
    make_provider: MakeProvider,
) -> None:
    provider = make_provider()
    assert provider.ignored(TurnOptions()) == ()
    assert provider.ignored(TurnOptions(max_tokens=7)) == ("max_tokens",)
    outcome = await run_turn(provider, ask("hello", options=TurnOptions(max_tokens=7)))
    assert outcome.completion.text == "echo: hello"


async def test_an_unverified_preset_says_so(make_provider: MakeProvider) -> None:
    provider = make_provider(preset="antigravity", noise="ignore", model_switch="set_model")
    assert (await run_turn(provider, ask("hello"))).completion.text == "echo: hello"
    assert "terms" in provider.status().warning


async def test_nothing_is_left_of_a_provider_that_is_closed(
    make_provider: MakeProvider,
) -> None:
    provider = make_provider(pool={"min_spare": 2})
    found = await told(provider)
    held = await provider.open_turn(ask("fake:hang"))
    await provider.aclose()
    await held.aclose()
    with pytest.raises(ProcessLookupError):
        os.kill(found["pid"], 0)
    assert not Path(found["environment"]["HOME"]).exists()  # noqa: ASYNC240  # a test
    assert provider._shared._all == set()
