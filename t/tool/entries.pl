#!/usr/bin/perl
# SPDX-License-Identifier: ISC
#
# All that streams of a type have in Redis, on stdout, in the order of their
# entries' ids over all sessions; of pcap (type 1) file headers but the first
# are left out, as each session has one, and of pcapng (type 5) all but packets.
#
#	entries.pl PORT TYPE

use strict;
use warnings;
use IO::Socket::INET;

my ($port, $type) = @ARGV;
my $redis = IO::Socket::INET->new(PeerAddr => "127.0.0.1:$port") or die "$!\n";
my @entries;

sub answer {
	my $line = <$redis>;

	$line =~ s/\r\n//;
	my ($kind, $rest) = $line =~ /^(.)(.*)/s;
	die "$rest\n" if $kind eq '-';
	return [map { answer() } 1 .. $rest] if $kind eq '*';
	return $rest if $kind ne '$';
	read $redis, my $data, $rest + 2;
	return substr $data, 0, $rest;
}

sub ask {
	print $redis '*', scalar @_, "\r\n",
	    map { ('$', length, "\r\n$_\r\n") } @_;
	return answer();
}

for my $key (@{ask('KEYS', "stream:$type:*")}) {
	my $last = '-';

	for (;;) {
		my $got = ask('XRANGE', $key, $last, '+', 'COUNT', 500);
		last if !@$got;
		for (@$got) {
			my ($ms, $n) = split /-/, $_->[0];
			push @entries, [$ms, $n, $_->[1][1]];
		}
		$last = "($got->[-1][0]";
	}
}
my $all = join '', map { $_->[2] }
    sort { $a->[0] <=> $b->[0] || $a->[1] <=> $b->[1] } @entries;

binmode STDOUT;
if ($type == 1) {
	my $header = substr $all, 0, 24;
	substr($all, 24) =~ s/\Q$header\E//g;
} elsif ($type == 5) {
	my ($at, $packets) = (0, '');
	while ($at < length $all) {
		my ($kind, $len) = unpack 'VV', substr $all, $at, 8;
		$packets .= substr $all, $at, $len if $kind == 6;
		$at += $len;
	}
	$all = $packets;
}
print $all;
