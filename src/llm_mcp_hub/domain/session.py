"""Conversations that the hub remembers."""

from collections.abc import Iterable
from enum import StrEnum

from msgspec import Struct

from llm_mcp_hub.domain.chat import Message
from llm_mcp_hub.domain.chunk import Usage

TITLE_CHARACTERS = 80
MAX_WORDS = 8
"""More words of a search than this are not looked at."""


class StoredMessage(Struct, frozen=True, gc=False):
    """A message and the digest of the transcript up to and including it."""

    message: Message
    digest: str
    created_at: float


class SessionSummary(Struct, frozen=True):
    """A session without its messages. Times are Unix seconds.

    Attributes:
        revision: Grows by one with every stored turn.
        model: `provider/name` of the latest turn.
        digest: Digest of the whole transcript.
        title: The first words of the user's first message.
    """

    id: str
    principal: str
    revision: int
    model: str
    system: str
    digest: str
    message_count: int
    usage: Usage
    created_at: float
    updated_at: float
    expires_at: float
    title: str = ""

    @property
    def tokens(self) -> int:
        """All tokens of all turns, in and out."""
        return self.usage.input_tokens + self.usage.output_tokens


class Session(Struct, frozen=True):
    """A session with its messages, oldest first."""

    summary: SessionSummary
    messages: tuple[StoredMessage, ...]


class SessionSort(StrEnum):
    """What a listing is ordered by."""

    LAST_USED = "last_used"
    CREATED = "created"
    MESSAGES = "messages"
    TOKENS = "tokens"


class Listing(Struct, frozen=True):
    """Which sessions are listed, and in what order.

    Attributes:
        words: As from `search_words`. Each must be part of the id, the principal, the model or
            the title, ASCII letters in either case.
    """

    sort: SessionSort = SessionSort.LAST_USED
    ascending: bool = False
    words: tuple[str, ...] = ()


class SessionPage(Struct, frozen=True):
    """One page of a listing. `next_cursor` is None on the last page."""

    sessions: tuple[SessionSummary, ...]
    next_cursor: str | None


class SessionAppend(Struct, frozen=True):
    """What one turn changes in a session.

    Attributes:
        expected_revision: The revision the turn started from, 0 for a session that is new.
        keep: How many of the stored messages stay. The rest, which the caller has rewritten,
            is dropped.
        messages: What follows them.
        usage: Tokens of this turn, to be added to the session's.
        expected_created_at: `created_at` of the session the turn started from, by which a
            session that was deleted and begun anew under the same id is told from it. None
            does not check this.
    """

    expected_revision: int
    keep: int
    messages: tuple[StoredMessage, ...]
    model: str
    system: str
    usage: Usage
    expected_created_at: float | None = None


def title_of(messages: Iterable[StoredMessage]) -> str:
    """The first words of the first message of the user's that has a text."""
    for entry in messages:
        if entry.message.role == "user":
            # No more of it than could matter: a message may have megabytes.
            words = entry.message.text[: 4 * TITLE_CHARACTERS].split()
            if words:
                return " ".join(words)[:TITLE_CHARACTERS]
    return ""


def ascii_lower(text: str) -> str:
    """Text with small letters for `A` to `Z` alone, as every store can do it."""
    return text.encode("utf-8", "surrogatepass").lower().decode("utf-8", "surrogatepass")


def search_words(text: str) -> tuple[str, ...]:
    """The words to look for, for `Listing`."""
    return tuple(ascii_lower(text).split()[:MAX_WORDS])


def matches(summary: SessionSummary, words: Iterable[str]) -> bool:
    """Whether a listing of those words has the session."""
    text = "\n".join((summary.id, summary.principal, summary.model, summary.title))
    lowered = ascii_lower(text)
    return all(word in lowered for word in words)
