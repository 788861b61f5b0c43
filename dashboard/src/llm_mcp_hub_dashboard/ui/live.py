"""Keeping a page up to date without a reload.

Guarantees: a page is loaded again every few seconds for as long as it is open and the session
stands; what has not changed is not sent; a failure is shown and tried again, and what was there
stays; tabs of one admin that ask for the same share the hub's answer.
"""

from collections.abc import Awaitable, Callable
from typing import Any

import reflex as rx
import structlog

from llm_mcp_hub_dashboard.server.admins import Admin, find_admin
from llm_mcp_hub_dashboard.server.rest import Rest, RestError, SignedOutError
from llm_mcp_hub_dashboard.ui.notices import say
from llm_mcp_hub_dashboard.ui.session import Tab

SECONDS = 2.0
"""How old what is shown may be."""

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()

Load = Callable[[Rest], Awaitable[dict[str, Any]]]


class Live(rx.State, mixin=True):
    """The state of a page that keeps itself up to date.

    Attributes:
        phase: `loading` until the first answer, then `ready`, or `failed` if there was none.
        problem: Why the latest attempt failed; empty if it did not.
    """

    phase: str = "loading"
    problem: str = ""

    def show(self, values: dict[str, Any]) -> None:
        """Take over what has changed."""
        for name, value in values.items():
            if getattr(self, name) != value:
                setattr(self, name, value)


async def keep(state: Any, load: Load, seconds: float = SECONDS) -> None:
    """Load a page's values again and again, or once if `seconds` is 0; for a background event."""
    async with state:
        admin = find_admin((await state.get_state(Tab)).handle)
    while admin is not None:
        try:
            values = {**await load(admin.rest), "phase": "ready", "problem": ""}
        except SignedOutError:
            await admin.end()
            break
        except (RestError, TimeoutError) as error:
            message = error.message if isinstance(error, RestError) else "no answer in time"
            values = _failed(state, message)
        except Exception:  # a defect must not leave a page that seems up to date
            log.exception("dashboard.load_failed", state=type(state).__name__)
            values = _failed(state, "The dashboard could not read the answer; the log says why.")
        async with state:
            state.show(values)
        if not seconds:
            return
        if not await admin.pause(seconds):
            break
    async with state:
        (await state.get_state(Tab)).signed_out = True


def _failed(state: Any, message: str) -> dict[str, Any]:
    """What is shown after a failure: what was there, if anything was."""
    return {"problem": message, "phase": "ready" if state.phase == "ready" else "failed"}


async def admin_of(state: Any) -> Admin | None:
    """The admin whose event this is."""
    return find_admin((await state.get_state(Tab)).handle)


async def act(
    state: Any, work: Callable[[Rest], Awaitable[Any]], english: str = "", korean: str = ""
) -> Any:
    """Do something at the hub for a background event, and say what became of it.

    Returns:
        What the work returned; None if it failed, which the admin has been told then.
    """
    async with state:
        admin = await admin_of(state)
    if admin is None:
        return None
    try:
        result = await work(admin.rest)
    except SignedOutError:
        await admin.end()
        return None
    except (RestError, TimeoutError) as error:
        async with state:
            await say(state, "red", str(error) or "The hub did not answer in time.")
        return None
    if english:
        async with state:
            await say(state, "green", english, korean)
    return True if result is None else result
