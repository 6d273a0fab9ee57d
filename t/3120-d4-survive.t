#!/usr/bin/env bash
# SPDX-License-Identifier: ISC
#
# What can happen to a sensor that nobody visits: d4 goes on, and it ends at
# once when it is told to.

# shellcheck source=t/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=t/ca.sh
. "$TOP/t/ca.sh"

for tool in socat openssl; do
	command -v "$tool" > /dev/null || skip_all "no $tool here"
done

authority ca
certify ca server DNS:localhost,IP:127.0.0.1
perl -e 'printf "line %d\n", $_ for 1 .. 200' > log

# In the background: a program that does not hold the FIFOs open.
apart() {
	exec "$@" 11>&- 12>&- 13>&-
}

# collector name [port] [name=value...]: at $port, into the folder name.
collector() {
	local name=$1
	shift
	case ${1-} in
	[0-9]*) port=$1; shift ;;
	*) port=$(free_port) ;;
	esac
	mkdir -p "$name"
	apart perl "$TOP/t/collector.pl" "$port" "$name" "$@" &
	started
	collector=$pid
	within 10 listens_at "$port"
}

# sensor name destination [name=value...]: a d4 whose input is the FIFO
# name.in, which the caller holds open.  Options are in $options.
options=(--retry 1)
sensor() {
	local name=$1
	shift
	conf "c.$name" type=3 "destination=$1" "${@:2}"
	cp ca.crt "c.$name/rootCA.crt"
	[ -p "$name.in" ] || mkfifo "$name.in"
	apart timeout --foreground 60 "$D4" "${options[@]}" -c "c.$name" < "$name.in" \
	    2> "err.$name" &
	started
	sensor=$pid
}

# says name regex: within so long a line on stderr.
says() {
	within "${3:-10}" grep -Eq "$2" "err.$1" || cat "err.$1"
}

# text folder: what arrived in it.
text() {
	local file
	conf_recv r
	for file in "$1"/???; do
		"$RECV" -c r < "$file" 2>> recv.log
	done
}

# A sanitizer looks for leaks at the end.
most=1000
[ -z "$SANITIZE" ] || most=3000

# ends name: told to end, it does within a second; $status.
ends() {
	local begin
	begin=$(date +%s%N)
	kill -s TERM "$2"
	finish "$2"
	ok "$1: told to end, it does at once" \
	    test $((($(date +%s%N) - begin) / 1000000)) -lt $((most * SLOW))
}

# ---- a peer that accepts and never speaks TLS: known after 15 s --------------

collector silent
sensor silent "localhost:$port"
silent=$sensor
exec 11> silent.in
collector mute
sensor mute "localhost:$port"
mute=$sensor
exec 12> mute.in

# ---- nobody there --------------------------------------------------------------

port=$(free_port)
sensor refused "tcp:127.0.0.1:$port"
refused=$sensor
exec 13> refused.in
cat log >&13
ok 'connection refused: it says so' says refused \
    "^d4: tcp:127.0.0.1:$port: Connection refused; again in [01]\.[0-9] s"
collector refused "$port"
ok 'and arrives when somebody is there' within 10 has_bytes refused/000 1500
exec 13>&-
finish "$refused"
is "$status" 0 'to the end'
ok 'with all of it' cmp <(text refused) log

sensor unresolved nothing.invalid:4443
exec 13> unresolved.in
cat log >&13
ok 'a name that does not resolve: it says so' says unresolved \
    '^d4: nothing.invalid:4443: name does not resolve: .*; again in ' 30
ends 'waiting for a name' "$sensor"
is "$status" 1 'with what was read and not sent: exit 1'
ok 'and a line' says unresolved 'bytes of records were read and not sent'
exec 13>&-

sensor idle "tcp:127.0.0.1:$(free_port)"
exec 13> idle.in
says idle 'again in'
ends 'nothing read' "$sensor"
is "$status" 0 'exit 0'
exec 13>&-

options=(--retry 0)
sensor once "tcp:127.0.0.1:$(free_port)"
exec 13> once.in
finish "$sensor"
is "$status" 1 '--retry 0: exit 1'
like "$(cat err.once)" '^d4: tcp:.*: Connection refused$' 'with one line'
exec 13>&-
options=(--retry 1)

# ---- peers that misbehave -------------------------------------------------------

collector broken cuts=3 min=10 max=200
sensor broken "localhost:$port"
exec 13> broken.in
cat log >&13
ok 'a peer that closes in mid-handshake' says broken \
    '^d4: localhost:[0-9]+: .*; again in '
within 10 test -e broken/002
kill "$collector"
finish "$collector"
apart socat -u "OPENSSL-LISTEN:$port,bind=127.0.0.1,reuseaddr,cert=server.pem,verify=0" \
    OPEN:broken/whole,creat 2> server.log &
started
exec 13>&-
finish "$sensor"
is "$status" 0 'is forgotten when one comes that does not'
conf_recv r
run "$RECV" -c r < broken/whole
ok 'all of it arrives there' cmp out log

collector rude say=1000
sensor rude "localhost:$port"
exec 13> rude.in
ok 'a peer that speaks something else' says rude 'the peer does not speak TLS'
ends 'then too' "$sensor"
is "$status" 0 'exit 0'
exec 13>&-

collector slow step=1
sensor slow "tcp:127.0.0.1:$port"
slow=$sensor
cat log > slow.in

collector chatty say=flood
sensor chatty "tcp:127.0.0.1:$port"
cat log > chatty.in
finish "$sensor"
is "$status" 0 'a peer that never stops talking'
ok 'gets all of it' cmp <(text chatty) log

# Its close is seen although there is nothing to send.
collector gone cuts=1 min=62 max=63
sensor gone "tcp:127.0.0.1:$port"
exec 13> gone.in
ok 'a peer that leaves is missed while the input is silent' \
    says gone 'again in'
ok 'and found again' within 10 has_bytes gone/001 62
exec 13>&-
finish "$sensor"
is "$status" 0 'to the end'

# A reader that goes away, on a unix socket and on a pipe.
apart socat -u UNIX-LISTEN:socket OPEN:first,creat &
started
reader=$pid
within 10 test -S socket
options=(--retry 0)
sensor pipe "unix:$TMP/socket"
exec 13> pipe.in
within 10 has_bytes first 62
kill "$reader"
finish "$sensor"
is "$status" 1 'a reader that goes away: exit 1'
like "$(cat err.pipe)" '^d4: unix:.*: (closed by the peer|Broken pipe|Connection reset)' \
    'with a line'
exec 13>&-
conf c type=3
# shellcheck disable=SC2094
(while sleep 0.1; do echo x; done) 2> /dev/null |
    timeout 20 "$D4" --stats 60 -c c 2> err | head -c 70 > out
is "${PIPESTATUS[1]} $(cat err)" '1 d4: stdout: Broken pipe' 'EPIPE on stdout'
options=(--retry 1)

# A FIFO as destination that nobody reads: the wait ends too.
mkfifo unread
sensor unread "$TMP/unread"
exec 13<> unread.in
within 10 listens_below "$sensor" d4
sleep 0.4
ends 'a FIFO that nobody reads' "$sensor"
is "$status" 0 'exit 0'
exec 13>&-

# A file that may not grow ends with a whole record, also by the long way.
conf c type=3 destination="$TMP/limit"
noise 1000000 > two
(trap '' XFSZ; ulimit -f 512; exec timeout 20 "$D4" --stats 60 -c c \
    < two 2> err)
is "$? $(cat err)" "1 d4: $TMP/limit: File too large" 'a file that is full'
"$RECORDS" -d < limit > records
is "$(grep -cv 'hmac good$' records)" 0 'ends with a whole record'

# ---- sources that come and go ------------------------------------------------------

collector fifo
mkfifo writers
sensor fifo "tcp:127.0.0.1:$port" source="$TMP/writers"
exec 13> fifo.in 13>&-
for i in 1 2 3 4 5 6 7 8 9 10; do
	echo "writer $i" > writers
done
ok 'a FIFO whose writer leaves ten times' within 10 \
    has_bytes fifo/000 $((62 * 2 + 91))
rm writers
mkfifo writers
echo 'writer 11' > writers
ok 'and that is made anew' within 10 has_bytes fifo/000 $((62 * 3 + 91 + 10))
ends 'a FIFO' "$sensor"
is "$status" 0 'exit 0'
is "$(text fifo)" "$(printf 'writer %d\n' 1 2 3 4 5 6 7 8 9 10 11)" \
    'all of it arrives'

# One that is killed within a packet does not spoil the captures of the others.
# packet letter: of four bytes, as pcap has it.
packet() {
	printf '\1\2\3\4\0\0\0\0\4\0\0\0\4\0\0\0%s' "$1$1$1$1"
}
header() {
	printf '\324\303\262\241\2\0\4\0\0\0\0\0\0\0\0\0\0\0\4\0\1\0\0\0'
}
collector capture
mkfifo captures
sensor capture "tcp:127.0.0.1:$port" source="$TMP/captures" type=1
exec 13> capture.in 13>&-
{ header; packet a; packet b | head -c 18; } > captures
ok 'a writer leaves within a packet' within 10 \
    has_bytes capture/000 $((62 * 3 + 24 + 20))
{ header; packet c; packet d; } > captures
ok 'the next one is heard' says capture \
    ': a writer left: 18 bytes of an unfinished unit are left out$'
within 10 has_bytes capture/000 $((62 * 5 + 24 * 2 + 60))
ends 'captures' "$sensor"
ok 'and all arrives but that packet' cmp <(text capture) \
    <(header; packet a; header; packet c; packet d)

if command -v redis-server > /dev/null; then
	redis() {
		apart redis-server --port 0 --unixsocket "$TMP/redis" --dir "$TMP" \
		    --appendonly yes --save '' > redis.log 2>&1 &
		started
		redis=$pid
		within 10 redis-cli -s redis PING
	}
	redis
	collector queue
	sensor queue "tcp:127.0.0.1:$port" source=d4server \
	    redis_d4="$TMP/redis/0" redis_queue=items
	exec 13> queue.in 13>&-
	for i in 1 2 3 4 5; do
		redis-cli -s redis LPUSH items "item $i" > /dev/null
	done
	ok 'd4server: items arrive' within 10 has_bytes queue/000 150
	kill "$redis"
	finish "$redis"
	ok 'Redis goes' says queue 'redis'
	redis
	for i in 6 7 8 9; do
		redis-cli -s redis LPUSH items "item $i" > /dev/null
	done
	ok 'and comes again' says queue 'there again'
	within 10 grep -q 'item 9' queue/000
	ends 'd4server' "$sensor"
	is "$status" 0 'exit 0'
	is "$(text queue)" "$(printf 'item %d\n' 1 2 3 4 5 6 7 8 9)" \
	    'every item arrives once'
	is "$(redis-cli -s redis KEYS '*')" '' 'none is left in Redis'
	kill "$redis"
else
	skip 7 'no redis-server here'
fi

# ---- a bad line --------------------------------------------------------------------

# 200 ms each way, two packets in a hundred lost.
noise 1000000 > bad.in
certify ca bad IP:10.4.0.1
conf c.bad destination=10.4.0.1:4443
cp ca.crt c.bad/rootCA.crt
perl "$TOP/t/badline.pl" 200 0.02 \
    'socat -u OPENSSL-LISTEN:4443,cert=bad.pem,verify=0 OPEN:bad.out,creat' \
    'sleep 0.5; timeout 60 "$D4" --retry 1 -c c.bad < bad.in' 2> err
status=$?
if [ "$status" = 77 ]; then
	skip 2 'a bad line needs root and /dev/net/tun'
else
	is "$status" 0 '200 ms and 2 % lost'
	run "$RECV" -c r < bad.out
	ok 'all of it arrives' cmp out bad.in
fi

# ---- those that took their time ------------------------------------------------------

finish "$slow"
is "$status" 0 'a peer that reads a byte at a time'
ok 'gets all of it' cmp <(text slow) log

ends 'shaking hands' "$mute"
exec 12>&-
cat log >&11
exec 11>&-
ok 'a peer that never speaks TLS: it says so' says silent \
    'TLS handshake timed out; again in' 20
ends 'then' "$silent"

done_testing
