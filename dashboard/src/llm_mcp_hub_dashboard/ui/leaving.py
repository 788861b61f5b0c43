"""How a tab whose session is over gets to the sign-in page, whatever it missed.

Guarantees: a tab that is told so leaves at once; one that can't be told, because its websocket or
its scripts are refused, asks the gate at each failure and leaves if that answers 401; one that the
hub does not answer, or that is signed in, stays and goes on trying.
"""

import reflex as rx
from reflex_base.constants import Hooks
from reflex_components_core.base.fragment import Fragment  # type: ignore[import-untyped]  # has none

from llm_mcp_hub_dashboard.ui.text import t

SIGN_IN = "/admin/login?out"
SIGNED_IN = "/admin/signed-in"
LEAVE = rx.Var(f"() => window.location.assign('{SIGN_IN}')")

# In the page itself: a file would be refused with the others.
SCRIPT = f"""
(() => {{
  let asking = false;
  window.leaveIfSignedOut = async () => {{
    if (asking) return;
    asking = true;
    try {{
      const answer = await fetch("{SIGNED_IN}", {{ cache: "no-store" }});
      if (answer.status === 401) window.location.assign("{SIGN_IN}");
    }} catch {{
      // The hub is away, and knows of nobody's session now. The next failure asks again.
    }} finally {{
      asking = false;
    }}
  }};
  const failed = ({{ target }}) => {{
    if (target instanceof HTMLScriptElement || target instanceof HTMLLinkElement) {{
      window.leaveIfSignedOut();
    }}
  }};
  window.addEventListener("error", failed, true);
}})();
"""


class _AskWhy(Fragment):
    """Asks after each failure to connect, since no script can see the status of a refusal."""

    def add_hooks(self) -> list[str | rx.Var[object]]:
        return [
            Hooks.CONNECT_ERRORS,
            rx.Var(
                "useEffect(() => { if (connectErrors.length) window.leaveIfSignedOut(); },"
                " [connectErrors]);"
            ),
        ]

    def add_imports(self) -> dict[str, str | list[str]]:
        return {"react": ["useEffect", "useContext"], "$/utils/context": ["EventLoopContext"]}


def watch_for_failures() -> rx.Component:
    """The script that asks the gate, for the head of every page."""
    return rx.el.script(SCRIPT)


def lost_connection() -> rx.Component:
    """What is shown while there is no connection, and what is done about it."""
    return rx.fragment(_lost_connection())


@rx.memo  # a component of its own, inside of what provides the connection's errors
def _lost_connection() -> rx.Component:
    banner = rx.el.div(
        rx.el.div(
            rx.icon("wifi-off", size=16, aria_hidden="true"),
            t(
                "No connection to the hub. Trying again…",
                "허브에 연결할 수 없습니다. 다시 시도하는 중…",
            ),
            class_name="note note-amber",
            role="alert",
        ),
        class_name="lost",
    )
    return rx.fragment(_AskWhy.create(), rx.connection_banner(banner))


def goodbye() -> rx.Component:
    """What is left of a page whose tab was told that its session is over."""
    return rx.el.main(
        rx.el.h1(t("Signed out", "로그아웃됨")),
        rx.el.p(rx.el.a(t("Sign in again", "다시 로그인"), href=SIGN_IN)),
        padding="2rem",
        on_mount=rx.call_function(LEAVE),
    )
