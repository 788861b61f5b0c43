"""What a store promises about usage and limits, as slow and as plain as can be."""

from llm_mcp_hub.domain.limits import (
    MINUTE_SECONDS,
    LimitedTurn,
    LimitUse,
    TokenLimits,
    day_of,
    judge,
)
from llm_mcp_hub.domain.usage import UsageBatch


class CountModel:
    """Every batch and every turn that ever came, added up anew for each question."""

    def __init__(self) -> None:
        self.batches: dict[str, list[UsageBatch]] = {}
        self.entered: dict[tuple[str, str], tuple[float, float]] = {}
        self.left: dict[tuple[str, str], tuple[int, bool, float]] = {}

    def add_usage(self, batch: UsageBatch) -> None:
        """As the store."""
        written = self.batches.setdefault(batch.writer, [])
        if not written or batch.number > written[-1].number:
            written.append(batch)

    def read_usage(
        self, span: int, since: int, until: int, principal: str | None
    ) -> list[tuple[object, ...]]:
        """As the store, in order."""
        total: dict[object, dict[str, int]] = {}
        for batches in self.batches.values():
            for row in (row for batch in batches for row in batch.rows):
                slot = row.slot
                wanted = slot.span == span and since <= slot.start < until
                if wanted and principal in (None, slot.principal):
                    counts = total.setdefault(slot, {})
                    for name, number in row.counts.items():
                        counts[name] = counts.get(name, 0) + number
        return sorted((slot, sorted(counts.items())) for slot, counts in total.items())

    def enter_turn(self, turn: LimitedTurn, limits: TokenLimits, until: float) -> LimitUse:
        """As the store."""
        now, mine = turn.entered_at, []
        for key, (at, ends) in self.entered.items():
            if key[0] == turn.principal:
                mine.append((at, ends, self.left.get(key)))
        use = judge(
            limits,
            sorted(at for at, _, left in mine if at > now - MINUTE_SECONDS and _counts(left)),
            sum(day_of(at) == day_of(now) and _counts(left) for at, _, left in mine),
            sum(left[0] for _, _, left in mine if left and left[1] and _same_day(left[2], now)),
            sum(left is None and ends > now for _, ends, left in mine),
            now,
        )
        if use.exceeded is None:
            self.entered[turn.principal, turn.turn_id] = now, until
        return use

    def leave_turn(self, turn: LimitedTurn, tokens: int, spent: bool, now: float) -> None:
        """As the store."""
        key = (turn.principal, turn.turn_id)
        if key in self.entered and key not in self.left:
            self.left[key] = tokens, spent, now

    def renew_turns(self, turns: tuple[LimitedTurn, ...], until: float) -> None:
        """As the store."""
        for turn in turns:
            key = (turn.principal, turn.turn_id)
            if key in self.entered:
                at, ends = self.entered[key]
                self.entered[key] = at, max(ends, until)


def _counts(left: tuple[int, bool, float] | None) -> bool:
    return left is None or left[1]


def _same_day(at: float, now: float) -> bool:
    return day_of(at) == day_of(now)
