#!/usr/bin/env bash
# SPDX-License-Identifier: ISC
#
# d4-admin and d4-core's keys: what each verb writes, key by key; what a Redis
# that only d4-core wrote to becomes; and a registry that moves from a directory
# to Redis and back.

# Checks are reached by their names, and read what others wrote before.
# shellcheck disable=SC2094,SC2317

# shellcheck source=t/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=t/redis.sh
. "$TOP/t/redis.sh"

ADMIN=$TOP/d4-admin/d4-admin
export TZ=UTC
A=0f3c2a9e-5b71-4c8d-9a64-7e2d1b0c9f35
B=1f3c2a9e-5b71-4c8d-9a64-7e2d1b0c9f35
C=2f3c2a9e-5b71-4c8d-9a64-7e2d1b0c9f35
Q=3f3c2a9e-5b71-4c8d-9a64-7e2d1b0c9f35
G=4f3c2a9e-5b71-4c8d-9a64-7e2d1b0c9f35
E=5f3c2a9e-5b71-4c8d-9a64-7e2d1b0c9f35
a=${A//-/} b=${B//-/} c=${C//-/}

redis_begin redis
where=(-p "$redis")
admin() {
	run timeout 30 "$ADMIN" "${where[@]}" "$@"
	[ "$status" = 0 ] || fail "$*" "exit $status"
}

# All keys of a database that are d4-core's, with all that they hold; times
# become T.
keys() {
	local key
	r -n "$1" KEYS '*' | grep -v '^d4toolkit:' | sort | while read -r key
	do
		printf '%s' "$key"
		case $(r -n "$1" TYPE "$key") in
		string) r -n "$1" GET "$key" ;;
		set) r -n "$1" SMEMBERS "$key" | sort ;;
		hash) r -n "$1" HGETALL "$key" | paste -d = - - | sort ;;
		zset) r -n "$1" ZRANGE "$key" 0 -1 WITHSCORES |
		    paste -d = - - ;;
		list) r -n "$1" LRANGE "$key" 0 -1 ;;
		esac | sed 's/^/ [/; s/$/]/' | tr -d '\n'
		echo
	done | sed -E 's/(last_updated=?)( ?\[)?[0-9]{10}[.0-9]*/\1\2T/'
}

# holds name db < keys
holds() {
	cat > want
	keys "$2" > got
	ok "$1" diff -u want got
}

# -- key by key -----------------------------------------------------------------

printf 'a key of its own\n' > key
run timeout 30 "$ADMIN" "${where[@]}" sensor register "$A" --stdin \
    --description 'web server' --mail a@b.org --third-party T < key
admin sensor register --pending "$B" --mail c@d.org
admin sensor limit "$A" 500
admin sensor monitor "$A" 60
admin sensor approve "$C"
admin sensor block "$C"
admin block add 192.0.2.1 2001:db8::1 "$B"
admin block add --by-uuid "$B"
admin type add 1 8 254 ja3-jl
admin queue add --uuid "$Q" --description 'of captures' --limit 5 1
admin queue add --uuid "$G" 8 "$A"
admin queue add --uuid "$E" ja3-jl "$A" "$B"
r -n 2 LPUSH "analyzer:1:$Q" one two > pushed
holds 'what verbs set' 0 <<-EOF
	all:analyzer:by:extended_type:ja3-jl [$E]
	all:analyzer:by:format_type:1 [$Q]
	all:analyzer:by:format_type:8 [$G]
	all:analyzer:extended_type [ja3-jl]
	all:analyzer:format_type [1] [8]
	all_analyzer_queues [$Q] [$G] [$E]
	analyzer:1 [$Q]
	analyzer:$Q [description=of captures] [max_size=5] [type=1]
	analyzer:$G [description=] [max_size=100000000] [type=8]
	analyzer:$E [description=] [max_size=100000000] [metatype=ja3-jl] [type=254]
	analyzer_sensor_group:$G [$a]
	analyzer_sensor_group:$E [$a] [$b]
	analyzer_uuid_group:254:ja3-jl [$E]
	analyzer_uuid_group:8 [$G]
	blacklist_ip [192.0.2.1] [2001:db8::1]
	blacklist_ip_by_uuid [$b]
	blacklist_uuid [$b] [$c]
	metadata_uuid:$a [description=web server] [hmac_key=a key of its own] [third_party=T] [user_mail=a@b.org]
	metadata_uuid:$b [user_mail=c@d.org]
	registered_uuid [$a] [$c]
	sensor:queues:8:$a [$G]
	sensor:queues:ja3-jl:$a [$E]
	sensor:queues:ja3-jl:$b [$E]
	sensor_pending_registration [$b]
	sensors_monitoring:last_updated [T]
	server:accepted_extended_type [ja3-jl]
	server:accepted_type [1] [254] [8]
	stream_max_size_by_uuid [$a=500]
	to_monitor:sensor:$a [delta_time=60]
	to_monitor:sensors [$a]
EOF
admin sensor approve "$B"
admin sensor limit "$A" none
admin sensor monitor "$A" none
admin sensor key "$A" --unset
admin sensor describe "$A" '' --mail '' --third-party ''
admin sensor unblock "$C"
admin sensor remove "$C"
admin block remove 192.0.2.1 2001:db8::1 "$B"
admin block remove --by-uuid "$B"
admin type remove 1 8 254 ja3-jl
admin queue members "$E" remove "$A"
admin queue flush "$Q"
is "$(keys 2)" '' 'flush'
admin queue remove "$Q" "$G"
holds 'and what is left when they unset it' 0 <<-EOF
	all:analyzer:by:extended_type:ja3-jl [$E]
	all:analyzer:extended_type [ja3-jl]
	all_analyzer_queues [$E]
	analyzer:$E [description=] [max_size=100000000] [metatype=ja3-jl] [type=254]
	analyzer_sensor_group:$E [$b]
	analyzer_uuid_group:254:ja3-jl [$E]
	metadata_uuid:$b [user_mail=c@d.org]
	registered_uuid [$a] [$b]
	sensor:queues:ja3-jl:$b [$E]
	sensors_monitoring:last_updated [T]
EOF

# -- what d4-core wrote ---------------------------------------------------------

r FLUSHALL > flushed
r -n 0 > filled <<-EOF
	SET server:hmac_default_key "private key to change"
	SET first_date 20240229
	SADD server:accepted_type 1 2 4 8 254
	SADD server:accepted_extended_type ja3-jl
	SADD registered_uuid $a
	SADD sensor_pending_registration $b
	HSET metadata_uuid:$a hmac_key "a &amp; b" description "web server" user_mail a@b.org third_party True first_seen 1709200000 last_seen 1709200100 Error "Error: HMAC don't match"
	HSET metadata_uuid:$b hmac_key k user_mail c@d.org
	SADD all_types_by_uuid:$a 1 2 254
	SADD all_extended_types_by_uuid:$a ja3-jl
	HSET metadata_type_by_uuid:$a:1 first_seen 1709200000 last_seen 1709200050
	HSET metadata_type_by_uuid:$a:2 first_seen 1709200060 last_seen 1709200060
	HSET metadata_type_by_uuid:$a:254 first_seen 1709200061 last_seen 1709200100
	HSET metadata_extended_type_by_uuid:$a:ja3-jl first_seen 1709200061 last_seen 1709200100
	RPUSH list_uuid_ip:$a 192.0.2.7-20240229094640 2001:db8::7-20240229094500
	SADD blacklist_ip 198.51.100.1 2001:DB8::1
	SADD blacklist_uuid $C
	SADD blacklist_ip_by_uuid $c
	HSET stream_max_size_by_uuid $a 20000
	SADD to_monitor:sensors $a
	HSET to_monitor:sensor:$a delta_time 3600
	ZINCRBY daily_uuid:20240229 7 $a
	ZINCRBY daily_ip:20240229 7 192.0.2.7
	ZINCRBY daily_type:20240229 7 1
	ZINCRBY stat_uuid_ip:20240229:$a 7 192.0.2.7
	ZINCRBY stat_ip_uuid:20240229:192.0.2.7 7 $a
	ZINCRBY stat_uuid_type:20240229:$a 7 1
	ZINCRBY stat_type_uuid:20240229:1 7 $a
	HSET analyzer:$Q type 1 description captures max_size 100 last_updated 1709200100.5
	SADD analyzer:1 $Q
	HSET analyzer:$G type 254 metatype ja3-jl description "" max_size 50
	SADD analyzer_uuid_group:254:ja3-jl $G
	SADD analyzer_sensor_group:$G $a
	SADD sensor:queues:ja3-jl:$a $G
	SADD all_analyzer_queues $Q $G
	SADD all:analyzer:format_type 1
	SADD all:analyzer:extended_type ja3-jl
	SADD all:analyzer:by:format_type:1 $Q
	SADD all:analyzer:by:extended_type:ja3-jl $G
EOF
is "$(grep -ci err filled)" 0 'a Redis as d4-core has it'
keys 0 > before
admin check
admin export
cp out core.jsonl
keys 0 > after
ok 'an export changes nothing' cmp before after
mkdir store
where=(-d store)
admin import core.jsonl
admin -j sensor show "$A"
like "$(cat out)" '"state":"registered".*"description":"web server","mail":"a@b.org","third_party":"True","key":"own","limit":20000,"monitor":3600' \
    'its sensors'
like "$(cat out)" '"first_seen":1709200000,"last_seen":1709200100,"types":\["1","2","254","ja3-jl"\],"addresses":\["192.0.2.7","2001:db8::7"\],"error":"Error: HMAC don' \
    'and what it saw of them'
admin sensor key "$A" --show
is "$(cat out)" 'a &amp; b' 'a key, as its web form changed it'
admin -j sensor list --pending
like "$(cat out)" "^\{\"uuid\":\"$B\"" 'who waits'
admin -j block list
is "$(cat out)" "{\"kind\":\"address\",\"block\":\"198.51.100.1\"}
{\"kind\":\"address\",\"block\":\"2001:db8::1\"}
{\"kind\":\"uuid\",\"block\":\"$C\"}
{\"kind\":\"by-uuid\",\"block\":\"$C\"}" 'blocks, however spelt'
admin -j type list
is "$(grep -c registry out)" 6 'types'
admin -j queue list
is "$(sed 's/,"updated.*//' out)" "{\"queue\":\"$Q\",\"type\":1,\"extended\":null,\"grouped\":false,\"members\":[],\"items\":0,\"limit\":100
{\"queue\":\"$G\",\"type\":254,\"extended\":\"ja3-jl\",\"grouped\":true,\"members\":[\"$A\"],\"items\":0,\"limit\":50" \
    'queues'
admin -j stats day 2024-02-29
like "$(cat out)" "\"uuid\":\"$A\",\"type\":1,\"records\":7" \
    'records of a day'
like "$(cat "$TMP/core.jsonl")" \
    '"day":20240229,"uuid":"'"$A"'","type":1,"address":"192.0.2.7","records":7' \
    'and from where'
where=(-p "$redis")
admin stats forget 2024-02-29
is "$(keys 0 | grep -c 20240229:)" 0 'a day of d4-core is forgotten'
where=(-d store)

# -- there and back -------------------------------------------------------------

cat >> core.jsonl <<-EOF
	{"kind":"stranger","uuid":"$E","address":"203.0.113.9","time":1709200000}
	{"kind":"block_address","value":"203.0.113.0/24"}
	{"kind":"mode","value":"registration"}
	{"kind":"count","day":20240301,"uuid":"$A","type":8,"address":"192.0.2.8","records":3,"bytes":4000000000}
	{"kind":"count","day":20240301,"uuid":"$A","type":1,"address":"2001:db8::8","records":1,"bytes":10}
	{"kind":"sensor","uuid":"$C","registered":true,"pending":false,"monotonic":true,"key":"/2EgYg==","max_age":60}
EOF
mkdir one two
# moves from where...: what an export holds, there, and in order.
moves() {
	local from=$1
	shift
	where=("$@")
	admin import "$from"
	is "$(cat err)" '' "from $from to $*"
	admin export
	{ grep '"registry"' out; grep -v '"registry"' out | sort; } \
	    > "$from.next"
}
moves core.jsonl -d one
r FLUSHALL > flushed
moves core.jsonl.next -p "$redis"
ok 'a directory becomes a Redis' diff core.jsonl.next core.jsonl.next.next
moves core.jsonl.next.next -d two
ok 'and a directory again' diff core.jsonl.next core.jsonl.next.next.next
is "$(grep -cE \
    'stranger|203.0.113.0/24|"mode"|4000000000|2001:db8::8|/2EgYg==' \
    core.jsonl.next)" 6 'with all that was added'

# -- in one step ------------------------------------------------------------------

r FLUSHALL > flushed
where=(-p "$redis")
admin queue add --uuid "$G" 3 "$A" "$B"
printf 'its own\n' > key
admin sensor register "$A" --stdin < key
r MONITOR > monitor &
started
monitor=$pid
within 5 grep -q OK monitor
admin queue remove "$G"
admin sensor remove "$A"
within 5 grep -q 'HDEL.*hmac_key' monitor
kill "$monitor"
finish "$monitor"
is "$(awk '/"MULTI"/ { in_one = 1 } /"EXEC"/ { in_one = 0 }
    / "SREM" "sensor:queues:/ { n[in_one + 0]++ }
    END { print n[0] + 0, n[1] + 0 }' monitor)" '0 2' \
    'a queue and who sends to it go in one step'

is "$(grep -oE 'SREM" "registered_uuid|HDEL.*"hmac_key' monitor |
    sed 's/.*"//' | tr '\n' ' ')" 'registered_uuid hmac_key ' \
    'no sensor is registered without its key'
r SADD registered_uuid "$a" > filled
r SADD sensor_pending_registration "$a" > filled
admin sensor approve "$A"
is "$(r SISMEMBER registered_uuid "$a") $(r EXISTS \
    sensor_pending_registration)" '1 0' 'approve ends what it began'

# -- many sensors -----------------------------------------------------------------

r FLUSHALL > flushed
perl -e 'for (1 .. 3000) {
	my $u = sprintf "%08x00004000800000000000%04x", $_, $_;
	print "SADD registered_uuid $u\n";
	print "HSET metadata_uuid:$u last_seen 1709200000 description d$_\n";
}' | r > filled
where=(-p "$redis")

# asks most lines args...: so many commands at most are sent for them.
asks() {
	local most=$1 want=$2 before
	shift 2
	before=$(commands)
	admin "$@"
	ok "$*: no more than $most commands" \
	    test "$(($(commands) - before))" -le "$most"
	is "$(lines out)" "$want" "$*: of 3000 sensors"
}
commands() {
	r INFO stats | sed -n 's/^total_commands_processed:\([0-9]*\).*/\1/p'
}
asks 80 0 -j sensor list --connected
asks 80 1 -j sensor show 0000001d-0000-4000-8000-00000000001d
asks 6200 0 -j sensor list --pending
asks 80000 3000 -j sensor list
done_testing
