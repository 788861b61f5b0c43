"""Applications that plugins serve beside the hub's own routes, each under a path of its own."""

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

from msgspec import Struct

AsgiApp = Callable[[Any, Any, Any], Awaitable[None]]
"""An application as ASGI 3 defines it: called with scope, receive and send."""


class MountContext(Struct, frozen=True):
    """What a mounted application is told about the hub.

    Attributes:
        path: Where it is served, without a slash at the end. Requests come with their whole path.
        api: The application that serves the hub, for calling the REST API within the process. A
            call is checked as if it had come over the network.
        api_path: What the paths of the REST API begin with there; usually empty.
    """

    path: str
    api: AsgiApp
    api_path: str


class Mount(Struct, frozen=True):
    """An application to serve under a path.

    Attributes:
        path: `/` and one name. Inside of somebody's own application it is put below the hub's path.
        title: What a person knows it by.
        open: Makes the application; entered once the hub runs, left before the hub ends. If it
            raises, requests below the path get 503 and the plugin is listed with the error. Only
            requests that name this hub in `Host` reach it; who is calling it checks itself.
    """

    path: str
    title: str
    open: Callable[[MountContext], AbstractAsyncContextManager[AsgiApp]]
