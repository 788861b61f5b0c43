"""Who holds a member of a pool, and what may become of it.

Guarantees, most of them by type: a `Blank` is made from a freshly started member and claimed once,
which gives a `Lease`; no lease and nothing parked becomes a blank again. A lease belongs to one
principal for good. `Lease.park` takes the conversation's state and not the principal, so what is
parked belongs to the same one; and a `Parked` member is claimed by naming nobody: the lease that
comes of it is its own principal's.
"""

from collections.abc import Callable, Hashable
from typing import Generic, Protocol, TypeVar, final

from msgspec import Struct

from llm_mcp_hub.workers.recycling import Lifespan, RecycleReason


class Member(Protocol):
    """What a pool needs of a member. Its properties are cheap: they only tell what is known."""

    @property
    def alive(self) -> bool:
        """Whether it can still be used."""
        ...

    @property
    def pid(self) -> int | None:
        """Its process id, if it is a process."""
        ...

    @property
    def rss_bytes(self) -> int | None:
        """Memory it holds, if that is known."""
        ...

    @property
    def cpu_seconds(self) -> float | None:
        """CPU time it has used, if that is known."""
        ...

    def when_ended(self, callback: Callable[[], None]) -> None:
        """Have `callback` called once it can no longer be used."""
        ...

    async def aclose(self) -> None:
        """End it; bounded."""
        ...


M = TypeVar("M", bound=Member)


@final
class Life(Generic[M]):
    """What is known of a member from its start to its end, whoever holds it.

    Attributes:
        generation: The pool's, when its start began.
        started_at: When it was ready, by the pool's clock, as all times here.
        turns: How often it has been claimed.
        ended: Whether it ended by itself.
    """

    __slots__ = ("ended", "generation", "lifespan", "member", "started_at", "turns")

    def __init__(self, member: M, generation: int, started_at: float, lifespan: Lifespan) -> None:
        self.member = member
        self.generation = generation
        self.started_at = started_at
        self.lifespan = lifespan
        self.turns = 0
        self.ended = False

    def over(self, now: float) -> RecycleReason | None:
        """Why the member has served long enough; None if it has not."""
        return self.lifespan.over(self.turns, now - self.started_at, self.member.rss_bytes)


@final
class Blank(Generic[M]):
    """A member that nobody has used.

    Attributes:
        since: When it became ready.
    """

    __slots__ = ("_claimed", "life", "since")

    def __init__(self, member: M, generation: int, now: float, lifespan: Lifespan) -> None:
        self.life = Life(member, generation, now, lifespan)
        self.since = now
        self._claimed = False

    def claim(self, principal: str, now: float, end: "EndOfLease[M]") -> "Lease[M]":
        """Give it to a principal, once and for good."""
        if self._claimed:
            raise RuntimeError("a blank was claimed a second time")
        self._claimed = True
        return Lease(self.life, principal, now, end, continued=False)


@final
class Lease(Generic[M]):
    """One conversation's hold on a member. End it with `park` or `discard`, once.

    Attributes:
        continued: Whether the member was parked in the state that was claimed.
        since: When it was claimed.
    """

    __slots__ = ("_end", "_principal", "continued", "life", "since")

    def __init__(
        self,
        life: Life[M],
        principal: str,
        now: float,
        end: "EndOfLease[M]",
        *,
        continued: bool,
    ) -> None:
        life.turns += 1
        self.life = life
        self.since = now
        self.continued = continued
        self._principal = principal
        self._end: EndOfLease[M] | None = end

    @property
    def member(self) -> M:
        """The member, the caller's alone until the lease ends."""
        return self.life.member

    @property
    def principal(self) -> str:
        """Who has it, for good."""
        return self._principal

    def park(self, state: Hashable) -> None:
        """Keep the member for when the same principal claims `state` next."""
        self._finish(state)

    def discard(self) -> None:
        """End the member; nobody else will get it. Does not wait: the pool sees to it."""
        self._finish(None)

    def _finish(self, state: Hashable | None) -> None:
        end, self._end = self._end, None
        if end is not None:
            end(self, state)


EndOfLease = Callable[[Lease[M], Hashable | None], None]
"""Takes a lease back: the state to park its member in, or None to end it."""


class ParkKey(Struct, frozen=True):
    """What a claim must match to go on with a parked member."""

    principal: str
    state: Hashable


@final
class Parked(Generic[M]):
    """A member that has been used, and waits for the same conversation's next turn.

    Attributes:
        since: When it was parked.
    """

    __slots__ = ("key", "life", "since")

    def __init__(self, lease: Lease[M], state: Hashable, now: float) -> None:
        self.life = lease.life
        self.key = ParkKey(lease.principal, state)
        self.since = now

    def claim(self, now: float, end: EndOfLease[M]) -> Lease[M]:
        """Give it back to its own principal."""
        return Lease(self.life, self.key.principal, now, end, continued=True)
