/* SPDX-License-Identifier: ISC */
#include <sys/mman.h>

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "lib/os.h"
#include "lib/secret.h"

#define SECRETS	16	/* at a time */

static char *heap;	/* where it begins, or NULL */
static volatile sig_atomic_t erasing;
static pthread_t eraser;

/* A handler may look at any moment: a place is in use when at is not NULL, and
 * its length is right then. */
static struct {
	void *volatile		at;
	volatile size_t		len;
} places[SECRETS];

void *
d4_secret_new(size_t len)
{
	size_t i, page = (size_t)sysconf(_SC_PAGESIZE);
	void *at;

	for (i = 0; i < SECRETS && places[i].at != NULL; i++)
		continue;
	len = (len + page - 1) / page * page;
	if (i == SECRETS || len == 0) {
		errno = ENOMEM;
		return NULL;
	}
	at = mmap(NULL, len, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (at == MAP_FAILED)
		return NULL;
#ifdef MADV_DONTDUMP
	(void)madvise(at, len, MADV_DONTDUMP);
#endif
	(void)mlock(at, len);
	places[i].len = len;
	places[i].at = at;
	return at;
}

void
d4_secret_free(void *secret)
{
	size_t i;

	for (i = 0; secret != NULL && i < SECRETS; i++) {
		if (places[i].at != secret)
			continue;
		explicit_bzero(secret, places[i].len);
		places[i].at = NULL;
		(void)munmap(secret, places[i].len);
		return;
	}
}

void
d4_secret_wipe(void)
{
	void *at;
	size_t i;

	for (i = 0; i < SECRETS; i++) {
		if ((at = places[i].at) != NULL)
			explicit_bzero(at, places[i].len);
	}
}

bool
d4_secret_erase(void)
{
	eraser = pthread_self();
	erasing = 1;
	d4_secret_wipe();
	if (heap != NULL)
		explicit_bzero(heap, (size_t)((char *)sbrk(0) - heap));
	return heap != NULL;
}

/* The signal kills as it would have, once the handler returns. */
void
d4_secret_die(int sig)
{
	struct sigaction sa;

	/* A thread that lost its memory waits for the end of all. */
	while (erasing && !pthread_equal(eraser, pthread_self()))
		(void)pause();
	(void)d4_secret_erase();
	memset(&sa, 0, sizeof(sa));
	(void)sigemptyset(&sa.sa_mask);
	sa.sa_handler = SIG_DFL;
	(void)sigaction(sig, &sa, NULL);
	(void)raise(sig);
}

int
d4_secret_guard(void)
{
	static const int fatal[] = {
		SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGXCPU, SIGXFSZ, SIGSYS,
		SIGABRT, SIGILL, SIGFPE, SIGBUS, SIGSEGV
	};
	struct sigaction old, sa;
	size_t i;

	/* Reading the map makes one, where there was none. */
	if (!D4_OS_SANITIZED && (heap = d4_os_heap()) == NULL)
		heap = d4_os_heap();
	memset(&sa, 0, sizeof(sa));
	(void)sigemptyset(&sa.sa_mask);
	sa.sa_handler = d4_secret_die;
	for (i = 0; i < sizeof(fatal) / sizeof(fatal[0]); i++) {
		if (sigaction(fatal[i], NULL, &old) == -1)
			return -1;
		if (old.sa_handler == SIG_DFL &&
		    sigaction(fatal[i], &sa, NULL) == -1)
			return -1;
	}
	return 0;
}
