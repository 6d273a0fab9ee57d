#!/usr/bin/env bash
# SPDX-License-Identifier: ISC
#
# What d4 says of itself, to people and machines, and the options that bound
# what it does.

# shellcheck source=t/lib.sh
. "$(dirname "$0")/lib.sh"

# collector name [name=value...]: at $port, into the folder name.
collector() {
	local name=$1
	shift
	port=$(free_port)
	mkdir "$name"
	perl "$TOP/t/collector.pl" "$port" "$name" "$@" 4>&- &
	started
	within 10 listens_at "$port"
}

# begin option...: d4 with the configuration c, its input the FIFO in, which
# is held open at 4.
begin() {
	rm -f in
	mkfifo in
	: > err
	timeout --foreground 60 "$D4" "$@" -c c < in 2>> err &
	started
	sensor=$pid
	exec 4> in
}

says() {
	within 10 grep -Eq "$1" err || cat err
}

# Whether it says that when it is asked for figures.
# shellcheck disable=SC2317 # called by within
figures() {
	kill -s USR1 "$(pgrep -P "$sensor")"
	sleep 0.1
	grep -Eq "$1" err
}

# ---- figures ----------------------------------------------------------------

collector one
conf c type=3 destination="tcp:127.0.0.1:$port"
umask 077
begin -v --stats 1 --metrics "$TMP/d4.prom"
umask 022
printf 'one\ntwo\nthree\n' >&4
ok 'it arrives' within 10 has_bytes one/000 $((62 * 2 + 14))
ok '-v: connected' says "^d4: tcp:127.0.0.1:$port: connected$"
ok '--stats: a line a second' says \
    ': 1 records, 14 bytes, [0-9.]+ records/s, 0 reconnects, 0 dropped, 0 bytes buffered, up$'
: > err
ok 'and another' says ', up$'
kill -s USR1 "$(pgrep -P "$sensor")"
ok 'the metrics file is there' within 10 grep -q 'd4_records_total{.*} 1$' \
    d4.prom
want="uuid=\"$UUID\",type=\"3\""
is "$(grep -v '^#' d4.prom)" "d4_records_total{$want} 1
d4_bytes_total{$want} 14
d4_reconnects_total{$want} 0
d4_resent_bytes_total{$want} 0
d4_dropped_total{$want} 0
d4_buffered_bytes{$want} 0
d4_link_up{$want} 1" 'all of them'
is "$(grep -c '^# \(HELP\|TYPE\) d4_' d4.prom)" 14 'each with help and type'
first=$(stat -c %i d4.prom)
# shellcheck disable=SC2317 # called by ok
renamed() {
	[ "$(stat -c %i d4.prom)" != "$first" ]
}
ok 'and is renamed into place' within 10 renamed
is "$(stat -c %a d4.prom)" 644 'which all can read, whatever the umask'
is "$(echo d4.prom*)" d4.prom 'nothing else lies there'
exec 4>&-
finish "$sensor"
is "$status" 0 'to the end'
like "$(tail -1 err)" ': 2 records, 14 bytes$' '-v: what was done'

collector two cuts=2 min=62 max=63
conf c type=3 destination="tcp:127.0.0.1:$port"
begin --retry 1 --stats 3600
within 10 has_bytes two/002 62
kill -s USR1 "$(pgrep -P "$sensor")"
ok 'SIGUSR1: the same line' says ' 2 reconnects, 0 dropped, 0 bytes buffered, up$'
exec 4>&-
finish "$sensor"

conf c type=3 destination="tcp:127.0.0.1:$(free_port)" buffer=10000
begin --retry 1 --metrics "$TMP/none/d4.prom"
says 'none/d4.prom: ' > said
sleep 2.5
kill "$sensor"
finish "$sensor"
is "$(grep -c 'none/d4.prom: No such file' err)" 1 \
    'metrics that cannot be written are told of once'

# A device as the file would be replaced, for good.
mkfifo pipe
conf c type=3 destination="tcp:127.0.0.1:$(free_port)"
begin --retry 1 --metrics "$TMP/pipe"
ok '--metrics: what is no regular file is refused' says \
    "^d4: $TMP/pipe: File exists$"
kill "$sensor"
finish "$sensor"
ok 'and stays' test -p pipe
conf c type=3 destination="$TMP/kept"
printf 'one\n' > file
refuses '--metrics that are no regular file, towards a file' 0 \
    "^d4: $TMP/pipe: File exists$" '' "$D4" --metrics "$TMP/pipe" -c c < file
ok 'and stays' test -p pipe

# ---- back-pressure and --drop ------------------------------------------------

perl -e 'printf "%06d %s\n", $_, "x" x 100 for 1 .. 20000' > log
port=$(free_port)
conf c type=3 destination="tcp:127.0.0.1:$port" buffer=100000
begin --retry 1
cat log >&4 &
writer=$!
pids+=("$writer")
within 10 listens_below "$sensor" d4
within 10 figures ' [1-6][0-9]{5} bytes buffered, down$'
sleep 1
ok 'a buffer that is full holds its writer up' kill -0 "$writer"
: > err
kill -s USR1 "$(pgrep -P "$sensor")"
says 'bytes buffered, down$' > said
like "$(grep buffered err)" ' 0 dropped, [1-6][0-9]{5} bytes buffered, down$' \
    'at about its size'
mkdir late
perl "$TOP/t/collector.pl" "$port" late 4>&- &
started
exec 4>&-
finish "$sensor"
is "$status" 0 'until there is somebody'
conf_recv r
run "$RECV" -c r < late/000
ok 'who gets all of it' cmp out log
kill "$pid"
finish "$pid"

begin --retry 1 --drop
cat log >&4
ok '--drop: the writer is not held up' true
kill -s USR1 "$(pgrep -P "$sensor")"
says ' [1-9][0-9]* dropped' > said
within 10 grep -q ' [1-9][0-9]* dropped' err
rm -r late
mkdir late
perl "$TOP/t/collector.pl" "$port" late 4>&- &
started
within 10 has_bytes late/000 100000
: > err
within 10 figures 'dropped, 0 bytes buffered, up'
dropped=$(sed -n 's/.* \([0-9]*\) dropped.*/\1/p' err | tail -n 1)
exec 4>&-
finish "$sensor"
is "$status" 0 'to the end'
run "$RECV" -c r < late/000
is "$(grep -cx '[0-9]\{6\} x\{100\}' out)" "$(lines out)" \
    'whole lines arrive'
is "$(($(lines out) + dropped))" 20000 'and the others are counted'
ok 'which are most' test "$dropped" -gt 10000

# ---- --rate ----------------------------------------------------------------------

collector rate
conf c destination="tcp:127.0.0.1:$port" type=99
noise 1500000 > input
begin=$(date +%s%N)
run timeout 60 "$D4" --rate 500000 -c c < input
took=$((($(date +%s%N) - begin) / 1000000))
# A quarter of a second's bytes may go at once.
want=$(($(wc -c < rate/000) * 1000 / 500000))
is "$status" 0 '--rate'
most=$((want * 11 / 10))
# Where d4 itself needs that long to begin and end.
[ -z "$SANITIZE" ] || most=$((most * 2 * SLOW))
ok "3 s worth takes $took ms, within a tenth" \
    test "$took" -gt $((want * 9 / 10 - 250)) -a "$took" -lt "$most"

# ---- a service manager --------------------------------------------------------------

cat > manager.pl <<'P'
use Socket;
my ($path, @command) = @ARGV;
socket my $s, AF_UNIX, SOCK_DGRAM, 0 or die;
bind $s, pack_sockaddr_un($path) or die;
my $pid = fork // die;
unless ($pid) {
	$ENV{NOTIFY_SOCKET} = $path;
	$ENV{WATCHDOG_USEC} = 400000;
	$ENV{WATCHDOG_PID} = $$;
	exec @command or die;
}
$| = 1;
local $SIG{ALRM} = sub { kill 'TERM', $pid };
for (;;) {
	vec(my $bits = '', fileno $s, 1) = 1;
	if (select($bits, undef, undef, 0.1) > 0) {
		recv $s, my $text, 1000, 0;
		print "$text\n";
		alarm 3 if $text eq 'READY=1';
	}
	last if waitpid($pid, 1) == $pid;
}
print "exit ", $? >> 8, "\n";
P
collector notify cuts=1 min=62 max=63
conf c destination="tcp:127.0.0.1:$port"
rm -f in
mkfifo in
exec 4<> in
run perl manager.pl "$TMP/notify.sock" "$D4" --retry 1 -c c <&4
cp out states
exec 4>&-
is "$(head -1 states)" READY=1 'a service manager hears READY'
is "$(sort -u states | grep -v exit | tr '\n' ,)" \
    'READY=1,STATUS=connected,STATUS=not connected,WATCHDOG=1,' \
    'STATUS and WATCHDOG'
n=$(grep -c WATCHDOG=1 states)
ok "in time: $n in 3 s" test "$n" -ge 10 -a "$n" -le 20
is "$(tail -1 states)" 'exit 0' 'and it ends when told to'

# ---- a proxy -------------------------------------------------------------------------

cat > socks.pl <<'P'
use IO::Socket::INET;
my ($port, $to, $log) = @ARGV;
my $l = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => $port,
    Listen => 5, ReuseAddr => 1) or die;
while (my $c = $l->accept) {
	read $c, my $greeting, 3;
	syswrite $c, "\5\0";
	read $c, my $head, 5;
	my ($kind, $len) = (unpack 'C5', $head)[3, 4];
	read $c, my $rest, $len + 2;
	open my $out, '>>', $log;
	printf $out "%d %s %d\n", $kind, unpack "a${len}n", $rest;
	close $out;
	my $s = IO::Socket::INET->new("127.0.0.1:$to") or die;
	syswrite $c, "\5\0\0\1\0\0\0\0\0\0";
	while (sysread $c, my $bytes, 65536) {
		syswrite $s, $bytes;
	}
	shutdown $s, 1;
	sysread $s, my $bytes, 1;
	close $c;
}
P
collector socks
proxy=$(free_port)
perl socks.pl "$proxy" "$port" asked &
started
within 10 listens_at "$proxy"
conf c destination=tcp:collector.hidden.invalid:4443
run timeout 20 "$D4" --proxy "socks5://127.0.0.1:$proxy" -c c < input
is "$status" 0 'by a SOCKS5 proxy'
is "$(cat asked)" '3 collector.hidden.invalid 4443' \
    'which gets the name to resolve'
run "$RECV" -c r < socks/000
ok 'all of it arrives' cmp out input
conf c
refuses 'a proxy to stdout' 2 '^d4: --proxy: stdout: ' '' \
    "$D4" --proxy socks5://127.0.0.1:1 -c c
refuses 'a proxy of another kind' 2 '^d4: --proxy: http://a:1: expected' '' \
    "$D4" --proxy http://a:1 -c c

# ---- keys ------------------------------------------------------------------------------

run "$D4" --genkey
like "$status $(cat out)" '^0 [0-9a-f]{64}$' '--genkey: 32 bytes as hex'
cp out key
run "$D4" --genkey
ok 'another each time' test "$(cat out)" != "$(cat key)"
"$D4" --genkey > /dev/full 2> err
is $? 1 'a full disk is told of'
run "$D4" --genkey -c c
like "$status $(cat err)" '^2 d4: -c and --genkey exclude each other' \
    '--genkey takes no configuration'

conf c key='private key to change'
run "$D4" -c c < /dev/null
is "$status $(cat err)" '0 d4: key: is the sample; everybody knows it' \
    'a warning of the sample key'
conf c key=short
run "$D4" -c c < /dev/null
is "$status $(cat err)" '0 d4: key: is shorter than 16 bytes' 'of a short one'
conf c key="$(printf %0100d 0)"
run "$D4" -c c < /dev/null
is "$status $(cat err)" '0 ' 'none of 100 bytes'
conf c key="$(printf %0101d 0)"
run "$D4" -c c < /dev/null
is "$status $(cat err)" '0 d4: key: is longer than 100 bytes; a D4 core server may know no more of it' \
    'of one that existing servers would cut'
conf c
chmod 644 c/key
refuses 'one that all can read' 2 \
    '^d4: c/key: can be read or changed by others \(expected chmod o= ' '' \
    "$D4" -c c < /dev/null
run "$D4" --insecure-key -c c < /dev/null
like "$status $(cat err)" '^0 d4: c/key: can be read or changed by others' \
    'which --insecure-key takes, with a warning'

# ---- -n ----------------------------------------------------------------------------------

conf c type=254 destination='[2001:db8::1]:4443' window=0 buffer=1000 \
    metaheader.json='{"type":"ja3-jl"}' source=d4server \
    redis_d4=localhost:6379/2 redis_queue=items
rm c/uuid
run "$D4" -n -c c
is "$status" 0 '-n'
is "$(cat out)" 'version: 1
type: 254 (extended)
uuid: made on the first run
key: 21 bytes
snaplen: 4096
source: d4server
  redis_d4: localhost:6379/2
  redis_queue: items
destination: [2001:db8::1]:4443
  to: [2001:db8::1]:4443, TLS
  buffer: 1000 bytes
  window: 0 bytes
  trusted: the system'\''s certificates
metaheader.json: 18 bytes' 'prints what it understood'
ok 'and leaves the directory alone' test ! -e c/uuid
while IFS='|' read -r name value words; do
	conf c destination=localhost:4443 "$name=$value"
	if [ "$name" = redis_d4 ]; then
		echo d4server > c/source
		echo items > c/redis_queue
	fi
	refuses "-n: $name $value" 2 "$words" '' "$D4" -n -c c
done << 'T'
destination|localhost:0|^d4: c/destination: port is not a number
destination|a:b:1|^d4: c/destination: colon within the host, an IPv6 address needs brackets
destination|tcp:host|^d4: c/destination: port is missing
source|tcp:host:1|^d4: c/source: is not a source
source|folder:|^d4: folder:: no path
source|folder:/x/%Q|^d4: folder:/x/%Q: not a path or not a pattern
redis_d4|nonsense|^d4: c/redis_d4: is not HOST:PORT/DB
buffer|0|^d4: c/buffer: 
buffer|1x|^d4: c/buffer: 
window|-1|^d4: c/window: 
window|1073741825|^d4: c/window: 
window|8388609|^d4: c/window: is out of range .* 0 to 8388608
T
conf c destination=collector.example.org
run "$D4" -n -c c
like "$(cat out)" 'collector.example.org
  to: a file or FIFO$' '-n: a host without its port is a file'
conf c type=254 destination=localhost:4443
refuses '-n: 254 to a network without a meta header' 2 \
    '^d4: c/metaheader.json: ' '' "$D4" -n -c c
conf c type=254 destination=localhost:4443 metaheader.json='{"type":1}'
refuses '-n: a meta header without a type' 2 '^d4: c/metaheader.json: ' '' \
    "$D4" -n -c c
for option in '--rate 0' '--rate x' '--stats 0' '--retry x' '--retry -1' \
    '--retry 86401' '--stats 86401'; do
	conf c
	# shellcheck disable=SC2086
	refuses "$option" 2 "^d4: ${option% *}: ${option#* }: expected a number" \
	    '' "$D4" $option -c c
done

done_testing
