#!/usr/bin/perl
# SPDX-License-Identifier: ISC
#
# Stands between programs and a Redis server, for tests: what is said passes,
# but for one command.
#
#	redis-between.pl PORT [port=N] [refuse=WORDS] [lose=N]
#
# Its own port, N or any that is free, is the first line on stdout.
#
#	refuse	the first command that has these words in it is refused for
#		want of memory; then "refused" is said on stdout
#	lose	nothing more is answered on that connection; when the server
#		has done as many XADD behind that one "lost" is said and all
#		connections are cut, for it ends

use strict;
use warnings;
use IO::Select;
use IO::Socket::INET;

my ($port, @pairs) = @ARGV;
my %o = (port => 0, refuse => '', map { split /=/, $_, 2 } @pairs);
my $MARK = 'between-mark';
my ($select, %other, %in, %mute) = (IO::Select->new);

$| = 1;
$SIG{PIPE} = 'IGNORE';
my $listener = IO::Socket::INET->new(LocalAddr => '127.0.0.1',
    LocalPort => $o{port}, Listen => 8, ReuseAddr => 1)
    or die "listen: $!\n";
print $listener->sockport, "\n";
$select->add($listener);

sub command {
	return join '', '*' . @_ . "\r\n",
	    map { '$' . length($_) . "\r\n$_\r\n" } @_;
}

# The first whole command of a buffer, taken from it.
sub next_command {
	my ($buf) = @_;

	return undef if $$buf !~ /^\*(\d+)\r\n/;
	my ($n, $at) = ($1, $+[0]);
	for (1 .. $n) {
		pos($$buf) = $at;
		return undef if $$buf !~ /\G\$(\d+)\r\n/g;
		$at = $+[0] + $1 + 2;
		return undef if $at > length $$buf;
	}
	return substr $$buf, 0, $at, '';
}

sub put {
	my ($s, $bytes) = @_;

	while (length $bytes) {
		my $n = syswrite $s, $bytes or return;
		substr $bytes, 0, $n, '';
	}
}

sub cut {
	for ($_[0], $other{$_[0]}) {
		$select->remove($_);
		delete @$_{$_} for \%in, \%mute, \%other;
		close $_;
	}
}

sub from_client {
	my ($s) = @_;
	my $server = $other{$s};

	while (defined(my $command = next_command(\$in{$s}))) {
		if ($o{refuse} ne '' && index($command, $o{refuse}) >= 0) {
			$o{refuse} = '';
			$command = command('EVAL', 'return redis.error_reply('
			    . "'OOM command not allowed')", 0);
			print "refused\n";
			$mute{$server} = $o{lose} if defined $o{lose};
			$command .= command('ECHO', $MARK)
			    if defined $o{lose} && $o{lose} == 0;
		} elsif (defined $mute{$server} && $command =~ /\r\nXADD\r\n/ &&
		    $mute{$server}-- == 1) {
			$command .= command('ECHO', $MARK);
		}
		put($server, $command);
	}
}

sub from_server {
	my ($s) = @_;

	if (!defined $mute{$s}) {
		put($other{$s}, $in{$s});
		$in{$s} = '';
	} elsif ($in{$s} =~ /\Q$MARK\E\r\n/) {
		print "lost\n";
		exit;
	}
}

for (;;) {
	for my $s ($select->can_read) {
		if ($s == $listener) {
			my $client = $listener->accept or next;
			my $server = IO::Socket::INET->new(
			    PeerAddr => "127.0.0.1:$port");
			next if !$server;
			@other{$client, $server} = ($server, $client);
			$in{$_} = '', $select->add($_) for $client, $server;
			$mute{$client} = 'client';
			next;
		}
		next if !$other{$s};
		if (!sysread $s, $in{$s}, 65536, length $in{$s}) {
			cut($s);
		} elsif (($mute{$s} // '') eq 'client') {
			from_client($s);
		} else {
			from_server($s);
		}
	}
}
