/* SPDX-License-Identifier: ISC */
#ifndef T_UNIT_STREAM_H
#define T_UNIT_STREAM_H

/* What the tests of the window and of the cut have in common: a window, and a
 * peer that reads what it gives. */

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "d4/window.h"
#include "lib/header.h"
#include "lib/mac.h"
#include "t/unit/tap.h"

#define TIME	1795220274
#define STREAM	((size_t)4 << 20)

static struct d4_mac *mac;
static struct d4_mac_key *key;

/* What a peer got in one session. */
static uint8_t wire[STREAM];
static size_t nwire;

static struct window *
make_window(size_t snaplen, size_t keep, size_t buffer)
{
	struct d4_header h = { .version = 1, .type = 3 };
	struct window *w;

	if (mac == NULL && ((mac = d4_mac_new()) == NULL ||
	    (key = d4_mac_key_new(mac, "secret", 6)) == NULL))
		abort();
	memset(h.uuid, 0xab, sizeof(h.uuid));
	if ((w = window_new(&h, snaplen, mac, key, keep, buffer,
	    NULL)) == NULL)
		abort();
	window_clock(w, TIME);
	return w;
}

/* The peer takes up to len bytes, in slices, and says so of several at once.
 * Returns how many. */
static size_t
take(struct window *w, size_t len, size_t slice)
{
	const uint8_t *at;
	size_t n, lent = 0, done = 0;

	while (done < len) {
		if ((n = window_next(w, lent, &at)) > 0) {
			n = n < slice ? n : slice;
			n = n < len - done ? n : len - done;
			if (nwire + n > STREAM)
				abort();
			memcpy(wire + nwire, at, n);
			nwire += n;
			done += n;
			lent += n;
		} else if (lent == 0) {
			break;
		}
		if (n == 0 || lent >= 3 * slice) {
			if (window_sent(w, lent) == -1)
				abort();
			lent = 0;
		}
	}
	if (window_sent(w, lent) == -1)
		abort();
	return done;
}

/* Another peer, after one that had it all: returns how many bytes will be sent
 * again. */
__attribute__((unused))
static size_t
reconnect(struct window *w)
{
	size_t again;

	nwire = 0;
	window_unacked(w, 0);
	again = window_kept(w);
	if (window_rewind(w) == -1)
		abort();
	return again;
}

/*
 * The session as text: payloads of whole, verified records, "[]" for one of
 * size 0, each behind a '|', a type other than 3 before it.  "BAD" for one
 * that is not; half a record at the end is shown as "+".
 */
__attribute__((unused))
static const char *
session(void)
{
	static char text[STREAM];
	size_t at = 0, n = 0;

	while (nwire - at >= D4_HEADER_LEN) {
		struct d4_mac_job job = { .key = key, .record = wire + at };
		struct d4_header h;

		d4_header_decode(&h, wire + at);
		if (h.size > nwire - at - D4_HEADER_LEN)
			break;
		job.len = D4_HEADER_LEN + (size_t)h.size;
		if (d4_mac_verify(mac, &job, 1) == -1 || !job.good)
			return "BAD";
		text[n++] = '|';
		if (h.type != 3)
			n += (size_t)sprintf(text + n, "%u:", h.type);
		if (h.size == 0)
			n += (size_t)sprintf(text + n, "[]");
		memcpy(text + n, wire + at + D4_HEADER_LEN, h.size);
		n += h.size;
		at += job.len;
	}
	if (at < nwire)
		text[n++] = '+';
	text[n] = '\0';
	return text;
}

__attribute__((unused))
static bool
same(const char *have, const char *want)
{
	if (strcmp(have, want) == 0)
		return true;
	diag("got \"%.400s\"\n# wanted \"%.400s\"", have, want);
	return false;
}

#endif
