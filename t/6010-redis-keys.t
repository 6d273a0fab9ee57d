#!/usr/bin/env bash
# SPDX-License-Identifier: ISC
#
# After a scripted session there are exactly the keys of d4-core, of their
# types and with their members and fields, and beside them only ours, which
# begin with d4toolkit:.

# Checks are reached by their names.
# shellcheck disable=SC2317

# shellcheck source=t/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=t/redis.sh
. "$TOP/t/redis.sh"

export TZ=UTC
A=0f3c2a9e5b714c8d9a647e2d1b0c9f35
B=1f3c2a9e5b714c8d9a647e2d1b0c9f36

redis_begin one
receiver recv types=$'1\n2\n254' metatypes=ja3-jl
recv=$pid

# Each key of d4-core's with all that it holds, sorted; times become T, ids of
# entries I, sessions S and the day D.
keys() {
	local db=$1 key
	r -n "$db" KEYS '*' | grep -v '^d4toolkit:' | sort | while read -r key
	do
		printf '%s' "$key"
		case $(r -n "$db" TYPE "$key") in
		string) r -n "$db" GET "$key" ;;
		set) r -n "$db" SMEMBERS "$key" | sort ;;
		hash) r -n "$db" HGETALL "$key" | paste -d = - - | sort ;;
		zset) r -n "$db" ZRANGE "$key" 0 -1 WITHSCORES |
		    paste -d = - - ;;
		list) r -n "$db" LRANGE "$key" 0 -1 ;;
		stream) r -n "$db" XRANGE "$key" - + ;;
		esac | sed 's/^/ [/; s/$/]/' | tr -d '\n'
		echo
	done | sed -E "s/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/S/g
	    s/[0-9]{13}-[0-9]+/I/g; s/-[0-9]{14}\]/-T]/g
	    s/(_seen=)[0-9]{10}/\1T/g; s/:$day/:D/g; s/\[$day\]/[D]/g"
}

# compare name db < wanted
compare() {
	cat > want
	keys "$2" > got
	ok "$1" diff -u want got
}

day=$(date +%Y%m%d)
# The worker begins when its parent listens already.
knows_key() {
	[ "$(r -n 1 GET server:hmac_default_key)" = "$KEY" ]
}
ok 'the default key' within 10 knows_key

# One stream is over, the other goes on.
send data=one,time=1000 data=,time=1001 'data=th ree,time=18446744073709551615'
printf '{"type":"ja3-jl"}' > meta
mkfifo pipe
socat -t 10 -u - "TCP:127.0.0.1:$port" < pipe &
started
exec 9> pipe
"$RECORDS" "uuid=$B,type=2,data=@meta" "uuid=$B,type=254,data=x" >&9
stored() {
	[ "$(r -n 1 HGET "metadata_type_by_uuid:$B:254" last_seen)" ] &&
	    [ "$(r -n 1 ZSCORE "daily_uuid:$day" "$B")" = 2 ] &&
	    [ "$(r -n 1 ZSCORE "daily_uuid:$day" "$A")" = 3 ]
}
ok 'statistics come within some seconds' within 5 stored

compare 'the stream database' 0 << END
active_connection [$B]
active_connection:254 [$B]
active_connection_by_uuid:$B [254]
active_uuid_type254:$B [S]
ended_session [S]
map:active_connection-uuid-session_uuid:$B [S]
session_uuid:1 [S]
session_uuid:2 [S]
stream:1:S [I] [message] [one] [uuid] [$A] [timestamp] [1000] [version] [1] \
[I] [message] [] [uuid] [$A] [timestamp] [1001] [version] [1] \
[I] [message] [th ree] [uuid] [$A] [timestamp] [18446744073709551615] \
[version] [1]
stream:254:S [I] [message] [x] [uuid] [$B] [timestamp] [1795220274] \
[version] [1]
stream:2:S [I] [message] [{"type":"ja3-jl"}] [uuid] [$B] \
[timestamp] [1795220274] [version] [1]
END

compare 'the metadata database' 1 << END
all_extended_types_by_uuid:$B [ja3-jl]
all_types_by_uuid:$A [1]
all_types_by_uuid:$B [2] [254]
daily_ip:D [127.0.0.1=5]
daily_type:D [2=1] [254=1] [1=3]
daily_uuid:D [$B=2] [$A=3]
first_date [D]
list_uuid_ip:$A [127.0.0.1-T]
list_uuid_ip:$B [127.0.0.1-T]
metadata_extended_type_by_uuid:$B:ja3-jl [first_seen=T] [last_seen=T]
metadata_type_by_uuid:$A:1 [first_seen=T] [last_seen=T]
metadata_type_by_uuid:$B:2 [first_seen=T] [last_seen=T]
metadata_type_by_uuid:$B:254 [first_seen=T] [last_seen=T]
metadata_uuid:$A [first_seen=T] [last_seen=T]
metadata_uuid:$B [first_seen=T] [last_seen=T]
server:accepted_extended_type [ja3-jl]
server:accepted_type [1] [2] [254]
server:hmac_default_key [$KEY]
stat_ip_uuid:D:127.0.0.1 [$B=2] [$A=3]
stat_type_uuid:D:1 [$A=3]
stat_type_uuid:D:2 [$B=1]
stat_type_uuid:D:254 [$B=1]
stat_uuid_ip:D:$A [127.0.0.1=3]
stat_uuid_ip:D:$B [127.0.0.1=2]
stat_uuid_type:D:$A [1=3]
stat_uuid_type:D:$B [2=1] [254=1]
END
is "$(r -n 2 DBSIZE)" 0 'no item is in any queue'

# ---- what d4-core's programs ask for ---------------------------------------

ended() {
	[ "$(r SCARD ended_session)" = "$1" ]
}

r SADD Error:IncorrectType "$(r SMEMBERS session_uuid:2)" > check
ok "a session that its worker refused is cut" within 5 ended 2
is "$(r EXISTS active_connection "active_connection:254" \
    "active_connection_by_uuid:$B" "active_uuid_type254:$B" \
    "map:active_connection-uuid-session_uuid:$B" Error:IncorrectType)" 0 \
    'nothing of it is active'
exec 9>&-

mkfifo pipe2
socat -t 10 -u - "TCP:127.0.0.1:$port" < pipe2 &
started
exec 9> pipe2
"$RECORDS" data=x >&9
active() {
	[ "$(r SISMEMBER active_connection:1 "$A")" = "$1" ]
}
ok 'a sensor is connected' within 5 active 1
r SADD server:sensor_to_kick "$A" > check
ok 'it is kicked' within 5 active 0
is "$(r EXISTS server:sensor_to_kick)" 0 'which is done'
ok 'for half a minute' [ "$(r TTL "temp_blacklist_uuid:$A")" -gt 20 ]
exec 9>&-

kill "$recv"
finish "$recv"
is "$status" 0 'the receiver ends well'
is "$(r KEYS 'active*')" '' 'and leaves nothing active'
done_testing
