"""Calls on journals for made-up histories: two principals, a few turns, keys and times.

Entries are made up relative to what the model holds, as those of leases and sessions are: most go
on where the journal ends, some repeat what it has, some leave a gap.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import hypothesis.strategies as st
from msgspec import Struct

from llm_mcp_hub.domain.chunk import (
    Chunk,
    FinishChunk,
    FinishReason,
    ReasoningChunk,
    TextChunk,
    Usage,
)
from llm_mcp_hub.domain.journal import JournalEnd, JournalEntry, JournalError, JournalHead
from llm_mcp_hub.state.base import Store
from llm_mcp_hub.testing.store_model import Key, StoreModel
from llm_mcp_hub.testing.store_promise import START

TURNS = (("ann", "t1"), ("ann", "t2"), ("bob", "t1"))
NAMES = ("k1", "k2")
"""Idempotency keys."""

Calls = tuple[Awaitable[Any], Callable[[], Any]]
"""The call of the store, and the same of the model."""


def _head(turn: Key, key: str | None = None) -> JournalHead:
    return JournalHead(
        turn_id=turn[1],
        principal=turn[0],
        session_id=None,
        model_id="echo/echo",
        created_at=START,
        key=key,
        fingerprint=f"of {key}" if key else "",
    )


class ClaimKey(Struct, frozen=True):
    """For a turn that may have begun, and may have another key."""

    turn: Key
    key: str
    alive: float
    ttl: float

    def calls(self, store: Store, model: StoreModel, now: float) -> Calls:
        """Of both."""
        call = (_head(self.turn, self.key), now + self.alive, self.ttl, now)
        return store.claim_key(*call), lambda: model.claim_key(*call)


class Addition(Struct, frozen=True):
    """An entry relative to the journal's length, which those before it may have moved on."""

    turn: Key
    off: int
    chunks: tuple[Chunk, ...]
    alive: float
    end: JournalEnd | None


class WriteJournals(Struct, frozen=True):
    """One or more additions, perhaps several to one journal, and perhaps all of them twice."""

    additions: tuple[Addition, ...]
    twice: bool
    ttl: float

    def calls(self, store: Store, model: StoreModel, now: float) -> Calls:
        """Of both."""
        lengths = {
            turn: len(journal.chunks) if (journal := model.read_journal(*turn, 0, now)) else 0
            for turn in TURNS
        }
        entries: list[JournalEntry] = []
        for one in self.additions:
            after = max(0, lengths[one.turn] + one.off)
            entries.append(
                JournalEntry(_head(one.turn), after, one.chunks, now + one.alive, one.end)
            )
            lengths[one.turn] = max(lengths[one.turn], after + len(one.chunks))
        call = (tuple(entries * (2 if self.twice else 1)), self.ttl, now)
        return store.write_journals(*call), lambda: model.write_journals(*call)


class ReadJournal(Struct, frozen=True):
    """From the start, from the middle, or from beyond the end."""

    turn: Key
    after: int
    wanted: float

    def calls(self, store: Store, model: StoreModel, now: float) -> Calls:
        """Of both."""
        call = (*self.turn, self.after, now, now + self.wanted if self.wanted else 0.0)
        return store.read_journal(*call), lambda: model.read_journal(*call)


class ReleaseKey(Struct, frozen=True):
    """By the turn that has it, or another."""

    turn: Key
    key: str

    def calls(self, store: Store, model: StoreModel, _: float) -> Calls:
        """Of both, whatever the time."""
        principal, turn_id = self.turn
        call = (principal, self.key, turn_id)
        return store.release_key(*call), lambda: model.release_key(*call)


class DeleteJournal(Struct, frozen=True):
    """With its key, if it has one."""

    turn: Key

    def calls(self, store: Store, model: StoreModel, now: float) -> Calls:
        """Of both."""
        call = (*self.turn, now)
        return store.delete_journal(*call), lambda: model.delete_journal(*call)


JournalStep = ClaimKey | WriteJournals | ReadJournal | ReleaseKey | DeleteJournal

_turns = st.sampled_from(TURNS)
_names = st.sampled_from(NAMES)
_alive = st.sampled_from([1.0, 5.0, 10.0])
_ttls = st.sampled_from([4.0, 60.0])
_texts = st.text(max_size=3)
_chunks = st.one_of(
    st.builds(TextChunk, _texts),
    st.builds(ReasoningChunk, _texts),
    st.builds(
        FinishChunk,
        st.sampled_from(list(FinishReason)),
        st.builds(Usage, st.integers(0, 9), st.integers(0, 9)),
    ),
)
_ends = (
    JournalEnd(),
    JournalEnd(JournalError("turn_timeout", "Say less.")),
    JournalEnd(JournalError("queue_full", "é", True, "messages", 0.1)),
)
_additions = st.builds(
    Addition,
    turn=_turns,
    off=st.sampled_from([0, 0, 0, 0, -1, -2, 1]),
    chunks=st.lists(_chunks, max_size=3).map(tuple),
    alive=_alive,
    end=st.sampled_from([*[None] * 9, *_ends]),
)

journal_steps: Mapping[str, tuple[int, st.SearchStrategy[JournalStep]]] = {
    "write": (
        10,
        st.builds(
            WriteJournals,
            st.lists(_additions, min_size=1, max_size=4).map(tuple),
            st.sampled_from([False, False, False, True]),
            _ttls,
        ),
    ),
    "claim": (6, st.builds(ClaimKey, _turns, _names, _alive, _ttls)),
    "read journal": (
        9,
        st.builds(
            ReadJournal,
            _turns,
            st.sampled_from([0, 0, 0, 1, 2, 3, 99]),
            st.sampled_from([0.0, 0.0, 5.0, 9.0]),
        ),
    ),
    "release key": (3, st.builds(ReleaseKey, _turns, _names)),
    "delete journal": (2, st.builds(DeleteJournal, _turns)),
}
"""Each with its weight among all of them."""
