"""Reading a request body: bounded in size and in time."""

from litestar.types import Receive, Scope

from llm_mcp_hub.errors import InvalidRequest, RequestTooLarge
from llm_mcp_hub.within import limited

BODY_SECONDS = 60.0
"""How long a client may take to send a body."""


class ClientGone(Exception):
    """The client left before its request was complete; nobody is there to be told."""


async def read_body(scope: Scope, receive: Receive, limit: int) -> bytes:
    """The whole body.

    Raises:
        RequestTooLarge: It is, or says it is, larger than `limit` bytes.
        InvalidRequest: It did not come within `BODY_SECONDS`.
        ClientGone: The client left.
    """
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit() and int(value) > limit:
            raise _too_large(limit)
    try:
        return await limited(_received(receive, limit), BODY_SECONDS)
    except TimeoutError:
        raise InvalidRequest(f"The body did not arrive within {BODY_SECONDS:g} s.") from None


async def _received(receive: Receive, limit: int) -> bytes:
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise ClientGone
        body = message.get("body", b"")
        parts.append(body)
        size += len(body)
        if size > limit:
            raise _too_large(limit)
        if not message.get("more_body", False):
            return b"".join(parts)


def _too_large(limit: int) -> RequestTooLarge:
    return RequestTooLarge(
        f"The request body is larger than {limit} bytes. Send less, or raise "
        "`server.max_body_bytes`."
    )
