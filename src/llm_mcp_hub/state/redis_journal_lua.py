"""The Lua scripts of journals; `redis_scripts` says what all scripts keep to.

A key is a turn's as long as both say so: the key names the turn, and the turn's journal, which
lives, names the key.
"""

_COMMON = """
local function read(key, now)
  local found = redis.call('HMGET', key, 'expires_at', 'length', 'end', 'alive_until', 'key',
    'head', 'wanted_until')
  if found[1] and tonumber(found[1]) > now then return found end
  return nil
end

local function begin(journal, chunks, head)
  redis.call('DEL', journal, chunks)
  redis.call('HSET', journal, 'head', head, 'length', 0, 'end', '', 'key', '',
    'alive_until', 0, 'wanted_until', 0)
  return {false, '0', '', '0', ''}
end

local function later(a, b)
  return tonumber(a) > tonumber(b) and a or b
end
"""

CLAIM_KEY = (
    _COMMON
    + """
-- KEYS journal chunks key; ARGV base turn key head now ends ms alive
local now = tonumber(ARGV[5])
local holder = redis.call('GET', KEYS[3])
if holder and holder ~= ARGV[2] then
  local taken = read(ARGV[1] .. ':journal:' .. holder, now)
  if taken and taken[5] == ARGV[3] then return taken[6] end
end
local journal = read(KEYS[1], now)
redis.call('EXISTS', KEYS[2])
journal = journal or begin(KEYS[1], KEYS[2], ARGV[4])
redis.call('HSET', KEYS[1], 'key', ARGV[3], 'expires_at', ARGV[6],
  'alive_until', later(journal[4], ARGV[8]))
redis.call('PEXPIRE', KEYS[1], ARGV[7])
redis.call('PEXPIRE', KEYS[2], ARGV[7])
redis.call('SET', KEYS[3], ARGV[2], 'PX', ARGV[7])
return nil
"""
)

WRITE = """
-- KEYS journal chunks; args base now ends ms, then of each entry: after last alive
-- ARGV args head, then of each entry: end blob
local args = cmsgpack.unpack(ARGV[1])
local now, length, ended, alive = args[2], 0, '', 0
local found = redis.call('HMGET', KEYS[1], 'expires_at', 'length', 'end', 'alive_until', 'key')
local left = redis.call('EXISTS', KEYS[2]) == 1
local live = found[1] and tonumber(found[1]) > now
local key
if live then
  length, ended, alive = tonumber(found[2]), found[3], tonumber(found[4])
  if found[5] ~= '' then key = args[1] .. ':key:' .. found[5] end
end
if key then redis.call('EXISTS', key) end
local wrote, headed = false, false
for i = 3, #ARGV, 2 do
  local at = 5 + (i - 3) / 2 * 3
  local after, last = args[at], args[at + 1]
  if ended == '' and after <= length then
    if not live and not wrote and (found[1] or left) then redis.call('DEL', KEYS[1], KEYS[2]) end
    if last > length then
      redis.call('XADD', KEYS[2], string.format('%.0f-0', last), 'c', ARGV[i + 1])
      length = last
    end
    alive = math.max(alive, args[at + 2])
    ended, wrote, headed = ARGV[i], true, headed or after == 0
  end
end
if not wrote then return 0 end
if live then
  if headed then redis.call('HSET', KEYS[1], 'head', ARGV[2]) end
  redis.call('HSET', KEYS[1], 'length', length, 'end', ended, 'alive_until', alive,
    'expires_at', args[3])
else
  redis.call('HSET', KEYS[1], 'length', length, 'end', ended, 'alive_until', alive,
    'expires_at', args[3], 'head', ARGV[2], 'key', '', 'wanted_until', 0)
end
redis.call('PEXPIRE', KEYS[1], args[4])
redis.call('PEXPIRE', KEYS[2], args[4])
if key then redis.call('PEXPIRE', key, args[4]) end
return 1
"""

READ = (
    _COMMON
    + """
-- KEYS journal chunks; ARGV now after wanted
local journal = read(KEYS[1], tonumber(ARGV[1]))
if not journal then return nil end
local chunks = redis.call('XRANGE', KEYS[2], '(' .. ARGV[2] .. '-0', '+')
if tonumber(ARGV[3]) > tonumber(journal[7]) then
  journal[7] = ARGV[3]
  redis.call('HSET', KEYS[1], 'wanted_until', ARGV[3])
end
return {journal, chunks}
"""
)

RELEASE_KEY = """
-- KEYS journal key; ARGV turn key
local held = redis.call('HGET', KEYS[1], 'key') == ARGV[2]
if redis.call('GET', KEYS[2]) ~= ARGV[1] then return 0 end
if held then redis.call('HSET', KEYS[1], 'key', '') end
return redis.call('DEL', KEYS[2])
"""

DELETE = (
    _COMMON
    + """
-- KEYS journal chunks; ARGV base turn now
local journal = read(KEYS[1], tonumber(ARGV[3]))
redis.call('EXISTS', KEYS[2])
if not journal then return 0 end
local key = journal[5] ~= '' and ARGV[1] .. ':key:' .. journal[5]
local named = key and redis.call('GET', key) == ARGV[2]
redis.call('DEL', KEYS[1], KEYS[2])
if named then redis.call('DEL', key) end
return 1
"""
)
