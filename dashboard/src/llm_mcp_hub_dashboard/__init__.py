"""The admin dashboard of LLM MCP Hub: a Reflex application that the hub serves at `/admin`.

Guarantees: it reads and changes the hub through the REST API alone, with the access token that the
admin signed in with, so what it shows anyone can script; nothing below its path but the sign-in
page is served, and no event is run, without a live session of an admin.

Importing this package costs nothing: Reflex is imported when the hub opens the mount.
"""

from llm_mcp_hub import hookimpl
from llm_mcp_hub.mounts import Mount
from llm_mcp_hub_dashboard.server.mount import open_dashboard

PATH = "/admin"


@hookimpl
def hub_register_mounts() -> list[Mount]:
    """The dashboard."""
    return [Mount(PATH, "Dashboard", open_dashboard)]
