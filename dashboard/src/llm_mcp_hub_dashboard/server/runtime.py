"""Running Reflex inside of the hub's process.

Guarantees: Reflex writes nothing to the disk, asks nobody over the network and compiles nothing;
several hubs in one process have an application each, with states and sockets of their own.
"""

import os
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path

from reflex_base.registry import RegistrationContext
from starlette.applications import Starlette

from llm_mcp_hub_dashboard.server.admins import Admins
from llm_mcp_hub_dashboard.server.in_process import AsgiApp

SETTINGS = {
    "REFLEX_ENV_MODE": "prod",
    "__REFLEX_SKIP_COMPILE": "true",
    "REFLEX_STATE_MANAGER_MODE": "memory",
    "REFLEX_TELEMETRY_ENABLED": "false",
    "REFLEX_CHECK_LATEST_VERSION": "false",
    "REFLEX_SHOW_BUILT_WITH_REFLEX": "false",
}
"""Reflex is configured by the environment of the process; our children see none of it."""

_states: RegistrationContext | None = None
"""Where the classes of our states are registered, once they are imported."""


@asynccontextmanager
async def running(folder: Path, path: str, admins: Admins) -> AsyncIterator[AsgiApp]:
    """Reflex's application, which serves the websocket of the pages.

    Args:
        folder: The pages, made for `path`; what Reflex noted when they were built is in `backend`.
        path: Where they are served.
        admins: Who may use them.
    """
    os.environ.update(
        SETTINGS,
        REFLEX_WEB_WORKDIR=str(folder),
        REFLEX_FRONTEND_PATH=path,
        REFLEX_BACKEND_PATH=path,
    )
    context = _registered().fork()
    stack = AsyncExitStack()
    with _attached(context):
        from llm_mcp_hub_dashboard.ui.app import create_app  # noqa: PLC0415  # see `mount`

        reflex_app = create_app(admins)
        asgi_app = reflex_app()
        # Entered by hand: a mounted application gets no lifespan of its own.
        await stack.enter_async_context(reflex_app._run_lifespan_tasks(Starlette()))  # noqa: SLF001
    try:
        yield asgi_app
    finally:
        with _attached(context):
            await stack.aclose()


def _registered() -> RegistrationContext:
    """The context in which our states were registered when they were first imported."""
    global _states  # noqa: PLW0603  # as global as the imported modules are
    if _states is None:
        _states = RegistrationContext()
        with _attached(_states):
            import llm_mcp_hub_dashboard.ui.app  # noqa: F401, PLC0415  # see `mount`
    return _states


@contextmanager
def _attached(context: RegistrationContext) -> Iterator[None]:
    """What Reflex does inside the block belongs to this context, and not to another application."""
    token = RegistrationContext.set(context)
    try:
        yield
    finally:
        RegistrationContext.reset(token)
