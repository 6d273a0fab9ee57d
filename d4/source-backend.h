/* SPDX-License-Identifier: ISC */
#ifndef D4_SOURCE_BACKEND_H
#define D4_SOURCE_BACKEND_H

/* Within the room of sources: what each kind of them brings. */

#include "d4/source.h"

/*
 * The functions behind source.h, called with what open() made.  They do what
 * that header says of them; check() is NULL where every text has a meaning, and
 * is done before open(); mark() and sent() are NULL where nothing needs to be
 * remembered.  A read() that fails for good says so in why.
 */
struct source_kind {
	int	 (*check)(const struct source_settings *, char why[SOURCE_WHY]);
	void	*(*open)(const struct source_settings *, char why[SOURCE_WHY]);
	void	 (*close)(void *);
	ssize_t	 (*read)(void *, void *, size_t len, char why[SOURCE_WHY]);
	int	 (*poll)(const void *, struct pollfd *);
	uint64_t (*mark)(const void *);
	void	 (*sent)(void *, uint64_t mark);
};

extern const struct source_kind source_redis;	/* source-redis.c */
extern const struct source_kind source_folder;	/* source-folder.c */

/* How long it is until then, in ms, for poll(2); 0 when that has passed. */
int source_until(int64_t then);

#endif
