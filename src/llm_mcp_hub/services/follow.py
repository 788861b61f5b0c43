"""The answer of a turn that runs, or ran, for another connection or at another replica.

Guarantee: a follower gets every chunk after the one it names, once and in order, and how the turn
ended; a turn whose hub has gone ends with `TurnLost`, not with silence.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import nullcontext

from llm_mcp_hub.domain.chunk import Chunk
from llm_mcp_hub.domain.completion import Completion, Fold
from llm_mcp_hub.domain.journal import Journal, JournalEnd, JournalError, JournalHead
from llm_mcp_hub.errors import HubError, InternalError, TurnCancelled, TurnLost, UnknownTurn
from llm_mcp_hub.services.journals import Journals
from llm_mcp_hub.services.live import LiveTurn
from llm_mcp_hub.services.running import refused

POLL_SECONDS = 0.2
BEHIND_SECONDS = 0.1
"""How far the beginning of another hub's journal may be behind what its caller has seen."""
WANTED_SECONDS = 5.0
"""How long the hub that runs the turn may take a reader elsewhere to be there."""


class FollowedTurn:
    """As a `Turn` to whoever answers with it; closing it ends nothing but the following.

    Attributes:
        head: What is known of the turn. Its model is certain once the first chunk has come.
        watches: Only looks on: a turn that nobody else waits for does not go on for it.
        after: The number of the last chunk that the caller has; 0 for none.
        completion: The whole answer, once the end has come.
    """

    def __init__(
        self, journals: Journals, head: JournalHead, after: int = 0, *, watches: bool = False
    ) -> None:
        self.head = head
        self._watches = watches
        self.after = after
        self.completion: Completion | None = None
        self._journals = journals
        self._fold = Fold()
        self._seen = 0

    @property
    def turn_id(self) -> str:
        """The turn's id."""
        return self.head.turn_id

    @property
    def session_id(self) -> str | None:
        """The session the turn belongs to, None if nothing is remembered."""
        return self.head.session_id

    @property
    def model_id(self) -> str:
        """`provider/name`."""
        return self.head.model_id

    @property
    def created_at(self) -> float:
        """Unix seconds."""
        return self.head.created_at

    @property
    def chunk_count(self) -> int:
        """How many chunks the turn has, as far as it is known."""
        return self._seen

    async def __aiter__(self) -> AsyncIterator[Sequence[Chunk]]:
        live = self._journals.live(self.head.principal, self.head.turn_id)
        source = self._here(live) if live is not None else self._elsewhere()
        async for chunks, end in source:
            self._fold.add(chunks)
            fresh = chunks[max(0, self.after - self._seen) :]
            self._seen += len(chunks)
            if end is not None and end.error is None:
                self.completion = self._fold.completion
                if self.completion is None:
                    raise InternalError("The hub lost the end of the answer.")
                yield fresh  # perhaps empty: the caller had it all but did not know
                return
            if fresh:
                yield fresh
            if end is not None and end.error is not None:
                raise revived(end.error)

    async def collect(self) -> Completion:
        """The whole answer, once it is complete."""
        async for _ in self:
            pass
        if self.completion is None:
            raise InternalError("The hub lost the answer.")
        return self.completion

    async def until_abandoned(self) -> None:
        """Return: a follower that leaves keeps nothing waiting."""

    async def aclose(self) -> None:
        """Nothing to end: the turn is another's."""

    async def _here(
        self, live: LiveTurn
    ) -> AsyncIterator[tuple[Sequence[Chunk], JournalEnd | None]]:
        self.head = live.head
        seen = 0
        with nullcontext() if self._watches else live.followed():
            while True:
                await live.beyond(seen)
                chunks, end = live.chunks[seen:], live.end
                seen += len(chunks)
                yield chunks, end
                if end is not None:
                    return

    async def _elsewhere(self) -> AsyncIterator[tuple[Sequence[Chunk], JournalEnd | None]]:
        seen = 0
        while True:
            now = time.time()
            journal = await self._journals.read(
                self.head.principal,
                self.head.turn_id,
                seen,
                0.0 if self._watches else now + WANTED_SECONDS,
            )
            if journal is None:
                raise unknown_turn(self.head.turn_id)
            self.head = journal.head
            seen += len(journal.chunks)
            yield journal.chunks, journal.end
            if journal.end is not None:
                return
            if journal.alive_until <= now:
                raise lost()
            if self._journals.hub_stops:
                raise refused()  # another hub goes on with it at no cost
            await asyncio.sleep(POLL_SECONDS)


async def follow(
    journals: Journals, principal: str, turn_id: str, after: int, *, watches: bool = False
) -> FollowedTurn:
    """Follow a turn from the chunk after number `after`.

    With `watches` it is only looked on at, for somebody whose turn it is not.

    Raises:
        UnknownTurn: The principal has no such turn, or its journal has expired.
    """
    live = journals.live(principal, turn_id)
    if live is not None:
        return FollowedTurn(journals, live.head, after, watches=watches)
    journal = await _find(journals, principal, turn_id, after)
    return FollowedTurn(journals, journal.head, after, watches=watches)


async def look(journals: Journals, principal: str, turn_id: str) -> Journal:
    """All there is of a turn at this moment.

    Raises:
        UnknownTurn: As for `follow`.
    """
    live = journals.live(principal, turn_id)
    if live is not None:
        return Journal(live.head, tuple(live.chunks), time.time() + POLL_SECONDS, live.end)
    return await _find(journals, principal, turn_id, 0)


async def _find(journals: Journals, principal: str, turn_id: str, after: int) -> Journal:
    """The journal, perhaps of a turn whose hub has not come round to writing it yet."""
    until = time.monotonic() + BEHIND_SECONDS
    while True:
        journal = await journals.read(principal, turn_id, after)
        if journal is not None:
            return journal
        if time.monotonic() >= until:
            raise unknown_turn(turn_id)
        await asyncio.sleep(BEHIND_SECONDS / 2)


def lost() -> TurnLost:
    """The error of a turn whose hub has gone."""
    return TurnLost(
        "The hub that made this answer ended before it was complete, and nothing of it was stored. "
        "Send the request again, under another Idempotency-Key if it had one."
    )


def cancelled() -> TurnCancelled:
    """The error of a turn that was ended before its answer was complete."""
    return TurnCancelled(
        "The turn was ended before its answer was complete: its caller left and did not come back "
        "in time. Nothing of it was stored; send the request again if you want an answer."
    )


def unknown_turn(turn_id: str) -> UnknownTurn:
    """The error of a turn that cannot be followed."""
    return UnknownTurn(
        f"You have no turn {turn_id!r} that can be fetched. Streamed answers can be if "
        "`turns.resume_seconds` is not 0, and all under an Idempotency-Key, for "
        "`turns.journal_seconds` after their end."
    )


def recorded(error: HubError) -> JournalError:
    """An error for a journal."""
    return JournalError(error.code, error.message, error.retryable, error.param, error.retry_after)


def revived(error: JournalError) -> HubError:
    """An error from a journal: of the class it was of, or the nearest that is still known."""
    kind = _BY_CODE.get(error.code, InternalError)
    return kind(
        error.message,
        param=error.param,
        retry_after=error.retry_after,
        retryable=error.retryable,
    )


def _classes(base: type[HubError]) -> dict[str, type[HubError]]:
    found = {base.code: base}
    for kind in base.__subclasses__():
        found |= _classes(kind)
    return found


_BY_CODE = _classes(HubError)
