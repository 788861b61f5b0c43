"""The hooks a plugin can implement: all of the hub's extension surface.

A plugin is an installed distribution with an entry point in the group `llm_mcp_hub` that names a
module (or object) with functions marked `@hookimpl`. Hooks are called once, when the hub is put
together; they are synchronous, do no I/O and return objects. A plugin that fails is left out
and shown with its error; the hub starts without it.
"""

from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from llm_mcp_hub.domain.turn import TurnRecord
    from llm_mcp_hub.mounts import Mount
    from llm_mcp_hub.providers.base import ProviderFactory
    from llm_mcp_hub.state.factory import StoreFactory

PROJECT = "llm_mcp_hub"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def hub_register_providers() -> "list[ProviderFactory]":  # type: ignore[empty-body]  # a pluggy specification has no body
    """Return the kinds of provider that this plugin can make."""


@hookspec
def hub_register_stores() -> "list[StoreFactory]":  # type: ignore[empty-body]  # a pluggy specification has no body
    """Return the state stores that this plugin can open, by URL scheme."""


@hookspec
def hub_register_mounts() -> "list[Mount]":  # type: ignore[empty-body]  # the same
    """Return the applications that this plugin serves beside the hub's own routes, by path."""


@hookspec
def hub_turn_finished(turn: "TurnRecord") -> None:
    """Called after every turn, however it ended, with what is known about it.

    The only hook that is called while the hub serves: it must return at once. An exception in
    it is logged and goes no further.
    """
