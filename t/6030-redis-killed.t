#!/usr/bin/env bash
# SPDX-License-Identifier: ISC
#
# Redis is killed and started again while a sensor streams through d4-recv: no
# record is lost or doubled.  Redis without room: the sensor waits.
#
#	D4_TEST_LONG	not empty: 500 MiB instead of 150

# Checks are reached by their names.
# shellcheck disable=SC2317

# shellcheck source=t/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=t/redis.sh
. "$TOP/t/redis.sh"

SIZE=$((150 << 20))
[ -z "${D4_TEST_LONG:-}" ] || SIZE=$((500 << 20))

redis_begin one --appendonly yes --appendfsync always
port=0
receiver recv
recv=$pid
r -n 1 HSET stream_max_size_by_uuid "${UUID//-/}" 100000000 > check

ended() {
	[ -n "$(r SMEMBERS ended_session)" ]
}

# Each 4096 bytes begin with their number, so what comes twice or not at all
# shows where.
perl -e 'my ($n, $i) = (shift() / 4096, 0);
    print pack("Q>", $i), "x" x 4088 while $i++ < $n' $SIZE > data
conf d4 type=3 snaplen=65536 "destination=tcp:127.0.0.1:$port"

started_at=$SECONDS
"$D4" -c d4 < data > d4.out 2> d4.err &
started
d4=$pid
kills=0
for i in 1 2 3; do
	within 60 eval "[ \"\$(r DBSIZE)\" -gt 0 ]"
	sleep 0.7
	kill -0 "$d4" 2> /dev/null || break
	kill -9 "$redis_pid"
	wait "$redis_pid" 2> /dev/null
	kills=$((kills + 1))
	redis_again one --appendonly yes --appendfsync always
	within 30 eval "[ \"\$(grep -c 'streams go on' recv.err)\" = $kills ]"
done
ok "Redis was killed $kills times" [ $kills -ge 1 ]
finish "$d4"
is "$status" 0 'the sensor sends all and ends well'
ok 'its session ends' within 30 ended
ok 'once, without another connection' [ "$(r SCARD ended_session)" = 1 ]
is "$(grep -c 'streams wait' recv.err)" $kills 'each time that is said once'
is "$(grep -c 'streams go on' recv.err)" $kills 'and when it goes on'

session=$(r SMEMBERS session_uuid:3)
# In portions, for redis-cli would take all of it in memory.
cat > check.pl <<'END'
use strict;
use warnings;
use IO::Socket::INET;

my ($port, $key, $file) = @ARGV;
my $redis = IO::Socket::INET->new(PeerAddr => "127.0.0.1:$port") or die;
open my $in, '<:raw', $file or die;
my ($last, $n) = ('-', 0);

sub answer {
	my $line = <$redis>;

	$line =~ s/\r\n//;
	my ($kind, $rest) = $line =~ /^(.)(.*)/s;
	die $rest if $kind eq '-';
	return [map { answer() } 1 .. $rest] if $kind eq '*';
	return $rest if $kind ne '$';
	read $redis, my $data, $rest + 2;
	return substr $data, 0, $rest;
}

for (;;) {
	print $redis join "\r\n", '*6', '$6', 'XRANGE', '$' . length $key,
	    $key, '$' . length $last, $last, '$1', '+', '$5', 'COUNT', '$3',
	    '100', '';
	my $got = answer();
	last if !@$got;
	for (@$got) {
		my $data = $_->[1][1];

		read $in, my $want, length $data;
		die "entry $n is another\n" if $want ne $data;
		$n++;
	}
	$last = "($got->[-1][0]";
}
die "the file goes on\n" if !eof $in;
print "$n entries\n";
END
ok 'every byte is there, in order, once' perl check.pl "$redis" \
    "stream:3:$session" data
printf '# %s, %s s\n' "$(cat check)" $((SECONDS - started_at))
r FLUSHALL > check

# ---- no room ---------------------------------------------------------------

head -c $((40 << 20)) data > part
r CONFIG SET maxmemory 10mb > check
sleep 1
"$D4" -c d4 < part > d4.out 2> d4.err &
started
d4=$pid
ok 'a server without room: that is said' within 20 grep -q \
    'OOM.*streams wait' recv.err
sleep 1
ok 'the sensor waits' kill -0 "$d4"
r CONFIG SET maxmemory 0 > check
finish "$d4"
is "$status" 0 'with room again it goes on'
ok 'to the end' within 20 ended
session=$(r SMEMBERS session_uuid:3)
ok 'every byte is there, in order, once' perl check.pl "$redis" \
    "stream:3:$session" part

kill "$recv"
finish "$recv"
is "$status" 0 'the receiver ends well'
done_testing
