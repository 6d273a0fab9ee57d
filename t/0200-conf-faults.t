#!/usr/bin/env bash
# SPDX-License-Identifier: ISC
#
# Every value of a configuration wrongly given: exit 2 before a byte is read,
# exactly one line, which names the file and says what was expected.

# shellcheck source=t/lib.sh
. "$(dirname "$0")/lib.sh"

# The programs as nobody runs them, who is stopped by a file's mode.
mkdir bin
cp "$D4" "$RECV" bin
chmod 755 "$TMP" bin
# shellcheck disable=SC2317 # called by run
as_nobody() {
	if [ "$(id -u)" -eq 0 ]; then
		setpriv --reuid=65534 --regid=65534 --clear-groups "$@"
	else
		"$@"
	fi
}

echo 'not to be read' > input

# wrong program value what: runs it with that value as the caller made it.
wrong() {
	local program=$1 value=$2 what=$3
	run as_nobody timeout 10 "bin/$program" -c c < input
	if [ "$status" = 2 ] && [ "$(lines err)" = 1 ] && [ ! -s out ] &&
	    [[ $(cat err) =~ ^$program:\ c/$value:\ .+\ \(expected\ .+\)$ ]]
	then
		pass "$program: $value $what"
	else
		fail "$program: $value $what" "exit $status" \
		    "stdout: $(head -c 100 out | cat -v)"
	fi
}

fresh() {
	if [ "$1" = d4 ]; then
		conf c
	else
		conf_recv c
	fi
	chmod -R a+rX c
	# Its own alone, or d4 warns of it.
	[ "$(id -u)" -ne 0 ] || chown 65534 c/key
	chmod 600 c/key
}

# each program value right: the faults that any value may have.  right is a
# line that would do.
each() {
	local program=$1 value=$2 right=$3

	fresh "$program"
	if [ "$value" != uuid ]; then
		rm "c/$value"
		wrong "$program" "$value" 'missing'
		: > "c/$value"
		wrong "$program" "$value" 'empty'
		printf '\n' > "c/$value"
		wrong "$program" "$value" 'a newline'
		printf '\r\n' > "c/$value"
		wrong "$program" "$value" 'CR LF'
	fi
	rm -f "c/$value"
	mkdir "c/$value"
	wrong "$program" "$value" 'a directory'
	rmdir "c/$value"
	mkfifo "c/$value"
	wrong "$program" "$value" 'a FIFO'
	rm "c/$value"
	printf '%s\n' "$right" > "c/$value"
	chmod 0 "c/$value"
	wrong "$program" "$value" 'unreadable'
	chmod 644 "c/$value"
	printf '%s\0\n' "$right" > "c/$value"
	wrong "$program" "$value" 'with NUL behind'
	printf '%s\0%s\n' "$right" "$right" > "c/$value"
	wrong "$program" "$value" 'with NUL within'
	head -c 1048576 /dev/zero | tr '\0' 1 > "c/$value"
	wrong "$program" "$value" '1 MiB long'
	[ "$value" != key ] || return
	printf '%s\r%s\n' "$right" "$right" > "c/$value"
	wrong "$program" "$value" 'with CR within'
	printf '%s\r\r\n' "$right" > "c/$value"
	wrong "$program" "$value" 'with two CR'
	printf '%s\t\n' "$right" > "c/$value"
	wrong "$program" "$value" 'with a tab'
}

# is_wrong program value text...
is_wrong() {
	local program=$1 value=$2 text
	shift 2
	for text; do
		fresh "$program"
		printf '%s\n' "$text" > "c/$value"
		wrong "$program" "$value" "'${text//$'\n'/\\n}'"
	done
}

# is_right program value file-content...: with -n, for the values alone.
is_right() {
	local program=$1 value=$2 text
	shift 2
	for text; do
		fresh "$program"
		printf '%b' "$text" > "c/$value"
		run "bin/$program" -n -c c
		is "$status" 0 "$program: $value takes '${text//\\/\\\\}'"
	done
}

# ---- d4 ---------------------------------------------------------------------

each d4 version 1
each d4 type 1
each d4 snaplen 4096
each d4 uuid "$UUID"
each d4 key secret
each d4 source stdin
each d4 destination stdout

is_wrong d4 version 0 256 -1 +1 ' 1' '1 ' one 0x1 1.0 $'1\n2' \
    18446744073709551617 99999999999999999999999999999
is_wrong d4 type 0 256 -1 +1 ' 1' '1 ' pcap 0x1 1.0 $'1\n2' \
    18446744073709551617
is_wrong d4 snaplen 0 1000001 -1 +1 ' 1' '1 ' 4k 0x1000 4096.0 $'1\n2' \
    18446744073709555712
is_wrong d4 uuid not-a-uuid 0f3c2a9e-5b71-1c8d-9a64-7e2d1b0c9f35 \
    0f3c2a9e-5b71-4c8d-1a64-7e2d1b0c9f35 "$UUID " " $UUID" "${UUID}0" \
    00000000-0000-0000-0000-000000000000
is_wrong d4 source tcp:nowhere:1 '' 'stdin ' stdin_as_d4 folder
is_wrong d4 destination tcp: '' 'stdout ' stdout2

is_right d4 version '1' '1\n' '1\r\n' '255\n' '2\n'
is_right d4 type '1' '1\r\n' '254\n' '2\n' '99\n'
is_right d4 snaplen '1\n' '1000000\n' '7\r\n'
is_right d4 key 'a' 'a\n' 'a\r\n' '  two words \n' 'a\n\n' '\0377\n'
is_right d4 uuid "$UUID" "$UUID\\r\\n" "{$UUID}\\n" "${UUID//-/}\\n" \
    "urn:uuid:$UUID\\n" "${UUID^^}\\n"
is_right d4 source 'stdin' 'stdin\r\n' './some file\n' '/dev/null\n' \
    './stdin \n' ' stdin\n' './folder\n'
is_right d4 destination 'stdout' 'stdout\r\n' '/dev/null\n' './stdout \n'

# What need not be there is not taken for missing when it leads nowhere, and
# OpenSSL does not wait for a FIFO.
optional() {
	fresh d4
	echo localhost:1 > c/destination
	[ ! -s "$1" ] || cp "$1" c
	ln -s nowhere "c/$2"
	wrong d4 "$2" 'a link to nowhere'
	rm "c/$2"
	mkfifo -m 600 "c/$2"
	wrong d4 "$2" 'a FIFO'
}

for value in buffer rootCA.crt spool spool_size window; do
	optional '' "$value"
done
echo x > client.crt
optional client.crt client.key
chmod 600 client.crt
mv client.crt client.key
optional client.key client.crt

# ---- d4-recv ----------------------------------------------------------------

each d4-recv source stdin
each d4-recv destination stdout
each d4-recv mode shared-secret
each d4-recv key secret
each d4-recv types 1
each d4-recv metatypes ja3-jl

is_wrong d4-recv mode secret shared-secre 'shared-secret '
is_wrong d4-recv types 256 -1 +1 ' 1' '1 ' pcap 0x1 1.0 '1 2' 1,2 $'1\n256' \
    18446744073709551617
is_wrong d4-recv metatypes ../x .x JA3 'a b' a/b ' a' $'ja3-jl\n..'

is_right d4-recv types '1' '1\n' '1\r\n\r\n3\r\n' '0\n255\n' '\n\n7\n\n'
is_right d4-recv metatypes 'a' 'a\r\nb\r\n' 'ja3-jl\n'
is_right d4-recv mode 'shared-secret' 'shared-secret\r\n'

conf_recv c types=1
rm c/metatypes
run bin/d4-recv -n -c c
is "$status" 0 'without type 254 nobody need name metatypes'

# Other files are nobody's business.
conf c 'README=x'
mkdir c/folder
mkfifo c/fifo
run bin/d4 -n -c c
is "$status" 0 'files that are no value are left alone'

# The program reads a directory whose name could spoil a terminal.
name=$'c\033[1m\nd4: forged'
conf "$name" version=x
run bin/d4 -c "$name"
is "$(lines err)" 1 'control characters of a name begin no line'
is "$(tr -d '\n' < err | tr -cd '\000-\037' | wc -c)" 0 'nor reach the terminal'

# One that is too long for a line, or nearly so, keeps its reason.
for n in 250 2000 3900 20000; do
	long=$(head -c "$n" /dev/zero | tr '\0' a)
	for program in d4 d4-recv; do
		run "bin/$program" -c "$long"
		like "$(cat err)" "^$program: a{200}a*(\.\.\.)?: [A-Z][a-z]" \
		    "$program: $n bytes of a name keep the reason"
		ok 'in a line that a pipe takes whole' \
		    test "$(wc -c < err)" -le 4096
	done
done

done_testing
