"""Sessions of everybody, for administrators: listed, found, watched and ended."""

import json
import secrets
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from llm_mcp_hub.domain.access import Scope
from llm_mcp_hub.testing.hub import create_test_hub
from llm_mcp_hub.testing.redis_server import redis_server, redis_server_binary


@pytest.fixture
def person(hub, chat_with):
    """Somebody who is no administrator: name, client, way to chat."""
    name = f"person-{secrets.token_hex(4)}"
    with httpx.Client(base_url=hub.base_url, timeout=20) as client:
        client.headers.update(hub.headers(hub.token(name, Scope.CHAT, Scope.SESSIONS)))
        yield name, client, chat_with(client)


def ids(http, **params) -> list[str]:
    answer = http.get("/v1/sessions", params=params)
    assert answer.status_code == 200, answer.text
    return [one["id"] for one in answer.json()["data"]]


class TestListing:
    def test_an_admin_sees_everybodys_by_default_ones_own_or_anothers(self, person, http, chat):
        name, _, theirs = person
        theirs("hello", session="shown-theirs")
        chat("hello", session="shown-mine")

        assert ids(http)[:2] == ["shown-mine", "shown-theirs"]
        assert ids(http, all="true")[:2] == ["shown-mine", "shown-theirs"]
        assert ids(http, owner=name) == ["shown-theirs"]
        assert ids(http, all="false")[0] == "shown-mine"
        assert "shown-theirs" not in ids(http, all="false")

    def test_others_see_their_own_and_may_ask_for_no_more(self, person, chat):
        name, client, theirs = person
        theirs("hello", session="own")
        chat("hello", session="not-yours")

        assert ids(client) == ["own"] == ids(client, owner=name)
        for params in ({"all": "true"}, {"owner": "somebody"}):
            assert client.get("/v1/sessions", params=params).status_code == 403

    def test_a_row_says_what_it_is_about_and_what_runs_on_it(self, person, scripted, until):
        _, client, chat = person
        chat("say  what\n is this?", session="row", model="scripted/one")
        (row,) = client.get("/v1/sessions").json()["data"]
        assert (row["title"], row["running_turn"]) == ("say what is this?", None)
        with ThreadPoolExecutor(1) as pool:
            running = pool.submit(chat, "hold", session="row", model="scripted/one")
            until(lambda: scripted.running == 1)
            (row,) = client.get("/v1/sessions").json()["data"]
            detail = client.get("/v1/sessions/row").json()
            scripted.go.set()
            turn_id = running.result().headers["x-turn-id"]
        assert row["running_turn"] == detail["session"]["running_turn"] == turn_id
        scripted.go.clear()

    @pytest.mark.parametrize(
        ("sort", "expected"),
        [
            ("last_used", ["two", "one", "three"]),
            ("created", ["three", "two", "one"]),
            ("messages", ["one", "two", "three"]),
            ("tokens", ["two", "one", "three"]),
        ],
    )
    def test_it_can_be_sorted_both_ways_and_paged(self, person, sort, expected):
        _, client, chat = person
        chat("a", session="one")
        chat("b " * 9, session="two")
        chat("c", session="three")
        chat("d", session="one")
        chat("e", session="one")
        chat("f " * 9, session="two")

        for order, wanted in (("desc", expected), ("asc", expected[::-1])):
            assert ids(client, sort=sort, order=order) == wanted
            found, cursor = [], ""
            while cursor is not None:
                params = {"sort": sort, "order": order, "limit": 1}
                page = client.get(
                    "/v1/sessions", params=params | ({"cursor": cursor} if cursor else {})
                ).json()
                found += [one["id"] for one in page["data"]]
                cursor = page["next_cursor"]
            assert found == wanted

    def test_it_can_be_searched(self, person, http):
        name, client, chat = person
        chat("Plans for the holiday", session="find-1")
        chat("something else", session="find-2")

        assert ids(client, q="HOLIDAY plans") == ["find-1"]
        assert ids(client, q="echo find") == ["find-2", "find-1"]
        assert ids(client, q="nothing of this") == []
        assert ids(http, q=name) == ["find-2", "find-1"]

    def test_what_makes_no_sense_is_refused(self, http):
        for params in ({"sort": "color"}, {"order": "up"}, {"q": "x" * 201}, {"cursor": "x"}):
            assert http.get("/v1/sessions", params=params).status_code == 400


class TestForceEnd:
    def test_an_admin_ends_the_running_turn_of_another(self, person, http, scripted, until):
        name, client, chat = person
        chat("say one", session="end-me", model="scripted/one")
        with ThreadPoolExecutor(1) as pool:
            running = pool.submit(chat, "wait", session="end-me", model="scripted/one", stream=True)
            until(lambda: scripted.running == 1)
            began = time.monotonic()
            ended = http.delete("/v1/sessions/end-me", params={"owner": name})
            answer = running.result()

        assert ended.status_code == 204
        assert time.monotonic() - began < 5
        last = [line for line in answer.text.splitlines() if line.startswith("data: ")][-1]
        assert json.loads(last[6:])["error"]["code"] == "session_ended"
        until(lambda: scripted.running == 0, "the interruption")
        assert client.get("/v1/sessions/end-me").status_code == 404
        assert chat("anew", session="end-me").status_code == 200

    def test_the_first_turn_of_a_session_can_be_ended_too(self, person, http, scripted, until):
        name, client, chat = person
        with ThreadPoolExecutor(1) as pool:
            running = pool.submit(chat, "wait", session="first", model="scripted/one")
            until(lambda: scripted.running == 1)
            assert http.delete("/v1/sessions/first", params={"owner": name}).status_code == 204
            assert running.result().json()["error"]["code"] == "session_ended"
        assert client.get("/v1/sessions/first").status_code == 404

    def test_others_may_not_end_what_is_not_theirs(self, person, chat, http):
        _, client, _ = person
        chat("mine", session="protected")
        mine = http.get("/v1/sessions/protected").json()["session"]["owner"]
        answer = client.delete("/v1/sessions/protected", params={"owner": mine})
        assert answer.status_code == 403
        assert http.get("/v1/sessions/protected").status_code == 200


class TestWatching:
    def test_an_admin_follows_the_running_turn_of_another(self, chat_with):
        with (
            create_test_hub(word_seconds=0.02) as hub,
            httpx.Client(base_url=hub.base_url, timeout=20) as client,
            httpx.Client(base_url=hub.base_url, headers=hub.headers(), timeout=20) as admin,
        ):
            client.headers.update(hub.headers(hub.token("ann", Scope.CHAT, Scope.SESSIONS)))
            words = " ".join(f"w{number}" for number in range(30))
            body = {
                "model": "echo/echo",
                "stream": True,
                "messages": [{"role": "user", "content": words}],
            }
            with client.stream("POST", "/v1/chat/completions", json=body) as answer:
                turn_id = answer.headers["x-turn-id"]
                (running,) = admin.get("/v1/turns").json()["data"]
                assert (running["id"], running["owner"]) == (turn_id, "ann")
                assert running["followable"]
                path = f"/v1/turns/{turn_id}/events"
                assert admin.get(path).status_code == 404
                assert client.get("/v1/turns").status_code == 403
                watched = admin.get(path, params={"owner": "ann"})
                theirs = "".join(answer.iter_text())
            assert watched.text == theirs
            status = admin.get(f"/v1/turns/{turn_id}", params={"owner": "ann"}).json()
            assert status["status"] == "done"

    def test_a_turn_that_is_only_watched_is_given_up_as_without_a_watcher(self, until):
        settings = {"turns": {"resume_seconds": 0.3}}
        with (
            create_test_hub(settings, word_seconds=0.05) as hub,
            httpx.Client(base_url=hub.base_url, headers=hub.headers(), timeout=20) as admin,
        ):
            headers = hub.headers(hub.token("ann"))
            body = {
                "model": "echo/echo",
                "stream": True,
                "messages": [{"role": "user", "content": "word " * 200}],
            }
            url = f"{hub.base_url}/v1/chat/completions"
            with httpx.stream("POST", url, json=body, headers=headers) as answer:
                turn_id = answer.headers["x-turn-id"]
            watched = admin.get(f"/v1/turns/{turn_id}/events", params={"owner": "ann"})
            assert '"turn_cancelled"' in watched.text

    def test_a_turn_without_a_journal_says_why_it_can_not_be_followed(
        self, person, http, scripted, until
    ):
        name, _, chat = person
        scripted.go.clear()
        with ThreadPoolExecutor(1) as pool:
            running = pool.submit(chat, "hold", session="unseen", model="scripted/one")
            until(lambda: scripted.running == 1)
            (turn,) = http.get("/v1/turns").json()["data"]
            assert not turn["followable"]
            for path in (f"/v1/turns/{turn['id']}", f"/v1/turns/{turn['id']}/events"):
                answer = http.get(path, params={"owner": name})
                assert answer.status_code == 404
                assert "is not recorded" in answer.json()["error"]["message"]
            scripted.go.set()
            assert running.result().status_code == 200


@pytest.mark.redis
@pytest.mark.skipif(redis_server_binary() is None, reason="no redis-server on the path")
def test_a_turn_at_another_hub_is_ended_with_its_next_renewal(scripted, chat_with, until):
    with (
        redis_server() as redis,
        create_test_hub(state=redis.url, plugins=[("scripted", scripted)]) as here,
        create_test_hub(state=redis.url) as there,
        httpx.Client(base_url=here.base_url, timeout=30) as client,
        httpx.Client(base_url=there.base_url, headers=here.headers(), timeout=30) as admin,
    ):
        client.headers.update(here.headers(here.token("ann", Scope.CHAT, Scope.SESSIONS)))
        chat = chat_with(client)
        with ThreadPoolExecutor(1) as pool:
            running = pool.submit(chat, "wait", session="far", model="scripted/one", stream=True)
            until(lambda: scripted.running == 1)
            (turn,) = httpx.get(f"{here.base_url}/v1/turns", headers=here.headers()).json()["data"]
            watched = pool_watch(admin, turn["id"])
            assert "some" in watched
            assert admin.delete("/v1/sessions/far", params={"owner": "ann"}).status_code == 204
            make_due(here)
            here.call(here.hub._leases.renew())
            answer = running.result()
        assert '"session_ended"' in answer.text
        assert admin.get("/v1/sessions/far", params={"owner": "ann"}).status_code == 404


def pool_watch(admin: httpx.Client, turn_id: str) -> str:
    """What an administrator at another hub sees of a turn that goes on."""
    path = f"/v1/turns/{turn_id}/events"
    seen = ""
    with admin.stream("GET", path, params={"owner": "ann"}) as events:
        for text in events.iter_text():
            seen += text
            if "first" in seen:
                break
    return seen


def make_due(hub) -> None:
    """As if the turns had run for a while, so that the test need not wait for the renewal."""
    import msgspec

    held = hub.hub._leases._held
    for turn_id, one in list(held.items()):
        held[turn_id] = msgspec.structs.replace(one, since=one.since - 10)
