"""The Lua script of listings; `redis_scripts` says what all scripts keep to.

A listing goes along a sorted set by rank. Where it goes on from is found by halving, since many
sessions may have the same number of messages; and it looks at a bounded number of sessions, so
that a search that finds little holds up nobody: the caller goes on from where it stopped.
"""

from llm_mcp_hub.state.redis_scripts import COMMON

LIST = (
    COMMON
    + """
-- Lua compares text by the server's locale, sorted sets by bytes.
local function is_before(a, b)
  for i = 1, math.min(#a, #b) do
    if a:byte(i) ~= b:byte(i) then return a:byte(i) < b:byte(i) end
  end
  return #a < #b
end

-- KEYS sorted index; ARGV base now way value ties id limit budget field principal words...
-- `way` is ZRANGE or ZREVRANGE. The page begins after `value`, from the start if that is empty; of
-- the sessions with that very value, `ties` are after it: all, none, or those beyond `id`.
local base, now, way = ARGV[1], tonumber(ARGV[2]), ARGV[3]
local value, ties, last = tonumber(ARGV[4]), ARGV[5], ARGV[6]
local limit, budget, field, principal = tonumber(ARGV[7]), tonumber(ARGV[8]), ARGV[9], ARGV[10]

-- What an older version of the hub has stored is in the index alone.
if redis.call('ZCARD', KEYS[1]) < redis.call('ZCARD', KEYS[2]) then
  for _, id in ipairs(redis.call('ZRANGE', KEYS[2], 0, -1)) do
    if not redis.call('ZSCORE', KEYS[1], id) then
      local found = redis.call('HMGET', base .. ':session:' .. id, 'created_at', 'message_count',
        'input_tokens', 'output_tokens')
      if found[1] then
        local values = {created = found[1], messages = found[2],
          tokens = tonumber(found[3]) + tonumber(found[4])}
        redis.call('ZADD', KEYS[1], values[field], id)
      end
    end
  end
  redis.call('PEXPIRE', KEYS[1], math.max(1, redis.call('PTTL', KEYS[2])))
end

local function is_after(score, id)
  if score == value then
    if ties ~= 'some' then return ties == 'all' end
    if way == 'ZRANGE' then return is_before(last, id) else return is_before(id, last) end
  end
  if way == 'ZRANGE' then return score > value else return score < value end
end

local rank = 0
if value then
  local beyond = redis.call('ZCARD', KEYS[1])
  while rank < beyond do
    local middle = math.floor((rank + beyond) / 2)
    local one = redis.call(way, KEYS[1], middle, middle, 'WITHSCORES')
    if is_after(tonumber(one[2]), one[1]) then beyond = middle else rank = middle + 1 end
  end
end

local function matches(id, model, title)
  if #ARGV == 10 then return true end
  local text = string.lower(table.concat({id, principal, model, title or ''}, '\\n'))
  for i = 11, #ARGV do
    if not string.find(text, ARGV[i], 1, true) then return false end
  end
  return true
end

local found, gone, stopped = {}, {}, {}
while #found < limit do
  local left = math.min(budget, limit + 1)
  if left == 0 then break end
  local page = redis.call(way, KEYS[1], rank, rank + left - 1, 'WITHSCORES')
  if #page == 0 then stopped = {} break end
  for i = 1, #page, 2 do
    local id = page[i]
    local shown = redis.call('HMGET', base .. ':session:' .. id, 'expires_at', 'model', 'title')
    if not shown[1] or tonumber(shown[1]) <= now then
      gone[#gone + 1] = id
    elseif #found < limit and matches(id, shown[2], shown[3]) then
      found[#found + 1] = {id, read(base .. ':session:' .. id, now)}
    end
    stopped = {page[i + 1], id}
  end
  rank, budget = rank + #page / 2, budget - #page / 2
end
for _, id in ipairs(gone) do forget(base, id) end
return {found, #found < limit and stopped or {}}
"""
)
