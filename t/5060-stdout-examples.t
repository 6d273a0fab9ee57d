#!/usr/bin/env bash
# SPDX-License-Identifier: ISC
#
# The exports on the page d4-examples(7) work as they are printed there, but for
# hosts, ports and paths.

# Conditions are for within to try; some functions are called by others.
# shellcheck disable=SC2016,SC2119,SC2317

# shellcheck source=t/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=t/stdout.sh
. "$TOP/t/stdout.sh"
command -v socat > /dev/null || skip_all 'no socat'
backend dir
PATH=$TOP/d4-stdout:$TOP/d4:$PATH
export QUEUE=$Q
port=$(free_port)

# example heading: the commands beneath it on the page, for this machine.
example() {
	perl -e 'my ($heading, $tmp, $port) = @ARGV;
	    my ($there, $in);
	    while (<STDIN>) {
		$there = $1 eq $heading if /^\.S[hs] (.*)/;
		$in = 1, next if $there && /^\.Bd -literal/;
		exit if $in && /^\.Ed/;
		next unless $in;
		s/\\e/\\/g;
		s|/var/d4|$tmp/store|;
		s/loghost --port 514/127.0.0.1 --port $port/;
		s/analyst:\d+/127.0.0.1:$port/;
		s|/run/analyst.sock|$tmp/analyst.sock|;
		print;
	    }' "$1" "$TMP" "$port" < "$TOP/man/d4-examples.7"
}

received() {
	grep -q "$1" got
}

# export heading cmd...: what the command receives from the example.
export_to() {
	local heading=$1 server client
	shift
	rm -f got
	"$@" > got 2> server.err &
	started
	server=$pid
	sleep 0.5
	example "$heading" > example.sh
	setsid bash example.sh 2> err &
	started
	client=$pid
	push "first $heading" 'second one'
	ok "$heading: what waits arrives" within 10 received 'second one'
	sleep 0.2
	push third
	ok "$heading: and what comes later" within 10 received third
	is "$(waiting) $(cat err)" '0 ' "$heading: nothing to complain of"
	kill -- "-$client" 2> /dev/null
	finish "$client"
	kill "$server" 2> /dev/null
	finish "$server"
}

is "$(grep -c '^\.Ss' "$TOP/man/d4-examples.7")" 6 'each export is tested'

# Each message of a datagram server on a line of its own, in brackets.
datagrams='my $unix = $ARGV[0] =~ m|/|;
    socket(my $s, $unix ? AF_UNIX : AF_INET, SOCK_DGRAM, 0) or die;
    bind $s, $unix ? pack_sockaddr_un($ARGV[0]) :
	pack_sockaddr_in($ARGV[0], INADDR_LOOPBACK) or die;
    $| = 1;
    while (defined recv $s, my $m, 65536, 0) { print "[$m]\n" }'

if command -v logger > /dev/null; then
	export_to 'To syslog' perl -MSocket -e "$datagrams" "$port"
	is "$(grep -c '^\[<[0-9]*>.* d4' got)" 3 'syslog: a datagram each'
else
	skip 4 'no logger'
fi
export_to 'Over TCP' socat -u "TCP-LISTEN:$port,bind=127.0.0.1,reuseaddr" -
is "$(tr '\n' . < got)" 'first Over TCP.second one.third.' 'TCP: lines'

openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out ca.pem \
    -days 2 -subj /CN=127.0.0.1 -addext 'subjectAltName=IP:127.0.0.1' \
    2> /dev/null
cat key.pem ca.pem > server.pem
export_to 'Over TLS' socat -u \
    "OPENSSL-LISTEN:$port,bind=127.0.0.1,reuseaddr,cert=server.pem,verify=0" -
is "$(tr '\n' . < got)" 'first Over TLS.second one.third.' 'TLS: lines'

export_to 'Over UDP' perl -MSocket -e "$datagrams" "$port"
is "$(tr '\n' . < got)" '[first Over UDP.].[second one.].[third.].' \
    'UDP: a datagram each, with a newline'
export_to 'To a unix socket' perl -MSocket -e "$datagrams" "$TMP/analyst.sock"
is "$(tr '\n' . < got)" '[first To a unix socket].[second one].[third].' \
    'unix socket: a datagram each, without'

conf relay.conf type=3 "destination=tcp:127.0.0.1:$port"
conf_recv recv.conf
# Not by itself: it ends with its standard input.
export_to 'To another collector' bash -c "socat -u \
    TCP-LISTEN:$port,bind=127.0.0.1,reuseaddr - | '$RECV' -c recv.conf"
is "$(tr '\n' . < got)" 'first To another collector.second one.third.' \
    'another collector: lines'

done_testing
