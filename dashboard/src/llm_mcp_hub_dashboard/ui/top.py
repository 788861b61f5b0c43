"""The live part of the frame: the alerts and their count."""

from typing import Any

import reflex as rx

from llm_mcp_hub_dashboard.server.rest import Rest
from llm_mcp_hub_dashboard.ui import views
from llm_mcp_hub_dashboard.ui.live import Live, keep


class Top(Live, rx.State):
    """What needs the admin's attention.

    Attributes:
        alerts: Each with `level` and `text`, the worst first.
        alert_count: How many of them are problems; a mere hint is none.
        worst: The level of the worst problem; empty if there is none.
    """

    alerts: list[dict[str, Any]] = []
    alert_count: int = 0
    worst: str = ""

    @rx.event(background=True)
    async def watch(self) -> None:
        """Keep the alerts up to date."""
        await keep(self, load)


async def load(rest: Rest) -> dict[str, Any]:
    """The alerts."""
    alerts = views.alerts(await rest.shared("/v1/alerts"))
    problems = [alert["level"] for alert in alerts if alert["level"] != "info"]
    return {
        "alerts": alerts,
        "alert_count": len(problems),
        "worst": problems[0] if problems else "",
    }
