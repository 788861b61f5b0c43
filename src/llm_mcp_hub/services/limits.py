"""The limits of access tokens: asked when a turn opens, given back when it is over.

Guarantees: a principal without limits costs no step of the store; what a turn took is given back
once, whatever happens, also when the store is away for a while; the place of a turn that runs is
kept however long it runs, and free `ALIVE_SECONDS` after a hub has died; a caller who has its
answer finds its place free.
"""

import asyncio
import time
from collections.abc import Coroutine
from typing import Any

import structlog

from llm_mcp_hub.domain.access import Principal
from llm_mcp_hub.domain.chunk import Usage
from llm_mcp_hub.domain.limits import LimitedTurn, LimitUse, TokenLimits
from llm_mcp_hub.errors import (
    HubError,
    LimitReached,
    QuotaExhausted,
    RateLimited,
    StateUnavailable,
    TooManyTurns,
)
from llm_mcp_hub.state.base_limits import LimitStore

ALIVE_SECONDS = 30.0
RENEW_SECONDS = ALIVE_SECONDS / 3
LEAVE_SECONDS = 1.0
"""How long the end of a turn waits for its place to be free; a slower store gets it later."""
RETRY_SECONDS = 1.0
MAX_LEAVING = 10_000
"""How many turns are remembered that could not be given back."""
MAX_UNCERTAIN = 1_000
"""With so many remembered, none is that was perhaps not even let in: its place passes by itself."""
CLOSE_SECONDS = 2.0

NO_USAGE = Usage()
NOTHING = LimitUse(None, None, 0, 0.0, 0, 0, 0)
"""The use of a principal that nobody could tell."""

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()


class Admission:
    """A turn that was let in.

    Attributes:
        limits: What its principal may take.
        use: What its principal has taken, this turn included.
    """

    def __init__(
        self, keeper: "LimitKeeper", turn: LimitedTurn, limits: TokenLimits, use: LimitUse
    ) -> None:
        self.limits = limits
        self.use = use
        self.turn = turn
        self._keeper = keeper
        self._left = False

    async def leave(self, usage: Usage = NO_USAGE, *, spent: bool = True) -> None:
        """Give the place back, once; bounded, and done later if the store is away.

        Args:
            usage: What the turn has used.
            spent: Whether it counts as a request.
        """
        if not self._left:
            self._left = True
            tokens = usage.input_tokens + usage.output_tokens
            await self._keeper.leave(self, tokens, spent=spent)


class LimitKeeper:
    """Owns the turns of principals with limits between `enter` and `aclose`."""

    def __init__(self, store: LimitStore) -> None:
        self._store = store
        self._running: dict[str, Admission] = {}
        self._leaving: dict[Admission, tuple[int, bool]] = {}
        self._renewal: asyncio.TimerHandle | None = None
        self._retry: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._writing: asyncio.Task[None] | None = None
        self._closed = False

    async def enter(self, principal: Principal, turn_id: str) -> Admission | None:
        """Let a turn in; None if its principal has no limits.

        Raises:
            LimitReached: It is not let in.
            StateUnavailable: Nobody can tell.
        """
        limits = principal.limits
        if limits is None:
            return None
        now = time.time()
        turn = LimitedTurn(principal.name, turn_id, now)
        try:
            use = await self._store.enter_turn(turn, limits, now + ALIVE_SECONDS)
        except BaseException:
            # It may have been let in all the same. Those that surely were come first.
            if len(self._leaving) < MAX_UNCERTAIN:
                self._leaving[Admission(self, turn, limits, NOTHING)] = 0, False
            self._start_writing()
            raise
        if use.exceeded is not None:
            raise refusal(limits, use)
        admission = Admission(self, turn, limits, use)
        self._running[turn_id] = admission
        if self._renewal is None and not self._closed:
            self._renewal = asyncio.get_running_loop().call_later(RENEW_SECONDS, self._renew)
        return admission

    async def leave(self, admission: Admission, tokens: int, *, spent: bool) -> None:
        """Give a place back."""
        self._running.pop(admission.turn.turn_id, None)
        if len(self._leaving) >= MAX_LEAVING:
            log.warning("limits.lost", turn_id=admission.turn.turn_id)
            return
        self._leaving[admission] = tokens, spent
        await asyncio.wait([self._start_writing()], timeout=LEAVE_SECONDS)

    async def aclose(self) -> None:
        """Give back what is left, and stop."""
        self._closed = True
        for timer in (self._renewal, self._retry):
            if timer is not None:
                timer.cancel()
        for admission in list(self._running.values()):
            self._running.pop(admission.turn.turn_id)
            self._leaving[admission] = 0, True
        if self._leaving:
            await asyncio.wait([self._start_writing()], timeout=CLOSE_SECONDS)
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        if self._leaving:
            log.warning("limits.lost", turns=len(self._leaving))

    def _start_writing(self) -> asyncio.Task[None]:
        if self._writing is None:
            self._writing = self._task(self._write())
        return self._writing

    async def _write(self) -> None:
        try:
            while self._leaving:
                admission, (tokens, spent) = next(iter(self._leaving.items()))
                try:
                    await self._store.leave_turn(admission.turn, tokens, spent, time.time())
                except HubError:
                    raise
                except Exception:  # a defect with one turn must not keep the places of all others
                    log.exception("limits.failed", turn_id=admission.turn.turn_id)
                self._leaving.pop(admission, None)
        except HubError as error:
            log.warning("limits.late", turns=len(self._leaving), reason=error.message)
            if self._retry is None and not self._closed:
                loop = asyncio.get_running_loop()
                self._retry = loop.call_later(RETRY_SECONDS, self._try_again)
        finally:
            self._writing = None

    def _try_again(self) -> None:
        self._retry = None
        self._start_writing()

    def _renew(self) -> None:
        self._renewal = None
        if self._running and not self._closed:
            self._task(self._renew_all([one.turn for one in self._running.values()]))
            self._renewal = asyncio.get_running_loop().call_later(RENEW_SECONDS, self._renew)

    async def _renew_all(self, turns: list[LimitedTurn]) -> None:
        now = time.time()
        try:
            await self._store.renew_turns(turns, now + ALIVE_SECONDS, now)
        except StateUnavailable as error:
            log.warning("limits.not_renewed", reason=error.message)

    def _task(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


def refusal(limits: TokenLimits, use: LimitUse) -> LimitReached:
    """The error of a turn that is not let in."""
    name = use.exceeded or ""
    limit = getattr(limits, name)
    if name == "requests_per_minute":
        return RateLimited(
            f"This access token may make {limit} requests per minute, and has. "
            "Wait as long as `retry-after` says.",
            retry_after=use.retry_after,
        )
    if name == "concurrent_turns":
        return TooManyTurns(
            f"{limit} requests of this access token are being answered, which is as many as may be "
            "at once. Wait for one of them."
        )
    what = "requests" if name == "requests_per_day" else "tokens"
    return QuotaExhausted(
        f"This access token may use {limit} {what} per day, and has. The next day begins at "
        "midnight UTC; `retry-after` is the time until then.",
        retry_after=use.retry_after,
    )
