#!/usr/bin/env bash
# SPDX-License-Identifier: ISC
#
# A stream of 1 GiB goes through in bounded memory, each program below 16 MiB
# resident.

# shellcheck source=t/lib.sh
. "$(dirname "$0")/lib.sh"

GIB=1073741824
[ -z "$SANITIZE" ] || GIB=67108864

# Runs a command and writes its greatest resident size in KiB to a file; the
# exit status is the command's.
cat > resident <<'P'
use Config;
my ($file, @command) = @ARGV;
my $pid = fork // die;
exec @command or die "$command[0]: $!" unless $pid;
my $peak = 0;
# The child's own view, for as long as it lives.
until (waitpid($pid, 1) == $pid) {
	if (open my $in, '<', "/proc/$pid/status") {
		/^VmHWM:\s+(\d+)/ && $1 > $peak && ($peak = $1) while <$in>;
	}
	select undef, undef, undef, 0.01;
}
my $status = $?;
open my $out, '>', $file or die;
print $out "$peak\n";
exit($status & 127 ? 255 : $status >> 8);
P

for snaplen in 1000000 65535 4096 128; do
	conf c snaplen="$snaplen"
	conf_recv r
	size=$GIB
	[ "$snaplen" = 4096 ] || size=$((GIB / 16))
	head -c "$size" /dev/zero |
	    perl resident d4.peak "$D4" -c c 2> err |
	    perl resident recv.peak "$RECV" -c r 2>> err | wc -c > count
	is "${PIPESTATUS[*]}" '0 0 0 0' "$((size >> 20)) MiB, snaplen $snaplen"
	is "$(tr -d ' ' < count)" "$size" 'all of it arrives'
	for peak in d4.peak recv.peak; do
		if [ -n "$SANITIZE" ]; then
			skip 1 'a sanitizer needs memory of its own'
			continue
		fi
		ok "${peak%.peak}: $(cat "$peak") KiB resident, below 16 MiB" \
		    test "$(cat "$peak")" -gt 0 -a "$(cat "$peak")" -lt 16384
	done
done

done_testing
