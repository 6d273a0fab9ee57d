/* SPDX-License-Identifier: ISC */
#ifndef D4_RECV_TAIL_OWN_H
#define D4_RECV_TAIL_OWN_H

/* Within the room of the tail: what its files share. */

#include "d4-recv/tail-log.h"
#include "d4-recv/tail.h"

#define TAIL_BASE	64	/* of a path without its generation, with NUL */
#define TAIL_NAME	(TAIL_BASE + 24)
#define TAIL_LOST	(UINT64_C(1) << 20)	/* numbers of files that are
						 * never used again */

struct tails {
	int		 dir;
	const char	*root;
	uint8_t		 boot[16];
	bool		 unmarked;
};

struct pending {
	uint8_t		 tag[MATCH_TAG];
	uint32_t	 wire;
	uint8_t		 flags;
	bool		 data;
	uint64_t	 end, whole;
};

/* Entries by number that count no more. */
struct hole {
	uint64_t	 from, to;
};

/* The record behind the last one, so far. */
struct part {
	uint8_t		 tag[MATCH_TAG];
	uint32_t	 taken;		/* bytes of its payload, 0: none */
};

/* What a match reads. */
struct reading {
	struct log_reader reader;
	bool		 in_last;	/* generation */
	struct log_frame frame;		/* of entries */
	size_t		 at;		/* in it */
	bool		 lacks_frame;	/* it is to be read again */
	uint64_t	 number;	/* of the next entry */
	uint8_t		(*tags)[MATCH_TAG];	/* of all preambles, sorted */
	size_t		 ntags;
	bool		 failed;	/* for want of memory */
	struct match_tail match;
};

struct tail {
	struct tails	*tails;
	uint8_t		 hello[D4_HMAC_LEN];
	char		 base[TAIL_BASE];
	int		 fd;		/* the last generation, locked */
	int		 before;	/* the one before it, or -1 */
	uint64_t	 generation, generation_before;
	uint64_t	 len;		/* of the last one */
	uint64_t	 wire;		/* that it covers */
	uint64_t	 nfiles;	/* begun */
	uint64_t	 lost;		/* the first of them that is */
	uint64_t	 nentries;	/* in both, with those in holes */
	uint64_t	 nbefore;	/* of them in the one before */
	struct hole	*holes;
	size_t		 nholes;
	struct tail_file file;
	struct part	 part;
	uint8_t		(*preamble)[MATCH_TAG];	/* in force */
	size_t		 npreamble;
	struct pending	*pending;
	size_t		 npending, room;
	uint64_t	 pending_bytes;
	bool		 by_mark;
	bool		 fresh;		/* there was nothing of it */
	uint64_t	 marked, nmarks;
	int		 unmarked;	/* an older generation, or -1 */
	uint64_t	 unmarked_at;
	bool		 entries;	/* of the directory are new */
	struct reading	*reading;
};

/* -- tails.c: names, and the files of a store ------------------------------ */

/* What all generations' names of a stream begin with; the stream's name, of
 * its hello; and the name of one of them. */
void tails_base(char base[TAIL_BASE], const uint8_t uuid[D4_UUID_LEN],
    uint8_t type, const char stream[PLACE_TAIL]);
void tails_stream(char stream[PLACE_TAIL], const uint8_t hello[D4_HMAC_LEN]);
void tails_generation(char name[TAIL_NAME], const char base[TAIL_BASE],
    uint64_t generation);
void tails_name_want(char name[TAIL_NAME], const char base[TAIL_BASE]);

/* The last generation and the one before it.  How many there are, or -1. */
int tails_find(const struct tails *, const char base[TAIL_BASE],
    uint64_t *last, uint64_t *before);
void tails_remove(const struct tails *, const char base[TAIL_BASE],
    uint64_t generation);

/* The sensor's directory of a path, if it is missing.  0, or -1 with errno. */
int tails_make_folder(const struct tails *, const char *path);

/* The oldest streams of the sensor and type go, so that few are kept. */
void tails_prune(const struct tails *, const char base[TAIL_BASE]);

/* All of it.  0, or -1 with errno. */
int tails_write(int fd, const void *, size_t len, uint64_t at);

/* -- tail-generation.c: the file of a generation --------------------------- */

/* All but generation_get_head() and generation_hold() return a descriptor or 0,
 * or -1 with errno. */

/* 0; 1 when it is none; 2 when it was never written, or never reached the
 * disk; -1.  Not first: marks stay. */
int generation_get_head(int fd, struct log_head *);
int generation_put_head(const struct tail *, int fd, uint64_t generation,
    bool first);

int generation_open(const struct tail *, uint64_t generation);

/* 0, 1 when another has it or it went meanwhile, -1. */
int generation_hold(int fd);

/* A file for the next generation, held, with its head and the preamble in
 * force; *len is its length. */
int generation_create(const struct tail *, uint64_t generation,
    uint64_t *len);

/* Gives up one that was not begun as a whole.  Returns -1. */
int generation_abandon(const struct tail *, int fd, uint64_t generation);

/* A frame, the place of which in the buffer is before its body; others that
 * make their own.  *len is the file's length, and grows. */
int generation_append(int fd, uint64_t generation, uint64_t *len,
    uint8_t *buf, struct log_frame *);
int generation_append_file(int fd, uint64_t generation, uint64_t *len,
    const struct tail_file *);
int generation_append_settled(int fd, uint64_t generation, uint64_t *len,
    uint64_t end, uint64_t dropped, const struct part *);

/* -- tail-load.c: reading it back ----------------------------------------- */

/* What a frame says of the stream; the first returns 0, or -1 with errno. */
int tail_take_settled(struct tail *, uint64_t end, uint64_t dropped,
    const struct part *);
void tail_take_entries(struct tail *, const struct log_frame *);

/* Reads a generation up to a limit.  0 and where it ends, 1 when it holds what
 * can't be, -1. */
int tail_load_generation(struct tail *, int fd, uint64_t generation,
    uint64_t limit, uint64_t *end);

/* Reads the last one, which is held, and the one before it.  0; 1 when it is
 * damaged; -1. */
int tail_load(struct tail *, uint64_t generation_before, bool has_before);

#endif
