/* SPDX-License-Identifier: ISC */
#ifndef D4_SOURCE_H
#define D4_SOURCE_H

/*
 * Where d4 reads from:
 *
 *	stdin, a file	to its end
 *	a FIFO		kept open when its writer leaves, never at its end;
 *			where it is made anew that one is read, within a second
 *	unix:PATH	listens; one writer at a time, the next when it has
 *			left; never at its end
 *	d4server	a Redis list, an item and a newline at a time; never at
 *			its end
 *	folder:PATH	files, the oldest first, then as they are completed;
 *			never at its end
 *
 * A source never blocks: it fills what it can and says what it waits for.
 * Two exceptions: resolving a Redis server's name, and looking through a
 * folder, which is done in one go.
 *
 * d4server takes the oldest item, the list's tail, and keeps it in the list
 * QUEUE:d4:CONSUMER until it is sent; what an earlier run left there comes
 * first.  So an item may come twice, after a crash, and none is lost.  Any
 * Redis since 2.2 will do.
 *
 * folder: looks through PATH and the directories in it.  In PATH, %Y %m %d %j
 * %H %M %F %G %V %u stand for the local time as in strftime(3), %% for a
 * percent sign; the folder of before the last change is still looked after,
 * for files that are completed late.  It need not be there yet, which is said.
 * A file is complete when its writer closed it or it was renamed into place;
 * where that went unseen (it was there before; a network file system; each
 * minute all is looked through again), when it was left alone for two seconds.
 * What was written to since and not closed is left alone for an hour.  What is
 * changed later is sent again whole.  Left out: names that begin with a dot or
 * end in ".tmp" or ".part", symbolic links, whatever is no regular file.  Each
 * comes as base64 (or as it is, json) and a newline behind it.  Memory: some
 * 40 bytes for each file there is.  With settings.files a file that was sent
 * does not come again in a later run; one on its way in a crash may.
 */

#include <sys/types.h>

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SOURCE_WHY	256	/* bytes of a reason with its NUL */

struct source;

/* What a source may need of the configuration. */
struct source_settings {
	const char	*source;	/* the value as it stands */
	const char	*redis;		/* HOST:PORT/DB or /path/to/socket/DB */
	const char	*user;		/* at Redis; "" or NULL for none */
	const char	*password;
	const char	*queue;		/* the list */
	const char	*consumer;	/* the same at each start, and nobody
					 * else's: the sensor's uuid */
	bool		 json;		/* folder: file bytes as they are, not
					 * base64 */
	const char	*files;		/* folder: where to keep which files
					 * were sent, or NULL */
	bool		 writers;	/* FIFO: source_other_writer() is asked
					 * for, source_fd() is not */
};

/* Whether the settings have a meaning; nothing is opened.  Returns 0, or -1
 * with a reason in why. */
int source_check(const struct source_settings *, char why[SOURCE_WHY]);

/*
 * Opens it.  NULL with a reason in why, fit for "source: reason".  What may
 * come later (a day's folder, a Redis server) need not be there yet.  The
 * settings are to stay as they are until source_close().
 */
struct source *source_open(const struct source_settings *,
    char why[SOURCE_WHY]);

/* Takes NULL.  Removes a unix socket it made.  What was sent is taken off the
 * Redis list, which may take a second. */
void source_close(struct source *);

/*
 * A plain descriptor that is read to its end by read(2) alone, so that nothing
 * else of this room is needed: stdin, a file, a FIFO while it is not made anew.
 * -1 for the others.
 */
int source_fd(const struct source *);

/* A file that can be read again from any place in it. */
struct source_file {
	uint64_t	dev, ino;	/* which */
	uint64_t	size;		/* now */
	uint64_t	offset;		/* of the next byte to be read */
};

/* Whether the source is one, and which. */
bool source_file(const struct source *, struct source_file *);

/* Has it go on at that offset.  Returns 0, or -1 with errno. */
int source_seek(const struct source *, uint64_t offset);

/* A sum over what the file begins with and what lies right before the offset,
 * 64 KiB each at most: of one that was written anew it is another.  0, or -1
 * with errno when it cannot be read or is shorter. */
int source_sum(const struct source *, uint64_t offset, uint64_t *sum);

/*
 * Reads up to len bytes, len > 0.  Returns the bytes; 0 at the end (only stdin,
 * a file); or -1 with errno, EAGAIN when it waits (see source_poll()), else a
 * failure that ends it, with source_why().  Faults that pass, such as Redis
 * being away, are said on stderr once, counted and tried again from here.
 */
ssize_t source_read(struct source *, void *, size_t len);

/* Whether what source_read() gave last is of another writer than what it gave
 * before: of a FIFO, where that one was seen to leave, or a socket. */
bool source_other_writer(const struct source *);

/* Fills in what poll(2) is to wait for and returns how long to wait at most,
 * in ms, -1 for ever, before source_read() is to be called again. */
int source_poll(const struct source *, struct pollfd *);

const char *source_why(const struct source *);

/*
 * Sources that must not lose what they handed out hear of it: mark() is called
 * after each read and says how far the source has been read, in bytes, so that
 * the caller may count on from one mark to the next; sent(mark) when all up to
 * that mark was handed to the destination.  The list's items are removed then,
 * not before; until then they are held in memory too.  A folder's files are
 * noted.  The others ignore it.
 */
uint64_t source_mark(const struct source *);
void source_sent(struct source *, uint64_t mark);

#endif
