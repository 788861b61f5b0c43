"""A client that leaves, or reads slowly, holds nothing of the hub's."""

import json
import socket
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import pytest

from llm_mcp_hub.domain.turn import Outcome, TurnRecord
from llm_mcp_hub.hookspecs import hookimpl
from llm_mcp_hub.testing.hub import create_test_hub

RESUME_SECONDS = 0.05
"""How long a turn waits here for a client that has left: nobody comes back."""


class Records:
    """A plugin that keeps what it is told of turns."""

    def __init__(self) -> None:
        self.turns: list[TurnRecord] = []

    @hookimpl
    def hub_turn_finished(self, turn: TurnRecord) -> None:
        self.turns.append(turn)

    def of(self, session: str) -> list[Outcome]:
        return [turn.outcome for turn in self.turns if turn.session_id == session]


@pytest.fixture(scope="module")
def records():
    return Records()


@pytest.fixture(scope="module")
def hub(records, scripted):
    settings = {"turns": {"resume_seconds": RESUME_SECONDS}}
    plugins = [("records", records), ("scripted", scripted)]
    with create_test_hub(settings, word_seconds=0.01, plugins=plugins) as served:
        yield served


class Raw:
    """A request over a socket that can be dropped at any moment."""

    def __init__(self, hub, session="left", **fields):
        body = json.dumps({"model": "echo/echo"} | fields).encode()
        head = (
            f"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\n"
            f"Authorization: Bearer {hub.admin_token}\r\nX-Session-ID: {session}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        self.socket = socket.create_connection(
            ("127.0.0.1", urlsplit(hub.base_url).port), timeout=10
        )
        self.socket.sendall(head.encode() + body)
        self.received = b""

    def receive_until(self, events: int) -> None:
        while self.received.count(b"data: ") < events:
            data = self.socket.recv(4096)
            assert data, self.received
            self.received += data

    def leave(self) -> None:
        self.socket.close()


def long(words: int = 2000):
    return [{"role": "user", "content": " ".join(f"w{n}" for n in range(words))}]


def echo(hub):
    return hub.hub.registry.get("echo")


def check_nothing_is_left(hub, http, until, session):
    until(lambda: echo(hub).status().pool.claimed == 0, "no worker is in use")
    assert http.get(f"/v1/sessions/{session}").status_code == 404
    answer = http.post(
        "/v1/chat/completions",
        json={"model": "echo/echo", "messages": [{"role": "user", "content": "free"}]},
        headers={"x-session-id": session},
    )
    assert answer.status_code == 200


def test_a_client_that_leaves_a_stream_ends_its_turn(hub, http, until, records):
    raw = Raw(hub, "stream", messages=long(), stream=True)
    raw.receive_until(4)
    raw.leave()
    until(lambda: records.of("stream"), "the turn has ended")

    assert records.of("stream") == [Outcome.CANCELLED]
    check_nothing_is_left(hub, http, until, "stream")


def test_a_client_that_leaves_before_a_whole_answer_ends_its_turn(hub, http, until, records):
    until(lambda: echo(hub).status().pool.claimed == 0, "no turn runs")
    raw = Raw(hub, "whole", messages=long())
    until(lambda: echo(hub).status().pool.claimed == 1, "the turn runs")
    raw.leave()
    until(lambda: records.of("whole"), "the turn has ended")

    assert records.of("whole") == [Outcome.CANCELLED]
    check_nothing_is_left(hub, http, until, "whole")


def test_a_silent_turn_is_ended_too(hub, until, records, scripted):
    order = [{"role": "user", "content": "wait"}]
    for stream in (True, False):
        raw = Raw(hub, "silent", model="scripted/one", messages=order, stream=stream)
        until(lambda: scripted.running == 1)
        raw.leave()
        until(lambda: scripted.running == 0)
    until(lambda: len(records.of("silent")) == 2)

    assert set(records.of("silent")) == {Outcome.CANCELLED}


def test_many_who_leave_at_once_leave_nothing(hub, http, until):
    def come_and_go(number: int) -> None:
        raw = Raw(hub, f"left-{number}", messages=long(), stream=bool(number % 2))
        if number % 4 == 1:
            raw.receive_until(2)
        raw.leave()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(come_and_go, range(24)))

    check_nothing_is_left(hub, http, until, "left-1")


def test_a_client_that_leaves_in_the_middle_of_its_body_is_not_answered(hub, http, until):
    with socket.create_connection(("127.0.0.1", urlsplit(hub.base_url).port), timeout=10) as raw:
        raw.sendall(
            b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer "
            + hub.admin_token.encode()
            + b"\r\nContent-Length: 1000\r\n\r\n{"
        )

    check_nothing_is_left(hub, http, until, "body")


def test_a_slow_reader_gets_everything(hub, until, records):
    text = "x" * 8_000_000
    raw = Raw(
        hub,
        "slow",
        model="scripted/one",
        messages=[{"role": "user", "content": f"say {text}"}],
        stream=True,
    )
    raw.receive_until(1)
    # More than fits into the buffers between here and there, so the hub has to wait.
    assert records.of("slow") == []
    received = bytearray(raw.received)
    while not received.endswith(b"data: [DONE]\n\n\r\n0\r\n\r\n"):
        data = raw.socket.recv(1 << 16)
        assert data
        received += data
    raw.leave()

    assert received.count(b"x") >= len(text)
    until(lambda: records.of("slow") == [Outcome.DONE])


def test_a_turn_is_told_once_however_it_ended(http, records, until):
    def ask(number: int, order: str, **fields) -> None:
        body = {"model": "scripted/one", "messages": [{"role": "user", "content": order}], **fields}
        session = f"told-{number}"
        http.post("/v1/chat/completions", json=body, headers={"x-session-id": session})
        until(lambda: records.of(session))

    ask(1, "say hello")
    ask(2, "say hello", stream=True)
    ask(3, "fail WorkerDied")
    ask(4, "cut", stream=True)

    told = [turn for turn in records.turns if turn.session_id in {f"told-{n}" for n in range(9)}]
    assert [(turn.outcome, turn.error_code) for turn in told] == [
        (Outcome.DONE, None),
        (Outcome.DONE, None),
        (Outcome.FAILED, "worker_died"),
        (Outcome.FAILED, "provider_stream_cut"),
    ]
    assert len({turn.turn_id for turn in told}) == 4


@pytest.mark.parametrize("leaves", [True, False])
def test_a_hub_stops_while_turns_run(scripted, until, monkeypatch, leaves):
    monkeypatch.setattr("llm_mcp_hub.testing.hub.GRACE_SECONDS", 1)
    order = [{"role": "user", "content": "wait"}]
    before = scripted.running
    with create_test_hub(plugins=[("scripted", scripted)]) as hub:
        raw = Raw(hub, model="scripted/one", messages=order, stream=True)
        until(lambda: scripted.running == before + 1)
        if leaves:
            raw.leave()
    raw.leave()
    until(lambda: scripted.running == before)


def test_a_hub_stops_though_a_client_does_not_read(scripted, monkeypatch):
    monkeypatch.setattr("llm_mcp_hub.testing.hub.GRACE_SECONDS", 1)
    order = [{"role": "user", "content": "say " + "x" * 8_000_000}]
    with create_test_hub(plugins=[("scripted", scripted)]) as hub:
        raw = Raw(hub, model="scripted/one", messages=order, stream=True)
        raw.receive_until(1)
    raw.leave()
