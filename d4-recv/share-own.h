/* SPDX-License-Identifier: ISC */
#ifndef D4_RECV_SHARE_OWN_H
#define D4_RECV_SHARE_OWN_H

/* Within the room of shared tails: what its files share. */

#include <sys/queue.h>

#include "d4-recv/pipeline.h"
#include "d4-recv/share-keys.h"
#include "d4-recv/share.h"
#include "d4-recv/tail-log.h"
#include "lib/redis.h"
#include "lib/uuid.h"

#define NAME		56	/* bytes of UUID:TYPE:STREAM, with NUL */
#define KEY		(NAME + 32)	/* of a key */
#define PLACE		96	/* of a place as text, likewise */
#define ASK_MS		50	/* between two questions */

enum kind { BEAT, TAKE, PUSH, UPLOAD, CONFIRM, RELEASE };

struct cmd {
	struct pipeline_cmd	 p;		/* has to be first */
	struct share_stream	*stream;
	enum kind		 kind;
	uint64_t		 ticket;
	char			 bytes[];
};

/* Words of a command in the making. */
struct words {
	const void	**at;
	size_t		*len;
	size_t		 n, room;
	bool		 failed;
};

struct record {
	uint8_t		 tag[MATCH_TAG];
	uint32_t	 wire;
	bool		 preamble;
	uint64_t	 file, end;
};

struct share_stream {
	uint8_t			 id[D4_UUID_LEN]; /* first, for the table */
	struct share		*share;
	TAILQ_ENTRY(share_stream) due;
	bool			 is_due;
	char			 name[NAME];
	enum share_state	 state;
	unsigned		 refs;
	struct tail		*tail;		/* of a dead process, or NULL */
	bool			 wanted;
	bool			 inflight;
	struct cmd		*asked;		/* the question that is */
	struct cmd		*next;		/* to be sent before others */
	int64_t			 since_ms;	/* we ask, and next at */
	int64_t			 ask_ms;
	bool			 holds;		/* it was given to us */
	uint64_t		 epoch;
	uint64_t		 npushes;
	char			 other[TAIL_STORE];	/* who had it before, */
	char			 left[PLACE];	/* and what is left to it */
	struct share_note	 note;
	struct tail_import	 import;
	struct tail_place	 other_place;
	bool			 lacks_all;
	bool			 check;		/* whether it is still there */
	struct record		*records;	/* that were not pushed */
	size_t			 n, room;
	size_t			 nready;	/* of them count */
	struct tail_place	 place;		/* they end there */
	bool			 has_place;
	bool			 has_part;
	uint8_t			 part[MATCH_TAG];
	uint32_t		 part_taken;
	size_t			 npreamble;	/* tags of it that were sent */
	uint64_t		 ticket, sent, arrived;
};

struct share {
	struct pipeline		*pipeline;
	char			 store[TAIL_STORE];
	char			 token[D4_UUID_HEX];
	char			 alive[KEY];
	const char		*probe[6];
	struct d4_table		*streams;
	TAILQ_HEAD(, share_stream) due;
	bool			 beating;
	bool			 news;
	int64_t			 back_ms;	/* away until then, or 0 */
	size_t			 nasking;
	int64_t			 away_ms;	/* since then, 0: it is there */
};

/* What each script of a stream begins with; the texts stay with the caller
 * until the command is made. */
struct begin {
	char	key[KEY], tags[KEY], epoch[24];
};

/* Elements of the list in the making. */
struct blobs {
	uint8_t	*bytes;
	size_t	*starts;
	size_t	 len, n, room, nroom;
	size_t	 in_last;
	uint32_t wire;
	bool	 failed;
};

/* -- share.c: the share, and streams of it --------------------------------- */

/* It has something to send, maybe; hands its command to the pipeline. */
void share_touch(struct share_stream *);
void share_put(struct share_stream *, struct cmd *);

void share_enter(struct share_stream *, enum share_state);

/* A name's key in the table.  0, -1 when there is none. */
int share_identify(uint8_t id[D4_UUID_LEN], const char *name);

/* Out of the table. */
void share_free_stream(struct share_stream *);

/* -- share-cmd.c: commands in the making ----------------------------------- */

/* Adds a word, which is kept, not copied; one that is text. */
void words_add(struct words *, const void *, size_t len);
void words_text(struct words *, const char *);

/* The words that each script of a stream begins with. */
void words_begin(struct words *, const struct share_stream *,
    const char *script, struct begin *);

/* The part as the server has it; "-" where there is nothing new. */
void words_part(struct words *, const struct share_stream *,
    uint8_t part[LOG_PART]);

/* A place as text. */
void words_place(char text[PLACE], const struct tail_place *);

/* A record's tag to the elements of the list; the words of them all. */
void blobs_add(struct blobs *, const uint8_t *tag, uint32_t wire);
void words_blobs(struct words *, const struct blobs *);
void blobs_free(struct blobs *);

/* Ends the words, which are freed.  NULL when memory is short. */
struct cmd *cmd_make(struct words *, struct share_stream *, enum kind);

/* -- share-push.c: what is ours, as the server is told --------------------- */

/* What counts and was not sent; that we have nothing more to do with it. */
void share_send_push(struct share_stream *);
void share_send_release(struct share_stream *);

/* -- share-ask.c: who has a stream ----------------------------------------- */

/* Asks for it; takes the answer. */
void share_send_ask(struct share_stream *);
void share_take_answer(struct share_stream *, const struct d4_redis_reply *);

/* -- share-turn.c: turns, and what comes back ------------------------------ */

/* For the pipeline. */
void share_on_answer(void *, struct pipeline_cmd *,
    const struct d4_redis_reply *);
void share_on_ready(void *);
void share_on_well(void *);

#endif
