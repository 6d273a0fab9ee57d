#!/usr/bin/env bash
# SPDX-License-Identifier: ISC
#
# Streams of the original clients: d4-recv takes them, or refuses those that a
# server has to refuse, and d4 makes the same records of the same files.

# shellcheck source=t/lib.sh
. "$(dirname "$0")/lib.sh"

V=$SHARED/vectors
[ -r "$V/vectors.json" ] || skip_all 'the vectors are not here'

# vectors.json as lines: name, quirk, key and the inputs.
cat > list.pl <<'P'
use JSON::PP;
for (<STDIN>) {
	next unless /^\{/;
	s/,\s*$//;
	my $v = decode_json($_);
	print join("\t", $v->{name}, $v->{quirk} ? 1 : 0, $v->{hmac_key_hex}
	    || '-', $v->{fed} eq 'stdin' ? 1 : 0,
	    "@{$v->{inputs}}" || '-'), "\n";
}
P
perl list.pl < "$V/vectors.json" > list
ok 'the list is read' test "$(lines list)" -gt 40

while IFS=$'\t' read -r name quirk key fed inputs; do
	conf_recv r
	# One CR before the newline goes, one that is of the key stays.
	perl -e 'print pack("H*", shift), "\r\n"' "${key#-}" > r/key
	case $name in
	*-key-empty)
		refuses "$name: we want a key" 2 '^d4-recv: r/key: is empty' \
		    '' "$RECV" -c r < "$V/$name.d4"
		continue ;;
	c-uuid-invalid)
		refuses "$name" 1 'record 1: uuid is not of version 4$' '' \
		    "$RECV" -c r < "$V/$name.d4"
		continue ;;
	c-type-254)
		refuses "$name" 1 'record 1: type 254 without a meta' '' \
		    "$RECV" -c r < "$V/$name.d4"
		continue ;;
	esac
	run "$RECV" -c r < "$V/$name.d4"
	is "$status" 0 "$name is taken (quirk: $quirk)"
	if [ "$fed" = 1 ]; then
		: > input
		for file in $inputs; do
			[ "$file" = - ] || cat "$V/$file" >> input
		done
		ok 'and gives its input' cmp out input
	fi
done < list

# The same file through the same configuration: all but time and tag agree.
cat > make.pl <<'P'
use JSON::PP;
my ($dir, $want) = @ARGV;
for (<STDIN>) {
	next unless /^\{/;
	s/,\s*$//;
	my $v = decode_json($_);
	next if $v->{name} ne $want;
	while (my ($file, $value) = each %{$v->{conf}}) {
		open my $out, '>:raw', "$dir/$file" or die;
		print $out $value;
	}
}
P
# Time and tag of each record become dots.
cat > plain.pl <<'P'
local $/;
$_ = <STDIN>;
for (my $at = 0; $at < length;) {
	my $size = unpack 'V', substr $_, $at + 58, 4;
	substr($_, $at + 18, 40) = '.' x 40;
	$at += 62 + $size;
}
print;
P
while IFS=$'\t' read -r name quirk key fed inputs; do
	case $name/$quirk in
	c-key-empty/* | c-*/1 | [!c]*) continue ;;
	esac
	conf c
	perl make.pl c "$name" < "$V/vectors.json"
	run "$D4" -c c < "$V/$inputs"
	is "$status" 0 "d4 as $name"
	perl plain.pl < out > ours
	perl plain.pl < "$V/$name.d4" > theirs
	ok 'the same records but for time and tag' cmp ours theirs
done < list

done_testing
