"""A turn of this hub's while its answer grows, for those who follow it and for its journal.

Guarantee: a follower sees every chunk once and in order, whenever it began to follow; what is
written to the journal is never behind what was marked as written. No I/O.
"""

import asyncio
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext
from math import inf

from llm_mcp_hub.domain.chunk import Chunk
from llm_mcp_hub.domain.journal import JournalEnd, JournalEntry, JournalHead
from llm_mcp_hub.within import within


class LiveTurn:
    """See the module.

    Attributes:
        head: What is known of the turn from its beginning.
        resumable: Whether its caller may come back once the connection is gone.
        chunks: What has come so far.
        end: How it ended, None while it runs.
        caller_left: Whether the connection it was asked for on is gone.
        given_up: Whether nobody is to wait for it any more.
    """

    __slots__ = (
        "_begun",
        "_end_written",
        "_followers",
        "_waiting",
        "_written",
        "caller_left",
        "chunks",
        "end",
        "given_up",
        "head",
        "resumable",
    )

    def __init__(self, head: JournalHead, *, resumable: bool = True) -> None:
        self.head = head
        self.resumable = resumable
        self.chunks: list[Chunk] = []
        self.end: JournalEnd | None = None
        self.caller_left = False
        self.given_up = False
        self._begun = False
        self._written = 0
        self._end_written = False
        self._followers = 0
        self._waiting: list[asyncio.Future[None]] = []

    def add(self, chunks: Iterable[Chunk]) -> None:
        """More of the answer has come."""
        self.chunks.extend(chunks)
        if self._waiting:
            self._changed()

    def finish(self, end: JournalEnd) -> None:
        """Nothing more comes."""
        if self.end is None:
            self.end = end
            self._changed()

    def give_up(self) -> None:
        """End the patience with a caller who may come back."""
        self.given_up = True
        self._changed()

    @contextmanager
    def followed(self) -> Iterator[None]:
        """For as long as somebody follows."""
        self._followers += 1
        self._changed()
        try:
            yield
        finally:
            self._followers -= 1
            self._changed()

    async def beyond(self, count: int) -> None:
        """Wait until there are more than `count` chunks, or the end."""
        while len(self.chunks) <= count and self.end is None:
            await self._change()

    async def ended(self) -> None:
        """Wait for the end."""
        while self.end is None:
            await self._change()

    async def nobody_for(self, seconds: float) -> None:
        """Wait until nobody has followed for so long at a stretch, or it is given up or over."""
        while not self.given_up and self.end is None:
            if self._followers:
                await self._change()
                continue
            try:
                # A timer can't be set to never.
                with within(seconds) if seconds < inf else nullcontext():
                    await self._attention()
            except TimeoutError:
                return

    def entry(self, alive_until: float) -> JournalEntry:
        """What the journal does not have yet."""
        return JournalEntry(
            self.head, self._written, tuple(self.chunks[self._written :]), alive_until, self.end
        )

    def written(self, entry: JournalEntry) -> None:
        """The journal has this."""
        self._begun = True
        self._written = max(self._written, entry.after + len(entry.chunks))
        self._end_written = self._end_written or entry.end is not None

    @property
    def begun(self) -> bool:
        """Whether the journal has anything of it."""
        return self._begun

    @property
    def complete(self) -> bool:
        """Whether the journal has all of it, the end included."""
        return self._end_written

    async def _attention(self) -> None:
        while not (self._followers or self.given_up or self.end):
            await self._change()

    async def _change(self) -> None:
        waiting = asyncio.get_running_loop().create_future()
        self._waiting.append(waiting)
        await waiting

    def _changed(self) -> None:
        waiting, self._waiting = self._waiting, []
        for one in waiting:
            if not one.done():
                one.set_result(None)
