#!/usr/bin/perl
# SPDX-License-Identifier: ISC
#
# Reads one session out of Redis Streams as d4-core's workers do, for tests;
# the protocol is spoken here, nothing of the library is in use.
#
#	worker.pl port type session file [seconds]
#
# One entry at a time from id 0 upwards, each deleted once it was written to
# the file.  Of type 2 the entries of stream:2 are the meta header, written to
# FILE.meta, and then stream:254 is read.  When a stream gives nothing and the
# session has ended, its keys are removed: exit 0.  An entry without the four
# fields in their order, or a session that does not end in time, is exit 1.

use strict;
use warnings;
use IO::Socket::INET;

my ($port, $type, $session, $file, $seconds) = @ARGV;
my $until = time + ($seconds // 30);
my $redis = IO::Socket::INET->new(PeerAddr => "127.0.0.1:$port") or
    die "worker: $port: $!\n";

sub answer {
	my $line = <$redis> // die "worker: the server is gone\n";

	$line =~ s/\r\n//;
	my ($kind, $rest) = $line =~ /^(.)(.*)/s;
	die "worker: $rest\n" if $kind eq '-';
	return $rest if $kind ne '$' && $kind ne '*';
	return undef if $rest < 0;
	return [map { answer() } 1 .. $rest] if $kind eq '*';
	read $redis, my $data, $rest + 2;
	return substr $data, 0, $rest;
}

sub ask {
	print $redis '*' . @_ . "\r\n",
	    map { '$' . length($_) . "\r\n$_\r\n" } @_;
	$redis->flush;
	return answer();
}

# Reads the stream until there is nothing and stop says that this is all.
sub drain {
	my ($key, $out, $stop) = @_;
	my ($last, $n) = ('0', 0);

	for (;;) {
		my $got = ask('XREAD', 'COUNT', 1, 'STREAMS', $key, $last);

		if (!$got) {
			return $n if $stop->();
			die "worker: $session does not end\n" if time > $until;
			select undef, undef, undef, 0.05;
			next;
		}
		my ($id, $fields) = @{$got->[0][1][0]};
		my %f = @$fields;

		die "worker: fields @$fields[0, 2, 4, 6]\n"
		    if "@$fields[0, 2, 4, 6]" ne
		    'message uuid timestamp version' || @$fields != 8;
		print $out $f{message};
		ask('XDEL', $key, $id);
		$last = $id;
		$n++;
	}
}

ask('AUTH', $ENV{REDISCLI_AUTH}) if $ENV{REDISCLI_AUTH};

sub ended {
	return ask('SISMEMBER', 'ended_session', $session);
}

ask('SADD', "working_session_uuid:$type", $session);
my @keys = ("stream:$type:$session");
open my $out, '>:raw', $file or die "worker: $file: $!\n";

if ($type == 2) {
	open my $meta, '>:raw', "$file.meta" or die "worker: $file: $!\n";
	push @keys, "stream:254:$session";
	drain($keys[0], $meta, sub { ask('EXISTS', $keys[1]) || ended() });
	close $meta;
}
my $n = drain($keys[-1], $out, \&ended);
close $out or die "worker: $file: $!\n";
ask('SREM', 'ended_session', $session);
ask('SREM', "session_uuid:$type", $session);
ask('SREM', "working_session_uuid:$type", $session);
ask('DEL', @keys);
print "$n\n";
