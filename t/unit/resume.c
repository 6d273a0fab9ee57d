/* SPDX-License-Identifier: ISC */

/*
 * Streams over links that are lost at random moments, to a small model of the
 * receiver: what it has in the end is what went in, not a byte lost or twice.
 */

#include "d4/cut.h"
#include "lib/bytes.h"
#include "t/unit/stream.h"
#include "t/unit/tap.h"

#define KEEP	((size_t)1 << 20)	/* the window */
#define TAIL	(2 * KEEP)		/* what the receiver knows again */
#define AHEAD	(KEEP / 4)		/* acknowledged, and yet lost */
#define MEGA	((size_t)1 << 20)

/* -- a receiver ------------------------------------------------------------ */

struct entry {
	uint8_t	 tag[D4_HMAC_LEN];
	size_t	 len;			/* on the wire */
	size_t	 end;			/* of its bytes in what is stored */
};

static struct receiver {
	enum d4_border_kind kind;
	uint8_t		 hello[D4_HMAC_LEN];
	struct entry	*tail;
	size_t		 ntail;
	uint8_t		*stored;
	size_t		 len;
	int		 gaps;
	uint64_t	 taken;		/* bytes on the wire */
} rx;

static void
rx_begin(enum d4_border_kind kind)
{
	free(rx.tail);
	free(rx.stored);
	memset(&rx, 0, sizeof(rx));
	rx.kind = kind;
	rx.tail = calloc(2 * MEGA, sizeof(*rx.tail));
	rx.stored = malloc(64 * MEGA);
	if (rx.tail == NULL || rx.stored == NULL)
		abort();
}

/* Whether these bytes, behind those that are stored, are a preamble. */
static bool
is_preamble(const uint8_t *bytes, size_t len)
{
	return rx.kind == D4_BORDER_PCAP && len == 24 &&
	    d4_get32le(bytes) == 0xa1b2c3d4;
}

static void
rx_store(const uint8_t *record, size_t len)
{
	struct entry *e = &rx.tail[rx.ntail++];

	if (rx.ntail == 2 * MEGA || rx.len + len > 64 * MEGA)
		abort();
	memcpy(e->tag, record + D4_HMAC_AT, D4_HMAC_LEN);
	e->len = len;
	memcpy(rx.stored + rx.len, record + D4_HEADER_LEN,
	    len - D4_HEADER_LEN);
	rx.len += len - D4_HEADER_LEN;
	e->end = rx.len;
}

/* What a session brought, in wire: the first whole records of it. */
static void
rx_session(void)
{
	enum { HELLO, SEEK, FOLLOW, LIVE } state = HELLO;
	size_t at = 0, len, i = 0, floor = 0, have = 0;

	for (i = rx.ntail; i > 0 && have < TAIL; i--)
		have += rx.tail[i - 1].len;
	floor = i;
	for (; nwire - at >= D4_HEADER_LEN; at += len) {
		const uint8_t *record = wire + at;
		const uint8_t *tag = record + D4_HMAC_AT;

		len = D4_HEADER_LEN + (size_t)d4_get32le(record + D4_SIZE_AT);
		if (len > nwire - at)
			return;
		if (state == HELLO) {
			if (rx.taken > 0 &&
			    memcmp(tag, rx.hello, D4_HMAC_LEN) != 0)
				rx.gaps++;
			memcpy(rx.hello, tag, D4_HMAC_LEN);
			rx.taken += len;
			state = rx.ntail > floor ? SEEK : LIVE;
			continue;
		}
		rx.taken += len;
		if (state == SEEK) {
			if (is_preamble(record + D4_HEADER_LEN,
			    len - D4_HEADER_LEN))
				continue;
			for (i = floor; i < rx.ntail && memcmp(tag,
			    rx.tail[i].tag, D4_HMAC_LEN) != 0; i++)
				continue;
			rx.gaps += i == rx.ntail;
			state = i++ == rx.ntail ? LIVE : FOLLOW;
			if (state == FOLLOW)
				continue;
		}
		if (state == FOLLOW && i < rx.ntail) {
			if (memcmp(tag, rx.tail[i].tag, D4_HMAC_LEN) == 0) {
				i++;
				continue;
			}
			rx.gaps++;
		}
		state = LIVE;
		rx_store(record, len);
	}
}

/* The session ended badly: back to the last whole unit. */
static void
rx_cut(void)
{
	struct d4_border *b = d4_border_new(rx.kind);
	size_t border = rx.len;

	if (rx.kind == D4_BORDER_LINES)
		while (border > 0 && rx.stored[border - 1] != '\n')
			border--;
	else if (b == NULL || d4_border_scan(b, rx.stored, rx.len,
	    &border) == -1)
		abort();
	d4_border_free(b);
	rx.len = border;
	while (rx.ntail > 0 && rx.tail[rx.ntail - 1].end > border)
		rx.ntail--;
	/* The client cuts at borders, so there is one at a record's end. */
	if (rx.len != (rx.ntail > 0 ? rx.tail[rx.ntail - 1].end : 0))
		rx.gaps++;
}

/* -- a stream -------------------------------------------------------------- */

static uint8_t *input;
static size_t ninput;

static size_t
at_random(size_t below)
{
	return (size_t)random() % below;
}

/* The whole of the input by way of sessions that last for so many bytes; a
 * second lasts for so many turns. */
static void
play(enum d4_border_kind kind, size_t snaplen, size_t least, size_t most,
    size_t turns, const char *name)
{
	struct window *w = make_window(snaplen, KEEP, KEEP);
	struct cut *c = cut_new(w, kind, 3, snaplen, false, "test");
	size_t fed = 0, left, n, room, sessions = 0, pauses = 0, turn = 0;
	size_t kept = 0;
	uint64_t second = TIME;
	bool over = false;
	uint8_t *at;

	rx_begin(kind);
	nwire = 0;
	if (c == NULL || window_add_opening(w, 3, NULL, 0) == -1)
		abort();
	left = least + at_random(most);
	while (!over) {
		if (++turn % turns == 0)
			window_clock(w, ++second);
		if (window_pauses(w)) {
			pauses++;
			window_clock(w, ++second);
		}
		if (fed < ninput && !window_full(w)) {
			room = cut_space(c, &at);
			n = 1 + at_random(room < 100000 ? room : 100000);
			n = n < ninput - fed ? n : ninput - fed;
			memcpy(at, input + fed, n);
			fed += n;
			if (cut_take(c, n) == -1 || (fed == ninput &&
			    cut_finish(c) == -1) || window_seal(w) == -1)
				abort();
		}
		n = take(w, left, 1 + at_random(200000));
		left -= n;
		if (n > 0 && window_kept(w) > AHEAD)
			window_unacked(w, at_random(AHEAD));
		kept = window_kept(w) > kept ? window_kept(w) : kept;
		over = fed == ninput && window_waiting(w) == 0;
		if (!over && left > 0 && nwire < STREAM - 300000)
			continue;
		/* The rest was on the way, some of it acknowledged. */
		if (!over)
			nwire -= at_random(nwire < AHEAD ? nwire + 1 : AHEAD);
		rx_session();
		if (!over)
			rx_cut();
		window_unacked(w, at_random(AHEAD));
		nwire = 0;
		if (!over && window_rewind(w) == -1)
			abort();
		left = least + at_random(most);
		sessions++;
	}
	ok(rx.len == ninput && memcmp(rx.stored, input, ninput) == 0,
	    "%s: what is stored is what went in, over %zu sessions", name,
	    sessions);
	is(rx.gaps, 0, "and each resumed where the one before had ended");
	/* Half a window behind it, what was not yet acknowledged, a record. */
	ok(kept <= KEEP + KEEP / 2 + KEEP / 16 + AHEAD + 300000,
	    "at most %zu bytes were kept, %zu pauses", kept, pauses);
	cut_free(c);
	window_free(w);
}

static void
make_input(size_t len)
{
	free(input);
	if ((input = malloc(len + 300000)) == NULL)
		abort();
	ninput = 0;
}

/* Every line the same. */
static void
repeat(const char *line, size_t len)
{
	size_t n = strlen(line);

	make_input(len);
	for (; ninput < len; ninput += n)
		memcpy(input + ninput, line, n);
}

static void
packets(size_t len, size_t most, bool anew)
{
	static const uint8_t head[24] = { 0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4,
	    [16] = 0, 0, 4, 0, 1 };
	size_t n;

	make_input(len);
	while (ninput < len) {
		if (ninput == 0 || (anew && at_random(3000) == 0)) {
			memcpy(input + ninput, head, sizeof(head));
			ninput += sizeof(head);
		}
		n = most > 60 ? 60 + at_random(most - 60) : most;
		memset(input + ninput, 7, 16 + n);
		d4_put32le(input + ninput + 8, (uint32_t)n);
		d4_put32le(input + ninput + 12, (uint32_t)n);
		ninput += 16 + n;
	}
}

static void
words(size_t len)
{
	size_t n;

	make_input(len);
	while (ninput < len) {
		n = at_random(100) == 0 ? at_random(200000) : at_random(80);
		memset(input + ninput, "ab"[at_random(2)], n);
		input[ninput + n] = '\n';
		ninput += n + 1;
	}
}

int
main(void)
{
	const char *seed = getenv("D4_SEED");
	char line[4097];

	srandom(seed != NULL ? (unsigned int)atoi(seed) : 1);
	repeat("y\n", 8 * MEGA);
	play(D4_BORDER_LINES, 4096, 1, 2 * MEGA, 20, "yes");
	play(D4_BORDER_LINES, 4096, 1, 2 * MEGA, 100000, "yes, in a second");
	repeat("y\n", MEGA / 4);
	play(D4_BORDER_LINES, 7, 1, 2 * MEGA, 100000, "yes, snaplen 7");
	play(D4_BORDER_LINES, 1, 1, 2 * MEGA, 100000, "yes, snaplen 1");
	play(D4_BORDER_OPAQUE, 1, 1, 2 * MEGA, 100000, "opaque, snaplen 1");
	memset(line, 'x', 4095);
	line[4095] = '\n';
	line[4096] = '\0';
	repeat(line, 8 * MEGA);
	play(D4_BORDER_LINES, 4096, 1, 2 * MEGA, 100000, "lines of a payload");
	play(D4_BORDER_LINES, 1000, 1, 2 * MEGA, 100000, "longer ones");
	play(D4_BORDER_OPAQUE, 4096, 1, 2 * MEGA, 100000, "opaque");
	words(8 * MEGA);
	play(D4_BORDER_LINES, 4096, 1, 2 * MEGA, 50, "lines of all lengths");
	play(D4_BORDER_LINES, 100, 1, 2 * MEGA, 50, "and snaplen 100");
	packets(8 * MEGA, 1500, false);
	play(D4_BORDER_PCAP, 4096, 1, 2 * MEGA, 50, "a capture");
	packets(8 * MEGA, 1500, true);
	play(D4_BORDER_PCAP, 4096, 1, 2 * MEGA, 50, "captures");
	play(D4_BORDER_PCAP, 100, 1, 2 * MEGA, 50, "and snaplen 100");
	packets(8 * MEGA, 54, true);
	play(D4_BORDER_PCAP, 4096, 1, 2 * MEGA, 100000, "equal packets");
	free(input);
	free(rx.tail);
	free(rx.stored);
	d4_mac_key_free(key);
	d4_mac_free(mac);
	return tap_done();
}
