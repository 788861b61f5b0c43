"""The usage of `RedisStore`: one hash for each span of time, its counts as MessagePack.

All of it is in one slot of a cluster, so a batch is one step and counted once. That is one script
for each hub a few times a second, whatever the number of turns.
"""

from collections.abc import Sequence

import msgspec

from llm_mcp_hub.domain.usage import Counts, UsageBatch, UsageRow, UsageSlot
from llm_mcp_hub.state.base_usage import WRITER_SECONDS
from llm_mcp_hub.state.redis_client import RedisClient, Script, Value, pairs_of
from llm_mcp_hub.state.redis_keys import usage_key, usage_writer_key

USAGE_SLACK_SECONDS = 60.0
"""Rows outlive their end by so much, for the way of a call to the server."""

ADD_USAGE = """
-- KEYS writer, then hashes; ARGV number writer_ms, then of each row: hash ms field counts ends
local last = redis.call('GET', KEYS[1])
for i = 2, #KEYS do redis.call('EXISTS', KEYS[i]) end
if last and tonumber(last) >= tonumber(ARGV[1]) then return 0 end
for i = 3, #ARGV, 5 do
  local key = KEYS[tonumber(ARGV[i])]
  local ends, counts = ARGV[i + 4], {}
  local row = redis.call('HGET', key, ARGV[i + 2])
  if row then
    row = cmsgpack.unpack(row)
    counts = row[2]
    if tonumber(row[1]) > tonumber(ends) then ends = row[1] end
  end
  for name, number in pairs(cmsgpack.unpack(ARGV[i + 3])) do
    counts[name] = (counts[name] or 0) + number
  end
  redis.call('HSET', key, ARGV[i + 2], cmsgpack.pack({ends, counts}))
  if redis.call('PTTL', key) < tonumber(ARGV[i + 1]) then
    redis.call('PEXPIRE', key, ARGV[i + 1])
  end
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
"""

_ADD = Script(ADD_USAGE)
_Named = tuple[str, str, str]
_encode_name = msgspec.json.Encoder().encode
_decode_name = msgspec.json.Decoder(_Named).decode
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(tuple[str, Counts]).decode


class RedisUsage:
    """Counts of turns in Redis."""

    _client: RedisClient
    _prefix: str

    async def add_usage(self, batch: UsageBatch, now: float) -> None:
        """Add counts, once."""
        keys = [usage_writer_key(self._prefix, batch.writer)]
        places: dict[str, int] = {}
        args: list[Value] = [batch.number, int(WRITER_SECONDS * 1000)]
        for row in batch.rows:
            slot = row.slot
            key = usage_key(self._prefix, slot.span, slot.start)
            if key not in places:
                keys.append(key)
                places[key] = len(keys)
            milliseconds = int((max(row.expires_at - now, 0.0) + USAGE_SLACK_SECONDS) * 1000)
            name = _encode_name((slot.provider, slot.model, slot.principal))
            counts = _encode(row.counts)
            args += (places[key], milliseconds, name, counts, repr(row.expires_at))
        await self._client.call(_ADD, keys, *args)

    async def read_usage(
        self, span: int, since: int, until: int, principal: str | None = None
    ) -> Sequence[UsageRow]:
        """The rows of a span."""
        starts = range(-(-since // span) * span, until, span)
        if not starts:
            return []
        replies = await self._client.pipeline(
            *(("HGETALL", usage_key(self._prefix, span, start)) for start in starts)
        )
        rows = []
        for start, reply in zip(starts, replies, strict=True):
            for name, value in pairs_of(reply):
                provider, model, owner = _decode_name(name)
                if principal in (None, owner):
                    ends, counts = _decode(value)
                    slot = UsageSlot(span, start, provider, model, owner)
                    rows.append(UsageRow(slot, counts, float(ends)))
        return rows
