#!/usr/bin/env bash
# SPDX-License-Identifier: ISC
#
# What d4-admin changes acts on a running d4-recv within two seconds, on both
# registries: who is not welcome any more is cut, also in silence, and who is
# welcome now may come.

# Checks are reached by their names, and read what others wrote before; $ in
# quotes is for others to see.
# shellcheck disable=SC2016,SC2094,SC2317

# shellcheck source=t/lib.sh
. "$(dirname "$0")/lib.sh"

ADMIN=$TOP/d4-admin/d4-admin
LATEST=2000	# ms until a change has acted
# Where others want the processors, too, nobody can promise that.
if [ -n "$SANITIZE" ] || awk -v cores="$(nproc)" '{ exit $1 <= cores }' \
    /proc/loadavg; then
	LATEST=$((SLOW > 1 ? 2000 * SLOW : 6000))
fi

# A sensor that sends its first record and waits to be cut: "gone MS", the
# time of day, when it was.
cat > sensor.pl <<'EOS'
use IO::Socket::INET;
use Time::HiRes 'time';
my ($address, $port) = @ARGV;
my $s = IO::Socket::INET->new(PeerAddr => "127.0.0.1:$port",
    LocalAddr => $address) or die;
local $/;
binmode STDIN;
syswrite $s, scalar <STDIN>;
sysread $s, my $nothing, 1;
printf "gone %.0f\n", time * 1000;
EOS

now() {
	date +%s%3N
}

admin() {
	run timeout 30 "$ADMIN" -c r "$@"
}
cut_checks=()

# uuid n: the nth sensor's.
uuid() {
	printf '%08x-0000-4000-8000-000000000000' "$1"
}

connected() {
	"$ADMIN" -c r -j sensor list --connected | grep -q "\"$1\""
}

# sensor n [address] [name=value,...|record...]: the nth sensor comes with its
# records, and is there.
sensor() {
	local n=$1 address=${2:-127.0.0.1}
	shift 2
	[ $# -gt 0 ] || set -- "type=3,uuid=$(hex "$n"),data=here"$'\n'
	"$RECORDS" "$@" > "records.$n"
	perl sensor.pl "$address" "$port" < "records.$n" > "gone.$n" \
	    2> "sensor.$n.err" &
	started
	within 5 connected "$(uuid "$n")" ||
	    fail "$backend: sensor $n comes" "$(tail -n 3 log)"
}

hex() {
	uuid "$1" | tr -d -
}

# Whether the nth sensor's connection ended in time.
in_time() {
	within 5 test -s "gone.$1" || return 1
	took=$(($(sed 's/gone //' "gone.$1") - $(cat "begun.$1")))
	echo "after $took ms"
	[ "$took" -le "$LATEST" ]
}

# cuts n name reason args...: a command that cuts the nth sensor, and why.
cuts() {
	local n=$1 name=$2 reason=$3
	shift 3
	now > "begun.$n"
	admin "$@"
	is "$status" 0 "$backend: $name"
	cut_checks+=("$n" "$name" "$reason")
}

# The sensors of all cuts() until now are gone, in time, for their reasons.
are_cut() {
	set -- "${cut_checks[@]}"
	cut_checks=()
	while [ $# -gt 0 ]; do
		ok "$backend: $2: the sensor is cut in time" in_time "$1"
		ok "$backend: $2: for its reason" within 5 grep -q \
		    "127.* $(uuid "$1"): $3" log
		shift 3
	done
}

# Whether what one record says is kept: from a new connection, until then.
takes() {
	local key=${3:-$KEY} end
	end=$(($(now) + LATEST))
	while [ "$(now)" -le "$end" ]; do
		"$RECORDS" "type=3,uuid=$(hex "$1"),key=$key,data=$2"$'\n' |
		    perl -MIO::Socket::INET -e 'my $s =
			IO::Socket::INET->new("127.0.0.1:$ARGV[0]") or exit;
			local $/; print $s <STDIN>; close $s' "$port"
		sleep 0.1
		find s -path s/registry -prune -o -path s/queues -prune -o \
		    -type f -exec grep -qa "^$2" {} + && return 0
	done
	return 1
}

# Whether it is refused so.
refused() {
	local end
	end=$(($(now) + LATEST))
	while [ "$(now)" -le "$end" ]; do
		: > log
		"$RECORDS" "type=3,uuid=$(hex "$1"),key=${3:-$KEY},data=no" |
		    perl -MIO::Socket::INET -e 'my $s =
			IO::Socket::INET->new("127.0.0.1:$ARGV[0]") or exit;
			local $/; print $s <STDIN>; sysread $s, $_, 1' "$port"
		within 1 grep -q ": $2" log && return 0
	done
	return 1
}

serve() {
	: > log
	"$RECV" -v -c r 2>> log &
	started
	recv=$pid
	within 10 grep -q 'listening on' log ||
	    fail "$backend: the collector listens" "$(cat log)"
	port=$(sed -n 's/.*listening on port //p' log | head -n 1)
}

stop() {
	kill "$recv"
	finish "$recv"
	is "$status" 0 "$backend: the collector ends"
}

# -- who is not welcome any more ------------------------------------------------

cutting() {
	local i
	for i in 1 2 3 8 9 10 11; do
		sensor $i ''
	done
	sensor 4 127.0.1.4
	sensor 5 127.0.2.5
	sensor 6 127.0.3.6
	sensor 7 127.0.3.6
	cuts 1 'kick' 'kicked' sensor kick "$(uuid 1)"
	cuts 2 'sensor block' 'uuid is blocked' sensor block "$(uuid 2)"
	cuts 3 'block add uuid' 'uuid is blocked' block add "$(uuid 3)"
	cuts 4 'block add address' 'address is blocked' block add 127.0.1.4
	cuts 5 'block add network' 'address is blocked' block add 127.0.2.0/24
	cuts 6 'block add --by-uuid' 'address is blocked' \
	    block add --by-uuid "$(uuid 6)"
	cp begun.6 begun.7
	cuts 11 'key --generate' 'key of the sensor changed' \
	    sensor key "$(uuid 11)" --generate
	are_cut
	ok "$backend: others from the address of a uuid, too" in_time 7

	# The key that it has, now as its own.
	run timeout 30 "$ADMIN" -c r sensor key "$(uuid 8)" --stdin < key
	is "$status" 0 "$backend: the key that a sensor has"
	admin sensor approve "$(uuid 8)" "$(uuid 9)"
	cuts 10 'mode set registration' 'sensor is not registered' \
	    mode set registration
	are_cut
	cuts 9 'remove' 'sensor is not registered' sensor remove "$(uuid 9)"
	are_cut
	admin mode set none
	is "$(cat gone.8)" '' "$backend: who is registered stays"

	printf 'another key\n' > another
	cuts 8 'key --stdin' 'key of the sensor changed' \
	    sensor key "$(uuid 8)" --stdin < another
	are_cut
	ok "$backend: the old key does not count" refused 8 'HMAC does not match'
	ok "$backend: the new one does" takes 8 renewed 'another key'
}

# -- who is welcome now ---------------------------------------------------------

welcome() {
	ok "$backend: a blocked sensor is refused" refused 2 'uuid is blocked'
	admin sensor unblock "$(uuid 2)"
	ok "$backend: unblock lets it in in time" takes 2 unblocked
	admin mode set registration
	ok "$backend: a stranger is refused" refused 12 \
	    'sensor is not registered'
	admin sensor approve "$(uuid 12)"
	ok "$backend: approve lets it in in time" takes 12 approved
	admin mode set shared-secret
	ok "$backend: the mode lets in all" takes 13 shared
	echo registration > r/mode
	kill -HUP "$recv"
	ok "$backend: over what the configuration says" takes 14 over
	admin mode set none
	ok "$backend: until it is unset" refused 15 'sensor is not registered'
	sensor 12 ''
	echo shared-secret > r/mode
	: > log
	kill -HUP "$recv"
	within 5 grep -q 'r: taken' log
	sensor 16 ''
	echo registration > r/mode
	now > begun.16
	kill -HUP "$recv"
	ok "$backend: SIGHUP: who is not registered is cut in time" in_time 16
	is "$(cat gone.12)" '' "$backend: who is stays"
	admin sensor remove "$(uuid 12)"
	echo shared-secret > r/mode
	kill -HUP "$recv"
}

# -- types and queues -----------------------------------------------------------

has_items() {
	[ "$("$ADMIN" -c r -j queue peek "$queue" | wc -l)" = "$1" ]
}

types() {
	sensor 21 ''
	sensor 22 '' "type=8,uuid=$(hex 22),data=dns||"$'\n'
	sensor 23 '' "type=2,uuid=$(hex 23),data={\"type\":\"fascia\"}" \
	    "type=254,uuid=$(hex 23),data=line"$'\n'
	cuts 21 'type remove' 'type not accepted' type remove 3
	cuts 23 'type remove, an extended one' 'type not accepted' \
	    type remove fascia
	are_cut
	is "$(cat gone.22)" '' "$backend: other types stay"
	sensor 26 '' "type=8,uuid=$(hex 26),data=dns||"$'\n'
	if has_terminal; then
		(sleep 0.5; printf q) | script -qec \
		    "stty rows 4 columns 150; '$ADMIN' -c r watch" \
		    /dev/null > screen
		is "$(grep -c -e "$(uuid 22)" -e "$(uuid 26)" screen) $(grep \
		    -o 'and [0-9]* more' screen)" '1 and 1 more' \
		    "$backend: watch shows what the screen has room for"
	else
		skip 1 'no terminal can be had here'
	fi
	ok "$backend: the type is refused" refused 24 'type not accepted'
	admin type add 3
	ok "$backend: type add lets it in in time" takes 25 type3
	admin queue add 3
	queue=$(cat out)
	sleep "$((LATEST / 1000))"
	takes 20 queued
	ok "$backend: a new queue has what came after two seconds" \
	    within 5 has_items 1
}

# -- rates ----------------------------------------------------------------------

# The rows of the watched sensor: records, records a second.
rows() {
	sed -n "s/.*\"$(uuid 40)\".*\"records\":\([0-9]*\).*_per_second\":\([0-9]*\),.*/\1 \2/p" \
	    watched
}

# Whether some rate held while figures were the same, and the last one is 0; in
# Redis who is not heard of is not there soon after.
held() {
	rows | awk 'NR > 1 && $1 == before && $2 > 0 { n = 1 }
	    { before = $1 } END { exit !n || (NR == 9 && $2 != 0) }'
}

# looked n times: whether so many rows show the nth sensor.
looked() {
	[ "$(grep -c "$(uuid "$1")" watched)" -ge "$2" ]
}

look() {
	local watch worker
	"$RECORDS" "type=8,uuid=$(hex "$1"),data=dns||"$'\n',times=100 |
	    perl -MIO::Socket::INET -e 'my $s =
		IO::Socket::INET->new("127.0.0.1:$ARGV[0]") or die;
		local $/;
		my $all = <STDIN>;
		my $len = length($all) / 100;
		for (my $at = 0; $at < length $all; $at += $len) {
			syswrite $s, substr $all, $at, $len;
			select undef, undef, undef, 0.1;
		}' "$port" &
	started
	within 5 connected "$(uuid "$1")"
	timeout 30 "$ADMIN" -c r -j watch --interval 1 -n 9 > watched &
	started
	watch=$pid
	# From then on its figures are as they were.
	within 10 looked "$1" 3
	sleep 0.6
	worker=$(cat "/proc/$recv/task/$recv/children")
	kill -STOP "${worker% }"
	finish "$watch"
	kill -CONT "${worker% }"
}

# A machine with much to do may look too late.
rates() {
	local n
	for n in 40 41 42; do
		look "$n"
		sed -i "s/$(uuid "$n")/$(uuid 40)/" watched
		is "$status" 0 "$backend: watch, nine looks"
		! held || break
	done
	ok "$backend: a rate holds until the next figures, and not for ever" \
	    held
}

# -- the limit of a stream ------------------------------------------------------

entries() {
	local key n=0
	for key in $(r -n "$streams" --scan --pattern 'stream:3:*'); do
		n=$((n + $(r -n "$streams" XLEN "$key")))
	done
	echo "$n"
}

has_entries() {
	[ "$(entries)" = "$1" ]
}

limits() {
	local end
	r -n "$streams" FLUSHDB > /dev/null
	mkfifo feed
	exec 5<> feed
	socat -u - "TCP:127.0.0.1:$port" < feed 2> socat.err &
	started
	"$RECORDS" "type=3,uuid=$(hex 30),data=one"$'\n',times=4 >&5
	ok "$backend: a sensor has four entries" within 5 has_entries 4
	admin sensor limit "$(uuid 30)" 6
	sleep "$((LATEST / 1000))"
	"$RECORDS" "type=3,uuid=$(hex 30),data=two"$'\n',times=8 >&5
	within 3 has_entries 6
	sleep 0.5
	is "$(entries)" 6 "$backend: limit: no more than six now"
	admin sensor limit "$(uuid 30)" 8
	end=$(($(now) + LATEST))
	ok "$backend: limit: eight in time" within 3 has_entries 8
	ok "$backend: limit: it was in time" test "$(now)" -le "$end"
	admin sensor limit "$(uuid 30)" none
	ok "$backend: limit: all of them" within 3 has_entries 12
	exec 5>&-
	rm feed
}

all() {
	serve
	cutting
	welcome
	types
	[ -z "$streams" ] || limits
	rates
	stop
	admin mode show
	like "$(cat out)" 'from +configuration' "$backend: nothing is left set"
}

printf '%s\n' "$KEY" > key
redis=''
if command -v redis-server > /dev/null; then
	# shellcheck source=t/redis.sh
	. "$TOP/t/redis.sh"
	redis_begin redis
fi

backend=directory
streams=${redis:+3}
conf_recv r source=tcp:127.0.0.1:0 destination="$TMP/s" compress=none \
    rotate=1 mode=shared-secret types=$'1\n2\n3\n8\n254' \
    metatypes=$'ja3-jl\nfascia' \
    ${redis:+"stream=redis:127.0.0.1:$redis/3"}
all

backend=Redis
if [ -z "$redis" ]; then
	skip 1 'no redis-server'
	done_testing
fi
rm -rf s gone.*
streams=0
conf_recv r source=tcp:127.0.0.1:0 destination="$TMP/s" compress=none \
    rotate=1 mode=shared-secret types=$'1\n2\n3\n8\n254' \
    metatypes=$'ja3-jl\nfascia' "registry=redis:127.0.0.1:$redis/1" \
    "queues=redis:127.0.0.1:$redis/2" "stream=redis:127.0.0.1:$redis/0"
all
done_testing
