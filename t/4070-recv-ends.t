#!/usr/bin/env bash
# SPDX-License-Identifier: ISC
#
# How sessions end: the answer to a close_notify comes when all is stored,
# clients that say nothing lose nothing, one that is cut off within a record
# loses only that.  Versions and certificates of TLS.

# Checks are reached by their names; $ in quotes is for others to see.
# shellcheck disable=SC2016,SC2119,SC2317

# shellcheck source=t/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=t/tool/collector.sh
. "$TOP/t/tool/collector.sh"

command -v socat > /dev/null || skip_all 'no socat here'

A=0f3c2a9e5b714c8d9a647e2d1b0c9f35

n=0

# What is kept of the sensor as type 3, unfinished files too.
kept() {
	find s -name "*$A*" -path '*[/@]3[/@]*' -type f |
	    while read -r file; do cat "$file"; done | sort
}

kept_is() {
	[ "$(kept)" = "$1" ]
}

fresh() {
	stop
	rm -rf s
	serve
}

client() {
	timeout 20 openssl s_client -quiet -no_ign_eof \
	    -connect "127.0.0.1:$port" "$@" > answer 2>> s_client.log
}

collector
with_tls
serve

# What was answered is stored, whatever happens then.
for i in 1 2 3; do
	sensors -i "$i" -n 3 -t 1,3,5 -b 200000 > sent
	kill -9 "$server" "$(pgrep -P "$server")"
	wait "$server" 2> /dev/null
	serve
	within 5 all_finished
	"$STORE" join s > kept
	sort sent > sorted
	ok 'answered, then killed with -9: it is stored' cmp sorted kept
	rm -rf s/0*
done

fresh
for version in -tls1_2 -tls1_3; do
	(
		"$RECORDS" $'type=3,data=by s_client\n'
		sleep 1
	) | client "$version"
	n=$((n + 1))
	ok "openssl s_client $version, no closing record" within 5 kept_is \
	    "$(yes 'by s_client' | head -n $n)"
done
(
	"$RECORDS" type=3,data=x
	sleep 0.5
) | client -tls1_1 -cipher ALL:@SECLEVEL=0
ok 'TLS 1.1 is refused' within 5 said '127.0.0.1: TLS: '
is "$(openssl s_client -connect "127.0.0.1:$port" < /dev/null 2> /dev/null |
    grep -c 'New Session Ticket\|Session Ticket arrived')" 0 \
    'no tickets, and so no early data'
# d4 itself, the one before it, and a relay.
fresh
conf c type=3 uuid="$UUID" destination="localhost:$port"
cp cert.pem c/rootCA.crt
echo 'by d4' | "$D4" -c c 2> err
ok 'd4' within 5 kept_is 'by d4'
fresh
conf c type=3 uuid="$UUID"
echo 'by a relay' | "$D4" -c c 2> err |
    socat -u - "OPENSSL:localhost:$port,cafile=cert.pem"
ok 'd4 and socat' within 5 kept_is 'by a relay'

# Cut off: what was whole is kept.
fresh
"$RECORDS" $'type=3,data=whole\n' $'type=3,data=half of it\n,cut=4' |
    client
ok 'an end within a record' within 5 said 'stream ends within a record|cut off'
ok 'what was before it is kept' within 5 kept_is whole
fresh
"$SENSORS" -w -t 3 -b 100000 "$port" > sent &
started
ok 'a sensor' within 10 eval 'reg live | grep -q .'
sleep 1
kill -9 "$pid"
wait "$pid" 2> /dev/null
ok 'that dies' within 5 said 'cut off'
ok 'its file is finished' within 5 all_finished
ok 'with all it sent' test "$("$STORE" join s | cut -d ' ' -f 3)" -ge 100000
ok 'and its error noted' within 5 eval \
    'reg facts 00000000-0000-4000-8000-000000000003 | grep -q "^error: cut off"'
stop

# -- certificates of clients --------------------------------------------------

issue() {
	openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
	    -subj "/CN=$2" -keyout "$1.key" -out "$1.csr" 2> err
	openssl x509 -req -in "$1.csr" -CA ca.crt -CAkey ca.key -days 2 \
	    -CAcreateserial ${3:+-extfile "$3"} -out "$1.crt" 2> err
}
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 \
    -subj '/CN=CA of sensors' -keyout ca.key -out ca.crt 2> err
echo "subjectAltName=URI:urn:uuid:$UUID" > san
issue named "$UUID"
issue alternative 'some sensor' san
issue other 22222222-2222-4222-8222-222222222222
collector bind_uuid=yes
with_tls
cp ca.crt r/clientCA.crt
serve
with_cert() {
	(
		"$RECORDS" "type=3,data=$1"$'\n'
		sleep 1
	) | client -cert "$1.crt" -key "$1.key"
}
: > log
"$RECORDS" type=3,data=x | client
ok 'without a certificate' within 5 said '127.0.0.1: TLS: '
with_cert named
ok 'the uuid as common name' within 5 kept_is named
with_cert alternative
ok 'as alternative name' within 5 kept_is $'alternative\nnamed'
: > log
with_cert other
ok 'that of another' within 5 said "certificate is not this sensor's"
stop
is "$status" 0 'exit 0'
is "$(kept)" $'alternative\nnamed' 'nothing of it is kept'

done_testing
