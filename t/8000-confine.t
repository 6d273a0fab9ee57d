#!/usr/bin/env bash
# SPDX-License-Identifier: ISC
#
# Each program, once it is confined, tries to break out (t/escape): all that
# succeeds before fails then.  And what they are for goes on as before, by FIFOs,
# descriptors as files, relative names; hooks are as free as they were; d4-recv
# becomes another user for good.

# Checks are reached by their names.
# shellcheck disable=SC2016,SC2317

# shellcheck source=t/lib.sh
. "$(dirname "$0")/lib.sh"

ATTEMPTS=24

# What is beneath the directory of a file is in bounds with it.
mkdir in outside outside/mnt
cd in || exit 1

conf plain
"$D4" -v -c plain < /dev/null > out 2> err
grep -q '^d4: confined: Landlock' err || skip_all 'no Landlock here'
[ -z "$SANITIZE" ] || skip_all 'a sanitizer reads what it likes'
for program in d4 d4-recv d4-stdout d4-meta d4-pibs d4-admin; do
	[ -x "$TOP/$program/$program-escape" ] ||
	    make -s -C "$TOP" "$program/$program-escape" > make.log 2>&1 ||
	    skip_all "$program-escape is not built"
done
abi=$(sed -n 's/.*Landlock ABI \([0-9]*\).*/\1/p' err)

# ---- out of bounds ----------------------------------------------------------

OUTSIDE=$TMP/outside
touch "$OUTSIDE/secret" "$OUTSIDE/cut" "$OUTSIDE/from"
sleep 600 &
started
victim=$pid
elsewhere=$(free_port)
name=d4-escape-$$
perl -MIO::Socket::INET -MSocket -e '
	my $tcp = IO::Socket::INET->new(LocalAddr => "127.0.0.1",
	    LocalPort => $ARGV[0], Listen => 100) or die;
	socket my $unix, AF_UNIX, SOCK_STREAM, 0 or die;
	bind $unix, pack "S a*", AF_UNIX, "\0$ARGV[1]" or die;
	listen $unix, 100;
	sleep 600' "$elsewhere" "$name" &
started
within 10 listens_at "$elsewhere"

# escape name allowed command...: the program with the attempts, and those of
# them that may succeed afterwards (a pattern).  It ends by itself or by SIGTERM.
escape() {
	local what=$1 allowed=$2 program=$TOP/$3/$3-escape before after
	shift 3
	touch "$OUTSIDE/gone.0" "$OUTSIDE/gone.1"
	rm -f tries
	D4_ESCAPE_FD=9 D4_ESCAPE_DIR=$OUTSIDE D4_ESCAPE_PORT=$elsewhere \
	    D4_ESCAPE_NAME=$name D4_ESCAPE_PID=$victim \
	    timeout 60 "$program" "$@" 9> tries 2> err > out < input &
	started
	within 30 eval '[ "$(grep -c ^after tries)" = "$ATTEMPTS" ]'
	after=$(sed -n 's/^after \(.*\): done$/\1/p' tries |
	    grep -Ev "^(${allowed:-nothing})$")
	before=$(sed -n '/: done$/!s/^before //p' tries | grep -v '^dump core')
	# What cannot be dumped has its files in /proc from the superuser.
	[ "$(id -u)" -eq 0 ] ||
	    before=$(grep -v '^\(mount\|ptrace\|read the mem\|read /proc\)' \
		<<< "$before")
	if [ "$abi" -lt 6 ]; then
		after=$(grep -v 'abstract\|signal' <<< "$after")
		[ "$abi" -ge 4 ] ||
		    after=$(grep -v 'connect\|bind' <<< "$after")
	fi
	is "$(grep -c ^after tries) $after" "$ATTEMPTS " \
	    "$what: cannot break out"
	is "$before" '' "$what: could before"
	kill "$pid" 2> kill.err
	finish "$pid"
}

echo hello > input
escape 'd4 to stdout' '' d4 -c plain
is "$("$RECV" -c "$TOP/conf.sample/recv" < out 2>&1 | head -c 100 |
    grep -c 'HMAC')" 1 'which works'

other=$(free_port)
conf net "destination=tcp:127.0.0.1:$other" source="$PWD/fifo"
mkfifo fifo
escape 'd4 over a network' '' d4 --metrics "$PWD/metrics" -c net
ok 'which wrote its figures' test -s metrics
ok 'and no other file there' test ! -e "metrics.$pid"
conf net "destination=tcp:localhost:$other" source=folder:"$PWD/folder/%Y"
escape 'd4 with names to resolve' '' d4 -c net

conf_recv filter
"$D4" -c plain < input > sealed
cp sealed input
escape 'd4-recv as a filter' '' d4-recv -c filter
is "$(cat out)" hello 'which works'

cat > hook << H
#!/bin/sh
echo "\$1 \$(id -u)" >> "$OUTSIDE/hooked"
H
chmod 755 hook
conf_recv collect source=tcp:127.0.0.1:0 destination="$PWD/store" \
    hook="$PWD/hook" compress=none types=$'3\n8' rotate=1
escape 'd4-recv as a collector' '' d4-recv --metrics "$PWD/recv.prom" \
    -c collect
ok 'which made its store' test -d store/registry
conf_recv single destination="$PWD/store" compress=none types=$'3\n8'
escape 'd4-recv from stdin to a store' '' d4-recv -c single

queue=$(uuidgen 2> /dev/null || echo 0f3c2a9e-5b71-4c8d-9a64-7e2d1b0c9f36)
mkdir -p "store/queues/3/$queue"/{new,tmp,hand}
where=(-d "$PWD/store" -t 3 -u "$queue")
escape 'd4-stdout' '' d4-stdout "${where[@]}" -e
escape 'd4-stdout with files' '' d4-stdout "${where[@]}" -f --root store -e
escape 'd4-stdout with any files' \
    'read outside|list outside|open a device|read /proc|read the memory.*' \
    d4-stdout "${where[@]}" -f -e

escape 'd4-meta, a list' '' d4-meta -L
"$RECORDS" type=3,data=x > input
printf '%s\n' "$KEY" > key
chmod 600 key
escape 'd4-meta of a stream' '' d4-meta -x -k key
escape 'd4-meta, telemetry' '' d4-meta -T 1 -c plain -m metrics
like "$("$TOP/d4-meta/d4-meta" -x -k key < out)" '"hmac":"good"' 'which works'

capture=$SHARED/captures/synscan.pcap
[ -f "$capture" ] || capture=$(find "$SHARED/captures" -name '*.pcap' |
    sort | head -n 1)
escape 'd4-pibs of a file' '' d4-pibs -s -r "$capture" --state state
ok 'which kept its state' test -s state
escape 'd4-pibs of a queue' \
    'read outside|list outside|open a device|read /proc|read the memory.*' \
    d4-pibs -s -d "store/queues/3/$queue"

escape 'd4-admin' '' d4-admin -d store sensor list
conf_recv new destination="$PWD/new.store"
escape 'd4-admin that makes a store' '' d4-admin -c new sensor block "$UUID"
ok 'which is there' test -d new.store/registry/blocks
escape 'd4-admin with files of its own' '' d4-admin tls init -o authority
ok 'which wrote them' test -s authority/server.pem

# ---- as before --------------------------------------------------------------

conf c source=/dev/stdin destination=/dev/stdout
is "$(echo hello | "$D4" -c c | "$RECV" -c filter)" hello \
    '/dev/stdin, /dev/stdout'
exec 8< <(echo hello)
conf c source=/dev/fd/8
is "$("$D4" -c c | "$RECV" -c filter)" hello 'a process substitution'
exec 8<&-
"$RECORDS" type=2,data='{"type":"ja3-jl"}' type=254,data=data > input
is "$("$RECV" -M /dev/fd/7 -c filter < input 7> meta)" data \
    'a meta header into a descriptor'
is "$(cat meta)" '{"type":"ja3-jl"}' 'which has it'
"$RECV" -M meta.2 -c filter < input > out
ok 'into a relative name' cmp meta meta.2
mkdir "$OUTSIDE/folder"
ln -s "$OUTSIDE/folder" folder.link
conf c source="folder:$PWD/folder.link" destination="$PWD/linked"
"$D4" -v -c c 2> err &
started
within 10 grep -q confined err
echo 'by a link' > "$OUTSIDE/folder/file"
ok 'a folder that a link leads to' within 10 test -s linked
kill "$pid"
finish "$pid"
is "$("$RECV" -c filter < linked | base64 -d)" 'by a link' 'and its file'
echo 'd4_up 1' > "$OUTSIDE/d4.prom"
ln -s "$OUTSIDE/d4.prom" d4.prom
"$TOP/d4-meta/d4-meta" -T 1 -m d4.prom -c plain > out 2> err &
started
ok 'figures that a link leads to' within 10 grep -aq '"d4_up":1' out
kill "$pid"
finish "$pid"
"$TOP/d4-pibs/d4-pibs" -b -r <(cat "$capture") > lines.1
"$TOP/d4-pibs/d4-pibs" -b -r "$capture" > lines.2
ok 'd4-pibs reads a process substitution' cmp lines.1 lines.2

# ---- hooks ------------------------------------------------------------------

begin() {
	: > log
	"$RECV" -v -c collect 2>> log &
	started
	within 10 grep -q 'listening on' log
	port=$(sed -n 's/.*listening on port //p' log | tail -n 1)
}
tell() {
	"$RECORDS" "$@" | socat -t 5 - "TCP:127.0.0.1:$port" > answer
}
begin
grep -o 'confined: .*' log > words
like "$(cat words)" "no exec; read collect; .*write $PWD/store" '-v says what holds'
tell $'type=3,data=one\n'
ok 'a hook does what others may not' within 10 grep -q . "$OUTSIDE/hooked"
cat > hook2 << H
#!/bin/sh
echo "second \$1" >> "$OUTSIDE/hooked"
H
chmod 755 hook2
echo "$PWD/hook2" > collect/hook
kill -HUP "$pid"
ok 'SIGHUP' within 10 grep -q 'collect: taken' log
tell $'type=3,data=two\n'
ok 'another hook after a reload' within 10 grep -q '^second' "$OUTSIDE/hooked"
rm collect/hook
kill -HUP "$pid"
ok 'SIGHUP again' within 10 eval '[ "$(grep -c "collect: taken" log)" -ge 2 ]'
worker=$(pgrep -P "$pid")
is "$(grep -c '' <<< "$worker")" 1 'the runner is no worker'
is "$(awk '/^NoNewPrivs|^Seccomp:/ { print $2 }' "/proc/$worker/status" |
    tr '\n' ' ')" '1 2 ' 'a worker is confined'
kill "$pid"
finish "$pid"
is "$status" 0 'exit 0'
hooked=$(grep -c '' "$OUTSIDE/hooked")
is "$hooked" 2 'no hook: none is run'

# ---- another user -----------------------------------------------------------

if [ "$(id -u)" -ne 0 ] || ! id nobody > /dev/null 2>&1; then
	skip 9 'only the superuser becomes another'
	done_testing
fi
chmod 755 "$TMP" "$PWD"
mkdir -m 777 of-nobody
echo nobody > collect/user
echo "$PWD/of-nobody/store" > collect/destination
echo "$PWD/hook" > collect/hook
rm -f "$OUTSIDE/hooked"
chmod 777 "$OUTSIDE"
begin
worker=$(pgrep -P "$pid")
ids=$(id -u nobody)
is "$(awk '/^[UG]id:/ { print $2, $3, $4, $5 }' "/proc/$pid/status" \
    "/proc/$worker/status" | sort -u | tr ' ' '\n' | sort -u | tr '\n' ' ')" \
    "$( (echo "$ids"; id -g nobody) | sort -u | tr '\n' ' ')" \
    'all of their users and groups are that one'"'"'s'
is "$(awk '/^Groups:/ { $1 = ""; print }' "/proc/$worker/status" | xargs)" \
    "$(id -G nobody)" 'and no others'
is "$(stat -c %U of-nobody/store)" nobody 'the store is made by it'
tell $'type=3,data=one\n'
ok 'a hook is run' within 10 grep -q . "$OUTSIDE/hooked"
like "$(cat "$OUTSIDE/hooked")" " $ids$" 'as that user, too'
: > log
kill -HUP "$pid"
ok 'a key of the superuser cannot be read again' within 10 \
    grep -q 'collect/key: cannot be read by the user we are now' log
ok 'the rest is taken' within 10 grep -q 'collect: taken' log
tell $'type=3,data=two\n'
ok 'and the old key holds' within 10 eval \
    '[ "$(find of-nobody/store -name "*.txt" | wc -l)" = 2 ]'
kill "$pid"
finish "$pid"
is "$status" 0 'exit 0'
echo nobody-at-all > collect/user
for check in '' -n; do
	refuses "no such user $check" 2 'user: nobody-at-all: no such user' '' \
	    "$RECV" $check -c collect
done

done_testing
