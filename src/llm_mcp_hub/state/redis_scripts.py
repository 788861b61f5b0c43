"""The Lua scripts: each call of the store is one of them, and so one atomic round trip.

Redis has the last word on what is atomic, the hub on what time it is: scripts compare with the
`now` they are given, and set real expiries only so that what nobody asks for any more goes away.

A script names the keys it needs to be routed by in KEYS. Some names are only known inside it:
the session a digest points to, the digest a session had, sessions that have expired. It makes
those from `base`, the hash tag that its KEYS carry too, so they are in the same slot, hence on
the same node, by construction. While a cluster moves a slot, Redis refuses a script's call for a
key that is not there (any more), and the script ends with an error: so every script touches all
keys it needs before it changes the first one that matters.

Numbers that Lua would round travel as text and are stored as they came.
"""

COMMON = """
local FIELDS = {'revision', 'expires_at', 'created_at', 'updated_at', 'digest', 'message_count',
  'input_tokens', 'cached_tokens', 'output_tokens', 'reasoning_tokens', 'model', 'system', 'title'}
local INDEXES = {':index', ':ends', ':by-created', ':by-messages', ':by-tokens'}

local function read(key, now)
  local found = redis.call('HMGET', key, unpack(FIELDS))
  if found[1] and tonumber(found[2]) > now then return found end
  return nil
end

local function live_for(key, ms)
  if redis.call('PTTL', key) < ms then redis.call('PEXPIRE', key, ms) end
end

local function held_by_another(key, id, now)
  local lease = redis.call('HMGET', key, 'id', 'until')
  return lease[1] and lease[1] ~= id and tonumber(lease[2]) > now
end

local function forget(base, id)
  local key = base .. ':session:' .. id
  local digest = redis.call('HGET', key, 'digest')
  if digest then redis.call('ZREM', base .. ':digest:' .. digest, id) end
  redis.call('DEL', key, base .. ':messages:' .. id)
  for _, index in ipairs(INDEXES) do redis.call('ZREM', base .. index, id) end
end

local function outlive(base, id, session, ends, ms)
  if tonumber(session[2]) >= tonumber(ends) then return end
  session[2] = ends
  redis.call('HSET', base .. ':session:' .. id, 'expires_at', ends)
  redis.call('ZADD', base .. ':ends', ends, id)
  for _, name in ipairs({':session:' .. id, ':messages:' .. id, ':digest:' .. session[5]}) do
    live_for(base .. name, ms)
  end
  for _, index in ipairs(INDEXES) do live_for(base .. index, ms) end
end

local function take(base, id, lease, ends, ms)
  local key = base .. ':lease:' .. id
  redis.call('HSET', key, 'id', lease, 'until', ends)
  redis.call('PEXPIRE', key, ms)
end
"""

BEGIN = (
    COMMON
    + """
-- KEYS session messages lease, and those of INDEXES; ARGV base id now lease ends ms
local base, id, now = ARGV[1], ARGV[2], tonumber(ARGV[3])
if held_by_another(KEYS[3], ARGV[4], now) then return 'busy' end
local session = read(KEYS[1], now)
if session then outlive(base, id, session, ARGV[5], tonumber(ARGV[6])) end
take(base, id, ARGV[4], ARGV[5], ARGV[6])
return session and {id, session, redis.call('LRANGE', KEYS[2], 0, -1)}
"""
)

BEGIN_BY_DIGEST = (
    COMMON
    + """
-- KEYS digest, and those of INDEXES; ARGV base digest now lease ends ms
local base, now = ARGV[1], tonumber(ARGV[3])
while true do
  -- Equal scores are ordered by member, which is what the contract asks for.
  local id = redis.call('ZREVRANGE', KEYS[1], 0, 0)[1]
  if not id then return nil end
  local session = read(base .. ':session:' .. id, now)
  if session and session[5] == ARGV[2] then
    if held_by_another(base .. ':lease:' .. id, ARGV[4], now) then return nil end
    local messages = redis.call('LRANGE', base .. ':messages:' .. id, 0, -1)
    outlive(base, id, session, ARGV[5], tonumber(ARGV[6]))
    take(base, id, ARGV[4], ARGV[5], ARGV[6])
    return {id, session, messages}
  end
  redis.call('ZREM', KEYS[1], id)
end
"""
)

APPEND = (
    COMMON
    + """
-- KEYS session messages lease, and those of INDEXES
-- ARGV base id now lease ends ms, revision created_at keep digest model system title, 4 usages,
-- messages
local base, id, now, ends, ms = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[5], tonumber(ARGV[6])
local session = read(KEYS[1], now)
local revision = session and tonumber(session[1]) or 0
if revision ~= tonumber(ARGV[7]) or held_by_another(KEYS[3], ARGV[4], now) then return nil end
if session and ARGV[8] ~= '' and tonumber(session[3]) ~= tonumber(ARGV[8]) then return nil end

local first, digest = 18, ARGV[10]
local added = #ARGV - first + 1
local kept = session and math.min(tonumber(ARGV[9]), tonumber(session[6])) or 0
if added == 0 and kept > 0 then
  digest = cjson.decode(redis.call('LINDEX', KEYS[2], kept - 1))['digest']
end
local by_digest = base .. ':digest:' .. digest
redis.call('EXISTS', by_digest)
if not session then
  forget(base, id)
elseif session[5] ~= digest then
  redis.call('ZREM', base .. ':digest:' .. session[5], id)
end

if kept == 0 then redis.call('DEL', KEYS[2]) else redis.call('LTRIM', KEYS[2], 0, kept - 1) end
for start = first, #ARGV, 1000 do
  redis.call('RPUSH', KEYS[2], unpack(ARGV, start, math.min(start + 999, #ARGV)))
end
local created = session and session[3] or ARGV[3]
local title = kept > 0 and session[13] or ''
if title == '' then title = ARGV[13] end
redis.call('HSET', KEYS[1], 'revision', revision + 1, 'expires_at', ends, 'created_at', created,
  'updated_at', ARGV[3], 'digest', digest, 'message_count', kept + added,
  'model', ARGV[11], 'system', ARGV[12], 'title', title)
local usage = {}
for i = 1, 4 do usage[i] = redis.call('HINCRBY', KEYS[1], FIELDS[6 + i], ARGV[13 + i]) end
redis.call('DEL', KEYS[3])

redis.call('ZADD', KEYS[4], ARGV[3], id)
redis.call('ZADD', KEYS[5], ends, id)
redis.call('ZADD', KEYS[6], created, id)
redis.call('ZADD', KEYS[7], kept + added, id)
redis.call('ZADD', KEYS[8], usage[1] + usage[3], id)
redis.call('ZADD', by_digest, ARGV[3], id)
redis.call('PEXPIRE', KEYS[1], ms)
redis.call('PEXPIRE', KEYS[2], ms)
-- They have an hour of slack, so their expiry need not be moved with every turn.
local due = ms - 1800000
if redis.call('PTTL', KEYS[4]) < due or redis.call('PTTL', KEYS[8]) < due then
  for i = 4, 8 do live_for(KEYS[i], ms) end
end
live_for(by_digest, ms)
for _, gone in ipairs(redis.call('ZRANGEBYSCORE', KEYS[5], '-inf', ARGV[3], 'LIMIT', 0, 20)) do
  pcall(forget, base, gone)
end
return redis.call('HMGET', KEYS[1], unpack(FIELDS))
"""
)

RENEW = (
    COMMON
    + """
-- KEYS session messages lease, and those of INDEXES; ARGV base id now lease ends ms
local base, id, now = ARGV[1], ARGV[2], tonumber(ARGV[3])
local lease = redis.call('HMGET', KEYS[3], 'id', 'until')
if lease[1] ~= ARGV[4] or tonumber(lease[2]) <= now then return 0 end
local session = read(KEYS[1], now)
if session then outlive(base, id, session, ARGV[5], tonumber(ARGV[6])) end
take(base, id, ARGV[4], ARGV[5], ARGV[6])
return 1
"""
)

RELEASE = """
-- KEYS lease; ARGV lease
if redis.call('HGET', KEYS[1], 'id') ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])
"""

GET = (
    COMMON
    + """
-- KEYS session messages; ARGV id now
local session = read(KEYS[1], tonumber(ARGV[2]))
if not session then return nil end
return {ARGV[1], session, redis.call('LRANGE', KEYS[2], 0, -1)}
"""
)

DELETE = (
    COMMON
    + """
-- KEYS session messages lease, and those of INDEXES; ARGV base id now
local existed = read(KEYS[1], tonumber(ARGV[3])) and 1 or 0
forget(ARGV[1], ARGV[2])
redis.call('DEL', KEYS[3])
return existed
"""
)

HOLDERS = """
-- KEYS lease; ARGV now
local lease = redis.call('HMGET', KEYS[1], 'id', 'until')
return lease[1] and tonumber(lease[2]) > tonumber(ARGV[1]) and lease[1]
"""

ADD_TOKEN = """
-- KEYS by-id by-name; ARGV id name body
if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 1 then return 0 end
if redis.call('HSETNX', KEYS[2], ARGV[2], ARGV[1]) == 0 then return 0 end
return redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
"""  # noqa: S105  # a script, not a secret

DELETE_TOKEN = """
-- KEYS by-id by-name; ARGV name
local id = redis.call('HGET', KEYS[2], ARGV[1])
if not id then return 0 end
redis.call('HDEL', KEYS[2], ARGV[1])
return redis.call('HDEL', KEYS[1], id)
"""  # noqa: S105  # a script, not a secret
