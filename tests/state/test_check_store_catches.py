"""The suite can fail: for each of these defects it does, and says which promise is broken."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import msgspec
import pytest

from llm_mcp_hub.domain.access import AccessToken
from llm_mcp_hub.domain.session import (
    Listing,
    Session,
    SessionAppend,
    SessionPage,
    SessionSort,
    SessionSummary,
)
from llm_mcp_hub.state.base import Lease, Store
from llm_mcp_hub.state.memory import MemoryStore
from llm_mcp_hub.testing import check_store
from llm_mcp_hub.testing.store_histories import compare_with_model
from llm_mcp_hub.testing.store_promise import BrokenPromiseError


def opener(kind: type[MemoryStore]) -> Callable[[], AbstractAsyncContextManager[Store]]:
    @asynccontextmanager
    async def open_store() -> AsyncIterator[Store]:
        yield kind()

    return open_store


class LetsEverybodyBegin(MemoryStore):
    async def begin(self, principal: str, session_id: str, *rest: Any) -> Session | None:
        self._entries.setdefault((principal, session_id), _entry()).drop_lease()
        return await super().begin(principal, session_id, *rest)


class BeginsInTwoSteps(MemoryStore):
    async def begin(self, principal: str, session_id: str, lease: Lease, now: float) -> Any:
        entry = self._entries.setdefault((principal, session_id), _entry())
        free = not entry.held_by_another(lease.id, now)
        await asyncio.sleep(0)
        if free:
            entry.drop_lease()
        return await super().begin(principal, session_id, lease, now)


class AppendsInTwoSteps(MemoryStore):
    async def append(self, principal: str, session_id: str, *rest: Any) -> SessionSummary:
        lease_id, change, ttl, now = rest
        before = await self.get(principal, session_id, now)
        await asyncio.sleep(0)
        if (before.summary.revision if before else 0) == change.expected_revision:
            after = await self.get(principal, session_id, now)
            change = msgspec.structs.replace(
                change, expected_revision=after.summary.revision if after else 0
            )
        return await super().append(principal, session_id, lease_id, change, ttl, now)


class NeverLetsALeaseEnd(MemoryStore):
    async def begin(self, principal: str, session_id: str, lease: Lease, now: float) -> Any:
        return await super().begin(principal, session_id, Lease(lease.id, 1e9), now)


class KeepsALeaseOneInstantTooLong(MemoryStore):
    async def begin(self, principal: str, session_id: str, lease: Lease, now: float) -> Any:
        late = msgspec.structs.replace(lease, seconds=lease.seconds + 0.001)
        return await super().begin(principal, session_id, late, now)


class ReleasesForAnybody(MemoryStore):
    async def release(self, principal: str, session_id: str, lease_id: str) -> None:
        entry = self._entries.get((principal, session_id), _entry())
        await super().release(principal, session_id, entry.lease_id)


class ForgetsToReleaseOnAppend(MemoryStore):
    async def append(self, principal: str, session_id: str, *rest: Any) -> SessionSummary:
        summary = await super().append(principal, session_id, *rest)
        self._entries[principal, session_id].lease_id = "still"
        self._entries[principal, session_id].lease_until = 1e12
        return summary


class RenewsWhatHasPassed(MemoryStore):
    async def renew(self, leases: Sequence[Any], lease: Lease, now: float) -> Any:
        held = []
        for key in leases:
            entry = self._entries.get(key)
            if entry is not None and entry.lease_id == lease.id:
                entry.take(lease, now)
                held.append(key)
        return tuple(held)


class LetsSessionsExpireUnderATurn(MemoryStore):
    async def begin(self, principal: str, session_id: str, lease: Lease, now: float) -> Any:
        before = await self.get(principal, session_id, now)
        await super().begin(principal, session_id, lease, now)
        if before is not None:
            self._entries[principal, session_id].session = before
        return before


class IgnoresTheRevision(MemoryStore):
    async def append(self, principal: str, session_id: str, *rest: Any) -> SessionSummary:
        lease_id, change, ttl, now = rest
        session = await self.get(principal, session_id, now)
        revision = session.summary.revision if session else 0
        change = msgspec.structs.replace(change, expected_revision=revision)
        return await super().append(principal, session_id, lease_id, change, ttl, now)


class ForgetsWhoHoldsTheLease(MemoryStore):
    async def append(self, principal: str, session_id: str, *rest: Any) -> SessionSummary:
        self._entries.setdefault((principal, session_id), _entry()).drop_lease()
        return await super().append(principal, session_id, *rest)


class TakesANewSessionForTheOldOne(MemoryStore):
    async def append(self, principal: str, session_id: str, *rest: Any) -> SessionSummary:
        lease_id, change, *times = rest
        change = msgspec.structs.replace(change, expected_created_at=None)
        return await super().append(principal, session_id, lease_id, change, *times)


class _Changes(MemoryStore):
    def altered(self, change: SessionAppend) -> SessionAppend:
        raise NotImplementedError

    async def append(self, principal: str, session_id: str, *rest: Any) -> SessionSummary:
        lease_id, change, *times = rest
        return await super().append(principal, session_id, lease_id, self.altered(change), *times)


class KeepsAllMessages(_Changes):
    def altered(self, change: SessionAppend) -> SessionAppend:
        return msgspec.structs.replace(change, keep=10**6)


class LosesMessages(_Changes):
    def altered(self, change: SessionAppend) -> SessionAppend:
        return msgspec.structs.replace(change, messages=change.messages[:1000])


class RoundsTimes(_Changes):
    def altered(self, change: SessionAppend) -> SessionAppend:
        messages = tuple(
            msgspec.structs.replace(one, created_at=float(f"{one.created_at:.14g}"))
            for one in change.messages
        )
        return msgspec.structs.replace(change, messages=messages)


class ProlongsOnReading(MemoryStore):
    async def get(self, principal: str, session_id: str, now: float) -> Session | None:
        session = await super().get(principal, session_id, now)
        if session is not None:
            summary = msgspec.structs.replace(session.summary, expires_at=now + 3600)
            self._entries[principal, session_id].session = Session(summary, session.messages)
        return session


class LeavesTheLeaseOnDelete(MemoryStore):
    async def delete(self, principal: str, session_id: str, now: float) -> bool:
        before = self._entries.get((principal, session_id), _entry())
        existed = await super().delete(principal, session_id, now)
        after = _entry()
        after.lease_id, after.lease_until = before.lease_id, before.lease_until
        self._entries[principal, session_id] = after
        return existed


class SharesSessions(MemoryStore):
    async def get(self, principal: str, session_id: str, now: float) -> Session | None:
        for key in list(self._entries):
            if key[1] == session_id and (found := await super().get(*key, now)):
                return found
        return None


class FindsTheFirst(MemoryStore):
    async def begin_by_digest(self, principal: str, digest: str, *rest: Any) -> Session | None:
        page = await self.list_sessions(principal, 100, None, rest[1])
        for summary in reversed(page.sessions):
            if summary.digest == digest:
                return await self.begin(principal, summary.id, *rest)
        return None


class FindsAFreeOne(MemoryStore):
    async def begin_by_digest(
        self, principal: str, digest: str, lease: Lease, now: float
    ) -> Session | None:
        for summary in (await self.list_sessions(principal, 100, None, now)).sessions:
            entry = self._entries[principal, summary.id]
            if summary.digest == digest and not entry.held_by_another(lease.id, now):
                return await self.begin(principal, summary.id, lease, now)
        return None


class FindsWithoutALease(MemoryStore):
    async def begin_by_digest(
        self, principal: str, digest: str, lease: Lease, now: float
    ) -> Session | None:
        session = await super().begin_by_digest(principal, digest, lease, now)
        if session is not None:
            await self.release(principal, session.summary.id, lease.id)
        return session


class PagesByOffset(MemoryStore):
    async def list_sessions(
        self, principal: str | None, limit: int, cursor: str | None, now: float, *order: Any
    ) -> SessionPage:
        every = (await super().list_sessions(principal, 10**6, None, now, *order)).sessions
        start = int(cursor or 0)
        following = str(start + limit) if start + limit < len(every) else None
        return SessionPage(every[start : start + limit], following)


class AlwaysPromisesAnotherPage(MemoryStore):
    async def list_sessions(self, *call: Any) -> SessionPage:
        page = await super().list_sessions(*call)
        return SessionPage(page.sessions, page.next_cursor or call[2] or "WzEuMCwiIiwiIl0=")


class TakesAnyCursor(MemoryStore):
    async def list_sessions(
        self, principal: str | None, limit: int, cursor: str | None, now: float, *order: Any
    ) -> SessionPage:
        known = cursor if cursor is not None and len(cursor) > 20 else None
        return await super().list_sessions(principal, limit, known, now, *order)


class ListsWhatHasExpired(MemoryStore):
    async def list_sessions(self, *call: Any) -> SessionPage:
        return await super().list_sessions(*call[:3], 0.0, *call[4:])


class _Orders(MemoryStore):
    def altered(self, listing: Listing) -> Listing:
        raise NotImplementedError

    async def list_sessions(self, *call: Any) -> SessionPage:
        listing = call[4] if len(call) > 4 else Listing()
        return await super().list_sessions(*call[:4], self.altered(listing))


class ListsByLastUseOnly(_Orders):
    def altered(self, listing: Listing) -> Listing:
        return msgspec.structs.replace(listing, sort=SessionSort.LAST_USED)


class ListsDescendingOnly(_Orders):
    def altered(self, listing: Listing) -> Listing:
        return msgspec.structs.replace(listing, ascending=False)


class LooksForTheFirstWord(_Orders):
    def altered(self, listing: Listing) -> Listing:
        return msgspec.structs.replace(listing, words=listing.words[:1])


class LooksAtAThousand(MemoryStore):
    async def list_sessions(self, *call: Any) -> SessionPage:
        page = await super().list_sessions(*call)
        if len(self._entries) <= 1000:
            return page
        return SessionPage(page.sessions[:1], page.next_cursor)


class KeepsTheFirstTitle(MemoryStore):
    async def append(self, principal: str, session_id: str, *rest: Any) -> SessionSummary:
        before = self._entries.get((principal, session_id), _entry()).session
        summary = await super().append(principal, session_id, *rest)
        if before is not None and before.summary.title:
            summary = msgspec.structs.replace(summary, title=before.summary.title)
        return summary


class TellsOfLeasesThatHavePassed(MemoryStore):
    async def holders(self, keys: Sequence[Any], now: float) -> tuple[str | None, ...]:
        return await super().holders(keys, 0.0)


class SaysThatAllAreHeld(MemoryStore):
    async def renew(self, leases: Sequence[Any], lease: Lease, now: float) -> Any:
        await super().renew(leases, lease, now)
        return tuple(leases)


class OverwritesTokens(MemoryStore):
    async def add_token(self, token: AccessToken) -> None:
        await self.delete_token(token.name)
        self._tokens[token.id] = token


class KeepsDeletedTokens(MemoryStore):
    async def get_token(self, token_id: str) -> AccessToken | None:
        return self._ever.get(token_id)

    async def add_token(self, token: AccessToken) -> None:
        await super().add_token(token)
        self._ever[token.id] = token

    def __init__(self) -> None:
        super().__init__()
        self._ever: dict[str, AccessToken] = {}


class BreaksWhenClosedTwice(MemoryStore):
    closed = False

    async def aclose(self) -> None:
        if self.closed:
            raise RuntimeError("closed")
        self.closed = True


def _entry() -> Any:
    from llm_mcp_hub.state.memory import _Entry

    return _Entry()


def _defects(base: type[MemoryStore]) -> list[type[MemoryStore]]:
    # Another module's may be there, when both are tested in one process.
    found = [kind for kind in base.__subclasses__() if kind.__module__ == __name__]
    named = [kind for kind in found if not kind.__name__.startswith("_")]
    return [*named, *(each for kind in found for each in _defects(kind))]


@pytest.mark.parametrize("kind", _defects(MemoryStore))
def test_a_store_with_a_defect_is_rejected(kind: type[MemoryStore]) -> None:
    with pytest.raises(BrokenPromiseError, match="is broken"):
        check_store(opener(kind), histories=0)


@pytest.mark.parametrize(
    "kind",
    [
        LetsEverybodyBegin,
        KeepsALeaseOneInstantTooLong,
        ReleasesForAnybody,
        RenewsWhatHasPassed,
        LetsSessionsExpireUnderATurn,
        TakesANewSessionForTheOldOne,
        KeepsAllMessages,
        LeavesTheLeaseOnDelete,
        FindsTheFirst,
        FindsAFreeOne,
        ListsWhatHasExpired,
    ],
)
def test_the_model_alone_finds_the_defect(kind: type[MemoryStore]) -> None:
    with pytest.raises(BrokenPromiseError, match="expected"):
        compare_with_model(opener(kind), 1000, kinds=["sessions"], shorten=False)


def test_a_store_without_a_defect_passes() -> None:
    check_store(opener(MemoryStore), histories=5)


def test_an_error_that_is_not_the_hubs_own_breaks_the_promise_too() -> None:
    class Fails(MemoryStore):
        async def ping(self) -> None:
            raise ZeroDivisionError

    with pytest.raises(BrokenPromiseError, match=r"a store answers.*\nZeroDivisionError"):
        check_store(opener(Fails), histories=0)
