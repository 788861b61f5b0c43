"""The limits of `MemoryStore`: what is running, and what the minute and the day have seen."""

from collections.abc import Sequence

from msgspec import Struct

from llm_mcp_hub.domain.limits import (
    MINUTE_SECONDS,
    LimitedTurn,
    LimitUse,
    TokenLimits,
    day_of,
    judge,
)
from llm_mcp_hub.state.base_limits import LIMITED_TURN_SECONDS


class _Used(Struct):
    """Of one principal: turns by when they came, and until when they count as running."""

    entered: dict[str, float] = {}
    running: dict[str, float] = {}
    day: int = -1
    requests: int = 0
    tokens: int = 0

    def turn_to(self, day: int) -> None:
        if self.day != day:
            self.day, self.requests, self.tokens = day, 0, 0


class MemoryLimits:
    """What limited principals take, in this process's memory."""

    def __init__(self) -> None:
        super().__init__()
        self._used: dict[str, _Used] = {}

    async def enter_turn(self, turn: LimitedTurn, limits: TokenLimits, until: float) -> LimitUse:
        """Let a turn in, or say why not."""
        now = turn.entered_at
        used = self._used.setdefault(turn.principal, _Used())
        used.turn_to(day_of(now))
        _keep_above(used.entered, now - MINUTE_SECONDS)
        _keep_above(used.running, now - LIMITED_TURN_SECONDS)
        use = judge(
            limits,
            sorted(used.entered.values()),
            used.requests,
            used.tokens,
            sum(ends > now for ends in used.running.values()),
            now,
        )
        if use.exceeded is None:
            used.entered[turn.turn_id] = now
            used.running[turn.turn_id] = until
            used.requests += 1
        return use

    async def leave_turn(self, turn: LimitedTurn, tokens: int, spent: bool, now: float) -> None:
        """Give the turn's place back."""
        used = self._used.get(turn.principal)
        if used is None or used.running.pop(turn.turn_id, None) is None:
            return
        if spent:
            used.turn_to(day_of(now))
            used.tokens += tokens
            return
        used.entered.pop(turn.turn_id, None)
        if used.day == day_of(turn.entered_at):
            used.requests -= 1

    async def renew_turns(self, turns: Sequence[LimitedTurn], until: float, now: float) -> None:  # noqa: ARG002  # the protocol's
        """Have turns count as running for longer."""
        for turn in turns:
            used = self._used.get(turn.principal)
            if used is not None and turn.turn_id in used.running:
                used.running[turn.turn_id] = max(until, used.running[turn.turn_id])


def _keep_above(times: dict[str, float], limit: float) -> None:
    for name in [name for name, at in times.items() if at <= limit]:
        del times[name]
