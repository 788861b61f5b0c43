"""The feed of events, over HTTP."""

import json
import os
import queue
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import httpx
import pytest

from llm_mcp_hub.domain.access import Scope
from llm_mcp_hub.testing.hub import TestHub, create_test_hub
from llm_mcp_hub.testing.redis_server import redis_server, redis_server_binary

SEEN_SECONDS = 5.0
"""Within so long a change must be seen."""


class Feed:
    """What comes over one connection."""

    def __init__(self) -> None:
        self.events: queue.Queue[dict] = queue.Queue()
        self.ended = threading.Event()

    def wait_for(self, name: str, seconds: float = SEEN_SECONDS, **fields) -> dict:
        until = time.monotonic() + seconds
        seen = []
        while True:
            try:
                event = self.events.get(timeout=max(0.001, until - time.monotonic()))
            except queue.Empty:
                pytest.fail(f"no {name} {fields} within {seconds:g} s, but {seen}")
            seen.append(event)
            if event["name"] == name and fields.items() <= event.items():
                return event


@contextmanager
def feed_of(hub: TestHub, *names: str) -> Iterator[Feed]:
    feed, connected = Feed(), threading.Event()

    def read() -> None:
        url = f"{hub.base_url}/v1/events"
        params = {"event": list(names)}
        with httpx.stream("GET", url, params=params, headers=hub.headers(), timeout=20) as answer:
            assert answer.headers["content-type"].startswith("text/event-stream")
            sockets.append(answer.extensions["network_stream"].get_extra_info("socket"))
            with suppress(httpx.RemoteProtocolError):  # what it is when this test leaves
                for line in answer.iter_lines():
                    connected.set()
                    if line.startswith("data: "):
                        feed.events.put(json.loads(line[6:]))
                feed.ended.set()

    sockets: list[socket.socket] = []
    thread = threading.Thread(target=read)
    thread.start()
    assert connected.wait(10)
    try:
        yield feed
    finally:
        with suppress(OSError):  # the hub may have closed it already
            sockets[0].shutdown(socket.SHUT_RDWR)
        thread.join(10)


def test_a_turn_and_its_session_are_told_from_beginning_to_end(hub, chat, http):
    with feed_of(hub) as feed:
        answer = chat("hello", session="told")
        turn_id = answer.headers["x-turn-id"]
        begun = feed.wait_for("turn.started", turn_id=turn_id)
        changed = feed.wait_for("session.changed", session_id="told")
        ended = feed.wait_for("turn.finished", turn_id=turn_id)
        http.delete("/v1/sessions/told")
        feed.wait_for("session.deleted", session_id="told")
    assert begun["model"] == changed["model"] == "echo/echo"
    assert (ended["outcome"], ended["provider"]) == ("done", "echo")
    assert begun["at"] <= ended["at"]


def test_only_the_events_that_are_wanted_come(hub, chat):
    with feed_of(hub, "turn.finished") as feed:
        chat("hello", session="wanted")
        assert feed.events.get(timeout=5)["name"] == "turn.finished"


def test_a_killed_worker_is_seen_within_five_seconds(hub, chat, http):
    chat("hello", session="killed")
    workers = http.get("/v1/providers/echo/pool").json()["workers"]
    pid = next(one["pid"] for one in workers if one["state"] == "parked")
    with feed_of(hub) as feed:
        os.kill(pid, signal.SIGKILL)
        assert feed.wait_for("worker.died", pid=pid)["provider"] == "echo"


@pytest.mark.redis
@pytest.mark.skipif(redis_server_binary() is None, reason="no redis-server on the path")
def test_a_redis_that_stops_is_seen_within_five_seconds_and_its_return_too():
    with (
        redis_server() as redis,
        create_test_hub(state=redis.url) as hub,
        feed_of(hub) as feed,
    ):
        redis.stop()
        feed.wait_for("state.lost")
        feed.wait_for("alert.raised", alert="state")
        redis.start()
        feed.wait_for("state.back", 10)
        feed.wait_for("alert.cleared", alert="state")


def test_a_hub_that_stops_says_so_and_ends_the_feed():
    with create_test_hub() as hub, feed_of(hub) as feed:
        hub.hub.drain()
        feed.wait_for("hub.draining")
        hub.call(hub.hub.stop_turns())
        assert feed.ended.wait(5)


def test_it_is_for_administrators_and_of_known_events(hub):
    token = hub.token("no-admin", Scope.CHAT, Scope.SESSIONS)
    url = f"{hub.base_url}/v1/events"
    assert httpx.get(url, headers=hub.headers(token)).status_code == 403
    assert httpx.get(url).status_code == 401
    refused = httpx.get(url, params={"event": "no.such"}, headers=hub.headers())
    assert refused.status_code == 400


def test_nobody_is_kept_when_a_reader_has_left(hub, until):
    until(lambda: not hub.hub.events.listening, "the end of those before")
    with feed_of(hub):
        assert hub.hub.events.listening
    until(lambda: not hub.hub.events.listening, "the end of the subscription")
