#!/usr/bin/env bash
# SPDX-License-Identifier: ISC
#
# Who may send what; each refusal has its reason, said and counted, and what
# came before it is kept.

# Checks are reached by their names; $ in quotes is for others to see.
# shellcheck disable=SC2016,SC2119,SC2317

# shellcheck source=t/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=t/tool/collector.sh
. "$TOP/t/tool/collector.sh"

command -v socat > /dev/null || skip_all 'no socat here'

A=0f3c2a9e5b714c8d9a647e2d1b0c9f35	# UUID, as records.pl has it
B=11111111111141118111111111111111
C=22222222222242228222222222222222

# A change of the registry is seen within a second.
seen() {
	sleep 1.6
}

declare -A counts

# refused reason words record...
refused() {
	local reason=$1 words=$2
	shift 2
	: > log
	tell "$@"
	ok "$words" within 5 said "^d4-recv: 127\.0\.0\.[12].*: $words"
	counts[$reason]=$((${counts[$reason]:-0} + 1))
}

# Stops the collector, whose counts must be those of refused().
counted() {
	local reason got='' want=''
	stop
	is "$status" 0 'exit 0'
	for reason in "${!counts[@]}"; do
		want+="$reason ${counts[$reason]} "
		got+="$reason $(sed -n \
		    "s/^d4_recv_refused_total.*\"$reason\"} //p" metrics) "
	done
	is "$got" "$want" 'each reason is counted'
	counts=()
}

# What the files of a sensor and type hold, joined.
kept() {
	find "s/$1/$2" -type f ! -name '*.json' 2> /dev/null | sort |
	    while read -r file; do cat "$file"; done | sort
}

kept_is() {
	[ "$(kept "$1" "$2")" = "$3" ]
}

# taken name uuid type text record...: text is kept of what is told.
taken() {
	local name=$1 uuid=$2 type=$3 want=$4
	shift 4
	tell "$@"
	ok "$name" within 5 kept_is "$uuid" "$type" "$want"
}

collector types=$'1\n2\n3\n254' metatypes=$'ja3-jl\nfascia'
serve --metrics metrics

# -- what a header says -------------------------------------------------------

taken 'a good record' "$A" 3 1 $'type=3,data=1\n'
refused too_large 'size over the limit' type=3,size=1000001
refused bad_uuid 'uuid is not of version 4' \
    type=3,uuid=11111111111111118111111111111111,data=x
refused bad_type 'type not accepted' type=8,data=x
refused no_meta 'type 254 without a meta header before it' type=254,data=x
refused bad_hmac 'HMAC does not match' type=3,key=wrong,data=x
refused short 'stream ends within a record' type=3,data=abc,cut=1
is "$(kept "$A" 3)" 1 'nothing of all that is kept'

# -- nothing is recorded before an HMAC has verified --------------------------

refused bad_hmac 'HMAC does not match' "type=3,uuid=$B,key=wrong,data=x"
refused too_large 'size over the limit' "type=3,uuid=$B,size=1000001"
counted
is "$(reg sensors | tr -d '-' | grep -c "$B")" 0 \
    'the registry knows nothing of a uuid that never verified'
is "$(find s -name "*$B*" | wc -l)" 0 'nor does the store'
is "$(reg facts "$A" | grep -c '^error: .')" 0 \
    'nor has the real sensor an error of a forger'

# -- within a session ---------------------------------------------------------

serve --metrics metrics
refused uuid_changed 'uuid changed within the stream' \
    $'type=3,data=2\n' "type=3,uuid=$B,data=x"
ok 'what came before it is kept' within 5 kept_is "$A" 3 $'1\n2'
refused type_changed 'type changed within the stream' \
    $'type=3,data=3\n' type=1,data=x
refused bad_hmac 'HMAC does not match' $'type=3,data=4\n' type=3,flip=62,data=x
ok 'and so on' within 5 kept_is "$A" 3 $'1\n2\n3\n4'
ok 'the error of a sensor that had verified is noted' within 5 \
    eval 'reg facts $A | grep -q "^error: Error: HMAC don.t match"'
refused bad_data 'data is not what its type says' type=1,data=notpcap
refused bad_meta 'meta header not acceptable' type=2,data=nojson type=254,data=x
refused bad_type 'type not accepted' 'type=2,data={"type":"other"}' \
    type=254,data=x
refused type_changed 'type changed within the stream' \
    'type=2,data={"type":"fascia"}' $'type=254,data=l\n' 'type=2,data={}'
taken 'type 2, then 254' "$B" 254 line \
    "type=2,uuid=$B,data={\"type\":\"fascia\"}" \
    "type=254,uuid=$B,data=line"$'\n'

# -- blocks -------------------------------------------------------------------

reg add blocked-addresses 127.0.0.0/9
seen
refused blocked_address 'address is blocked' type=3,data=x
reg remove blocked-addresses 127.0.0.0/9
seen
reg add blocked-uuids "{${UUID^^}}"
seen
refused blocked_uuid 'uuid is blocked' type=3,data=x
refused blocked_uuid 'uuid is blocked' type=3,key=wrong,size=1000001
reg remove blocked-uuids "$A"
reg add blocked-by-uuid "$C"
seen
: > log
"$RECORDS" "type=3,uuid=$C,data=x" |
    socat -t 5 - "TCP:127.0.0.1:$port,bind=127.0.0.2"
ok 'a uuid blocks its address' within 5 said '127.0.0.2: address is blocked'
seen
: > log
"$RECORDS" 'type=3,data=x' |
    socat -t 5 - "TCP:127.0.0.1:$port,bind=127.0.0.2" 2> /dev/null
ok 'for all that comes from there' within 5 said \
    '127.0.0.2: address is blocked'
taken 'others are welcome' "$B" 3 welcome "type=3,uuid=$B,data=welcome"$'\n'
reg kick "$B"
seen
refused kicked 'kicked' "type=3,uuid=$B,data=x"

# A block ends those that are there.
exec 3<> "/dev/tcp/127.0.0.1/$port"
"$RECORDS" $'type=3,data=5\n' >&3
ok 'a sensor is there' within 5 eval 'reg live | grep -q "^$UUID 3 "'
reg add blocked-uuids "$A"
ok 'and is cut when it is blocked' within 5 eval '! reg live | grep -q .'
exec 3>&-
reg remove blocked-uuids "$A"

# -- keys ---------------------------------------------------------------------

reg key "$C" 'its own'
reg remove blocked-by-uuid "$C"
reg remove blocked-addresses 127.0.0.2
seen
refused bad_hmac 'HMAC does not match' "type=3,uuid=$C,data=x"
taken 'a sensor has its own key' "$C" 3 mine \
    "type=3,uuid=$C,key=its own,data=mine"$'\n'

# -- accepted types of the registry take the place of the configuration's -----

reg add types 8
seen
refused bad_type 'type not accepted' type=3,data=x
taken 'a type of the registry' "$A" 8 'dns||' 'type=8,data=dns||'$'\n'
reg remove types 8
seen

# -- one connection of each type ----------------------------------------------

open_sensor() {
	exec 3<> "/dev/tcp/127.0.0.1/$port"
	"$RECORDS" "$@" >&3
	within 5 eval 'reg live | grep -q "^$UUID"'
}

open_sensor $'type=3,data=6\n'
refused duplicate 'another connection of this sensor and type lives' \
    type=3,data=x
: > log
tell type=3,key=wrong,data=x
ok 'who has not the key' within 5 said 'HMAC does not match'
ok 'does not disturb the sensor' eval 'reg live | grep -q "^$UUID 3"'
sleep 5.5
: > log
tell $'type=3,data=7\n'
ok 'one that is silent is a ghost: the new one takes over' within 5 \
    said 'a newer connection took over'
ok 'both are kept' within 5 kept_is "$A" 3 $'1\n2\n3\n4\n5\n6\n7'
exec 3>&-

# Of types 2 and 254 any number.
exec 3<> "/dev/tcp/127.0.0.1/$port"
"$RECORDS" 'type=2,data={"type":"fascia"}' $'type=254,data=eight\n' >&3
exec 4<> "/dev/tcp/127.0.0.1/$port"
"$RECORDS" 'type=2,data={"type":"fascia"}' $'type=254,data=nine\n' >&4
ok 'two of type 254' within 5 eval '[ "$(reg live | grep -c "fascia")" = 2 ]'
exec 3>&- 4>&-
stop
is "$status" 0 'exit 0'
counts=()

# -- registration -------------------------------------------------------------

collector mode=registration
serve --metrics metrics
refused not_registered 'sensor is not registered' type=3,data=x
is "$(reg waiting)" "$UUID 127.0.0.1" 'who it was waits for approval'
reg register "{${UUID^^}}"
seen
taken 'once registered it may send' "$A" 3 in $'type=3,data=in\n'
refused not_registered 'sensor is not registered' "type=3,uuid=$B,data=x"
tell type=3,uuid=11111111111111118111111111111111,data=x
is "$(reg waiting | cut -d ' ' -f 1 | tr -d -)" "$B" \
    'what is not a uuid of version 4 does not'
counts[not_registered]=3
counted

# -- many refusals, few lines -------------------------------------------------

serve
# All within a second, however slow they are sent.
servers="$server $(pgrep -P "$server")"
# shellcheck disable=SC2086 # several
kill -STOP $servers
"$RECORDS" type=3,size=1000001 > record
for _ in $(seq 25); do
	cat record > "/dev/tcp/127.0.0.1/$port"
done 2> /dev/null
# shellcheck disable=SC2086
kill -CONT $servers
ok 'lines are suppressed' within 5 said 'refusals: [0-9]+ suppressed'
suppressed=$(sed -n 's/.*refusals: \([0-9]*\) suppressed/\1/p' log |
    awk '{ n += $1 } END { print n }')
is "$(($(grep -c '127.0.0.1' log) + suppressed))" 25 'and counted'
stop
is "$status" 0 'exit 0'

# -- what can't work is said before anything is done --------------------------

conf_recv bad source=127.0.0.1:0 destination=./never max_connections=9
printf 'junk\n' > bad/server.pem
chmod 600 bad/server.pem
for check in -n ''; do
	refuses "server.pem is none $check" 2 \
	    '^d4-recv: bad/server.pem: no certificate in PEM$' '' \
	    "$RECV" $check -c bad
done
for name in server.pem clientCA.crt; do
	with_tls
	mv server.pem bad/server.pem
	chmod 600 bad/server.pem
	rm -f "bad/$name"
	mkfifo "bad/$name"
	refuses "$name is a FIFO, which nobody waits for" 2 \
	    "^d4-recv: bad/$name: is not a regular file " '' \
	    timeout 10 "$RECV" -c bad
	rm "bad/$name"
	mkdir "bad/$name"
	refuses "$name is a directory" 2 \
	    "^d4-recv: bad/$name: is a directory, not a file " '' \
	    timeout 10 "$RECV" -c bad
	rmdir "bad/$name"
done
echo tcp:127.0.0.1:0 > bad/source
for hook in /nowhere/at/all "$TMP/bad/key" "$TMP" no-such-program; do
	echo "$hook" > bad/hook
	refuses "a hook that is no program: $hook" 2 \
	    '^d4-recv: bad/hook: .* \(expected the path of a program\)$' '' \
	    "$RECV" -n -c bad
done
for hook in "$RECV" true; do
	echo "$hook" > bad/hook
	run "$RECV" -n -c bad
	is "$status $(grep ^hook out)" "0 hook: $hook" "a hook that is: $hook"
done
rm bad/hook
printf './%04090d\n' 0 > bad/destination
refuses 'a store with a path too long for what is in it' 2 \
    '^d4-recv: bad/destination: is too long ' '' "$RECV" -n -c bad
echo redis:127.0.0.1:6379/0 > bad/destination
refuses 'files in Redis' 2 '^d4-recv: bad/destination: is no directory' '' \
    "$RECV" -n -c bad
echo /dev/null > bad/destination
refuses 'a store that is none: one line' 1 \
    '^d4-recv: /dev/null/registry: Not a directory$' '' "$RECV" -c bad
ok 'nothing was made' test ! -e never

done_testing
