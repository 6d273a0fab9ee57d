#!/usr/bin/env bash
# SPDX-License-Identifier: ISC
#
# d4-stdout and a Redis server that goes and comes: said once, nothing lost
# with -a; plain RPOP without it, so that d4-core's analyzers share the queue.

# Conditions are for within to try; some functions are called by others.
# shellcheck disable=SC2016,SC2119,SC2317

# shellcheck source=t/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=t/stdout.sh
. "$TOP/t/stdout.sh"
redis-server --version > /dev/null 2>&1 || skip_all 'no redis-server'

has_lines() {
	[ "$(lines "$1")" -ge "$2" ]
}

# A server that keeps what it has over a restart.
redis_down() {
	kill "$1" "$redis_pid"
	finish "$redis_pid"
} 2> /dev/null

keep=(--appendonly yes --appendfsync always)
redis_up "${keep[@]}"
backend redis

# ---- commands -------------------------------------------------------------

push one two three
redis config resetstat > /dev/null
run "$STDOUT" "${WHERE[@]}" -e
like "$(redis info commandstats)" 'cmdstat_rpop:calls=' 'without -a: RPOP'
is "$(redis info commandstats | grep -c -i -e lmove -e poplpush -e eval -e \
    rpush)" 0 'and nothing else that takes'
is "$(redis keys "analyzer:$TYPE:$Q*")" '' 'no list of items in hand'
mapfile -t many < <(seq 1 2000)
redis lpush "analyzer:$TYPE:$Q" "${many[@]}" > /dev/null
redis config resetstat > /dev/null
run "$STDOUT" "${WHERE[@]}" -n -e
ok 'many items, all in their order' cmp -s out <(seq 1 2000)
ok 'are taken together' test "$(redis info commandstats |
    sed -n 's/^cmdstat_rpop:calls=\([0-9]*\).*/\1/p')" -lt 50
redis config resetstat > /dev/null
push one
run "$STDOUT" "${WHERE[@]}" -a -e
like "$(redis info commandstats)" 'cmdstat_(rpoplpush|lmove):calls=' \
    'with -a: into the list of items in hand'
redis config resetstat > /dev/null
"$STDOUT" "${WHERE[@]}" > out 2> err &
started
waits() {
	redis info commandstats | grep -q '^cmdstat_brpop:'
}
within 10 waits
sleep 3.2
like "$(redis info commandstats)" 'cmdstat_brpop:calls=[1-5],' \
    'waiting is BRPOP'
is "$(redis info commandstats | grep -c 'cmdstat_rpop:calls=[4-9]')" 0 \
    'and no looking again and again'
ends 'it ends' "$pid"

# An analyzer of d4-core beside us: each item goes to one of both.
: > ours
: > theirs
"$STDOUT" "${WHERE[@]}" -n > ours 2> err &
started
for i in $(seq 1 40); do
	push "item $i"
	redis rpop "analyzer:$TYPE:$Q" | grep . >> theirs
done
ok 'a queue is shared with others that pop' within 5 eval \
    '[ "$(cat ours theirs | sort -u | wc -l)" = 40 ]'
is "$(cat ours theirs | wc -l)" 40 'and no item goes to two'
ends 'it ends' "$pid"

# ---- a server that is lost ------------------------------------------------

for how in '' -a; do
	backend redis
	# shellcheck disable=SC2086
	"$STDOUT" "${WHERE[@]}" -n $how > out 2> err &
	started
	ours=$pid
	push one
	within 5 has_lines out 1
	redis_down -KILL
	within 5 grep -q 'connecting again' err
	sleep 2.5
	kill -USR1 "$ours"
	ok "$how: figures say that it is down" within 3 grep -q \
	    ' 0 reconnects, down$' err
	redis_up "${keep[@]}"
	push two
	ok "$how: after a restart it goes on" within 20 has_lines out 2
	redis_down -TERM
	redis_up "${keep[@]}"
	push three
	ok "$how: and after another" within 20 has_lines out 3
	is "$(tr '\n' . < out)" one.two.three. "$how: each item once"
	is "$(grep -c 'connecting again$' err)" 2 "$how: each loss is said once"
	kill -USR1 "$ours"
	ok "$how: reconnects are counted" within 3 grep -q ' 2 reconnects, up$' \
	    err
	redis_down -KILL
	within 5 eval '[ "$(grep -c "connecting again$" err)" = 3 ]'
	ends "$how: it ends without a server too" "$ours"
	redis_up "${keep[@]}"
done

# The server dies while an item is in hand: acknowledged later, not twice.
backend redis
push "$(printf '%02000000d' 1)" two
mkfifo slow
"$STDOUT" "${WHERE[@]}" -a -n > slow 2> err &
started
ours=$pid
exec 9< slow
within 5 eval '[ "$(in_hand)" = 1 ]'
redis_down -KILL
cat <&9 > out &
started
sleep 1
redis_up "${keep[@]}"
ok 'an item that was written meanwhile is not written again' within 10 \
    eval '[ "$(in_hand)$(waiting)" = 00 ]'
is "$(wc -c < out)" 2000005 'and the next one follows'
ends 'it ends' "$ours"
exec 9<&-

# A key of another kind is a fault, not a loss.
redis del "analyzer:$TYPE:$Q" > /dev/null
redis set "analyzer:$TYPE:$Q" text > /dev/null
refuses 'a key that is no list' 1 ': WRONGTYPE ' '' "$STDOUT" "${WHERE[@]}"
redis del "analyzer:$TYPE:$Q" > /dev/null
"$STDOUT" "${WHERE[@]}" > out 2> err &
started
within 5 listens "$pid" d4-stdout
sleep 0.3
redis set "analyzer:$TYPE:$Q" text > /dev/null
finish "$pid"
like "$status $(cat err)" '^1 d4-stdout: .*: WRONGTYPE ' 'also later on'
redis del "analyzer:$TYPE:$Q" > /dev/null

# A server whose RPOP takes no number (before 6.2) answers one by one.
backend redis
perl -MIO::Socket::UNIX -e '
	my $l = IO::Socket::UNIX->new(Local => $ARGV[0], Listen => 5) or die;
	my @items = map { "item $_" } 1 .. 20;
	while (my $c = $l->accept) {
		while (defined(my $n = <$c>)) {
			my @w;
			for (1 .. substr $n, 1) {
				my $len = substr <$c>, 1;
				read $c, my $w, $len + 2;
				push @w, substr $w, 0, $len;
			}
			my $r = $w[0] eq "SELECT" ? "+OK" : $w[0] eq "LLEN" ?
			    ":20" : $w[0] eq "BRPOP" ? "*-1" : @w > 2 ?
			    "-ERR wrong number of arguments for rpop" : @items ?
			    "\$" . length($items[0]) . "\r\n" . shift @items :
			    "\$-1";
			print $c "$r\r\n";
			$c->flush;
		}
	}' old.sock &
started
within 5 test -S old.sock
run timeout 10 "$STDOUT" -S old.sock -t 3 -u $Q -n -e
is "$status $(cat err)" '0 ' 'a server before Redis 6.2'
ok 'gives its items one by one' cmp -s out <(seq -f 'item %g' 1 20)

done_testing
