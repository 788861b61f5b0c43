"""Reading a request body: bounded in size and in time, as it is, and as text."""

from typing import Any

from litestar import Request
from litestar.datastructures import State
from litestar.exceptions import SerializationException
from litestar.types import Receive, Scope

from llm_mcp_hub.errors import BodyEncoded, InvalidRequest, RequestTooLarge
from llm_mcp_hub.within import limited

BODY_SECONDS = 60.0
"""How long a client may take to send a body."""

NOT_UTF_8 = "The body is not UTF-8."


class ClientGone(Exception):
    """The client left before its request was complete; nobody is there to be told."""


class HubRequest(Request[Any, Any, State]):
    """A request whose body can be read wrongly in the caller's ways alone."""

    async def json(self) -> Any:
        """The body's JSON.

        Raises:
            BodyEncoded: It is compressed.
            InvalidRequest: It is not UTF-8, or nested too deeply.
        """
        refuse_encoded(self.scope)
        try:
            return await super().json()
        except (UnicodeDecodeError, SerializationException):
            if is_utf_8(await self.body()):
                raise
            raise InvalidRequest(NOT_UTF_8) from None
        except RecursionError:
            raise InvalidRequest("The body is nested too deeply.") from None


def refuse_encoded(scope: Scope) -> None:
    """Refuse a body that is not sent as it is.

    Raises:
        BodyEncoded: It is so.
    """
    for name, value in scope["headers"]:
        if name == b"content-encoding" and value.strip().lower() not in (b"", b"identity"):
            raise BodyEncoded(
                "The hub reads no compressed bodies: send it without Content-Encoding.",
                param="Content-Encoding",
            )


def is_utf_8(body: bytes) -> bool:
    """Whether a body is UTF-8, as JSON must be."""
    try:
        body.decode()
    except UnicodeDecodeError:
        return False
    return True


async def read_body(scope: Scope, receive: Receive, limit: int) -> bytes:
    """The whole body.

    Raises:
        BodyEncoded: It is compressed.
        RequestTooLarge: It is, or says it is, larger than `limit` bytes.
        InvalidRequest: It did not come within `BODY_SECONDS`.
        ClientGone: The client left.
    """
    refuse_encoded(scope)
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
