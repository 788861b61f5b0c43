"""Each browser tab's tie to the signed-in admin.

Guarantees: no event of a tab runs without a live session; a tab that another admin used before
starts from nothing; a tab whose session is over shows nothing of the hub any more and goes to the
sign-in page.
"""

from typing import Any

import reflex as rx
from reflex.middleware import Middleware
from reflex.state import BaseState, StateUpdate

from llm_mcp_hub_dashboard.server.admins import Admin, Admins
from llm_mcp_hub_dashboard.server.gate import HANDLE


class Tab(rx.State):
    """Who uses this tab.

    Attributes:
        admin: The admin's name, empty until known.
        signed_out: Whether the session is over.
    """

    admin: str = ""
    signed_out: bool = False
    _handle: str = ""

    def adopt(self, admin: Admin) -> None:
        """Note the admin whose tab this is."""
        self._handle = admin.handle
        self.admin = admin.name
        self.signed_out = False

    @property
    def handle(self) -> str:
        """Which session the tab is tied to."""
        return self._handle


class OnlyAdmins(Middleware):
    """Stops every event that comes without a live session."""

    def __init__(self, admins: Admins) -> None:
        self._admins = admins

    async def preprocess(self, app: Any, state: BaseState, event: Any) -> StateUpdate | None:  # noqa: ARG002  # Reflex's signature
        """Let an event pass by None, or answer it."""
        root = state._get_root_state()  # noqa: SLF001  # Reflex hands a middleware any state
        handle = root.router_data.get("headers", {}).get(HANDLE.decode(), "")
        admin = await self._admins.live(self._admins.by_handle(handle))
        tab = await root.get_state(Tab)
        if admin is None:
            root.reset()
            tab.signed_out = True
            delta = await root._get_resolved_delta()  # noqa: SLF001
            root._clean()  # noqa: SLF001
            return StateUpdate(delta=delta)
        if tab.handle != admin.handle:
            root.reset()
            tab.adopt(admin)
        return None
