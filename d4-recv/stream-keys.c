/* SPDX-License-Identifier: ISC */
#include <string.h>

#include "d4-recv/stream-keys.h"
#include "lib/resp.h"
#include "lib/uuid.h"

#define ARGUMENTS "local p, token, u, s, t = unpack(ARGV) "

/* What a receiver has open is in receiver:TOKEN; receiver:TOKEN:alive says
 * that it lives. */
#define KNOW "redis.call('HSET', p..'receiver:'..token, s, u..' '..t) "

/* Who was taken for dead has ended it for the worker. */
#define OPEN \
    "redis.call('SREM', 'ended_session', s) " \
    "redis.call('SADD', 'active_connection:'..t, u) " \
    "redis.call('SADD', 'active_connection_by_uuid:'..u, t) " \
    "redis.call('SADD', 'active_connection', u) " \
    "redis.call('SADD', 'map:active_connection-uuid-session_uuid:'..u, s) " \
    "if t == '2' or t == '254' then " \
    "redis.call('SADD', 'active_uuid_type'..t..':'..u, s) end "

/* Takes the session from the keys of its type; others of the sensor and type
 * may go on, at any receiver. */
#define LEAVE \
    "local function goes_on(u, s, t) " \
    "local all = redis.call('SMEMBERS', p..'receivers') " \
    "for _, o in ipairs(redis.call('SMEMBERS', " \
    "'map:active_connection-uuid-session_uuid:'..u)) do " \
    "for _, r in ipairs(all) do " \
    "if o ~= s and redis.call('HGET', p..'receiver:'..r, o) == " \
    "u..' '..t then return true end end end end " \
    "local function leave(u, s, t) " \
    "if t == '2' or t == '254' then " \
    "redis.call('SREM', 'active_uuid_type'..t..':'..u, s) end " \
    "if not goes_on(u, s, t) then " \
    "redis.call('SREM', 'active_connection:'..t, u) " \
    "redis.call('SREM', 'active_connection_by_uuid:'..u, t) end end "

#define CLOSE LEAVE \
    "local function close(u, s, t) " \
    "leave(u, s, t) " \
    "local e = redis.call('HGET', " \
    "'map:session-uuid_active_extended_type', s) " \
    "if e then " \
    "redis.call('HDEL', 'map:session-uuid_active_extended_type', s) " \
    "redis.call('SREM', 'active_connection_extended_type:'..u, e) end " \
    "redis.call('SREM', 'map:active_connection-uuid-session_uuid:'..u, s) " \
    "if redis.call('EXISTS', 'active_connection_by_uuid:'..u) == 0 then " \
    "redis.call('SREM', 'active_connection', u) end " \
    "redis.call('SADD', 'ended_session', s) end "

const char stream_open_script[] = ARGUMENTS KNOW OPEN "return 0";

const char stream_stored_script[] = ARGUMENTS
    "if t == '254' then t = '2' end "
    "return redis.call('SADD', 'session_uuid:'..t, s)";

const char stream_become_script[] = ARGUMENTS LEAVE KNOW
    "leave(u, s, '2') " OPEN "return 0";

const char stream_close_script[] = ARGUMENTS CLOSE
    "close(u, s, t) "
    "return redis.call('HDEL', p..'receiver:'..token, s)";

/* Who gives no sign of life gets as long once more: the server may have been
 * away for all of us, and some come back before others. */
#define ALIVE	"6"	/* seconds, more than between two attempts to connect */

const char stream_beat_script[] =
    "local p, token, search = unpack(ARGV) " CLOSE
    "redis.call('SET', p..'receiver:'..token..':alive', '1', 'EX', " ALIVE
    ") "
    "local new = redis.call('SADD', p..'receivers', token) "
    "redis.call('HDEL', p..'receiver:'..token, 'doubted') "
    "if search == '0' then return new end "
    "for _, r in ipairs(redis.call('SMEMBERS', p..'receivers')) do "
    "if redis.call('EXISTS', p..'receiver:'..r..':alive') == 1 then "
    "elseif redis.call('HSETNX', p..'receiver:'..r, 'doubted', '1') == 1 "
    "then redis.call('SET', p..'receiver:'..r..':alive', '0', 'EX', " ALIVE
    ") else "
    "local all = redis.call('HGETALL', p..'receiver:'..r) "
    "for i = 1, #all, 2 do "
    "local u, t = all[i + 1]:match('^(%x+) (%d+)$') "
    "if u then close(u, all[i], t) end end "
    "redis.call('DEL', p..'receiver:'..r) "
    "redis.call('SREM', p..'receivers', r) end end "
    "return new";

const char stream_check_script[] =
    "local all = {'0-0', -1, ''} "
    "local f = redis.pcall('XINFO', 'STREAM', KEYS[1]) "
    "if f.err then return {'0-0', 0, ''} end "
    "for i = 1, #f, 2 do "
    "if f[i] == 'last-generated-id' then all[1] = f[i + 1] end "
    "if f[i] == 'entries-added' then all[2] = f[i + 1] end "
    "if f[i] == 'max-deleted-entry-id' then all[3] = f[i + 1] end end "
    "for _, e in ipairs(redis.call('XRANGE', KEYS[1], unpack(ARGV))) do "
    "all[#all + 1] = e[1] end "
    "return all";

/* Of a sensor and type as many are kept as stores do, and those that were added
 * to just now, or are live: these are looked at later. */
const char stream_take_script[] =
    "local p, session, name, of = unpack(ARGV) "
    "local k, l, s = KEYS[1], KEYS[2], p..'entries_of:'..of "
    "if redis.call('EXISTS', k) == 0 then "
    "redis.call('LPUSH', s, name) "
    "for i = 9, redis.call('LLEN', s) do "
    "local last = redis.call('RPOP', s) local old = p..'entries:'..last "
    "if redis.call('TTL', old) < " STREAM_LIFE " - 120 then "
    "redis.call('DEL', old, old..':tags') "
    "else redis.call('LPUSH', s, last) end end "
    "redis.call('EXPIRE', s, " STREAM_LIFE ") end "
    "redis.call('HMSET', k, 'holder', session, 'n', '0') "
    "redis.call('EXPIRE', k, " STREAM_LIFE ") "
    "redis.call('EXPIRE', l, " STREAM_LIFE ") "
    "local all = {redis.call('HGET', k, 'preamble') or ''} "
    "for _, b in ipairs(redis.call('LRANGE', l, 0, -1)) do "
    "all[#all + 1] = b end "
    "return all";

/* What is refused is refused at the first entry, but by stores that are none of
 * Redis' own: those before it count. */
const char stream_add_script[] =
    "local k, l, n, count = KEYS[2], KEYS[3], tonumber(ARGV[2]), #ARGV - 10 "
    "local h = redis.call('HMGET', k, 'holder', 'n', 'bytes') "
    "if h[1] ~= ARGV[1] then return -1 end "
    "local has = tonumber(h[2]) "
    "if n > has + 1 then return -2 end "
    "local t = KEYS[1]:match('^stream:(%d+):') "
    "if n > 1 and redis.call('SISMEMBER', 'session_uuid:'.."
    "(t == '254' and '2' or t), ARGV[1]) == 0 then return -3 end "
    "local from, done, more, refusal = has - n + 1, has - n + 1, 0, nil "
    "while done < count do "
    "local m = ARGV[11 + done] "
    "local r = redis.pcall('XADD', KEYS[1], "
    "ARGV[6]..'-'..string.format('%d', ARGV[7] + done), 'message', m, "
    "'uuid', ARGV[8], 'timestamp', ARGV[9], 'version', ARGV[10]) "
    "if type(r) == 'table' and r.err then refusal = r break end "
    "done, more = done + 1, more + #m + 62 end "
    "if done == from then return refusal or count end "
    "local bytes = tonumber(h[3] or '0') "
    "if ARGV[4] ~= '' then "
    "redis.call('RPUSH', l, string.char(more % 256, "
    "math.floor(more / 256) % 256, math.floor(more / 65536) % 256, "
    "math.floor(more / 16777216))..ARGV[4]:sub(8 * from + 1, 8 * done)) "
    "bytes = bytes + more end "
    "if ARGV[3] == '1' then "
    "local f = redis.call('LINDEX', l, 0) "
    "while f do local a, b, c, d = f:byte(1, 4) "
    "local covers = a + 256 * (b + 256 * (c + 256 * d)) "
    "if bytes - covers < 16777216 then break end "
    "redis.call('LPOP', l) bytes = bytes - covers "
    "f = redis.call('LINDEX', l, 0) end end "
    "redis.call('EXPIRE', k, " STREAM_LIFE ") "
    "redis.call('EXPIRE', l, " STREAM_LIFE ") "
    "redis.call('HMSET', k, 'n', string.format('%d', n + done - 1), "
    "'bytes', bytes) "
    "if ARGV[5] ~= '' then redis.call('HSET', k, 'preamble', "
    "(redis.call('HGET', k, 'preamble') or '')..ARGV[5]) end "
    "if refusal then return {done, refusal.err} end "
    "return count";

/* For each entry: so by hand. */
size_t
stream_key(char key[STREAM_KEY], uint8_t type, const char *session)
{
	char *at = key;

	memcpy(at, "stream:", 7);
	at = d4_resp_digits(at + 7, type);
	*at++ = ':';
	memcpy(at, session, D4_UUID_TEXT);
	return (size_t)(at - key) + D4_UUID_TEXT - 1;
}
