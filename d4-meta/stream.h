/* SPDX-License-Identifier: ISC */
#ifndef D4_META_STREAM_H
#define D4_META_STREAM_H

/*
 * The records of one D4 stream, one after the other, with what their HMACs
 * are worth.  A record with a bad HMAC is one more record; a stream that is
 * cut or announces too large a payload is broken there, for nothing tells
 * where the next record would begin.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/header.h"
#include "lib/mac.h"

enum stream_hmac {
	STREAM_UNCHECKED,
	STREAM_GOOD,
	STREAM_BAD
};

struct stream_record {
	uint64_t		 offset;	/* of the header, in bytes */
	struct d4_header	 header;
	const uint8_t		*payload;	/* header.size bytes */
	enum stream_hmac	 hmac;
};

struct stream {
	int			 in;
	const char		*name;		/* for messages */
	struct d4_mac		*mac;		/* NULL: nothing is verified */
	struct d4_mac_key	*key;

	/* Called with each record, which is good until it returns; 0 to go on
	 * or -1 when the caller failed and has said so. */
	int			(*on_record)(void *,
				    const struct stream_record *);
	/* Called when all that was read has been handed out, before more is
	 * waited for; the same. */
	int			(*on_drained)(void *);
	void			*cookie;

	uint64_t		 nrecords;
	uint64_t		 nbytes;	/* handed out, headers too */
	uint64_t		 nbad;
	uint64_t		 first_bad;	/* offset */
	enum d4_refusal		 end;	/* D4_OK, or why it is broken ... */
	uint64_t		 end_offset;	/* ... at this header */
};

/*
 * Goes on until the end of the stream or a signal.  Says on stderr where it is
 * broken, how many HMACs are bad and what else goes wrong.  Returns 0, or -1
 * when there was any of that.
 */
int stream_run(struct stream *);

/* "good", "bad" or "unchecked". */
const char *stream_hmac_str(enum stream_hmac);

#endif
