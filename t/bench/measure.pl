#!/usr/bin/perl
# SPDX-License-Identifier: ISC
#
# measure.pl TOP DIR: the benchmark itself, see run.sh.  DIR is where it works.
#
# Every figure is the median of several runs.  Commands that are compared run
# in turns, so that what else the machine does meets them alike, and each is
# the middle of a pipe from cat to cat, so that cat in its place is the most
# that could be had.

use strict;
use warnings;
use Cwd 'abs_path';
use IPC::Open2;
use JSON::PP;
use Time::HiRes 'time';

my ($top, $dir) = @ARGV;
my $mib = $ENV{BENCH_MIB} || 1024;
my $runs = $ENV{BENCH_RUNS} || 5;
my $json = $ENV{BENCH_JSON};
my $peer = $ENV{PEER} && abs_path($ENV{PEER});
my $bytes = $mib << 20;
my @snaplens = (128, 512, 4096, 65535);
my ($d4, $recv) = ("$top/d4/d4", "$top/d4-recv/d4-recv");

# A relative name is meant from where make was called.
$json = Cwd::getcwd() . "/$json" if $json && $json !~ m{^/};
chdir $dir or die "$dir: $!\n";
$| = 1;

sub median {
	my @sorted = sort { $a <=> $b } @_;
	return $sorted[@sorted / 2];
}

sub configure {
	my ($name, $snaplen) = @_;

	system('cp', '-r', "$top/conf.sample", $name) == 0 or exit 1;
	put("$name/snaplen", "$snaplen\n");
	put("$name/uuid", "0f3c2a9e-5b71-4c8d-9a64-7e2d1b0c9f35\n");
}

sub put {
	my ($name, $text) = @_;

	open my $out, '>', $name or die "$name: $!\n";
	print $out $text;
	close $out or die "$name: $!\n";
	chmod 0600, $name if $name =~ m{/(key|server\.pem)$};
}

# Text-like data: neither zeros nor noise, and no reader compresses it.
sub make_input {
	my $block = join '', map { sprintf "%08x line %d of a log\n",
	    $_ * 2654435761 & 0xffffffff, $_ } 1 .. 40000;

	$block = substr $block, 0, 1 << 20;
	open my $out, '>', 'input' or die "input: $!\n";
	print $out $block for 1 .. $mib;
	close $out or die "input: $!\n";
}

# Seconds that a shell command takes; each part of a pipe has to succeed.
sub seconds {
	my ($command) = @_;
	my $begin = time;

	system('bash', '-o', 'pipefail', '-c', $command) == 0
	    or die "failed: $command\n";
	return time - $begin;
}

# Runs commands, [name, command], in turns.  Returns name => median seconds.
sub measure {
	my %times;

	for (0 .. $runs) {
		for my $c (@_) {
			my $t = seconds($c->[1]);
			# The first turn fills caches.
			push @{$times{$c->[0]}}, $t if $_ > 0;
		}
	}
	return map { $_ => median(@{$times{$_}}) } keys %times;
}

# The middle of a pipe from a file to nowhere.
sub between {
	my ($file, $command) = @_;

	return "cat $file | $command | cat > /dev/null";
}

# ---- what is measured -------------------------------------------------------

my @rows;	# of the JSON, and of the table

sub report {
	my (%row) = @_;

	$row{mb_per_s} = $bytes / 1e6 / $row{seconds};
	push @rows, \%row;
	printf "  %-8s %-9s %-22s %8.0f %10.2f%s\n", $row{snaplen} // '-',
	    $row{program}, $row{hmac} // '', $row{mb_per_s}, $row{ratio},
	    $row{records_per_s} ? sprintf ' %12.0f', $row{records_per_s} : '';
}

sub pipelines {
	my %t = measure(
	    ['cat', between('input', 'cat')],
	    ['d4', between('input', "$d4 -c conf.4096")],
	    ['d4 | d4-recv', between('input',
		"$d4 -c conf.4096 | $recv -c conf.4096/recv")]);
	my @pipes;

	print "\nThe pipeline, snaplen 4096, beside cat | cat | cat\n";
	for my $middle ('cat', 'd4', 'd4 | d4-recv') {
		my $ratio = $t{cat} / $t{$middle};
		printf "  cat | %-12s | cat > /dev/null %8.0f MB/s %6.2f\n",
		    $middle, $bytes / 1e6 / $t{$middle}, $ratio;
		push @pipes, { middle => $middle, seconds => $t{$middle},
		    ratio => $ratio };
	}
	return \@pipes;
}

# The time of one line through d4 | d4-recv with the pipe left open.
sub latency {
	my $pid = open2(my $from, my $to, 'sh', '-c',
	    "exec $d4 -c conf.4096 | $recv -c conf.4096/recv");
	my @ms;

	for (1 .. 201) {
		my $line = "line $_ of a log that nobody waits for\n";
		my ($begin, $got) = (time, '');

		syswrite $to, $line;
		while (length $got < length $line) {
			sysread $from, $got, 4096, length $got
			    or die "d4 | d4-recv ended early\n";
		}
		push @ms, 1000 * (time - $begin);
		select undef, undef, undef, 0.002;
	}
	close $to;
	waitpid $pid, 0;
	shift @ms;
	@ms = sort { $a <=> $b } @ms;
	printf "\nA line through d4 | d4-recv, pipe left open, 200 lines\n" .
	    "  median %.3f ms, 99 in 100 below %.3f ms, worst %.3f ms\n",
	    $ms[100], $ms[197], $ms[199];
	return { median_ms => $ms[100], p99_ms => $ms[197],
	    worst_ms => $ms[199] };
}

# The engine that d4 chooses, in its own words.
sub engine {
	my $said = `$d4 -vv -c conf.4096 2>&1 >/dev/null </dev/null`;

	return $said =~ /^d4: HMAC by (.*)$/m ? $1 : 'unknown';
}

sub by_snaplen {
	my ($snaplen, $engine) = @_;
	my $conf = "conf.$snaplen";
	my @ours = ([$engine, '']);
	my @commands = (['cat', between('input', 'cat')],
	    ['sealed cat', between('sealed', 'cat')]);

	push @ours, ['openssl', 'D4_MAC=openssl '] if $engine ne 'openssl';
	seconds("$d4 -c $conf < input > sealed");
	for (@ours) {
		my ($hmac, $env) = @$_;
		push @commands, ["d4 $hmac", between('input',
		    "$env$d4 -c $conf")], ["d4-recv $hmac",
		    between('sealed', "$env$recv -c $conf/recv")];
	}
	push @commands, ['peer', between('input', "$peer -c $conf")]
	    if $peer;
	my %t = measure(@commands);
	my $records = int(($bytes + $snaplen - 1) / $snaplen);
	for my $program ('d4', 'd4-recv') {
		my $cat = $program eq 'd4' ? 'cat' : 'sealed cat';
		for (@ours) {
			my $t = $t{"$program $_->[0]"};
			report(snaplen => $snaplen, program => $program,
			    hmac => $_->[0], seconds => $t,
			    ratio => $t{$cat} / $t,
			    records_per_s => $records / $t);
		}
		report(snaplen => $snaplen, program => 'peer',
		    hmac => $peer, seconds => $t{peer},
		    ratio => $t{cat} / $t{peer},
		    records_per_s => $records / $t{peer})
		    if $peer && $program eq 'd4';
	}
	unlink 'sealed';
}

# What one HMAC over all of it takes, without records and output.
sub digest {
	my %t = measure(['cat', between('input', 'cat')],
	    ['dgst', between('input',
	    'openssl dgst -sha256 -mac HMAC -macopt key:secret')]);

	report(program => 'openssl', hmac => 'dgst -mac HMAC',
	    seconds => $t{dgst}, ratio => $t{cat} / $t{dgst});
}

sub cpu {
	open my $in, '<', '/proc/cpuinfo' or return 'unknown';
	my @names = map { /^model name\s*:\s*(.*)/ ? $1 : () } <$in>;

	return @names ? sprintf('%d x %s', scalar @names, $names[0])
	    : 'unknown';
}

configure("conf.$_", $_) for @snaplens;
make_input();
my $engine = engine();
printf "%s; %d MiB, medians of %d runs in turns; HMAC by %s\n", cpu(), $mib,
    $runs, $engine;
my $pipes = pipelines();
my $latency = latency();
printf "\n  %-8s %-9s %-22s %8s %10s %12s\n", 'snaplen', 'program', 'HMAC by',
    'MB/s', 'to cat', 'records/s';
by_snaplen($_, $engine) for @snaplens;
digest();
put($json, JSON::PP->new->canonical->pretty->encode({
    cpu => cpu(), engine => $engine, input_bytes => $bytes, runs => $runs,
    pipelines => $pipes, latency => $latency, rows => \@rows })) if $json;
