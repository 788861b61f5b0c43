"""The pieces: the transport, who is signed in, the pages elsewhere, and what is shown."""

import ast
import asyncio
from pathlib import Path

import httpx
import pytest
from litestar import Litestar

import llm_mcp_hub_dashboard
from llm_mcp_hub.plugin import HubPlugin
from llm_mcp_hub.testing.hub import create_test_hub
from llm_mcp_hub_dashboard import build
from llm_mcp_hub_dashboard.server import admins as admins_module
from llm_mcp_hub_dashboard.server.admins import Admins, NotAnAdminError
from llm_mcp_hub_dashboard.server.events import piece, until
from llm_mcp_hub_dashboard.server.in_process import InProcessTransport
from llm_mcp_hub_dashboard.server.rest import SignedOutError
from llm_mcp_hub_dashboard.ui import usage_views, views
from llm_mcp_hub_dashboard.ui.config import same_origin

SOURCE = Path(llm_mcp_hub_dashboard.__file__).parent
MAY = {"llm_mcp_hub.hookimpl", "llm_mcp_hub.mounts"}


def test_of_the_hub_the_dashboard_imports_what_a_plugin_needs_and_nothing_else():
    for file in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if (
                isinstance(node, ast.ImportFrom)
                and (node.module or "").split(".")[0] == "llm_mcp_hub"
            ):
                names = {f"{node.module}.{one.name}" for one in node.names}
                assert all(name in MAY or node.module in MAY for name in names), file


async def numbers(scope, receive, send):
    """Sends a number every time it is let, and notes how many and how it ended."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    try:
        for number in range(1000):
            scope["state"]["sent"] = number
            await send({"type": "http.response.body", "body": b"%d," % number, "more_body": True})
            await asyncio.sleep(0)
    finally:
        ENDED.set()


ENDED = asyncio.Event()
pytestmark = pytest.mark.anyio


async def test_a_response_is_read_as_it_is_sent_and_ended_when_it_is_left():
    ENDED.clear()
    async with httpx.AsyncClient(
        transport=InProcessTransport(numbers), base_url="http://x"
    ) as http:
        async with http.stream("GET", "/") as answer:
            async for text in answer.aiter_text():
                assert text.startswith("0,")
                break
            assert not ENDED.is_set()
        async with asyncio.timeout(5):
            await ENDED.wait()


@pytest.mark.parametrize("sends", [False, True])
async def test_an_application_that_fails_is_told_of(sends):
    async def broken(scope, receive, send):
        if sends:
            raise RuntimeError("no")

    async with httpx.AsyncClient(transport=InProcessTransport(broken), base_url="http://x") as http:
        with pytest.raises(httpx.RemoteProtocolError):
            await http.get("/")


def caller(scopes):
    """An application that says who calls."""

    async def app(scope, receive, send):
        bearer = dict(scope["headers"]).get(b"authorization", b"").decode()
        status, body = 401, b'{"error":{"code":"not_authenticated","message":"no"}}'
        if bearer.removeprefix("Bearer ") in scopes:
            found = scopes[bearer.removeprefix("Bearer ")]
            status, body = 200, b'{"name":"me","scopes":["%s"]}' % found.encode()
        headers = [(b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return app


async def test_only_admins_are_signed_in_and_only_as_long_as_they_are():
    now = 0.0
    tokens = {"good": "admin", "poor": "chat"}
    admins = Admins(caller(tokens), "", lambda: now)
    with pytest.raises(SignedOutError):
        await admins.sign_in("unknown")
    with pytest.raises(NotAnAdminError):
        await admins.sign_in("poor")
    admin = await admins.sign_in("good")
    assert await admins.live(admins.by_cookie(admin.id)) is admin
    assert admins.by_cookie("x" + admin.id) is None
    now = 100.0
    del tokens["good"]
    assert await admins.live(admin) is None
    assert admin.ended.is_set()
    assert admins.by_cookie(admin.id) is None
    assert admins.by_handle(admin.handle) is None


@pytest.mark.parametrize("steps", [[admins_module.IDLE_SECONDS + 1], [7000.0] * 7])
async def test_a_session_ends_when_nobody_is_there_and_after_its_time(steps):
    now = 0.0
    admins = Admins(caller({"good": "admin"}), "", lambda: now)
    admin = await admins.sign_in("good")
    for step in steps:
        now += step
        found = await admins.live(admin)
    assert found is None


@pytest.mark.parametrize("limit", ["IDLE_SECONDS", "LIFE_SECONDS"])
async def test_a_session_ends_in_time_though_nobody_asks(monkeypatch, limit):
    monkeypatch.setattr(admins_module, limit, 0.05)
    admins = Admins(caller({"good": "admin"}), "")
    admin = await admins.sign_in("good")
    async with asyncio.timeout(5):
        await admin.ended.wait()
    assert list(admins) == []


async def test_a_sign_of_the_admin_puts_the_end_off(monkeypatch):
    monkeypatch.setattr(admins_module, "IDLE_SECONDS", 50.0)
    now = 0.0
    waited = []
    admins = Admins(caller({"good": "admin"}), "", lambda: now)
    admin = await admins.sign_in("good")

    async def pause(seconds):
        nonlocal now
        waited.append(seconds)
        if now == 0.0:
            now = 40.0
            await admins.live(admin)
            now = 50.0
        else:
            now += seconds + 1.0
        return True

    monkeypatch.setattr(admin, "pause", pause)
    async with asyncio.timeout(5):
        await admin.ended.wait()
    assert waited == [50.0, 40.0]


async def test_no_more_admins_are_kept_than_fit(monkeypatch):
    monkeypatch.setattr(admins_module, "MAX_ADMINS", 2)
    admins = Admins(caller({"good": "admin"}), "")
    first, *_ = [await admins.sign_in("good") for _ in range(3)]
    assert first.ended.is_set()
    assert len(list(admins)) == 2
    await admins.aclose()
    assert list(admins) == []


async def test_a_source_is_left_at_once_when_it_is_to_stop():
    stop = asyncio.Event()

    async def endless():
        yield 1
        await asyncio.Event().wait()

    seen = []
    async for item in until(stop, endless()):
        seen.append(item)
        asyncio.get_running_loop().call_soon(stop.set)
    assert seen == [1]


def test_a_line_of_a_stream_is_read():
    assert piece('data: {"choices":[{"delta":{"content":"hi"}}]}').text == "hi"
    assert piece('data: {"error":{"message":"over"}}').error == "over"
    assert piece("data: [DONE]") is None
    assert piece(": keep-alive") is None
    assert piece("id: 7") is None


def test_the_pages_talk_to_where_they_came_from_and_a_changed_reflex_is_noticed():
    line = "  const endpoint = new URL(url_str);\n"
    changed = same_origin(f"x\n{line}y")
    assert "window.location.origin" in changed
    assert same_origin(changed) == changed
    with pytest.raises(ValueError, match=r"0\.10\.1"):
        same_origin("something else")


def test_the_pages_are_served_below_another_path_as_well():
    def app(hub):
        return Litestar(plugins=[HubPlugin(hub=hub, path="/llm")])

    with (
        create_test_hub(plugins=[("dashboard", llm_mcp_hub_dashboard)], app=app) as hub,
        httpx.Client(base_url=hub.base_url, headers={"accept": "text/html"}) as http,
    ):
        assert http.get("/llm/admin").headers["location"] == "/llm/admin/login"
        answer = http.post(
            "/llm/admin/login",
            data={"token": hub.admin_token},
            headers={"origin": hub.base_url},
            follow_redirects=True,
        )
        assert answer.status_code == 200
        assert "/llm/admin/assets/" in answer.text
        assert '"/admin' not in answer.text
        assert http.get("/admin").status_code == 404


def test_every_colour_of_a_login_and_the_worst_first():
    def login(status):
        empty = {"method": None, "plan": None, "expires_at": None, "days_left": None}
        more = {"verified_at": None, "message": "", "remedy": "", "renewal_url": ""}
        return {"provider": status, "status": status, **empty, **more}

    rows = views.tokens(
        {"data": [login(one) for one in ("valid", "unknown", "warning", "expired")]}
    )
    assert [row["colour"] for row in rows] == ["red", "amber", "gray", "green"]


@pytest.mark.parametrize(
    ("states", "unused", "wanted"),
    [
        ({"a": "available", "b": "unavailable"}, ["b"], (1, 1, "green")),
        ({"a": "available", "b": "unavailable"}, [], (1, 2, "amber")),
        ({"a": "starting", "b": "unavailable"}, ["b"], (0, 1, "red")),
        ({"b": "unavailable"}, ["b"], (0, 0, "red")),
        ({"a": "available"}, ["gone"], (1, 1, "green")),
    ],
)
def test_providers_are_counted_as_the_rest_api_s_overview_does(states, unused, wanted):
    counted = views.counts(states, unused)
    assert (counted["available"], counted["total"], counted["colour"]) == wanted


def test_the_smallest_shares_are_put_together():
    groups = [
        {
            "provider": f"p{number}",
            "model": "m",
            "access_token": "a",
            "figures": {"requests": 10 - number, "input_tokens": 1, "output_tokens": 2},
        }
        for number in range(10)
    ]
    rows = usage_views.shares(groups, "provider")
    assert len(rows) == usage_views.MANY
    assert rows[-1]["name"] == "…"
    assert sum(row["value"] for row in rows) == 55
    assert usage_views.shares(groups, "access_token", "tokens") == [
        {"name": "a", "value": 30, "share": 1.0, "fill": "var(--teal-9)"}
    ]


def test_a_changed_source_asks_for_a_new_build(tmp_path, monkeypatch):
    before = build.fingerprint()
    monkeypatch.setattr(build, "TARGET", tmp_path)
    assert not build.is_current()
    (tmp_path / build.STAMP).write_text(before)
    assert build.is_current()
    (tmp_path / build.STAMP).write_text("older")
    assert not build.is_current()


@pytest.mark.parametrize(
    ("more", "states", "wanted"),
    [
        ([], ("available", "available"), "a/1"),
        ([], ("unavailable", "available"), "b/1"),
        ([], ("starting", "unavailable"), "fast"),
        (["default"], ("available", "available"), "default"),
    ],
)
def test_the_default_model_is_the_one_that_a_request_without_a_model_gets(more, states, wanted):
    models = ["fast", *more, "a/1", "a/2", "b/1"]
    providers = [
        {"name": "a", "state": states[0], "models": [{"name": "1"}, {"name": "2"}]},
        {"name": "b", "state": states[1], "models": [{"name": "1"}]},
    ]
    assert views.default_model(models, providers) == wanted
    assert views.default_model([], []) == ""
