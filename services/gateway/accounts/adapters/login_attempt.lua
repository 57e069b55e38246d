-- Count an attempt to log in, or tell how long to wait before the next.
--
-- KEYS: who attempts (name and address, or device) · the address · the name
-- ARGV: 1 for a known device · free attempts · free attempts of an address ·
--       failures of a name that are an attack · most seconds to wait · seconds kept
-- Returns 0 when the attempt was counted, else milliseconds to wait.
local known = ARGV[1] == '1'
local free, free_of_address = tonumber(ARGV[2]), tonumber(ARGV[3])
local attack, most_ms = tonumber(ARGV[4]), tonumber(ARGV[5]) * 1000
local time = redis.call('TIME')
local now_ms = time[1] * 1000 + math.floor(time[2] / 1000)

local function wait_ms(key, allowed)
    local count = tonumber(redis.call('HGET', key, 'count') or '0')
    if count < allowed then return 0 end
    local delay_ms = math.min(most_ms, 1000 * 2 ^ math.min(count - allowed, 30))
    local last_ms = tonumber(redis.call('HGET', key, 'last_ms') or '0')
    return math.max(0, last_ms + delay_ms - now_ms)
end

local function counted(key)
    redis.call('HINCRBY', key, 'count', 1)
    redis.call('HSET', key, 'last_ms', now_ms)
    redis.call('EXPIRE', key, ARGV[6])
end

-- A stranger gets one attempt at once even while the name is attacked.
local attacked = tonumber(redis.call('HGET', KEYS[3], 'count') or '0') >= attack
local wait = wait_ms(KEYS[1], (attacked and not known) and 1 or free)
if not known then
    wait = math.max(wait, wait_ms(KEYS[2], free_of_address))
end
if wait > 0 then return math.ceil(wait) end
counted(KEYS[1])
if not known then
    counted(KEYS[2])
    counted(KEYS[3])
end
return 0
