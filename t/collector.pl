#!/usr/bin/perl
# SPDX-License-Identifier: ISC
#
# collector.pl PORT DIR [name=value...]: takes one connection after another on
# loopback and keeps what each sent in DIR/000, DIR/001, ...
#
#	cuts	so many sessions are reset, the others go to their end
#	min max	after how many bytes
#	seed	of the random numbers
#	step	bytes read at a time
#	say	bytes x sent to the sensor at once, flood for ever so

use strict;
use warnings;
use IO::Socket::INET;
use Socket qw(SOL_SOCKET SO_LINGER SO_RCVBUF);

my ($port, $dir, @pairs) = @ARGV;
my %o = (cuts => 0, min => 200, max => 1 << 20, seed => 1, step => 65536,
    say => '', map { split /=/, $_, 2 } @pairs);
my $listener = IO::Socket::INET->new(LocalAddr => '127.0.0.1',
    LocalPort => $port, ReuseAddr => 1) or die "port $port: $!\n";

srand $o{seed};
$SIG{PIPE} = 'IGNORE';
# Small, so that little is lost with a connection.
setsockopt $listener, SOL_SOCKET, SO_RCVBUF, 65536;
listen $listener, 100 or die "port $port: $!\n";

for (my $n = 0; ; $n++) {
	my $peer = $listener->accept or next;
	my $left = $n < $o{cuts} ?
	    int($o{min} + rand($o{max} - $o{min})) : 1 << 60;
	my $name = sprintf '%s/%03d', $dir, $n;

	open my $out, '>', $name or die "$name: $!\n";
	binmode $out;
	if ($o{say} eq 'flood') {
		unless (fork // die) {
			1 while syswrite $peer, 'x' x 65536;
			exit;
		}
	} elsif ($o{say}) {
		syswrite $peer, 'x' x $o{say};
	}
	while ($left > 0) {
		my $got = sysread $peer, my $bytes,
		    $left < $o{step} ? $left : $o{step};
		last unless $got;
		syswrite $out, $bytes;
		$left -= $got;
	}
	setsockopt $peer, SOL_SOCKET, SO_LINGER, pack 'ii', 1, 0
	    if $left <= 0;
	close $peer;
}
