"""What is known about a turn once it is over."""

from enum import StrEnum

from msgspec import Struct

from llm_mcp_hub.domain.chunk import Usage


class Outcome(StrEnum):
    """How a turn ended."""

    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


class TurnRecord(Struct, frozen=True):
    """One finished turn. Times are seconds.

    Attributes:
        session_id: None if the caller asked for nothing to be remembered.
        error_code: `HubError.code` of a failed turn.
        usage: Of all its answers, those that its caller did not get included.
        seconds: From the request to the end.
        first_chunk_seconds: From the request to the first chunk, None if none came.
    """

    turn_id: str
    principal: str
    session_id: str | None
    provider: str
    model: str
    outcome: Outcome
    error_code: str | None
    usage: Usage
    seconds: float
    first_chunk_seconds: float | None
