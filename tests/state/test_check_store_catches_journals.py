"""The suite can fail for journals and keys, too: for each of these defects it does."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from llm_mcp_hub.domain.journal import Journal, JournalEnd, JournalEntry, JournalHead
from llm_mcp_hub.errors import StateUnavailable
from llm_mcp_hub.state.base import Store
from llm_mcp_hub.state.memory import MemoryStore
from llm_mcp_hub.testing import check_store
from llm_mcp_hub.testing.store_histories import compare_with_model
from llm_mcp_hub.testing.store_promise import BrokenPromiseError


def opener(kind: type[MemoryStore]) -> Callable[[], AbstractAsyncContextManager[Store]]:
    @asynccontextmanager
    async def open_store() -> AsyncIterator[Store]:
        yield kind()

    return open_store


class _Writes(MemoryStore):
    """Writes something else than it is told to."""

    def altered(self, entry: JournalEntry, now: float) -> JournalEntry:
        raise NotImplementedError

    def kept(self, entry: JournalEntry) -> Any:
        return self._journals.get((entry.head.principal, entry.head.turn_id))

    async def write_journals(self, entries: Sequence[JournalEntry], ttl: float, now: float) -> None:
        for entry in entries:
            await super().write_journals([self.altered(entry, now)], ttl, now)


class StoresRepeatedChunksAgain(_Writes):
    def altered(self, entry: JournalEntry, now: float) -> JournalEntry:
        kept = self.kept(entry)
        return replace(entry, after=max(entry.after, kept.length) if kept else entry.after)


class ClosesGaps(_Writes):
    def altered(self, entry: JournalEntry, now: float) -> JournalEntry:
        kept = self.kept(entry)
        return replace(entry, after=min(entry.after, kept.length if kept else 0))


class GoesOnAfterTheEnd(_Writes):
    def altered(self, entry: JournalEntry, now: float) -> JournalEntry:
        if kept := self.kept(entry):
            kept.end = None
        return entry


class ForgetsTheError(_Writes):
    def altered(self, entry: JournalEntry, now: float) -> JournalEntry:
        return replace(entry, end=JournalEnd() if entry.end else None)


class ForgetsTheEndOfAnEntryThatBringsNothing(_Writes):
    def altered(self, entry: JournalEntry, now: float) -> JournalEntry:
        return entry if entry.chunks else replace(entry, end=None)


class LetsAliveUntilShrink(_Writes):
    def altered(self, entry: JournalEntry, now: float) -> JournalEntry:
        if kept := self.kept(entry):
            kept.alive_until = 0.0
        return entry


class ForgetsWhoWaitsWhenItWrites(_Writes):
    def altered(self, entry: JournalEntry, now: float) -> JournalEntry:
        if kept := self.kept(entry):
            kept.wanted_until = 0.0
        return entry


class KeepsWhatAnExpiredJournalHad(_Writes):
    def altered(self, entry: JournalEntry, now: float) -> JournalEntry:
        if (kept := self.kept(entry)) and kept.expires_at <= now:
            kept.expires_at = now + 1
            kept.end = None
        return entry


class LetsTheEarlierChunkBeReplaced(_Writes):
    def altered(self, entry: JournalEntry, now: float) -> JournalEntry:
        kept = self.kept(entry)
        if kept and not kept.end and kept.expires_at > now:
            kept.blobs = [blob for blob in kept.blobs if blob[0] <= entry.after]
        return entry


class DropsTextThatIsNotUnicode(_Writes):
    def altered(self, entry: JournalEntry, now: float) -> JournalEntry:
        try:
            msgspec.json.encode(entry)
        except UnicodeEncodeError:
            return replace(entry, after=10**9)
        return entry


class ProlongsWhatIsDropped(_Writes):
    def altered(self, entry: JournalEntry, now: float) -> JournalEntry:
        if (kept := self.kept(entry)) and kept.expires_at > now:
            kept.expires_at = now + 60
        return entry


class RefusesTextThatIsNotUnicode(MemoryStore):
    async def write_journals(self, entries: Sequence[JournalEntry], *times: float) -> None:
        try:
            msgspec.json.encode(entries)
        except UnicodeEncodeError:
            raise StateUnavailable("The text is not Unicode") from None
        await super().write_journals(entries, *times)


class StopsAtAnEntryThatIsDropped(MemoryStore):
    async def write_journals(self, entries: Sequence[JournalEntry], ttl: float, now: float) -> None:
        for entry in entries:
            name = (entry.head.principal, entry.head.turn_id)
            before = await self.read_journal(*name, 0, now)
            if entry.after > (len(before.chunks) if before else 0):
                return
            await super().write_journals([entry], ttl, now)


class WritesInAnyOrder(MemoryStore):
    async def write_journals(self, entries: Sequence[JournalEntry], *times: float) -> None:
        await super().write_journals(entries[::-1], *times)


class CountsFromTheFirstWrite(MemoryStore):
    async def write_journals(self, entries: Sequence[JournalEntry], *times: float) -> None:
        before = {name: kept.expires_at for name, kept in self._journals.items()}
        await super().write_journals(entries, *times)
        for name, kept in self._journals.items():
            kept.expires_at = before.get(name, kept.expires_at)


class ProlongsOnReading(MemoryStore):
    async def read_journal(self, *call: Any) -> Journal | None:
        found = await super().read_journal(*call)
        if found is not None:
            kept = self._journals[call[0], call[1]]
            kept.expires_at = max(kept.expires_at, call[3] + 60)
        return found


class ReadsWhatHasExpired(MemoryStore):
    async def read_journal(
        self, principal: str, turn_id: str, after: int, *times: float
    ) -> Journal | None:
        return await super().read_journal(principal, turn_id, after, 0.0, *times[1:])


class ReadsWholeEntries(MemoryStore):
    async def read_journal(
        self, principal: str, turn_id: str, after: int, *times: float
    ) -> Journal | None:
        kept = self._journals.get((principal, turn_id))
        starts = [0, *(last for last, _ in kept.blobs)] if kept else [0]
        after = max(start for start in starts if start <= after)
        return await super().read_journal(principal, turn_id, after, *times)


class ForgetsWhoWaits(MemoryStore):
    async def read_journal(self, *call: Any) -> Journal | None:
        before = self._journals.get((call[0], call[1]))
        wanted = before.wanted_until if before else 0.0
        journal = await super().read_journal(*call)
        if before is not None:
            before.wanted_until = wanted
        return journal


class SharesJournals(MemoryStore):
    async def read_journal(self, principal: str, turn_id: str, *rest: Any) -> Journal | None:
        for owner, turn in list(self._journals):
            if turn == turn_id and (found := await super().read_journal(owner, turn, *rest)):
                return found
        return None


class SharesKeys(MemoryStore):
    async def claim_key(self, head: JournalHead, *rest: float) -> JournalHead | None:
        for (_, key), (owner, turn_id) in self._turn_of_key.items():
            if key == head.key and owner != head.principal:
                return replace(head, turn_id=turn_id)
        return await super().claim_key(head, *rest)


class GivesAKeyToAnybody(MemoryStore):
    async def claim_key(self, head: JournalHead, *rest: float) -> JournalHead | None:
        if holder := self._turn_of_key.get((head.principal, str(head.key))):
            self._free(self._journals[holder])
        return await super().claim_key(head, *rest)


class ClaimsInTwoSteps(MemoryStore):
    async def claim_key(self, head: JournalHead, *rest: float) -> JournalHead | None:
        key = (head.principal, str(head.key))
        free = key not in self._turn_of_key
        await asyncio.sleep(0)
        if free and key in self._turn_of_key:
            self._free(self._journals[self._turn_of_key[key]])
        return await super().claim_key(head, *rest)


class RefusesTheSameTurn(MemoryStore):
    async def claim_key(self, head: JournalHead, *rest: float) -> JournalHead | None:
        if (head.principal, str(head.key)) in self._turn_of_key:
            return head
        return await super().claim_key(head, *rest)


class EmptiesWhatIsClaimedAgain(MemoryStore):
    async def claim_key(self, head: JournalHead, *rest: float) -> JournalHead | None:
        taken = await super().claim_key(head, *rest)
        if taken is None:
            self._journals[head.principal, head.turn_id].blobs = []
        return taken


class ClaimsWithoutAJournal(MemoryStore):
    async def claim_key(self, head: JournalHead, *rest: float) -> JournalHead | None:
        taken = await super().claim_key(head, *rest)
        if taken is None:
            self._journals[head.principal, head.turn_id].expires_at = 0.0
        return taken


class BeginsAJournalForWhoComesSecond(MemoryStore):
    async def claim_key(
        self, head: JournalHead, alive_until: float, *times: float
    ) -> JournalHead | None:
        taken = await super().claim_key(head, alive_until, *times)
        await self.write_journals([JournalEntry(head, 0, (), alive_until)], *times)
        return taken


class ClaimsNoKeyAtAll(MemoryStore):
    async def claim_key(self, head: JournalHead, *rest: float) -> JournalHead | None:
        return await super().claim_key(replace(head, key=head.key or ""), *rest)


class ClaimsByWriting(MemoryStore):
    async def write_journals(self, entries: Sequence[JournalEntry], ttl: float, now: float) -> None:
        for entry in entries:
            if entry.head.key is not None:
                await self.claim_key(entry.head, entry.alive_until, ttl, now)
        await super().write_journals(entries, ttl, now)


class KeepsAKeyLongerThanItsJournal(MemoryStore):
    async def claim_key(
        self, head: JournalHead, alive_until: float, ttl: float, now: float
    ) -> JournalHead | None:
        for kept in self._journals.values():
            if now - 10 < kept.expires_at <= now:
                kept.expires_at = now + 1
        return await super().claim_key(head, alive_until, ttl, now)


class KeepsAKeyThatWasClaimedForOnly(MemoryStore):
    async def claim_key(
        self, head: JournalHead, alive_until: float, ttl: float, now: float
    ) -> JournalHead | None:
        before = self._journals.get((head.principal, head.turn_id))
        ends = before.expires_at if before and before.expires_at > now else now + ttl
        taken = await super().claim_key(head, alive_until, ttl, now)
        if taken is None:
            self._journals[head.principal, head.turn_id].expires_at = ends
        return taken


class ReleasesForAnybody(MemoryStore):
    async def release_key(self, principal: str, key: str, turn_id: str) -> None:
        _, holder = self._turn_of_key.get((principal, key), ("", turn_id))
        await super().release_key(principal, key, holder)


class ReleasesTheJournalToo(MemoryStore):
    async def release_key(self, principal: str, key: str, turn_id: str) -> None:
        await super().release_key(principal, key, turn_id)
        if (principal, turn_id) in self._journals:
            self._journals[principal, turn_id].expires_at = 0.0


class NeverReleases(MemoryStore):
    async def release_key(self, principal: str, key: str, turn_id: str) -> None:
        pass


class DeletesForAnybody(MemoryStore):
    async def delete_journal(self, principal: str, turn_id: str, now: float) -> bool:
        found = [owner for owner, turn in self._journals if turn == turn_id]
        return await super().delete_journal(found[0] if found else principal, turn_id, now)


class NeverDeletesAJournal(MemoryStore):
    async def delete_journal(self, principal: str, turn_id: str, now: float) -> bool:
        return self._living((principal, turn_id), now) is not None


class KeepsTheKeyOfADeletedJournal(MemoryStore):
    async def delete_journal(self, principal: str, turn_id: str, now: float) -> bool:
        kept = self._living((principal, turn_id), now)
        if kept is not None:
            kept.blobs, kept.end = [], None
            kept.expires_at = 0.0 if kept.key is None else kept.expires_at
        return kept is not None


class ForgetsJournalsWithTheirSession(MemoryStore):
    async def delete(self, principal: str, session_id: str, now: float) -> bool:
        for (owner, _), kept in self._journals.items():
            if owner == principal:
                kept.expires_at = 0.0
        return await super().delete(principal, session_id, now)


def _defects(base: type[MemoryStore]) -> list[type[MemoryStore]]:
    # Another module's may be there, when both are tested in one process.
    found = [kind for kind in base.__subclasses__() if kind.__module__ == __name__]
    named = [kind for kind in found if not kind.__name__.startswith("_")]
    return [*named, *(each for kind in found for each in _defects(kind))]


@pytest.mark.parametrize("kind", _defects(MemoryStore))
def test_a_store_with_a_defect_is_rejected(kind: type[MemoryStore]) -> None:
    with pytest.raises(BrokenPromiseError, match=r"is broken: .*\n(BrokenPromise|StateUnav)"):
        check_store(opener(kind), histories=0)


@pytest.mark.parametrize(
    "kind",
    [
        StoresRepeatedChunksAgain,
        ClosesGaps,
        GoesOnAfterTheEnd,
        ForgetsTheError,
        LetsAliveUntilShrink,
        KeepsWhatAnExpiredJournalHad,
        LetsTheEarlierChunkBeReplaced,
        ProlongsWhatIsDropped,
        WritesInAnyOrder,
        CountsFromTheFirstWrite,
        ProlongsOnReading,
        ReadsWholeEntries,
        ForgetsWhoWaits,
        SharesJournals,
        GivesAKeyToAnybody,
        EmptiesWhatIsClaimedAgain,
        KeepsAKeyThatWasClaimedForOnly,
        ReleasesForAnybody,
        NeverDeletesAJournal,
        ForgetsJournalsWithTheirSession,
    ],
)
def test_the_model_alone_finds_the_defect(kind: type[MemoryStore]) -> None:
    with pytest.raises(BrokenPromiseError, match="expected"):
        compare_with_model(opener(kind), 1000, kinds=["journals"], shorten=False)
