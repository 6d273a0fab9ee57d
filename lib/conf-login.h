/* SPDX-License-Identifier: ISC */
#ifndef LIB_CONF_LOGIN_H
#define LIB_CONF_LOGIN_H

/*
 * How a program logs in at Redis: two values of a configuration,
 *
 *	redis_user	a name of Redis' ACL; without it "default"
 *	redis_password	anything, blanks too
 *
 * both, the password alone, or none.  They are files, for the arguments and
 * the environment of a process can be seen by others.
 */

#include "lib/conf.h"

#define D4_CONF_LOGIN_WHY	(D4_CONF_TEXT + 256)

struct d4_conf_login {
	char	user[D4_CONF_TEXT];	/* "" without */
	char	password[D4_CONF_TEXT];	/* "" without; the caller wipes it */
	bool	insecure_key;	/* by the caller: others may read it */
};

/* 0; 1 when others can read the password and that is accepted, with
 * d4_conf_fault() to warn of it; or -1 and d4_conf_fault(). */
int d4_conf_login(struct d4_conf *, struct d4_conf_login *);

/* The same of a directory that is named for nothing else and has to have a
 * password: 0, or as above with the words. */
int d4_conf_login_from(const char *dir, struct d4_conf_login *,
    char why[D4_CONF_LOGIN_WHY]);

/* Overwrites it. */
void d4_conf_login_wipe(struct d4_conf_login *);

#endif
