"""The Lua scripts: each call of the store is one of them, and so one atomic round trip.

Redis has the last word on what is atomic, the hub on what time it is: scripts compare with the
`now` they are given, and set real expiries only so that what nobody asks for any more goes away.

A script names the keys it needs to be routed by in KEYS. Some names are only known inside it:
the session a digest points to, the digest a session had, sessions that have expired. It makes
those from `base`, the hash tag that its KEYS carry too, so they are in the same slot, hence on
the same node, by construction. While a cluster moves a slot, Redis refuses a script's call for a
key that is not there (any more), and the script ends with an error: so every script touches all
keys it needs before it changes the first one that matters.

What every turn calls gets its arguments as one MessagePack array (`args`), which is less work on
both sides; times are the same there as in text. Numbers that Lua would round travel as text and are
stored as they came.
"""

_READ = """
local FIELDS = {'revision', 'expires_at', 'created_at', 'updated_at', 'digest', 'message_count',
  'input_tokens', 'cached_tokens', 'output_tokens', 'reasoning_tokens', 'model', 'system', 'title'}

local function read(key, now)
  local found = redis.call('HMGET', key, unpack(FIELDS))
  if found[1] and tonumber(found[2]) > now then return found end
  return nil
end
"""

# What a hub knows of a session is its revision, 0 of none, its three times and its digest.
_VERSION = """
local function read_version(key, now)
  local found = redis.call('HMGET', key, 'revision', 'expires_at', 'created_at', 'updated_at',
    'digest')
  if found[1] and tonumber(found[2]) > now then return found end
  return nil
end

local function if_known(version, revision, expires_at, created_at, updated_at, digest)
  if tonumber(version[1]) ~= revision or version[5] ~= digest
    or tonumber(version[3]) ~= created_at or tonumber(version[4]) ~= updated_at then return nil end
  return tonumber(version[2]) == expires_at and 1 or {version[2]}
end
"""

_LIVE_FOR = """
local function live_for(key, ms)
  if redis.call('PTTL', key) < ms then redis.call('PEXPIRE', key, ms) end
end
"""

_HELD = """
local function held_by_another(key, id, now)
  local lease = redis.call('HMGET', key, 'id', 'until')
  return lease[1] and lease[1] ~= id and tonumber(lease[2]) > now
end
"""

_FORGET = """
local INDEXES = {':index', ':ends', ':by-created', ':by-messages', ':by-tokens'}

local function forget(base, id)
  local key = base .. ':session:' .. id
  local digest = redis.call('HGET', key, 'digest')
  if digest then redis.call('ZREM', base .. ':digest:' .. digest, id) end
  redis.call('DEL', key, base .. ':messages:' .. id)
  for _, index in ipairs(INDEXES) do redis.call('ZREM', base .. index, id) end
end
"""

# Rarely has it anything to do: a session most often lives longer than a lease.
_OUTLIVE = (
    _LIVE_FOR
    + """
local function outlive(base, id, session, ends, ms)
  if tonumber(session[2]) >= ends then return end
  local names = {':index', ':ends', ':by-created', ':by-messages', ':by-tokens',
    ':session:' .. id, ':messages:' .. id, ':digest:' .. session[5]}
  for i, name in ipairs(names) do names[i] = base .. name end
  redis.call('EXISTS', unpack(names))
  redis.call('HSET', names[6], 'expires_at', ends)
  session[2] = redis.call('HGET', names[6], 'expires_at')
  redis.call('ZADD', names[2], ends, id)
  for _, name in ipairs(names) do live_for(name, ms) end
end
"""
)

_TAKE = """
local function take(key, lease, ends, ms)
  redis.call('HSET', key, 'id', lease, 'until', ends)
  redis.call('PEXPIRE', key, ms)
end
"""

COMMON = _READ + _FORGET

BEGIN = (
    _READ
    + _VERSION
    + _HELD
    + _OUTLIVE
    + _TAKE
    + """
-- KEYS session messages lease; args base id now lease ends ms, and what is known of the session
local base, id, now, lease, ends, ms, revision, expires_at, created_at, updated_at, digest =
  unpack(cmsgpack.unpack(ARGV[1]))
if held_by_another(KEYS[3], lease, now) then return 'busy' end
local version = read_version(KEYS[1], now)
if version then outlive(base, id, version, ends, ms) end
take(KEYS[3], lease, ends, ms)
if not version then return nil end
return if_known(version, revision, expires_at, created_at, updated_at, digest)
  or {id, read(KEYS[1], now), redis.call('LRANGE', KEYS[2], 0, -1)}
"""
)

BEGIN_BY_DIGEST = (
    _READ
    + _HELD
    + _OUTLIVE
    + _TAKE
    + """
-- KEYS digest; args base digest now lease ends ms
local base, digest, now, lease, ends, ms = unpack(cmsgpack.unpack(ARGV[1]))
while true do
  -- Equal scores are ordered by member, which is what the contract asks for.
  local id = redis.call('ZREVRANGE', KEYS[1], 0, 0)[1]
  if not id then return nil end
  local session = read(base .. ':session:' .. id, now)
  if session and session[5] == digest then
    local key = base .. ':lease:' .. id
    if held_by_another(key, lease, now) then return nil end
    local messages = redis.call('LRANGE', base .. ':messages:' .. id, 0, -1)
    outlive(base, id, session, ends, ms)
    take(key, lease, ends, ms)
    return {id, session, messages}
  end
  redis.call('ZREM', KEYS[1], id)
end
"""
)

APPEND = (
    _HELD
    + _LIVE_FOR
    + """
-- KEYS session messages lease, then index, ends, by-created, by-messages and by-tokens
-- args base id now lease ends ms, revision created_at (or false) keep digest, model system title,
-- 4 usages; ARGV args, messages
local base, id, now, lease, ends, ms, expected, began, keep, digest, model, system, called, u1, u2,
  u3, u4 = unpack(cmsgpack.unpack(ARGV[1]))
local found = redis.call('HMGET', KEYS[1], 'revision', 'expires_at', 'created_at', 'digest',
  'message_count', 'title', 'input_tokens', 'cached_tokens', 'output_tokens', 'reasoning_tokens')
local session = found[1] and tonumber(found[2]) > now
if (session and tonumber(found[1]) or 0) ~= expected or held_by_another(KEYS[3], lease, now) then
  return nil
end
if session and began and tonumber(found[3]) ~= began then return nil end

local added, count = #ARGV - 1, session and tonumber(found[5]) or 0
local kept = math.min(keep, count)
if added == 0 and kept > 0 then
  digest = cjson.decode(redis.call('LINDEX', KEYS[2], kept - 1))['digest']
end
local by_digest = base .. ':digest:' .. digest
local shared = redis.call('EXISTS', by_digest) == 1
-- A session that has expired counts here too: everything else of it is written over below.
if found[4] and found[4] ~= digest then
  redis.call('ZREM', base .. ':digest:' .. found[4], id)
end

if kept == 0 then redis.call('DEL', KEYS[2])
elseif kept < count then redis.call('LTRIM', KEYS[2], 0, kept - 1) end
for start = 2, #ARGV, 1000 do
  redis.call('RPUSH', KEYS[2], unpack(ARGV, start, math.min(start + 999, #ARGV)))
end
local title = kept > 0 and found[6] or ''
if title == '' then title = called end
if session then
  u1, u2, u3, u4 = u1 + found[7], u2 + found[8], u3 + found[9], u4 + found[10]
end
redis.call('HSET', KEYS[1], 'revision', expected + 1, 'expires_at', ends, 'updated_at', now,
  'created_at', session and found[3] or now, 'digest', digest, 'message_count', kept + added,
  'model', model, 'system', system, 'title', title, 'input_tokens', u1, 'cached_tokens', u2,
  'output_tokens', u3, 'reasoning_tokens', u4)
redis.call('DEL', KEYS[3])

redis.call('ZADD', KEYS[4], now, id)
redis.call('ZADD', KEYS[5], ends, id)
if not session then redis.call('ZADD', KEYS[6], now, id) end
redis.call('ZADD', KEYS[7], kept + added, id)
redis.call('ZADD', KEYS[8], u1 + u3, id)
redis.call('ZADD', by_digest, now, id)
-- Keys have an hour of slack, so their expiry need not be moved with every turn.
local due = ms - 1800000
if not session or kept == 0 or redis.call('PTTL', KEYS[1]) < due then
  redis.call('PEXPIRE', KEYS[1], ms)
  redis.call('PEXPIRE', KEYS[2], ms)
end
if redis.call('PTTL', KEYS[8]) < due then
  for i = 4, 8 do live_for(KEYS[i], ms) end
end
if shared then live_for(by_digest, ms) else redis.call('PEXPIRE', by_digest, ms) end
local gone = redis.call('ZRANGEBYSCORE', KEYS[5], '-inf', now, 'LIMIT', 0, 20)
if #gone > 0 then
FORGET
  for _, one in ipairs(gone) do pcall(forget, base, one) end
end
return {session and found[3] or '', kept, title, found[4] or '', digest, u1, u2, u3, u4}
""".replace("FORGET", _FORGET)
)

RENEW = (
    _VERSION
    + _OUTLIVE
    + _TAKE
    + """
-- KEYS session messages lease; args base id now lease ends ms
local base, id, now, lease, ends, ms = unpack(cmsgpack.unpack(ARGV[1]))
local held = redis.call('HMGET', KEYS[3], 'id', 'until')
if held[1] ~= lease or tonumber(held[2]) <= now then return 0 end
local version = read_version(KEYS[1], now)
if version then outlive(base, id, version, ends, ms) end
take(KEYS[3], lease, ends, ms)
return 1
"""
)

RELEASE = """
-- KEYS lease; ARGV lease
if redis.call('HGET', KEYS[1], 'id') ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])
"""

GET = (
    _READ
    + _VERSION
    + """
-- KEYS session messages; args id now, and what is known of the session
local id, now, revision, expires_at, created_at, updated_at, digest =
  unpack(cmsgpack.unpack(ARGV[1]))
local version = revision ~= 0 and read_version(KEYS[1], now)
local known = version and if_known(version, revision, expires_at, created_at, updated_at, digest)
if known then return known end
local session = read(KEYS[1], now)
return session and {id, session, redis.call('LRANGE', KEYS[2], 0, -1)}
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

UPDATE_TOKEN = """
-- KEYS by-id by-name; ARGV id name body
if redis.call('HGET', KEYS[2], ARGV[2]) ~= ARGV[1] then return 0 end
if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 0 then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
return 1
"""  # noqa: S105  # a script, not a secret

DELETE_TOKEN = """
-- KEYS by-id by-name used; ARGV name
local id = redis.call('HGET', KEYS[2], ARGV[1])
if not id then return 0 end
redis.call('ZREM', KEYS[3], id)
redis.call('HDEL', KEYS[2], ARGV[1])
return redis.call('HDEL', KEYS[1], id)
"""  # noqa: S105  # a script, not a secret

NOTE_USES = """
-- KEYS by-id used; ARGV of each: id time
redis.call('EXISTS', KEYS[2])
for i = 1, #ARGV, 2 do
  if redis.call('HEXISTS', KEYS[1], ARGV[i]) == 1 then
    redis.call('ZADD', KEYS[2], 'GT', ARGV[i + 1], ARGV[i])
  end
end
return 1
"""
