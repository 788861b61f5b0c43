"""A webhook is told once, in spite of what goes wrong, and nothing else is."""

import asyncio
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from llm_mcp_hub.domain.alert import Notice, Severity
from llm_mcp_hub.errors import StateUnavailable
from llm_mcp_hub.services import courier
from llm_mcp_hub.services.courier import Courier
from llm_mcp_hub.state.memory import MemoryStore

pytestmark = pytest.mark.anyio

NOTICE = Notice(
    type="login.expiring",
    severity=Severity.WARNING,
    provider="claude",
    hub="host",
    text="LLM MCP Hub on host: the login of claude ends in 3 days.",
    message="It ends.",
    remedy="Renew it.",
    at=1.0,
    expires_at=2.0,
    days_left=3,
)


class Hook:
    """A real web server that answers with what it was told to, and 200 after that."""

    def __init__(self) -> None:
        self.answers: list[int] = []
        self.bodies: list[dict] = []
        self.paths: list[str] = []
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                hook.paths.append(self.path)
                hook.bodies.append(json.loads(body))
                status = hook.answers.pop(0) if hook.answers else 200
                self.send_response(status)
                if 300 <= status < 400:
                    self.send_header("location", f"{hook.url}elsewhere")
                self.send_header("content-length", "0")
                self.end_headers()

            do_GET = do_POST  # noqa: N815  # the name that the base class looks for

            def log_message(self, *_: object) -> None: ...

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/"


@pytest.fixture
def hook() -> Iterator[Hook]:
    hook = Hook()
    thread = threading.Thread(target=hook.server.serve_forever, args=(0.01,))
    thread.start()
    yield hook
    hook.server.shutdown()
    thread.join()
    hook.server.server_close()


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(courier, "FIRST_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(courier, "GIVE_UP_SECONDS", 30.0)


async def told(one: Courier) -> None:
    """Wait for what is under way."""
    async with asyncio.timeout(10):
        while one._tasks:
            await asyncio.wait(list(one._tasks))
            await asyncio.sleep(0)


async def test_the_webhook_gets_the_notice_as_json(hook):
    one = Courier(hook.url, MemoryStore())
    one.tell(NOTICE)
    await told(one)
    assert hook.bodies == [
        {
            "type": "login.expiring",
            "severity": "warning",
            "provider": "claude",
            "hub": "host",
            "text": "LLM MCP Hub on host: the login of claude ends in 3 days.",
            "message": "It ends.",
            "remedy": "Renew it.",
            "at": 1.0,
            "expires_at": 2.0,
            "days_left": 3,
        }
    ]
    assert one.trouble == ""


async def test_what_has_a_key_is_told_once_by_whichever_hub_and_after_a_restart(hook):
    store = MemoryStore()
    hubs = [Courier(hook.url, store) for _ in range(3)]
    for _ in range(2):
        for one in hubs:
            one.tell(NOTICE, "login:claude:2:3")
        for one in hubs:
            await told(one)
    assert len(hook.bodies) == 1
    hubs[0].tell(NOTICE, "login:claude:2:1")
    await told(hubs[0])
    assert len(hook.bodies) == 2


@pytest.mark.parametrize("status", [500, 503, 429, 408])
async def test_what_may_pass_is_tried_again(hook, status):
    hook.answers = [status, status]
    one = Courier(hook.url, MemoryStore())
    one.tell(NOTICE, "k")
    await told(one)
    assert len(hook.bodies) == 3
    assert one.trouble == ""


@pytest.mark.parametrize("status", [302, 307, 400, 404])
async def test_what_will_not_pass_is_not_repeated_and_no_redirect_followed(hook, status):
    hook.answers = [status]
    one = Courier(hook.url, MemoryStore())
    one.tell(NOTICE, "k")
    await told(one)
    assert hook.paths == ["/"]
    assert str(status) in one.trouble


async def test_what_could_not_be_told_is_told_later_by_any_hub(hook):
    store, now = MemoryStore(), 1_000.0
    hook.answers = [404]
    first = Courier(hook.url, store, lambda: now)
    first.tell(NOTICE, "k")
    await told(first)
    first.tell(NOTICE, "k")
    await told(first)
    assert len(hook.bodies) == 1  # not at once
    now += courier.AGAIN_SECONDS + 1
    first.tell(NOTICE, "k")
    await told(first)
    assert len(hook.bodies) == 2
    assert first.trouble == ""


async def test_a_webhook_that_is_away_is_given_up_without_naming_its_address(hook, monkeypatch):
    monkeypatch.setattr(courier, "GIVE_UP_SECONDS", 0.1)
    address = "http://127.0.0.1:9/T000/secret"
    one = Courier(address, MemoryStore())
    one.tell(NOTICE)
    await told(one)
    assert "can't be reached" in one.trouble
    assert "secret" not in one.trouble


async def test_a_state_store_that_is_away_costs_a_notice_some_time_only(hook, monkeypatch):
    store, now = MemoryStore(), 1_000.0
    claim = store.claim_key

    async def away(*_call):
        raise StateUnavailable("Away.")

    monkeypatch.setattr(store, "claim_key", away)
    one = Courier(hook.url, store, lambda: now)
    one.tell(NOTICE, "k")
    await told(one)
    assert hook.bodies == []
    monkeypatch.setattr(store, "claim_key", claim)
    now += courier.AGAIN_SECONDS + 1
    one.tell(NOTICE, "k")
    await told(one)
    assert len(hook.bodies) == 1


async def test_closing_gives_up_what_is_under_way_and_leaves_it_to_the_next(hook, monkeypatch):
    monkeypatch.setattr(courier, "FIRST_PAUSE_SECONDS", 60.0)
    monkeypatch.setattr(courier, "GIVE_UP_SECONDS", 120.0)
    store = MemoryStore()
    hook.answers = [500]
    one = Courier(hook.url, store)
    one.tell(NOTICE, "k")
    async with asyncio.timeout(10):
        while not hook.bodies:  # noqa: ASYNC110  # another thread's list has no event
            await asyncio.sleep(0.01)
        await one.aclose()
    other = Courier(hook.url, store)
    other.tell(NOTICE, "k")
    await told(other)
    assert len(hook.bodies) == 2
