#!/usr/bin/env bash
# SPDX-License-Identifier: ISC
#
# Keys: no process has one in its memory any more when it ends, however it ends;
# none is on a command line, in an environment, in what is said at -vvv; files
# of keys that others can read are refused.

# shellcheck source=t/lib.sh
. "$(dirname "$0")/lib.sh"

META=$TOP/d4-meta/d4-meta
ADMIN=$TOP/d4-admin/d4-admin
STDOUT=$TOP/d4-stdout/d4-stdout
PIBS=$TOP/d4-pibs/d4-pibs
AUTOPSY=$TOP/t/tool/autopsy
PLANTED='planted-secret-1f4e9a7b'
OWN='planted-of-a-sensor-77d2'
PASSWORD='planted-password-c0ffee'

# ---- memory, as each process ends ------------------------------------------

printf '%s\n' "$PLANTED" "$OWN" "$PASSWORD" > patterns
# The last one is in each process: the tool finds what is there.
printf '%s\n' /lib64/ld-linux > control

# ends name status command...: nothing of it is left in any process.
ends() {
	local name=$1 want=$2 got=0
	shift 2
	"$AUTOPSY" report patterns "$@" > out 2> err < "${input:-/dev/null}" ||
	    got=$?
	is "$got $(grep ^found report | sort -u | tr '\n' ' ')" "$want " "$name"
}

# The same of one that has to be told: signals name status signal...
signals() {
	local name=$1 want=$2 sig
	shift 2
	for sig; do
		# It has to be asleep again, or two become one.
		sleep 0.5
		kill -"$sig" "$pid"
	done
	finish "$pid"
	is "$status $(grep ^found report | sort -u | tr '\n' ' ')" "$want " \
	    "$name"
}

# In the background, until the pattern is said.
begins_with() {
	local said=$1
	shift
	"$AUTOPSY" report patterns "$@" > out 2> err < "${input:-/dev/null}" &
	started
	within 30 grep -q -- "$said" err
}

if [ "$(id -u)" -ne 0 ] || [ -n "$SANITIZE" ] ||
    ! "$AUTOPSY" report control "$D4" -V > /dev/null 2>&1; then
	skip 20 'only the superuser sees into what cannot be dumped'
else
	conf c key="$PLANTED" type=3
	grep -q ^found report
	is "$?" 0 'what is there is found'
	echo hello > hello
	input=hello
	ends 'd4: the end of the input' 0 "$D4" -vvv -c c
	ends 'd4 -n' 0 "$D4" -n -c c
	conf c key="$PLANTED" type=3 destination=/dev/full
	ends 'd4: no room' 1 "$D4" -c c
	conf c key="$PLANTED" type=3 destination=tcp:127.0.0.1:1
	ends 'd4: refused' 1 "$D4" --retry 0 -c c
	conf c key="$PLANTED" type=3 snaplen=0
	ends 'd4: another value is wrong' 2 "$D4" -c c
	conf c key="$PLANTED" type=3 source=/nowhere
	ends 'd4: no source' 2 "$D4" -c c
	mkfifo fifo
	conf c key="$PLANTED" type=3 source="$PWD/fifo"
	begins_with confined "$D4" -v -c c
	signals 'd4: SIGTERM' 0 TERM
	for sig in HUP QUIT SEGV ABRT; do
		begins_with confined "$D4" -v -c c
		signals "d4: SIG$sig" $((128 + $(kill -l $sig))) $sig
	done
	# A writer that is stuck: the first is heeded when it can be.
	mkfifo stuck
	exec 6<> stuck
	conf c key="$PLANTED" type=3 destination="$PWD/stuck"
	input=/dev/zero
	begins_with confined "$D4" -v -c c
	signals 'd4: a second SIGTERM' 143 TERM TERM
	exec 6>&-
	input=

	conf_recv r key="$PLANTED"
	"$RECORDS" type=3,data=x,key="$PLANTED" > sealed
	input=sealed
	ends 'd4-recv: a filter' 0 "$RECV" -vvv -c r
	"$RECORDS" type=3,data=x > sealed
	ends 'd4-recv: a refusal' 1 "$RECV" -c r
	input=
	conf_recv r key="$PLANTED" source=tcp:127.0.0.1:0 compress=none \
	    destination="$PWD/store" types=3
	mkdir store
	printf '%s\n' "$OWN" | "$ADMIN" -c r sensor register --stdin "$UUID"
	begins_with 'listening on' "$RECV" -v -c r
	port=$(sed -n 's/.*listening on port //p' err)
	"$RECORDS" type=3,data=x,key="$OWN" |
	    socat -t 5 - "TCP:127.0.0.1:$port"
	ok 'd4-recv: the key of a sensor is used' within 10 \
	    grep -q '1 records' err
	kill -HUP "$pid"
	within 10 grep -q 'taken' err
	signals 'd4-recv: parent, worker, runner of hooks' 0 TERM
	is "$(grep -c '^ended d4-recv' report)" 4 'each was looked at'
	begins_with 'listening on' "$RECV" -v -c r
	signals 'd4-recv: SIGQUIT' 131 QUIT

	conf c key="$PLANTED"
	ends 'd4-meta' 0 "$META" -T 1 -n -c c
	"$RECORDS" type=3,data=x,key="$PLANTED" > sealed
	input=sealed
	ends 'd4-meta -x' 0 "$META" -x -c c
	input=
	conf_recv login key="$PLANTED" redis_password="$PASSWORD" \
	    registry=redis:127.0.0.1:1/1 destination=none \
	    queues=redis:127.0.0.1:1/2 stream=redis:127.0.0.1:1/0
	ends 'd4-admin: no Redis' 1 "$ADMIN" -c login type list
	ends 'd4-recv: no Redis' 1 "$RECV" -c login
	# Whoever is killed as it waits for items has it as well.
	if command -v redis-server > /dev/null; then
		at=$(free_port)
		redis-server --port "$at" --bind 127.0.0.1 --save '' \
		    --requirepass "$PASSWORD" > redis.log 2>&1 &
		started
		within 10 listens_at "$at"
		where=(-p "$at" -u "$UUID" --login login)
		for sig in TERM QUIT; do
			want=0
			[ $sig = TERM ] || want=$((128 + $(kill -l $sig)))
			begins_with confined "$STDOUT" -v -t 3 "${where[@]}"
			signals "d4-stdout: SIG$sig" $want $sig
			begins_with confined "$PIBS" -v -b -f -z 127.0.0.1 \
			    -y 0 "${where[@]}"
			signals "d4-pibs: SIG$sig" $want $sig
		done
	else
		skip 4 'no redis-server here'
	fi
	ends 'd4-admin: a sensor' 0 "$ADMIN" -d store sensor show "$UUID"
	printf '%s\n' "$OWN" > own
	input=own
	ends 'd4-admin: a key' 0 "$ADMIN" -d store sensor key "$UUID" --stdin
	ends 'd4-admin: an export of keys' 0 "$ADMIN" -d store export -o dump
	ok 'which has them' grep -q "$(printf %s "$OWN" | base64)" dump
	input=
fi

# ---- private keys -----------------------------------------------------------

# shellcheck source=t/ca.sh
. "$TOP/t/ca.sh"
if [ "$(id -u)" -ne 0 ] || [ -n "$SANITIZE" ]; then
	skip 2 'only the superuser sees into what cannot be dumped'
else
	authority ca
	certify ca server DNS:localhost,IP:127.0.0.1
	# A line of its PEM, and the number itself as it lies in the file.
	sed -n '/PRIVATE/,/END/p' server.key | sed -n 3p > patterns
	{
		printf hex:
		openssl pkey -in server.key -text -noout |
		    sed -n '/^priv:/,/^pub:/p' | grep '^ ' | tr -d ' :\n'
		echo
	} >> patterns
	conf_recv r source=127.0.0.1:0 compress=none types=3 \
	    destination="$PWD/store.tls"
	cp server.pem r
	begins_with 'listening on' "$RECV" -v -c r
	signals 'd4-recv: the private key of its certificate' 0 TERM
	conf c destination=127.0.0.1:1
	cp ca.crt c/rootCA.crt
	cp server.crt c/client.crt
	cp server.key c/client.key
	ends 'd4: that of its certificate' 1 "$D4" --retry 0 -c c
fi

# ---- what is said, command lines, environments --------------------------------

printf '%s\n' "$PLANTED" "$OWN" "$PASSWORD" > patterns
conf c key="$PLANTED" type=3 destination=tcp:127.0.0.1:1 \
    source="$PWD/fifo"
[ -p fifo ] || mkfifo fifo
conf_recv r key="$PLANTED" source=tcp:127.0.0.1:0 compress=none \
    destination="$PWD/store" types=3
"$D4" -vvv -c c > d4.out 2> d4.err &
started
d4=$pid
"$RECV" -vvv -c r > recv.out 2> recv.err &
started
recv=$pid
within 10 grep -q 'listening on' recv.err
within 10 grep -q 'again in' d4.err
worker=$(pgrep -P "$recv")
for pid in "$d4" "$recv" "$worker"; do
	cat "/proc/$pid/cmdline" "/proc/$pid/environ" 2> /dev/null
done > seen
is "$(grep -ac -f patterns seen)" 0 'no command line or environment has one'
kill -USR1 "$d4" "$recv"
for dir in c r; do
	for program in "$D4" "$RECV" "$META -T 1" "$META -p" "$ADMIN -v"; do
		# shellcheck disable=SC2086 # with its options
		timeout 2 $program -n -vvv -c $dir < /dev/null
		# shellcheck disable=SC2086
		timeout 2 $program -vvv -c $dir type list < /dev/null
	done
done > said 2>&1
kill "$d4" "$recv"
finish "$recv"
finish "$d4"
is "$(cat said d4.err d4.out recv.err recv.out | grep -ac -f patterns)" 0 \
    'nothing that is said'
ok 'which was something' grep -q 'key: 23 bytes' said

# ---- files that others can read ---------------------------------------------

open='can be read or changed by others'
for mode in 604 602 644 666; do
	conf c key="$PLANTED"
	chmod $mode c/key
	refuses "d4: mode $mode" 2 "^d4: c/key: $open \(expected chmod o= c/key" \
	    '' "$D4" -c c
done
for mode in 600 400 640 660; do
	chmod $mode c/key
	run "$D4" -n -c c
	is "$status $(cat err)" '0 ' "d4: mode $mode will do"
done
chmod 644 c/key
run "$D4" -n --insecure-key -c c
is "$status $(cat err)" "0 d4: c/key: $open" '--insecure-key: a warning'
chmod 600 c/key
chmod 777 c
refuses 'a directory of all' 2 \
    '^d4: c/key: can be replaced by others \(expected chmod o-w c/\.' '' \
    "$D4" -n -c c
chmod 700 c
chmod 644 c/key
refuses 'd4-meta' 2 "^d4-meta: c/key: $open" '' "$META" -T 1 -c c
refuses 'd4-meta -k' 2 "^d4-meta: c/key: $open" '' "$META" -x -k c/key
run "$META" --insecure-key -x -k c/key
is "$status $(cat err)" "0 d4-meta: c/key: $open" 'which take it, too'
conf_recv r key="$PLANTED"
chmod 644 r/key
refuses 'd4-recv' 2 "^d4-recv: r/key: $open" '' "$RECV" -c r
run "$RECV" -n --insecure-key -c r
is "$status $(cat err)" "0 d4-recv: r/key: $open" 'and takes it'
conf_recv r key="$PLANTED" redis_password=x destination=none \
    registry=redis:127.0.0.1:1/1 stream=redis:127.0.0.1:1/0
chmod 644 r/redis_password
refuses 'd4-recv: a password' 2 "^d4-recv: r/redis_password: $open" '' \
    "$RECV" -n -c r
refuses 'd4-admin: a password' 2 "^d4-admin: r/redis_password: $open" '' \
    "$ADMIN" -c r type list
conf_recv r source=127.0.0.1:0 destination="$PWD/s"
"$ADMIN" tls init -o r localhost
chmod 644 r/server.pem
refuses 'd4-recv: server.pem' 2 "^d4-recv: r/server.pem: $open" '' \
    "$RECV" -n -c r
chmod 644 r/rootCA.key
refuses 'd4-admin: the authority' 1 "^d4-admin: r/rootCA.key: $open" '' \
    "$ADMIN" tls client --ca r -o client "$UUID"
run "$ADMIN" --insecure-key tls client --ca r -o client "$UUID"
is "$status $(cat err)" "0 d4-admin: r/rootCA.key: $open" 'or takes it'
conf c destination=127.0.0.1:1
cp client/client.crt client/client.key c
chmod 644 c/client.key
refuses 'd4: client.key' 2 "^d4: c/client.key: $open" '' "$D4" -n -c c
"$ADMIN" -d store sensor register "$UUID" > out 2>&1
echo "$OWN" | "$ADMIN" -d store sensor key "$UUID" --stdin > out 2>&1
chmod 644 store/registry/sensors/*/key
run "$ADMIN" -d store sensor key "$UUID" --show
like "$status $(cat err)" "^1 .*/key: $open" 'a key of the registry'
run "$ADMIN" --insecure-key -d store sensor key "$UUID" --show
is "$status" 0 'or taken'
conf c
cp "$TOP/conf.sample/key" c/key
chmod 644 c/key
run "$D4" -n -c c
is "$status $(cat err)" '0 d4: key: is the sample; everybody knows it' \
    'the key of the sample is no secret'

done_testing
