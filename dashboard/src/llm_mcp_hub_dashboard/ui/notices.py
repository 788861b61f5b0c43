"""What became of the admin's last action, said once and read out by screen readers."""

from typing import Any

import reflex as rx

from llm_mcp_hub_dashboard.ui.parts import note
from llm_mcp_hub_dashboard.ui.text import hub_words, t


class Notices(rx.State):
    """The latest notice.

    Attributes:
        kind: `green` or `red`; empty if there is none.
    """

    kind: str = ""
    english: str = ""
    korean: str = ""

    @rx.event
    def clear(self) -> None:
        """Take it away."""
        self.kind = ""

    def say(self, kind: str, english: str, korean: str) -> None:
        """Show it."""
        self.kind, self.english, self.korean = kind, english, korean


async def say(state: Any, kind: str, english: str, korean: str = "") -> None:
    """Show a notice from the event of any state; without Korean it is in English in both."""
    shown = await state.get_state(Notices)
    shown.say(kind, english, korean or english)


def notices() -> rx.Component:
    """Where they are shown."""
    return rx.el.div(
        rx.cond(
            Notices.kind != "",
            rx.el.div(
                note(
                    Notices.kind,
                    "info",
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
            ),
        ),
        class_name="notices",
        role="status",
        aria_live="polite",
    )
