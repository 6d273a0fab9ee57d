/* SPDX-License-Identifier: ISC */
#ifndef LIB_CONFINE_H
#define LIB_CONFINE_H

/*
 * A process gives up what it does not need: two calls, one before it reads a
 * key, one after it has opened what it needs, before a byte of a stranger's is
 * looked at.  What is open already stays open.  Threads and processes that are
 * started later are confined as well, those before are not.
 *
 * On Linux (confine-linux.c) by no_new_privs, a filter of system calls against
 * execve(2) (seccomp(2)), and Landlock (landlock(7)) at the ABI that the kernel
 * has: files since 2, truncation 3, TCP 4, ioctls of devices 5, signals and
 * abstract unix sockets 6.  It does not hold back UDP and unix sockets with a
 * path.  Elsewhere (confine-posix.c) only limits hold.
 * Builds with a sanitizer read what they like, for their own reports.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * What is still allowed.  A name that may belong to another file later, for it
 * is renamed into place, stands for the directory that holds it; the kernel
 * knows files, not names.
 */
enum d4_confine_kind {
	D4_CONFINE_READ,	/* path: a file, or all beneath a directory */
	D4_CONFINE_LOOK,	/* path: read what bears the name, now or
				 * later, and what is beneath its directory,
				 * or the nearest above that is there, and
				 * beneath that where a link leads */
	D4_CONFINE_CONF,	/* path: read a configuration directory, and
				 * the directories its symbolic links lead to */
	D4_CONFINE_WRITE,	/* path: beneath it read, write, make, rename,
				 * link, remove files and directories */
	D4_CONFINE_MAKE,	/* path: as WRITE where it is there, else for
				 * the directory that it is to be made in */
	D4_CONFINE_CREATE,	/* path: write that file, which is made in its
				 * directory when missing; not read */
	D4_CONFINE_REPLACE,	/* path: make a file in its directory and
				 * rename it to that; it is not read */
	D4_CONFINE_REMOVE,	/* path: remove what bears the name */
	D4_CONFINE_CONNECT	/* path: a host; port: over TCP.  A host that
				 * is a name brings with it what resolves it:
				 * the files of /etc and TCP to port 53 */
};

/* A rule is void when the path is NULL or "", or is nowhere; one with a port
 * when that is 0. */
struct d4_confine_rule {
	enum d4_confine_kind	 kind;
	const char		*path;
	uint16_t		 port;
};

struct d4_confine {
	const struct d4_confine_rule *rules;
	size_t		 n;
	unsigned	 files;		/* descriptors at most; 0: as it is */
	bool		 alone;		/* no thread or process is started */
};

#define D4_CONFINE_WORDS	1024

/*
 * The first call: no core dumps, no other process of the same user may look
 * into this one, and signals that kill wipe secrets first (d4_secret_guard()).
 * Cannot fail.
 */
void d4_confine_begin(void);

/*
 * The second: privileges cannot be gained any more, and nothing is allowed but
 * what the rules say; no program can be executed at all.  Returns 1, 0 when
 * this system cannot hold all of that (goes on without Landlock), or -1 when
 * something failed and the process is not to go on; with words for people
 * each time: what holds, or why not.
 */
int d4_confine_enter(const struct d4_confine *,
    char words[D4_CONFINE_WORDS]);

/* Whether there is such a user.  Returns 0, or -1 with words. */
int d4_confine_has_user(const char *name, char words[D4_CONFINE_WORDS]);

/*
 * Becomes that user for good, with the user's groups: setgroups(2), setgid(2),
 * setuid(2), verified.  Who is that user already stays so.  Between the two
 * calls above, since it may read what tells users' numbers.  Returns 0, or -1
 * with words.
 */
int d4_confine_user(const char *name, char words[D4_CONFINE_WORDS]);

#endif
