/* SPDX-License-Identifier: ISC */
#ifndef D4_RECV_PLACE_H
#define D4_RECV_PLACE_H

/*
 * Where a file lies in the store, and what it is called while it is not yet
 * finished.  Pure: no descriptor, no clock.
 *
 *	<uuid>/<type>/YYYY/MM/DD/<uuid>-YYYY-MM-DD-HHMMSS.<suffix>
 *	<uuid>/254/YYYY/MM/DD/<ext>/<uuid>-YYYY-MM-DD-HHMMSS.txt
 *	<uuid>/254/YYYY/MM/DD/<ext>/<uuid>-YYYY-MM-DD-HHMMSS.json  meta header
 *	<uuid>/254/YYYY/MM/DD/<ext>/files/<sha256>.<extension>
 *	datas/filewatcher/files/<sha256>.<extension>
 *	datas/ja3-jl/certs/<sha1>.crt
 *	datas/ja3-jl/jsons/<token>.json
 *
 * UTC, uuid as 32 digits, and behind it ".gz" or ".zst" where the file is
 * compressed.  A second file of one name bears ".1" before its suffix, and so
 * on.  The suffix is that of the type (lib/type.h), but "cap" for a capture of
 * type 4.  Nothing of a path comes from a sensor but its uuid,
 * its type and the checked names <ext>, <extension> and <token>.
 *
 * A file in the making lies flat in the directory .open of the store as an
 * entry, whose name says all that a later process must know to finish it:
 *
 *	<uuid>@<path without the uuid, '@' for each '/'>~<n>[t<stream>.<k>.<i>]~
 *	    <compression>[~]
 *
 * n tells entries of one path apart.  t marks the k-th file of a stream that
 * has a tail (tail.h), stream being the first digits of its hello's HMAC, and
 * the i-th of that path, so that its names are in order whoever gives them.
 * The last '~' marks the finished bytes of a file that is compressed on its way
 * from the entry without it.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "lib/border.h"
#include "lib/gz.h"
#include "lib/header.h"
#include "lib/type.h"

#define PLACE_OPEN	".open"
#define PLACE_PATH	256	/* a path within the store, with its NUL */
#define PLACE_ENTRY	320	/* an entry's name, likewise */
#define PLACE_TAIL	17	/* <stream>, 16 digits and a NUL */

/* The longest <extension> and <token>, in bytes. */
#define PLACE_WORD_MAX	64

enum place_kind {
	PLACE_STREAM,		/* what a sensor sent */
	PLACE_HEADER,		/* a meta header */
	PLACE_OBJECT,		/* a file by the hash of what is in it */
	PLACE_CERT,		/* likewise a certificate of ja3-jl */
	PLACE_JSON		/* a line of ja3-jl by its time */
};

struct place {
	enum place_kind	 kind;
	uint8_t		 uuid[D4_UUID_LEN];	/* whose it is */
	uint8_t		 type;
	enum d4_border_kind border;		/* of a stream */
	char		 ext[D4_TYPE_NAME_MAX + 1]; /* "" but for 254 */
	enum d4_gz_kind	 compress;
	char		 path[PLACE_PATH];	/* not compressed, no ".1" */
	char		 tail[PLACE_TAIL];	/* <stream>, "" without tail */
	uint64_t	 ordinal;		/* k, from 1 on */
	unsigned	 number;		/* i: with that ".n" or more */
};

/* A stream's file that is opened now; ext is NULL but for type 254.  border is
 * that of the type, or D4_BORDER_PCAP for type 4. */
void place_stream(struct place *, const uint8_t[D4_UUID_LEN], uint8_t type,
    enum d4_border_kind border, const char *ext, time_t now, enum d4_gz_kind);

/* The meta header of such a stream. */
void place_header(struct place *, const uint8_t[D4_UUID_LEN], const char *ext,
    time_t now);

/* A file of filewatcher or filewatcherjson; segregate: below the sensor and
 * day, else below datas.  The extension has passed place_word_ok() or is
 * empty. */
void place_object(struct place *, const uint8_t[D4_UUID_LEN], const char *ext,
    const uint8_t sha256[32], const char *extension, bool segregate,
    time_t now, enum d4_gz_kind);

void place_cert(struct place *, const uint8_t[D4_UUID_LEN],
    const uint8_t sha1[20]);

/* The token has passed place_word_ok(). */
void place_json(struct place *, const uint8_t[D4_UUID_LEN],
    const char *token);

/* Whether the text may stand in a file's name: [A-Za-z0-9][A-Za-z0-9._:+-]*,
 * at most PLACE_WORD_MAX bytes. */
bool place_word_ok(const char *, size_t len);

/* Whether finished files of the kind are queued by their path: types without
 * lines, and what handlers of extended types make of lines. */
bool place_is_queued(const struct place *);

/* The name of the queues for what the sensor sends: a decimal type or ext. */
void place_queue(const struct place *, char[D4_TYPE_NAME_MAX + 1]);

/* The name of the n-th entry; done: of its finished bytes. */
void place_entry(const struct place *, unsigned n, bool done,
    char[PLACE_ENTRY]);

/* Reads an entry's name.  0, or -1 when no process of ours gave it. */
int place_parse(struct place *, const char *entry, unsigned *n, bool *done);

/* The path of the finished file, with ".n" for n > 0 and with the ending of
 * its compression. */
void place_final(const struct place *, unsigned n, char[PLACE_PATH]);

#endif
