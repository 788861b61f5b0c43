"""Responses that are kept: gone on from, looked at, followed, cancelled, deleted."""

import json
from collections.abc import Iterator

import httpx
import openai
import pytest
from openai import OpenAI

from llm_mcp_hub.testing.hub import create_test_hub


@pytest.fixture(scope="module")
def client(hub) -> Iterator[OpenAI]:
    with OpenAI(
        base_url=f"{hub.base_url}/v1", api_key=hub.admin_token, timeout=20, max_retries=0
    ) as client:
        yield client


@pytest.fixture
def say(client):
    """A response of the scripted provider's, which says what it is told."""

    def create(text, **fields):
        return client.responses.create(model="scripted/one", input=f"say {text}", **fields)

    return create


def texts(scripted):
    """What the model was last given, message by message."""
    return [message.text for message in scripted.requests[-1].messages]


def test_a_conversation_goes_on_from_a_response(say, scripted):
    first = say("one")
    second = say("two", previous_response_id=first.id)
    third = say("three", previous_response_id=second.id)

    assert third.previous_response_id == second.id
    assert texts(scripted) == ["say one", "one", "say two", "two", "say three"]


def test_it_stays_in_its_session(client, http):
    create = client.responses.with_raw_response.create
    first = create(model="echo/echo", input="one")
    second = create(model="echo/echo", input="two", previous_response_id=first.parse().id)
    session_id = second.headers["x-session-id"]

    assert first.headers["x-session-id"] == session_id
    assert http.get(f"/v1/sessions/{session_id}").json()["session"]["message_count"] == 4


def test_two_branches_from_one_response_are_both_there(say, scripted):
    root = say("root")
    left = say("left", previous_response_id=root.id)
    right = say("right", previous_response_id=root.id)

    say("more left", previous_response_id=left.id)
    assert texts(scripted) == ["say root", "root", "say left", "left", "say more left"]
    say("more right", previous_response_id=right.id)
    assert texts(scripted) == ["say root", "root", "say right", "right", "say more right"]
    say("again", previous_response_id=root.id)
    assert texts(scripted) == ["say root", "root", "say again"]


def test_two_branches_may_begin_at_once(client, scripted):
    root = client.responses.create(model="scripted/one", input="say root")
    scripted.go.clear()
    held = client.responses.create(
        model="scripted/one", input="hold", previous_response_id=root.id, background=True
    )
    other = client.responses.create(
        model="scripted/one", input="say other", previous_response_id=root.id
    )
    scripted.go.set()

    assert other.output_text == "other"
    assert held.status == "in_progress"


def test_instructions_do_not_go_on_but_system_messages_do(client, scripted):
    first = client.responses.create(
        model="scripted/one",
        instructions="Instructed.",
        input=[{"role": "system", "content": "Always."}, {"role": "user", "content": "say one"}],
    )
    assert scripted.requests[-1].system == "Instructed.\n\nAlways."
    client.responses.create(
        model="scripted/one", input="say two", instructions="Anew.", previous_response_id=first.id
    )
    assert scripted.requests[-1].system == "Anew.\n\nAlways."


def test_the_items_of_an_answer_can_be_referred_to(client, say, scripted):
    first = say("one")
    client.responses.create(
        model="scripted/one",
        input=[
            {"role": "user", "content": "say one"},
            {"type": "item_reference", "id": first.output[0].id},
            {"role": "user", "content": "say two"},
        ],
    )

    assert texts(scripted) == ["say one", "one", "say two"]


def test_a_reference_to_nothing_is_refused(client):
    with pytest.raises(openai.BadRequestError, match="send the item itself"):
        client.responses.create(
            model="scripted/one",
            input=[{"type": "item_reference", "id": "msg_0123456789abcdef012345670000"}],
        )


@pytest.mark.parametrize("response_id", ["resp_0123456789abcdef01234567", "resp_x", "nonsense"])
def test_a_response_that_is_not_there_can_not_be_gone_on_from(client, response_id):
    with pytest.raises(openai.BadRequestError) as caught:
        client.responses.create(model="echo/echo", input="hello", previous_response_id=response_id)

    assert caught.value.code == "previous_response_not_found"
    assert caught.value.param == "previous_response_id"


def test_nor_one_whose_session_is_gone(client, http, say):
    first = client.responses.with_raw_response.create(model="scripted/one", input="say one")
    http.delete(f"/v1/sessions/{first.headers['x-session-id']}")
    with pytest.raises(openai.BadRequestError) as caught:
        say("two", previous_response_id=first.parse().id)

    assert caught.value.code == "previous_response_not_found"


@pytest.fixture
def stranger(hub) -> Iterator[OpenAI]:
    token = hub.token("stranger", "chat")
    with OpenAI(base_url=f"{hub.base_url}/v1", api_key=token, max_retries=0) as client:
        yield client


def test_a_response_is_its_principals_alone(say, stranger):
    first = say("secret")
    for attempt in (
        lambda: stranger.responses.retrieve(first.id),
        lambda: stranger.responses.delete(first.id),
        lambda: stranger.responses.cancel(first.id),
        lambda: stranger.responses.input_items.list(first.id),
    ):
        with pytest.raises(openai.NotFoundError) as caught:
            attempt()
        assert caught.value.code == "response_not_found"
    with pytest.raises(openai.BadRequestError):
        stranger.responses.create(
            model="scripted/one", input="say x", previous_response_id=first.id
        )
    with pytest.raises(openai.BadRequestError):
        stranger.responses.create(
            model="scripted/one", input=[{"type": "item_reference", "id": first.output[0].id}]
        )


def test_a_response_can_be_had_again_as_it_was(say, client):
    first = say("one", metadata={"k": "v"}, instructions="Be.")

    assert client.responses.retrieve(first.id).to_dict() == first.to_dict()


def test_a_response_that_failed_is_kept_with_its_error(client, until):
    with client.responses.with_streaming_response.create(
        model="scripted/one", input="fail WorkerDied", stream=True
    ) as answer:
        line = next(one for one in answer.iter_lines() if one.startswith("data: "))
    response_id = json.loads(line[6:])["response"]["id"]
    until(lambda: client.responses.retrieve(response_id).status == "failed")
    kept = client.responses.retrieve(response_id)

    assert kept.error is not None
    assert kept.error.message == "Broke."
    assert kept.output_text == "some words first"


@pytest.mark.parametrize("header", [None, "none"])
def test_what_is_not_to_be_kept_is_not(http, header):
    body = {"model": "echo/echo", "input": "hi", "store": None if header else False}
    answer = http.post(
        "/v1/responses", json=body, headers={"x-session-id": header} if header else {}
    )

    assert answer.json()["store"] is False
    assert "x-session-id" not in answer.headers
    assert http.get(f"/v1/responses/{answer.json()['id']}").status_code == 404


def test_a_session_that_is_named_remembers_what_is_not_kept(http):
    answer = http.post(
        "/v1/responses",
        json={"model": "echo/echo", "input": "hi", "store": False},
        headers={"x-session-id": "named-1"},
    )

    assert answer.headers["x-session-id"] == "named-1"
    assert http.get("/v1/sessions/named-1").json()["session"]["message_count"] == 2
    assert http.get(f"/v1/responses/{answer.json()['id']}").status_code == 404


def test_a_conversation_is_a_session(http, chat, scripted):
    body = {"model": "scripted/one", "input": "say one", "conversation": {"id": "talk-1"}}
    first = http.post("/v1/responses", json=body)
    assert first.json()["conversation"] == {"id": "talk-1"}
    assert first.headers["x-session-id"] == "talk-1"

    chat("say two", session="talk-1", model="scripted/one")
    http.post("/v1/responses", json={**body, "input": "say three", "conversation": "talk-1"})
    assert texts(scripted) == ["say one", "one", "say two", "two", "say three"]


def test_a_conversation_and_another_session_exclude_each_other(http):
    body = {"model": "echo/echo", "input": "x", "conversation": "talk-2"}
    for header in ("talk-3", "none"):
        answer = http.post("/v1/responses", json=body, headers={"x-session-id": header})
        assert answer.json()["error"]["param"] == "conversation"


def test_the_input_of_a_response_can_be_listed_in_pages(client, say):
    first = say("one")
    items = [
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": "b"},
        {"role": "user", "content": "say c"},
    ]
    second = client.responses.create(
        model="scripted/one", input=items, previous_response_id=first.id
    )
    listed = list(client.responses.input_items.list(second.id, order="asc"))
    assert [item.content[0].text for item in listed] == ["a", "b", "say c"]
    page = client.responses.input_items.list(second.id, limit=1)
    assert [item.content[0].text for item in page] == ["say c", "b", "a"]
    assert page.has_more
    with pytest.raises(openai.BadRequestError):
        client.responses.input_items.list(second.id, after="msg_x")


def test_a_stream_can_be_taken_up_after_any_event(client, say):
    with client.responses.stream(model="scripted/one", input="say a b c") as stream:
        seen = list(stream)
        response_id = stream.get_final_response().id
    rest = list(client.responses.retrieve(response_id, stream=True, starting_after=3))

    assert [event.sequence_number for event in rest] == [
        event.sequence_number for event in seen if event.sequence_number > 3
    ]
    assert rest[-1].type == "response.completed"


def test_a_response_in_the_background_can_be_waited_for(client, scripted, until):
    scripted.go.clear()
    begun = client.responses.create(model="scripted/one", input="hold", background=True)
    assert (begun.status, begun.background, begun.output) == ("in_progress", True, [])
    assert client.responses.retrieve(begun.id).status == "in_progress"
    with pytest.raises(openai.BadRequestError, match="has not ended"):
        client.responses.create(model="scripted/one", input="say x", previous_response_id=begun.id)
    with pytest.raises(openai.ConflictError):
        client.responses.delete(begun.id)

    scripted.go.set()
    until(lambda: client.responses.retrieve(begun.id).status == "completed")
    assert client.responses.retrieve(begun.id).output_text == "done"


def test_one_in_the_background_can_be_streamed_and_goes_on_without_its_client(
    client, scripted, until
):
    scripted.go.clear()
    with client.responses.create(
        model="scripted/one", input="pause", background=True, stream=True
    ) as stream:
        first = next(iter(stream))
        assert first.type == "response.created"
        response_id = first.response.id
    scripted.go.set()

    until(lambda: client.responses.retrieve(response_id).status == "completed")
    assert client.responses.retrieve(response_id).output_text.endswith("done")


def test_one_in_the_background_can_be_cancelled(client, scripted, until):
    begun = client.responses.create(model="scripted/one", input="wait", background=True)
    until(lambda: scripted.running)
    ended = client.responses.cancel(begun.id)

    assert ended.status == "cancelled"
    assert client.responses.cancel(begun.id).status == "cancelled"
    until(lambda: not scripted.running)


def test_a_whole_answer_is_not_made_for_a_client_that_has_left(scripted, until):
    config = {"turns": {"resume_seconds": 60.0}}
    with create_test_hub(config, plugins=[("scripted", scripted)]) as hub:
        with pytest.raises(httpx.ReadTimeout):
            httpx.post(
                f"{hub.base_url}/v1/responses",
                json={"model": "scripted/one", "input": "wait"},
                headers=hub.headers(),
                timeout=0.5,
            )
        until(lambda: not scripted.running)


def test_no_other_can_be_cancelled(client, say):
    with pytest.raises(openai.BadRequestError, match="background"):
        client.responses.cancel(say("one").id)


def test_a_response_that_was_deleted_is_gone_and_its_session_is_not(client, http):
    raw = client.responses.with_raw_response.create(model="scripted/one", input="say one")
    response = raw.parse()
    client.responses.delete(response.id)

    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(response.id)
    with pytest.raises(openai.BadRequestError):
        client.responses.create(
            model="scripted/one", input="say two", previous_response_id=response.id
        )
    assert http.get(f"/v1/sessions/{raw.headers['x-session-id']}").status_code == 200
