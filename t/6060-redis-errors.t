#!/usr/bin/env bash
# SPDX-License-Identifier: ISC
#
# What d4-core's web pages show of a sensor that was refused is in d4-core's
# words; it goes with the next record.

# Checks are reached by their names.
# shellcheck disable=SC2317

# shellcheck source=t/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=t/redis.sh
. "$TOP/t/redis.sh"

OTHER=1f3c2a9e5b714c8d9a647e2d1b0c9f36

redis_begin one
receiver recv types=$'1\n2\n3\n254' metatypes=ja3-jl \
    "destination=$TMP/store"
recv=$pid

# of uuid text: the Error that the registry has.
of() {
	[ "$(r -n 1 HGET "metadata_uuid:${1//-/}" Error)" = "$2" ]
}

# name words record...: those of the sensor of a session of these records.
n=0
says() {
	local name=$1 words=$2 uuid
	shift 2
	n=$((n + 1))
	uuid=$(printf "%08x5b714c8d9a647e2d1b0c9f35" $n)
	send "${@/#/uuid=$uuid,}"
	ok "$name" within 5 of "$uuid" "$words"
	cp recv.err check
}

printf '{"type":"ja3-jl"}' > meta
printf '{"type":"other"}' > other
printf '{"kind":"ja3-jl"}' > broken
noise 100 > junk
says 'a wrong HMAC' "Error: HMAC don't match" type=3,data=x type=3,flip=40
says 'another type' 'Error: Unexpected type change type=3, new type=1' \
    type=3,data=x type=1,data=x
says 'an extended type that is not accepted' \
    'Error: Type=2, Unsupported extended_type: other' \
    type=2,data=@other type=254,data=x
says 'a meta header that is none' 'Error: Type=2, Incorrect JSON object' \
    type=2,data=@broken type=254,data=x
says 'no capture' 'Error: Type=1, Incorrect file format' type=1,data=@junk

# Another uuid, and a sensor that is there twice.
send type=3,data=x "type=3,uuid=$OTHER,data=x"
ok 'another uuid' within 5 of "$UUID" \
    "Error: The uuid change, new_uuid=$OTHER"
is "$(r -n 1 EXISTS "metadata_uuid:$OTHER")" 0 \
    'of that one, which has not verified, nothing is written'

mkfifo pipe
socat -t 10 -u - "TCP:127.0.0.1:$port" < pipe &
started
exec 9> pipe
# Errors and records have times in seconds: one in the same takes none away.
sleep 1.1
"$RECORDS" type=3,data=x >&9
ok 'a new connection takes the error away' within 5 of "$UUID" ''
send type=3,data=x
ok 'one more at a time' within 5 of "$UUID" \
    'Error: This UUID is using the same UUID for one type=3'
sleep 1.1
"$RECORDS" type=3,data=x >&9
ok 'the next record takes it away' within 5 of "$UUID" ''
r SADD server:sensor_to_kick "${UUID//-/}" > check
ok 'kicked' within 5 of "$UUID" 'Error: This UUID is temporarily blacklisted'
exec 9>&-

# What a worker of d4-core says itself stays as it is.
mkfifo pipe2
socat -t 10 -u - "TCP:127.0.0.1:$port" < pipe2 &
started
exec 9> pipe2
"$RECORDS" "uuid=$OTHER,type=3,data=x" >&9
there() {
	[ "$(r SISMEMBER active_connection:3 "$OTHER")" = 1 ]
}
ok 'a sensor' within 5 there
session=$(r SMEMBERS \
    "map:active_connection-uuid-session_uuid:$OTHER")
r -n 1 HSET "metadata_uuid:$OTHER" Error 'Error: Type=3, of a worker' \
    > check
r SADD Error:IncorrectType "$session" > check
cut_off() {
	[ "$(r SISMEMBER ended_session "$session")" = 1 ]
}
ok 'that a worker refused is cut off' within 5 cut_off
like "$(cat recv.err)" 'a worker refused its data' 'which is said'
sleep 1.5
ok 'its words stay' of "$OTHER" 'Error: Type=3, of a worker'
exec 9>&-

kill "$recv"
finish "$recv"
is "$status" 0 'the receiver ends well'
done_testing
