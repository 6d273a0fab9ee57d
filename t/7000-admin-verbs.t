#!/usr/bin/env bash
# SPDX-License-Identifier: ISC
#
# d4-admin does each verb on both registries with the same output.

# Checks are reached by their names, and read what others wrote before.
# shellcheck disable=SC2317,SC2094

# shellcheck source=t/lib.sh
. "$(dirname "$0")/lib.sh"

ADMIN=$TOP/d4-admin/d4-admin
U1=0f3c2a9e-5b71-4c8d-9a64-7e2d1b0c9f35
U2=1f3c2a9e-5b71-4c8d-9a64-7e2d1b0c9f35
U3=2f3c2a9e-5b71-4c8d-9a64-7e2d1b0c9f35
Q1=3f3c2a9e-5b71-4c8d-9a64-7e2d1b0c9f35
Q2=4f3c2a9e-5b71-4c8d-9a64-7e2d1b0c9f35
where=()

# With --to-... before the rest, what sensors are is shown in short.
admin() {
	local short=''
	case $1 in --to-*) short=$1; shift; set -- -j "$@" ;; esac
	run timeout 30 "$ADMIN" "${where[@]}" "$@"
	[ -z "$short" ] || sed -i -E -f "$TMP/short$short" out
}

cat > "$TMP/short--to-lines" <<'EOF'
s/^.*"uuid":"([^"]*)","state":"([^"]*)".*"description":"?([^"}]*).*/\1 \2 \3/
s/null$//
EOF
cat > "$TMP/short--to-state" <<'EOF'
s/^.*"uuid":"([^"]*)","state":"([^"]*)","registered":([a-z]*).*/\1 \2 \3/
EOF

# does name args...: it succeeds and is silent on stderr.
does() {
	local name=$1
	shift
	admin "$@"
	is "$status $(cat err)" '0 ' "$backend: $name"
}

# says name text args...: it succeeds with this on stdout.
says() {
	local name=$1 want=$2
	shift 2
	admin "$@"
	is "$status $(cat out)" "0 $want" "$backend: $name"
}

# wrong name status pattern args...
wrong() {
	local name=$1 want=$2 pattern=$3
	shift 3
	refuses "$backend: $name" "$want" "$pattern" '' \
	    timeout 30 "$ADMIN" "${where[@]}" "$@"
}

sensors() {
	does 'register' sensor register $U1 --description 'first one'
	does 'register a second, to wait' sensor register --pending \
	    --mail a@b.org --third-party T $U2
	admin sensor register $U1
	is "$status" 1 "$backend: not twice"
	says 'list' "$U1 registered first one
$U2 pending " --to-lines sensor list
	does 'approve' sensor approve $U2 $U3
	says 'approved' "$U2 registered true" --to-state sensor show $U2
	wrong 'reject one that is registered' 1 'does not wait' \
	    sensor reject $U2
	does 'block' sensor block $U2
	says 'blocked' "$U2 blocked true" --to-state sensor show $U2
	does 'unblock' sensor unblock $U2
	wrong 'unblock again' 1 'not blocked' sensor unblock $U2
	wrong 'two lines for a description' 2 'not a line of text' \
	    sensor describe $U1 $'one\ntwo'
}

keys() {
	local key
	printf 'two words & more\n' > key
	run timeout 30 "$ADMIN" "${where[@]}" sensor key $U1 --stdin < key
	like "$status $(cat err)" '^0 .*web form' \
	    "$backend: a key that d4-core would mangle warns"
	says 'the key as it was' 'two words & more' sensor key $U1 --show
	admin sensor show $U1
	like "$(cat out)" '(^|
)key +own' "$backend: show says own, not the key"
	is "$(grep -c 'two words' out)" 0 "$backend: and never prints it"
	admin sensor key $U1 --generate
	is "$status $(cat out)" '0 ' "$backend: a made key is not printed"
	admin sensor key $U1 --show
	key=$(cat out)
	like "$key" '^[0-9a-f]{64}$' "$backend: a made key is of 64 digits"
	does 'unset it' sensor key $U1 --unset
	wrong 'show none' 1 'no key of its own' sensor key $U1 --show
	wrong 'say nothing of what to do' 2 'expected' sensor key $U1
}

values() {
	does 'limit' sensor limit $U1 500
	does 'age' sensor age $U1 60
	does 'monotonic' sensor monotonic $U1 yes
	does 'monitor' sensor monitor $U1 120
	does 'describe' sensor describe $U1 text --mail c@d.org
	admin -j sensor show $U1
	like "$(cat out)" '"description":"text","mail":"c@d.org"' \
	    "$backend: show has the description"
	like "$(cat out)" \
	    '"limit":500,"monitor":120,"max_age":60,"monotonic":true' \
	    "$backend: show has the limits"
	admin sensor check
	is "$status $(grep -c $U1 out)" '1 1' "$backend: check lists it"
	admin sensor check --nagios
	like "$status $(cat out)" "^1 D4 WARNING - 1 of 1 silent: $U1\|" \
	    "$backend: in the form of Nagios"
	does 'monitor no more' sensor monitor $U1 none
	admin sensor check --nagios
	like "$status $(cat out)" '^0 D4 OK' "$backend: all is well"
	does 'unset' sensor limit $U1 none
	does 'kick' sensor kick $U2
	admin -j sensor show $U2
	like "$(cat out)" '"kicked_until":[0-9]+' "$backend: kicked for a while"
}

blocks() {
	does 'block addresses' block add 192.0.2.0/24 2001:db8::1 $U2
	does 'block by uuid' block add --by-uuid $U3
	says 'block list' "{\"kind\":\"address\",\"block\":\"192.0.2.0/24\"}
{\"kind\":\"address\",\"block\":\"2001:db8::1\"}
{\"kind\":\"uuid\",\"block\":\"$U2\"}
{\"kind\":\"by-uuid\",\"block\":\"$U3\"}" -j block list
	wrong 'bits behind the prefix' 2 'expected 192\.0\.2\.0/24' \
	    block add 192.0.2.1/24
	wrong 'nothing to block' 2 'expected an address' block add x
	does 'block remove' block remove 192.0.2.0/24 $U2
	wrong 'what is not blocked' 1 'not blocked' block remove 192.0.2.0/24
}

types() {
	admin type add 8 1 ja3-jl
	is "$status" 0 "$backend: accept types"
	does 'one more' type add 3
	admin type add pcap
	like "$(cat err)" 'pcap: taken for .* extended type; .* is 1$' \
	    'the name of a number is told of'
	does 'it goes again' type remove pcap
	admin -j type list
	is "$(sed 's/,"name.*//' out)" '{"type":1,"extended":null
{"type":3,"extended":null
{"type":8,"extended":null
{"type":254,"extended":"ja3-jl"' "$backend: type list"
	does 'type remove' type remove 8
	wrong 'remove again' 1 'not accepted' type remove 8
	wrong 'no type' 2 'expected 0 to 255' type add 256
}

queues() {
	says 'queue add' $Q1 queue add --uuid $Q1 --limit 5 3
	says 'for a group' $Q2 queue add --uuid $Q2 --description words \
	    ja3-jl $U1
	does 'member' queue members $Q2 add $U2
	says 'members' "MEMBER
$U1
$U2" queue members $Q2
	does 'no member' queue members $Q2 remove $U1
	does 'limit' queue limit $Q2 7
	does 'describe' queue describe $Q1 'of lines'
	says 'queue list' "{\"queue\":\"$Q1\",\"type\":3,\"extended\":null,\
\"grouped\":false,\"members\":[],\"items\":0,\"limit\":5,\"updated\":null,\
\"description\":\"of lines\"}
{\"queue\":\"$Q2\",\"type\":254,\"extended\":\"ja3-jl\",\"grouped\":true,\
\"members\":[\"$U2\"],\"items\":0,\"limit\":7,\"updated\":null,\
\"description\":\"words\"}" -j queue list
	push one && push two
	says 'peek, newest first' '{"bytes":3,"item":"two"}
{"bytes":3,"item":"one"}' -j queue peek $Q1
	admin -j queue show $Q1
	like "$(cat out)" '"items":2' "$backend: two items wait"
	does 'flush' queue flush $Q1
	says 'nothing left' '' -j queue peek $Q1
	wrong 'unknown queue' 1 'unknown queue' queue show $U1
	wrong '254 by itself' 2 'name of an extended' queue add 254
	wrong 'there is such a queue' 1 'there is such' queue add --uuid $Q1 3
}

modes() {
	says 'mode show, nothing is set' '{"mode":null,"from":"configuration"}' \
	    -j mode show
	does 'mode set' mode set registration
	says 'mode show' 'mode  registration
from  registry' mode show
	does 'mode set none' mode set none
	does 'and again' mode set none
	does 'another' mode set shared-secret
	says 'mode show' '{"mode":"shared-secret","from":"registry"}' \
	    -j mode show
	wrong 'no mode' 2 'registration \| shared-secret \| none' mode set open
}

moves() {
	admin export
	cp out "$backend.jsonl"
	like "$status $(head -n 1 out)" '^0 .*"kind":"registry","version":1' \
	    "$backend: export"
	mkdir "copy-$backend"
	run timeout 30 "$ADMIN" -d "copy-$backend" import "$backend.jsonl"
	is "$status $(cat err)" '0 ' "$backend: import into a new store"
	run timeout 30 "$ADMIN" -d "copy-$backend" export
	ok "$backend: it holds the same" cmp out "$backend.jsonl"
	run timeout 30 "$ADMIN" -d "copy-$backend" import "$backend.jsonl"
	run timeout 30 "$ADMIN" -d "copy-$backend" export
	ok "$backend: also after a second import" cmp out "$backend.jsonl"
	{ cat "$backend.jsonl"; echo '{"kind":"sensor","uuid":"x"}'; } > bad
	wrong 'one bad line' 1 'line [0-9]+: no uuid' import bad
	admin export --no-keys
	is "$(grep -c '"key"' out)" 0 "$backend: no keys when not wanted"
}

removal() {
	does 'queue remove' queue remove $Q1 $Q2
	does 'sensor remove' sensor remove $U1
	wrong 'unknown afterwards' 1 'unknown sensor' sensor show $U1
	wrong 'remove again' 1 'unknown sensor' sensor remove $U1
	wrong 'set a value of an unknown one' 1 'unknown sensor' \
	    sensor limit $U1 5
}

# Several administrators at a time lose nothing of each other's.
crowd() {
	local i k mine=()
	for i in 1 2 3 4 5; do
		for k in 1 2 3 4; do
			timeout 30 "$ADMIN" "${where[@]}" block add "10.$i.$k.0/24"
			timeout 30 "$ADMIN" "${where[@]}" queue members $Q2 \
			    add "$i${k}3c2a9e-5b71-4c8d-9a64-7e2d1b0c9f35"
		done 2>> crowd.err &
		mine+=($!)
	done
	wait "${mine[@]}"
	admin -j block list
	is "$(grep -c '10\.' out)" 20 "$backend: all blocks of five at a time"
	admin -j queue members $Q2
	is "$(sort -u out | grep -c .)" 21 "$backend: and all members"

	# Of those who want the same one has it.
	mine=()
	for i in 1 2 3 4 5; do
		(timeout 30 "$ADMIN" "${where[@]}" sensor register \
		    --description "by $i" 9f3c2a9e5b714c8d9a647e2d1b0c9f35 &&
		    echo "by $i" > "won.$i") 2>> crowd.err &
		mine+=($!)
	done
	wait "${mine[@]}"
	admin -j sensor show 9f3c2a9e5b714c8d9a647e2d1b0c9f35
	is "$(sed 's/.*"description":"\([^"]*\)".*/\1/' out)" \
	    "$(cat won.?)" "$backend: of five who register one sensor one does"
	rm won.?
	does 'and it is removed' sensor remove \
	    9f3c2a9e5b714c8d9a647e2d1b0c9f35
}

all() {
	sensors
	keys
	values
	blocks
	types
	queues
	modes
	moves
	crowd
	removal
}

backend=directory where=(-d store)
mkdir store
push() {
	printf '%s' "$1" > "store/queues/3/$Q1/new/$(date +%s%N)"
}
all

# The superuser makes store and registry for whom the place belongs to.
if [ "$(id -u)" = 0 ]; then
	mkdir -m 755 place conf.place
	chown 65534:65534 place
	echo "$TMP/place/store" > conf.place/destination
	run timeout 30 "$ADMIN" -c conf.place sensor register $U1
	is "$status $(cat err)" '0 ' 'the superuser makes a store'
	is "$(find place ! -user 65534)" '' \
	    'all of it belongs to the owner of the place'
else
	skip 2 'not the superuser'
fi

backend=Redis
PORT=$(free_port)
if ! command -v redis-server > /dev/null; then
	skip 1 'no redis-server'
	done_testing
fi
redis-server --port "$PORT" --bind 127.0.0.1 --save '' --dir "$TMP" \
    > redis.log 2>&1 &
started
within 10 redis-cli -p "$PORT" ping
where=(-i 127.0.0.1 -p "$PORT")
push() {
	redis-cli -p "$PORT" -n 2 lpush "analyzer:3:$Q1" "$1" > pushed
}
admin type list
if [ "$status" = 1 ] && grep -q 'no Redis in this build' err; then
	skip 1 'no Redis in this build'
else
	all
	ok 'both exports are the same' cmp directory.jsonl Redis.jsonl

	# A collector's configuration names the server and who we are for it.
	redis-cli -p "$PORT" config set requirepass 'pass word' > pushed
	admin type list
	is "$status" 1 'Redis wants a password'
	mkdir conf.redis
	echo none > conf.redis/destination
	echo "redis:127.0.0.1:$PORT/0" > conf.redis/registry
	printf 'pass word\n' > conf.redis/redis_password
	chmod 600 conf.redis/redis_password
	where=(-c conf.redis)
	admin -j queue list
	is "$status $(cat err)" '0 ' 'the configuration has it'
fi
done_testing
