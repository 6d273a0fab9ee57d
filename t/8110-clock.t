#!/usr/bin/env bash
# SPDX-License-Identifier: ISC
#
# Clocks that are wrong, and clocks that jump: an hour ahead and back, 1970, the
# ends of 32-bit seconds in 2038 and 2106.  Only what is written down follows
# them; who waits for how long does not.

# Checks are reached by their names; $ in quotes is for others to see.
# shellcheck disable=SC2016,SC2119,SC2317

# shellcheck source=t/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=t/tool/collector.sh
. "$TOP/t/tool/collector.sh"

[ -z "$SANITIZE" ] || skip_all 'a sanitizer is preloaded first'
FAKE=$(find /usr/lib /usr/local/lib -name libfaketime.so.1 2> /dev/null |
    head -n 1)
[ -n "$FAKE" ] || skip_all 'libfaketime is not installed'

# The clock alone is wrong, not the measure of time.  A command for "cmd &",
# which a function is not: a signal would reach the shell alone.  The library
# shares memory under a name with the pid, which a confined program can't remove
# at its end.
FAKED=(sh -c 'echo $$ >> "$0" && exec "$@"' "$TMP/faked"
    env LD_PRELOAD="$FAKE" FAKETIME_DONT_FAKE_MONOTONIC=1 TZ=UTC)
forget() {
	[ ! -e "$TMP/faked" ] || sed 's,.*,/dev/shm/faketime_shm_&\
/dev/shm/sem.faketime_sem_&,' "$TMP/faked" | xargs rm -f
}
trap 'forget; cleanup' EXIT

# -- wrong from the beginning -------------------------------------------------

# begin_collector FAKED...
begin_collector() {
	: > log
	"$@" "$RECV" -v -c r 2>> log &
	started
	server=$pid
	within 10 grep -q 'listening on' log || return
	port=$(sed -n 's/.*listening on port //p' log | head -n 1)
}
# Lines of all files, those of open ones too.
stored() {
	{
		files
		find s/.open -type f
	} | xargs -r cat | sort -n | uniq
}

conf c type=3
conf_recv cr types=3
seq 100 > input
for year in 1970 2038 2106; do
	case $year in
	1970) when='1970-01-01 00:00:10' seconds=10 ;;
	2038) when='2038-01-19 03:14:08' seconds=2147483648 ;;
	2106) when='2106-02-07 06:28:16' seconds=4294967296 ;;
	esac
	at=("${FAKED[@]}" FAKETIME="$when")
	"${at[@]}" "$D4" -c c < input > records 2> err
	is $? 0 "$year: d4"
	like "$("$RECORDS" -d "$KEY" < records | head -n 1)" \
	    " time ${seconds%?}[0-9] " "$year: is what its records say"
	run "${at[@]}" "$RECV" -c cr < records
	is "$status $(sha out)" "0 $(sha input)" "$year: d4-recv"

	collector types=3
	begin_collector "${at[@]}"
	tell $'type=3,data=a line\n'
	stop
	is "$status $(stored)" '0 a line' "$year: a collector stores"
	like "$(files)" "/$year/" "$year: and names the file by its time"
done

# -- jumps --------------------------------------------------------------------

# The clock of everything started from here on follows a file.
jump() {
	echo "$1" > clock.new
	mv clock.new clock
}
jumping=("${FAKED[@]}" FAKETIME_TIMESTAMP_FILE="$TMP/clock"
    FAKETIME_NO_CACHE=1)

jump +0
collector types=3 rotate=600 quiet=5
begin_collector "${jumping[@]}"
conf cj type=3 destination="tcp:127.0.0.1:$port"
mkfifo lines
"${jumping[@]}" "$D4" -v -c cj < lines 2> d4.err &
started
sensor=$pid
exec 9> lines
n=0
for step in +0 +1h -1h '@1970-01-01 00:00:10' +0 '@2038-01-19 03:14:06' \
    '@2106-02-07 06:28:14' +0; do
	jump "$step"
	sleep 1.2
	n=$((n + 1))
	echo "$n" >&9
	ok "a line after a jump to $step" within 5 eval \
	    '[ "$(stored | tail -n 1)" = $n ]'
done
ok 'the sensor is still there' kill -0 "$sensor"
is "$(grep -c 'connected$' d4.err)" 1 'and was never cut off'
exec 9>&-
finish "$sensor"
is "$status" 0 'it ends well'
stop
is "$status" 0 'so does the collector'
is "$(stored | tr '\n' ' ')" "$(seq -s ' ' "$n") " 'every line is stored'
done_testing
