"""A form in a dialog.

Guarantee: what is wrong with what was entered, or what the hub refuses of it, is told inside the
dialog, where a notice would be dimmed and out of reach.
"""

from typing import Any

import reflex as rx

from llm_mcp_hub_dashboard.ui.parts import note
from llm_mcp_hub_dashboard.ui.text import hub_words


class Form(rx.State, mixin=True):
    """The state of a form.

    Attributes:
        sending: Whether the hub is being asked.
        trouble: What is wrong; empty if nothing is. `trouble_ko` is the same in Korean.
    """

    is_open: bool = False
    sending: bool = False
    trouble: str = ""
    trouble_ko: str = ""

    def tell(self, english: str, korean: str) -> None:
        """Tell what is wrong, or by empty texts that nothing is."""
        self.trouble, self.trouble_ko = english, korean


def trouble(form: Any) -> rx.Component:
    """What is wrong, inside the form."""
    return rx.cond(
        form.trouble != "",
        note("red", "circle-alert", hub_words(form.trouble, form.trouble_ko), role="alert"),
    )
