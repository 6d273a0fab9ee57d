#!/usr/bin/env bash
# SPDX-License-Identifier: ISC
#
# d4-pibs takes the names of captures from an embedded queue and from Redis,
# alike: oldest first, one after the other, and none is lost by a signal.

# shellcheck source=t/lib.sh
. "$(dirname "$0")/lib.sh"
PIBS=$TOP/d4-pibs/d4-pibs
C=$SHARED/captures
[ -d "$C" ] || skip_all 'no captures here'
Q=3d1a0a5a-2d4e-4f5c-8a55-2f2f6d0c9b11
first=$C/tcp-refused.pcapng second=$C/synscan.pcapng

"$PIBS" -b -r "$first" -r "$second" > want

# Whether all of the sample was read, for each signal a line.
# shellcheck disable=SC2317 # called by within
has_read() {
	kill -USR1 "$pid"
	sleep 0.3
	grep -q "$sample packets" err
}
sample=$("$PIBS" -s -r "$TOP/t/sample/telescope.pcap" |
    sed -n 's/^#packets: //p')

# ---- a directory ----------------------------------------------------------

dir=store/queues/1/$Q
mkdir -p $dir/new
fill() {
	printf %s "$first" > $dir/new/00000000000000000001
	printf %s "$second" > $dir/new/00000000000000000002
}
fill
run "$PIBS" -b -u $Q -d store
is "$status" 0 'directory: done'
ok 'directory: the files in their order' cmp -s out want
is "$(find $dir -type f | wc -l | tr -d ' ')" 0 'directory: all acknowledged'
fill
run "$PIBS" -b -d $dir
ok 'directory: by its own path' cmp -s out want
printf %s /nonexistent > $dir/new/00000000000000000001
run "$PIBS" -b -d $dir
is "$status $(find $dir -type f | wc -l | tr -d ' ')" '1 0' \
    'directory: a name of nothing is said and done with'

"$PIBS" -b -f -u $Q -d store > follow 2> err &
started
sleep 0.5
printf %s "$first" > $dir/tmp/1 && mv $dir/tmp/1 $dir/new/1
within 5 grep -q '^[0-9]' follow
is "$(grep -c '^[0-9]' follow)" 1 'directory: what comes later is read at once'
kill -USR1 "$pid"
within 5 grep -q '2 packets, 1 backscatter' err
kill "$pid"
wait "$pid"
is "$? $(said | wc -l | tr -d ' ')" '0 1' \
    'directory: a signal for figures does not end the waiting, another does'

# A file that takes for ever, and a signal within: it goes back.
mkfifo slow
printf %s "$TMP/slow" > $dir/new/7
"$PIBS" -b -u $Q -d store > out 2> err &
started
(cat "$first"; sleep 30) > slow &
started2=$!
within 10 test -e $dir/hand/7
sleep 1
kill "$pid"
wait "$pid"
is $? 0 'directory: a signal in a file'
is "$(ls $dir/new)" 7 'directory: the file goes back'
kill $started2 2> /dev/null
rm $dir/new/7
cp "$first" ./-
printf -- - > $dir/new/8
run "$PIBS" -b -u $Q -d store < /dev/null
is "$status $(grep -c '^[0-9]' out)" '0 1' \
    'directory: an item that is a dash names a file'

# What is put back is new to the state, and so is what a run that was killed
# had in hand.
"$PIBS" -a --open --state whole -r "$TOP/t/sample/telescope.pcap" \
    --min-packets 1 --min-duration 0 --min-ppm 0 > whole.out
like "$(lines whole.out)" '^[1-9]' 'directory: there is an attack to be found'
for sig in TERM KILL; do
	rm -f state
	printf %s "$TMP/slow" > $dir/new/9
	"$PIBS" -a --state state -u $Q -d store > out 2> err &
	started
	(cat "$TOP/t/sample/telescope.pcap"; exec sleep 30) > slow &
	started2=$!
	within 10 listens "$pid" d4-pibs
	within 10 has_read
	kill -$sig "$pid"
	wait "$pid" 2> /dev/null
	kill $started2 2> /dev/null
	rm slow
	cp "$TOP/t/sample/telescope.pcap" slow
	"$PIBS" -a --open --state state -u $Q -d store --min-packets 1 \
	    --min-duration 0 --min-ppm 0 > out 2> err
	is "$? $(cmp out whole.out 2>&1)" '0 ' \
	    "directory: what SIG$sig cut off is counted once"
	rm slow
	mkfifo slow
done
run "$PIBS" -b -u $Q -d /nonexistent
is "$status" 1 'directory: one that is not there'

# A state does not know of what nobody got to see.
if [ -e /dev/full ]; then
	"$PIBS" -a --state state -r "$first"
	cp state before
	"$PIBS" -a --flush --state state -r "$TOP/t/sample/telescope.pcap" \
	    --min-packets 1 --min-duration 0 --min-ppm 0 > /dev/full 2> err
	is "$? $(cmp state before 2>&1)" '1 ' \
	    'a full disk: the state stays as it was'
else
	skip 1 'no /dev/full'
fi

# ---- Redis ----------------------------------------------------------------

if ! command -v redis-server > /dev/null; then
	skip 5 'redis-server is not installed'
	done_testing
fi
redis-server --port 0 --unixsocket "$TMP/redis" --save '' \
    --dir "$TMP" > /dev/null 2>&1 &
started
redis=$pid
within 10 redis-cli -s "$TMP/redis" ping
redis-cli -s "$TMP/redis" -n 2 lpush "analyzer:1:$Q" "$first" "$second" \
    > check
run "$PIBS" -b -u $Q -z "$TMP/redis" -y 2
is "$status" 0 'redis: done'
ok 'redis: the files in their order' cmp -s out want
is "$(redis-cli -s "$TMP/redis" -n 2 dbsize)" 0 'redis: all acknowledged'
redis-cli -s "$TMP/redis" -n 2 sadd "analyzer:1:$Q" x > check
run "$PIBS" -b -u $Q -z "$TMP/redis" -y 2
like "$status $(cat err)" '^1 .*WRONGTYPE' 'redis: a key of another type'
kill "$redis"
wait "$redis"
run "$PIBS" -b -u $Q -z "$TMP/redis"
is "$status" 1 'redis: no server'

done_testing
