# SPDX-License-Identifier: ISC

package Collector;

# A d4-recv for benchmarks, in the current directory: store, coll (its
# configuration), server.crt and server.key, metrics.  It ends with the script.

use strict;
use warnings;
use FindBin;
use IO::Socket::INET;
use lib "$FindBin::Bin/../tool";
use Ports;
use Time::HiRes 'sleep';

our ($port, $pid);

sub put {
	my ($name, $text) = @_;

	open my $out, '>', $name or die "$name: $!\n";
	print $out $text;
	close $out or die "$name: $!\n";
	chmod 0600, $name if $name =~ m{/(key|server\.pem)$};
}

sub slurp {
	my ($name) = @_;

	open my $in, '<', $name or return '';
	local $/;
	return scalar <$in>;
}

# Waits until the code returns what is true; returns that.
sub wait_for {
	my ($what, $code) = @_;

	for (1 .. 6000) {
		my $got = $code->();
		return $got if $got;
		sleep 0.01;
	}
	die "$what: does not come\n";
}

sub is_listening {
	return IO::Socket::INET->new(PeerAddr => '127.0.0.1',
	    PeerPort => $_[0]) ? 1 : 0;
}

# Values of the configuration may follow, and plain => 1 for no TLS.
sub start {
	my ($top, %values) = @_;
	my $way = delete $values{plain} ? 'tcp:' : '';

	system('openssl req -x509 -newkey ec -pkeyopt ' .
	    'ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost ' .
	    '-addext subjectAltName=DNS:localhost,IP:127.0.0.1 ' .
	    '-keyout server.key -out server.crt 2> /dev/null') == 0
	    or die "openssl: cannot make a certificate\n";
	$port = free_port();
	system('cp', '-r', "$top/conf.sample/recv", 'coll') == 0 or exit 1;
	put('coll/server.pem', slurp('server.crt') . slurp('server.key'));
	put('coll/source', "${way}127.0.0.1:$port\n");
	put('coll/destination', "./store\n");
	put('coll/compress', "none\n");
	put('coll/key', "a key for benchmarks\n");
	chmod 0600, 'coll/key', 'coll/server.pem';
	put("coll/$_", "$values{$_}\n") for keys %values;
	defined($pid = fork) or die "fork: $!\n";
	if ($pid == 0) {
		open STDERR, '>', 'recv.log';
		exec "$top/d4-recv/d4-recv", '-c', 'coll', '--metrics',
		    './metrics';
		die "d4-recv: $!\n";
	}
	wait_for('d4-recv', sub { worker() && is_listening($port) });
}

# SIGTERM, and its exit status.
sub stop {
	kill 'TERM', $pid;
	waitpid $pid, 0;
	$pid = 0;
	return $? >> 8;
}

# The process that serves; its parent only watches it.
sub worker {
	return (split ' ', slurp("/proc/$pid/task/$pid/children"))[0];
}

# Seconds of CPU that it used.
sub cpu_seconds {
	my @stat = split ' ', slurp('/proc/' . worker() . '/stat');

	return ($stat[13] + $stat[14]) / 100;
}

# A line of its status in KiB, as VmRSS.
sub memory {
	my ($name) = @_;

	return slurp('/proc/' . worker() . '/status') =~ /^$name:\s*(\d+)/m
	    ? $1 : 0;
}

# Finished files.
sub files {
	return grep { length } split /\n/,
	    `find store -name .open -prune -o -name .tail -prune -o -path '*/registry' -prune -o \\
	    -type f -print`;
}

sub metric {
	my ($name) = @_;

	return slurp('metrics') =~ /^\Q$name\E (\d+)/m ? $1 : 0;
}

END {
	if ($pid) {
		my $status = $?;
		kill 'TERM', $pid;
		waitpid $pid, 0;
		$? = $status;
	}
}

1;
