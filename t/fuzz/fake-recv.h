/* SPDX-License-Identifier: ISC */
#ifndef T_FUZZ_FAKE_RECV_H
#define T_FUZZ_FAKE_RECV_H

/*
 * What stands around a connection of d4-recv, faked: the finisher with its disk
 * (files in memory, judged as they are handed over), the registry, d4-core's
 * streams, TLS and the log.  One world at a time, for one process.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "d4-recv/finish.h"
#include "d4-recv/stream.h"
#include "lib/registry.h"
#include "lib/tls.h"

/* Who the sensors are, by the second byte of their uuid; all else is that of a
 * version 4 uuid.  What is asked of the registry may fail by FAULT_ANSWER. */
enum fake_sensor {
	FAKE_KNOWN,		/* registered, with the default key */
	FAKE_OWN_KEY,		/* registered, with FAKE_KEY and limits */
	FAKE_STRANGER,		/* not registered */
	FAKE_BLOCKED,
	FAKE_BLOCKS_ADDRESS,
	FAKE_BROKEN,		/* the registry can't say */
	FAKE_UNREGISTERED,	/* known, and no more */
	FAKE_NOBODY,		/* not registered, no uuid of version 4 */
	FAKE_SENSORS
};

#define FAKE_KEY	"a key of its own"

struct fake {
	/* What a run may set at any time. */
	bool	disk_full;	/* no file can be made */
	bool	busy;		/* the finisher is */
	bool	disk_broken;	/* nothing can be written */
	bool	items_full;	/* no item is taken */
	bool	stream_full;
	bool	stream_over;	/* its session is to be cut */
	bool	kicked;		/* all registered sensors are */
	bool	address_blocked;
	bool	tls_slow;	/* nobody answers its end */
	bool	tls_broken;	/* nothing can be read */
	bool	broken;		/* the registry is */
	bool	answers;	/* but says what it has read before */
	bool	elsewhere;	/* another worker has the sensors */
	bool	blames;		/* all sensors are to be blocked by address */
	bool	other_key;	/* FAKE_KNOWN has FAKE_KEY now */
	bool	has_types;	/* the registry says which, not the settings */
	bool	cuts_off;	/* a connection ends without a word */
	uint64_t heard;		/* of sensors that are elsewhere, the last */

	/* What came out: files and items, one after another, and how many. */
	uint8_t	*out;
	size_t	 len, cap;
	unsigned nfiles, nitems;
	unsigned nopen;		/* files */
	unsigned nclaims, nstreams;
	unsigned nnotes;	/* of verified records, in the registry */
	uint64_t nrecords;	/* noted */
};

extern struct fake fake;

/* Begins a new world; what a run left open is a fault. */
void fake_begin(void);
void fake_end(void);

/* The finisher and the queues of this world. */
struct finish *fake_finish(void);
struct items fake_items(void);

#endif
