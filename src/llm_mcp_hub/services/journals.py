"""The journals of this hub's turns: written in the background, a few times a second, all at once.

Guarantees: a turn never waits for its journal, except one under an `Idempotency-Key`, whose end is
in the journal before its caller has it; a turn that runs is renewed as alive, so that a reader at
another replica can tell a slow turn from a lost one; a turn with a note that is ended at another
replica is heard of within `RENEW_SECONDS`; while the state store is away, what is to be written is
kept for `KEEP_SECONDS` and no more than `MAX_KEPT` turns.
"""

import asyncio
import time
from collections.abc import Callable
from math import inf

import structlog

from llm_mcp_hub.domain.journal import Journal, JournalEnd, JournalEntry, JournalHead
from llm_mcp_hub.errors import HubError, StateUnavailable
from llm_mcp_hub.services.live import LiveTurn
from llm_mcp_hub.state.base import JournalStore

WRITE_SECONDS = 0.05
"""How far a journal may be behind. Turns that end within it cost one write."""
RETRY_SECONDS = 1.0
RENEW_SECONDS = 5.0
ALIVE_SECONDS = 20.0
"""A turn whose hub has not written for so long is lost. Several renewals may fail until then."""
KEEP_SECONDS = 60.0
MAX_KEPT = 1000
CLOSE_SECONDS = 2.0

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


class Journals:
    """Owns the background writing between the first turn and `aclose`.

    Args:
        store: Where journals are kept.
        resume_seconds: How long a turn waits for a caller who left.
        keep_seconds: How long a journal is kept after its last write.
        note_seconds: How long one with a note is.
        ended_elsewhere: Told the id of a turn of this hub's that another hub has ended.

    Attributes:
        hub_stops: Whether those who follow turns of other hubs are to ask another one.
    """

    def __init__(
        self,
        store: JournalStore,
        resume_seconds: float,
        keep_seconds: float,
        note_seconds: float = 0.0,
        ended_elsewhere: Callable[[str], None] = lambda _turn_id: None,
    ) -> None:
        self._store = store
        self._resume_seconds = resume_seconds
        self._keep_seconds = keep_seconds
        self._note_seconds = max(keep_seconds, note_seconds)
        self._ended_elsewhere = ended_elsewhere
        self._live: dict[str, LiveTurn] = {}
        self._dirty: dict[LiveTurn, None] = {}
        self._ended: dict[LiveTurn, float] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._renewal: asyncio.TimerHandle | None = None
        self._writing: asyncio.Task[None] | None = None
        self._looking: asyncio.Task[None] | None = None
        self._closed = False
        self.hub_stops = False

    @property
    def enabled(self) -> bool:
        """Whether a turn outlives its connection."""
        return self._resume_seconds > 0

    def begin(self, head: JournalHead, *, resumable: bool = True) -> LiveTurn:
        """A turn runs; `resumable` if its caller may come back."""
        live = LiveTurn(head, resumable=resumable)
        self._live[head.turn_id] = live
        if self._renewal is None and not self._closed:
            self._renewal = asyncio.get_running_loop().call_later(RENEW_SECONDS, self._renew)
        return live

    def touch(self, live: LiveTurn) -> None:
        """There is something new to write."""
        self._dirty[live] = None
        if self._writing is not None or self._closed:
            return
        if live.end is None and not live.begun:
            # Its caller knows of it from now on, and may ask for it at another hub.
            if self._timer is not None:
                self._timer.cancel()
            self._start_writing()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(WRITE_SECONDS, self._start_writing)

    async def claim(self, head: JournalHead) -> JournalHead | None:
        """Take `head.key` for a turn; the head of the turn that has it already, or None."""
        now = time.time()
        return await self._store.claim_key(head, now + ALIVE_SECONDS, self._ttl(head), now)

    async def renew_opening(self, head: JournalHead) -> None:
        """The turn that has claimed its key is still being opened."""
        now = time.time()
        entry = JournalEntry(head, 0, (), now + ALIVE_SECONDS)
        await self._store.write_journals([entry], self._keep_seconds, now)

    async def release(self, head: JournalHead) -> None:
        """Let the key be used for another attempt, since this one has cost nothing."""
        if head.key is not None:
            await self._store.release_key(head.principal, head.key, head.turn_id)

    async def settle(self, live: LiveTurn) -> None:
        """Write what there is of a turn now, if the state store can be reached."""
        try:
            await self._write([live])
        except StateUnavailable as error:
            log.warning("turn.journal_late", turn_id=live.head.turn_id, reason=error.message)
            self.touch(live)

    def live(self, principal: str, turn_id: str) -> LiveTurn | None:
        """A turn that this hub runs, or has just run."""
        live = self._live.get(turn_id)
        return live if live is not None and live.head.principal == principal else None

    def left_on(self, principal: str, session_id: str) -> LiveTurn | None:
        """A turn on the session that goes on although its caller has left."""
        for live in self._live.values():
            head = live.head
            if head.principal == principal and head.session_id == session_id and live.caller_left:
                return live if live.end is None and head.key is None else None
        return None

    async def read(
        self, principal: str, turn_id: str, after: int, wanted_until: float = 0.0
    ) -> Journal | None:
        """What the state store has of a turn, from any replica."""
        return await self._store.read_journal(principal, turn_id, after, time.time(), wanted_until)

    async def end(self, journal: Journal, end: JournalEnd) -> None:
        """End a turn of another hub's. Nobody sees more of it, and its owner stops it soon.

        Nothing changes if it has ended meanwhile.
        """
        now = time.time()
        entry = JournalEntry(journal.head, len(journal.chunks), (), now, end)
        await self._store.write_journals([entry], self._ttl(journal.head), now)

    async def delete(self, principal: str, turn_id: str) -> bool:
        """Forget a turn that has ended, and its key; False if there is none of that id."""
        live = self.live(principal, turn_id)
        if live is not None:
            await self.settle(live)  # or it would be written after it is deleted
        return await self._store.delete_journal(principal, turn_id, time.time())

    async def conclude(self, live: LiveTurn) -> None:
        """Record a turn that has ended; a key whose turn may be tried again is free again."""
        if live.head.key is None and not live.head.note:
            self.touch(live)
            return
        await self.settle(live)
        error = live.end.error if live.end is not None else None
        if error is not None and error.retryable:
            try:
                await self.release(live.head)
            except StateUnavailable as failure:
                log.warning("turn.key_kept", turn_id=live.head.turn_id, reason=failure.message)

    async def abandoned(self, live: LiveTurn) -> None:
        """Wait, after the caller left, until the turn need not go on.

        Under an `Idempotency-Key` it goes on to its end: the caller will ask for it.
        """
        live.caller_left = True
        seconds = self._resume_seconds if live.resumable else 0.0
        if live.head.key is not None:
            seconds = inf
        while True:
            await live.nobody_for(seconds)
            if live.given_up or live.end is not None or not await self._wanted_elsewhere(live):
                return

    async def aclose(self) -> None:
        """Write what there is, for at most `CLOSE_SECONDS`, and stop."""
        self._closed = True
        for timer in (self._timer, self._renewal):
            if timer is not None:
                timer.cancel()
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.wait([self._looking])
        writing = self._writing
        if writing is not None:
            await asyncio.wait([writing], timeout=CLOSE_SECONDS)
            writing.cancel()
        if self._dirty:
            last = asyncio.get_running_loop().create_task(self._write(list(self._dirty)))
            done, _ = await asyncio.wait([last], timeout=CLOSE_SECONDS)
            if not done or last.exception() is not None:
                last.cancel()
                log.warning("turn.journals_lost", turns=len(self._dirty))

    async def _wanted_elsewhere(self, live: LiveTurn) -> bool:
        """Whether a reader at another replica waits for it."""
        head = live.head
        try:
            journal = await self.read(head.principal, head.turn_id, len(live.chunks))
        except HubError:
            return False
        return journal is not None and journal.wanted_until > time.time()

    def _start_writing(self) -> None:
        self._timer = None
        self._writing = asyncio.get_running_loop().create_task(self._write_dirty())

    async def _write_dirty(self) -> None:
        pause = WRITE_SECONDS
        try:
            await self._write(list(self._dirty))
        except StateUnavailable as error:
            log.warning("turn.journals_late", turns=len(self._dirty), reason=error.message)
            pause = RETRY_SECONDS
        except Exception:  # a defect must not end the journals of all further turns
            log.exception("turn.journals_failed")
            pause = RETRY_SECONDS
        finally:
            self._writing = None
        self._forget()
        if self._dirty and self._timer is None and not self._closed:
            self._timer = asyncio.get_running_loop().call_later(pause, self._start_writing)

    async def _write(self, turns: list[LiveTurn]) -> None:
        now = time.time()
        for ttl in {self._ttl(live.head) for live in turns}:
            of_this = [live for live in turns if self._ttl(live.head) == ttl]
            entries = [live.entry(now + ALIVE_SECONDS) for live in of_this]
            await self._store.write_journals(entries, ttl, now)
            for live, entry in zip(of_this, entries, strict=True):
                live.written(entry)
                if len(live.chunks) == entry.after + len(entry.chunks) and live.end is entry.end:
                    self._dirty.pop(live, None)
                if live.complete:
                    self._drop(live)

    def _ttl(self, head: JournalHead) -> float:
        return self._note_seconds if head.note else self._keep_seconds

    def _drop(self, live: LiveTurn) -> None:
        self._dirty.pop(live, None)
        self._ended.pop(live, None)
        self._live.pop(live.head.turn_id, None)

    def _forget(self) -> None:
        """Give up ended turns that could not be written."""
        now = time.monotonic()
        for live in self._dirty:
            if live.end is not None:
                self._ended.setdefault(live, now)
        late = [live for live, ended in self._ended.items() if ended + KEEP_SECONDS <= now]
        surplus = list(self._ended)[: max(0, len(self._ended) - MAX_KEPT)]
        for live in {*late, *surplus}:
            log.warning("turn.journal_lost", turn_id=live.head.turn_id)
            self._drop(live)

    def _renew(self) -> None:
        self._renewal = None
        for live in self._live.values():
            self.touch(live)
        if self._live and not self._closed:
            loop = asyncio.get_running_loop()
            self._renewal = loop.call_later(RENEW_SECONDS, self._renew)
            if self._looking is None or self._looking.done():
                self._looking = loop.create_task(self._look_for_ends())

    async def _look_for_ends(self) -> None:
        """Hear of the turns that were ended elsewhere; only those with a note can be."""
        for live in [one for one in self._live.values() if one.head.note and one.begun]:
            head = live.head
            try:
                journal = await self.read(head.principal, head.turn_id, len(live.chunks))
            except StateUnavailable:
                return  # whoever writes to it tells of that
            except Exception:  # a defect with one turn must not hide the ends of others
                log.exception("turn.not_looked_at", turn_id=head.turn_id)
                continue
            if journal is not None and journal.end is not None and live.end is None:
                self._ended_elsewhere(head.turn_id)
