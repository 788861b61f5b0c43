"""The journals of `RedisStore`: the part of it that is about turns, not sessions.

One script for each turn that is written to, all of them in one round trip: no turn's failure is
another's. Everything of a journal, its idempotency key included, is in its principal's slot.
"""

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Struct

from llm_mcp_hub.domain.journal import Journal, JournalEntry, JournalHead
from llm_mcp_hub.state import redis_journal_lua as lua
from llm_mcp_hub.state.journal_bytes import LONGEST, decode_end, decode_head, encode, joined
from llm_mcp_hub.state.redis_client import RedisClient, Script, ScriptCall, Value
from llm_mcp_hub.state.redis_keys import PrincipalKeys, principal_keys

JOURNAL_SLACK_SECONDS = 60.0
"""Keys outlive what they hold by so much. Short, because there is a journal for every turn: it only
makes up for the way of a call to the server, whose expiry counts from there."""

_CLAIM_KEY = Script(lua.CLAIM_KEY)
_WRITE = Script(lua.WRITE)
_READ = Script(lua.READ)
_RELEASE_KEY = Script(lua.RELEASE_KEY)
_DELETE = Script(lua.DELETE)


_pack = msgspec.msgpack.Encoder().encode


class _Write(Struct):
    """What is written to one journal.

    Attributes:
        numbers: Its base, its times and the numbers of each entry.
        blobs: The head, then the end and the chunks of each entry.
    """

    keys: PrincipalKeys
    numbers: list[Value]
    blobs: list[bytes] = msgspec.field(default_factory=lambda: [b""])
    ended: bool = False


class RedisJournals:
    """Journals and idempotency keys in Redis.

    Args:
        client: The connection, which whoever made it closes.
        prefix: What all keys begin with.
    """

    def __init__(self, client: RedisClient, prefix: str) -> None:
        self._client = client
        self._prefix = prefix

    async def claim_key(
        self, head: JournalHead, alive_until: float, ttl: float, now: float
    ) -> JournalHead | None:
        """Begin a journal under a key that is free."""
        if head.key is None:
            raise ValueError("There is no key in the head to claim.")
        keys = principal_keys(self._prefix, head.principal)
        taken = await self._client.call(
            _CLAIM_KEY,
            (keys.journal(head.turn_id), keys.chunks(head.turn_id), keys.idempotency(head.key)),
            *(keys.base, head.turn_id, head.key, encode(head)),
            *(now, now + ttl, _milliseconds(ttl), alive_until),
        )
        return decode_head(taken) if taken is not None else None

    async def write_journals(self, entries: Sequence[JournalEntry], ttl: float, now: float) -> None:
        """Add to journals."""
        writes: dict[tuple[str, str], _Write] = {}
        times = (now, now + ttl, _milliseconds(ttl))
        for entry in entries:
            head = entry.head
            write = writes.get((head.principal, head.turn_id))
            if write is None:
                keys = principal_keys(self._prefix, head.principal)
                write = writes[head.principal, head.turn_id] = _Write(keys, [keys.base, *times])
            # Only an entry from the first chunk on can begin a journal, and brings its head.
            # After an end it brings nothing, unless that was dropped: the script knows.
            if entry.after == 0 and not (write.blobs[0] and write.ended):
                write.blobs[0] = encode(head)
            write.ended = write.ended or entry.end is not None
            write.numbers += (entry.after, entry.after + len(entry.chunks), entry.alive_until)
            end = encode(entry.end) if entry.end is not None else b""
            write.blobs += (end, encode(entry.chunks))
        calls = [
            ScriptCall(
                _WRITE,
                (write.keys.journal(turn_id), write.keys.chunks(turn_id)),
                (_pack(write.numbers), *write.blobs),
            )
            for (_, turn_id), write in writes.items()
        ]
        if calls:
            await self._client.pipeline(*calls)

    async def read_journal(
        self, principal: str, turn_id: str, after: int, now: float, wanted_until: float = 0.0
    ) -> Journal | None:
        """The journal from a chunk on."""
        keys = principal_keys(self._prefix, principal)
        reply = await self._client.call(
            _READ,
            (keys.journal(turn_id), keys.chunks(turn_id)),
            *(now, min(after, LONGEST), wanted_until),
        )
        return _journal(after, reply) if reply is not None else None

    async def release_key(self, principal: str, key: str, turn_id: str) -> None:
        """Let a key be used anew."""
        keys = principal_keys(self._prefix, principal)
        await self._client.call(
            _RELEASE_KEY, (keys.journal(turn_id), keys.idempotency(key)), turn_id, key
        )

    async def delete_journal(self, principal: str, turn_id: str, now: float) -> bool:
        """Forget a journal."""
        keys = principal_keys(self._prefix, principal)
        return bool(
            await self._client.call(
                _DELETE, (keys.journal(turn_id), keys.chunks(turn_id)), keys.base, turn_id, now
            )
        )


def _milliseconds(seconds: float) -> int:
    return int((max(seconds, 0.0) + JOURNAL_SLACK_SECONDS) * 1000)


def _journal(after: int, reply: Any) -> Journal:
    (_, _, end, alive_until, _, head, wanted_until), entries = reply
    return Journal(
        head=decode_head(head),
        chunks=joined(after, [(int(name.partition(b"-")[0]), blob) for name, (_, blob) in entries]),
        alive_until=float(alive_until),
        end=decode_end(end) if end else None,
        wanted_until=float(wanted_until),
    )
