#!/usr/bin/env bash
# SPDX-License-Identifier: ISC
#
# Each wrong argument of d4-admin: exit 2, and a line that says what would be
# right.

# shellcheck source=t/lib.sh
. "$(dirname "$0")/lib.sh"

ADMIN=$TOP/d4-admin/d4-admin
mkdir store bare
"$ADMIN" -d store sensor register "$UUID"

# wrong pattern args...
wrong() {
	local pattern=$1
	shift
	refuses "refused: $*" 2 "$pattern" '' timeout 30 "$ADMIN" "$@"
}

wrong 'no object \(expected sensor, block'
wrong 'no such object \(expected sensor' -d store planet list
wrong 'no verb \(expected list, show' -d store sensor
wrong 'no such verb \(expected list, add' -d store block show
wrong 'expected -d store' sensor list
wrong 'exclude each other' -d store -i localhost sensor list
wrong 'No such file' -d nowhere sensor list
wrong 'No such file' -c nowhere sensor list
wrong 'not a directory \(expected a store' -d /dev/null sensor list
wrong 'expected a host' -i '' sensor list
wrong 'expected a host' -i localhost -p x sensor list

# Each verb with one operand too few, too many, and a strange option.
"$ADMIN" -h > help
is "$?" 0 'help'
sed -n 's/^  \([a-z][a-z]*\( [a-z]*\)\{0,1\}\).*/\1/p' help | grep -v '^d4' |
    sort -u > verbs
while read -r object verb; do
	case $object in
	check | export | import | watch) verb='' ;;
	esac
	# shellcheck disable=SC2086
	wrong "expected $object" -d store "$object" $verb --strange
done < verbs

wrong 'expected sensor show uuid' -d store sensor show
wrong 'expected sensor show uuid' -d store sensor show a b
wrong '32 hexadecimal digits' -d store sensor show x
wrong 'of version 4' -d store sensor approve \
    00000000-0000-0000-0000-000000000000
wrong 'expected 1 to' -d store sensor limit "$UUID" 0
wrong 'expected sensor limit uuid \{entries \| none\}' -d store \
    sensor limit "$UUID" many
wrong 'expected sensor monitor uuid \[seconds \| none\]' -d store \
    sensor monitor "$UUID" -1
wrong 'expected 1 to' -d store sensor age "$UUID" 1x
wrong 'yes \| no' -d store sensor monotonic "$UUID" maybe
wrong 'expected sensor register' -d store sensor register
wrong 'expected sensor register' -d store sensor register --new "$UUID"
wrong 'expected 1 to 255' -d store sensor register --new --type 256
wrong 'expected HOST:PORT' -d store sensor register --new --destination ''
wrong 'expected HOST:PORT' -d store sensor register --new \
    --destination collector.example.org
wrong 'expected HOST:PORT' -d store sensor register --new \
    --destination collector.example.org:99999
wrong 'expected sensor key' -d store sensor key "$UUID" --show --stdin
wrong 'expected 0 to 255, or the name' -d store type add Ja3
wrong 'expected one like 2024-12-31' -d store stats day 2024-02-30
wrong 'uuid \| address \| type' -d store stats top --by colour
wrong 'expected a day before' -d store stats forget "$(date -u +%Y-%m-%d)"
wrong 'expected queue members' -d store queue members "$UUID" turn "$UUID"
wrong 'registration \| shared-secret' -d store mode set open
wrong 'expected a host name' tls init 'a b'

: > empty
run timeout 30 "$ADMIN" -d store sensor register "$UUID" --stdin < empty
is "$status" 2 'an empty key'
like "$(cat err)" 'expected 1 to' 'says what would be right'
printf 'a\0b\n' > nul
run timeout 30 "$ADMIN" -d store sensor register "$UUID" --stdin < nul
is "$status" 2 'a key with a NUL'

# Failures are no wrong usage.
run timeout 30 "$ADMIN" -d bare sensor list
is "$status" 1 'a store without a registry'
refuses 'unknown sensor' 1 'unknown sensor' '' \
    timeout 30 "$ADMIN" -d store sensor show 1f3c2a9e5b714c8d9a647e2d1b0c9f35
refuses 'a kick of an unknown sensor' 1 'unknown sensor' '' \
    timeout 30 "$ADMIN" -d store sensor kick 1f3c2a9e5b714c8d9a647e2d1b0c9f35
refuses 'a full disk' 1 'stdout' '' sh -c \
    "timeout 30 '$ADMIN' -d store sensor list > /dev/full"

# What can only be about something that is there makes no registry.
while read -r verb; do
	# shellcheck disable=SC2086
	refuses "no registry: $verb" 1 'bare/registry: No such file' '' \
	    timeout 30 "$ADMIN" -d bare $verb
done << EOF
sensor key $UUID --show
sensor limit $UUID 5
sensor kick $UUID
sensor remove $UUID
sensor unblock $UUID
block remove 192.0.2.1
queue members $UUID
queue remove $UUID
stats forget 2024-12-31
check
export
EOF
is "$(ls bare)" '' 'and nothing is made'
run timeout 30 "$ADMIN" -d bare sensor check --nagios
like "$status $(cat out err)" '^3 D4 UNKNOWN - bare/registry: No such file' \
    'Nagios is told that nothing is known'

# A sensor that nobody was told of is not there.
refuses 'a full disk for what a new sensor needs' 1 'stdout' '' sh -c \
    "timeout 30 '$ADMIN' -d bare sensor register --new --destination stdout \
    > /dev/full"
run timeout 30 "$ADMIN" -d bare -j sensor list
is "$status $(cat out)" '0 ' 'is no reason to have it'

said=$(trap '' XFSZ; ulimit -f 0
    timeout 30 "$ADMIN" -d bare sensor register "$UUID" --mail a 2>&1
    echo "$?")
like "$said" '^d4-admin: bare/registry/sensors/.*/mail: File too large
1$' 'no room for a value'
run timeout 30 "$ADMIN" -d bare -j sensor list
is "$status $(cat out)" '0 ' 'makes no sensor without one'

# What acts on a terminal is shown by its number.
refuses 'controls' 2 '^d4-admin: a\\033\\302\\233\\377é: no such' '' \
    timeout 30 "$ADMIN" $'a\e\xc2\x9b\xff\xc3\xa9'

# The page has each of them.
missing=''
while read -r object verb; do
	case $object in check | export | import | watch) verb='' ;; esac
	grep -q "^\.It Cm $object${verb:+ $verb}\$\|^\.It Cm $object${verb:+ $verb} " \
	    "$TOP/man/d4-admin.8" || missing="$missing $object/$verb"
done < verbs
is "$missing" '' 'the manual page has all verbs'
done_testing
