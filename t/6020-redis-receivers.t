#!/usr/bin/env bash
# SPDX-License-Identifier: ISC
#
# Two receivers share one Redis: a sensor has one connection among them, and
# when one is killed its sensors come to the other without being refused for
# long; their sessions are ended for the workers.

# Checks are reached by their names.
# shellcheck disable=SC2317

# shellcheck source=t/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=t/redis.sh
. "$TOP/t/redis.sh"

SENSORS=100

redis_begin one
receiver first
first=$pid port1=$port
receiver second
port2=$port

live() {
	[ "$(r SCARD active_connection:1)" = "$1" ]
}

ended() {
	[ "$(r SCARD ended_session)" -ge "$1" ]
}

# perl: each sensor sends a record and stays; the first one goes on, for who is
# silent for long gives way to a new one.  When its connection ends it comes to
# the other receiver, and again every half second until it is let in.  At the
# end it says how long the longest was out.
cat > sensors.pl <<'END'
use strict;
use warnings;
use Digest::SHA 'hmac_sha256';
use IO::Select;
use IO::Socket::INET;
use Time::HiRes qw(time sleep);

my ($n, $key, @ports) = @ARGV;
my $select = IO::Select->new;
my (%number, @out, @later, $first);
my $talked = 0;
my $longest = 0;

sub record {
	my $uuid = sprintf '%08x00004000800000000000000%d', $_[0], 0;
	my $head = pack 'CCH32Q<x32V', 1, 1, $uuid, time, 4;

	substr($head, 26, 32) = hmac_sha256($head . 'data', $key);
	return $head . 'data';
}

sub come {
	my ($i, $port) = @_;
	my $s = IO::Socket::INET->new(PeerAddr => "127.0.0.1:$port") or
	    return push @later, $i;

	$number{$s} = $i;
	$first = $s if $i == 0;
	$select->add($s);
	syswrite $s, record($i);
}

$SIG{PIPE} = 'IGNORE';
$| = 1;
my $go = 1;
$SIG{TERM} = sub { $go = 0 };
come($_, $ports[0]) for 0 .. $n - 1;
while ($go) {
	for my $s ($select->can_read(0.1)) {
		my $i = delete $number{$s};

		$select->remove($s);
		close $s;
		$first = undef if $i == 0;
		$out[$i] //= time;
		push @later, $i;
	}
	if ($first && time - $talked >= 1) {
		syswrite $first, record(0);
		$talked = time;
	}
	sleep 0.4 if @later;
	my @now = splice @later;
	come($_, $ports[1]) for @now;
	# Who was not cut off again for a second is in.
	if (!@now) {
		for (0 .. $n - 1) {
			$longest = time - $out[$_]
			    if $out[$_] && time - $out[$_] > $longest;
			$out[$_] = undef;
		}
		open my $f, '>', 'longest' or die;
		print $f int $longest;
		close $f;
	}
}
END

perl sensors.pl $SENSORS "$KEY" "$port1" "$port2" 2> sensors.err &
started
sensors=$pid
ok "$SENSORS sensors are connected to the first" within 10 live $SENSORS
is "$(r -n 1 SCARD d4toolkit:workers)" 1 'and claimed by it'
dead=$(r -n 1 SMEMBERS d4toolkit:workers)

port=$port2
"$RECORDS" uuid=00000000000040008000000000000000 data=x |
    socat -t 3 -u - "TCP:127.0.0.1:$port2"
ok 'the other refuses one of them' within 5 \
    grep -q 'another connection of this sensor' second.err

# Its worker does not live to end them.
# shellcheck disable=SC2046
kill -9 "$first" $(pgrep -P "$first")
finish "$first"
back() {
	[ "$(r -n 1 HLEN "d4toolkit:live:$token")" = "$SENSORS" ]
}
owner() {
	local t
	for t in $(r -n 1 SMEMBERS d4toolkit:workers); do
		[ "$t" != "$dead" ] &&
		    [ "$(r -n 1 EXISTS "d4toolkit:worker:$t")" = 1 ] &&
		    token=$t && back && return
	done
	return 1
}
all=$SECONDS
ok 'one receiver is killed: all sensors come to the other' within 20 owner
all=$((SECONDS - all))
ok "within some seconds ($all)" [ "$all" -le $((8 * SLOW)) ]
ok 'the sessions of the dead one are ended' within 60 ended $SENSORS
is "$(r SCARD active_connection) $(r SCARD active_connection:1)" \
    "$SENSORS $SENSORS" 'all sensors are still active'
sleep 1
is "$(r -n 1 HLEN "d4toolkit:live:$token")" $SENSORS 'and claimed'

# ---- what an administrator changes -----------------------------------------

ADMIN=$TOP/d4-admin/d4-admin
sensor() {
	printf '%08x-0000-4000-8000-000000000000' "$1"
}
is_out() {
	[ "$(r SISMEMBER active_connection:1 "$(sensor "$1" | tr -d -)")" = 0 ]
}
"$ADMIN" -c second sensor kick "$(sensor 7)"
ok 'a sensor is kicked: it is out within 2 seconds' within 2 is_out 7
"$ADMIN" -c second sensor block "$(sensor 8)"
ok 'another is blocked: it is out, too' within 2 is_out 8
sleep 1
ok 'and stays out' is_out 8
"$ADMIN" -c second sensor unblock "$(sensor 8)"
is_in() {
	! is_out 8
}
ok 'until that is taken back' within 4 is_in

kill "$sensors"
finish "$sensors"
ok 'when they go nothing is active' within 10 live 0
done_testing
