#!/usr/bin/env bash
# SPDX-License-Identifier: ISC
#
# Every program logs in at Redis with a password, and as a user with no more
# rights than d4-redis(7) names for it; both come from files.

# Checks are reached by their names.
# shellcheck disable=SC2317

# shellcheck source=t/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=t/redis.sh
. "$TOP/t/redis.sh"

STDOUT=$TOP/d4-stdout/d4-stdout
PIBS=$TOP/d4-pibs/d4-pibs
ADMIN=$TOP/d4-admin/d4-admin
QUEUE=11111111-1111-4111-8111-111111111111

redis_begin one
r CONFIG SET requirepass secret > check
export REDISCLI_AUTH=secret

# The rights of a program, as the manual has them.
rights() {
	sed -n "/^\.Ss Access/,/^\.Ed/p" "$TOP/man/d4-redis.7" |
	    awk -v name="$1" '$1 == name { on = 1; $1 = "" }
		/^[^ ]/ && $1 != "" && $1 != name { on = 0 } on' |
	    tr '\n' ' '
}

# user program [list]: logs in as it with the password "a word".
user() {
	local words
	words=$(rights "$2")
	set -f
	# Words of it are words of the command.
	# shellcheck disable=SC2086
	r ACL SETUSER "$1" reset on '>a word' ${words//LIST/${3:-}} > check
	set +f
	mkdir -p "$1"
	echo "$1" > "$1/redis_user"
	echo 'a word' > "$1/redis_password"
	secrets "$1"
}

user stdout d4-stdout
user pibs d4-pibs
user admin d4-admin
user d4 d4 list
mkdir password wrong empty
echo secret > password/redis_password
echo other > wrong/redis_password
secrets password
secrets wrong
is "$(r ACL LIST | grep -c '^user')" 5 'four users have rights of their own'

# ---- d4-admin --------------------------------------------------------------

admin() {
	"$ADMIN" -i 127.0.0.1 -p "$redis" --login "$@"
}
ok 'd4-admin makes a queue' admin admin queue add \
    --uuid "$QUEUE" --description x 8
ok 'and a sensor' admin password sensor approve "$UUID"
run admin admin sensor list
like "$(cat out)" "$UUID" 'and lists it'
refuses 'with a wrong password it says so' 1 'login: WRONGPASS' '' \
    admin wrong sensor list
refuses 'without one, too' 1 'NOAUTH' '' \
    "$ADMIN" -i 127.0.0.1 -p "$redis" sensor list
refuses 'an empty directory' 2 \
    'empty/redis_password: missing .expected the password' '' \
    admin empty sensor list
refuses 'no directory' 2 'none: No such file' '' admin none sensor list

# ---- d4-stdout -------------------------------------------------------------

out() {
	local login=$1
	shift
	"$STDOUT" -p "$redis" -t 8 -u "$QUEUE" --login "$login" "$@"
}
push() {
	r -n 2 LPUSH "analyzer:8:$QUEUE" "$@" > check
}
push one two
run out stdout -e -n
is "$(paste -s -d ' ' out)" 'one two' 'd4-stdout takes items'
push three
run out stdout -a -e -n
is "$(cat out)" three 'and acknowledges them'
push four
run out stdout -l
like "$(cat out)" 'description.*x' 'and shows what a queue is'
run out password -e -n
is "$(cat out)" four 'with the password alone, too'
refuses 'with a wrong password it says so' 1 'login: WRONGPASS' '' \
    out wrong -e
run "$STDOUT" -d . --login password -t 8 -u "$QUEUE"
is "$status" 2 'in a store there is no login'

# ---- d4-pibs ---------------------------------------------------------------

printf '\324\303\262\241\2\0\4\0\0\0\0\0\0\0\0\0\377\377\0\0\1\0\0\0' > empty.cap
r -n 2 LPUSH "analyzer:1:$QUEUE" "$TMP/empty.cap" > check
pibs() {
	"$PIBS" -z 127.0.0.1 -p "$redis" -y 2 -u "$QUEUE" -s --login "$1"
}
run pibs pibs
is "$status $(r -n 2 LLEN "analyzer:1:$QUEUE")" '0 0' 'd4-pibs takes a file'
refuses 'with a wrong password it says so' 1 'login: WRONGPASS' out pibs wrong
run "$PIBS" -s -r empty.cap --login password
is "$status" 2 'without a server there is no login'

# ---- d4 --------------------------------------------------------------------

conf sensor source=d4server "redis_d4=127.0.0.1:$redis/2" redis_queue=list \
    destination=stdout type=3 redis_user=d4 'redis_password=a word'
r -n 2 LPUSH list a b c > check
"$D4" -c sensor > stream 2> d4.err &
started
d4=$pid
sent() {
	[ "$(r -n 2 EXISTS list "list:d4:$UUID")" = 0 ] && [ -s stream ]
}
ok 'd4 takes items' within 10 sent
kill "$d4"
finish "$d4"
conf_recv filter
run "$RECV" -c filter < stream
is "$(paste -s -d ' ' out)" 'a b c' 'and sends them'
is "$(cat d4.err)" '' 'without a word'
run "$D4" -n -c sensor
like "$(cat out)" 'redis_user: d4.*redis_password: 6 bytes' 'with -n it says who'
is "$(grep -c 'a word' out)" 0 'not the password'
rm sensor/redis_password
refuses 'a user without a password' 2 'sensor/redis_user: has no' '' \
    "$D4" -c sensor

# ---- never as an argument --------------------------------------------------

for program in "$D4" "$RECV" "$STDOUT" "$PIBS" "$ADMIN"; do
	"$program" -h
done > help
is "$(grep -c 'password=\|password word\|--password' help)" 0 \
    'no program takes a password as an argument'
done_testing
