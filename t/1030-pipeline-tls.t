#!/usr/bin/env bash
# SPDX-License-Identifier: ISC
#
# d4 | socat | socat | d4-recv over TLS on loopback, the server's certificate
# verified.

# shellcheck source=t/lib.sh
. "$(dirname "$0")/lib.sh"

for tool in socat openssl; do
	command -v "$tool" > /dev/null || skip_all "no $tool here"
done

conf c
conf_recv r
noise 3000000 > input

# A CA and a server that it vouches for.
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 \
    -subj '/CN=test CA' -keyout ca.key -out ca.crt 2> err
openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
    -subj '/CN=localhost' -keyout s.key -out s.csr 2>> err
printf 'subjectAltName=DNS:localhost,IP:127.0.0.1\n' > ext
openssl x509 -req -in s.csr -CA ca.crt -CAkey ca.key -CAcreateserial \
    -days 2 -extfile ext -out s.crt 2>> err
ok 'certificates' test -s s.crt

# What arrives goes through d4-recv to the file received.
serve() {
	local listen
	port=$(free_port)
	listen=OPENSSL-LISTEN:$port,bind=127.0.0.1,verify=0,accept-timeout=30
	rm -f received socat.log
	mkfifo "between.$port"
	socat -d -d -u "$listen,cert=s.crt,key=s.key" STDOUT \
	    2> socat.log > "between.$port" &
	started
	"$RECV" -v -c r < "between.$port" > received 2> recv.log &
	started
	server=$pid
	ok 'the server listens' within 10 grep -q 'listening on' socat.log
}

serve
"$D4" -c c < input 2> err |
    socat -u STDIN "OPENSSL:localhost:$port,verify=1,cafile=ca.crt" 2>> err
is "${PIPESTATUS[*]}" '0 0' 'd4 and the relay'
finish "$server"
is "$status" 0 'd4-recv'
ok 'the bytes arrive' cmp received input
like "$(cat recv.log)" \
    "uuid $UUID, type 1 \(pcap\), [0-9]+ records, 3000000 bytes" \
    '-v tells of the session'

# Without the CA nothing may go out, and d4 says that its reader is gone.
serve
"$D4" -c c < input 2> err |
    socat -u STDIN "OPENSSL:localhost:$port,verify=1" 2> relay.log
is "${PIPESTATUS[*]}" '1 1' 'a server that nobody vouches for'
like "$(cat err)" '^d4: stdout: Broken pipe$' 'd4 says so'
finish "$server"
is "$(wc -c < received)" 0 'not a byte arrives'

done_testing
