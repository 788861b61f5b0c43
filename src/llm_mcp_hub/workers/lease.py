"""The hold on a claimed member of a pool."""

from collections.abc import Callable, Hashable
from typing import Generic

from llm_mcp_hub.workers.parking import M


class Lease(Generic[M]):
    """One conversation's hold on a member. End it with `park` or `discard`, once.

    Attributes:
        continued: Whether the member was parked under the key that was claimed.
        generation: The pool's, when the member was claimed.
    """

    __slots__ = ("_end", "continued", "generation", "member")

    def __init__(
        self,
        member: M,
        end: "Callable[[Lease[M], Hashable | None], None]",
        *,
        continued: bool,
        generation: int,
    ) -> None:
        self._end: Callable[[Lease[M], Hashable | None], None] | None = end
        self.member = member
        self.continued = continued
        self.generation = generation

    def park(self, key: Hashable) -> None:
        """Keep the member for whoever claims `key` next."""
        self._finish(key)

    def discard(self) -> None:
        """End the member; nobody else will get it. Does not wait: the pool sees to it."""
        self._finish(None)

    def _finish(self, key: Hashable | None) -> None:
        end, self._end = self._end, None
        if end is not None:
            end(self, key)
