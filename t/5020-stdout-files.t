#!/usr/bin/env bash
# SPDX-License-Identifier: ISC
#
# Items that name files: their content goes out, one after the other; what can't
# be read is said, counted and skipped; nothing outside the root is opened; no
# file costs memory.

# Conditions are for within to try; some functions are called by others.
# shellcheck disable=SC2016,SC2119,SC2317

# shellcheck source=t/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=t/stdout.sh
. "$TOP/t/stdout.sh"
TYPE=1
backend dir
mkdir data
echo one > data/one
echo two | gzip > data/two.gz
{ echo three | gzip; echo four | gzip; } > data/three.gz
printf 'a\0b' > data/bytes

# sends options: what comes of the files pushed before.
sends() {
	run "$STDOUT" "${WHERE[@]}" -f -e "$@"
}

push "$PWD/data/one" "$PWD/data/bytes" "$PWD/data/two.gz"
sends
ok '-f: file after file, as they are' cmp -s out \
    <(cat data/one data/bytes data/two.gz)
is "$status $(cat err)" '0 ' '-f: done, nothing said'
push "$PWD/data/one" "$PWD/data/three.gz"
sends -z
is "$status $(tr '\n' . < out)" 0\ one.three.four. \
    '-z: decompressed, members joined, others as they are'
push "$PWD/data/bytes" "$PWD/data/bytes"
sends -n
is "$(od -An -tx1 < out | tr -d ' \n')" 6100620a6100620a '-n: after each file'
push data/one
sends
is "$status $(cat out)" '0 one' 'a relative name'
if zstd --version > /dev/null 2>&1; then
	echo five | zstd -q > data/five.zst
	push "$PWD/data/five.zst"
	sends -z
	is "$status $(cat out)" '0 five' '-z: Zstandard'
else
	skip 1 'no zstd'
fi

# ---- files that can't be read ---------------------------------------------

mkfifo data/fifo
ln -s one data/link
push "$PWD/data/none" "$PWD/data/one" "$PWD/data/fifo" "$PWD/data" \
    "$PWD/data/one"
run timeout 10 "$STDOUT" "${WHERE[@]}" -f -e -v
is "$status $(tr '\n' . < out)" '1 one.one.' 'others go on, exit 1 in the end'
like "$(cat err)" "data/none: No such file" 'a missing file is said'
is "$(grep -c 'not a regular file' err)" 2 'as are a FIFO and a directory'
like "$(tail -1 err)" ' 5 items, .* 3 skipped' 'and counted'
is "$(waiting) $(in_hand)" '0 0' 'they are done with'
push "$(printf 'data\none')"
sends
is "$status $(cat err)" \
    '1 d4-stdout: data\012one: No such file or directory' \
    'a strange name is shown safely'
push ''
sends
is "$status $(cat err)" '1 d4-stdout: : not the name of a file' 'an empty item'
push "$PWD/data/none"
"$STDOUT" "${WHERE[@]}" -f > out 2> err &
started
within 5 grep -q none err
ends 'following, a missing file is no reason to fail' "$pid"
head -c 10 data/three.gz > data/cut.gz
printf '\037\213rubbish' > data/bad.gz
push "$PWD/data/cut.gz" "$PWD/data/bad.gz" "$PWD/data/two.gz"
sends -z
is "$status $(cat out)" '1 two' '-z: damaged files are skipped'
is "$(grep -c -e 'cut.gz: compressed data' -e 'bad.gz: compressed data' err)" \
    2 'and said'

# ---- beneath a root -------------------------------------------------------

mkdir -p data/in/deep
echo six > data/in/deep/six
ln -s deep data/in/dirlink
ln -s deep/six data/in/filelink
ln -s ../one data/in/out
ln -s in data-link
push "$PWD/data/in/deep/six" deep/six "$PWD/data/in//deep/./six"
sends --root data/in
is "$status $(tr '\n' . < out)" '0 six.six.six.' \
    '--root: what is beneath it, absolute and relative'
push "$PWD/data/in/deep/../deep/six"
sends --root data/in
case $SANITIZE in
valgrind)
	# It doesn't know openat2(2), without which there is no way up.
	is "$status $(wc -c < out)" '1 0' '--root: no .. where it is not safe'
	;;
*)
	is "$status $(cat out)" '0 six' '--root: .. that stays beneath it'
	;;
esac
ln -s "$PWD/data/in" root
push "$PWD/root/deep/six" "$PWD/data/in/deep/six"
sends --root "$PWD/root"
is "$status $(tr '\n' . < out)" '0 six.six.' \
    '--root: by the name given and by its true name'
for path in data/one "$PWD/data/one" ../one "$PWD/data/in/../one" \
    "$PWD/data/in/dirlink/six" "$PWD/data/in/filelink" dirlink/six out \
    /etc/passwd "$PWD/data/in2/x" "$PWD/data/inx"; do
	push "$path"
	sends --root "$PWD/data/in"
	is "$status $(wc -c < out) $(lines err)" '1 0 1' \
	    "--root: not ${path#"$PWD/"}"
done

# ---- output ---------------------------------------------------------------

noise 3000000 > data/big
push "$PWD/data/one" "$PWD/data/big" "$PWD/data/one"
"$STDOUT" "${WHERE[@]}" -f -a 2> err > >(head -c 100 > /dev/null)
is "$?/$(cat err)" '1/d4-stdout: stdout: Broken pipe' 'a reader that is gone'
is "$(waiting) $(in_hand)" '2 0' 'the file that it had of is put back'
sends -a
ok 'and comes again, from its beginning' cmp -s out <(cat data/big data/one)
push "$PWD/data/one" "$PWD/data/big"
run sh -c 'ulimit -f 2000; trap "" XFSZ; "$@" > small' - "$STDOUT" \
    "${WHERE[@]}" -f
is "$status $(stat -c %s small) $(waiting)" '1 4 1' \
    'of a file that does not fit on the disk nothing stays'
backend dir

# Killed in the middle of a file: with -a it is the first again.
push "$PWD/data/big" "$PWD/data/one"
mkfifo slow
"$STDOUT" "${WHERE[@]}" -f -a > slow 2> err &
started
exec 9< slow
within 5 eval '[ "$(in_hand)" = 1 ]'
kill -KILL "$pid"
finish "$pid" 2> /dev/null
exec 9<&-
sends -a
ok '-a: a crash in mid-file loses nothing' cmp -s out \
    <(cat data/big data/one)

# ---- memory ---------------------------------------------------------------

# peak file options: the most memory resident while it is sent, in KiB.
peak() {
	local file=$1
	shift
	push "$file"
	"$STDOUT" "${WHERE[@]}" -f "$@" 2> err > /dev/null &
	started
	within 60 eval '[ "$(waiting)" = 0 ] && [ "$(in_hand)" = 0 ]'
	awk '/^VmHWM/ { print $2 }' "/proc/$pid/status"
	kill "$pid"
	wait "$pid"
}
if [ -n "$SANITIZE" ]; then
	skip 4 'a sanitizer takes memory of its own'
else
	head -c 1000000000 /dev/zero | gzip -1 > data/bomb.gz
	# As a capture: packets that claim to be longer and longer.
	perl -e 'print pack("VvvVVVV", 0xa1b2c3d4, 2, 4, 0, 0, 0xffffffff, 1);
	    print pack("VVVV", 1, 2, 4 << 20, 4 << 20), "\0" x (4 << 20)
	    for 1 .. 50; print pack("VVVV", 1, 2, 0x7fffffff, 1);
	    print "\0" x (1 << 20) for 1 .. 200' | gzip -1 > data/pcap.gz
	perl -e 'print pack("VVVvvq<V", 0x0a0d0d0a, 28, 0x1a2b3c4d, 1, 0, -1,
	    28); print pack("VV", 6, 60 << 20);
	    print "\0" x (1 << 20) for 1 .. 200' | gzip -1 > data/pcapng.gz
	for how in 'bomb -z' 'bomb -m' 'pcap -m' 'pcapng -m'; do
		kib=$(peak "$PWD/data/${how% *}.gz" "${how#* }")
		ok "$how: $kib KiB resident, less than 16 MiB" test \
		    "$kib" -lt 16384
	done
fi

done_testing
