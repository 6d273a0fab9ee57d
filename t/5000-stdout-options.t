#!/usr/bin/env bash
# SPDX-License-Identifier: ISC
#
# The command line of d4-stdout: what is typed today keeps its meaning, what is
# wrong is refused before anything is read.

# shellcheck source=t/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=t/stdout.sh
. "$TOP/t/stdout.sh"

run "$STDOUT" -h
is "$status$(cat err)" 0 '-h: exit 0, nothing on stderr'
for o in a c d e f h i k l m n p S t u V v z -metrics -root -stats; do
	ok "-h names -$o" grep -q -e "^  -$o" out
done
run "$STDOUT" -V
like "$status $(cat out)" '^0 d4-stdout [0-9]' '-V'

usage() {
	local name=$1
	shift
	run "$STDOUT" "$@"
	if [ "$status" = 2 ] && [ ! -s out ] &&
	    grep -q '^[^ ]*d4-stdout: ' err &&
	    grep -q '^usage: d4-stdout ' err; then
		pass "$name"
	else
		fail "$name" "exit $status" "$(cat out)"
	fi
}
usage 'no type' -u $Q
usage 'no uuid' -t 1
usage 'an operand' -t 1 -u $Q more
usage 'an unknown option' -t 1 -u $Q -y
usage '-z without -f' -t 1 -u $Q -z
usage '-m without -f' -t 1 -u $Q -m
usage '--root without -f' -t 1 -u $Q --root .
usage '-m and -z' -t 1 -u $Q -f -m -z
usage '-m and -n' -t 1 -u $Q -f -m -n
usage '-d and -S' -t 1 -u $Q -d . -S s
usage '-d and -p' -t 1 -u $Q -d . -p 1
usage '-S and -i' -t 1 -u $Q -S s -i ::1
usage '-l takes nothing' -t 1 -u $Q -l -a
usage '-k takes nothing' -t 1 -u $Q -k 1 -f

refuses 'a type over 255' 2 ': -t: 256: ' '' "$STDOUT" -t 256 -u $Q
refuses 'a type that is none' 2 ': -t: \.\./1: ' '' "$STDOUT" -t ../1 -u $Q
refuses 'type 254 says nothing' 2 ': -t: 254: expected the name' '' \
    "$STDOUT" -t 254 -u $Q
refuses 'a uuid that is none' 2 ': -u: 1: expected a uuid' '' \
    "$STDOUT" -t 1 -u 1
refuses 'a count of 0' 2 ': -c: 0: expected a number from 1' '' \
    "$STDOUT" -t 1 -u $Q -c 0
refuses 'a number with rubbish' 2 ': -k: 1x: ' '' "$STDOUT" -t 1 -u $Q -k 1x
refuses 'a port that is none' 2 ': Redis: 127.0.0.1, port 0: ' '' \
    "$STDOUT" -t 1 -u $Q -p 0
refuses 'a root that is missing' 2 ': none: No such file' '' \
    "$STDOUT" -t 1 -u $Q -d . -f --root none
refuses 'a queue that is missing' 1 ': \./queues/1/.*: No such file' '' \
    "$STDOUT" -t 1 -u $Q -d . -e
port=$(free_port)
refuses 'no Redis' 1 "127.0.0.1:$port/2: .*[Cc]onnection refused" '' \
    "$STDOUT" -t 1 -u $Q -p "$port" -e
refuses 'a host over IPv6' 1 "\[::1\]:$port/2: " '' \
    "$STDOUT" -t 1 -u $Q -i ::1 -p "$port" -e
refuses 'no socket' 1 'none/2: ' '' "$STDOUT" -t 1 -u $Q -S ./none -e

# Queues are spelled one way on disk.
for type in 8 ja3-jl; do
	TYPE=$type backend dir
	TYPE=$type push "of type $type"
	run "$STDOUT" -d store -t $type -u "{${Q^^}}" -e
	is "$status $(cat out)" "0 of type $type" "type $type, uuid in braces"
done
TYPE=3 backend dir
push line
run "$STDOUT" -d store --type 003 --uuid "${Q//-/}" --newline -e
is "$status $(cat out)" '0 line' 'long options, digits in any form'

done_testing
