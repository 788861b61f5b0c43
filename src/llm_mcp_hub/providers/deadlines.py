"""The time limits of a turn.

Guarantee: whichever limit passes first ends the turn with an error that names it; time in which
the reader of the chunks keeps the provider waiting counts for `total` alone. A worker that says
nothing for a while is asked for a sign of life, and is hung if it gives none. Watching costs one
timer per turn, not one per chunk: the timer is left to fire early and set again.
"""

import asyncio
from enum import StrEnum
from math import inf
from typing import Annotated, Protocol

from msgspec import Meta, Struct

from llm_mcp_hub.errors import HubError, TurnTimeout, WorkerStartFailed
from llm_mcp_hub.providers.supervision import Supervision

Seconds = Annotated[float, Meta(gt=0)]


class Deadlines(Struct, frozen=True, forbid_unknown_fields=True):
    """Seconds.

    Attributes:
        start: Until a fresh worker is ready.
        first_chunk: From the request, once a worker has it, to the first chunk.
        idle: Between chunks.
        total: For the whole turn, waiting for a worker included.
    """

    start: Seconds = 30.0
    first_chunk: Seconds = 180.0
    idle: Seconds = 120.0
    total: Seconds = 900.0


class Deadline(StrEnum):
    """The names of the limits, as in `Deadlines`."""

    START = "start"
    FIRST_CHUNK = "first_chunk"
    IDLE = "idle"
    TOTAL = "total"


_PASSED = {
    Deadline.START: "The provider's program gave no sign of life within {seconds:g} s, the `start` "
    "deadline. Run `llm-mcp-hub doctor`",
    Deadline.FIRST_CHUNK: "The provider did not begin to answer within {seconds:g} s, the "
    "`first_chunk` deadline. Ask for less at once",
    Deadline.IDLE: "The provider's answer stopped: nothing came for {seconds:g} s, the `idle` "
    "deadline. Ask again",
    Deadline.TOTAL: "The turn was not over after {seconds:g} s, the `total` deadline. Ask for less "
    "at once",
}


class TimeLimits:
    """A provider's limits, and how often each has passed.

    Attributes:
        passed: How often, by name, since the hub's start.
    """

    def __init__(self, deadlines: Deadlines, supervision: Supervision) -> None:
        self.deadlines = deadlines
        self.supervision = supervision
        self.passed: dict[Deadline, int] = dict.fromkeys(Deadline, 0)

    def late(self, name: Deadline, detail: str | None = None) -> HubError:
        """Count that a limit has passed; the error to raise for it."""
        self.passed[name] += 1
        seconds: float = getattr(self.deadlines, name)
        kind = WorkerStartFailed if name is Deadline.START else TurnTimeout
        return kind(
            f"{_PASSED[name].format(seconds=seconds)}, or raise `deadlines.{name}` in the "
            "provider's settings.",
            detail=detail,
        )


class Watched(Protocol):
    """What a watch looks after."""

    def late(self, name: Deadline) -> None:
        """A limit has passed; the watch is over."""
        ...

    def ping(self) -> bool:
        """Ask the worker for a sign of life; whether there is a way to."""
        ...

    def unanswered(self) -> bool:
        """The worker has not answered in time; whether it is given up, and the watch over."""
        ...


class DeadlineWatch:
    """Watches one turn from the moment a worker has it; `stop` it when the turn is over.

    Args:
        total_due: When the whole turn must be over, in the loop's time.
    """

    __slots__ = (
        "_answer",
        "_due",
        "_handle",
        "_heard_at",
        "_heartbeat",
        "_held",
        "_idle",
        "_loop",
        "_name",
        "_pinged_at",
        "_total_due",
        "_watched",
    )

    def __init__(self, limits: TimeLimits, total_due: float, watched: Watched) -> None:
        supervision = limits.supervision
        self._loop = asyncio.get_running_loop()
        self._idle = limits.deadlines.idle
        self._total_due = total_due
        self._watched = watched
        self._heard_at = self._loop.time()
        self._heartbeat = supervision.heartbeat_seconds or inf
        self._answer = supervision.answer_seconds
        self._pinged_at = inf
        self._due = self._heard_at + limits.deadlines.first_chunk
        self._name = Deadline.FIRST_CHUNK
        self._held = False
        self._handle = self._loop.call_at(
            min(self._due, total_due, self._heard_at + self._heartbeat), self._check
        )

    def chunk(self) -> None:
        """A chunk came and is with the reader now."""
        self._held = True

    def heard(self) -> None:
        """Something else came: the worker lives, but no deadline moves."""
        self._heard_at = self._loop.time()
        beat = self._heard_at + self._heartbeat
        if beat < self._handle.when():
            self._set(beat)

    def waiting(self) -> None:
        """The reader waits for the provider."""
        if self._held:
            self._held = False
            self._name = Deadline.IDLE
            self._due = self._loop.time() + self._idle
            if self._due < self._handle.when():
                self._set(self._due)

    def stop(self) -> None:
        """Stop watching."""
        self._handle.cancel()

    def _set(self, when: float) -> None:
        self._handle.cancel()
        self._handle = self._loop.call_at(when, self._check)

    def _check(self) -> None:
        now = self._loop.time()
        due = now + self._idle if self._held else self._due
        if now >= min(due, self._total_due):
            self._watched.late(Deadline.TOTAL if self._total_due <= due else self._name)
            return
        beat = self._beat(now)
        if now >= beat:
            if self._watched.unanswered():
                return
            self.heard()
            beat = self._beat(now)
        self._set(min(due, self._total_due, beat))

    def _beat(self, now: float) -> float:
        """When a sign of life is due next, which is asked for here once it is time.

        `now` if the answer to that has not come; never, from then on, if nobody can be asked.
        """
        if self._held:
            # What the worker says meanwhile is not looked at before the reader comes back.
            return now + self._heartbeat
        heard_at = self._heard_at
        if self._name is Deadline.IDLE:
            heard_at = max(heard_at, self._due - self._idle)
        if heard_at >= self._pinged_at:
            self._pinged_at = inf
        if self._pinged_at < inf:
            return max(now, self._pinged_at + self._answer)
        if now < heard_at + self._heartbeat:
            return heard_at + self._heartbeat
        if not self._watched.ping():
            self._heartbeat = inf
            return inf
        self._pinged_at = now
        return now + self._answer
