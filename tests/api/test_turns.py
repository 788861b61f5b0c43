"""An answer outlives its connection: resumed exactly, run once under a key, stopped if unwanted."""

import asyncio
import json
import re
from concurrent.futures import ThreadPoolExecutor
from threading import Condition, Event

import httpx
import pytest

from llm_mcp_hub.domain.access import Scope
from llm_mcp_hub.domain.limits import TokenLimits
from llm_mcp_hub.domain.turn import Outcome
from llm_mcp_hub.hookspecs import hookimpl
from llm_mcp_hub.services import chat
from llm_mcp_hub.services.follow import FollowedTurn
from llm_mcp_hub.testing.hub import create_test_hub

TEXT = " ".join(f"word{number}" for number in range(40))
BODY = {"model": "echo/echo", "messages": [{"role": "user", "content": TEXT}]}
STREAM = BODY | {"stream": True, "stream_options": {"include_usage": True}}


@pytest.fixture(scope="module")
def slow():
    """Words slow enough to leave between them."""
    with create_test_hub(word_seconds=0.01) as hub:
        yield hub


def read_events(response, count=None):
    """The events as (id, data), at most `count`."""
    found, number = [], None
    for line in response.iter_lines():
        if line.startswith("id: "):
            number = int(line[4:])
        elif line.startswith("data: "):
            found.append((number, line[6:]))
            if len(found) == count:
                break
    return found


def cut(hub, events, body=STREAM, **headers):
    """Begin a stream and leave after some events; the turn's id and what came."""
    with httpx.Client(base_url=hub.base_url, timeout=20) as client:
        headers = hub.headers(hub.admin_token) | headers
        with client.stream("POST", "/v1/chat/completions", json=body, headers=headers) as response:
            return response.headers["x-turn-id"], read_events(response, events)


def rest(hub, turn_id, last=None, token=None):
    headers = hub.headers(token or hub.admin_token)
    if last is not None:
        headers["last-event-id"] = str(last)
    return httpx.get(f"{hub.base_url}/v1/turns/{turn_id}/events", headers=headers, timeout=20)


def text_of(events):
    chunks = [json.loads(data) for _, data in events if data != "[DONE]"]
    return "".join(c["choices"][0]["delta"].get("content", "") for c in chunks if c["choices"])


@pytest.mark.parametrize("seen", [1, 4, 17])
def test_a_stream_cut_by_the_client_is_resumed_to_the_identical_text(slow, seen):
    turn_id, first = cut(slow, seen)
    resumed = rest(slow, turn_id, first[-1][0])
    assert resumed.status_code == 200
    assert resumed.headers["x-turn-id"] == turn_id
    events = first + read_events(resumed)
    assert [number for number, _ in events] == list(range(len(events)))
    assert events[-1][1] == "[DONE]"
    assert json.loads(events[-2][1])["usage"]["completion_tokens"] == 40
    assert text_of(events) == TEXT


def test_the_rest_can_be_had_from_another_hub_on_the_same_state(tmp_path):
    state = f"sqlite:///{tmp_path}/hub.db"
    with (
        create_test_hub(word_seconds=0.02, state=state) as here,
        create_test_hub(state=state) as there,
    ):
        turn_id, first = cut(here, 3)
        resumed = rest(there, turn_id, first[-1][0], token=here.admin_token)
        assert resumed.status_code == 200, resumed.text
        events = first + read_events(resumed)
        assert [number for number, _ in events] == list(range(len(events)))
        assert events[-1][1] == "[DONE]"
        assert text_of(events) == TEXT


def test_a_turn_that_is_over_can_be_fetched_again_from_any_place(slow):
    turn_id, events = cut(slow, None)
    assert events[-1][1] == "[DONE]"
    assert read_events(rest(slow, turn_id)) == events
    for seen in (0, 20, len(events) - 3, len(events) - 2, len(events) - 1, 999):
        assert read_events(rest(slow, turn_id, seen))[:-1] == events[seen + 1 : -1]
    looked = httpx.get(
        f"{slow.base_url}/v1/turns/{turn_id}", headers=slow.headers(slow.admin_token)
    ).json()
    assert looked["status"] == "done"
    assert looked["completion"]["choices"][0]["message"]["content"] == TEXT


def test_a_resumed_turn_is_in_its_session_once(slow):
    turn_id, first = cut(slow, 3, **{"X-Session-ID": "resumed"})
    assert read_events(rest(slow, turn_id, first[-1][0]))[-1][1] == "[DONE]"
    session = httpx.get(
        f"{slow.base_url}/v1/sessions/resumed", headers=slow.headers(slow.admin_token)
    ).json()
    assert session["session"]["message_count"] == 2


def test_another_principal_can_not_fetch_it(slow):
    turn_id, _ = cut(slow, 2)
    refused = rest(slow, turn_id, token=slow.token("stranger"))
    assert refused.status_code == 404
    assert refused.json()["error"]["code"] == "turn_not_found"


@pytest.mark.parametrize("turn_id", ["x", "turn-0123456789abcdef01234567", "..%2F..", "turn-"])
def test_an_unknown_turn_is_a_404_with_the_reason(slow, turn_id):
    refused = rest(slow, turn_id)
    assert refused.status_code == 404
    assert refused.headers["x-should-retry"] == "false"


@pytest.mark.parametrize("last", ["-1", "x", "1.5", "9" * 30])
def test_a_last_event_id_that_is_no_number_is_refused(slow, last):
    turn_id, _ = cut(slow, None)
    refused = rest(slow, turn_id, last)
    assert refused.status_code == 400
    assert refused.json()["error"]["param"] == "Last-Event-ID"


@pytest.mark.parametrize("at_once", [None, 1])
def test_the_next_request_on_a_session_does_not_wait_for_a_caller_who_left(slow, until, at_once):
    name, limits = f"impatient-{at_once}", TokenLimits(concurrent_turns=at_once)
    _, token = slow.call(slow.hub.access.create(name, [Scope.CHAT], limits=limits))
    headers = slow.headers(token) | {"X-Session-ID": "impatient"}
    # Long enough for the hub to have begun to watch whether the caller is still there.
    turn_id, _ = cut(slow, 12, **headers)
    left_on = slow.hub.journals.left_on
    until(lambda: left_on(name, "impatient") is not None)
    answer = httpx.post(
        f"{slow.base_url}/v1/chat/completions",
        headers=headers,
        json=BODY | {"messages": [{"role": "user", "content": "next"}]},
        timeout=20,
    )
    assert answer.status_code == 200
    assert answer.json()["choices"][0]["message"]["content"] == "next"
    ended = read_events(rest(slow, turn_id, token=token))
    assert json.loads(ended[-1][1])["error"]["code"] == "turn_cancelled"


def test_nobody_comes_back_and_the_turn_is_stopped(records_hub):
    hub, records = records_hub
    turn_id, _ = cut(hub, 2, STREAM | {"messages": [{"role": "user", "content": TEXT * 20}]})
    ended = records.wait_for(turn_id)
    assert ended.outcome is Outcome.CANCELLED
    looked = httpx.get(f"{hub.base_url}/v1/turns/{turn_id}", headers=hub.headers(hub.admin_token))
    assert looked.json()["status"] == "failed"
    assert looked.json()["error"]["code"] == "turn_cancelled"
    pool = httpx.get(
        f"{hub.base_url}/v1/providers/echo", headers=hub.headers(hub.admin_token)
    ).json()["pool"]
    assert pool["claimed"] == 0


def test_an_answer_that_is_not_streamed_stops_with_its_connection(records_hub):
    hub, records = records_hub
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(
            f"{hub.base_url}/v1/chat/completions",
            headers=hub.headers(hub.admin_token) | {"X-Session-ID": "whole"},
            json=BODY,
            timeout=0.1,
        )
    assert records.wait_for_session("whole").outcome is Outcome.CANCELLED


class Records:
    """A plugin that keeps what it is told of turns."""

    def __init__(self):
        self.turns = []
        self._changed = Condition()

    def wait_for(self, turn_id):
        return self._wait(lambda turn: turn.turn_id == turn_id)

    def wait_for_session(self, session_id):
        return self._wait(lambda turn: turn.session_id == session_id)

    def _wait(self, wanted):
        with self._changed:
            assert self._changed.wait_for(lambda: any(map(wanted, self.turns)), 15)
            return next(filter(wanted, self.turns))

    def add(self, turn):
        with self._changed:
            self.turns.append(turn)
            self._changed.notify_all()


@pytest.fixture(scope="module")
def records_hub():
    records = Records()

    class Plugin:
        @hookimpl
        def hub_turn_finished(self, turn):
            records.add(turn)

    settings = {"turns": {"resume_seconds": 0.2}}
    with create_test_hub(settings, word_seconds=0.01, plugins=[("records", Plugin())]) as hub:
        yield hub, records


def keyed(hub, key, body=BODY, token=None, **headers):
    return httpx.post(
        f"{hub.base_url}/v1/chat/completions",
        headers=hub.headers(token or hub.admin_token) | {"Idempotency-Key": key} | headers,
        json=body,
        timeout=20,
    )


def test_one_key_is_one_turn_whole_and_streamed(records_hub):
    hub, records = records_hub
    first = keyed(hub, "one")
    second = keyed(hub, "one")
    assert second.json() == first.json()
    assert "idempotent-replayed" not in first.headers
    assert second.headers["idempotent-replayed"] == "true"
    assert second.headers["x-turn-id"] == first.headers["x-turn-id"]
    assert second.headers["x-session-id"] == first.headers["x-session-id"]
    begun = keyed(hub, "stream", STREAM)
    again = keyed(hub, "stream", STREAM)
    assert begun.content == again.content
    assert len([turn for turn in records.turns if turn.turn_id == begun.headers["x-turn-id"]]) == 1


def test_a_keyed_turn_goes_on_without_its_caller_and_is_found_again(records_hub):
    hub, records = records_hub
    turn_id, _ = cut(hub, 2, **{"Idempotency-Key": "away", "X-Session-ID": "away"})
    assert records.wait_for(turn_id).outcome is Outcome.DONE
    found = keyed(hub, "away", STREAM, **{"X-Session-ID": "away"})
    assert found.headers["x-turn-id"] == turn_id
    assert re.sub(r"^id: .*\n", "", found.text, flags=re.MULTILINE).endswith("data: [DONE]\n\n")


def test_requests_with_one_key_at_once_are_one_turn(records_hub):
    hub, _ = records_hub
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: keyed(hub, "at-once"), range(8)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.headers["x-turn-id"] for answer in answers}) == 1
    assert len({answer.text for answer in answers}) == 1


@pytest.mark.parametrize("body", [BODY, STREAM], ids=["whole", "streamed"])
def test_a_request_that_follows_one_that_is_being_opened_learns_of_its_session(
    scripted, until, monkeypatch, body
):
    go_on, followed, opened = Event(), Event(), scripted.opened
    real = scripted.open_turn

    async def slow(request):
        stream = await real(request)
        await asyncio.to_thread(go_on.wait, 15)
        return stream

    class Followed(FollowedTurn):
        def __init__(self, *args):
            super().__init__(*args)
            followed.set()

    monkeypatch.setattr(scripted, "open_turn", slow)
    monkeypatch.setattr(chat, "FollowedTurn", Followed)
    body = body | {"model": "scripted/one"}
    with create_test_hub(plugins=[("scripted", scripted)]) as hub, ThreadPoolExecutor(2) as pool:
        first = pool.submit(keyed, hub, "early", body)
        until(lambda: scripted.opened > opened)
        second = pool.submit(keyed, hub, "early", body)
        assert followed.wait(15)
        go_on.set()
        answers = [first.result(), second.result()]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert len({answer.headers["x-session-id"] for answer in answers}) == 1


def test_another_request_under_the_key_is_refused(records_hub):
    hub, _ = records_hub
    keyed(hub, "taken")
    refused = keyed(hub, "taken", BODY | {"messages": [{"role": "user", "content": "other"}]})
    assert refused.status_code == 422
    assert refused.json()["error"]["code"] == "idempotency_key_reused"
    assert keyed(hub, "taken", **{"X-Session-ID": "another"}).status_code == 422


def test_a_key_belongs_to_its_principal(records_hub):
    hub, _ = records_hub
    mine = keyed(hub, "shared")
    theirs = keyed(hub, "shared", token=hub.token("someone-else"))
    assert theirs.status_code == 200
    assert theirs.headers["x-turn-id"] != mine.headers["x-turn-id"]


def test_a_request_that_could_not_be_opened_leaves_its_key_free(records_hub):
    hub, _ = records_hub
    refused = keyed(hub, "free", BODY | {"model": "echo/nothing"})
    assert refused.status_code == 404
    assert keyed(hub, "free").status_code == 200


@pytest.mark.parametrize("key", ["", "with space", "x" * 256, "tab\tbed"])
def test_a_key_that_will_not_do_is_refused(records_hub, key):
    hub, _ = records_hub
    refused = keyed(hub, key)
    assert refused.status_code == 400
    assert refused.json()["error"]["param"] == "Idempotency-Key"


def test_without_a_time_to_resume_nothing_is_journaled():
    with create_test_hub({"turns": {"resume_seconds": 0.0}}, word_seconds=0.0) as hub:
        turn_id, events = cut(hub, None)
        assert events[-1][1] == "[DONE]"
        assert rest(hub, turn_id).status_code == 404
