-- Functions that append to an environment's event log. Scripts that do so begin
-- with this file.
--
-- events  stream, entry id "<sequence>-0", fields "at" (ms) and "event" (bytes)
-- log     hash: "sequence" of the newest entry, "bytes" of all entries kept
-- readers hash: durable reader -> sequence of the last entry that it has stored
-- keep    table: ms that entries are kept for, bytes that they may take

local TRIM_EVERY = 64
local TRIM_CHUNK = 16
local TRIM_CHUNKS = 16
-- Above the ceiling room is made for more than one entry, so that readers are not
-- told of a gap at every append.
local TRIM_TO_SHARE = 0.95

local function now_ms()
  local time = redis.call('TIME')
  return tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
end

local function whole(number)
  return string.format('%.0f', number)
end

local function sequence_of(entry)
  return tonumber(string.match(entry[1], '^%d+'))
end

local function log_bytes(log)
  return tonumber(redis.call('HGET', log, 'bytes') or '0')
end

-- First sequence that some durable reader has not stored yet.
local function first_unread(readers)
  local first = math.huge
  for _, position in ipairs(redis.call('HVALS', readers)) do
    first = math.min(first, tonumber(position) + 1)
  end
  return first
end

-- Whether there is no room for an event without taking entries from a durable reader.
local function is_full(events, log, readers, keep, event)
  if log_bytes(log) + #event <= keep.bytes then return false end
  local oldest = redis.call('XRANGE', events, '-', '+', 'COUNT', 1)[1]
  return oldest ~= nil and sequence_of(oldest) >= first_unread(readers)
end

-- Removes entries that are too old and read by all, and above the ceiling the
-- oldest whoever needs them. Returns how many of those were unread.
local function trim(events, log, readers, keep)
  local bytes, unread, lost = log_bytes(log), first_unread(readers), 0
  local oldest_kept_ms = now_ms() - keep.ms
  local fitting = bytes > keep.bytes and keep.bytes * TRIM_TO_SHARE or keep.bytes
  local chunk, next_id = 0, '-'
  local keep_from
  while next_id and chunk < TRIM_CHUNKS do
    local entries = redis.call('XRANGE', events, next_id, '+', 'COUNT', TRIM_CHUNK)
    chunk, next_id = chunk + 1, nil
    for _, entry in ipairs(entries) do
      local sequence = sequence_of(entry)
      local expired = tonumber(entry[2][2]) < oldest_kept_ms
      if bytes <= fitting and not (expired and sequence < unread) then
        next_id = nil
        break
      end
      bytes = bytes - #entry[2][4]
      keep_from = whole(sequence + 1) .. '-0'
      next_id = keep_from
      if sequence >= unread then lost = lost + 1 end
    end
  end
  if keep_from then
    redis.call('XTRIM', events, 'MINID', keep_from)
    redis.call('HSET', log, 'bytes', whole(bytes))
  end
  return lost
end

-- Returns the new entry's sequence, and how many unread entries made room for it.
local function append_event(events, log, readers, keep, event)
  local sequence = redis.call('HINCRBY', log, 'sequence', 1)
  redis.call('XADD', events, whole(sequence) .. '-0',
             'at', whole(now_ms()), 'event', event)
  local bytes = redis.call('HINCRBY', log, 'bytes', #event)
  if bytes <= keep.bytes and sequence % TRIM_EVERY ~= 0 then
    return sequence, 0
  end
  return sequence, trim(events, log, readers, keep)
end
