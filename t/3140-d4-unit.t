#!/usr/bin/env bash
# SPDX-License-Identifier: ISC
#
# The units for systemd: they are some, they start d4 as it is to be started, and
# they leave little within reach, but what confines the programs further.

# shellcheck source=t/lib.sh
. "$(dirname "$0")/lib.sh"

command -v systemd-analyze > /dev/null || skip_all 'no systemd-analyze here'

sed "s|/usr/local/bin/d4|$D4|" "$TOP/systemd/d4@.service" > d4@x.service
run systemd-analyze verify --man=no "$TMP/d4@x.service"
is "$status $(cat err)" '0 ' 'systemd has nothing to say against it'
run systemd-analyze security --offline=true "$TMP/d4@x.service"
exposure=$(sed -n 's/.*Overall exposure level.*: \([0-9]\)\.[0-9] .*/\1/p' out)
ok "exposure is below 2" test "${exposure:-9}" -lt 2

sed "s|/usr/local/sbin/d4-recv|$RECV|" "$TOP/systemd/d4-recv.service" \
    > d4-recv.service
run systemd-analyze security --offline=true "$TMP/d4-recv.service"
exposure=$(sed -n 's/.*Overall exposure level.*: \([0-9]\)\.[0-9] .*/\1/p' out)
ok "that of the collector, too" test "${exposure:-9}" -lt 2
for unit in d4@x d4-recv; do
	for call in create_ruleset add_rule restrict_self; do
		ok "$unit: may landlock_$call" \
		    grep -q "^SystemCallFilter=\([^~].*\)\{0,1\}landlock_$call" "$unit.service"
	done
done

# The command line of the unit is one that d4 takes.
conf c type=3 source="$TMP/none"
line=$(sed -n 's/^ExecStart=//p' d4@x.service)
line=${line/\$OPTIONS/--retry 5 --stats 60}
# shellcheck disable=SC2086
refuses 'the command line is right' 2 "^d4: $TMP/none: No such file" '' \
    ${line/\/etc\/d4\/%i/c}

done_testing
