"""The official OpenAI library, unchanged, against a served hub."""

from collections.abc import Iterator

import openai
import pytest
from openai import OpenAI
from openai.types.chat import ChatCompletionMessageParam


@pytest.fixture(scope="module")
def client(hub) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{hub.base_url}/v1", api_key=hub.admin_token, timeout=20) as client:
        yield client


def user(text: str) -> list[ChatCompletionMessageParam]:
    return [{"role": "user", "content": text}]


def test_models_are_listed_with_providers_and_aliases(client):
    ids = [model.id for model in client.models.list()]

    assert ids == ["scripted/one", "scripted/two", "echo/echo", "gpt-4o"]


@pytest.mark.parametrize("model_id", ["echo/echo", "gpt-4o", "echo"])
def test_a_model_can_be_looked_at(client, model_id):
    model = client.models.retrieve(model_id)

    assert (model.object, model.owned_by) == ("model", "hub" if model_id == "gpt-4o" else "echo")


def test_an_unknown_model_can_not_be_looked_at(client):
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("nobody/nothing")


@pytest.mark.parametrize("model", ["echo/echo", "echo", "gpt-4o"])
def test_a_completion_is_whole_and_counted(client, model):
    answer = client.chat.completions.create(model=model, messages=user("two words"))

    assert answer.object == "chat.completion"
    assert answer.id.startswith("chatcmpl-")
    assert answer.model == "echo/echo"
    assert answer.choices[0].message.content == "two words"
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage is not None
    assert answer.usage.total_tokens == 4


def test_a_stream_has_a_role_first_and_usage_last(client):
    with client.chat.completions.create(
        model="echo/echo",
        messages=user("one two three"),
        stream=True,
        stream_options={"include_usage": True},
    ) as stream:
        events = list(stream)

    assert events[0].choices[0].delta.role == "assistant"
    text = "".join(e.choices[0].delta.content or "" for e in events if e.choices)
    assert text == "one two three"
    assert [e.choices[0].finish_reason for e in events if e.choices][-1] == "stop"
    assert events[-1].choices == []
    assert events[-1].usage is not None
    assert events[-1].usage.completion_tokens == 3
    assert all(event.usage is None for event in events[:-1])
    assert len({event.id for event in events}) == 1


def test_a_stream_without_usage_never_mentions_it(client):
    with client.chat.completions.create(
        model="echo/echo", messages=user("hello"), stream=True
    ) as stream:
        assert all(event.usage is None and event.choices for event in stream)


def test_max_tokens_cuts_the_answer_and_says_so(client):
    answer = client.chat.completions.create(
        model="echo/echo", messages=user("a b c d"), max_completion_tokens=2
    )

    assert answer.choices[0].message.content == "a b"
    assert answer.choices[0].finish_reason == "length"


def test_several_turns_without_a_session_id_are_one_session(client, http):
    messages = user("first")
    sessions = set()
    for text in ("second", "third"):
        raw = client.chat.completions.with_raw_response.create(model="echo/echo", messages=messages)
        sessions.add(raw.headers["x-session-id"])
        messages.append({"role": "assistant", "content": raw.parse().choices[0].message.content})
        messages += user(text)

    assert len(sessions) == 1
    detail = http.get(f"/v1/sessions/{sessions.pop()}").json()
    assert detail["session"]["revision"] == 2
    assert detail["session"]["message_count"] == 4


def test_several_turns_with_a_session_id_send_new_messages_only(client, scripted):
    headers = {"X-Session-ID": "sdk"}
    for text in ("say one", "say two", "say three"):
        client.chat.completions.create(
            model="scripted/one", messages=user(text), extra_headers=headers
        )

    seen = [message.text for message in scripted.requests[-1].messages]
    assert seen == ["say one", "one", "say two", "two", "say three"]


@pytest.mark.parametrize(
    ("order", "raised"),
    [
        ("refuse ContextTooLong", openai.BadRequestError),
        ("refuse UnknownModel", openai.NotFoundError),
        ("refuse NotPermitted", openai.PermissionDeniedError),
        ("refuse SessionBusy", openai.ConflictError),
        ("refuse ProviderRateLimited", openai.RateLimitError),
        ("refuse WorkerStartFailed", openai.InternalServerError),
        ("refuse LoginRequired", openai.InternalServerError),
        ("fail TurnTimeout", openai.InternalServerError),
        ("fail ProviderFailed", openai.InternalServerError),
        ("cut", openai.InternalServerError),
        ("crash", openai.InternalServerError),
    ],
)
def test_every_failure_is_the_exception_that_clients_expect(client, order, raised):
    with pytest.raises(raised) as failure:
        client.with_options(max_retries=0).chat.completions.create(
            model="scripted/one", messages=user(order)
        )

    assert isinstance(failure.value, openai.APIStatusError)
    assert isinstance(failure.value.body, dict)
    assert failure.value.code == failure.value.body["code"]
    assert "secret" not in str(failure.value.body)


def test_a_wrong_access_token_is_an_authentication_error(client):
    with pytest.raises(openai.AuthenticationError):
        client.with_options(api_key="hub-nonsense").models.list()


@pytest.mark.parametrize("order", ["fail WorkerDied", "cut", "crash"])
def test_a_stream_that_breaks_raises_after_the_text_it_had(client, order):
    said = []

    def listen() -> None:
        for event in stream:
            said.extend(choice.delta.content or "" for choice in event.choices)

    with (
        client.chat.completions.create(
            model="scripted/one", messages=user(order), stream=True
        ) as stream,
        pytest.raises(openai.APIError),
    ):
        listen()
    with (
        client.chat.completions.create(
            model="scripted/one", messages=user(order), stream=True
        ) as stream,
        pytest.raises(openai.APIError) as failure,
    ):
        list(stream)

    assert "".join(said) == "some words first"
    assert not isinstance(failure.value, openai.APIConnectionError)
    assert "secret" not in str(failure.value.body)


@pytest.mark.parametrize(
    "order", ["refuse LoginRequired", "refuse ProviderUnavailable", "fail WorkerDied", "cut"]
)
def test_what_must_not_be_repeated_is_sent_once(client, scripted, order):
    before = scripted.opened
    with pytest.raises(openai.InternalServerError):
        client.with_options(max_retries=3).chat.completions.create(
            model="scripted/one", messages=user(order)
        )

    assert scripted.opened == before + 1


def test_what_may_be_repeated_is_sent_again(client, scripted):
    before = scripted.opened
    with pytest.raises(openai.InternalServerError):
        client.with_options(max_retries=1).chat.completions.create(
            model="scripted/one", messages=user("refuse QueueTimeout")
        )

    assert scripted.opened == before + 2
