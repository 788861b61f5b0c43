"""Opening the dashboard in a hub: its pages, its state and its gate.

Guarantee: nothing of Reflex is imported before; everything that was opened is closed in the end.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from llm_mcp_hub.mounts import AsgiApp, MountContext
from llm_mcp_hub_dashboard.server.admins import Admins
from llm_mcp_hub_dashboard.server.gate import Gate


@asynccontextmanager
async def open_dashboard(context: MountContext) -> AsyncIterator[AsgiApp]:
    """The dashboard of one hub.

    Raises:
        NotBuiltError: The pages are missing.
    """
    # Reflex takes half a second to import: only hubs that serve pay for it.
    from llm_mcp_hub_dashboard.server.pages import Pages, pages_at  # noqa: PLC0415
    from llm_mcp_hub_dashboard.server.runtime import running  # noqa: PLC0415

    admins = Admins(context.api, context.api_path)
    with pages_at(context.path) as folder:
        async with running(folder, context.path, admins) as backend:
            try:
                yield Gate(Pages(folder / "client", context.path, backend), admins, context.path)
            finally:
                await admins.aclose()
