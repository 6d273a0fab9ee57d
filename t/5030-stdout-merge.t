#!/usr/bin/env bash
# SPDX-License-Identifier: ISC
#
# -m joins files to one well-formed stream: captures of either byte order and
# time unit under one header, packet by packet the same; pcapng by section; text
# as it is.  What doesn't fit ends with a reason and stays in the queue.

# Conditions are for within to try; some functions are called by others.
# shellcheck disable=SC2016,SC2119,SC2317

# shellcheck source=t/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=t/stdout.sh
. "$TOP/t/stdout.sh"
TYPE=1
backend dir
command -v tcpdump > /dev/null || skip_all 'no tcpdump'

# capture order unit packets: a small one; the packets are UDP, each other.
# Order is V or N as in pack, unit us, ns or kuz (Kuznetzov's).
capture() {
	perl -e 'my ($o, $unit, @n) = @ARGV;
	    my %magic = (us => 0xa1b2c3d4, ns => 0xa1b23c4d,
		kuz => 0xa1b2cd34);
	    my $s = $o eq "V" ? "v" : "n";
	    binmode STDOUT;
	    print pack("$o$s${s}N2${o}2", $magic{$unit}, 2, 4, 0, 0, 65535,
		$ENV{LINK} // 101);
	    for my $i ($n[0] .. $n[1]) {
		my $p = pack("CCnnnCCna4a4nnnn", 0x45, 0, 28 + $i, $i, 0, 64,
		    17, 0, "\12\1\0\1", "\12\2\0\2", 1000 + $i, 53, 8 + $i,
		    0) . "x" x $i;
		print pack("${o}4", 1700000000 + $i, ($unit eq "ns" ?
		    1000 : 1) * 123456, length $p, 5 + length $p);
		print "extra up" if $unit eq "kuz";
		print $p
	    }' "$@"
}

# shown files: all of their packets.
shown() {
	local f
	for f; do
		tcpdump -tt -nxr "$f" 2> /dev/null || echo "$f: unreadable"
	done
}

merge() {
	local f
	for f; do
		push "$f"
	done
	run "$STDOUT" "${WHERE[@]}" -f -m -e
}

i=0
for form in 'V us' 'N us' 'V ns' 'N ns' 'V kuz' 'N kuz'; do
	i=$((i + 1))
	# shellcheck disable=SC2086
	capture $form $((i * 10)) $((i * 10 + 9)) > "form$i.cap"
done
gzip -k form2.cap form4.cap
for first in 1 2 3 4 5 6; do
	merge "form$first.cap" form1.cap form2.cap.gz form3.cap form4.cap.gz \
	    form5.cap form6.cap
	is "$status $(cat err)" '0 ' "begun by form $first: done"
	is "$(shown out)" "$(shown "form$first.cap" form[1-6].cap)" \
	    "begun by form $first: all packets are the same"
	is "$(head -c 4 out | od -An -tx1)" "$(head -c 4 "form$(((first - 1) % \
	    4 + 1)).cap" | od -An -tx1)" "begun by form $first: in its form" \
	    2> /dev/null
done
merge form1.cap
is "$(stat -c %s out)" "$(stat -c %s form1.cap)" 'one file: nothing is added'
is "$(od -An -tu4 -j16 -N4 out | tr -d ' ')" 262144 \
    'the header allows for every packet to come'
merge form3.cap form1.cap
is "$(od -An -tu4 -j$(($(stat -c %s form3.cap) + 4)) -N4 out | tr -d ' ')" \
    123456000 'microseconds become nanoseconds'

# Captures that somebody joined with cat.
cat form1.cap form2.cap form4.cap form5.cap > joined.cap
merge joined.cap form3.cap
is "$status $(shown out | sha)" "0 $(shown form1.cap form2.cap form4.cap \
    form5.cap form3.cap | sha)" 'file headers within a file'

# Nothing in it, or only a header.
: > empty
head -c 24 form1.cap > header.cap
merge empty header.cap form2.cap empty
is "$status $(shown out | sha)" "0 $(shown form2.cap | sha)" \
    'empty files and captures without packets'
merge header.cap
is "$status $(stat -c %s out)" '0 24' 'a capture without packets is one'
merge empty
is "$status $(stat -c %s out)" '0 0' 'nothing comes of nothing'

# ---- damage ---------------------------------------------------------------

head -c 500 form1.cap > cut.cap
{ head -c 500 form1.cap | gzip; } | head -c 200 > cut.cap.gz
{ head -c 100 form1.cap; printf '\377%.0s' {1..400}; } > bad.cap
head -c 10 form1.cap > short.cap
{ printf '\324\303\262\241\003'; tail -c +6 form1.cap; } > version.cap
for bad in cut.cap cut.cap.gz bad.cap short.cap version.cap; do
	merge form1.cap "$bad" form2.cap
	is "$status $(lines err)" '1 1' "$bad: said, exit 1 in the end"
	like "$(cat err)" "^d4-stdout: $bad: " "$bad: by its name"
	tcpdump -nr out > shown 2> shown.err
	is "$?/$(grep -v '^reading' shown.err)" 0/ \
	    "$bad: the stream stays well-formed"
	ok "$bad: with all of the others in it" test "$(lines shown)" -ge 20
	is "$(shown out | tail -n "$(shown form2.cap | wc -l)" | sha)" \
	    "$(shown form2.cap | sha)" "$bad: to the last"
done

# ---- what does not fit ----------------------------------------------------

LINK=1 capture V us 1 3 > ether.cap
push form1.cap ether.cap form2.cap
run "$STDOUT" "${WHERE[@]}" -f -m -e
is "$status $(cat err)" '1 d4-stdout: ether.cap: link type 1 does not fit'\
' into a stream of link type 101' 'another link type ends with a reason'
is "$(waiting) $(in_hand) $(shown out | sha)" \
    "2 0 $(shown form1.cap | sha)" 'after what fitted; the others wait'
run "$STDOUT" "${WHERE[@]}" -f -m -c 1
is "$status $(shown out | sha)" "0 $(shown ether.cap | sha)" \
    'the next start begins with it'
backend dir
echo text > text
push form1.cap text
run "$STDOUT" "${WHERE[@]}" -f -m -e -a
is "$status $(cat err) $(waiting) $(in_hand)" '1 d4-stdout: text: other data'\
' does not fit into a stream of pcap 1 0' 'text in a stream of captures'
backend dir

# ---- other kinds ----------------------------------------------------------

printf 'no newline' > rest.txt
gzip -k text
merge text rest.txt text.gz
is "$status $(cat out)" "0 $(cat text rest.txt text)" 'text as it is'
noise 700000 > any
gzip -k any
merge any any.gz
ok 'any bytes as they are' cmp -s out <(cat any any)
printf 'ab' > ab
merge ab ab
is "$(cat out)" abab 'very short files'

if [ -d "$SHARED/captures" ]; then
	c=$SHARED/captures
	gzip -c "$c/synscan.pcapng" > synscan.gz
	merge "$c/tcp-refused.pcapng" synscan.gz \
	    "$c/bigendian-two-links.pcapng" "$c/icmp-traceroute.pcapng"
	is "$status $(cat err)" '0 ' 'pcapng: done'
	# Sections: 32 bytes more or less are what they say of their length.
	is "$(stat -c %s out)" "$(cat "$c/tcp-refused.pcapng" \
	    "$c/synscan.pcapng" "$c/bigendian-two-links.pcapng" \
	    "$c/icmp-traceroute.pcapng" | wc -c | tr -d ' ')" \
	    'pcapng: section after section'
	merge "$c/tcp-refused.pcapng" synscan.gz "$c/icmp-traceroute.pcapng"
	is "$(shown out | sha)" "$(shown "$c/tcp-refused.pcapng" \
	    "$c/synscan.pcapng" "$c/icmp-traceroute.pcapng" | sha)" \
	    'pcapng: the same packets'
	head -c 1000 "$c/synscan.pcapng" > cut.pcapng
	merge "$c/tcp-refused.pcapng" cut.pcapng "$c/icmp-traceroute.pcapng"
	tcpdump -nr out > shown 2> shown.err
	is "$status $? $(grep -v '^reading' shown.err)" '1 0 ' \
	    'pcapng: one that is cut leaves the stream well-formed'
	ok 'pcapng: with those behind it' test "$(lines shown)" -gt 56
	# A section that says its length, and another one that is cut.
	# shellcheck disable=SC2016
	perl -0777 -ne 'substr($_, 16, 8) = pack("Q<", length($_) -
	    unpack("V", substr($_, 4, 4))); print $_, substr($_, 0, 1000)' \
	    "$c/synscan.pcapng" > sections.pcapng
	merge sections.pcapng "$c/bigendian-two-links.pcapng"
	# shellcheck disable=SC2016
	is "$(perl -0777 -ne 'for (my $at = 0; $at < length; ) {
		my ($type, $order) = (unpack("N", substr($_, $at, 4)),
		    unpack("V", substr($_, $at + 8, 4)));
		$little = $order == 0x1a2b3c4d if $type == 0x0a0d0d0a;
		print unpack("H*", substr($_, $at + 16, 8)), " "
		    if $type == 0x0a0d0d0a;
		$at += unpack($little ? "V" : "N", substr($_, $at + 4, 4));
	}' out)" 'ffffffffffffffff ffffffffffffffff ffffffffffffffff ' \
	    'pcapng: no section says how long it is'
	push "$c/tcp-refused.pcapng" form1.cap
	run "$STDOUT" "${WHERE[@]}" -f -m -e
	is "$status $(cat err)" '1 d4-stdout: form1.cap: pcap does not fit'\
' into a stream of pcapng' 'pcap in a stream of pcapng'
	backend dir
	merge "$TOP/t/sample/telescope.pcap" "$c/nsec-cut.pcap" \
	    "$c/bigendian-pptp.pcap" "$c/synack-reflection.pcap" \
	    "$c/vlan-mpls-mixed.pcap"
	is "$status $(shown out | sha)" "0 $(shown \
	    "$TOP/t/sample/telescope.pcap" "$c/nsec-cut.pcap" \
	    "$c/bigendian-pptp.pcap" "$c/synack-reflection.pcap" \
	    "$c/vlan-mpls-mixed.pcap" | sha)" 'real captures'
else
	skip 8 'no captures here'
fi

done_testing
