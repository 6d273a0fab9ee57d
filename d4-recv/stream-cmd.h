/* SPDX-License-Identifier: ISC */
#ifndef D4_RECV_STREAM_CMD_H
#define D4_RECV_STREAM_CMD_H

/*
 * The commands by which records go into streams: an entry is formed once, and
 * gets its id when its turn comes, or another later.  Their memory is used
 * again, for a receiver makes one for each record.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "d4-recv/match.h"
#include "d4-recv/pipeline.h"
#include "d4-recv/stream-keys.h"
#include "lib/header.h"
#include "lib/uuid.h"

#define CMD_STEP	512	/* bytes; sizes are multiples of it */
#define CMD_SIZES	144	/* so many of them are kept, 72 KiB */
#define CMD_SHA		41	/* bytes of a script's name with NUL */
#define CMD_TAIL	96	/* of the key of a tail, with CMD_TAGS */
#define CMD_TAGS	":tags"		/* ends the key of its list */
#define CMD_SPARE	((size_t)20 << 20)	/* bytes kept at most */
#define CMD_BATCH_MAX	64	/* entries with a tail that are one command */
#define CMD_BATCH_BYTES	((size_t)64 << 10)	/* of these, and one more */

enum cmd_kind {
	CMD_ADD, CMD_LENGTH, CMD_SIDE, CMD_REFUSED, CMD_KICKED,
	CMD_BEAT,
	CMD_STORED,		/* the worker is told */
	CMD_TAKE,		/* the tail of a stream */
	CMD_LOAD,		/* the script that adds to it */
	CMD_BATCH,		/* what stands before entries that it adds */
	CMD_CHECK,		/* which entries are there */
	CMD_KINDS
};

/* Whether an entry is there. */
enum cmd_found {
	FOUND_UNKNOWN,
	FOUND_THERE,		/* or it was */
	FOUND_REFUSED,
	FOUND_NEW			/* the server has not seen it */
};

/* What makes an entry one of a stream with a tail. */
struct cmd_tail {
	uint64_t	 n;		/* of the record, from 1 on */
	uint8_t		 tag[MATCH_TAG];
	uint32_t	 wire;		/* its bytes with header */
	bool		 known;		/* its tag is there already */
	bool		 preamble;
};

/* Of the key of a tail's list: the bytes that are the key of its hash. */
size_t cmd_tail_len(const char *);

struct stream_session;

struct cmd {
	struct pipeline_cmd	 p;		/* has to be first */
	struct stream_session	*session;	/* the caller's, or NULL */
	uint64_t		 turn;		/* the caller's, within that */
	enum cmd_kind		 kind;
	size_t			 space;		/* bytes that it has */
	/* Of entries: */
	uint8_t			 type;
	uint32_t		 size;		/* of the payload */
	size_t			 fields;	/* bytes behind the id */
	size_t			 head;		/* room before them */
	char			 id[STREAM_ID];	/* "" before it has one */
	enum cmd_found		 found;		/* by stream-check.h */
	bool			 tailed;
	/* Of those with a tail, instead of these four: */
	struct cmd_tail		 tail;
	uint64_t		 timestamp;
	uint8_t			 version;
	unsigned		 place;		/* in its batch, from 0 on */
	char			 bytes[];
};

/* Memory of commands that were freed.  Begins as zeroes. */
struct cmd_spares {
	struct pipeline_cmd	*first[CMD_SIZES];	/* by entry.tqe_next */
	size_t			 size;
};

/* A command of words, the last of which is followed by NULL; session is NULL.
 * NULL when memory is short. */
struct cmd *cmd_words(struct cmd_spares *, enum cmd_kind,
    const char *const words[]);

/* The entry of a record of that sensor, without an id yet; tail is NULL but for
 * a stream that has one: then it is a piece of a batch. */
struct cmd *cmd_entry(struct cmd_spares *, const struct d4_header *,
    const char uuid[D4_UUID_HEX], const uint8_t *payload,
    const struct cmd_tail *tail);

/* Gives an entry its id, ms-n, and the key of the session's stream: XADD. */
void cmd_set_id(struct cmd *, const char session[D4_UUID_TEXT], uint64_t ms,
    unsigned n);

/* Entries with a tail, that follow one another in their list. */
struct cmd_batch {
	const struct cmd	*first;
	unsigned		 n;
	const char		*session;	/* its text */
	const char		*uuid;		/* digits */
	const char		*sha;		/* of the script */
	const char		*tail;		/* the key with CMD_TAGS */
	uint64_t		 ms;		/* the first one's id */
	unsigned		 seq;
	bool			 trims;		/* the list is to be cut */
};

/* Whether an entry can be one of the batch that begins with the first. */
bool cmd_joins(const struct cmd *first, const struct cmd *);

/* What stands before their payloads; session is NULL.  NULL when memory is
 * short. */
struct cmd *cmd_batch(struct cmd_spares *, const struct cmd_batch *);

/* What pipeline_cmds hold. */
struct cmd *cmd_of(struct pipeline_cmd *);

void cmd_free(struct cmd_spares *, struct cmd *);

/* Gives all that is kept to the system. */
void cmd_spares_free(struct cmd_spares *);

#endif
