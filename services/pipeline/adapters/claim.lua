-- Takes over a session's state: fences every older owner and reads what it left.
-- KEYS: session hash. ARGV: epoch.
local session, epoch = KEYS[1], ARGV[1]

local stored = redis.call('HGET', session, 'epoch')
if stored and tonumber(stored) > tonumber(epoch) then
  return {'fenced'}
end
redis.call('HSET', session, 'epoch', epoch)
return {'claimed', redis.call('HGETALL', session)}
