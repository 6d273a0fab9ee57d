#!/usr/bin/perl
# SPDX-License-Identifier: ISC
#
# tls.pl TOP PORT SINK TITLE [PATTERN]: the measurements of tls.sh, in its
# directory, of the commands whose names match; SINK is the sink's pid.

use strict;
use warnings;
use Time::HiRes 'time';

my ($top, $port, $sink, $title, $pattern) = @ARGV;
my $mib = $ENV{BENCH_TLS_MIB} || 1024;
my $runs = $ENV{BENCH_RUNS} || 5;
my $socat = "socat -u STDIN OPENSSL:localhost:$port,verify=1,cafile=s.crt";
my $large = $socat =~ s/-u/-u -b 65536/r;
my @commands = (
	['socat (8 KiB blocks)', "$socat < input"],
	['socat -b 65536', "$large < input"],
	['d4 | socat', "$top/d4/d4 -c conf < input | $socat",
	    destination => 'stdout'],
	['d4 | socat -b 65536', "$top/d4/d4 -c conf < input | $large",
	    destination => 'stdout'],
	['d4, opaque', "$top/d4/d4 -c conf < input", type => 99],
	['d4, lines', "$top/d4/d4 -c conf < input", type => 3],
	['d4, pcap', "$top/d4/d4 -c conf < input", type => 1],
);
@commands = grep { $_->[0] =~ $pattern } @commands if defined $pattern;
my (%times, %cpu, %sink_cpu);

sub put {
	my ($name, $text) = @_;

	open my $out, '>', $name or die "$name: $!\n";
	print $out $text;
	close $out or die "$name: $!\n";
	chmod 0600, $name if $name =~ m{/(key|server\.pem)$};
}

# A capture that is text too: packets of the lines of a log.
sub make_input {
	my $packets = join '', map {
		my $line = sprintf "%08x %s\n", $_ * 2654435761 & 0xffffffff,
		    'a line of a log ' x (2 + $_ % 80);
		pack('VVVV', 1795220274, $_, (length $line) x 2) . $line;
	} 1 .. 1500;
	my $n = int(($mib << 20) / length $packets);

	open my $out, '>:raw', 'input' or die "input: $!\n";
	print $out pack 'VvvVVVV', 0xa1b2c3d4, 2, 4, 0, 0, 262144, 1;
	print $out $packets for 1 .. $n;
	close $out or die "input: $!\n";
}

# Seconds of CPU: of all commands so far, and of the sink.
sub cpu {
	my @commands = times;

	open my $in, '<', "/proc/$sink/stat" or die "sink: $!\n";
	my @stat = split ' ', <$in>;
	return ($commands[2] + $commands[3], ($stat[13] + $stat[14]) / 100);
}

make_input() unless -e 'input';
for my $run (0 .. $runs) {
	for (@commands) {
		my ($name, $command, %value) = @$_;

		%value = (destination => "localhost:$port", type => 1, %value);
		put("conf/$_", "$value{$_}\n") for keys %value;
		my ($begin, @before) = (time, cpu());
		system('sh', '-c', $command) == 0 or die "failed: $command\n";
		# The first run warms the caches.
		next if $run == 0;
		push @{$times{$name}}, time - $begin;
		my @after = cpu();
		push @{$cpu{$name}}, $after[0] - $before[0];
		push @{$sink_cpu{$name}}, $after[1] - $before[1];
	}
}

sub median {
	my @sorted = sort { $a <=> $b } @_;

	return $sorted[@sorted / 2];
}

printf "\nOver TLS on loopback, %s, %d MiB, medians of %d runs in turns\n" .
    "  %-22s %8s %10s %13s %6s\n", $title, $mib, $runs, '', 'MB/s', 'to socat',
    'CPU s per GiB', 'sink';
my $socat_s = median(@{$times{$commands[0][0]}});
for (@commands) {
	my $s = median(@{$times{$_->[0]}});
	my $gib = (-s 'input') / 2**30;

	printf "  %-22s %8.0f %10.2f %13.2f %6.2f\n", $_->[0],
	    (-s 'input') / 1e6 / $s, $socat_s / $s,
	    median(@{$cpu{$_->[0]}}) / $gib,
	    median(@{$sink_cpu{$_->[0]}}) / $gib;
}
