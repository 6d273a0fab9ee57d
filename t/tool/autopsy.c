/* SPDX-License-Identifier: ISC */

/*
 * autopsy REPORT PATTERNS command...: runs the command under ptrace(2)
 * and, as each of its processes ends, however it ends, looks for the patterns
 * in all of its memory.  REPORT gets a line a process and one a find:
 *
 *	ended NAME status N	or signal N
 *	found PATTERN in MAPPING
 *
 * PATTERNS is a file, a pattern a line: text, or hex: and the bytes.  They are
 * known by their number, from 1.  The exit status is the command's, 128 and
 * more for a signal.
 */

#define _GNU_SOURCE
#include <sys/ptrace.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PATTERNS	16
#define OPTIONS		(PTRACE_O_TRACEEXIT | PTRACE_O_TRACEFORK | \
    PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE | PTRACE_O_EXITKILL)

static struct {
	char	bytes[512];
	size_t	len;
} patterns[PATTERNS];
static size_t npatterns;
static FILE *report;

static void
die(const char *what)
{
	perror(what);
	exit(99);
}

static void
read_patterns(const char *name)
{
	char line[1024];
	unsigned byte;
	FILE *f = fopen(name, "r");
	size_t i;

	if (f == NULL)
		die(name);
	while (npatterns < PATTERNS && fgets(line, sizeof(line), f) != NULL) {
		char *to = patterns[npatterns].bytes;

		line[strcspn(line, "\n")] = '\0';
		if (strncmp(line, "hex:", 4) == 0) {
			for (i = 4; sscanf(line + i, "%2x", &byte) == 1; i += 2)
				*to++ = (char)byte;
		} else {
			i = strlen(line);
			memcpy(to, line, i);
			to += i;
		}
		patterns[npatterns].len =
		    (size_t)(to - patterns[npatterns].bytes);
		if (patterns[npatterns++].len == 0)
			die("an empty pattern");
	}
	(void)fclose(f);
}

static void
look(const char *bytes, size_t len, const char *where)
{
	size_t i;

	for (i = 0; i < npatterns; i++) {
		if (memmem(bytes, len, patterns[i].bytes, patterns[i].len) !=
		    NULL)
			fprintf(report, "found %zu in %s\n", i + 1, where);
	}
}

/* Each mapping that can be read, in one piece. */
static void
scan(pid_t pid)
{
	char path[64], line[512], perms[8], name[256], *bytes;
	unsigned long from, to;
	FILE *maps;
	int mem;

	(void)snprintf(path, sizeof(path), "/proc/%ld/maps", (long)pid);
	maps = fopen(path, "r");
	(void)snprintf(path, sizeof(path), "/proc/%ld/mem", (long)pid);
	mem = open(path, O_RDONLY | O_CLOEXEC);
	if (maps == NULL || mem == -1)
		die(path);
	while (fgets(line, sizeof(line), maps) != NULL) {
		*name = '\0';
		if (sscanf(line, "%lx-%lx %7s %*s %*s %*s %255s", &from, &to,
		    perms, name) < 3 || perms[0] != 'r' ||
		    strncmp(name, "[v", 2) == 0)
			continue;
		if ((bytes = malloc(to - from)) == NULL)
			die("memory");
		if (pread(mem, bytes, to - from, (off_t)from) ==
		    (ssize_t)(to - from))
			look(bytes, to - from, *name != '\0' ? name : "memory");
		free(bytes);
	}
	(void)fclose(maps);
	(void)close(mem);
}

/* A number of /proc/PID/status. */
static long
status_of(pid_t pid, const char *word)
{
	char path[64], line[256];
	long n = -1;
	FILE *f;

	(void)snprintf(path, sizeof(path), "/proc/%ld/status", (long)pid);
	if ((f = fopen(path, "r")) == NULL)
		return -1;
	while (fgets(line, sizeof(line), f) != NULL) {
		if (strncmp(line, word, strlen(word)) == 0)
			n = atol(line + strlen(word));
	}
	(void)fclose(f);
	return n;
}

static void
on_exit_event(pid_t pid)
{
	char path[64], name[32] = "";
	unsigned long how = 0;
	FILE *f;

	/* A thread leaves the memory to the others. */
	if (status_of(pid, "Tgid:") != (long)pid)
		return;
	(void)ptrace(PTRACE_GETEVENTMSG, pid, NULL, &how);
	(void)snprintf(path, sizeof(path), "/proc/%ld/comm", (long)pid);
	if ((f = fopen(path, "r")) != NULL) {
		(void)!fgets(name, sizeof(name), f);
		name[strcspn(name, "\n")] = '\0';
		(void)fclose(f);
	}
	fprintf(report, "ended %s %s %lu\n", name,
	    (how & 0x7f) != 0 ? "signal" : "status",
	    (how & 0x7f) != 0 ? how & 0x7f : how >> 8 & 0xff);
	scan(pid);
	(void)fflush(report);
}

/* What to deliver when it goes on: its own signals. */
static int
on_stop(pid_t pid, int status)
{
	int sig = WSTOPSIG(status);

	if (status >> 16 == PTRACE_EVENT_EXIT)
		on_exit_event(pid);
	if (status >> 16 != 0 || sig == SIGTRAP)
		return 0;
	/* New ones begin with a stop. */
	return sig == SIGSTOP ? 0 : sig;
}

static int
follow(pid_t first)
{
	int status, result = 99;
	pid_t pid;

	while ((pid = waitpid(-1, &status, __WALL)) != -1 || errno == EINTR) {
		if (pid == -1)
			continue;
		if (WIFSTOPPED(status))
			(void)ptrace(PTRACE_CONT, pid, NULL,
			    (void *)(intptr_t)on_stop(pid, status));
		else if (pid == first)
			result = WIFEXITED(status) ? WEXITSTATUS(status) :
			    128 + WTERMSIG(status);
	}
	return result;
}

static pid_t traced;

/* A signal for us is for the program. */
static void
pass_on(int sig)
{
	(void)kill(traced, sig);
}

int
main(int argc, char *argv[])
{
	static const int passed[] = {
		SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGSEGV,
		SIGABRT
	};
	int status;
	size_t i;

	if (argc < 4) {
		fprintf(stderr, "usage: autopsy report patterns command ...\n");
		return 99;
	}
	if ((report = fopen(argv[1], "we")) == NULL)
		die(argv[1]);
	read_patterns(argv[2]);
	if ((traced = fork()) == -1)
		die("fork");
	if (traced == 0) {
		/* A shell ignores some of them for what it has behind it. */
		for (i = 0; i < sizeof(passed) / sizeof(passed[0]); i++)
			(void)signal(passed[i], SIG_DFL);
		(void)ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		(void)raise(SIGSTOP);
		(void)execvp(argv[3], argv + 3);
		die(argv[3]);
	}
	if (waitpid(traced, &status, 0) != traced ||
	    ptrace(PTRACE_SETOPTIONS, traced, NULL, OPTIONS) == -1)
		die("ptrace");
	for (i = 0; i < sizeof(passed) / sizeof(passed[0]); i++)
		(void)signal(passed[i], pass_on);
	(void)ptrace(PTRACE_CONT, traced, NULL, NULL);
	return follow(traced);
}
