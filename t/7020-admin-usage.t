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
printf 'a\r\r\n' > returns
run timeout 30 "$ADMIN" -d store sensor register "$UUID" --stdin < returns
is "$status" 2 'a key that ends with a carriage return'
printf 'a\0b\n' > nul
run timeout 30 "$ADMIN" -d store sensor register "$UUID" --stdin < nul
is "$status" 2 'a key with a NUL'

# An argument is judged before anything is looked for or made: by each verb,
# where no server answers, in an empty store, and where none is yet.
conf_recv conf source=tcp:127.0.0.1:0 destination="$TMP/later"
nobody=$(free_port)
mkdir none
cat > judged << EOF
sensor list --connected --pending
sensor show x
sensor files x
sensor register x
sensor register $UUID --stdin
sensor register $UUID --mail $'a\nb'
sensor register --new --snaplen 0
sensor register --new --destination nowhere
sensor approve $UUID x
sensor approve 00000000-0000-0000-0000-000000000000
sensor reject $UUID x
sensor remove $UUID x
sensor key x --show
sensor key x --generate
sensor key x --unset
sensor key $UUID --stdin
sensor key $UUID --unset --show
sensor describe x text
sensor describe $UUID
sensor describe $UUID --mail $'a\nb'
sensor limit x 1
sensor limit $UUID 0
sensor limit x none
sensor age $UUID 1x
sensor monotonic x yes
sensor monotonic $UUID maybe
sensor monitor x
sensor monitor $UUID -- -1
sensor check --nagios 1
sensor kick $UUID x
sensor block $UUID x
sensor unblock $UUID x
block list x
block add 192.0.2.1 x
block add 192.0.2.1/24
block add --by-uuid 192.0.2.1
block remove 192.0.2.1 x
type list x
type add 1 256
type remove 1 Ja3
queue list x
queue add 256
queue add 254
queue add 1 x
queue add --uuid x 1
queue add --limit 0 1
queue add --description $'a\nb' 1
queue remove $UUID x
queue show x
queue limit $UUID 0
queue limit x 1
queue describe $UUID $'a\nb'
queue describe x text
queue flush $UUID x
queue peek -n 0 $UUID
queue peek --width x $UUID
queue peek x
queue members x
queue members $UUID turn $UUID
queue members $UUID add x
stats today x
stats day 2024-02-30
stats sensor x
stats type 256
stats top --by colour
stats top -n 0
stats top --day today
stats forget 2024-12-31 $(date -u +%Y-%m-%d)
mode show x
mode set open
tls init 'a b'
tls init$(seq -f ' a%.0f' 101 | tr -d '\n')
tls client x
tls renew x
check x
export x
import a b
watch -n 0
watch --interval 3601
EOF
while IFS= read -r words; do
	eval "set -- $words"
	for place in "-i 127.0.0.1 -p $nobody" "-i $TMP/none/socket" \
	    '-d bare' '-c conf'; do
		# shellcheck disable=SC2086
		refuses "$place: ${words:0:50}" 2 'expected' '' \
		    timeout 30 "$ADMIN" $place "$@" < /dev/null
	done
done < judged
is "$(ls bare none) $(ls -d later 2> ls.err)" \
    $'bare:\n\nnone: ' 'and nothing was made'
sed 's/^\(check\|export\|import\|watch\) .*/\1/' judged | cut -d ' ' -f -2 |
    sort -u > seen
is "$(sed 's/ $//' verbs | comm -23 - seen)" '' 'each verb was asked'

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
sensor list
sensor show $UUID
sensor key $UUID --show
sensor key $UUID --generate
sensor describe $UUID text
sensor limit $UUID 5
sensor age $UUID 5
sensor monotonic $UUID yes
sensor monitor $UUID
sensor check
sensor kick $UUID
sensor reject $UUID
sensor remove $UUID
sensor unblock $UUID
block list
block remove 192.0.2.1
type list
queue list
queue show $UUID
queue limit $UUID 5
queue describe $UUID text
queue flush $UUID
queue peek $UUID
queue members $UUID
queue members $UUID add $UUID
queue remove $UUID
stats today
stats day 2024-12-31
stats sensor $UUID
stats type 1
stats top
stats forget 2024-12-31
mode show
check
export
watch -n 1
EOF
"$ADMIN" -d store export > all.jsonl
sed '$s/.*/{}/' all.jsonl > bad.jsonl
refuses 'an import of a bad file' 1 "bad.jsonl: line $(lines bad.jsonl): " '' \
    timeout 30 "$ADMIN" -d bare import bad.jsonl
refuses 'of none' 1 'nowhere: No such file' '' \
    timeout 30 "$ADMIN" -d bare import nowhere
run timeout 30 "$ADMIN" -d bare import -n all.jsonl
is "$status $(cat err)" '0 ' 'a check of a good one'
run timeout 30 "$ADMIN" -c conf import -n all.jsonl
is "$status $(cat err) $(ls -d later 2> ls.err)" '0  ' 'also without a store'
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

said=$(trap '' XFSZ; ulimit -f 0
    timeout 30 "$ADMIN" -d bare import all.jsonl 2>&1
    echo "$?")
like "$said" '^d4-admin: all.jsonl: line 2: bare/registry/.*: File too large
1$' 'no room in an import'
is "$(ls -A bare/registry/.tmp)" '' 'leaves nothing half made'

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
