/* SPDX-License-Identifier: ISC */
#ifndef LIB_REGISTRY_DIR_H
#define LIB_REGISTRY_DIR_H

/*
 * The directory as a registry, within its own files: files and directories
 * (registry-dir-tree.c), values and sets (registry-dir.c), claims of workers
 * (registry-dir-live.c), facts (registry-dir-facts.c), definitions of queues
 * (registry-dir-queue.c).  d4-store(5) has the layout.
 */

#include <sys/types.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/registry-backend.h"
#include "lib/uuid.h"

#define DIR_PATH	384	/* bytes of a path below a root, with NUL */
#define DIR_FILE_MAX	(1u << 20)	/* no file of ours is longer */
#define DIR_WORKERS	1024	/* collector processes at a time */

/* One of the two roots. */
struct tree {
	int	 fd;		/* -1: not opened */
	char	*name;		/* for messages */
};

struct dir {
	struct tree	 root;
	struct tree	 queues;
	char		*why;		/* the door's */
	bool		 chown;		/* we are root: files go to the owner */
	uid_t		 uid;
	gid_t		 gid;
	char		 token[D4_UUID_HEX];	/* of this handle */
	int		 lock;		/* held or -1 */

	/* As a worker of a collector; fd is -1 before. */
	struct {
		int	 fd;		/* its slot, locked */
		int	 claims;	/* the lock on all claims */
		unsigned int slot;
		off_t	 head;		/* bytes before the first line */
		off_t	 at;		/* lines read up to here */
		/* Sessions of claims that are numbered; zeros: free. */
		uint8_t	(*numbered)[D4_UUID_LEN];
		size_t	 nnumbered;
		size_t	 lowest;	/* none is free before this one */
	} worker;

	/* What waits for dir_commit(). */
	struct {
		bool		 on;
		struct late	*list;		/* files, in order */
		size_t		 n, room;
		char		(*parents)[DIR_PATH];	/* to be synced */
		size_t		 nparents;
	} late;

	bool		 insecure_key;	/* others may read keys */
	unsigned int	 strangers;	/* written since they were counted */
	bool		 crowded;	/* too many, when they were */
	char		(*leavers)[D4_UUID_HEX];	/* the oldest, last */
	size_t		 nleavers;
	uint32_t	 day;		/* whose directory was made last */
};

/* How a file is written. */
#define DIR_SYNC	1	/* on the disk when the call returns */
#define DIR_SECRET	2	/* mode 0600, not 0640 */
#define DIR_NEW		4	/* only when there is none: 1 */
#define DIR_LATE	8	/* below the first root: with dir_commit() */
#define DIR_LAST	16	/* then behind those that are not */

/* Puts "ROOT/path: reason" into why.  Returns -1. */
int dir_fault(struct dir *, const struct tree *, const char *path,
    const char *reason);

/* Joins a path, which fits: the longest are of a queue's file. */
void dir_path(char[DIR_PATH], const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* A whole file in memory that the caller frees, NUL behind it; 1: none. */
int dir_slurp(struct dir *, const struct tree *, const char *path, size_t max,
    char **, size_t *len);

/* A value: a file without its last newline; 1: none. */
int dir_value(struct dir *, const struct tree *, const char *path, char *out,
    size_t size, size_t *len);

/* The same of a decimal number or a line of text; *n and text are left as they
 * are when there is none. */
int dir_number(struct dir *, const struct tree *, const char *path,
    uint64_t *n);
int dir_text(struct dir *, const struct tree *, const char *path,
    char[D4_REGISTRY_TEXT]);

/* Writes a file whole or not at all. */
int dir_write(struct dir *, const struct tree *, const char *path,
    const void *, size_t len, int how);

/*
 * The same for a file below the first root that one worker writes again and
 * again: the file that was there is kept under the name with a dot before it,
 * and written over the next time (lib/os-swap.h says why).
 */
int dir_rewrite(struct dir *, const char *path, const void *, size_t len);

/* Writes over a file that nobody reads meanwhile. */
int dir_overwrite(struct dir *, const char *path, const void *, size_t len);

/*
 * Many files at a time, each as sure as by itself: from dir_begin() on those
 * that are DIR_LATE are only written, and directories that were changed not
 * synced; dir_commit() syncs all files, gives them their names, syncs the
 * directories.  When a file fails those behind it in this order have no names.
 */
void dir_begin(void *);
int dir_commit(void *);
void dir_late_free(struct dir *);

/* Puts where the file is now in place of its path, if it waits. */
void dir_late_path(const struct dir *, char path[DIR_PATH]);

/* Makes an empty file whose name says all, synced; 1: there is one. */
int dir_mark(struct dir *, const struct tree *, const char *path);

/* Gives a file that the superuser made to the registry's owner. */
int dir_give(const struct dir *, int fd);

/* Makes a directory; one that is there is fine. */
int dir_make(struct dir *, const struct tree *, const char *path);

/* Removes a file, or a directory with what is in it; 1: none. */
int dir_unlink(struct dir *, const struct tree *, const char *path, bool sync);
int dir_remove_tree(struct dir *, const struct tree *, const char *path);

/* Calls back with each name but those that begin with a dot; a missing
 * directory has none. */
int dir_each(struct dir *, const struct tree *, const char *path,
    d4_registry_on_text *, void *);

/* Makes what was renamed in the directory survive a crash. */
int dir_sync(struct dir *, const struct tree *, const char *path);

/* Whether there is something: 0, 1: not, -1. */
int dir_has(struct dir *, const struct tree *, const char *path);

/* Reading our files: cuts the next line off; NULL at the end. */
char *dir_line(char **);

/* 32 lower-case digits, and nothing else, as we name files. */
int dir_uuid(uint8_t[D4_UUID_LEN], const char *);

/* Gets a slot, once; claims and facts are written under its number. */
int dir_worker(struct dir *);
void dir_worker_close(struct dir *);

/* -- the parts of the backend in the other files --------------------------- */

int dir_claim(void *, const struct d4_registry_live *, bool, bool *,
    uint8_t[D4_UUID_LEN]);
int dir_become(void *, const struct d4_registry_live *,
    const struct d4_registry_live *);
int dir_release(void *, const struct d4_registry_live *);
int dir_lost(void *, uint8_t[D4_UUID_LEN]);
int dir_save_live(void *, const struct d4_registry_live *const *, size_t,
    uint64_t);
int dir_each_live(void *, d4_registry_on_live *, void *);

int dir_load_facts(void *, const uint8_t *, bool, struct d4_registry_facts *);
int dir_save_facts(void *, const uint8_t *, const struct d4_registry_facts *);
int dir_load_counts(void *, uint32_t, const uint8_t *, bool,
    d4_registry_on_count *, void *);
int dir_save_counts(void *, uint32_t, const uint8_t *,
    const struct d4_registry_cell *, size_t);
void dir_set_aside(void *, const uint8_t *, uint32_t);
int dir_each_seen(void *, d4_registry_on_uuid *, void *);
int dir_each_day(void *, d4_registry_on_day *, void *);
int dir_forget_day(void *, uint32_t);

int dir_queue_create(void *, const struct d4_registry_queue *);
int dir_queue_remove(void *, const uint8_t *);
int dir_queue_describe(void *, const uint8_t *, const char *);
int dir_queue_limit(void *, const uint8_t *, uint64_t);
int dir_queue_member(void *, const uint8_t *, const uint8_t *, bool);
int dir_queue_updated(void *, const struct d4_registry_queue *);
int dir_each_queue(void *, d4_registry_on_queue *, void *);

#endif
