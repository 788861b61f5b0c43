"""What a fake back end is asked, and how it answers: what is the same for every vendor."""

from abc import ABC, abstractmethod
from typing import Any, Literal

from msgspec import Struct


class VendorReply(Struct, frozen=True):
    """How one request is answered.

    Attributes:
        text: The answer; None echoes the last user text after `echo: `.
        pieces: In how many events the text comes.
        status: Another one than 200 answers with an error body.
        error: The message of an error body.
        hold_after: After so many pieces wait for `VendorServer.release`.
        then: What happens at that point: `go on`, or `cut` the connection, or what else the vendor
            may do. Without `hold_after` it happens in the middle.
        hang: Accept the request and never answer.
    """

    text: str | None = None
    pieces: int = 5
    status: int = 200
    error: str = "scripted"
    hold_after: int | None = None
    then: str = "go on"
    hang: bool = False


class VendorRequest(ABC):
    """One recorded request for an answer.

    Attributes:
        path: With its query.
        headers: Names in lower case.
        body: The decoded JSON body.
        state: `open` until it ends as `done`, `cut` (by the script) or `aborted` (the client left).
        sent: How many pieces have gone out.
    """

    def __init__(self, path: str, headers: dict[str, str], body: dict[str, Any]) -> None:
        self.path = path
        self.headers = headers
        self.body = body
        self.state: Literal["open", "done", "cut", "aborted"] = "open"
        self.sent = 0

    @property
    @abstractmethod
    def last_user_text(self) -> str:
        """The last text that a user said; the vendor's dialect knows where it stands."""

    def text_of(self, reply: VendorReply) -> str:
        """The text of an answer."""
        return reply.text if reply.text is not None else f"echo: {self.last_user_text}"


def pieces(text: str, count: int) -> list[str]:
    """A text in so many parts."""
    size = max(1, -(-len(text) // max(1, count)))
    return [text[start : start + size] for start in range(0, len(text), size)]
