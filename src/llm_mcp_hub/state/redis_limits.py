"""The limits of `RedisStore`: three small keys of a principal, in the slot of all its others.

The scripts keep to what `redis_scripts` says, and judge as `domain.limits.judge` does.
"""

from collections.abc import Sequence

from llm_mcp_hub.domain.limits import (
    DAY_SECONDS,
    MINUTE_SECONDS,
    LimitedTurn,
    LimitUse,
    TokenLimits,
    day_left,
    day_of,
)
from llm_mcp_hub.state.base_limits import LIMITED_TURN_SECONDS
from llm_mcp_hub.state.redis_client import RedisClient, Script, ScriptCall
from llm_mcp_hub.state.redis_keys import principal_keys

_MINUTE_MS = int(2 * MINUTE_SECONDS * 1000)
_RUNNING_MS = int(2 * LIMITED_TURN_SECONDS * 1000)
_DAY_MS = 2 * DAY_SECONDS * 1000
_NO_LIMIT = -1

_COMMON = """
local function today(key, day)
  local found = redis.call('HMGET', key, 'day', 'requests', 'tokens')
  if found[1] ~= day then return 0, 0 end
  return tonumber(found[2]), tonumber(found[3])
end

local function keep(key, day, requests, tokens, ms)
  redis.call('HSET', key, 'day', day, 'requests', requests, 'tokens', tokens)
  redis.call('PEXPIRE', key, ms)
end
"""

ENTER = (
    _COMMON
    + """
-- KEYS minute running day
-- ARGV turn now until day minute_ago old, 4 limits (-1: none), 3 times to live
local requests, tokens = today(KEYS[3], ARGV[4])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', ARGV[5])
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', ARGV[6])
local minute = redis.call('ZCARD', KEYS[1])
local running = redis.call('ZCOUNT', KEYS[2], '(' .. ARGV[2], '+inf')
local function reached(used, limit)
  return tonumber(limit) >= 0 and used >= tonumber(limit)
end
local exceeded, frees = '', ''
if reached(tokens, ARGV[9]) then exceeded = 'tokens_per_day'
elseif reached(requests, ARGV[8]) then exceeded = 'requests_per_day'
elseif reached(minute, ARGV[7]) then
  exceeded = 'requests_per_minute'
  local place = minute - tonumber(ARGV[7])
  frees = redis.call('ZRANGE', KEYS[1], place, place, 'WITHSCORES')[2] or ''
elseif reached(running, ARGV[10]) then exceeded = 'concurrent_turns' end
if exceeded == '' then
  redis.call('ZADD', KEYS[1], ARGV[2], ARGV[1])
  redis.call('PEXPIRE', KEYS[1], ARGV[11])
  redis.call('ZADD', KEYS[2], ARGV[3], ARGV[1])
  redis.call('PEXPIRE', KEYS[2], ARGV[12])
  minute, requests, running = minute + 1, requests + 1, running + 1
  keep(KEYS[3], ARGV[4], requests, tokens, ARGV[13])
end
local oldest = redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')[2] or ARGV[2]
return {exceeded, frees, minute, oldest, requests, tokens, running}
"""
)

LEAVE = (
    _COMMON
    + """
-- KEYS minute running day; ARGV turn day entered_day tokens spent ms
redis.call('EXISTS', KEYS[1], KEYS[3])
if redis.call('ZREM', KEYS[2], ARGV[1]) == 0 then return 0 end
if ARGV[5] == '1' then
  local requests, tokens = today(KEYS[3], ARGV[2])
  keep(KEYS[3], ARGV[2], requests, tokens + tonumber(ARGV[4]), ARGV[6])
else
  redis.call('ZREM', KEYS[1], ARGV[1])
  if redis.call('HGET', KEYS[3], 'day') == ARGV[3] then
    redis.call('HINCRBY', KEYS[3], 'requests', -1)
  end
end
return 1
"""
)

RENEW = """
-- KEYS running; ARGV turn until
return redis.call('ZADD', KEYS[1], 'XX', 'GT', ARGV[2], ARGV[1])
"""

_ENTER = Script(ENTER)
_LEAVE = Script(LEAVE)
_RENEW = Script(RENEW)


class RedisLimits:
    """What limited principals take, in Redis."""

    _client: RedisClient
    _prefix: str

    async def enter_turn(self, turn: LimitedTurn, limits: TokenLimits, until: float) -> LimitUse:
        """Let a turn in, or say why not."""
        now = turn.entered_at
        exceeded, frees, minute, oldest, requests, tokens, running = await self._client.call(
            _ENTER,
            self._of(turn.principal),
            *(turn.turn_id, now, until, day_of(now)),
            *(now - MINUTE_SECONDS, now - LIMITED_TURN_SECONDS),
            _number(limits.requests_per_minute),
            _number(limits.requests_per_day),
            _number(limits.tokens_per_day),
            _number(limits.concurrent_turns),
            *(_MINUTE_MS, _RUNNING_MS, _DAY_MS),
        )
        name = exceeded.decode() or None
        retry_after = None
        if frees:
            retry_after = float(frees) + MINUTE_SECONDS - now
        elif name in ("tokens_per_day", "requests_per_day"):
            retry_after = day_left(now)
        return LimitUse(
            exceeded=name,
            retry_after=retry_after,
            requests_in_minute=minute,
            minute_reset=float(oldest) + MINUTE_SECONDS - now,
            requests_today=requests,
            tokens_today=tokens,
            running=running,
        )

    async def leave_turn(self, turn: LimitedTurn, tokens: int, spent: bool, now: float) -> None:
        """Give the turn's place back."""
        await self._client.call(
            _LEAVE,
            self._of(turn.principal),
            *(turn.turn_id, day_of(now), day_of(turn.entered_at), tokens, int(spent), _DAY_MS),
        )

    async def renew_turns(self, turns: Sequence[LimitedTurn], until: float, now: float) -> None:  # noqa: ARG002  # the protocol's
        """Have turns count as running for longer."""
        calls = [
            ScriptCall(_RENEW, (self._of(turn.principal)[1],), (turn.turn_id, until))
            for turn in turns
        ]
        if calls:
            await self._client.pipeline(*calls)

    def _of(self, principal: str) -> tuple[str, str, str]:
        return principal_keys(self._prefix, principal).limits


def _number(limit: int | None) -> int:
    return _NO_LIMIT if limit is None else limit
