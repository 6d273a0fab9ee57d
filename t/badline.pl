#!/usr/bin/perl
# SPDX-License-Identifier: ISC
#
# badline.pl DELAY-MS LOSS COMMAND-1 COMMAND-2: runs two shell commands, each in
# a network of its own, 10.4.0.1 and 10.4.0.2, with a line between them that
# delays each packet and loses some (0.02: two in a hundred).  Exits with the
# status of the second.  Needs root, unshare(1), ip(8) and /dev/net/tun, and
# exits 77 where it cannot; unlike netem, nothing of the kernel's scheduler.

use strict;
use warnings;
use Fcntl;
use Socket;
use Time::HiRes qw(time);

use constant { TUNSETIFF => 0x400454ca, IFF_TUN_NO_PI => 0x1001 };

$^F = 255;
exit end_of_line(@ARGV[1 .. $#ARGV]) if $ARGV[0] eq 'end';

my ($delay, $loss, @commands) = @ARGV;
socketpair my $one, my $two, AF_UNIX, SOCK_DGRAM, PF_UNSPEC
    or die "socketpair: $!\n";
my @pids = map {
	my $fd = fileno($_ == 1 ? $one : $two);
	my $pid = fork // die "fork: $!\n";
	exec 'unshare', '-n', $^X, $0, 'end', $fd, "10.4.0.$_",
	    '10.4.0.' . (3 - $_), $delay, $loss, $commands[$_ - 1]
	    unless $pid;
	$pid;
} 1, 2;
waitpid $pids[1], 0;
my $status = $? >> 8;
kill 'TERM', $pids[0];
waitpid $pids[0], 0;
exit $status;

# One end: a tun device, a command, and packets on their way to the other end.
sub end_of_line {
	my ($fd, $us, $them, $delay, $loss, $command) = @_;
	my $ifr = pack 'Z16 s x22', 'line', IFF_TUN_NO_PI;
	my @queue;

	open my $line, '+<&=', $fd or return 77;
	sysopen my $tun, '/dev/net/tun', O_RDWR or return 77;
	ioctl $tun, TUNSETIFF, $ifr or return 77;
	system("ip link set lo up && ip addr add $us peer $them dev line && " .
	    'ip link set line up') == 0 or return 77;
	my $pid = fork // return 77;
	exec 'sh', '-c', $command unless $pid;
	local $SIG{TERM} = sub { kill 'TERM', $pid; exit 0 };
	for (;;) {
		my $wait = @queue ? $queue[0][0] - time : 0.1;
		my $bits = '';

		# The first end stays, for what is still on the line.
		return $? >> 8 if waitpid($pid, 1) == $pid &&
		    $us eq '10.4.0.2';
		vec($bits, fileno $_, 1) = 1 for $tun, $line;
		$bits = '' if select($bits, undef, undef,
		    $wait > 0 ? $wait : 0) <= 0;
		if (vec $bits, fileno $tun, 1) {
			sysread $tun, my $packet, 65536;
			push @queue, [time + $delay / 1000, $packet]
			    if rand >= $loss;
		}
		if (vec $bits, fileno $line, 1) {
			sysread $line, my $packet, 65536;
			syswrite $tun, $packet;
		}
		syswrite $line, (shift @queue)->[1]
		    while @queue && $queue[0][0] <= time;
	}
}
