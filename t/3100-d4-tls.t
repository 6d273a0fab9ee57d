#!/usr/bin/env bash
# SPDX-License-Identifier: ISC
#
# d4 over TLS by itself, to servers that are not ours: all of a large capture
# arrives, and no server that is not whom it should be gets a byte.

# shellcheck source=t/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=t/ca.sh
. "$TOP/t/ca.sh"

for tool in socat openssl; do
	command -v "$tool" > /dev/null || skip_all "no $tool here"
done

MIB=200
[ -z "$SANITIZE" ] || MIB=20
[ "$SANITIZE" != valgrind ] || MIB=4

authority ca
authority other
names=DNS:localhost,IP:127.0.0.1
certify ca server "$names"
certify ca wrong DNS:elsewhere.example.org
certify other unknown "$names"
certify ca expired "$names" 20200101000000Z 20200201000000Z
certify ca future "$names" "$(stamp '+2 days')" "$(stamp '+3 days')"
self_signed self "$names"
certify ca client "URI:urn:uuid:$UUID"
ok 'certificates' test -s self.pem -a -s future.pem -a -s client.pem

# A capture of packets of many lengths.
perl -e 'binmode STDOUT;
    print pack "VvvVVVV", 0xa1b2c3d4, 2, 4, 0, 0, 262144, 1;
    my $block = "";
    for my $i (1 .. 1300) {
	my $n = 60 + $i * 37 % 1440;
	$block .= pack("VVVV", 1795220274, $i, $n, $n) .
	    pack("N", $i * 2654435761 & 0xffffffff) x ($n / 4) .
	    "x" x ($n % 4);
    }
    my $n = int((shift() << 20) / length($block)) + 1;
    print $block for 1 .. $n' "$MIB" > input
want=$(sha input)

# server cert [socat-options]: socat, which puts what arrives into sealed.
server() {
	local cert=$1 options=${2:-verify=0}
	port=$(free_port)
	socat -d -d -u "OPENSSL-LISTEN:$port,bind=127.0.0.1,reuseaddr,accept-timeout=60,cert=$cert.pem,$options" \
	    OPEN:sealed,creat,trunc 2> server.log &
	started
	server=$pid
	within 10 listens_at "$port"
}

# sensor [name=value...]: a configuration for a server at the port.
sensor() {
	conf c "destination=localhost:$port" "$@"
	cp ca.crt c/rootCA.crt
}

# arrives name: what is in sealed is the input.
arrives() {
	conf_recv r
	"$RECV" -c r < sealed > received 2> err
	is "$? $(sha received)" "0 $want" "$1"
	rm -f received sealed
}

# ---- all of it arrives ------------------------------------------------------

server server
sensor
run timeout 60 "$D4" -c c < input
is "$status" 0 "$MIB MiB to socat"
is "$(cat err)" '' 'nothing is said'
finish "$server"
arrives 'have arrived'

# It never reads its socket's end and sends session tickets, which nobody
# must leave unread.
port=$(free_port)
openssl s_server -accept "127.0.0.1:$port" -naccept 1 -quiet -cert server.crt \
    -key server.key < /dev/zero > sealed 2> server.log &
started
server=$pid
within 10 listens_at "$port"
sensor
run timeout 60 "$D4" -c c < input
is "$status" 0 "$MIB MiB to openssl s_server"
is "$(cat err)" '' 'nothing is said'
finish "$server"
arrives 'have arrived'

# A slow reader on TLS 1.3 with tickets.
port=$(free_port)
mkfifo slow
openssl s_server -accept "127.0.0.1:$port" -naccept 1 -quiet -cert server.crt \
    -key server.key -tls1_3 -num_tickets 4 < /dev/zero > slow 2> server.log &
started
server=$pid
{ sleep 1; cat; } < slow > sealed &
started
reader=$pid
within 10 listens_at "$port"
head -c 3000000 input > short
sensor
run timeout 60 "$D4" -c c < short
is "$status" 0 'a slow server with session tickets'
finish "$server"
finish "$reader"
conf_recv r
"$RECV" -c r < sealed > received 2> err
ok 'gets the tail too' cmp received short

# d4-recv as the collector: one file of the store.
port=$(free_port)
cp -R "$TOP/conf.sample/collector" collect
printf '%s\n' "127.0.0.1:$port" > collect/source
printf '%s\n' "$KEY" > collect/key
printf 'none\n' > collect/compress
printf '%s\n' "$TMP/store" > collect/destination
chmod 600 collect/key
cp server.pem collect
"$RECV" -c collect 2> server.log &
started
collector=$pid
within 10 listens_at "$port"
sensor
run timeout 60 "$D4" -c c < input
is "$status" 0 "$MIB MiB to d4-recv over TLS"
is "$(cat err)" '' 'nothing is said'
kill "$collector"
finish "$collector"
is "$status $(find store -name '*.cap' -exec cat {} + | sha)" "0 $want" \
    'have arrived in its store'
rm -rf store

# d4-recv behind a relay, tcp: and unix:.
port=$(free_port)
conf_recv r
for where in "tcp:127.0.0.1:$port" "unix:$TMP/socket"; do
	case $where in
	tcp:*) listen=TCP-LISTEN:$port,bind=127.0.0.1,reuseaddr ;;
	*) listen=UNIX-LISTEN:$TMP/socket ;;
	esac
	rm -f between server.log
	mkfifo between
	socat -d -d -u "$listen" STDOUT 2> server.log > between &
	started
	"$RECV" -c r < between > received 2> recv.log &
	started
	collector=$pid
	within 10 grep -q 'listening on' server.log
	conf c "destination=$where"
	run timeout 60 "$D4" -c c < input
	is "$status" 0 "$MIB MiB to d4-recv at ${where%%:*}:"
	finish "$collector"
	is "$status $(sha received)" "0 $want" 'have arrived'
	rm -f received
done

# ---- versions, names, mutual TLS ------------------------------------------------

head -c 100000 input > short

server server verify=0,openssl-min-proto-version=TLS1.2,openssl-max-proto-version=TLS1.2
sensor
run timeout 60 "$D4" -c c --retry 0 < short
is "$status" 0 'TLS 1.2'
finish "$server"

server server verify=0,openssl-min-proto-version=TLS1.3
sensor
run timeout 60 "$D4" -c c --retry 0 < short
is "$status" 0 'TLS 1.3'
finish "$server"

server server
sensor destination="127.0.0.1:$port"
run timeout 60 "$D4" -c c --retry 0 < short
is "$status" 0 'an address in the certificate'
finish "$server"

server server
sensor
rm c/rootCA.crt
SSL_CERT_FILE=$TMP/ca.crt run timeout 60 "$D4" -c c --retry 0 < short
is "$status" 0 'the store of the system'
finish "$server"

# Looked up when d4 is confined: in one of several directories, by a link.
mkdir certs no-certs authorities
cp ca.crt authorities/local.pem
ln -s "$TMP/authorities/local.pem" \
    "certs/$(openssl x509 -in ca.crt -noout -hash).0"
server server
sensor
rm c/rootCA.crt
SSL_CERT_DIR=$TMP/no-certs:$TMP/certs run timeout 60 "$D4" -c c --retry 0 \
    < short
is "$status" 0 'directories of certificates'
finish "$server"

server server verify=1,cafile=ca.crt
sensor
cp client.crt client.key c
run timeout 60 "$D4" -c c --retry 0 < short
is "$status" 0 'a server that asks for our certificate'
finish "$server"
is "$status" 0 'gets it'

server server verify=1,cafile=ca.crt
sensor
run timeout 60 "$D4" -c c --retry 0 < short
is "$status" 1 'without one'
like "$(cat err)" "^d4: localhost:$port: (refused by the peer|cut off|Connection reset|Broken pipe)" \
    'it refuses us'
finish "$server"

# ---- whom not to trust ----------------------------------------------------------

# distrusted cert words: not a byte may go to it.
distrusted() {
	server "$1"
	sensor
	rm -f sealed
	run timeout 60 "$D4" -c c --retry 0 < short
	is "$status $(cat err)" "1 d4: localhost:$port: certificate $2" \
	    "certificate $2"
	kill "$server" 2> /dev/null
	finish "$server"
	ok 'nothing was sent' test ! -s sealed
}

distrusted wrong 'is for another name'
distrusted unknown 'is by an unknown CA'
distrusted expired 'has expired'
distrusted future 'is not yet valid'
distrusted self 'is self-signed'

server self
sensor
run timeout 60 "$D4" -c c --retry 0 --insecure < short
is "$status" 0 '--insecure takes it'
is "$(cat err)" "d4: localhost:$port: the server's certificate is not verified" \
    'and says so'
finish "$server"

# ---- files at fault --------------------------------------------------------------

port=1
sensor
echo nonsense > c/rootCA.crt
refuses 'rootCA.crt without a certificate' 2 '^d4: c/rootCA.crt: ' '' \
    "$D4" -c c
refuses 'the same with -n' 2 '^d4: c/rootCA.crt: ' '' "$D4" -n -c c
sensor
cp client.crt c
refuses 'a certificate without its key' 2 '^d4: c/client.key: missing' '' \
    "$D4" -n -c c
cp server.key c/client.key
refuses 'the key of another' 2 '^d4: c/client.key: the key of another' '' \
    "$D4" -n -c c

done_testing
