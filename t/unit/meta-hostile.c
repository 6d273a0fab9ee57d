/* SPDX-License-Identifier: ISC */

/*
 * Hostile meta headers, given to the program: each is refused with one line
 * and exit status 1, in less than 25 ms and 16 MiB.  The time is the best of
 * several runs, for the machine may be busy with other things.
 *
 *	meta-hostile [program]		d4-meta/d4-meta when it is not given
 */

#include <sys/resource.h>
#include <sys/time.h>
#include <sys/types.h>
#include <sys/wait.h>

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/meta.h"
#include "t/unit/tap.h"

#define RUNS		50
#define TIME_MS	25
#define RSS_KB	(16l << 10)

#define LIT(s)	s, sizeof(s) - 1

static const char *program = "d4-meta/d4-meta";
static char text[2 * D4_META_MAX];

/* A text that is a start, a part many times, and an end. */
static const struct hostile {
	const char	*what;
	const char	*start;
	size_t		 startlen;
	const char	*part;
	size_t		 times;
	const char	*end;
	size_t		 endtimes;
} hostile[] = {
	{ "100,000 opening brackets", LIT(""), "[", 100000, "", 0 },
	{ "1,500 balanced ones", LIT(""), "[", 1500, "]", 1500 },
	{ "1,500 balanced ones within", LIT("{\"type\":\"a\",\"b\":"), "[",
	    1500, "]", 1500 },
	{ "16 braces and type within", LIT("{\"type\":\"a\""), ",\"b\":{", 16,
	    "}", 17 },
	{ "duplicate type", LIT("{\"type\":\"a\",\"type\":\"a\"}"), "", 0,
	    "", 0 },
	{ "duplicate type, disguised",
	    LIT("{\"type\":\"a\",\"\\u0074ype\":\"b\"}"), "", 0, "", 0 },
	{ "a NUL in type", LIT("{\"type\":\"a\0b\"}"), "", 0, "", 0 },
	{ "an escaped NUL in type", LIT("{\"type\":\"a\\u0000b\"}"), "", 0,
	    "", 0 },
	{ "bad UTF-8", LIT("{\"type\":\"a\",\"b\":\"\xff\xfe\"}"), "", 0,
	    "", 0 },
	{ "bytes after the object", LIT("{\"type\":\"a\"} x"), "", 0, "", 0 },
	{ "an array", LIT("[{\"type\":\"a\"}]"), "", 0, "", 0 },
	{ "a number", LIT("7"), "", 0, "", 0 },
	{ "no type", LIT("{\"typ\":\"a\"}"), "", 0, "", 0 },
	{ "a type of ../x", LIT("{\"type\":\"../x\"}"), "", 0, "", 0 },
	{ "33,000 objects", LIT(""), "{}", 33000, "", 0 },
	{ "33,000 objects in an array", LIT("["), "{},", 33000, "{}]", 1 },
	{ "33,000 objects and no type", LIT("{\"a\":["), "{},", 33000, "{}]}",
	    1 },
	{ "33,000 arrays and no type", LIT("{\"a\":["), "[],", 33000, "[]]}",
	    1 },
	{ "a number of 99,000 digits", LIT("{\"type\":"), "1", 99000, "}", 1 },
	{ "100,000 bytes of white space", LIT(""), " ", 100000, "", 0 },
	{ "one byte too many", LIT("{\"type\":\"a\"}"), " ", 99989, "", 0 },
	{ "100,000 quotes", LIT(""), "\"", 100000, "", 0 },
	{ "nothing", LIT(""), "", 0, "", 0 },
};

static size_t
compose(const struct hostile *h)
{
	size_t i, len = h->startlen;

	memcpy(text, h->start, len);
	for (i = 0; i < h->times; i++, len += strlen(h->part))
		memcpy(text + len, h->part, strlen(h->part));
	for (i = 0; i < h->endtimes; i++, len += strlen(h->end))
		memcpy(text + len, h->end, strlen(h->end));
	return len;
}

/* A file that goes when it is closed, with this in it and read from there. */
static int
file_of(const char *bytes, size_t len)
{
	char name[] = "/tmp/d4-test.XXXXXX";
	int fd = mkstemp(name);

	if (fd == -1 || unlink(name) == -1 ||
	    write(fd, bytes, len) != (ssize_t)len ||
	    lseek(fd, 0, SEEK_SET) == -1) {
		printf("Bail out! no temporary file\n");
		exit(1);
	}
	return fd;
}

struct result {
	int	status;
	long	rss_kb;
	double	ms;
	size_t	nlines;		/* on stderr */
	off_t	out;		/* bytes on stdout */
	char	err[512];
};

static double
milliseconds(struct timeval t)
{
	return (double)t.tv_sec * 1e3 + (double)t.tv_usec / 1e3;
}

static void
run(struct result *r, size_t len)
{
	int in = file_of(text, len), out = file_of("", 0), err = file_of("", 0);
	struct rusage usage;
	ssize_t got;
	pid_t pid;
	char *p;

	if ((pid = fork()) == 0) {
		if (dup2(in, 0) == -1 || dup2(out, 1) == -1 ||
		    dup2(err, 2) == -1)
			_exit(126);
		(void)execl(program, program, "-n", "-", (char *)NULL);
		_exit(127);
	}
	if (pid == -1 || wait4(pid, &r->status, 0, &usage) != pid) {
		printf("Bail out! cannot run %s\n", program);
		exit(1);
	}
	/* Of the processor: others may run beside it. */
	r->ms = milliseconds(usage.ru_utime) + milliseconds(usage.ru_stime);
	r->rss_kb = usage.ru_maxrss;
	r->out = lseek(out, 0, SEEK_END);
	got = pread(err, r->err, sizeof(r->err) - 1, 0);
	r->err[got < 0 ? 0 : got] = '\0';
	for (r->nlines = 0, p = r->err; *p != '\0'; p++)
		r->nlines += *p == '\n';
	(void)close(in);
	(void)close(out);
	(void)close(err);
}

static void
test_one(const struct hostile *h, bool bounds)
{
	size_t len = compose(h);
	struct result r = { .status = 0 };
	double best = 1e9;
	long most = 0;
	int i;

	for (i = 0; i < RUNS && (i == 0 || best >= TIME_MS); i++) {
		run(&r, len);
		if (r.ms < best)
			best = r.ms;
		if (r.rss_kb > most)
			most = r.rss_kb;
	}
	if (!ok(WIFEXITED(r.status) && WEXITSTATUS(r.status) == 1 &&
	    r.nlines == 1 && r.out == 0 && strncmp(r.err, "d4-meta: stdin: ",
	    16) == 0, "%s: one line, exit 1", h->what))
		diag("status %d, stderr: %s", r.status, r.err);
	if (!bounds) {
		skip("a sanitizer takes its own time and memory");
		return;
	}
	if (!ok(best < TIME_MS && most < RSS_KB,
	    "%s: less than %d ms and %ld KiB", h->what, TIME_MS, RSS_KB))
		diag("%.1f ms, %ld KiB", best, most);
}

int
main(int argc, char *argv[])
{
	const char *sanitize = getenv("D4_SANITIZE");
	size_t i;

	if (argc > 1)
		program = argv[1];
	if (access(program, X_OK) == -1) {
		printf("1..0 # SKIP %s is not there\n", program);
		return 0;
	}
	for (i = 0; i < sizeof(hostile) / sizeof(hostile[0]); i++)
		test_one(&hostile[i], sanitize == NULL || *sanitize == '\0');
	return tap_done();
}
