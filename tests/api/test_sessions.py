"""Conversations that the hub remembers, over HTTP."""

from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait

import httpx
import pytest

from llm_mcp_hub.domain.access import Scope
from llm_mcp_hub.testing.hub import create_test_hub


@pytest.fixture
def people(hub, chat_with, request):
    """Two principals with a client and a way to chat each."""
    with (
        httpx.Client(base_url=hub.base_url, timeout=20) as one,
        httpx.Client(base_url=hub.base_url, timeout=20) as two,
    ):
        name = request.node.name[:50].replace("[", "-").replace("]", "")
        for client, who in ((one, "a"), (two, "b")):
            token = hub.token(f"{who}-{name}", Scope.CHAT, Scope.SESSIONS)
            client.headers.update(hub.headers(token))
        yield (one, chat_with(one)), (two, chat_with(two))


def said(client: httpx.Client, session: str) -> list[str]:
    """What a session holds."""
    detail = client.get(f"/v1/sessions/{session}").json()
    return [
        "".join(part.get("text", part["type"]) for part in entry["message"]["parts"])
        for entry in detail["messages"]
    ]


def seen(scripted) -> list[str]:
    """What the provider was given last."""
    return [message.text for message in scripted.requests[-1].messages]


class TestNamed:
    def test_an_unknown_id_begins_a_session(self, chat, http):
        answer = chat("hello", session="new-one")

        assert answer.headers["x-session-id"] == "new-one"
        assert said(http, "new-one") == ["hello", "hello"]

    def test_new_messages_alone_go_on_from_what_is_stored(self, chat, http, scripted):
        chat("say one", session="news", model="scripted/one")
        chat("say two", session="news", model="scripted/one")

        assert seen(scripted) == ["say one", "one", "say two"]
        assert said(http, "news") == ["say one", "one", "say two", "two"]

    def test_the_whole_history_is_recognised_and_not_stored_twice(self, chat, http, scripted):
        chat("say one", session="whole", model="scripted/one")
        chat("say one", "one", "say two", session="whole", model="scripted/one")

        assert scripted.requests[-1].prior == 2
        assert said(http, "whole") == ["say one", "one", "say two", "two"]

    def test_the_tail_of_the_history_is_recognised(self, chat, scripted):
        chat("say one", session="tail", model="scripted/one")
        chat("say two", session="tail", model="scripted/one")
        chat("say two", "two", "say three", session="tail", model="scripted/one")

        assert seen(scripted) == ["say one", "one", "say two", "two", "say three"]

    def test_going_back_to_an_earlier_point_drops_what_followed(self, chat, http):
        chat("one", session="back")
        chat("two", session="back")
        chat("three", session="back")
        chat("one", "one", "other", session="back")

        assert said(http, "back") == ["one", "one", "other", "other"]

    def test_a_history_that_was_never_here_replaces_what_is_stored(self, chat, http, scripted):
        chat("say one", session="replaced", model="scripted/one")
        chat("x", "y", "say two", session="replaced", model="scripted/one")

        assert seen(scripted) == ["x", "y", "say two"]
        assert said(http, "replaced") == ["x", "y", "say two", "two"]

    def test_the_system_prompt_is_remembered_until_another_is_sent(self, chat, http, scripted):
        def system() -> tuple[str, str]:
            return scripted.requests[-1].system, http.get("/v1/sessions/sys").json()["system"]

        def prompt(text: str) -> dict[str, str]:
            return {"role": "system", "content": text}

        chat(prompt("Be brief."), "hi", session="sys", model="scripted/one")
        assert system() == ("Be brief.", "Be brief.")
        chat("again", session="sys", model="scripted/one")
        assert system() == ("Be brief.", "Be brief.")
        chat(prompt("Be long."), "again", session="sys", model="scripted/one")
        assert system() == ("Be long.", "Be long.")
        chat(prompt(""), "again", session="sys", model="scripted/one")
        assert system() == ("", "")

    def test_the_model_may_change_from_turn_to_turn(self, chat, http):
        chat("one", session="models")
        chat("say two", session="models", model="scripted/two")

        assert http.get("/v1/sessions/models").json()["session"]["model"] == "scripted/two"

    def test_a_failed_turn_leaves_the_session_as_it_was(self, chat, http):
        chat("one", session="failed")
        for order in ("refuse QueueFull", "fail WorkerDied", "cut", "crash"):
            assert chat(order, session="failed", model="scripted/one").status_code >= 400

        assert said(http, "failed") == ["one", "one"]
        assert chat("two", session="failed").status_code == 200


class TestRecognised:
    def test_by_what_was_said(self, chat, http):
        first = chat("recognise", "me?", "hello").headers["x-session-id"]
        second = chat("recognise", "me?", "hello", "hello", "again").headers["x-session-id"]

        assert second == first
        assert said(http, first)[-2:] == ["again", "again"]

    def test_in_spite_of_outer_white_space_and_other_parts(self, chat):
        first = chat("say  spaced  ", model="scripted/one").headers["x-session-id"]
        parts = [{"type": "text", "text": "say  "}, {"type": "text", "text": "spaced"}]
        history = [{"role": "user", "content": parts}, {"role": "assistant", "content": "spaced\n"}]

        again = chat(*history, "more", model="scripted/one")

        assert again.headers["x-session-id"] == first

    def test_in_spite_of_another_system_prompt(self, chat):
        first = chat({"role": "system", "content": "It is 10:00."}, "clock").headers["x-session-id"]
        again = chat({"role": "system", "content": "It is 10:01."}, "clock", "clock", "tick")

        assert again.headers["x-session-id"] == first

    def test_in_spite_of_edited_arguments_of_a_tool_call(self, chat, http):
        def call(arguments: str) -> dict[str, object]:
            function = {"name": "weather", "arguments": arguments}
            return {
                "role": "assistant",
                "content": None,
                "tool_calls": [{"id": "call_1", "type": "function", "function": function}],
            }

        result = {"role": "tool", "tool_call_id": "call_1", "content": "rain"}
        user = {"role": "user", "content": "weather in Oslo"}
        first = chat(user, call('{"city":"Oslo"}'), result).headers["x-session-id"]
        edited = call('{"city": "Oslo", "id": "call_1", "tool": "weather"}')
        answer = {"role": "assistant", "content": said(http, first)[-1]}
        again = chat(user, edited, result, answer, {"role": "user", "content": "and now?"})

        assert again.headers["x-session-id"] == first

    def test_not_by_its_beginning_alone(self, chat):
        first = chat("branch").headers["x-session-id"]
        chat("branch", "branch", "left")
        other = chat("branch", "branch", "right").headers["x-session-id"]

        assert other != first

    def test_not_for_another_principal(self, people):
        (_, chat_a), (_, chat_b) = people
        first = chat_a("mine").headers["x-session-id"]

        assert chat_b("mine", "mine", "yours").headers["x-session-id"] != first


class TestNothingRemembered:
    def test_none_stores_nothing_and_says_no_session(self, people):
        (client, chat), _ = people
        answer = chat("secret", session="none")

        assert "x-session-id" not in answer.headers
        assert chat("secret", "secret", "more", session="none").status_code == 200
        assert client.get("/v1/sessions").json()["data"] == []

    def test_none_may_have_any_history(self, chat, scripted):
        chat("a", "b", "say c", session="none", model="scripted/one")

        assert seen(scripted) == ["a", "b", "say c"]


class TestTwoPrincipals:
    def test_one_id_is_two_sessions(self, people, scripted):
        (_, chat_a), (_, chat_b) = people
        chat_a("say a", session="same", model="scripted/one")
        chat_b("say b", session="same", model="scripted/one")

        assert seen(scripted) == ["say b"]

    def test_neither_sees_lists_or_deletes_the_others(self, people):
        (client_a, chat_a), (client_b, _) = people
        chat_a("private", session="hidden")

        assert client_b.get("/v1/sessions").json()["data"] == []
        assert client_b.get("/v1/sessions/hidden").status_code == 404
        assert client_b.delete("/v1/sessions/hidden").status_code == 404
        assert said(client_a, "hidden") == ["private", "private"]

    def test_the_admin_may_see_and_delete_everybodys(self, people, http):
        (client_a, chat_a), _ = people
        chat_a("x", session="of-a")
        name = client_a.get("/v1/sessions").json()["data"][0]["owner"]

        assert [s["id"] for s in http.get("/v1/sessions", params={"owner": name}).json()["data"]]
        everybodys = http.get("/v1/sessions", params={"all": True, "limit": 200}).json()["data"]
        assert {"of-a"} <= {one["id"] for one in everybodys if one["owner"] == name}
        assert http.get("/v1/sessions/of-a").status_code == 404
        assert http.get("/v1/sessions/of-a", params={"owner": name}).status_code == 200
        assert http.delete("/v1/sessions/of-a", params={"owner": name}).status_code == 204
        assert client_a.get("/v1/sessions/of-a").status_code == 404


class TestBusy:
    @pytest.fixture(autouse=True)
    def _let_go(self, scripted):
        scripted.go.clear()
        yield
        scripted.go.set()

    def test_of_two_turns_at_once_one_is_refused_and_nothing_is_spent(self, chat, http, scripted):
        before = len(scripted.requests)
        with ThreadPoolExecutor(2) as pool:
            turns = [
                pool.submit(chat, "hold", session="busy", model="scripted/one") for _ in range(2)
            ]
            refused = next(iter(wait_for_one(turns)))
            scripted.go.set()
            answers = [turn.result() for turn in turns]

        assert refused.json()["error"]["code"] == "session_busy"
        assert refused.headers["x-should-retry"] == "true"
        assert sorted(answer.status_code for answer in answers) == [200, 409]
        assert len(scripted.requests) == before + 1
        assert said(http, "busy") == ["hold", "done"]

    def test_a_recognised_session_that_is_busy_lets_a_new_one_begin(self, chat, scripted, until):
        first = chat("say once", model="scripted/one").headers["x-session-id"]
        with ThreadPoolExecutor(1) as pool:
            running = pool.submit(chat, "say once", "once", "hold", model="scripted/one")
            until(lambda: scripted.running == 1)
            other = chat("say once", "once", "hold on", model="echo/echo")
            scripted.go.set()

        assert other.status_code == 200
        assert running.result().headers["x-session-id"] == first
        assert other.headers["x-session-id"] != first

    def test_a_session_deleted_meanwhile_stays_deleted(self, chat, http, scripted, until):
        chat("one", session="gone")
        with ThreadPoolExecutor(1) as pool:
            running = pool.submit(chat, "hold", session="gone", model="scripted/one")
            until(lambda: scripted.running == 1)
            assert http.delete("/v1/sessions/gone").status_code == 204
            answer = running.result()

        assert answer.status_code == 409
        assert answer.json()["error"]["code"] == "session_ended"
        assert answer.headers["x-should-retry"] == "false"
        assert http.get("/v1/sessions/gone").status_code == 404

    def test_a_session_begun_anew_meanwhile_is_another(self, chat, http, scripted, until):
        chat("one", session="anew")
        with ThreadPoolExecutor(1) as pool:
            running = pool.submit(chat, "hold", session="anew", model="scripted/one")
            until(lambda: scripted.running == 1)
            http.delete("/v1/sessions/anew")
            assert chat("fresh", session="anew").status_code == 200
            scripted.go.set()

        assert running.result().status_code == 409
        assert said(http, "anew") == ["fresh", "fresh"]

    def test_many_at_once_lose_nothing(self, chat, http):
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda n: chat(f"n{n}", session="storm"), range(24)))

        kept = [a.json()["choices"][0]["message"]["content"] for a in answers if a.is_success]
        assert {answer.status_code for answer in answers} <= {200, 409}
        assert sorted(said(http, "storm")[1::2]) == sorted(kept)
        assert http.get("/v1/sessions/storm").json()["session"]["revision"] == len(kept)


def wait_for_one(turns):
    done, _ = wait(turns, timeout=10, return_when=FIRST_COMPLETED)
    return [turn.result() for turn in done]


class TestListing:
    def test_pages_hold_every_session_once_newest_first(self, people):
        (client, chat), _ = people
        for number in range(7):
            chat("x", session=f"page-{number}")
        found, cursor = [], None
        while True:
            params = {"limit": 3} | ({"cursor": cursor} if cursor else {})
            page = client.get("/v1/sessions", params=params).json()
            found += [one["id"] for one in page["data"]]
            cursor = page["next_cursor"]
            if cursor is None:
                break

        assert found == [f"page-{number}" for number in reversed(range(7))]

    def test_a_session_tells_its_figures(self, people):
        (client, chat), _ = people
        chat("two words", session="figures")
        chat("three more words", session="figures")
        one = client.get("/v1/sessions").json()["data"][0]

        assert (one["object"], one["revision"], one["message_count"]) == ("session", 2, 4)
        assert one["usage"]["output_tokens"] == 5
        assert one["created_at"] <= one["updated_at"] < one["expires_at"]

    def test_a_deleted_session_is_gone_and_its_id_is_free(self, chat, http, scripted):
        chat("say old", session="reuse", model="scripted/one")

        assert http.delete("/v1/sessions/reuse").status_code == 204
        assert http.get("/v1/sessions/reuse").status_code == 404
        chat("say new", session="reuse", model="scripted/one")
        assert seen(scripted) == ["say new"]


def test_a_session_ends_an_hour_after_its_latest_turn(chat, http):
    chat("x", session="hour")
    one = http.get("/v1/sessions/hour").json()["session"]

    assert one["expires_at"] - one["updated_at"] == pytest.approx(3600)


def test_a_session_that_has_expired_is_forgotten(chat_with, until):
    with (
        create_test_hub({"sessions": {"ttl_seconds": 0.2}}) as hub,
        httpx.Client(base_url=hub.base_url, headers=hub.headers()) as client,
    ):
        chat = chat_with(client)
        chat("x", session="short")
        until(lambda: client.get("/v1/sessions/short").status_code == 404)

        assert client.get("/v1/sessions").json()["data"] == []
        assert client.get("/v1/sessions/short").status_code == 404


def test_a_session_outlives_a_restart_on_the_same_file(chat_with, tmp_path):
    state = f"sqlite:///{tmp_path / 'hub.db'}"
    with create_test_hub(state=state) as hub:
        token = hub.token("me")
        with httpx.Client(base_url=hub.base_url, headers=hub.headers(token)) as client:
            first = chat_with(client)("one").headers["x-session-id"]
            chat_with(client)("before", session="named")
    with (
        create_test_hub(state=state) as hub,
        httpx.Client(base_url=hub.base_url, headers=hub.headers(token)) as client,
    ):
        assert said(client, "named") == ["before", "before"]
        assert chat_with(client)("one", "one", "two").headers["x-session-id"] == first
