/* SPDX-License-Identifier: ISC */

/*
 * Linked into programs for t/8000-confine.t alone (make escapes), in the place
 * of d4_confine_enter(): tries to break out before and after the true one, and
 * writes a line for each attempt, "before NAME: RESULT" and
 * "after NAME: RESULT", to the descriptor D4_ESCAPE_FD.  RESULT is "done" or an
 * error's words.  Without that variable it does nothing.
 *
 *	D4_ESCAPE_DIR	a directory out of bounds with files "secret", "cut",
 *			"from", "gone.0", "gone.1" and a directory "mnt"
 *	D4_ESCAPE_PORT	a TCP port of the loopback where somebody listens
 *	D4_ESCAPE_NAME	an abstract unix socket where somebody does
 *	D4_ESCAPE_PID	a process of the same user
 */

#define _GNU_SOURCE
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/confine.h"

int __real_d4_confine_enter(const struct d4_confine *,
    char[D4_CONFINE_WORDS]);
int __wrap_d4_confine_enter(const struct d4_confine *,
    char[D4_CONFINE_WORDS]);

static const char *
variable(const char *name)
{
	const char *value = getenv(name);

	return value != NULL ? value : "";
}

static const char *
outside(const char *name)
{
	static char paths[2][PATH_MAX];
	static unsigned next;
	char *path = paths[next++ % 2];

	(void)snprintf(path, PATH_MAX, "%s/%s", variable("D4_ESCAPE_DIR"),
	    name);
	return path;
}

static int
close_good(int fd)
{
	return fd == -1 ? -1 : close(fd);
}

/* -- attempts: 0, or -1 with errno ----------------------------------------- */

/* In this process: what follows would be lost when it succeeds, so a child
 * goes, if it may be made. */
static int
try_exec(void)
{
	char name[] = "/bin/true", *argv[] = { name, NULL };
	int status;
	pid_t pid;

	if ((pid = vfork()) == -1)
		return -1;
	if (pid == 0) {
		(void)execv(name, argv);
		_exit(errno);
	}
	if (waitpid(pid, &status, 0) != pid)
		return -1;
	errno = WEXITSTATUS(status);
	return errno == 0 ? 0 : -1;
}

/* A program of our own making. */
static int
try_exec_memory(void)
{
	char script[] = "#!/bin/true\n", *argv[] = { script, NULL };
	int fd = memfd_create("x", 0), status;
	pid_t pid;

	if (fd == -1 || write(fd, script, sizeof(script) - 1) == -1 ||
	    (pid = vfork()) == -1)
		return -1;
	if (pid == 0) {
		(void)fexecve(fd, argv, argv + 1);
		_exit(errno);
	}
	if (waitpid(pid, &status, 0) != pid)
		return -1;
	(void)close(fd);
	errno = WEXITSTATUS(status);
	return errno == 0 ? 0 : -1;
}

static int
try_read(void)
{
	return close_good(open(outside("secret"), O_RDONLY));
}

static int
try_list(void)
{
	return close_good(open(outside("."), O_RDONLY | O_DIRECTORY));
}

static int
try_write(void)
{
	return close_good(open(outside("secret"), O_WRONLY | O_APPEND));
}

static int
try_create(void)
{
	int rc = close_good(open(outside("made"), O_WRONLY | O_CREAT | O_EXCL,
	    0600));

	return rc == 0 ? unlink(outside("made")) : -1;
}

static int
try_truncate(void)
{
	return truncate(outside("cut"), 0);
}

static int
try_rename(void)
{
	return rename(outside("from"), outside("from.1")) == 0 ?
	    rename(outside("from.1"), outside("from")) : -1;
}

static int
try_link(void)
{
	return link(outside("secret"), outside("link")) == 0 ?
	    unlink(outside("link")) : -1;
}

static int
try_symlink(void)
{
	return symlink("secret", outside("symlink")) == 0 ?
	    unlink(outside("symlink")) : -1;
}

static int
try_mkdir(void)
{
	return mkdir(outside("dir"), 0700) == 0 ? rmdir(outside("dir")) : -1;
}

static int
try_mkfifo(void)
{
	return mkfifo(outside("fifo"), 0600) == 0 ? unlink(outside("fifo")) :
	    -1;
}

/* There are two, for there are two attempts. */
static int
try_unlink(void)
{
	static int n;
	char name[32];

	(void)snprintf(name, sizeof(name), "gone.%d", n++);
	return unlink(outside(name));
}

static int
try_mount(void)
{
	return mount("tmpfs", outside("mnt"), "tmpfs", 0, NULL) == 0 ?
	    umount(outside("mnt")) : -1;
}

static int
try_device(void)
{
	return close_good(open("/dev/zero", O_RDONLY));
}

static int
try_tcp(int (*call)(int, const struct sockaddr *, socklen_t), int port)
{
	struct sockaddr_in sin = { .sin_family = AF_INET };
	int fd = socket(AF_INET, SOCK_STREAM, 0), rc, saved;

	sin.sin_port = htons((uint16_t)port);
	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	rc = call(fd, (struct sockaddr *)&sin, sizeof(sin));
	saved = errno;
	(void)close(fd);
	errno = saved;
	return rc;
}

static int
do_bind(int fd, const struct sockaddr *sa, socklen_t len)
{
	return bind(fd, sa, len);
}

static int
do_connect(int fd, const struct sockaddr *sa, socklen_t len)
{
	return connect(fd, sa, len);
}

static int
try_connect(void)
{
	return try_tcp(do_connect, atoi(variable("D4_ESCAPE_PORT")));
}

static int
try_bind(void)
{
	return try_tcp(do_bind, 0);
}

static int
try_abstract(void)
{
	const char *name = variable("D4_ESCAPE_NAME");
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0), rc, saved;

	(void)snprintf(sun.sun_path + 1, sizeof(sun.sun_path) - 1, "%s", name);
	rc = connect(fd, (struct sockaddr *)&sun, (socklen_t)(offsetof(
	    struct sockaddr_un, sun_path) + 1 + strlen(name)));
	saved = errno;
	(void)close(fd);
	errno = saved;
	return rc;
}

static pid_t
victim(void)
{
	return (pid_t)atol(variable("D4_ESCAPE_PID"));
}

static int
try_ptrace(void)
{
	int status;

	if (ptrace(PTRACE_ATTACH, victim(), NULL, NULL) == -1)
		return -1;
	(void)waitpid(victim(), &status, __WALL);
	return (int)ptrace(PTRACE_DETACH, victim(), NULL, NULL);
}

static int
try_memory(void)
{
	char path[64];

	(void)snprintf(path, sizeof(path), "/proc/%ld/mem", (long)victim());
	return close_good(open(path, O_RDONLY));
}

static int
try_environ(void)
{
	return close_good(open("/proc/self/environ", O_RDONLY));
}

static int
try_signal(void)
{
	return kill(victim(), SIGCONT);
}

/* -- what is to hold afterwards: -1 when it does --------------------------- */

static int
try_gain(void)
{
	errno = EPERM;
	return prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 ? -1 : 0;
}

static int
try_dump(void)
{
	struct rlimit limit;

	errno = EPERM;
	return prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 0 &&
	    getrlimit(RLIMIT_CORE, &limit) == 0 && limit.rlim_max == 0 ? -1 :
	    0;
}

static const struct {
	const char	*name;
	int		(*try)(void);
} attempts[] = {
	{ "exec", try_exec },
	{ "exec of memory", try_exec_memory },
	{ "read outside", try_read },
	{ "list outside", try_list },
	{ "write outside", try_write },
	{ "create outside", try_create },
	{ "truncate outside", try_truncate },
	{ "rename outside", try_rename },
	{ "link outside", try_link },
	{ "symlink outside", try_symlink },
	{ "mkdir outside", try_mkdir },
	{ "mkfifo outside", try_mkfifo },
	{ "unlink outside", try_unlink },
	{ "mount outside", try_mount },
	{ "open a device", try_device },
	{ "connect elsewhere", try_connect },
	{ "bind a port", try_bind },
	{ "connect to an abstract socket", try_abstract },
	{ "ptrace another", try_ptrace },
	{ "read the memory of another", try_memory },
	{ "read /proc", try_environ },
	{ "signal another", try_signal },
	{ "gain privileges", try_gain },
	{ "dump core", try_dump }
};

static void
try_all(const char *when)
{
	int fd = atoi(variable("D4_ESCAPE_FD"));
	size_t i;

	for (i = 0; i < sizeof(attempts) / sizeof(attempts[0]); i++) {
		errno = 0;
		dprintf(fd, "%s %s: %s\n", when, attempts[i].name,
		    attempts[i].try() == 0 ? "done" : strerror(errno));
	}
}

int
__wrap_d4_confine_enter(const struct d4_confine *c,
    char words[D4_CONFINE_WORDS])
{
	int rc;

	if (getenv("D4_ESCAPE_FD") != NULL)
		try_all("before");
	rc = __real_d4_confine_enter(c, words);
	if (getenv("D4_ESCAPE_FD") != NULL)
		try_all("after");
	return rc;
}
