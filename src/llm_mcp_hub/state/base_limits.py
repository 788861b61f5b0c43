"""What a store promises about limits: counted once, in one step, for all hubs together."""

from collections.abc import Sequence
from typing import Protocol

from llm_mcp_hub.domain.limits import LimitedTurn, LimitUse, TokenLimits

LIMITED_TURN_SECONDS = 86_400.0
"""How long a store remembers a turn that has not left. None runs for so long."""


class LimitStore(Protocol):
    """What the turns of principals with limits take."""

    async def enter_turn(self, turn: LimitedTurn, limits: TokenLimits, until: float) -> LimitUse:
        """Let a turn in and count it, or say why not, in one step; see `domain.limits.judge`.

        It counts as running until it leaves, or until the time `until` has passed, so that a hub
        that dies takes up its turns' places for a while only. One that is not let in counts for
        nothing.
        """
        ...

    async def leave_turn(self, turn: LimitedTurn, tokens: int, spent: bool, now: float) -> None:
        """Give the turn's place back and count its tokens, for the day of `now`, in one step.

        If nothing was `spent`, the request no longer counts either. A turn leaves once: for one
        that is not there, or has left, nothing changes, so this can be repeated.
        """
        ...

    async def renew_turns(self, turns: Sequence[LimitedTurn], until: float, now: float) -> None:
        """Have turns that have not left count as running until then, if that is later.

        Also those whose time has passed. For one that is not there nothing changes.
        """
        ...
