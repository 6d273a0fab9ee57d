#!/usr/bin/perl
# SPDX-License-Identifier: ISC
#
# A Redis server for tests that knows nothing and answers as it is told.
#
#	redis-fake.pl LOG [refuse=WORDS] [extra=N]
#
# Its port is the first line on stdout.  Each command is a line of the log, its
# words' first 60 bytes without newlines between tabs; scripts as they are.
# SMEMBERS is answered with an empty array, SELECT and SET with OK, all else
# with 0.
#
#	refuse	the first command that has these words in it is refused: the
#		line begins with !
#	extra	as many answers more than were asked for, with the tenth command

use strict;
use warnings;
use IO::Socket::INET;

my ($path, @pairs) = @ARGV;
my %o = (refuse => '', extra => 0, map { split /=/, $_, 2 } @pairs);
my $n = 0;

$| = 1;
$SIG{PIPE} = 'IGNORE';
open my $log, '>', $path or die "$path: $!\n";
$log->autoflush(1);
my $listener = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 8)
    or die "listen: $!\n";
print $listener->sockport, "\n";

sub answer {
	my @words = @_;

	for (@words) {
		tr/\n/ /;
		$_ = substr $_, 0, 60 if !/redis\.call/;
	}
	my $line = join "\t", @words;
	if ($o{refuse} ne '' && index($line, $o{refuse}) >= 0) {
		$o{refuse} = '';
		print $log "!$line\n";
		return "-OOM command not allowed when used memory is full\r\n";
	}
	print $log "$line\n";
	my $text = $words[0] eq 'SMEMBERS' ? "*0\r\n" :
	    $words[0] =~ /^(SELECT|SET)$/ ? "+OK\r\n" : ":0\r\n";
	$text .= "+OK\r\n" x $o{extra} if ++$n == 10;
	return $text;
}

while (my $s = $listener->accept) {
	my $line;
	while (defined($line = <$s>) && $line =~ /^\*(\d+)/) {
		my @words;
		for (1 .. $1) {
			my ($len) = (<$s> // '') =~ /^\$(\d+)/ or last;
			read $s, my $word, $len + 2;
			push @words, substr $word, 0, $len;
		}
		syswrite $s, answer(@words);
	}
	print $log "closed\n";
}
