/* SPDX-License-Identifier: ISC */
#include <string.h>

#include "d4-recv/stream-keys.h"
#include "lib/resp.h"
#include "lib/uuid.h"

#define ARGUMENTS "local p, token, u, s, t, more = unpack(ARGV) "

/* What a receiver has open is in receiver:TOKEN; receiver:TOKEN:alive says
 * that it lives. */
#define KNOW "redis.call('HSET', p..'receiver:'..token, s, u..' '..t) "

#define OPEN \
    "redis.call('SADD', 'active_connection:'..t, u) " \
    "redis.call('SADD', 'active_connection_by_uuid:'..u, t) " \
    "redis.call('SADD', 'active_connection', u) " \
    "redis.call('SADD', 'map:active_connection-uuid-session_uuid:'..u, s) " \
    "if t == '2' or t == '254' then " \
    "redis.call('SADD', 'active_uuid_type'..t..':'..u, s) end "

/* Takes the session from the keys of its type; others of the sensor and type
 * may go on. */
#define LEAVE \
    "local function leave(u, s, t, replaced) " \
    "local shared = t == '2' or t == '254' " \
    "if shared then redis.call('SREM', 'active_uuid_type'..t..':'..u, s) " \
    "if redis.call('EXISTS', 'active_uuid_type'..t..':'..u) == 1 then " \
    "return end end " \
    "if not replaced then " \
    "redis.call('SREM', 'active_connection:'..t, u) " \
    "redis.call('SREM', 'active_connection_by_uuid:'..u, t) end end "

#define CLOSE LEAVE \
    "local function close(u, s, t, replaced) " \
    "leave(u, s, t, replaced) " \
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
    "leave(u, s, '2', false) " OPEN "return 0";

const char stream_close_script[] = ARGUMENTS CLOSE
    "close(u, s, t, more == '1') "
    "return redis.call('HDEL', p..'receiver:'..token, s)";

const char stream_beat_script[] =
    "local p, token, search = unpack(ARGV) " CLOSE
    "redis.call('SET', p..'receiver:'..token..':alive', '1', 'EX', 10) "
    "redis.call('SADD', p..'receivers', token) "
    "if search == '0' then return 0 end "
    "for _, r in ipairs(redis.call('SMEMBERS', p..'receivers')) do "
    "if redis.call('EXISTS', p..'receiver:'..r..':alive') == 0 then "
    "local all = redis.call('HGETALL', p..'receiver:'..r) "
    "for i = 1, #all, 2 do "
    "local u, t = all[i + 1]:match('^(%x+) (%d+)$') "
    "if u then close(u, all[i], t, false) end end "
    "redis.call('DEL', p..'receiver:'..r) "
    "redis.call('SREM', p..'receivers', r) end end "
    "return 0";

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
