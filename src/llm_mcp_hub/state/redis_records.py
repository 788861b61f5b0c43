"""The records of `RedisStore`: the part of it that is about documents, not sessions.

A collection is two keys in one slot: a hash of its records, each `version:body`, and the version.
"""

from llm_mcp_hub.state.records import Collection, Record
from llm_mcp_hub.state.redis_client import RedisClient, Script
from llm_mcp_hub.state.redis_keys import collection_keys

_COMMON = """
local function held(key, name)
  local record = redis.call('HGET', key, name)
  return record and string.match(record, '^%d+') or '0'
end
"""

_PUT = Script(
    _COMMON
    + """
-- KEYS records version; ARGV name body expected
local version = held(KEYS[1], ARGV[1])
if ARGV[3] ~= '' and ARGV[3] ~= version then return nil end
version = string.format('%.0f', redis.call('INCR', KEYS[2]))
redis.call('HSET', KEYS[1], ARGV[1], version .. ':' .. ARGV[2])
return version
"""
)
_DELETE = Script(
    _COMMON
    + """
-- KEYS records version; ARGV name expected
local version = held(KEYS[1], ARGV[1])
if version == '0' or (ARGV[2] ~= '' and ARGV[2] ~= version) then return 0 end
redis.call('INCR', KEYS[2])
return redis.call('HDEL', KEYS[1], ARGV[1])
"""
)
_LIST = Script("""
-- KEYS records version
return {redis.call('GET', KEYS[2]) or '0', redis.call('HGETALL', KEYS[1])}
""")


class RedisRecords:
    """Records in Redis."""

    _client: RedisClient
    _prefix: str

    async def put_record(
        self, collection: str, name: str, body: bytes, expected: int | None = None
    ) -> int | None:
        """Store a record."""
        keys = collection_keys(self._prefix, collection)
        version = await self._client.call(_PUT, keys, name, body, _expected(expected))
        return int(version) if version is not None else None

    async def get_record(self, collection: str, name: str) -> Record | None:
        """The record of that name."""
        records, _ = collection_keys(self._prefix, collection)
        (found,) = await self._client.pipeline(("HGET", records, name))
        return _record(name, found) if found is not None else None

    async def list_records(self, collection: str) -> Collection:
        """All records, with the version."""
        version, flat = await self._client.call(_LIST, collection_keys(self._prefix, collection))
        names = [name.decode() for name in flat[::2]]
        found = [_record(name, body) for name, body in zip(names, flat[1::2], strict=True)]
        return Collection(int(version), tuple(sorted(found, key=lambda record: record.name)))

    async def delete_record(self, collection: str, name: str, expected: int | None = None) -> bool:
        """Forget a record."""
        keys = collection_keys(self._prefix, collection)
        return bool(await self._client.call(_DELETE, keys, name, _expected(expected)))

    async def records_version(self, collection: str) -> int:
        """The collection's version."""
        _, version = collection_keys(self._prefix, collection)
        (found,) = await self._client.pipeline(("GET", version))
        return int(found or 0)


def _expected(version: int | None) -> str:
    return "" if version is None else str(version)


def _record(name: str, stored: bytes) -> Record:
    version, _, body = stored.partition(b":")
    return Record(name, int(version), body)
