#!/usr/bin/env bash
# SPDX-License-Identifier: ISC
#
# The certificates that d4-admin makes are what openssl(1) takes for good, and
# their files for whom they are.

# Checks are reached by their names.
# shellcheck disable=SC2317

# shellcheck source=t/lib.sh
. "$(dirname "$0")/lib.sh"
command -v openssl > /dev/null || skip_all 'no openssl'

ADMIN=$TOP/d4-admin/d4-admin
OTHER=1f3c2a9e-5b71-4c8d-9a64-7e2d1b0c9f35

admin() {
	run timeout 30 "$ADMIN" "$@"
}

x509() {
	openssl x509 -noout -in "$@"
}

# ends file days: within a minute of so many days from now.
ends() {
	x509 "$1" -checkend $(($2 * 86400 - 60)) > said &&
	    ! x509 "$1" -checkend $(($2 * 86400 + 60)) > said
}

is_p256() {
	x509 "$1" -text > text && grep -q 'ASN1 OID: prime256v1' text
}

# same_key certificate key: they belong together.
same_key() {
	[ "$(x509 "$1" -pubkey)" = "$(openssl pkey -in "$2" -pubout)" ]
}

names() {
	x509 "$1" -ext subjectAltName | sed -n 's/^ *\(DNS\|IP\)/\1/p'
}

# -- init -----------------------------------------------------------------------

(umask 0; exec "$ADMIN" tls init -o ca collector.example.org '*.example.org' \
    192.0.2.1 2001:db8::1)
is "$?" 0 'tls init'
is "$(cd ca && stat -c '%n %a' ./*)" './clientCA.crt 644
./rootCA.crt 644
./rootCA.key 600
./server.pem 600' 'keys are for their owner alone, whatever the umask'
is "$(names ca/server.pem)" 'DNS:collector.example.org, DNS:*.example.org, '\
'IP Address:192.0.2.1, IP Address:2001:DB8:0:0:0:0:0:1' 'all its names'
ok 'of an elliptic curve' is_p256 ca/server.pem
ok 'so is the authority' is_p256 ca/rootCA.crt
ok 'the server for 825 days' ends ca/server.pem 825
ok 'the authority for 10 years' ends ca/rootCA.crt 3650
for i in '-verify_hostname collector.example.org' '-verify_ip 2001:db8::1' \
    '-verify_hostname a.example.org' '-x509_strict'; do
	# shellcheck disable=SC2086
	ok "openssl takes it: $i" openssl verify -CAfile ca/rootCA.crt \
	    -purpose sslserver $i ca/server.pem
done
run openssl verify -CAfile ca/rootCA.crt -purpose sslclient ca/server.pem
is "$((status > 0))" 1 'it is no client'
run openssl verify -CAfile ca/rootCA.crt -verify_hostname example.com \
    ca/server.pem
is "$((status > 0))" 1 'nor of another name'
ok 'the key is its own' same_key ca/server.pem ca/server.pem
ok 'the authority has its own' same_key ca/rootCA.crt ca/rootCA.key
admin tls init -o ca x
is "$status" 1 'nothing is overwritten'
rm ca/rootCA.key ca/server.pem
admin tls init -o ca x
is "$status $(ls ca)" $'1 clientCA.crt\nrootCA.crt' \
    'and nothing is made beside what is there'
mkdir empty
(cd empty && exec timeout 30 "$ADMIN" tls init)
is "$? $(names empty/server.pem | grep -c DNS:localhost)" '0 1' \
    'without names for localhost'

# -- client ---------------------------------------------------------------------

admin tls init -o conf collector.example.org
admin tls client --ca conf -o sensor "${UUID//-/}"
is "$status $(cat out err)" '0 ' 'tls client'
is "$(cd sensor && stat -c '%n %a' ./*)" $'./client.crt 644\n./client.key 600' \
    'its files'
is "$(x509 sensor/client.crt -subject -nameopt multiline | sed -n \
    's/.*commonName *= //p')" "$UUID" 'its common name is the uuid'
ok 'openssl takes it' openssl verify -CAfile conf/clientCA.crt \
    -purpose sslclient -x509_strict sensor/client.crt
run openssl verify -CAfile conf/rootCA.crt -purpose sslserver sensor/client.crt
is "$((status > 0))" 1 'it is no server'
ok 'of an elliptic curve, too' is_p256 sensor/client.crt
ok 'for 825 days' ends sensor/client.crt 825
ok 'with its key' same_key sensor/client.crt sensor/client.key
admin tls client --ca conf -o sensor $UUID
is "$status" 1 'nothing is overwritten here either'
admin tls client --ca conf $UUID
is "$status $(stat -c %a $UUID.key)" '0 600' 'or here by its uuid'
admin tls client --ca empty -o nothing 00000000-0000-1000-8000-000000000000
is "$status" 2 'a uuid of another version'
ok 'makes nothing' test ! -e nothing
admin tls client --ca nowhere $UUID
like "$status $(cat err)" '^1 d4-admin: nowhere/rootCA.key: No such file' \
    'no authority'

# -- renew ----------------------------------------------------------------------

# What a collector that is not the superuser needs to read it.
chmod 640 conf/server.pem
owner=$(id -u)
if [ "$owner" = 0 ]; then
	chown 65534:65534 conf/server.pem sensor/client.crt
	owner=65534
fi
cp conf/server.pem before
admin -c nowhere tls renew
is "$status" 2 'no configuration'
admin tls renew --ca conf -o conf
is "$status $(cat out err)" '0 ' 'tls renew'
ok 'the one before is kept' cmp before conf/server.pem.2*
ok 'another is there' test "$(x509 before -serial)" != \
    "$(x509 conf/server.pem -serial)"
ok 'with the same key' same_key before conf/server.pem
is "$(names conf/server.pem)" "$(names before)" 'and names'
is "$(stat -c '%a %u' conf/server.pem)" "640 $owner" \
    'for whom could read the one before'
ok 'openssl takes it' openssl verify -CAfile conf/rootCA.crt \
    -purpose sslserver -verify_hostname collector.example.org conf/server.pem
cp sensor/client.crt before
cp sensor/client.key key
admin tls renew --ca conf -o sensor $UUID
is "$status $(cat out err)" '0 ' 'of a sensor'
ok 'its key is as it was' cmp key sensor/client.key
ok 'openssl takes that, too' openssl verify -CAfile conf/rootCA.crt \
    -purpose sslclient sensor/client.crt
ok 'it is another' test "$(x509 before -serial)" != \
    "$(x509 sensor/client.crt -serial)"
is "$(stat -c '%a %u' sensor/client.crt)" "644 $owner" 'its owner is the same'
admin tls renew --ca conf -o sensor $OTHER
like "$status $(cat err)" '^1 .*is of another than' 'of another sensor'

# -- for whom -------------------------------------------------------------------

if [ "$(id -u)" = 0 ]; then
	mkdir theirs
	chown 65534:65534 theirs
	admin tls init -o theirs x
	is "$status $(find theirs ! -user 65534)" '0 ' \
	    'the superuser makes them for whom the directory belongs to'
else
	skip 1 'not the superuser'
fi
done_testing
