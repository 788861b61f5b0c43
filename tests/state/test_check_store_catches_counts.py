"""The suite can fail for usage, limits and the use of tokens, too: for each of these defects."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import pytest
from msgspec.structs import replace

from llm_mcp_hub.domain.access import AccessToken
from llm_mcp_hub.domain.limits import LimitedTurn, LimitUse, TokenLimits
from llm_mcp_hub.domain.usage import UsageBatch, UsageRow
from llm_mcp_hub.state.base import Store
from llm_mcp_hub.state.memory import MemoryStore
from llm_mcp_hub.testing import store_limits, store_tokens, store_usage
from llm_mcp_hub.testing.store_promise import BrokenPromiseError
from llm_mcp_hub.testing.store_suite import STORE_PROMISES, check_promise


def opener(kind: type[MemoryStore]) -> Callable[[], AbstractAsyncContextManager[Store]]:
    @asynccontextmanager
    async def open_store() -> AsyncIterator[Store]:
        yield kind()

    return open_store


class CountsEveryAttempt(MemoryStore):
    async def add_usage(self, batch: UsageBatch, now: float) -> None:
        self._writers.clear()
        await super().add_usage(batch, now)


class KnowsOneWriterOnly(MemoryStore):
    async def add_usage(self, batch: UsageBatch, now: float) -> None:
        await super().add_usage(replace(batch, writer="any"), now)


class KeepsTheLatestCounts(MemoryStore):
    async def add_usage(self, batch: UsageBatch, now: float) -> None:
        for row in batch.rows:
            self._usage.pop(row.slot, None)
        await super().add_usage(batch, now)


class AddsInTwoSteps(MemoryStore):
    async def add_usage(self, batch: UsageBatch, now: float) -> None:
        before = dict(self._usage)
        await asyncio.sleep(0)
        self._usage = before
        await super().add_usage(batch, now)


class MixesModels(MemoryStore):
    async def add_usage(self, batch: UsageBatch, now: float) -> None:
        rows = tuple(replace(row, slot=replace(row.slot, model="")) for row in batch.rows)
        await super().add_usage(replace(batch, rows=rows), now)


class ForgetsAtTheFirstEnd(MemoryStore):
    async def add_usage(self, batch: UsageBatch, now: float) -> None:
        await super().add_usage(batch, now)
        for row in batch.rows:
            if row.slot in self._usage:
                self._usage[row.slot] = self._usage[row.slot][0], row.expires_at


class RoundsLargeNumbers(MemoryStore):
    async def read_usage(self, *call: Any) -> Sequence[UsageRow]:
        found = await super().read_usage(*call)
        return [
            replace(row, counts={name: int(f"{n:.14g}".split("e")[0].replace(".", ""))
                    if n > 10**14 else n for name, n in row.counts.items()})
            for row in found
        ]  # fmt: skip


class ReadsTheEndToo(MemoryStore):
    async def read_usage(
        self, span: int, since: int, until: int, principal: str | None = None
    ) -> Sequence[UsageRow]:
        return await super().read_usage(span, since, until + 1, principal)


class ReadsEverybodys(MemoryStore):
    async def read_usage(
        self, span: int, since: int, until: int, principal: str | None = None
    ) -> Sequence[UsageRow]:
        return await super().read_usage(span, since, until)


class _Enters(MemoryStore):
    """Lets in otherwise than it is told to."""

    def altered(self, turn: LimitedTurn, limits: TokenLimits) -> TokenLimits:
        raise NotImplementedError

    async def enter_turn(self, turn: LimitedTurn, limits: TokenLimits, until: float) -> LimitUse:
        return await super().enter_turn(turn, self.altered(turn, limits), until)


class LimitsNoMinute(_Enters):
    def altered(self, turn: LimitedTurn, limits: TokenLimits) -> TokenLimits:
        return replace(limits, requests_per_minute=None)


class LimitsNoTurnsAtOnce(_Enters):
    def altered(self, turn: LimitedTurn, limits: TokenLimits) -> TokenLimits:
        return replace(limits, concurrent_turns=None)


class LetsOneMoreInADay(_Enters):
    def altered(self, turn: LimitedTurn, limits: TokenLimits) -> TokenLimits:
        day = limits.requests_per_day
        return replace(limits, requests_per_day=day and day + 1)


class CountsByTheClocksMinute(_Enters):
    def altered(self, turn: LimitedTurn, limits: TokenLimits) -> TokenLimits:
        used = self._used.get(turn.principal)
        minute = turn.entered_at // 60
        for name, at in list(used.entered.items()) if used else ():
            if used and at // 60 < minute:
                del used.entered[name]
        return limits


class BeginsNoDayAnew(_Enters):
    def altered(self, turn: LimitedTurn, limits: TokenLimits) -> TokenLimits:
        if used := self._used.get(turn.principal):
            used.day = int(turn.entered_at // 86_400)
        return limits


class ForgetsTheDead(_Enters):
    def altered(self, turn: LimitedTurn, limits: TokenLimits) -> TokenLimits:
        if used := self._used.get(turn.principal):
            for name, until in list(used.running.items()):
                if until <= turn.entered_at:
                    del used.running[name]
        return limits


class KeepsTheDead(MemoryStore):
    async def enter_turn(self, turn: LimitedTurn, limits: TokenLimits, until: float) -> LimitUse:
        return await super().enter_turn(turn, limits, until + 1000)


class CountsWhatIsKeptOut(MemoryStore):
    async def enter_turn(self, turn: LimitedTurn, limits: TokenLimits, until: float) -> LimitUse:
        use = await super().enter_turn(turn, limits, until)
        if use.exceeded:
            self._used[turn.principal].requests += 1
        return use


class EntersInTwoSteps(MemoryStore):
    async def enter_turn(self, turn: LimitedTurn, limits: TokenLimits, until: float) -> LimitUse:
        use = await super().enter_turn(turn, limits, until)
        if use.exceeded is None:
            await super().leave_turn(turn, 0, False, turn.entered_at)
            await asyncio.sleep(0)
            await super().enter_turn(turn, TokenLimits(), until)
        return use


class SharesLimits(MemoryStore):
    async def enter_turn(self, turn: LimitedTurn, limits: TokenLimits, until: float) -> LimitUse:
        return await super().enter_turn(replace(turn, principal="all"), limits, until)


class LeavesEveryTime(MemoryStore):
    async def leave_turn(self, turn: LimitedTurn, tokens: int, spent: bool, now: float) -> None:
        if used := self._used.get(turn.principal):
            used.running.setdefault(turn.turn_id, now)
        await super().leave_turn(turn, tokens, spent, now)


class NeverLeaves(MemoryStore):
    async def leave_turn(self, turn: LimitedTurn, tokens: int, spent: bool, now: float) -> None:
        if used := self._used.get(turn.principal):
            until = used.running.get(turn.turn_id)
            await super().leave_turn(turn, tokens, spent, now)
            if until is not None:
                used.running[turn.turn_id] = until


class CountsWhatWasNotSpent(MemoryStore):
    async def leave_turn(self, turn: LimitedTurn, tokens: int, spent: bool, now: float) -> None:
        await super().leave_turn(turn, tokens, True, now)


class GivesBackToTheWrongDay(MemoryStore):
    async def leave_turn(self, turn: LimitedTurn, tokens: int, spent: bool, now: float) -> None:
        await super().leave_turn(replace(turn, entered_at=now), tokens, spent, now)


class CountsTokensForTheDayOfTheRequest(MemoryStore):
    async def leave_turn(self, turn: LimitedTurn, tokens: int, spent: bool, now: float) -> None:
        await super().leave_turn(turn, tokens, spent, turn.entered_at)


class RenewsWhatHasLeft(MemoryStore):
    async def renew_turns(self, turns: Sequence[LimitedTurn], until: float, now: float) -> None:
        for turn in turns:
            if used := self._used.get(turn.principal):
                used.running.setdefault(turn.turn_id, until)
        await super().renew_turns(turns, until, now)


class RenewsForLess(MemoryStore):
    async def renew_turns(self, turns: Sequence[LimitedTurn], until: float, now: float) -> None:
        for turn in turns:
            used = self._used.get(turn.principal)
            if used and turn.turn_id in used.running:
                used.running[turn.turn_id] = until


class UpdatesAnyName(MemoryStore):
    async def update_token(self, token: AccessToken) -> bool:
        kept = self._tokens.get(token.id)
        return kept is not None and await super().update_token(replace(token, name=kept.name))


class AddsByUpdating(MemoryStore):
    async def update_token(self, token: AccessToken) -> bool:
        self._tokens.setdefault(token.id, token)
        return await super().update_token(token)


class ForgetsLimits(MemoryStore):
    async def update_token(self, token: AccessToken) -> bool:
        return await super().update_token(replace(token, limits=TokenLimits()))


class KeepsAnEarlierUse(MemoryStore):
    async def note_token_uses(self, uses: Mapping[str, float]) -> None:
        self._token_uses.clear()
        await super().note_token_uses(uses)


class KeepsTheUseOfADeletedToken(MemoryStore):
    async def delete_token(self, name: str) -> bool:
        uses = dict(self._token_uses)
        deleted = await super().delete_token(name)
        self._token_uses = uses
        return deleted


class NotesStrangers(MemoryStore):
    async def note_token_uses(self, uses: Mapping[str, float]) -> None:
        await super().note_token_uses(uses)
        self._token_uses.update({one: at for one, at in uses.items() if one not in self._tokens})


MINE = [
    number
    for number, promise in enumerate(STORE_PROMISES, 1)
    if promise in (*store_tokens.promise.all, *store_usage.promise.all, *store_limits.promise.all)
]


def _defects(base: type[MemoryStore]) -> list[type[MemoryStore]]:
    # Another module's may be there, when both are tested in one process.
    found = [kind for kind in base.__subclasses__() if kind.__module__ == __name__]
    named = [kind for kind in found if not kind.__name__.startswith("_")]
    return [*named, *(each for kind in found for each in _defects(kind))]


@pytest.mark.parametrize("kind", _defects(MemoryStore))
def test_a_store_with_a_defect_is_rejected(kind: type[MemoryStore]) -> None:
    def check() -> None:
        for number in MINE:
            check_promise(number, opener(kind))

    with pytest.raises(BrokenPromiseError, match="is broken"):
        check()
