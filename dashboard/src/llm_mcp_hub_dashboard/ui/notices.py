"""What became of the admin's last action, said once and read out by screen readers.

Guarantees: a success leaves by itself; a failure stays until it is put away, another action
succeeds or another page is shown.
"""

import time
from typing import Any

import reflex as rx

from llm_mcp_hub_dashboard.server.admins import find_admin
from llm_mcp_hub_dashboard.ui.parts import note
from llm_mcp_hub_dashboard.ui.session import Tab
from llm_mcp_hub_dashboard.ui.text import hub_words, t

SECONDS = 8.0
"""How long a success is shown at least."""
LOOK_SECONDS = 1.0


class Notices(rx.State):
    """The latest notice.

    Attributes:
        kind: `green` or `red`; empty if there is none.
    """

    kind: str = ""
    english: str = ""
    korean: str = ""
    _since: float = 0.0

    @rx.event
    def clear(self) -> None:
        """Take it away."""
        self.kind = ""

    @rx.event
    def turn_page(self) -> None:
        """Take away a failure of another page."""
        if self.kind == "red":
            self.kind = ""

    @rx.event(background=True)
    async def watch(self) -> None:
        """Take each success away after a while."""
        async with self:
            admin = find_admin((await self.get_state(Tab)).handle)
        while admin is not None and await admin.pause(LOOK_SECONDS):
            if self._is_over():
                async with self:
                    if self._is_over():  # another may be shown by now
                        self.kind = ""

    def say(self, kind: str, english: str, korean: str) -> None:
        """Show it, or nothing any more if the kind is empty."""
        self.kind, self.english, self.korean = kind, english, korean
        self._since = time.monotonic()

    def _is_over(self) -> bool:
        return self.kind == "green" and time.monotonic() - self._since > SECONDS


async def say(state: Any, kind: str, english: str, korean: str = "") -> None:
    """Show a notice from the event of any state; without Korean it is in English in both."""
    shown = await state.get_state(Notices)
    shown.say(kind, english, korean or english)


def notices() -> rx.Component:
    """Where they are shown. What announces them is always there, or nothing would be announced."""
    return rx.el.div(
        rx.el.div(
            rx.cond(
                Notices.kind == "green",
                _notice("green", "circle-check"),
            ),
            role="status",
        ),
        rx.el.div(rx.cond(Notices.kind == "red", _notice("red", "circle-alert")), role="alert"),
        class_name="notices",
    )


def _notice(kind: str, icon: str) -> rx.Component:
    return note(
        kind,
        icon,
        rx.flex(
            hub_words(Notices.english, Notices.korean, flex="1"),
            rx.icon_button(
                rx.icon("x", size=14, aria_hidden="true"),
                on_click=Notices.clear,
                aria_label=t("Close", "닫기"),
                variant="ghost",
                color_scheme="gray",
                size="1",
            ),
            spacing="3",
            align="start",
        ),
    )
