-- Appends an event and changes the session's state, together or not at all.
-- Follows the functions of event_log.lua.
-- KEYS: events, log, readers, session hash.
-- ARGV: ms and bytes that the log keeps, "1" to hold when it is full, epoch, name and
-- value of the counter that makes the commit unique, ms to keep the session's state
-- for ("0" for ever), event, then names and values to set; an empty value removes.
local events, log, readers, session = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local keep = {ms = tonumber(ARGV[1]), bytes = tonumber(ARGV[2])}
local hold_when_full, epoch = ARGV[3] == '1', ARGV[4]
local counter, number, state_ms, event = ARGV[5], ARGV[6], ARGV[7], ARGV[8]
local FIRST_FIELD = 9

local stored = redis.call('HMGET', session, 'epoch', counter, 'sequence')
if stored[1] ~= epoch then
  return {'fenced'}
end
if stored[2] and tonumber(stored[2]) >= tonumber(number) then
  return {'committed', tonumber(stored[3]), 0}
end
if hold_when_full and is_full(events, log, readers, keep, event) then
  return {'full'}
end

local sequence, lost = append_event(events, log, readers, keep, event)
redis.call('HSET', session, counter, number, 'sequence', whole(sequence))
for i = FIRST_FIELD, #ARGV, 2 do
  if ARGV[i + 1] == '' then
    redis.call('HDEL', session, ARGV[i])
  else
    redis.call('HSET', session, ARGV[i], ARGV[i + 1])
  end
end
if state_ms ~= '0' then
  redis.call('PEXPIRE', session, state_ms)
end
return {'committed', sequence, lost}
