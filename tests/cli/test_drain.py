"""How `llm-mcp-hub serve` ends while it has work to do."""

import json
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

TOKEN = "Access token (admin, shown only now): "
CHAT = "/v1/chat/completions"
CALLERS = 8
LONG = "word " * 10_000
PATIENCE_SECONDS = 30.0


class Served:
    """A hub that serves, and a client of it."""

    def __init__(self, process, client: httpx.Client) -> None:
        self.process = process
        self.client = client

    def is_ready(self) -> bool:
        return self.client.get("/health/ready").status_code == 200

    def ask(self, text: str, session: str, *, stream: bool = False) -> httpx.Response:
        return self.client.post(
            CHAT, json=question(text, stream=stream), headers={"X-Session-ID": session}
        )

    def pool(self) -> dict[str, int]:
        return self.client.get("/v1/providers/echo").json()["pool"]

    def until(self, condition: Callable[[], object]) -> None:
        tick = threading.Event()
        for _ in range(int(PATIENCE_SECONDS / 0.05)):
            if condition():
                return
            tick.wait(0.05)
        pytest.fail(f"it did not come true within {PATIENCE_SECONDS:g} s")

    def begin_to_drain(self) -> None:
        self.process.signal()
        self.until(lambda: not self.is_ready())


class Stream:
    """A streamed answer: `first` is there, the rest is read by `rest`."""

    def __init__(self, lines: Iterator[str]) -> None:
        self._lines = (line.removeprefix("data: ") for line in lines if line.startswith("data: "))
        self.first = next(line for line in self._lines if '"content":' in line)

    def rest(self) -> list[str]:
        return [self.first, *self._lines]


def cmdline(pid: int) -> bytes:
    return Path(f"/proc/{pid}/cmdline").read_bytes()


def question(text: str, *, stream: bool = False) -> dict[str, object]:
    message = {"role": "user", "content": text}
    return {"model": "echo/echo", "messages": [message], "stream": stream}


def text_of(events: list[str]) -> str:
    assert events[-1] == "[DONE]"
    choices = [choice for event in events[:-1] for choice in json.loads(event)["choices"]]
    return "".join(choice["delta"].get("content") or "" for choice in choices)


def code_of(events: list[str]) -> str:
    """The code of the error event that a stream ended with."""
    return json.loads(events[-1])["error"]["code"]


@pytest.fixture
def serve(start, tmp_path):
    """Serve echoes, slow ones, to a client with a token."""
    with ExitStack() as stack:
        tokens: list[str] = []

        def serve_it(word_seconds=0.05, drain_seconds=600, max_workers=CALLERS) -> Served:
            file = tmp_path / "hub.toml"
            file.write_text(
                f"[server]\ndrain_seconds = {drain_seconds}\n"
                f"[providers.echo]\nword_seconds = {word_seconds}\n"
                f"[providers.echo.pool]\nmax_workers = {max_workers}\n"
            )
            process = start("serve", "--port", "0", "--config", str(file))
            address = process.line("LLM MCP Hub ").rpartition(" ")[2]
            if not tokens:
                tokens.append(process.line(TOKEN))
            client = httpx.Client(
                base_url=address,
                headers={"Authorization": f"Bearer {tokens[0]}"},
                limits=httpx.Limits(max_connections=None),
                timeout=PATIENCE_SECONDS,
                trust_env=False,
            )
            return Served(process, stack.enter_context(client))

        yield serve_it


def head_of_a_request(hub: Served, length: int) -> bytes:
    return (
        f"POST {CHAT} HTTP/1.1\r\nHost: localhost\r\n"
        f"Authorization: {hub.client.headers['authorization']}\r\n"
        f"Content-Length: {length}\r\n\r\n"
    ).encode()


@contextmanager
def streams(hub: Served, text: str, count: int = CALLERS) -> Iterator[list[Stream]]:
    """So many streamed answers that have begun, each in a session `s0`, `s1`, …"""
    with ExitStack() as stack:
        begun = []
        for number in range(count):
            request = hub.client.stream(
                "POST",
                CHAT,
                json=question(text, stream=True),
                headers={"X-Session-ID": f"s{number}"},
            )
            response = stack.enter_context(request)
            assert response.status_code == 200
            begun.append(Stream(response.iter_lines()))
        yield begun


def rest_of(begun: list[Stream]) -> list[list[str]]:
    with ThreadPoolExecutor(len(begun)) as threads:
        return list(threads.map(Stream.rest, begun))


def test_answers_that_run_are_completed_before_the_end(serve, children, running, tmp_path):
    hub = serve()
    text = " ".join(map(str, range(40)))
    with streams(hub, text) as begun:
        workers = children(hub.process.pid)
        hub.process.signal()
        answers = rest_of(begun)
    assert [text_of(events) for events in answers] == [text] * CALLERS
    assert hub.process.end() == 0
    assert len(workers) >= CALLERS
    assert not [pid for pid in workers if running(pid)]
    assert not [*(tmp_path / "tmp").iterdir()]


def test_a_hub_that_drains_says_so_and_refuses_new_turns(serve):
    hub = serve(word_seconds=0.1)
    with streams(hub, LONG, 1):
        assert hub.is_ready()
        hub.begin_to_drain()
        health = hub.client.get("/health")
        refused = hub.ask("hello", "new")
        assert hub.client.get("/health/live").status_code == 200
        assert hub.client.get("/v1/sessions").json()["data"] == []
        hub.process.signal()
        assert hub.process.end() == 0
    assert health.status_code == 503
    assert health.json()["hub"]["message"] == "shutting down"
    assert refused.status_code == 503
    assert refused.json()["error"]["code"] == "draining"
    assert refused.headers["x-should-retry"] == "true"
    assert 1 <= int(refused.headers["retry-after"]) <= 60


def test_those_who_watch_the_hub_see_it_drain_and_are_let_go_in_order(serve):
    hub = serve(word_seconds=0.05)
    with hub.client.stream("GET", "/v1/events") as feed:
        lines = feed.iter_lines()
        next(lines)
        with streams(hub, " ".join(map(str, range(20))), 1) as begun:
            hub.process.signal()
            assert text_of(begun[0].rest())
        names = [line.removeprefix("event: ") for line in lines if line.startswith("event: ")]
    draining, finished = names.index("hub.draining"), names.index("turn.finished")
    assert draining < finished
    assert hub.process.end() == 0
    assert "Traceback" not in hub.process.errors


def test_answers_that_take_too_long_end_with_an_error_their_callers_see(serve, tmp_path):
    hub = serve(drain_seconds=1)
    with streams(hub, LONG) as begun:
        whole: Future[httpx.Response]
        with ThreadPoolExecutor(1) as thread:
            whole = thread.submit(hub.ask, LONG, "whole")
            hub.until(lambda: hub.pool()["queued"] == 1)
            hub.process.signal()
            answers = rest_of(begun)
    assert [code_of(events) for events in answers] == ["draining"] * CALLERS
    assert not any("[DONE]" in events for events in answers)
    assert whole.result().status_code == 503
    assert hub.process.end() == 0
    assert "Traceback" not in hub.process.errors
    assert not [*(tmp_path / "tmp").iterdir()]


def test_nothing_of_an_answer_that_was_stopped_is_stored_and_its_session_is_free(serve):
    hub = serve(drain_seconds=1)
    hub.ask("kept", "s0")
    with streams(hub, LONG, 2) as begun:
        hub.process.signal()
        rest_of(begun)
    assert hub.process.end() == 0
    again = serve(word_seconds=0)
    kept = again.client.get("/v1/sessions/s0").json()["messages"]
    assert [entry["message"]["role"] for entry in kept] == ["user", "assistant"]
    assert again.client.get("/v1/sessions/s1").status_code == 404
    assert again.ask("free", "s0").status_code == 200


def test_only_what_cost_nothing_may_be_sent_again_by_itself(serve):
    hub = serve(drain_seconds=1, max_workers=1)
    with ThreadPoolExecutor(2) as threads:
        begun = threads.submit(hub.ask, LONG, "begun")
        hub.until(lambda: hub.pool()["claimed"] == 1)
        queued = threads.submit(hub.ask, LONG, "queued")
        hub.until(lambda: hub.pool()["queued"] == 1)
        hub.process.signal()
        answers = [begun.result(), queued.result()]
    assert [answer.json()["error"]["code"] for answer in answers] == ["draining"] * 2
    assert [answer.status_code for answer in answers] == [503, 503]
    assert [answer.headers["x-should-retry"] for answer in answers] == ["false", "true"]
    assert "retry-after" in answers[1].headers
    assert hub.process.end() == 0


def test_a_second_signal_ends_running_answers_at_once_and_tells_their_callers(
    serve, children, running, tmp_path
):
    hub = serve()
    with streams(hub, LONG) as begun:
        workers = children(hub.process.pid)
        hub.begin_to_drain()
        hub.process.signal(signal.SIGINT)
        answers = rest_of(begun)
    assert [code_of(events) for events in answers] == ["draining"] * CALLERS
    assert hub.process.end() == 0
    assert workers
    assert not [pid for pid in workers if running(pid)]
    assert not [*(tmp_path / "tmp").iterdir()]
    assert "Traceback" not in hub.process.errors


def test_a_worker_that_does_nothing_any_more_does_not_keep_the_hub_from_ending(
    serve, children, running
):
    hub = serve(drain_seconds=1)
    with streams(hub, LONG, 1) as begun:
        there = children(hub.process.pid)
        workers = [pid for pid in there if b"echo_worker.py" in cmdline(pid)]
        for pid in workers:
            os.kill(pid, signal.SIGSTOP)
        hub.process.signal()
        assert code_of(rest_of(begun)[0]) == "draining"
    assert hub.process.end() == 0
    assert workers
    assert not [pid for pid in workers if running(pid)]


def test_connections_without_a_running_turn_hold_nothing_up(serve):
    hub = serve()
    address = ("127.0.0.1", urlsplit(str(hub.client.base_url)).port)
    assert hub.is_ready()  # leaves an idle connection in the client's pool
    with (
        socket.create_connection(address),
        socket.create_connection(address) as half,
        socket.create_connection(address) as promised,
    ):
        half.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\n")
        promised.sendall(head_of_a_request(hub, 9) + b"{")
        hub.until(lambda: hub.pool()["claimed"] == 0)  # by then it has been read
        started = time.monotonic()
        hub.process.signal()
        assert hub.process.end() == 0
    assert time.monotonic() - started < PATIENCE_SECONDS


def test_a_client_that_reads_nothing_holds_the_end_up_no_longer_than_the_grace(serve):
    hub = serve(word_seconds=0, drain_seconds=1)
    address = ("127.0.0.1", urlsplit(str(hub.client.base_url)).port)
    body = json.dumps(question("x" * 20_000_000, stream=True)).encode()
    with socket.create_connection(address) as deaf:
        deaf.sendall(head_of_a_request(hub, len(body)) + body)
        hub.until(lambda: hub.pool()["claimed"] == 1)
        started = time.monotonic()
        hub.process.signal()
        assert hub.process.end() == 0
    assert time.monotonic() - started < PATIENCE_SECONDS
