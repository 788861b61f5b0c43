"""The official OpenAI library holds conversations with the real Claude Code through the hub."""

import base64
import json
import threading
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
from openai import OpenAI
from tests.e2e.conftest import TOKEN, HubMaker, figures, kill_workers, sdk, until, workers

from llm_mcp_hub.testing.hub import TestHub
from llm_mcp_hub_claude.testing.messages_api import FakeMessagesApi, Reply

pytestmark = [pytest.mark.real_cli, pytest.mark.xdist_group("claude"), pytest.mark.timeout(180)]

MODEL = "claude/sonnet"
"""Any other name of the list would do."""


def user(text: str) -> list[Any]:
    return [{"role": "user", "content": text}]


def said(vendor: FakeMessagesApi) -> list[tuple[str, str]]:
    """The conversation that the latest vendor request carries.

    Claude Code 2.1.329 puts a note of its own about platform, date and working directory after
    the first user turn, under the role `system`; nothing turns it off.
    """
    turns = vendor.requests[-1].turns
    return [
        (role, "".join(block.get("text", "") for block in blocks))
        for role, blocks in turns
        if role != "system"
    ]


def test_its_models_are_listed(client: OpenAI, hub: TestHub) -> None:
    until(lambda: hub.hub.registry.get("claude").status().version, "the self-test")
    ids = {model.id for model in client.models.list()}
    assert {"claude/sonnet", "claude/haiku", "claude/opus"} <= ids
    assert client.models.retrieve(MODEL).owned_by == "claude"


def test_an_answer_comes_whole_with_its_usage(client: OpenAI) -> None:
    answer = client.chat.completions.create(model=MODEL, messages=user("good morning"))
    assert answer.choices[0].message.content == "echo: good morning"
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage is not None
    assert answer.usage.prompt_tokens == 11 + 7 + 3
    assert answer.usage.prompt_tokens_details is not None
    assert answer.usage.prompt_tokens_details.cached_tokens == 3
    assert answer.usage.completion_tokens == 20


def test_an_answer_is_streamed_while_it_is_made(client: OpenAI, vendor: FakeMessagesApi) -> None:
    vendor.script(Reply(text="one two three four", pieces=4, hold_after=2, thinking="hm"))
    stream = client.chat.completions.create(
        model=MODEL, messages=user("count"), stream=True, stream_options={"include_usage": True}
    )
    text, reasoning, usage = "", "", None
    for chunk in stream:
        if chunk.choices:
            text += chunk.choices[0].delta.content or ""
            reasoning += getattr(chunk.choices[0].delta, "reasoning_content", None) or ""
        usage = chunk.usage or usage
        if text and vendor.requests[-1].state == "open":
            vendor.release()
    assert text == "one two three four"
    assert reasoning == "hm"
    assert usage is not None
    assert usage.completion_tokens == 20


@pytest.mark.parametrize("session", [None, "e2e-named"])
def test_a_conversation_goes_on(
    client: OpenAI, vendor: FakeMessagesApi, session: str | None
) -> None:
    headers = {"X-Session-ID": session} if session else {}
    messages = user(f"first of {session}")
    first = client.chat.completions.create(model=MODEL, messages=messages, extra_headers=headers)
    if session is None:
        messages += [{"role": "assistant", "content": first.choices[0].message.content}]
        messages += user("second")
    else:
        messages = user("second")
    client.chat.completions.create(model=MODEL, messages=messages, extra_headers=headers)
    assert said(vendor) == [
        ("user", f"first of {session}"),
        ("assistant", f"echo: first of {session}"),
        ("user", "second"),
    ]


def test_a_history_arrives_as_real_turns(client: OpenAI, vendor: FakeMessagesApi) -> None:
    client.chat.completions.create(
        model=MODEL,
        messages=[
            {"role": "system", "content": "Be brief, test."},
            {"role": "user", "content": "earlier question"},
            {"role": "assistant", "content": "earlier answer"},
            {"role": "user", "content": "now"},
        ],
    )
    assert said(vendor) == [
        ("user", "earlier question"),
        ("assistant", "earlier answer"),
        ("user", "now"),
    ]
    assert "Be brief, test." in vendor.requests[-1].system


def test_an_image_arrives(client: OpenAI, vendor: FakeMessagesApi) -> None:
    pixel = (
        "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJg"
        "gg=="
    )
    content = [
        {"type": "text", "text": "what is this?"},
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{pixel}"}},
    ]
    client.chat.completions.create(
        model=MODEL,
        messages=[{"role": "user", "content": content}],  # type: ignore[typeddict-item, misc, list-item]  # plain dicts
    )
    kinds = {
        block["type"]
        for role, blocks in vendor.requests[-1].turns
        for block in blocks
        if role == "user"
    }
    assert kinds == {"text", "image"}


def test_a_pdf_arrives_in_the_question_and_in_the_history(
    client: OpenAI, vendor: FakeMessagesApi
) -> None:
    data = base64.b64encode(b"%PDF-1.4\ntrailer<</Root 1 0 R>>\n%%EOF\n").decode()
    file = {"filename": "a.pdf", "file_data": f"data:application/pdf;base64,{data}"}
    asked = [{"type": "text", "text": "what is this?"}, {"type": "file", "file": file}]
    told: list[Any] = [{"role": "user", "content": asked}]
    for _ in range(2):
        client.chat.completions.create(
            model=MODEL, messages=told, extra_headers={"x-session-id": "none"}
        )
        documents = [
            block
            for role, blocks in vendor.requests[-1].turns
            for block in blocks
            if role == "user" and block["type"] == "document"
        ]
        source = {"type": "base64", "media_type": "application/pdf", "data": data}
        assert [(one["source"], one["title"]) for one in documents] == [(source, "a.pdf")]
        told += [{"role": "assistant", "content": "A page."}, {"role": "user", "content": "And?"}]


def test_the_vendor_sees_the_conversation_and_nothing_else(
    client: OpenAI, vendor: FakeMessagesApi
) -> None:
    client.chat.completions.create(model=MODEL, messages=user("look at @/etc/hostname please"))
    request = vendor.requests[-1]
    assert request.headers["authorization"] == f"Bearer {TOKEN}"
    assert "x-api-key" not in request.headers
    assert not request.body.get("tools")
    whole = str(request.body)
    assert "look at @/etc/hostname please" in whole
    assert Path("/etc/hostname").read_text().strip() not in whole
    assert "CLAUDE.md" not in whole
    assert "must-never-be-used" not in whole + str(request.headers)


ERRORS = [
    (Reply(status=400), 400, "invalid_request", "false"),
    (Reply(status=401), 503, "login_required", "false"),
    (Reply(status=403), 503, "login_required", "false"),
    (Reply(status=404), 404, "model_not_found", "false"),
    (Reply(status=413), 413, "request_too_large", "false"),
    (Reply(status=429), 429, "provider_rate_limited", "true"),
    (Reply(status=500), 502, "provider_failed", "true"),
    (Reply(status=529), 503, "provider_overloaded", "true"),
    (Reply(drop=True), 502, "provider_failed", "true"),
]


@pytest.mark.parametrize(("reply", "status", "code", "retry"), ERRORS)
def test_every_failure_of_the_vendor_has_its_status_and_code(
    hub: TestHub, vendor: FakeMessagesApi, reply: Reply, status: int, code: str, retry: str
) -> None:
    vendor.default = reply
    answer = httpx.post(
        f"{hub.base_url}/v1/chat/completions",
        json={"model": MODEL, "messages": user("fail")},
        headers=hub.headers(),
        timeout=60,
    )
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    assert answer.headers["x-should-retry"] == retry
    assert TOKEN not in answer.text


def test_a_vendor_that_hangs_ends_with_the_hubs_own_deadline(
    make_hub: HubMaker, vendor: FakeMessagesApi
) -> None:
    vendor.default = Reply(hang=True)
    with make_hub(deadlines={"first_chunk": 3.0}) as hub:
        answer = httpx.post(
            f"{hub.base_url}/v1/chat/completions",
            json={"model": MODEL, "messages": user("hang")},
            headers=hub.headers(),
            timeout=60,
        )
        assert (answer.status_code, answer.json()["error"]["code"]) == (504, "turn_timeout")
        assert "first_chunk" in answer.json()["error"]["message"]
        assert answer.headers["x-should-retry"] == "false"
        vendor.wait(lambda: vendor.requests[0].state == "aborted")
        assert len(vendor.requests) == 1


def test_a_plan_limit_says_when_it_ends(hub: TestHub, vendor: FakeMessagesApi) -> None:
    import time

    resets = int(time.time()) + 7200
    window = "anthropic-ratelimit-unified"
    vendor.default = Reply(
        status=429,
        headers={
            f"{window}-status": "rejected",
            f"{window}-reset": str(resets),
            f"{window}-representative-claim": "five_hour",
            f"{window}-5h-status": "rejected",
            f"{window}-5h-reset": str(resets),
            f"{window}-5h-utilization": "1.0",
        },
    )
    answer = httpx.post(
        f"{hub.base_url}/v1/chat/completions",
        json={"model": MODEL, "messages": user("limit")},
        headers=hub.headers(),
        timeout=60,
    )
    assert (answer.status_code, answer.json()["error"]["code"]) == (429, "provider_rate_limited")
    assert 7000 < int(answer.headers["retry-after"]) <= 7200
    assert answer.headers["x-should-retry"] == "false"
    assert len(vendor.requests) == 1


def test_an_unknown_model_costs_nothing(client: OpenAI, vendor: FakeMessagesApi) -> None:
    with pytest.raises(openai.NotFoundError):
        client.chat.completions.create(model="claude/no-such-model", messages=user("x"))
    assert not vendor.requests


def test_a_cut_upstream_never_repeats_text(client: OpenAI, vendor: FakeMessagesApi) -> None:
    vendor.script(Reply(text="abcdefgh", pieces=8, hold_after=4, then="cut"))
    stream = client.chat.completions.create(model=MODEL, messages=user("cut"), stream=True)
    text = ""
    with pytest.raises(openai.APIError):  # noqa: PT012  # the text before the error counts
        for chunk in stream:
            text += chunk.choices[0].delta.content or ""
            if text:
                vendor.release()
    assert text == "abcd"
    assert vendor.requests[0].state == "cut"


def test_a_client_that_leaves_stops_the_generation_and_its_worker(
    hub: TestHub, client: OpenAI, vendor: FakeMessagesApi
) -> None:
    vendor.script(Reply(text="some words that never end", pieces=5, hold_after=3))
    stream = client.chat.completions.create(model=MODEL, messages=user("leave"), stream=True)
    for chunk in stream:
        if chunk.choices[0].delta.content:
            break
    request = vendor.requests[-1]
    before = workers()
    stream.close()
    vendor.wait(lambda: request.state == "aborted")
    until(lambda: figures(hub)[0] == 0, "the end of the claim")
    until(lambda: before - workers(), "the end of the worker")


def test_a_stream_that_was_cut_is_resumed_and_asked_for_once(
    hub: TestHub, vendor: FakeMessagesApi
) -> None:
    vendor.script(Reply(text="one two three four five six", pieces=6, hold_after=3))
    body = {"model": MODEL, "messages": user("count"), "stream": True}
    with (
        httpx.Client(base_url=hub.base_url, headers=hub.headers(), timeout=60) as http,
        http.stream("POST", "/v1/chat/completions", json=body) as response,
    ):
        first = read_events(response, 4)
        turn_id = response.headers["x-turn-id"]
    vendor.release()
    headers = hub.headers() | {"Last-Event-ID": str(first[-1][0])}
    url = f"{hub.base_url}/v1/turns/{turn_id}/events"
    with httpx.stream("GET", url, headers=headers, timeout=60) as response:
        events = first + read_events(response)
    assert [number for number, _ in events] == list(range(len(events)))
    assert events[-1][1] == "[DONE]"
    deltas = [json.loads(data)["choices"][0]["delta"] for _, data in events[:-1]]
    assert "".join(delta.get("content", "") for delta in deltas) == "one two three four five six"
    assert len(vendor.requests) == 1


def test_one_idempotency_key_is_one_vendor_request(hub: TestHub, vendor: FakeMessagesApi) -> None:
    headers = hub.headers() | {"Idempotency-Key": "only-once"}
    body = {"model": MODEL, "messages": user("once")}
    url = f"{hub.base_url}/v1/chat/completions"
    answers = [httpx.post(url, json=body, headers=headers, timeout=60) for _ in range(2)]
    assert answers[0].status_code == 200
    assert answers[0].json() == answers[1].json()
    assert answers[1].headers["idempotent-replayed"] == "true"
    assert len(vendor.requests) == 1


def read_events(response: httpx.Response, count: int | None = None) -> list[tuple[int, str]]:
    """The id and the data of each event that comes, of at most `count`."""
    found: list[tuple[int, str]] = []
    number = -1
    for line in response.iter_lines():
        if line.startswith("id: "):
            number = int(line[4:])
        elif line.startswith("data: "):
            found.append((number, line[6:]))
            if len(found) == count:
                break
    return found


def test_two_principals_never_share_a_session(hub: TestHub, vendor: FakeMessagesApi) -> None:
    headers = {"X-Session-ID": "same-name"}
    for name in ("ann", "bob"):
        with sdk(hub, hub.token(name)) as caller:
            caller.chat.completions.create(
                model=MODEL, messages=user(f"I am {name}"), extra_headers=headers
            )
            assert said(vendor) == [("user", f"I am {name}")]


def test_of_two_turns_at_once_on_a_session_one_is_refused_unspent(
    hub: TestHub, client: OpenAI, vendor: FakeMessagesApi
) -> None:
    headers = {"X-Session-ID": "busy"}
    vendor.script(Reply(hold_after=1))
    answers: list[Any] = []

    def first() -> None:
        answers.append(
            client.chat.completions.create(
                model=MODEL, messages=user("first"), extra_headers=headers
            )
        )

    running = threading.Thread(target=first)
    running.start()
    vendor.wait(lambda: len(vendor.requests) == 1)
    with pytest.raises(openai.ConflictError):
        client.chat.completions.create(model=MODEL, messages=user("2nd"), extra_headers=headers)
    vendor.release()
    running.join(60)
    assert answers[0].choices[0].message.content == "echo: first"
    assert len(vendor.requests) == 1


def test_killing_the_worker_between_turns_costs_nothing_but_time(
    hub: TestHub, client: OpenAI, vendor: FakeMessagesApi
) -> None:
    headers = {"X-Session-ID": "killed"}
    client.chat.completions.create(model=MODEL, messages=user("one"), extra_headers=headers)
    kill_workers(hub)
    client.chat.completions.create(model=MODEL, messages=user("two"), extra_headers=headers)
    assert said(vendor) == [("user", "one"), ("assistant", "echo: one"), ("user", "two")]


def test_a_session_survives_a_restart_of_the_hub(
    make_hub: HubMaker, vendor: FakeMessagesApi, tmp_path: Path
) -> None:
    state = f"sqlite:///{tmp_path / 'hub.db'}"
    headers = {"X-Session-ID": "kept"}
    with make_hub(state) as hub, sdk(hub, hub.token("keeper")) as caller:
        caller.chat.completions.create(model=MODEL, messages=user("one"), extra_headers=headers)
        token = caller.api_key
    with make_hub(state) as hub, sdk(hub, token) as caller:
        caller.chat.completions.create(model=MODEL, messages=user("two"), extra_headers=headers)
    assert said(vendor) == [("user", "one"), ("assistant", "echo: one"), ("user", "two")]
