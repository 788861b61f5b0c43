"""How Reflex builds the pages. While the hub serves, `server.runtime` configures it instead."""

from typing import Any

import reflex as rx

PATH = "/admin"
STATE_JS = "utils/state.js"
THERE = "  const endpoint = new URL(url_str);\n"
HERE = f"{THERE}  if (typeof window !== 'undefined') return _here(endpoint);\n"
FUNCTION = """
// The backend is where the page came from, whatever host, port or scheme that is.
const _here = (endpoint) => {
  const url = new URL(endpoint.pathname + endpoint.search, window.location.origin);
  if (/^ws/.test(endpoint.protocol)) url.protocol = url.protocol.replace(/^http/, "ws");
  return url;
};
"""


class SameOrigin(rx.plugins.Plugin):
    """Has built pages talk to the origin they were loaded from, instead of a built-in address."""

    def pre_compile(self, **context: Any) -> None:
        """Replace one line of Reflex's `state.js`."""
        context["add_modify_task"](STATE_JS, same_origin)


def same_origin(text: str) -> str:
    """Reflex's `state.js` with `getBackendURL` replaced.

    Raises:
        ValueError: The line is not there as in Reflex 0.10.1.
    """
    if "_here" in text:
        return text
    if text.count(THERE) != 1:
        raise ValueError("Reflex's getBackendURL is not as in 0.10.1; adapt `ui/config.py`")
    return text.replace(THERE, HERE) + FUNCTION


config = rx.Config(
    app_name="llm_mcp_hub_dashboard",
    app_module_import="llm_mcp_hub_dashboard.ui.built",
    frontend_path=PATH,
    backend_path=PATH,
    plugins=[
        rx.plugins.RadixThemesPlugin(
            theme=rx.theme(
                accent_color="teal", gray_color="sage", radius="large", has_background=True
            )
        ),
        SameOrigin(),
    ],
    disable_plugins=[rx.plugins.SitemapPlugin],
    telemetry_enabled=False,
    show_built_with_reflex=False,
)
