"""A hub with the dashboard, somebody who signs in, and a browser tab without a browser."""

import contextlib
import json
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
import simple_websocket

import llm_mcp_hub_dashboard
from llm_mcp_hub.testing.hub import TestHub, create_test_hub
from llm_mcp_hub_dashboard import build
from llm_mcp_hub_dashboard.server.cookie import cookie_name

WAIT_SECONDS = 6.0
EVENTS = "/admin/_event"
HYDRATE = "reflex___state____state.hydrate_and_load"


@pytest.fixture(scope="session", autouse=True)
def pages() -> None:
    """Without pages there is nothing to test, and with old ones nothing that counts."""
    if not build.is_current():
        pytest.skip("the dashboard's pages are not built from these sources; run: make pages")


def start_hub(settings: dict[str, Any] | None = None, **more: Any) -> TestHub:
    return create_test_hub(settings, plugins=[("dashboard", llm_mcp_hub_dashboard)], **more)


@pytest.fixture(scope="session")
def make_hub() -> Callable[..., TestHub]:
    """Makes a hub with the dashboard, to be used with `with`."""
    return start_hub


@pytest.fixture(scope="module")
def hub() -> Iterator[TestHub]:
    """A hub with the dashboard; its tests share it."""
    with start_hub() as running:
        yield running


class Visitor:
    """Somebody with a browser: keeps cookies, sends the Origin of the hub's own pages."""

    def __init__(self, hub: TestHub) -> None:
        self.hub = hub
        self.http = httpx.Client(base_url=hub.base_url, timeout=WAIT_SECONDS)
        self.tabs: list[Tab] = []
        self._name = cookie_name(hub.base_url.partition("//")[2])

    @property
    def cookie(self) -> str | None:
        return self.http.cookies.get(self._name)

    def steal(self, cookie: str | None) -> None:
        """Go on with somebody else's cookie."""
        self.http.cookies.set(self._name, cookie or "", "127.0.0.1", "/admin")

    def close(self) -> None:
        self.http.close()
        for tab in self.tabs:
            tab.close()

    def sign_in(self, token: str | None = None, origin: str | None = "") -> httpx.Response:
        origin = self.hub.base_url if origin == "" else origin
        return self.http.post(
            "/admin/login",
            data={"token": self.hub.admin_token if token is None else token},
            headers={"origin": origin} if origin else {},
        )

    def sign_out(self) -> httpx.Response:
        return self.http.post("/admin/logout", headers={"origin": self.hub.base_url})

    def page(self, path: str = "/admin/") -> httpx.Response:
        return self.http.get(path, headers={"accept": "text/html"})

    def tab(self, token: str = "", **headers: str) -> "Tab":
        sent = {"origin": self.hub.base_url, **headers}
        if self.cookie and "cookie" not in sent:
            sent["cookie"] = f"{self._name}={self.cookie}"
        kept = {name: value for name, value in sent.items() if value}
        self.tabs.append(Tab(self.hub.base_url, kept, token or str(uuid.uuid4())))
        return self.tabs[-1]


class _Client(simple_websocket.Client):
    """With the port in its Host header, as browsers send it."""

    def handshake(self) -> None:
        self.host = f"{self.host}:{self.port}"
        try:
            super().handshake()
        except simple_websocket.ConnectionError:
            self.sock.close()
            raise


class Tab:
    """A page's websocket, as Reflex's own script drives it (Socket.IO 5 over Engine.IO 4)."""

    def __init__(self, base_url: str, headers: dict[str, str], token: str) -> None:
        self.token = token
        address = base_url.replace("http", "ws", 1)
        self.socket = _Client(
            f"{address}/admin/_event/?EIO=4&transport=websocket&token={self.token}",
            headers=headers,
        )
        # Sent before anything is read: what comes together with the handshake, this client notices
        # only when more comes.
        self.socket.send(f"40{EVENTS},")
        assert self.receive().startswith("0{")
        assert self.receive().startswith(f"40{EVENTS}")

    def receive(self) -> str:
        while True:
            text = self.socket.receive(WAIT_SECONDS)
            assert text is not None, "nothing came"
            if text != "2":
                return text
            self.socket.send("3")

    def send(self, name: str, payload: dict[str, Any] | None = None, path: str = "/") -> None:
        event = {
            "name": name,
            "payload": payload or {},
            "router_data": {"pathname": path, "asPath": path},
        }
        self.socket.send(f"42{EVENTS},{json.dumps(['event', event])}")

    def wait_for(self, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Read what the hub sends until all of it together is what is wanted, by `State.name`."""
        known: dict[str, Any] = {}
        while not wanted(known):
            text = self.receive()
            assert text.startswith(f"42{EVENTS},"), text
            name, *arguments = json.loads(text.removeprefix(f"42{EVENTS},"))
            if name == "event":
                for state, values in (arguments[0].get("delta") or {}).items():
                    short = state.rpartition("____")[2]
                    known |= {f"{short}.{key}": value for key, value in values.items()}
        return known

    def receive_to_the_end(self, heard: list[str] | None = None) -> None:
        """Read until the hub closes the websocket, which ends in `ConnectionClosed`."""
        kept = [] if heard is None else heard
        while True:
            kept.append(self.receive())

    def close(self) -> None:
        # `ConnectionError` where the hub has closed it at this very moment.
        with contextlib.suppress(simple_websocket.ConnectionClosed, ConnectionError):
            self.socket.close()
        self.socket.thread.join(WAIT_SECONDS)
        self.socket.sock.close()


@pytest.fixture
def visitor(hub: TestHub) -> Iterator[Visitor]:
    """A visitor who is not signed in."""
    one = Visitor(hub)
    yield one
    one.close()


@pytest.fixture
def admin(visitor: Visitor) -> Visitor:
    """A visitor who is signed in."""
    assert visitor.sign_in().status_code == 303
    return visitor


@pytest.fixture
def new_visitor() -> Iterator[Callable[[TestHub], Visitor]]:
    """Makes further visitors, of any hub."""
    made: list[Visitor] = []

    def make(hub: TestHub) -> Visitor:
        made.append(Visitor(hub))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def until_so() -> Callable[[Callable[[], bool]], None]:
    """Waits for something that no event tells of."""

    def wait(condition: Callable[[], bool]) -> None:
        end = time.monotonic() + WAIT_SECONDS
        while not condition():
            assert time.monotonic() < end, "it did not come to pass"
            time.sleep(0.05)

    return wait
