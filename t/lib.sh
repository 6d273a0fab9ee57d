# shellcheck shell=bash
# SPDX-License-Identifier: ISC
#
# For test scripts in bash, which read this first and end with done_testing.
# Each speaks TAP, works in a directory of its own ($TMP, also the current
# one), which goes away with all processes that it started().
#
#	run cmd...		runs it: $status, files out and err
#	is got want name	two texts are equal
#	like text regex name	a text matches an extended regular expression
#	ok name cmd...		cmd succeeds; what it said is shown otherwise
#				(on stderr, as all that explains a failed check)
#	skip n why		n checks are not made
#	skip_all why		none is, the script ends
#	done_testing		the plan; at the end

set -u
export LC_ALL=C

TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
SHARED=$(cd "$TOP" && cd "${D4_SHARED:-../shared}" 2>/dev/null && pwd)
D4=$TOP/d4/d4
RECV=$TOP/d4-recv/d4-recv
RECORDS=$TOP/t/records.pl
# Not empty where a sanitizer changes what memory and time are used; valgrind
# takes many times as long.
SANITIZE=${D4_SANITIZE:-}
SLOW=1
[ "$SANITIZE" != valgrind ] || SLOW=10
NAME=${BASH_SOURCE[-1]#"$TOP/"}
export TOP SHARED D4 RECV RECORDS SANITIZE SLOW

TMP=$(mktemp -d "${TMPDIR:-/tmp}/d4-test.XXXXXX") || exit 1
tests=0 failed=0 pids=()

# A background command that a signal meets before it is a program of its own
# is a copy of this shell, with this trap.
cleanup() {
	local pid
	[ "$BASHPID" = $$ ] || return
	for pid in ${pids[@]+"${pids[@]}"}; do
		kill "$pid" 2>/dev/null
	done
	wait
	cd /
	rm -rf "$TMP"
}
trap cleanup EXIT
trap 'exit 1' HUP INT TERM
cd "$TMP" || exit 1

# ---- checks ---------------------------------------------------------------

pass() {
	tests=$((tests + 1))
	echo "ok $tests - $1"
}

# The second argument and what follows are said with it, on stderr, which prove
# shows, with the test's name, for several run at a time.
fail() {
	tests=$((tests + 1)) failed=$((failed + 1))
	echo "not ok $tests - $1"
	{
		echo "$NAME: not ok $tests - $1"
		shift
		printf '%s\n' "$@" | head -c 2000
		if [ -s err ]; then
			echo 'stderr:'
			head -c 2000 err | cat -v
		fi
	} | sed 's/^/# /' >&2
}

is() {
	if [ "$1" = "$2" ]; then
		pass "$3"
	else
		fail "$3" "got:    $1" "wanted: $2"
	fi
}

like() {
	if [[ $1 =~ $2 ]]; then
		pass "$3"
	else
		fail "$3" "got:     $1" "pattern: $2"
	fi
}

ok() {
	local name=$1
	shift
	if "$@" > "$TMP/check" 2>&1; then
		pass "$name"
	else
		fail "$name" "failed: $*" "$(cat "$TMP/check")"
	fi
}

skip() {
	local i
	for ((i = 0; i < $1; i++)); do
		tests=$((tests + 1))
		echo "ok $tests # SKIP $2"
	done
}

skip_all() {
	echo "1..0 # SKIP $1"
	exit 0
}

done_testing() {
	echo "1..$tests"
	[ "$failed" -eq 0 ]
	exit
}

# ---- programs -------------------------------------------------------------

# Never in a pipe: there the program's exit status would be lost.
run() {
	status=0
	"$@" > out 2> err || status=$?
}

lines() {
	wc -l < "$1" | tr -d ' '
}

# Runs a program that must refuse: exit status $2, one line on stderr that
# matches $3, and nothing but $4 (a file, or nothing) on stdout.
refuses() {
	local name=$1 want=$2 pattern=$3 out=${4:-/dev/null}
	shift 4
	run "$@"
	if [ "$status" = "$want" ] && [ "$(lines err)" = 1 ] &&
	    [[ $(cat err) =~ $pattern ]] && cmp -s out "$out"; then
		pass "$name"
	else
		fail "$name" "exit $status, wanted $want" "pattern: $pattern" \
		    "stdout: $(wc -c < out) bytes, $(wc -c < "$out") wanted"
	fi
}

# What it said, without how it is confined, which depends on the system.
said() {
	grep -v '^[a-z0-9-]*: \(not \)\{0,1\}confined: ' err
}

# After "cmd &": its number is in $pid, and it ends with the script.
started() {
	pid=$!
	pids+=("$pid")
}

# Whether it has become the program (under valgrind see t/fault/valgrind.c) and
# heeds signals.
listens() {
	case $(cat "/proc/$1/comm") in
	"$2" | heeds) ;;
	*) return 1 ;;
	esac &&
	    grep -q '^SigCgt:.*[2367abef]..$' "/proc/$1/status"
}

# The same of the program that timeout has started.
listens_below() {
	listens "$(pgrep -P "$1")" "$2"
}

# Whether it has workers.  Before it listens it has a child for a moment that is
# none, which starts the process for hooks.
works() {
	[ "$(grep -c 'listening on' "$2")" -gt "$3" ] && pgrep -P "$1"
}

# begin_again log option...: d4-recv, with -v, until the port of one that was
# killed is free, as a service manager does: $pid.  Its words are added to the
# log.
begin_again() {
	local log=$1 had i
	shift
	for ((i = 0; i < 100; i++)); do
		had=$(grep -c 'listening on' "$log")
		"$RECV" "$@" 2>> "$log" &
		started
		while kill -0 "$pid" 2> /dev/null; do
			works "$pid" "$log" "$had" > /dev/null && return
			sleep 0.02
		done
		sleep 0.1
	done
	fail 'd4-recv begins again' "$(tail -n 5 "$log")"
}

# Its exit status, once it ends.
finish() {
	status=0
	wait "$1" || status=$?
}

# Tries until the command succeeds, for so many seconds.
within() {
	local end=$((SECONDS + $1 * SLOW))
	shift
	until "$@" > /dev/null 2>&1; do
		[ "$SECONDS" -le "$end" ] || return 1
		sleep 0.02
	done
}

# Whether the file is so many bytes or more.
has_bytes() {
	[ "$(stat -c %s "$1")" -ge "$2" ]
}

free_port() {
	perl -I "$TOP/t/tool" -MPorts -e 'print free_port()'
}

# Whether something listens at the port, on IPv4.
listens_at() {
	grep -q ":$(printf %04X "$1") 00000000:0000 0A " /proc/net/tcp
}

# begins file part: the file begins with all of the part, which is not empty.
begins() {
	[ -s "$2" ] && cmp -n "$(stat -c %s "$2")" "$1" "$2"
}

# ---- configurations -------------------------------------------------------

UUID=0f3c2a9e-5b71-4c8d-9a64-7e2d1b0c9f35

# Not the sample's, of which d4 warns; t/records.pl has the same.
KEY='a key for these tests'

# Closes what others must not read, where it is there, or put in its place.
secrets() {
	local name
	chmod o-w "$1"
	for name in key redis_password server.pem client.key; do
		[ ! -e "$1/$name" ] || chmod 600 "$1/$name"
	done
}

# Whether a program can be given a terminal here: a bare root has none.
has_terminal() {
	script -qec true /dev/null > /dev/null 2>&1
}

# conf dir [name=value...]: the sample of d4, with a uuid and a key, changed.
conf() {
	local dir=$1 pair
	shift
	rm -rf "$dir"
	mkdir "$dir"
	find "$TOP/conf.sample" -maxdepth 1 -type f -exec cp {} "$dir" \;
	for pair in "uuid=$UUID" "key=$KEY" "$@"; do
		printf '%s\n' "${pair#*=}" > "$dir/${pair%%=*}"
	done
	secrets "$dir"
}

# The same for d4-recv.
conf_recv() {
	local dir=$1 pair
	shift
	rm -rf "$dir"
	cp -r "$TOP/conf.sample/recv" "$dir"
	for pair in "key=$KEY" "$@"; do
		printf '%s\n' "${pair#*=}" > "$dir/${pair%%=*}"
	done
	secrets "$dir"
}

# d4 | d4-recv, both having to succeed: pipeline conf conf.recv <in >out
pipeline() {
	local rc
	"$D4" -c "$1" | "$RECV" -c "$2"
	rc=${PIPESTATUS[*]}
	[ "$rc" = '0 0' ] || {
		echo "d4 and d4-recv: exit $rc" >&2
		return 1
	}
}

sha() {
	sha256sum < "${1:-/dev/stdin}" | cut -d ' ' -f 1
}

# noise n: so many bytes, all values, always the same.
noise() {
	perl -e 'my ($left, $x) = (shift, 1); binmode STDOUT;
	    while ($left > 0) {
		my $s = "";
		for (1 .. 1024) {
			$x = ($x * 1103515245 + 12345) & 0x7fffffff;
			$s .= pack "V", $x >> 8 ^ $x << 13;
		}
		$s = substr $s, 0, $left if $left < length $s;
		print $s;
		$left -= length $s;
	    }' "$1"
}
