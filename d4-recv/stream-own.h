/* SPDX-License-Identifier: ISC */
#ifndef D4_RECV_STREAM_OWN_H
#define D4_RECV_STREAM_OWN_H

/* Within the room of streams: what its files share. */

#include <sys/queue.h>

#include "d4-recv/faults.h"
#include "d4-recv/passage.h"
#include "d4-recv/pipeline.h"
#include "d4-recv/stream-cmd.h"
#include "d4-recv/stream.h"
#include "lib/table.h"
#include "lib/uuid.h"

#define PREFIX		"d4toolkit:"

struct stream_session {
	uint8_t			 id[D4_UUID_LEN]; /* first, for the table */
	struct stream		*stream;
	char			 uuid[D4_UUID_HEX];
	char			 text[D4_UUID_TEXT];	/* the id with dashes */
	uint8_t			 type;		/* of the last record */
	bool			 stored;	/* its worker is told, */
	bool			 told;		/* and that was answered */
	bool			 closed;
	bool			 ended;		/* and that was sent */
	bool			 failing;	/* an answer was a refusal */
	bool			 renumbers;	/* and a later one was none */
	int64_t			 retry_ms;	/* nothing is sent before */
	bool			 waits;		/* to be settled */
	enum stream_end		 end;
	struct pipeline_cmds	 pending;	/* not in the pipeline, by
						 * turn */
	uint64_t		 turns;		/* that were given out */
	size_t			 inflight;	/* in the pipeline */
	uint64_t		 limit;
	uint64_t		 room;		/* entries until we must ask */
	uint64_t		 since_asked;
	bool			 asking;
	int64_t			 asked_ms;
	uint64_t		 added;		/* entries, of the last type */
	bool			 checks;	/* which of them are there */
	uint64_t		 last_ms;	/* of the last entry's id */
	unsigned		 last_n;

	/* Of a stream with a tail: */
	char			*hello;		/* digits of its HMAC or NULL */
	bool			 taking;	/* it was asked for */
	struct passage		*passage;	/* and that answered */
	char			 tail[CMD_TAIL];	/* its list's key */
	bool			 judged;	/* the record that comes now */
	struct cmd_tail		 next;		/* so */
	TAILQ_ENTRY(stream_session) due;
	bool			 is_due;	/* to be released this turn */
	uint32_t		 untrimmed;
	size_t			 unsure;	/* bytes that aren't answered */
	bool			 held;		/* somebody was told of those */
};

struct stream {
	struct stream_settings	 s;
	struct pipeline		*pipeline;
	const char		*probe[7];
	char			 token[D4_UUID_HEX];
	char			 sha[CMD_SHA];	/* of the script, or "" */
	bool			 loading;	/* it was handed over */
	struct d4_table		*sessions;
	TAILQ_HEAD(, stream_session) due;
	struct cmd_spares	 spares;
	bool			 full;
	bool			 blocked;	/* somebody was told so */
	bool			 eased;
	bool			 beating;	/* that is not answered */
	bool			 doubtful;	/* whether the server is well */
	int64_t			 walked_ms;	/* through all sessions */
	unsigned		 ticks;
	struct stream_figures	 figures;
	struct faults		 faults[CMD_KINDS];
};

/* -- stream.c: sessions, and their commands -------------------------------- */

/* One that is forgotten for want of memory is no entry.  Returns whether it is
 * under way. */
bool stream_ask(struct stream *, enum cmd_kind, struct stream_session *,
    const char *const words[]);

#define ASK(st, kind, session, ...) \
    stream_ask(st, kind, session, (const char *const[]){ __VA_ARGS__, NULL })

/* It was answered, or never will be. */
void stream_forget(struct stream *, struct cmd *);

/* One that was refused goes before those that came meanwhile. */
void stream_wait_for_turn(struct stream_session *, struct cmd *);

/* Moves what has room into the pipeline. */
void stream_release(struct stream_session *);

/* After an answer, or when it was closed: says that it ended once all that was
 * taken is there, then goes. */
void stream_look_after(struct stream_session *);

/* Runs a script over the session's keys, after what was taken before. */
void stream_run_script(struct stream_session *, enum cmd_kind,
    const char *script);

/* How many entries its worker has not taken. */
void stream_ask_length(struct stream_session *);

/* -- stream-tail.c: streams that go on ------------------------------------- */

/* The script by which entries with a tail are added. */
void stream_load(struct stream *);

/* Whether its tail was asked for, and did not come; what came. */
bool stream_awaits_tail(const struct stream_session *);
void stream_take_tail(struct stream_session *, uint8_t type,
    const struct d4_redis_reply *);

/* -- stream-answer.c: what the server says --------------------------------- */

/* For the pipeline. */
void stream_on_answer(void *, struct pipeline_cmd *,
    const struct d4_redis_reply *);

/* An entry is there. */
void stream_count(struct stream *, const struct cmd *);

/* -- stream-lost.c: entries whose answers were lost ------------------------ */

/* Connected again: what was not answered is taken back from the pipeline, so
 * that it is sent again only where it is not there.  Batches know that by
 * themselves, and sessions that have some wait with them. */
void stream_take_unanswered(struct stream *);

/* Looks what became of what waits; then it goes on. */
void stream_check(struct stream_session *);
void stream_take_check(struct stream_session *, const struct d4_redis_reply *);

/* -- stream-turn.c: turns -------------------------------------------------- */

/* For the pipeline: the server may have been emptied. */
void stream_on_ready(void *);

/* Tells the server anew which sessions there are. */
void stream_announce(struct stream *);

#endif
