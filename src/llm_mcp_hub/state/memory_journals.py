"""The journals of `MemoryStore`: the part of it that is about turns, not sessions.

What has expired is dropped by the calls that write, so memory holds what lives and little else.
"""

import heapq
from bisect import bisect_right
from collections.abc import Sequence
from operator import itemgetter

from msgspec import Struct

from llm_mcp_hub.domain.journal import Journal, JournalEntry, JournalHead
from llm_mcp_hub.state.journal_bytes import decode_end, decode_head, encode, joined

Key = tuple[str, str]
"""Principal and turn id, or principal and idempotency key."""


class _Kept(Struct):
    """One journal, as bytes: half the size, and nothing in it can be changed from outside."""

    head: bytes
    expires_at: float
    alive_until: float
    key: Key | None = None
    blobs: list[tuple[int, bytes]] = []
    end: bytes | None = None
    wanted_until: float = 0.0

    @property
    def length(self) -> int:
        return self.blobs[-1][0] if self.blobs else 0


class MemoryJournals:
    """Journals and idempotency keys in this process's memory."""

    def __init__(self) -> None:
        super().__init__()
        self._journals: dict[Key, _Kept] = {}
        self._turn_of_key: dict[Key, Key] = {}
        self._journal_ends: list[tuple[float, Key]] = []

    async def claim_key(
        self, head: JournalHead, alive_until: float, ttl: float, now: float
    ) -> JournalHead | None:
        """Begin a journal under a key that is free."""
        if head.key is None:
            raise ValueError("There is no key in the head to claim.")
        self._sweep_journals(now)
        name, key = (head.principal, head.turn_id), (head.principal, head.key)
        holder = self._turn_of_key.get(key, name)
        if holder != name:
            taken = self._journals[holder]
            if taken.expires_at > now:
                return decode_head(taken.head)
            self._free(taken)
        kept = self._living(name, now) or self._begin_journal(name, head, now + ttl)
        self._free(kept)
        kept.key = key
        self._turn_of_key[key] = name
        kept.alive_until = max(kept.alive_until, alive_until)
        kept.expires_at = now + ttl
        return None

    async def write_journals(self, entries: Sequence[JournalEntry], ttl: float, now: float) -> None:
        """Add to journals."""
        self._sweep_journals(now)
        for entry in entries:
            name = (entry.head.principal, entry.head.turn_id)
            kept = self._living(name, now)
            if kept is None:
                if entry.after > 0:
                    continue
                kept = self._begin_journal(name, entry.head, now + ttl)
            elif kept.end is not None or entry.after > kept.length:
                continue
            elif entry.after == 0:
                kept.head = encode(entry.head)
            last = entry.after + len(entry.chunks)
            if last > kept.length:
                kept.blobs.append((last, encode(entry.chunks[kept.length - entry.after :])))
            if entry.end is not None:
                kept.end = encode(entry.end)
            kept.alive_until = max(kept.alive_until, entry.alive_until)
            kept.expires_at = now + ttl

    async def read_journal(
        self, principal: str, turn_id: str, after: int, now: float, wanted_until: float = 0.0
    ) -> Journal | None:
        """The journal from a chunk on."""
        kept = self._living((principal, turn_id), now)
        if kept is None:
            return None
        kept.wanted_until = max(kept.wanted_until, wanted_until)
        return Journal(
            head=decode_head(kept.head),
            chunks=joined(after, kept.blobs[bisect_right(kept.blobs, after, key=itemgetter(0)) :]),
            alive_until=kept.alive_until,
            end=decode_end(kept.end) if kept.end is not None else None,
            wanted_until=kept.wanted_until,
        )

    async def release_key(self, principal: str, key: str, turn_id: str) -> None:
        """Let a key be used anew."""
        name = (principal, turn_id)
        if self._turn_of_key.get((principal, key)) == name:
            self._free(self._journals[name])

    async def delete_journal(self, principal: str, turn_id: str, now: float) -> bool:
        """Forget a journal."""
        kept = self._living((principal, turn_id), now)
        if kept is None:
            return False
        self._free(kept)
        # Nothing else is left of it, but the note of its end.
        self._journals[principal, turn_id] = _Kept(b"", 0.0, 0.0)
        return True

    def _living(self, name: Key, now: float) -> _Kept | None:
        kept = self._journals.get(name)
        return kept if kept is not None and kept.expires_at > now else None

    def _begin_journal(self, name: Key, head: JournalHead, expires_at: float) -> _Kept:
        if name in self._journals:
            self._free(self._journals[name])
        else:
            heapq.heappush(self._journal_ends, (expires_at, name))
        kept = self._journals[name] = _Kept(encode(head), expires_at, 0.0)
        return kept

    def _free(self, kept: _Kept) -> None:
        if kept.key is not None:
            del self._turn_of_key[kept.key]
            kept.key = None

    def _sweep_journals(self, now: float) -> None:
        # One note for each journal; it is renewed when its time has come and the journal lives on.
        while self._journal_ends and self._journal_ends[0][0] <= now:
            _, name = self._journal_ends[0]
            kept = self._journals[name]
            if kept.expires_at > now:
                heapq.heapreplace(self._journal_ends, (kept.expires_at, name))
            else:
                heapq.heappop(self._journal_ends)
                self._free(kept)
                del self._journals[name]
