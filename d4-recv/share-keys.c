/* SPDX-License-Identifier: ISC */
#include "d4-recv/share-keys.h"

#define ARGUMENTS \
    "local p, me, token, epoch = unpack(ARGV, 1, 4) " \
    "local k, l = KEYS[1], KEYS[2] "

/* Whether it is still ours. */
#define CHECK \
    "local h = redis.call('HMGET', k, 'holder', 'epoch') " \
    "local e = tonumber(h[2] or '0') " \
    "if e < tonumber(epoch) then return 2 end " \
    "if e > tonumber(epoch) or h[1] ~= token then return 0 end "

/* Adds ARGV from the given one on to the list, whose first go as soon as the
 * others cover enough. */
#define ADD(first) \
    "local function covers(b) " \
    "local a, b, c, d = b:byte(1, 4) " \
    "return a + 256 * (b + 256 * (c + 256 * d)) end " \
    "for i = " first ", #ARGV do redis.call('RPUSH', l, ARGV[i]) " \
    "bytes = bytes + covers(ARGV[i]) end " \
    "local f = redis.call('LINDEX', l, 0) " \
    "while f and bytes - covers(f) >= 16777216 do " \
    "redis.call('LPOP', l) bytes = bytes - covers(f) " \
    "f = redis.call('LINDEX', l, 0) end " \
    "redis.call('HSET', k, 'bytes', bytes) "

#define LIVE \
    "redis.call('EXPIRE', k, " SHARE_LIFE ") " \
    "redis.call('EXPIRE', l, " SHARE_LIFE ") "

/* As many as stores keep. */
const char share_take_script[] = ARGUMENTS
    "local mode, name, of = unpack(ARGV, 5, 7) "
    "local function lives(t) return t and t ~= '' and t ~= token and "
    "redis.call('EXISTS', p..'tails:'..t) == 1 end "
    "local h = redis.call('HMGET', k, 'store', 'holder', 'epoch', "
    "'left:'..me, 'at', 'preamble', 'part') "
    "for i = 1, 7 do h[i] = h[i] or '' end "
    "local others = h[1] ~= '' and h[1] ~= me "
    "if mode == 'recover' then "
    "if others then return {'others', h[3], h[4]} end "
    "if lives(h[2]) then return {'held'} end "
    "elseif (mode == 'ask' and lives(h[2])) or (mode == 'wait' and "
    "h[2] ~= '' and h[2] ~= token) then "
    "redis.call('RPUSH', p..'asked:'..h[2], name) "
    "redis.call('EXPIRE', p..'asked:'..h[2], 60) "
    "return {'held'} end "
    "if h[3] == '' then local s = p..'tails_of:'..of "
    "redis.call('LPUSH', s, name) "
    "while redis.call('LLEN', s) > 8 do "
    "local old = p..'tail:'..redis.call('RPOP', s) "
    "if not lives(redis.call('HGET', old, 'holder')) then "
    "redis.call('DEL', old, old..':tags') end end "
    "redis.call('EXPIRE', s, " SHARE_LIFE ") h[3] = '0' end "
    "epoch = string.format('%.0f', tonumber(h[3]) + 1) "
    "redis.call('HSET', k, 'holder', token) "
    "redis.call('HSET', k, 'epoch', epoch) " LIVE
    "if not others then return {'own', epoch, h[4], h[5]} end "
    "local all = {'others', epoch, h[4], h[1], h[5], h[6], h[7]} "
    "for _, b in ipairs(redis.call('LRANGE', l, 0, -1)) do "
    "all[#all + 1] = b end "
    "return all";

const char share_push_script[] = ARGUMENTS
    "local n, at, part, more = unpack(ARGV, 5, 8) " CHECK
    "if redis.call('HGET', k, 'n') == n then return 1 end "
    "local bytes = tonumber(redis.call('HGET', k, 'bytes') or '0') "
    ADD("9")
    "redis.call('HSET', k, 'n', n) redis.call('HSET', k, 'at', at) "
    "if part ~= '-' then redis.call('HSET', k, 'part', part) end "
    "if more ~= '' then redis.call('HSET', k, 'preamble', "
    "(redis.call('HGET', k, 'preamble') or '')..more) end " LIVE
    "return 1";

const char share_upload_script[] = ARGUMENTS
    "local n, at, part, preamble, other, left = unpack(ARGV, 5, 10) "
    "local h = redis.call('HMGET', k, 'holder', 'epoch') "
    "local e = tonumber(h[2] or '0') "
    "if e > tonumber(epoch) or (e == tonumber(epoch) and h[1] ~= token) "
    "then return 0 end "
    "redis.call('DEL', l) local bytes = 0 "
    ADD("11")
    "for f, v in pairs({store = me, holder = token, epoch = epoch, n = n, "
    "at = at, part = part, preamble = preamble}) do "
    "redis.call('HSET', k, f, v) end "
    "redis.call('HDEL', k, 'left:'..me) "
    "if other ~= '' then redis.call('HSET', k, 'left:'..other, left) end "
    LIVE "return 1";

const char share_confirm_script[] = ARGUMENTS
    "local at, other, left = unpack(ARGV, 5, 7) " CHECK
    "redis.call('HSET', k, 'left:'..other, left) "
    "redis.call('HSET', k, 'store', me) redis.call('HSET', k, 'at', at) "
    "redis.call('HDEL', k, 'left:'..me) " LIVE
    "return 1";

const char share_release_script[] = ARGUMENTS CHECK
    "redis.call('HSET', k, 'holder', '') "
    "if redis.call('HEXISTS', k, 'store') == 0 then "
    "redis.call('DEL', k, l) end "
    "return 1";

const char share_beat_script[] = ARGUMENTS
    "redis.call('SET', p..'tails:'..token, '1', 'PX', '3000') "
    "local all = redis.call('LRANGE', p..'asked:'..token, 0, -1) "
    "redis.call('DEL', p..'asked:'..token) "
    "return all";
