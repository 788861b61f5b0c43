"""The official Anthropic library, unchanged, against a served hub."""

from collections.abc import Iterator

import anthropic
import httpx
import pytest
from anthropic import Anthropic, beta_tool
from anthropic.types import MessageParam, ToolParam, ToolResultBlockParam
from pydantic import BaseModel


@pytest.fixture(scope="module")
def client(hub) -> Iterator[Anthropic]:
    with Anthropic(base_url=hub.base_url, auth_token=hub.admin_token, timeout=20) as client:
        yield client


def user(text: str) -> list[MessageParam]:
    return [{"role": "user", "content": text}]


@pytest.mark.parametrize("model", ["echo/echo", "echo", "gpt-4o"])
def test_a_message_is_whole_and_counted(client, model):
    answer = client.messages.create(model=model, max_tokens=64, messages=user("two words"))

    assert answer.type == "message"
    assert answer.role == "assistant"
    assert answer.id.startswith("msg_")
    assert answer.model == "echo/echo"
    assert [(block.type, block.text) for block in answer.content] == [("text", "two words")]
    assert (answer.stop_reason, answer.stop_sequence) == ("end_turn", None)
    assert (answer.usage.input_tokens, answer.usage.output_tokens) == (2, 2)
    assert answer.usage.cache_read_input_tokens == 0
    assert answer._request_id is not None
    assert answer._request_id.startswith("turn-")


def test_a_stream_gives_its_text_as_it_comes_and_the_same_message_at_its_end(client):
    with client.messages.stream(
        model="echo/echo", max_tokens=64, messages=user("one two three")
    ) as stream:
        texts = list(stream.text_stream)
        final = stream.get_final_message()

    assert len(texts) > 1
    assert "".join(texts) == "one two three"
    assert final.content[0].text == "one two three"
    assert final.stop_reason == "end_turn"
    assert final.usage.output_tokens == 3
    whole = client.messages.create(model="echo/echo", max_tokens=64, messages=user("one two three"))
    same = {"id", "usage"}
    assert final.to_dict() | dict.fromkeys(same) == whole.to_dict() | dict.fromkeys(same)
    assert final.usage.to_dict() == whole.usage.to_dict()


def test_a_raw_stream_has_the_events_that_the_reference_names(client):
    with client.messages.create(
        model="echo/echo", max_tokens=64, messages=user("one two"), stream=True
    ) as stream:
        kinds = [event.type for event in stream]

    assert kinds[:2] == ["message_start", "content_block_start"]
    assert set(kinds[2:-3]) == {"content_block_delta"}
    assert kinds[-3:] == ["content_block_stop", "message_delta", "message_stop"]


def test_max_tokens_cuts_the_answer_and_says_so(client):
    answer = client.messages.create(model="echo/echo", max_tokens=2, messages=user("a b c d"))

    assert answer.content[0].text == "a b"
    assert answer.stop_reason == "max_tokens"


def test_the_beta_side_of_the_library_works_as_well(client):
    answer = client.beta.messages.create(
        model="echo/echo",
        max_tokens=64,
        messages=user("hello"),
        betas=["interleaved-thinking-2025-05-14"],
    )

    assert answer.content[0].text == "hello"


@pytest.mark.parametrize(
    ("order", "raised", "kind"),
    [
        ("refuse ContextTooLong", anthropic.BadRequestError, "invalid_request_error"),
        ("refuse UnknownModel", anthropic.NotFoundError, "not_found_error"),
        ("refuse NotPermitted", anthropic.PermissionDeniedError, "permission_error"),
        ("refuse SessionBusy", anthropic.ConflictError, "conflict_error"),
        ("refuse RequestTooLarge", anthropic.APIStatusError, "request_too_large"),
        ("refuse ProviderRateLimited", anthropic.RateLimitError, "rate_limit_error"),
        ("refuse WorkerStartFailed", anthropic.InternalServerError, "api_error"),
        ("refuse LoginRequired", anthropic.InternalServerError, "api_error"),
        ("refuse ProviderOverloaded", anthropic.InternalServerError, "overloaded_error"),
        ("fail TurnTimeout", anthropic.InternalServerError, "timeout_error"),
        ("fail ProviderFailed", anthropic.InternalServerError, "api_error"),
        ("cut", anthropic.InternalServerError, "api_error"),
        ("crash", anthropic.InternalServerError, "api_error"),
    ],
)
def test_every_failure_is_the_exception_that_clients_expect(client, order, raised, kind):
    with pytest.raises(raised) as failure:
        client.with_options(max_retries=0).messages.create(
            model="scripted/one", max_tokens=64, messages=user(order)
        )

    error = failure.value
    assert isinstance(error, anthropic.APIStatusError)
    assert error.type == kind
    assert error.error_code is not None
    assert error.api_message is not None
    assert "secret" not in str(error.body)


@pytest.mark.parametrize("order", ["fail WorkerDied", "cut", "crash"])
def test_a_stream_that_breaks_raises_after_the_text_it_had(client, order):
    said: list[str] = []

    def listen() -> None:
        with client.messages.stream(
            model="scripted/one", max_tokens=64, messages=user(order)
        ) as stream:
            said.extend(stream.text_stream)

    with pytest.raises(anthropic.APIStatusError) as failure:
        listen()

    assert "".join(said) == "some words first"
    assert failure.value.type == "api_error"
    assert "secret" not in str(failure.value.body)


@pytest.mark.parametrize(
    "order", ["refuse LoginRequired", "refuse ProviderUnavailable", "fail WorkerDied", "cut"]
)
def test_what_must_not_be_repeated_is_sent_once(client, scripted, order):
    before = scripted.opened
    with pytest.raises(anthropic.InternalServerError):
        client.with_options(max_retries=3).messages.create(
            model="scripted/one", max_tokens=64, messages=user(order)
        )

    assert scripted.opened == before + 1


def test_what_may_be_repeated_is_sent_again(client, scripted):
    before = scripted.opened
    with pytest.raises(anthropic.InternalServerError):
        client.with_options(max_retries=1).messages.create(
            model="scripted/one", max_tokens=64, messages=user("refuse QueueTimeout")
        )

    assert scripted.opened == before + 2


@pytest.mark.parametrize("argument", ["api_key", "auth_token"])
def test_an_access_token_is_taken_however_the_library_sends_it(hub, argument):
    with Anthropic(base_url=hub.base_url, **{argument: hub.admin_token}) as client:
        answer = client.messages.create(model="echo/echo", max_tokens=9, messages=user("hello"))

    assert answer.content[0].text == "hello"


@pytest.mark.parametrize("argument", ["api_key", "auth_token"])
def test_a_key_of_the_vendors_is_refused_with_the_reason(hub, argument):
    key = "sk-ant-api03-" + "x" * 40
    with (
        Anthropic(base_url=hub.base_url, **{argument: key}) as client,
        pytest.raises(anthropic.AuthenticationError) as failure,
    ):
        client.messages.create(model="echo/echo", max_tokens=9, messages=user("hello"))

    assert failure.value.type == "authentication_error"
    assert "never vendors' keys" in str(failure.value.api_message)
    assert key not in str(failure.value.body)


def test_counting_tokens_is_refused_with_the_reason(client):
    with pytest.raises(anthropic.NotFoundError) as failure:
        client.messages.count_tokens(model="echo/echo", messages=user("hello"))

    assert "can't count" in str(failure.value.api_message)


def test_models_are_listed_and_looked_at(client):
    models = client.models.list()

    assert [model.id for model in models] == ["scripted/one", "scripted/two", "echo/echo", "gpt-4o"]
    assert client.models.retrieve("echo/echo").display_name


def test_a_conversation_goes_on_between_both_dialects(client, chat, http):
    session = {"X-Session-ID": "two-dialects"}
    first = chat("one", session="two-dialects")
    assert first.status_code == 200
    client.messages.create(
        model="echo/echo",
        max_tokens=64,
        messages=[*user("one"), {"role": "assistant", "content": "one"}, *user("two")],
        extra_headers=session,
    )
    last = chat("one", "one", "two", "two", "three", session="two-dialects")
    assert last.status_code == 200

    detail = http.get("/v1/sessions/two-dialects").json()
    assert detail["session"]["revision"] == 3
    assert detail["session"]["message_count"] == 6


def test_a_conversation_is_recognised_without_a_header_in_either_dialect(client, chat):
    opened = chat("a question that nobody else asks")
    text = "a question that nobody else asks"
    raw = client.messages.with_raw_response.create(
        model="echo/echo",
        max_tokens=64,
        messages=[
            {"role": "user", "content": [{"type": "text", "text": text}]},
            {"role": "assistant", "content": [{"type": "text", "text": text}]},
            *user("and then?"),
        ],
    )
    assert raw.headers["x-session-id"] == opened.headers["x-session-id"]


def test_only_new_messages_are_needed_with_a_session_id(client, scripted):
    for text in ("say one", "say two"):
        client.messages.create(
            model="scripted/one",
            max_tokens=64,
            messages=user(text),
            extra_headers={"X-Session-ID": "anthropic-sdk"},
        )

    seen = [message.text for message in scripted.requests[-1].messages]
    assert seen == ["say one", "one", "say two"]


def test_the_token_may_stand_in_a_header_of_its_own_on_the_routes_of_this_dialect_alone(hub):
    body = {"model": "echo/echo", "max_tokens": 9, "messages": user("hello")}
    with httpx.Client(base_url=hub.base_url, headers={"x-api-key": hub.admin_token}) as bare:
        assert bare.post("/v1/messages", json=body).status_code == 200
        assert bare.get("/v1/models").status_code == 200
        assert bare.post("/v1/chat/completions", json=body).status_code == 401
        assert bare.get("/v1/sessions").status_code == 401


@pytest.mark.parametrize("good_first", [True, False])
def test_a_key_of_the_vendors_is_refused_beside_a_working_token(hub, good_first):
    key = "sk-ant-api03-" + "x" * 40
    headers = {
        "authorization": f"Bearer {hub.admin_token if good_first else key}",
        "x-api-key": key if good_first else hub.admin_token,
    }
    body = {"model": "echo/echo", "max_tokens": 9, "messages": user("hello")}
    answer = httpx.post(f"{hub.base_url}/v1/messages", json=body, headers=headers)

    assert answer.status_code == 401
    assert "never vendors' keys" in answer.json()["error"]["message"]


WEATHER: list[ToolParam] = [
    {
        "name": "weather",
        "description": "The weather in a city.",
        "input_schema": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
        },
    },
    {"name": "now", "input_schema": {"type": "object"}},
]
SCRIPT = '/call weather {"city": "Seoul"}\n/call now'


def test_calls_and_their_results_go_there_and_back(client, http):
    messages = user(SCRIPT)
    raw = client.messages.with_raw_response.create(
        model="echo/echo", max_tokens=64, messages=messages, tools=WEATHER
    )
    answer = raw.parse()
    assert answer.stop_reason == "tool_use"
    assert [(call.type, call.name, call.input) for call in answer.content] == [
        ("tool_use", "weather", {"city": "Seoul"}),
        ("tool_use", "now", {}),
    ]

    results: list[ToolResultBlockParam] = [
        {
            "type": "tool_result",
            "tool_use_id": answer.content[0].id,
            "content": [{"type": "text", "text": "sunny"}],
        },
        {
            "type": "tool_result",
            "tool_use_id": answer.content[1].id,
            "content": "no clock",
            "is_error": True,
        },
    ]
    last = client.messages.with_raw_response.create(
        model="echo/echo",
        max_tokens=64,
        messages=[*messages, answer.to_param(), {"role": "user", "content": results}],
        tools=WEATHER,
    )
    assert last.parse().content[0].text == "sunny\nError: no clock"
    assert last.headers["x-session-id"] == raw.headers["x-session-id"]
    detail = http.get(f"/v1/sessions/{raw.headers['x-session-id']}").json()
    assert [entry["message"]["role"] for entry in detail["messages"]] == [
        "user",
        "assistant",
        "tool",
        "tool",
        "assistant",
    ]


def test_streamed_calls_are_those_of_the_whole_answer(client):
    with client.messages.stream(
        model="echo/echo", max_tokens=64, messages=user("Let me see.\n" + SCRIPT), tools=WEATHER
    ) as stream:
        pieces = [event for event in stream if event.type == "input_json"]
        final = stream.get_final_message()

    assert len(pieces) > 1
    assert [block.type for block in final.content] == ["text", "tool_use", "tool_use"]
    assert final.content[1].input == {"city": "Seoul"}
    assert final.stop_reason == "tool_use"


def test_one_call_at_a_time_when_parallel_use_is_disabled(client):
    answer = client.messages.create(
        model="echo/echo",
        max_tokens=64,
        messages=user(SCRIPT),
        tools=WEATHER,
        tool_choice={"type": "auto", "disable_parallel_tool_use": True},
    )

    assert [call.name for call in answer.content] == ["weather"]


def test_no_tool_is_shown_to_the_model_when_none_may_be_called(client):
    answer = client.messages.create(
        model="echo/echo",
        max_tokens=64,
        messages=user("/call now"),
        tools=WEATHER,
        tool_choice={"type": "none"},
    )

    assert answer.stop_reason == "end_turn"
    assert "The tools are: none" in answer.content[0].text


def test_the_library_runs_tools_by_itself(client):
    @beta_tool
    def weather(city: str) -> str:
        """The weather in a city."""
        return f"sunny in {city}"

    runner = client.beta.messages.tool_runner(
        model="echo/echo",
        max_tokens=64,
        messages=[{"role": "user", "content": '/call weather {"city": "Seoul"}'}],
        tools=[weather],
    )

    assert runner.until_done().content[0].text == "sunny in Seoul"


class Place(BaseModel):
    city: str
    people: int


def test_an_answer_in_a_form_is_parsed(client):
    said = '{"city": "Seoul", "people": 9}'
    answer = client.messages.parse(
        model="echo/echo", max_tokens=64, messages=user(said), output_format=Place
    )

    assert answer.parsed_output == Place(city="Seoul", people=9)


def test_an_answer_that_does_not_fit_the_form_is_an_error_and_not_the_answer(client):
    with pytest.raises(anthropic.APIStatusError) as failure:
        client.with_options(max_retries=0).messages.parse(
            model="echo/echo", max_tokens=64, messages=user("Seoul"), output_format=Place
        )

    assert failure.value.error_code == "response_format_not_honoured"


@pytest.mark.parametrize("choice", [{"type": "any"}, {"type": "tool", "name": "now"}])
def test_a_call_can_be_required(client, choice):
    answer = client.messages.create(
        model="echo/echo",
        max_tokens=64,
        messages=user("/call now"),
        tools=WEATHER,
        tool_choice=choice,
    )

    assert [call.name for call in answer.content] == ["now"]


def test_an_image_by_its_url_is_refused_where_it_stands_unless_the_hub_may_fetch(client):
    with pytest.raises(anthropic.BadRequestError) as failure:
        client.messages.create(
            model="echo/echo",
            max_tokens=64,
            messages=[
                {
                    "role": "user",
                    "content": [
                        {"type": "image", "source": {"type": "url", "url": "https://x.test/a.png"}}
                    ],
                }
            ],
        )

    assert failure.value.body["error"]["details"]["param"] == "messages[0].content[0].source.url"


def test_a_key_makes_one_turn_of_two_requests(client, scripted):
    before = scripted.opened
    raws = [
        client.messages.with_raw_response.create(
            model="scripted/one",
            max_tokens=64,
            messages=user("say once"),
            extra_headers={"Idempotency-Key": "anthropic-once"},
        )
        for _ in range(2)
    ]

    assert scripted.opened == before + 1
    assert raws[0].parse().to_dict() == raws[1].parse().to_dict()
    assert [raw.headers.get("idempotent-replayed") for raw in raws] == [None, "true"]


def test_what_has_no_effect_is_named_in_a_header(client):
    raw = client.messages.with_raw_response.create(
        model="echo/echo",
        max_tokens=64,
        messages=user("x"),
        extra_body={"temperature": 0.5, "top_k": 4},
    )

    assert raw.headers["x-hub-ignored"] == "temperature, top_k"


def test_reasoning_is_shown_only_to_those_who_ask_for_it(client):
    plain = client.messages.create(
        model="scripted/one", max_tokens=2048, messages=user("think Hm.")
    )
    shown = client.messages.create(
        model="scripted/one",
        max_tokens=2048,
        messages=user("think Hm."),
        thinking={"type": "enabled", "budget_tokens": 1024},
    )

    assert [block.type for block in plain.content] == ["text"]
    assert [block.type for block in shown.content] == ["thinking", "text"]
    assert (shown.content[0].thinking, shown.content[0].signature) == ("Hm.", "")
