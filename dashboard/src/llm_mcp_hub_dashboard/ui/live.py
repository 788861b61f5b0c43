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
from llm_mcp_hub_dashboard.ui.korean import error
from llm_mcp_hub_dashboard.ui.notices import say
from llm_mcp_hub_dashboard.ui.session import Tab

SECONDS = 2.0
"""How old what is shown may be."""

LATE = ("The hub did not answer in time.", "허브가 제시간에 응답하지 않았습니다.")
UNREADABLE = (
    "The dashboard could not read the answer; the log says why.",
    "대시보드가 응답을 읽지 못했습니다. 로그에 이유가 있습니다.",
)

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()

Load = Callable[[Rest], Awaitable[dict[str, Any]]]


class Live(rx.State, mixin=True):
    """The state of a page that keeps itself up to date.

    Attributes:
        phase: `loading` until the first answer, then `ready`, or `failed` if there was none.
        problem: Why the latest attempt failed; empty if it did not. `problem_ko` is the same in
            Korean, if that is known.
    """

    phase: str = "loading"
    problem: str = ""
    problem_ko: str = ""

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
            values = {**await load(admin.rest), **_well()}
        except SignedOutError:
            await admin.end()
            break
        except (RestError, TimeoutError) as failure:
            values = _failed(state, *_told(failure))
        except Exception:  # a defect must not leave a page that seems up to date
            log.exception("dashboard.load_failed", state=type(state).__name__)
            values = _failed(state, *UNREADABLE)
        async with state:
            state.show(values)
        if not seconds:
            return
        if not await admin.pause(seconds):
            break
    async with state:
        (await state.get_state(Tab)).signed_out = True


def _well() -> dict[str, Any]:
    return {"phase": "ready", "problem": "", "problem_ko": ""}


def _failed(state: Any, english: str, korean: str) -> dict[str, Any]:
    """What is shown after a failure: what was there, if anything was."""
    phase = "ready" if state.phase == "ready" else "failed"
    return {"problem": english, "problem_ko": korean, "phase": phase}


def _told(failure: RestError | TimeoutError) -> tuple[str, str]:
    """What a failure says, in both languages."""
    if isinstance(failure, RestError):
        return failure.message, error(failure.code, failure.message)
    return LATE


async def admin_of(state: Any) -> Admin | None:
    """The admin whose event this is."""
    return find_admin((await state.get_state(Tab)).handle)


async def act(
    state: Any,
    work: Callable[[Rest], Awaitable[Any]],
    english: str = "",
    korean: str = "",
    *,
    in_form: bool = False,
) -> Any:
    """Do something at the hub for a background event, and say what became of it.

    Args:
        state: Whose event it is.
        work: What to do.
        english: What to say once it is done; nothing if empty.
        korean: The same in Korean.
        in_form: Whether the state is a `Form`, which tells of a failure itself.

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
    except (RestError, TimeoutError) as failure:
        async with state:
            if in_form:
                state.tell(*_told(failure))
            else:
                await say(state, "red", *_told(failure))
        return None
    async with state:
        await say(state, "green" if english else "", english, korean)
    return True if result is None else result
