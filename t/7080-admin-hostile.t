#!/usr/bin/env bash
# SPDX-License-Identifier: ISC
#
# Whatever a registry holds, what d4-admin prints does nothing to a terminal,
# and with -j is JSON in UTF-8.

# Checks are reached by their names.
# shellcheck disable=SC2317

# shellcheck source=t/lib.sh
. "$(dirname "$0")/lib.sh"

ADMIN=$TOP/d4-admin/d4-admin
HEX=${UUID//-/}
OTHER=1f3c2a9e-5b71-4c8d-9a64-7e2d1b0c9f35
mkdir copy
Q=3f3c2a9e-5b71-4c8d-9a64-7e2d1b0c9f35

# Controls of all kinds: C0, DEL, C1 as a character and as a byte, overlong
# forms of an escape, half a character at the end.
bad=$'a\e[31m\x07\x7f|\xc2\x9b31m|\x9b31m|\xe0\x82\x9b|\xc0\x9b|\xed\xa0\x80|'
bad+=$'\xc3\xa9 \xe2\x82\xac "\\|\xe2\x82'

admin() {
	run timeout 30 "$ADMIN" "${where[@]}" "$@"
}

# Whether files hold nothing but characters that are printed.
cat > plain.pl <<'EOS'
use Encode;
local $/;
while (defined($_ = <>)) {
	my $text = decode('UTF-8', $_, Encode::FB_CROAK);
	die "a control character\n" if $text =~ /[^\P{Cc}\n]/;
}
EOS
cat > json.pl <<'EOS'
use JSON::PP;
while (<>) {
	JSON::PP->new->utf8->decode($_);
	$n++;
}
die "no line\n" if !$n;
EOS

# clean name status args...: what it says is harmless, as a table and as JSON.
clean() {
	local name=$1 want=$2
	shift 2
	admin "$@"
	is "$status" "$want" "$backend: $name"
	ok "$backend: $name: is harmless" perl plain.pl out err
	admin -j "$@"
	is "$status" "$want" "$backend: $name, -j"
	ok "$backend: $name: is harmless, -j" perl plain.pl out err
	[ "$want" != 0 ] ||
	    ok "$backend: $name: is JSON" perl json.pl out
}

all() {
	admin sensor register "$UUID"
	admin queue add --uuid $Q 3
	describe "$bad"
	push "$bad"
	clean 'sensor list' 0 sensor list
	like "$(cat out)" '"description":"a.u001b\[31m.u0007.u007f\|' \
	    "$backend: it is all there"
	like "$(cat out)" '\|.u009b31m\|.ufffd31m\|' "$backend: C1 too"
	clean 'sensor show' 0 sensor show "$UUID"
	clean 'queue peek' 0 queue peek $Q
	admin check
	is "$status $(grep -c "$UUID.*description: is not one line" out)" '1 1' \
	    "$backend: check finds it"
	admin export
	mv out exported
	run timeout 30 "$ADMIN" -d copy import exported
	like "$status $(cat err)" '^1 .*line 2: description: is not one line' \
	    "$backend: it is not taken in"
	clean 'a cut item' 0 queue peek --width 6 $Q
	is "$(sed 's/.*"item":"//' out)" 'a\u001b[31m"}' "$backend: cut there"
	admin sensor register $OTHER
	describe "$(head -c 1500 /dev/zero | tr '\0' x)"
	clean 'a value that cannot be read' 1 sensor list
	is "$(grep -c $OTHER out)" 1 "$backend: hides no other sensor"
	describe fine
	member "$bad"
	clean 'type list' 1 type list
	clean 'type add' 1 type add 3
	admin check
	is "$status" 1 "$backend: check"
	ok "$backend: check: is harmless" perl plain.pl out err
	admin -j check
	ok "$backend: check: is JSON" perl json.pl out
	clean 'an argument' 2 sensor show "$bad"
	clean 'an object' 2 "$bad"
	admin sensor limit "$UUID" 5
	monitor "$bad"
	admin sensor check --nagios
	is "$status" 3 "$backend: a limit of silence that is none"
	is "$(lines out)" 1 "$backend: Nagios has one line"
	stranger "$bad"
	admin sensor check --nagios
	is "$status $(lines out)" '3 1' "$backend: a sensor that is none"
	ok "$backend: it is harmless" perl plain.pl out
	is "$(grep -c '|' out)" 0 "$backend: and without figures"
}

backend=directory where=(-d store)
mkdir store
describe() {
	printf '%s\n' "$1" > "store/registry/sensors/$HEX/description"
}
push() {
	mkdir -p "store/queues/3/$Q/new"
	printf '%s' "$1" > "store/queues/3/$Q/new/1-a"
}
member() {
	: > "store/registry/types/$1"
}
monitor() {
	printf '%s\n' "$1" > "store/registry/sensors/$HEX/monitor"
}
stranger() {
	mkdir "store/registry/sensors/$1"
}
all

backend=Redis
# shellcheck source=t/redis.sh
. "$TOP/t/redis.sh"
redis_begin redis
# shellcheck disable=SC2154
where=(-i 127.0.0.1 -p "$redis")
describe() {
	r HSET "metadata_uuid:$HEX" description "$1" > said
}
push() {
	r -n 2 LPUSH "analyzer:3:$Q" "$1" > said
}
member() {
	r SADD server:accepted_type "$1" > said
}
monitor() {
	r HSET "to_monitor:sensor:$HEX" delta_time "$1" > said
	r SADD to_monitor:sensors "$HEX" > said
}
stranger() {
	r SADD registered_uuid "$1" > said
}
all
done_testing
