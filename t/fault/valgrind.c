/* SPDX-License-Identifier: ISC */

/*
 * For a program that runs under valgrind: a library to be preloaded.
 *
 * Valgrind does not know the system calls of Landlock and refuses them.  Here
 * they succeed, as on a kernel that has it, and confine nothing; without them
 * each program says that it is not confined, where tests wait for other words
 * or for none.
 *
 * Who heeds SIGUSR1 is named so: valgrind catches signals long before the
 * program does, and tests want to know from when on it does (listens() in
 * t/lib.sh).
 */

#define _GNU_SOURCE
#include <sys/prctl.h>

#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <unistd.h>

/* As lib/confine-linux.c has them. */
#define NR_CREATE_RULESET	444
#define NR_ADD_RULE		445
#define NR_RESTRICT_SELF	446
#define VERSION			6

#define NARGS			6

long
syscall(long number, ...)
{
	long (*real)(long, ...);
	long arg[NARGS];
	va_list ap;
	int i;

	va_start(ap, number);
	for (i = 0; i < NARGS; i++)
		arg[i] = va_arg(ap, long);
	va_end(ap);
	switch (number) {
	case NR_CREATE_RULESET:
		return arg[0] == 0 ? VERSION :
		    open("/dev/null", O_RDONLY | O_CLOEXEC);
	case NR_ADD_RULE:
		return 0;
	case NR_RESTRICT_SELF:
		return 0;
	default:
		*(void **)&real = dlsym(RTLD_NEXT, "syscall");
		return real(number, arg[0], arg[1], arg[2], arg[3], arg[4],
		    arg[5]);
	}
}

int
sigaction(int sig, const struct sigaction *restrict act,
    struct sigaction *restrict old)
{
	int (*real)(int, const struct sigaction *restrict,
	    struct sigaction *restrict);
	int rc;

	*(void **)&real = dlsym(RTLD_NEXT, "sigaction");
	rc = real(sig, act, old);
	if (rc == 0 && sig == SIGUSR1 && act != NULL &&
	    act->sa_handler != SIG_DFL && act->sa_handler != SIG_IGN)
		(void)prctl(PR_SET_NAME, "heeds");
	return rc;
}
