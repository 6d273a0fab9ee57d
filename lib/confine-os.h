/* SPDX-License-Identifier: ISC */
#ifndef LIB_CONFINE_OS_H
#define LIB_CONFINE_OS_H

/* What confine.c has of the system: confine-linux.c does it, confine-posix.c
 * can't. */

#include <stdint.h>

/* What may be done with a file, or beneath a directory. */
enum confine_right {
	CONFINE_READ = 1,	/* files */
	CONFINE_LIST = 2,	/* directories */
	CONFINE_CHANGE = 4,	/* write and truncate files */
	CONFINE_MAKE = 8,	/* files, by a new name too */
	CONFINE_REMOVE = 16,	/* files, from an old name too */
	CONFINE_FOLDERS = 32	/* make and remove directories, and move or
				 * link from one to another */
};

/* No other process may look into this one. */
void confine_os_hide(void);

/* No program gives more privileges.  -1 with errno; 0, also where that can't
 * be. */
int confine_os_no_new_privs(void);

/* No program is executed any more.  -1 with errno where that can't be had: what
 * follows holds back all but programs in memory. */
int confine_os_no_exec(void);

/*
 * The version of what confines, at least 1, or 0 with why when there is none:
 * then none of the following is called.
 */
int confine_os_version(const char **why);

/* Versions since when these can be held. */
#define CONFINE_TRUNCATE	3
#define CONFINE_TCP		4
#define CONFINE_DEVICES		5
#define CONFINE_SIGNALS		6

/* Rules to be gathered; -1 with errno.  abstract: unix sockets without a path
 * may be connected to. */
int confine_os_open(int version, int abstract);

/* 0, also when there is nothing of that name that we could reach; or -1 with
 * errno. */
int confine_os_path(int rules, int version, const char *path, unsigned rights);
int confine_os_port(int rules, int version, uint16_t port);

/* They hold from now on.  -1 with errno. */
int confine_os_enter(int rules);

#endif
