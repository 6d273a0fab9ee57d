#!/usr/bin/env bash
# SPDX-License-Identifier: ISC
#
# Replays: what max_age and monotonic stop, of the configuration and of a
# sensor, and what they let through.

# Checks are reached by their names; $ in quotes is for others to see.
# shellcheck disable=SC2016,SC2119,SC2317

# shellcheck source=t/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=t/tool/collector.sh
. "$TOP/t/tool/collector.sh"

A=aaaaaaaaaaaa4aaa8aaaaaaaaaaaaaaa
B=bbbbbbbbbbbb4bbb8bbbbbbbbbbbbbbb
now=$(date +%s)

# kept uuid: the lines of a sensor, sorted, in one line.
kept() {
	within 10 all_finished
	find "s/$1" -type f -exec cat {} + 2> /dev/null | sort | xargs
}

# set_value uuid name value: in the registry.
set_value() {
	mkdir -p "s/registry/sensors/$1"
	echo "$3" > "s/registry/sensors/$1/$2"
	touch s/registry/stamp
	# Which is seen within a second.
	sleep 1.6
}

# refused name times.
# shellcheck disable=SC2317 # called by within
refused() {
	grep -qx "d4_recv_refused_total{reason=\"$1\"} $2" metrics
}

collector max_age=100
serve --metrics metrics
tell type=3,uuid=$A,time=$((now - 50)),data=young$'\n'
is "$(kept $A)" young 'max_age: what is younger is kept'
tell type=3,uuid=$B,time=$((now - 200)),data=old$'\n'
is "$(kept $B)" '' 'max_age: what is older is not'
ok 'max_age: which is said' said "^d4-recv: 127.0.0.1 .*: timestamp is too old$"
ok 'max_age: and counted' within 5 refused too_old 1
tell type=3,uuid=$B,time=$((now - 10)),data=one$'\n' \
    type=3,uuid=$B,time=$((now - 300)),data=two$'\n' \
    type=3,uuid=$B,time=$((now - 10)),data=three$'\n'
is "$(kept $B)" one 'max_age: a session ends with its first old record'
tell type=3,uuid=$B,time=$((now + 1000)),data=future$'\n'
is "$(kept $B)" 'future one'  'max_age: the future is none of it'

# An old stream that goes on: its hello and what is stored already may be old.
printf 'a\nb\nc\n' > abc
t=$((now - 90))
tell type=3,uuid=$A,time=$t,size=0 type=3,uuid=$A,time=$t,data=@abc
within 10 all_finished
set_value $A max_age 20
tell type=3,uuid=$A,time=$t,size=0 type=3,uuid=$A,time=$t,data=@abc \
    type=3,uuid=$A,time=$((now - 1)),data=d$'\n'
is "$(kept $A)" 'a b c d young' \
    'a hello and what is stored already are not judged'
tell type=3,uuid=$A,time=$((now - 50)),data=old$'\n'
is "$(kept $A | grep -c old)" 0 "a sensor's own max_age goes before"
stop
is "$status" 0 'exit 0'

collector
serve --metrics metrics
set_value $A monotonic 1
tell type=3,uuid=$A,time=1000,data=1$'\n' type=3,uuid=$A,time=1000,data=2$'\n' \
    type=3,uuid=$A,time=1002,data=3$'\n'
is "$(kept $A)" '1 2 3' 'monotonic: what does not go back is kept'
tell type=3,uuid=$A,time=1001,data=4$'\n'
is "$(kept $A)" '1 2 3' 'monotonic: nothing goes back in a later session'
ok 'monotonic: which is counted' within 5 refused backwards 1
tell type=3,uuid=$B,time=1002,data=x$'\n' type=3,uuid=$B,time=1001,data=y$'\n'
is "$(kept $B)" 'x y' 'another sensor may'
stop
serve
tell type=3,uuid=$A,time=1001,data=5$'\n'
is "$(kept $A | grep -c 5)" 0 'monotonic: it outlasts the collector'
tell type=3,uuid=$A,time=1003,data=6$'\n'
is "$(kept $A | grep -c 6)" 1 'monotonic: what comes after is kept'
stop

for value in max_age=x monotonic=maybe sync=sometimes; do
	collector "$value"
	refuses "${value%=*}: a bad value is refused" 2 "r/${value%=*}: " \
	    /dev/null "$RECV" -n -c r
done

done_testing
