#!/usr/bin/env bash
# SPDX-License-Identifier: ISC
#
# Killed with -9 under load, the worker, the parent or both, at random
# moments: every file is whole, nothing is missing before its end, each is
# queued once, nobody is refused as a duplicate.
#
#	D4_TEST_LONG=1	20 times, else 6

# Checks are reached by their names; $ in quotes is for others to see.
# shellcheck disable=SC2016,SC2119,SC2317

# shellcheck source=t/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=t/tool/collector.sh
. "$TOP/t/tool/collector.sh"

times=6
[ -z "${D4_TEST_LONG:-}" ] || times=20
Q=00000000-0000-4000-8000-00000000000

collector rotate=1 compress=gz
with_tls
port=$(free_port)
echo "127.0.0.1:$port" > r/source
mkdir s
for type in 1 5 7; do
	reg queue "$Q$type" "$type" 1000000
done

restart() {
	begin_again log.all -v -c r
	server=$pid
}

a_while() {
	sleep "$((RANDOM % 2)).$((RANDOM % 9 + 1))"
}

: > log.all
restart
"$SENSORS" -f -n 20 -s 20 -t 1,3,5,7,8,254 "$port" > /dev/null 2> err &
started
load=$pid
ok 'sensors are there' within 10 eval '[ "$(reg live | wc -l)" = 20 ]'
for ((i = 0; i < times; i++)); do
	a_while
	worker=$(pgrep -P "$server")
	case $((i % 3)) in
	0)	what=worker
		kill -9 "$worker" ;;
	1)	what=parent
		kill -9 "$server" ;;
	*)	what='both of them'
		kill -9 "$server" "$worker" ;;
	esac
	[ $((i % 3)) = 0 ] || {
		wait "$server" 2> /dev/null
		restart
	}
	ok "kill -9 of $what: all sensors are back" within 10 \
	    eval '[ "$(reg live | wc -l)" = 20 ]'
done
a_while
kill "$load"
finish "$load"
ok 'in the end nothing is unfinished' within 20 all_finished
kill "$server"
finish "$server"
is "$status" 0 'exit 0'
is "$(grep -c 'another connection of this' log.all)" 0 'nobody is a duplicate'
"$STORE" check s > checked
is "$(grep ' not ' checked | head -n 3)" '' 'all is whole, without a gap'
sessions=$(sed -n 's/.*files, \(.*\) sessions.*/\1/p' checked)
ok "of most sessions, for some were too young ($sessions)" \
    test "$sessions" -gt $((10 * (times + 1)))
echo "# $(tail -n 1 checked)"
files | grep -E '/(1|5|7)/[0-9]{4}/' | sed "s#^#$TMP/#" > want
for type in 1 5 7; do
	contents "$type" "$Q$type"
done | sort > got
ok 'each file is queued, and once' cmp want got
ok 'some are' test -s got

done_testing
