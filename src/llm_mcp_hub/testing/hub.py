"""A real hub behind a real server, for tests of the hub and of what talks to it.

    with create_test_hub() as hub:
        httpx.get(f"{hub.base_url}/v1/models", headers=hub.headers())

It serves on a free loopback port, from a thread and an event loop of its own, with the echo
provider, state in memory and access control on. Nothing is left once the block is left.
"""

import asyncio
import secrets
import socket
import tempfile
import threading
from collections.abc import Callable, Coroutine, Iterable, Mapping
from concurrent.futures import Future
from contextlib import suppress
from importlib.metadata import entry_points
from types import TracebackType
from typing import Any, Self, TypeVar

import uvicorn
from litestar.types import ASGIApp

from llm_mcp_hub.app import create_app
from llm_mcp_hub.config import read_config
from llm_mcp_hub.domain.access import Scope
from llm_mcp_hub.domain.status import ProviderState
from llm_mcp_hub.hub import Hub
from llm_mcp_hub.plugins import GROUP, load_plugins

START_SECONDS = 60.0
"""A start takes a second; this is for one that hangs, and for a machine that is very busy."""
STOP_SECONDS = 20.0
"""A running hub stops within its own bounds; this is for one that hangs."""
GRACE_SECONDS = 5
"""How long requests may go on when the hub is stopped."""
DISTRIBUTION = "llm-mcp-hub"

T = TypeVar("T")


class TestHub:
    """See the module; made by `create_test_hub`.

    Attributes:
        hub: The hub. Its coroutines belong to its own event loop: run them with `call`.
        base_url: `http://127.0.0.1:PORT`, without a slash at the end.
        app: The application that serves it.
        admin_token: An access token with the scope `admin`; empty if access control is off.
    """

    __test__ = False  # not a test, whatever its name

    def __init__(
        self, hub: Hub, app: ASGIApp, directory: "tempfile.TemporaryDirectory[str]"
    ) -> None:
        self.hub = hub
        self.base_url = ""
        self.admin_token = ""
        self.app = app
        self._directory = directory
        self._started: Future[asyncio.AbstractEventLoop] = Future()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._server = _Server(app, self._started)
        self._thread = threading.Thread(target=self._serve, name="test-hub", daemon=True)

    def token(self, name: str, *scopes: Scope | str) -> str:
        """The text of a new access token; without scopes it may chat and see its sessions."""
        chosen = [Scope(scope) for scope in scopes] or [Scope.CHAT, Scope.SESSIONS]
        return self.call(self.hub.access.create(name, chosen))[1]

    def headers(self, token: str | None = None) -> dict[str, str]:
        """Request headers that present an access token, the admin's by default."""
        return {"authorization": f"Bearer {token or self.admin_token}"}

    def call(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine in the hub's event loop and wait for its result."""
        if self._loop is None:
            work.close()
            raise RuntimeError("the hub does not run")
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(STOP_SECONDS)

    def start(self) -> None:
        """Serve, and return once requests are taken."""
        self._thread.start()
        try:
            self._loop = self._started.result(START_SECONDS)
        except TimeoutError:
            with suppress(RuntimeError):  # that it does not stop either is no news
                self.stop()
            raise RuntimeError(f"the hub did not start within {START_SECONDS:g} s") from None
        except BaseException:
            self.stop()
            raise
        self.call(self._settle())
        if self.hub.config.access.enabled:
            self.admin_token = self.token(f"admin-{secrets.token_hex(4)}", Scope.ADMIN)

    def stop(self) -> None:
        """End the server, the hub and the thread."""
        self._server.should_exit = True
        self._thread.join(STOP_SECONDS)
        self._loop = None
        self._directory.cleanup()
        if self._thread.is_alive():
            raise RuntimeError(f"the hub did not stop within {STOP_SECONDS:g} s")

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    async def __aenter__(self) -> Self:
        await asyncio.to_thread(self.start)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await asyncio.shield(asyncio.to_thread(self.stop))

    async def _settle(self) -> None:
        """Wait for the providers' self-tests, so that a test finds the hub as it will stay."""
        with suppress(TimeoutError):
            async with asyncio.timeout(START_SECONDS):
                while not self._is_settled():  # noqa: ASYNC110  # a state that has no event
                    await asyncio.sleep(0.005)

    def _is_settled(self) -> bool:
        return all(one.status().state is not ProviderState.STARTING for one in self.hub.registry)

    def _serve(self) -> None:
        with (
            socket.create_server(("127.0.0.1", 0)) as sock,
            asyncio.Runner(loop_factory=_loop_factory()) as runner,
        ):
            self.base_url = f"http://127.0.0.1:{sock.getsockname()[1]}"
            # What goes wrong before it serves ends in an exit, and is told below.
            with suppress(SystemExit):
                runner.run(self._server.serve(sockets=[sock]))
        if not self._started.done():
            self._started.set_exception(RuntimeError("the hub did not start; its log says why"))


def create_test_hub(
    settings: Mapping[str, Any] | None = None,
    *,
    word_seconds: float = 0.0,
    state: str = "memory://",
    plugins: Iterable[tuple[str, object]] = (),
    app: Callable[[Hub], ASGIApp] = lambda hub: create_app(hub=hub),
) -> TestHub:
    """A hub to be used with `with` or `async with`.

    Plugins that happen to be installed are left out, so that a test means the same everywhere.

    Args:
        settings: Further configuration, nested like the file; what is given here prevails.
        word_seconds: The echo provider's pause before each word.
        state: URL of the state store.
        plugins: Plugins to have beside the built-in ones: names and the modules or objects.
        app: Makes the application that serves the hub.

    Raises:
        ConfigError: The configuration is wrong.
    """
    built_in = [
        entry
        for entry in entry_points(group=GROUP)
        if entry.dist is not None and entry.dist.name == DISTRIBUTION
    ]
    loaded = load_plugins(built_in)
    for name, plugin in plugins:
        loaded.add(name, "test", lambda plugin=plugin: plugin)  # type: ignore[misc]  # mypy infers no default
    directory = tempfile.TemporaryDirectory(prefix="hub-")
    try:
        chosen = {
            "data_dir": directory.name,
            "state": state,
            "providers": {"echo": {"word_seconds": word_seconds}},
        }
        hub = Hub(read_config(None, {}, _over(chosen, settings or {})), loaded)
        return TestHub(hub, app(hub), directory)
    except BaseException:
        directory.cleanup()
        raise


class _Server(uvicorn.Server):
    """Tells when it serves."""

    def __init__(self, app: ASGIApp, started: "Future[asyncio.AbstractEventLoop]") -> None:
        super().__init__(
            uvicorn.Config(
                app,
                http="httptools",
                lifespan="on",
                log_config=None,
                access_log=False,
                # As `serve` has it: what a proxy says is the hub's own to judge.
                proxy_headers=False,
                timeout_graceful_shutdown=GRACE_SECONDS,
            )
        )
        self._told = started

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then say so."""
        await super().startup(sockets)
        if self.started:
            self._told.set_result(asyncio.get_running_loop())

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End, and drop the connections of clients that do not read what they were sent."""
        await super().shutdown(sockets)
        for connection in list(self.server_state.connections):
            connection.transport.abort()
        await asyncio.sleep(0)


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    try:
        import uvloop  # noqa: PLC0415  # not there on every platform
    except ImportError:
        return asyncio.new_event_loop
    return uvloop.new_event_loop


def _over(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in over.items():
        inner = merged.get(key)
        merged[key] = _over(inner, value) if isinstance(inner, dict) and value else value
    return merged
