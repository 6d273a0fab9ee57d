#!/usr/bin/perl
# SPDX-License-Identifier: ISC
#
# resume.pl TOP NAME [name=value...]: a stream from d4 by way of a relay to
# d4-recv, with faults at random moments, in the present directory.  What is
# stored must be what went in, byte for byte.
#
#	kind	pcap or lines
#	bytes	of a capture, or n	lines
#	faults	how many
#	of	which, by commas: cut the link, kill the receiver (recv), kill
#		the sensor (d4), both at once, a hole of so many seconds in the
#		link, a stall
#	hole	seconds a hole lasts
#	seconds	the whole should take
#	spool	bytes of it, 0 for none
#	seed	of the random numbers
#
# Says "NAME: ..." with figures; exits 0 when all is right.

use strict;
use warnings;
use FindBin;
use IO::Handle;
use IO::Select;
use IO::Socket::INET;
use Socket qw(SOL_SOCKET SO_LINGER SO_RCVBUF SO_SNDBUF);
use Time::HiRes qw(sleep time);
use lib $FindBin::Bin;
use Ports;

my ($top, $name, @pairs) = @ARGV;
my %o = (kind => 'lines', bytes => 20 << 20, n => 50000, faults => 8,
    of => 'cut,recv,d4,both,hole,stall', hole => 5, seconds => 20,
    spool => 1 << 30, seed => $$, map { split /=/, $_, 2 } @pairs);
my %child;
my $UUID = '0f3c2a9e-5b71-4c8d-9a64-7e2d1b0c9f35';
my $BUFFER = 65536;	# of the relay, each way

srand $o{seed};
$SIG{PIPE} = 'IGNORE';
$SIG{TERM} = $SIG{INT} = sub { exit 1 };
$| = 1;

sub put {
	my ($path, $text) = @_;

	open my $out, '>', $path or die "$path: $!\n";
	print $out $text;
	close $out or die "$path: $!\n";
}

# -- input ------------------------------------------------------------------

sub make_capture {
	my ($left, $n) = ($o{bytes} - 24, 0);
	open my $out, '>:raw', "$name.in" or die "$name.in: $!\n";

	print $out pack 'VvvVVVV', 0xa1b2c3d4, 2, 4, 0, 0, 262144, 1;
	while ($left > 0) {
		my $part = '';
		# Runs of equal packets among others.
		for (1 .. 2000) {
			my $len = 60 + int($n / 7) * 37 % 1400;
			$part .= pack('VVVV', 1795220274 + int($n / 5000), 0,
			    $len, $len) . pack('N', int($n / 7)) .
			    "\x02" x ($len - 4);
			$n++;
		}
		print $out $part;
		$left -= length $part;
	}
	close $out or die "$name.in: $!\n";
}

sub make_lines {
	open my $out, '>:raw', "$name.in" or die "$name.in: $!\n";
	for my $i (1 .. $o{n}) {
		# Every third line as the one before.
		printf $out "%07d a line of a log%s\n", $i - ($i % 3 == 0),
		    $i % 1000 ? '' : ' and more' x 700;
	}
	close $out or die "$name.in: $!\n";
}

# -- processes --------------------------------------------------------------

sub start {
	my ($what, $log, @command) = @_;

	my $pid = fork // die "fork: $!\n";
	if (!$pid) {
		open STDIN, '<', '/dev/null' or die;
		open STDOUT, '>>', $log or die;
		open STDERR, '>&', \*STDOUT or die;
		exec @command or die "$command[0]: $!\n";
	}
	$child{$what} = $pid;
}

# Its status once it is dead.
sub murder {
	my ($what) = @_;

	kill KILL => $child{$what};
	waitpid $child{$what}, 0;
	my $status = $?;
	delete $child{$what};
	return $status;
}

END {
	local $?;
	kill KILL => values %child if %child;
}

# One process for all of the link: commands come by a pipe, a line each.
my ($relay_port, $recv_port) = (free_port(), free_port());
my $control;

sub reset_pair {
	setsockopt $_, SOL_SOCKET, SO_LINGER, pack 'ii', 1, 0 for @_;
	close $_ for @_;
}

sub relay {
	my ($commands) = @_;
	my $listener = IO::Socket::INET->new(LocalAddr => '127.0.0.1',
	    LocalPort => $relay_port, ReuseAddr => 1) or die "relay: $!\n";
	my (@pairs, $hole);

	setsockopt $listener, SOL_SOCKET, SO_RCVBUF, $BUFFER;
	listen $listener, 10;
	$hole = 0;
	for (;;) {
		my $open = time >= $hole;
		my ($r, $w) = ('', '');
		vec($r, fileno $commands, 1) = 1;
		vec($r, fileno $listener, 1) = 1;
		for (@pairs) {
			vec($r, fileno $_->{in}, 1) = 1
			    if $open && $_->{bytes} eq '' && !$_->{end};
			vec($w, fileno $_->{out}, 1) = 1
			    if $open && $_->{bytes} ne '';
			vec($r, fileno $_->{out}, 1) = 1 if $open;
		}
		select $r, $w, undef, $open ? 1 : 0.02;
		if (vec($r, fileno $commands, 1)) {
			my $line = <$commands> // exit;
			if ($line =~ /^hole (.*)/) {
				$hole = time + $1;
			} else {
				reset_pair($_->{in}, $_->{out}) for @pairs;
				@pairs = ();
				next;
			}
		}
		if (vec($r, fileno $listener, 1) &&
		    (my $in = $listener->accept)) {
			my $out = IO::Socket::INET->new(
			    PeerAddr => "127.0.0.1:$recv_port");
			if (!$out) {
				reset_pair($in);
			} else {
				setsockopt $out, SOL_SOCKET, SO_SNDBUF, $BUFFER;
				$_->blocking(0) for $in, $out;
				push @pairs, { in => $in, out => $out,
				    bytes => '', end => 0 };
			}
		}
		my @stay;
		for (@pairs) {
			my $dead = 0;
			if (vec($r, fileno $_->{in}, 1)) {
				my $n = sysread $_->{in}, $_->{bytes}, $BUFFER;
				$dead = 1 if !defined $n && !$!{EAGAIN};
				if (defined $n && $n == 0) {
					$_->{end} = 1;
					shutdown $_->{out}, 1;
				}
			}
			if (!$dead && vec($w, fileno $_->{out}, 1)) {
				my $n = syswrite $_->{out}, $_->{bytes};
				substr $_->{bytes}, 0, $n, '' if defined $n;
				$dead = 1 if !defined $n && !$!{EAGAIN};
			}
			if (!$dead && vec($r, fileno $_->{out}, 1)) {
				my $n = sysread $_->{out}, my $back, 4096;
				$dead = 1 if !defined $n && !$!{EAGAIN};
				# Its end, after ours was said or not.
				if (defined $n && $n == 0) {
					close $_->{in};
					close $_->{out};
					next;
				}
			}
			if ($dead) {
				reset_pair($_->{in}, $_->{out});
			} else {
				push @stay, $_;
			}
		}
		@pairs = @stay;
	}
}

sub start_relay {
	pipe my $r, my $w or die "pipe: $!\n";
	my $pid = fork // die "fork: $!\n";
	if (!$pid) {
		close $w;
		%child = ();
		$SIG{TERM} = $SIG{INT} = 'DEFAULT';
		relay($r);
	}
	close $r;
	$control = $w;
	$control->autoflush(1);
	$child{relay} = $pid;
}

sub start_recv {
	start('recv', "$name.recv.log", "$top/d4-recv/d4-recv", '-v', '-c',
	    "$name.r");
}

sub start_d4 {
	start('d4', "$name.d4.log", "$top/d4/d4", '-v', '--retry', '1',
	    '--rate', int($o{rate}), '-c', "$name.c");
}

sub configure {
	my %d4 = (version => 1, type => $o{kind} eq 'pcap' ? 1 : 8,
	    uuid => $UUID, key => 'a key for these tests', snaplen => 4096,
	    source => "$ENV{PWD}/$name.in",
	    destination => "tcp:127.0.0.1:$relay_port");
	my %recv = (key => $d4{key}, source => "tcp:127.0.0.1:$recv_port",
	    destination => "$ENV{PWD}/$name.s", mode => 'shared-secret',
	    types => '1 8' =~ s/ /\n/r, compress => 'none');

	if ($o{spool}) {
		$d4{spool} = "$ENV{PWD}/$name.spool";
		$d4{spool_size} = $o{spool};
	}
	mkdir "$name.c";
	mkdir "$name.r";
	put("$name.c/$_", "$d4{$_}\n") for keys %d4;
	put("$name.r/$_", "$recv{$_}\n") for keys %recv;
	chmod 0600, "$name.c/key", "$name.r/key";
}

# -- faults -----------------------------------------------------------------

my %fault = (
	cut => sub { print $control "cut\n" },
	recv => sub {
		murder('recv');
		start_recv();
	},
	d4 => sub {
		murder('d4') == 9 or return 0;
		start_d4();
	},
	both => sub {
		my $status = murder('d4');
		murder('recv');
		start_recv();
		$status == 9 or return 0;
		start_d4();
	},
	hole => sub { print $control "hole $o{hole}\n" },
	stall => sub { printf $control "hole %.1f\n", 0.3 + rand 1 },
);

sub ended {
	return waitpid($child{d4}, 1) == $child{d4};
}

sub run {
	my @of = split /,/, $o{of};
	my ($done, %count) = (0);
	my $begin = time;
	my $apart = $o{seconds} / ($o{faults} + 1);
	my $end = $begin + 10 * $o{seconds} + 60 * ($ENV{SLOW} // 1);
	my $over = 0;

	$o{rate} = (-s "$name.in") * 1.1 / $o{seconds};
	start_relay();
	start_recv();
	start_d4();
	while ($done < $o{faults}) {
		my $until = time + rand 2 * $apart;
		sleep 0.02 while time < $until && !($over = ended());
		last if $over;
		my $which = $of[rand @of];
		$count{$which}++;
		$done++;
		if (($fault{$which}->() // 1) eq '0') {
			$over = 1;
			$? = 0;
			last;
		}
	}
	until ($over || ($over = ended())) {
		if (time > $end) {
			print "$name: does not end\n";
			return 0;
		}
		sleep 0.05;
	}
	my $status = $?;
	delete $child{d4};
	kill TERM => $child{recv};
	waitpid $child{recv}, 0;
	delete $child{recv};
	printf "%s: %d faults in %.0f s (%s), d4 %s\n", $name, $done,
	    time - $begin, join(', ', map { "$count{$_} $_" } sort keys %count),
	    $status == 0 ? 'ended well' : "status $status";
	return $status == 0;
}

sub sha {
	my ($path) = @_;

	return (split / /, qx(sha256sum < '$path'))[0];
}

$o{kind} eq 'pcap' ? make_capture() : make_lines();
configure();
my $good = run();
my $joined = qx(perl '$top/t/tool/store.pl' join '$name.s');
my $want = sprintf "%s %d %d %s\n", $UUID =~ tr/-//dr,
    $o{kind} eq 'pcap' ? 1 : 8, -s "$name.in", sha("$name.in");
my $sessions = () = qx(cat '$name.d4.log') =~ /: connected$/mg;
my $gaps = () = qx(cat '$name.recv.log') =~ /gap|diverge/g;
print "$name: $sessions sessions, $gaps gaps said\n";
print "$name: stored $joined$name: wanted $want" if $joined ne $want;
exit !($good && $joined eq $want && $gaps == 0);
