"""One HTTP/1.1 request over a connection, read within bounds, and the answers to it.

Guarantee: what is read is bounded in size and time, and what has no right to an answer is refused
before its body is read. Every answer ends its connection, so none is left open between messages.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress

import httptools

READ_SECONDS = 30.0
"""How long a request may take to arrive."""
LINGER_SECONDS = 1.0
"""How long what comes after a refusal is still read, and thrown away."""
MOST_HEAD_BYTES = 16 * 1024
MOST_BODY_BYTES = 8 * 1024 * 1024
CHUNK_BYTES = 64 * 1024

REASONS = {
    200: "OK",
    202: "Accepted",
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    408: "Request Timeout",
    413: "Content Too Large",
    431: "Request Header Fields Too Large",
}


class Refused(Exception):
    """A request is answered with a status alone."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class Request:
    """A request, as httptools fills it in.

    Attributes:
        headers: By name in lower case; of one that is repeated, the last.
    """

    def __init__(self) -> None:
        self.method = ""
        self.path = ""
        self.headers: dict[str, str] = {}
        self.body = bytearray()
        self.has_head = self.whole = False
        self.parser = httptools.HttpRequestParser(self)

    def on_message_begin(self) -> None:
        """A second request is not looked at before the first has its answer; there is none then.

        Raises:
            Refused: It is a second one.
        """
        if self.whole:
            raise Refused(400)

    def on_url(self, url: bytes) -> None:
        """The target, or more of it."""
        self.path += url.decode("latin-1")

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header."""
        self.headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        """The end of the headers."""
        self.method = self.parser.get_method().decode("latin-1")
        self.has_head = True

    def on_body(self, body: bytes) -> None:
        """More of the body."""
        self.body += body

    def on_message_complete(self) -> None:
        """The end of the request."""
        self.whole = True


async def read_request(
    reader: asyncio.StreamReader, admit: Callable[[Request], None]
) -> Request | None:
    """The next request; None if the connection ends before it has begun.

    Args:
        reader: The connection.
        admit: Raises `Refused` for a head that gets no answer; called before the body is read.

    Raises:
        Refused: It was refused, is no request, is too large or took too long.
        ConnectionError: The connection ended in the middle.
    """
    request = Request()
    admitted, size = False, 0
    try:
        async with asyncio.timeout(READ_SECONDS):
            while not request.whole:
                data = await reader.read(CHUNK_BYTES)
                if not data:
                    if not size:
                        return None
                    raise ConnectionResetError
                size += len(data)
                request.parser.feed_data(data)
                if request.has_head and not admitted:
                    admit(request)
                    admitted = True
                if not request.has_head and size > MOST_HEAD_BYTES:
                    raise Refused(431)
                if len(request.body) > MOST_BODY_BYTES:
                    raise Refused(413)
    except (httptools.HttpParserError, httptools.HttpParserUpgrade):
        raise Refused(400) from None
    except TimeoutError:
        raise Refused(408) from None
    return request


async def linger(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Let a refusal arrive: to close with something unread would take it back."""
    size = 0
    with suppress(TimeoutError):
        async with asyncio.timeout(LINGER_SECONDS):
            writer.write_eof()
            while size < MOST_BODY_BYTES and (data := await reader.read(CHUNK_BYTES)):
                size += len(data)


def answer(status: int, body: bytes = b"", more: str = "") -> bytes:
    """A whole answer; `more` has further headers."""
    kind = "Content-Type: application/json\r\n" if body else ""
    return _head(status, f"{kind}Content-Length: {len(body)}\r\n{more}") + body


def stream_head() -> bytes:
    """The beginning of an answer in server-sent events; it ends with the connection."""
    return _head(200, "Content-Type: text/event-stream\r\nCache-Control: no-store\r\n")


def _head(status: int, headers: str) -> bytes:
    reason = REASONS[status]
    return f"HTTP/1.1 {status} {reason}\r\n{headers}Connection: close\r\n\r\n".encode("latin-1")
