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
kill "$pid"
wait "$pid"
is $? 0 'directory: a signal ends the waiting'

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
run "$PIBS" -b -u $Q -d /nonexistent
is "$status" 1 'directory: one that is not there'

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
