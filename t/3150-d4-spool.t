#!/usr/bin/env bash
# SPDX-License-Identifier: ISC
#
# d4 with a spool: the link away for long, d4 killed and ended, the disk full,
# and what arrives in the end, as a receiver that knows records again keeps it.

# shellcheck source=t/lib.sh
. "$(dirname "$0")/lib.sh"

SEED=${D4_SEED:-$$}
RANDOM=$SEED
echo "# seed $SEED"

# lines_of_log n: so many lines, each of its own.
lines_of_log() {
	perl -e 'printf "%07d a line of a log%s\n", $_,
	    $_ % 1000 ? "" : " and more" x 700 for 1 .. shift' "$1"
}
lines_of_log 400000 > log

# A capture whose packets are often alike.
perl -e 'binmode STDOUT;
    print pack "VvvVVVV", 0xa1b2c3d4, 2, 4, 0, 0, 262144, 1;
    for my $i (1 .. 60000) {
	my $n = 60 + int($i / 50) * 37 % 400;
	print pack("VVVV", 1795220274, 0, $n, $n), "\x02" x $n;
    }' > capture

# collector name [name=value...]: at $port, into the folder of that name.
collector() {
	local name=$1
	shift
	mkdir "$name"
	perl "$TOP/t/collector.pl" "$port" "$name" seed="$SEED" "$@" &
	started
	within 10 listens_at "$port"
}

# sensor name [name=value...]: the configuration c.name, with the spool s.name.
sensor() {
	local name=$1
	shift
	conf "c.$name" destination="tcp:127.0.0.1:$port" spool="$TMP/s.$name" \
	    type=8 "$@"
}

# start name [option...]: that d4, in $sensor; its words in err.name.
start() {
	local name=$1
	shift
	# Without the redirection the input would be /dev/null.
	"$D4" -v -c "c.$name" --retry 1 "$@" 0<&0 2>> "err.$name" &
	started
	sensor=$pid
}

# Kills it, unless it has ended by itself.
murder() {
	kill -9 "$sensor" 2> /dev/null
	finish "$sensor" 2> /dev/null
	[ "$status" = 137 ]
}

# shellcheck disable=SC2317 # called by ok
said() {
	within 20 grep -Eq "$2" "err.$1" || { cat "err.$1"; return 1; }
}

# joined type name: what was kept of the sessions, as $name.out.
joined() {
	perl "$TOP/t/tool/joined.pl" "$1" "$2"/??? > "$2.out" 2> "$2.joined"
	echo "# $2: $(cat "$2.joined")"
}

# What was written to a pipe, which descriptor 4 is, was read from it.
# shellcheck disable=SC2317 # called by ok
is_read() {
	# FIONREAD
	perl -e 'my ($pipe, $n) = (undef, pack "i", 0);
	    open $pipe, ">&=", 4 and ioctl $pipe, 0x541b, $n
	    or die "$!\n"; exit unpack("i", $n) != 0'
}

# is_above folder kB
# shellcheck disable=SC2317 # called by ok
is_above() {
	[ "$(du -sk "$1" | cut -f 1)" -gt "$2" ]
}

# The configuration, and what of it is refused.

port=$(free_port)
sensor n
run "$D4" -n -c c.n
like "$(cat out)" "  spool: $TMP/s.n, 1073741824 bytes" '-n names the spool'
ok 'and makes none' test ! -e s.n
sensor n destination=stdout
refuses 'a spool without a network' 2 '^d4: c.n/spool: ' '' "$D4" -c c.n
sensor n spool_size=1000
refuses 'a spool too small' 2 '^d4: c.n/spool_size: ' '' "$D4" -c c.n
sensor n spool="$TMP/log"
refuses 'a spool that is a file' 2 "^d4: $TMP/log: Not a directory$" '' \
    "$D4" -c c.n
sensor n spool="$TMP/none/of/it"
refuses 'a spool in no directory' 2 ': No such file' '' "$D4" -c c.n

# The link is away: the input is drained, and not into memory.

port=$(free_port)
sensor away
start away --metrics "$TMP/away.prom" < log
ok 'without a link all is read' within 30 grep -Eq \
    '^d4_bytes_total\{.*\} '"$(stat -c %s log)"'$' away.prom
peak=$(sed -n 's/^VmHWM:[[:space:]]*\([0-9]*\) kB/\1/p' "/proc/$sensor/status")
[ -z "$SANITIZE" ] || peak=0
ok "into no more than $peak kB of memory" test "$peak" -lt 50000
like "$(cat away.prom)" 'd4_spool_bytes\{[^}]*\} 1[0-9]{7}' \
    'the metrics say how much there is'
run "$D4" -c c.away < /dev/null
is "$status" 1 'only one d4 works with a spool'
like "$(cat err)" ': another d4 works with it$' 'and says so'
collector away
finish "$sensor"
is "$status" 0 'with the link back it ends well'
joined lines away
ok 'and all has arrived' cmp away.out log
is "$(echo s.away/*)" 's.away/head s.away/lock s.away/stream' \
    'the spool is empty'

# Killed again and again, its source a file; and the link with it.

killed() {
	local name=$1 type=$2 source=$3 i
	shift 3
	port=$(free_port)
	collector "$name" cuts=6 min=1000 max=6000000
	sensor "$name" source="$TMP/$source" "$@"
	for i in 1 2 3 4 5 6 7 8 9 10; do
		start "$name" --rate 20000000
		sleep "0.$((RANDOM % 30 + 10))"
		murder || break
	done
	[ "$status" = 0 ] || {
		start "$name"
		finish "$sensor"
	}
	is "$status" 0 "$name: killed $((i - 1)) times, it ends well"
	joined "$type" "$name"
	ok 'and nothing is missing or there twice' cmp "$name.out" "$source"
	like "$(cat "$name.joined")" ', 1 streams, .* 0 gaps$' \
	    'as one stream without a gap'
}
killed lines lines log
killed pcap pcap capture type=1
killed small lines log snaplen=100 window=1000000
killed binary opaque log type=3 snaplen=4096

# Where the window is 0 nothing is sent again, but for a second's worth after a
# kill.
port=$(free_port)
collector once
sensor once source="$TMP/log" window=0
start once
finish "$sensor"
is "$status" 0 'window 0: it ends well'
joined lines once
ok 'and all has arrived' cmp once.out log

# SIGTERM: what was read is kept, and the next start goes on.

port=$(free_port)
sensor term
mkfifo fifo
sensor term source="$TMP/fifo"
start term
exec 4> fifo
printf 'one\ntwo\nhalf a' >&4
ok 'SIGTERM without a link' within 10 grep -q . err.term
ok 'when the input was read' within 10 is_read
kill "$sensor"
finish "$sensor"
is "$status" 0 'ends it well'
exec 4>&-
collector term
start term
exec 4> fifo
printf ' line\nthree\n' >&4
ok 'the next start sends it' within 10 has_bytes term/000 $((62 + 14))
sleep 0.5
kill "$sensor"
finish "$sensor"
is "$status" 0 'SIGTERM with a link'
exec 4>&-
start term
exec 4> fifo
printf 'four\n' >&4
ok 'and the next one goes on' within 10 has_bytes term/001 $((62 + 5))
sleep 0.3
kill "$sensor"
finish "$sensor"
exec 4>&-
joined lines term
is "$(cat term.out)" 'one
two
half a line
three
four' 'all of it is there once'
like "$(cat term.joined)" ' 1 streams,' 'in one stream'

# Killed behind a FIFO: no more may be missing than was in hand.

port=$(free_port)
collector hand
rm -f fifo && mkfifo fifo
sensor hand source="$TMP/fifo" buffer=1000000
exec 5<> fifo
lines_of_log 150000 >&5 &
started
writer=$pid
for i in 1 2 3 4; do
	start hand
	sleep "0.$((RANDOM % 20 + 15))"
	murder
done
start hand
finish "$writer"
ok 'a FIFO: killed four times, the last line arrives' \
    within 30 grep -q '^0150000 ' hand/*
kill "$sensor"
finish "$sensor"
exec 5>&-
joined lines hand
# Lines whose beginning was lost are not whole; others are once, in order.
perl -ne 'if (/^(\d{7}) a line of a log(?: and more)*$/) {
	print "twice $1\n" if $1 <= $n;
	$gap += $1 - $n - 1 and $gaps++ if $1 > $n + 1;
	$n = $1;
    } END { printf "%d lines missing in %d places\n", $gap, $gaps }' \
    hand.out > hand.missing
echo "# $(cat hand.missing)"
is "$(grep -c twice hand.missing)" 0 'no line is there twice'
missing=$(sed -n 's/ lines missing.*//p' hand.missing)
# A million of records, half a MiB not yet sealed; 27 bytes a line or more.
ok 'and at most what was in hand is missing at each' \
    test "$missing" -le $((4 * (1000000 + 524288 + 65536) / 27))

# Bytes that come one by one.

port=$(free_port)
collector bytes
sensor bytes
"$D4" -c c.bytes < <(perl -e '$| = 1; for (split //, "a few lines\n" x 50) {
	syswrite STDOUT, $_ }') 2> err.bytes &
started
finish "$pid"
joined lines bytes
is "$(grep -cx 'a few lines' bytes.out)" 50 'bytes one by one'

# A file that is another one: the stream before is sent to its end first.

port=$(free_port)
head -100 log > file
sensor other source="$TMP/file"
start other --rate 100
within 10 test -s s.other/stream
sleep 0.5
kill "$sensor"
finish "$sensor"
is "$status" 0 'ended without a link'
tail -100 log > file.new
mv file.new file
collector other
start other
finish "$sensor"
is "$status" 0 'then its file is another'
joined lines other
ok 'both have arrived' cmp other.out <(head -100 log; tail -100 log)
like "$(cat other.joined)" ' 2 streams,' 'as two streams'

# One that has grown since its end was sent into the spool.

port=$(free_port)
head -100 log > file
sensor grown source="$TMP/file"
start grown
within 10 grep -q . s.grown/*.seg
sleep 0.5
kill "$sensor"
finish "$sensor"
head -200 log | tail -100 >> file
collector grown
start grown
finish "$sensor"
joined lines grown
ok 'a file that grew: all of it once' cmp grown.out <(head -200 log)

# A file whose end was answered is not sent again, whenever d4 was killed: here
# it has all in the spool, then was killed before it knew of the answer, then
# before it could exit.

port=$(free_port)
# sessions: so many there were with the collector.
sessions() {
	find end -type f | wc -l
}
part=$((24 + 49 * 76 + 50 * (113 + 150 + 187 + 224 + 261)))
head -c "$part" capture > file
sensor end source="$TMP/file" type=1
start end --metrics "$TMP/end.prom"
ok 'all of a file is in the spool' within 10 grep -Eq \
    '^d4_bytes_total\{.*\} '"$part"'$' end.prom
sleep 0.5
murder
collector end
cp -R s.end s.unanswered
start end
finish "$sensor"
is "$status" 0 'it is sent to its end'
rm -rf s.end && mv s.unanswered s.end
start end
finish "$sensor"
is "$status" 0 'and once more, where the answer is not known'
n=$(sessions)
for i in 1 2; do
	run "$D4" -c c.end
	is "$status" 0 "then it ends at once, $i"
	is "$(cat err)" \
	    "d4: $TMP/file: was sent to its end before, and is the same" \
	    'and says why'
done
is "$(sessions)" "$n" 'and connects to nobody'
joined pcap end
ok 'all has arrived once' cmp end.out file
tail -c "+$((part + 1))" capture >> file
run "$D4" -c c.end
is "$status" 0 'the file has grown'
is "$(cat err)" '' 'it is what its type says'
joined pcap end
like "$(cat end.joined)" ', 2 streams, .* 0 gaps$' 'that is another stream'
ok 'which begins as a capture does, with what is new' cmp end.out \
    <(head -c "$part" capture; head -c 24 capture
    tail -c "+$((part + 1))" capture)
run "$D4" -c c.end
is "$(cat err)" "d4: $TMP/file: was sent to its end before, and is the same" \
    'its end is known, too'
# written_anew name: the file was, and is sent as a whole.
written_anew() {
	n=$(printf 'end/%03d' "$(sessions)")
	run "$D4" -c c.end
	is "$status$(cat err)" 0 "$1"
	perl "$TOP/t/tool/joined.pl" pcap "$n" > anew 2> /dev/null
	ok 'is sent from its beginning' cmp anew file
}
perl -0777 -pe 's/\x02{50}/"\x03" x 50/eg' capture > file
written_anew 'a file that was written anew, as long'
{ cat capture; head -c 100 capture | tail -c 76; } > file
written_anew 'or longer'
head -c "$part" capture > file
written_anew 'or shorter'
sensor end source="$TMP/file" type=1 uuid=0f3c2a9e-5b71-4c8d-9a64-7e2d1b0c9f36
written_anew 'the same one by another sensor'

# What is not ours.

port=$(free_port)
sensor key
start key < log
within 10 test -e s.key/stream
kill "$sensor"
finish "$sensor"
sensor key key='quite another key'
refuses 'a stream of another key' 2 ': holds a stream of another uuid, key' \
    '' "$D4" -c c.key

# A spool that was damaged.

port=$(free_port)
sensor bad spool_size=33554432
start bad < log
within 20 test -e s.bad/0000000000000002.seg
sleep 0.5
murder
perl -e 'open my $f, "+<", $ARGV[0] or die; seek $f, 100000, 0;
    print $f "damage"' s.bad/0000000000000001.seg
collector bad
start bad < /dev/null
finish "$sensor"
is "$status" 0 'a damaged spool is sent as far as it is whole'
like "$(cat err.bad)" 'cut off within segment 0000000000000001' 'and says so'
joined lines bad
ok 'which is its beginning' begins log bad.out

# Type 254.

port=$(free_port)
collector meta cuts=3 min=3000 max=100000
sensor meta type=254 snaplen=100 source="$TMP/file" \
    metaheader.json='{"type":"ja3-jl"}'
for i in 1 2 3; do
	start meta --rate 4000
	sleep 0.4
	murder
done
start meta
finish "$sensor"
joined opaque meta
ok 'type 254: all has arrived' cmp meta.out file
like "$(cat meta.joined)" ' 1 streams, .* 0 gaps' 'as one stream'

# A full spool: its oldest part is dropped, counted, and the rest is in order.

port=$(free_port)
lines_of_log 1500000 > long
sensor drop spool_size=33554432 window=100000
start drop --drop --metrics "$TMP/drop.prom" < long
ok '--drop: the input is read to its end' within 60 grep -Eq \
    '^d4_bytes_total\{.*\} '"$(stat -c %s long)"'$' drop.prom
collector drop
finish "$sensor"
is "$status" 0 'it ends well'
joined lines drop
ok 'no line is broken' \
    test -z "$(grep -vxE '[0-9]{7} a line of a log( and more)*' drop.out)"
ok 'and they are in order' sort -c drop.out
dropped=$(sed -n 's/^d4_dropped_total{.*} //p' drop.prom)
# A unit on the disk is a record of whole lines, or those of a long line.
missing=$(($(stat -c %s long) - $(stat -c %s drop.out)))
ok "$dropped units were counted, for $missing bytes" \
    test $((missing / dropped)) -ge 4000 -a $((missing / dropped)) -le 4500
# What has no room, one segment and what waits to be written.
ok 'and no more than was needed' \
    test "$missing" -le $(($(stat -c %s long) - 33554432 + 3 * 4194304))
is "$(tail -1 drop.out)" "$(tail -1 long)" 'the last line is there'

# Without it the writer waits.

port=$(free_port)
sensor wait spool_size=33554432
start wait --metrics "$TMP/wait.prom" < <(cat long; touch read-all)
ok 'without it the spool fills' within 60 is_above s.wait 25000
sleep 1
ok 'and the writer waits' test ! -e read-all
used=$(du -sk s.wait | cut -f 1)
ok "the spool has $used kB" test "$used" -lt 50000
collector wait
finish "$sensor"
joined lines wait
ok 'and nothing is lost' cmp wait.out long

# A full disk.

if [ "$(id -u)" -eq 0 ] && mkdir small-disk &&
    mount -t tmpfs -o size=40m none small-disk 2> err; then
	port=$(free_port)
	sensor disk spool="$TMP/small-disk/spool"
	start disk < long
	ok 'a full disk is said' said disk \
	    '^d4: .*spool: No space left on device; waiting for room$'
	sleep 1
	ok 'and waited for' kill -0 "$sensor"
	is "$(grep -c 'No space' err.disk)" 1 'it is said once'
	collector disk
	finish "$sensor"
	is "$status" 0 'with room it goes on by itself'
	joined lines disk
	ok 'and nothing is lost' cmp disk.out long
	umount small-disk
else
	skip 5 'only root makes a small disk'
fi

# Files of a folder: each once, over kills.

port=$(free_port)
mkdir files
for i in $(seq 100 150); do
	echo "file $i" > "files/$i"
done
touch -d '1 minute ago' files/*
sensor folder source="folder:$TMP/files"
start folder --json
ok 'a folder: its files are noted' within 20 has_bytes s.folder/files $((51 * 24))
murder
printf 'torn' >> s.folder/files
for i in $(seq 151 160); do
	echo "file $i" > "files/$i"
done
touch -d '1 minute ago' files/15[1-9] files/160
echo 'another file' > files/100
touch -d '1 minute ago' files/100
start folder --json
ok 'and those that are new after a kill' \
    within 20 has_bytes s.folder/files $((62 * 24))
murder
collector folder
start folder --json
ok 'they arrive' within 20 grep -q 'another file' folder/000
sleep 0.5
kill "$sensor"
finish "$sensor"
joined lines folder
is "$(grep . folder.out | sort | uniq -c | awk '$1 > 1' | wc -l)" 0 \
    'none of them twice'
is "$(grep -c . folder.out)" 62 'and all of them'

# Items of a Redis list are acknowledged once they are on the disk.

if command -v redis-server > /dev/null; then
	redis-server --port 0 --unixsocket "$TMP/redis" --dir "$TMP" \
	    --save '' > redis.log 2>&1 &
	started
	within 10 redis-cli -s redis PING
	port=$(free_port)
	sensor queue source=d4server redis_d4="$TMP/redis/0" redis_queue=items
	start queue
	for i in $(seq 200); do
		echo "LPUSH items \"item $i\""
	done | redis-cli -s redis > /dev/null
	# shellcheck disable=SC2317 # called by ok
	left() {
		[ "$(redis-cli -s redis LLEN items)" = 0 ] &&
		    [ "$(redis-cli -s redis LLEN "items:d4:$UUID")" = 0 ]
	}
	ok 'd4server: without a link the list is emptied' within 20 left
	murder
	collector queue
	start queue
	ok 'and after a kill its items arrive' within 20 \
	    grep -q 'item 200' queue/000
	kill "$sensor"
	finish "$sensor"
	joined lines queue
	is "$(cat queue.out)" "$(seq 200 | sed 's/^/item /')" 'each once'
else
	skip 3 'no redis-server here'
fi

done_testing
