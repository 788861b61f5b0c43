"""Turns that are kept with a note, to be looked at and gone on from for as long as their sessions.

Guarantee: a principal finds its own turns only, at any hub on the state; what was said up to a
turn's answer is exactly that, also after the session went on, or nothing.
"""

import time
from collections.abc import Iterable

from llm_mcp_hub.domain import transcript
from llm_mcp_hub.domain.chat import Message
from llm_mcp_hub.domain.completion import fold
from llm_mcp_hub.domain.journal import Journal, JournalEnd
from llm_mcp_hub.errors import UnknownTurn
from llm_mcp_hub.services.follow import FollowedTurn, cancelled, follow, look, recorded
from llm_mcp_hub.services.journals import Journals
from llm_mcp_hub.state.base import SessionStore


class KeptTurns:
    """See the module."""

    def __init__(self, journals: Journals, store: SessionStore) -> None:
        self._journals = journals
        self._store = store

    async def find(self, principal: str, turn_id: str | None) -> Journal | None:
        """All there is of a turn now; None if there is none that is kept with a note."""
        try:
            journal = await look(self._journals, principal, turn_id) if turn_id else None
        except UnknownTurn:
            return None
        return journal if journal is not None and journal.head.note else None

    async def several(self, principal: str, turn_ids: Iterable[str]) -> dict[str, Journal]:
        """Some turns, by id, up to the first that is not kept: what is sought takes time."""
        found: dict[str, Journal] = {}
        for turn_id in dict.fromkeys(turn_ids):
            journal = await self.find(principal, turn_id)
            if journal is None:
                break
            found[turn_id] = journal
        return found

    async def follow(self, journal: Journal) -> FollowedTurn:
        """Follow a turn from its first chunk on.

        Raises:
            UnknownTurn: It has been forgotten meanwhile.
        """
        return await follow(self._journals, journal.head.principal, journal.head.turn_id, 0)

    async def said(self, journal: Journal) -> tuple[Message, ...] | None:
        """The conversation up to and including the turn's answer.

        None if the turn has no answer, or if its session is gone or was rewritten before it.
        """
        head = journal.head
        answer = fold(journal.chunks)
        if answer is None or head.session_id is None:
            return None
        session = await self._store.get(head.principal, head.session_id, time.time())
        wanted = transcript.extend(head.digest, answer.message)
        messages = session.messages if session is not None else ()
        for index, entry in enumerate(messages):
            if entry.digest == wanted:
                return tuple(one.message for one in messages[: index + 1])
        return None

    async def cancel(self, journal: Journal) -> None:
        """End a turn that another hub makes, for everybody and at once; that hub stops it soon.

        What it stores in its session until it hears of it stays there.
        """
        await self._journals.end(journal, JournalEnd(recorded(cancelled())))

    async def forget(self, journal: Journal) -> bool:
        """Keep a turn no longer; its session stays."""
        return await self._journals.delete(journal.head.principal, journal.head.turn_id)
