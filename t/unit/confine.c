/* SPDX-License-Identifier: ISC */

/* What each kind of rule allows, and what it does not: each in a process of its
 * own. */

#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/confine.h"
#include "lib/os.h"
#include "t/unit/scratch.h"
#include "t/unit/tap.h"

#define SCRATCH(name)	scratch_path("%s", name)

static int port, other;		/* somebody listens at both */

static int
opens(const char *name, int flags)
{
	int fd = open(SCRATCH(name), flags | O_CLOEXEC, 0600);

	if (fd == -1)
		return errno;
	(void)close(fd);
	return 0;
}

static int
done(int rc)
{
	return rc == 0 ? 0 : errno;
}

static int
reads(void)
{
	return opens("d/f", O_RDONLY);
}

static int
reads_above(void)
{
	return opens("f", O_RDONLY);
}

static int
reads_linked(void)
{
	return opens("conf/link", O_RDONLY);
}

static int
reads_beside_linked(void)
{
	return opens("far/g", O_RDONLY);
}

static int
lists(void)
{
	return opens("d", O_RDONLY | O_DIRECTORY);
}

static int
writes(void)
{
	return opens("d/f", O_WRONLY);
}

static int
truncates(void)
{
	return done(truncate(SCRATCH("d/f"), 0));
}

static int
makes(void)
{
	return opens("d/new", O_WRONLY | O_CREAT | O_EXCL);
}

static int
makes_folder(void)
{
	return done(mkdir(SCRATCH("d/folder"), 0700));
}

static int
moves_across(void)
{
	return done(rename(SCRATCH("d/f"), SCRATCH("d/sub/f")));
}

static int
replaces(void)
{
	int err = opens("d/f.1", O_WRONLY | O_CREAT | O_TRUNC);

	return err != 0 ? err : done(rename(SCRATCH("d/f.1"),
	    SCRATCH("d/f")));
}

static int
removes(void)
{
	return done(unlink(SCRATCH("d/f")));
}

/* The same name, another file. */
static int
reads_renamed(void)
{
	if (!scratch_write(SCRATCH("later"), "x", 1) ||
	    rename(SCRATCH("later"), SCRATCH("d/f")) == -1)
		return -1;
	return reads();
}

static int
connects_to(int to)
{
	struct sockaddr_in sin = { .sin_family = AF_INET };
	int fd = socket(AF_INET, SOCK_STREAM, 0), err;

	sin.sin_port = htons((uint16_t)to);
	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	err = done(connect(fd, (struct sockaddr *)&sin, sizeof(sin)));
	(void)close(fd);
	return err;
}

static int
connects(void)
{
	return connects_to(port);
}

static int
connects_elsewhere(void)
{
	return connects_to(other);
}

static int
reads_hosts(void)
{
	int fd = open("/etc/hosts", O_RDONLY | O_CLOEXEC);

	return fd == -1 ? errno : done(close(fd));
}

static int
forks(void)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	return pid == -1 ? errno : 0;
}

static int
has_many_files(void)
{
	struct rlimit limit;

	return getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_max > 20 ?
	    0 : EMFILE;
}

/* What came of the attempt under the rules; -1 when they could not be had. */
static int
try(const struct d4_confine *c, int (*attempt)(void))
{
	char words[D4_CONFINE_WORDS];
	int status;
	pid_t pid;

	(void)fflush(stdout);
	if ((pid = fork()) == 0) {
		if (d4_confine_enter(c, words) != 1)
			_exit(255);
		_exit(attempt());
	}
	(void)waitpid(pid, &status, 0);
	status = WIFEXITED(status) ? WEXITSTATUS(status) : 255;
	return status == 255 ? -1 : status;
}

static void
set_up(void)
{
	static const char *const folders[] = { "d", "d/sub", "conf", "far" };
	size_t i;

	for (i = 0; i < sizeof(folders) / sizeof(folders[0]); i++)
		(void)mkdir(SCRATCH(folders[i]), 0700);
	(void)unlink(SCRATCH("d/new"));
	(void)unlink(SCRATCH("d/sub/f"));
	(void)rmdir(SCRATCH("d/folder"));
	if (!scratch_write(SCRATCH("d/f"), "x", 1) ||
	    !scratch_write(SCRATCH("f"), "x", 1) ||
	    !scratch_write(SCRATCH("far/f"), "x", 1) ||
	    !scratch_write(SCRATCH("far/g"), "x", 1))
		abort();
	(void)!symlink("../far/f", SCRATCH("conf/link"));
}

static const struct {
	enum d4_confine_kind	 kind;
	const char		*path;
	int			(*attempt)(void);
	int			 want;
	const char		*name;
} cases[] = {
	{ D4_CONFINE_READ, "d", reads, 0, "READ: reads beneath" },
	{ D4_CONFINE_READ, "d", lists, 0, "READ: lists" },
	{ D4_CONFINE_READ, "d", reads_above, EACCES, "READ: not above" },
	{ D4_CONFINE_READ, "d", writes, EACCES, "READ: doesn't write" },
	{ D4_CONFINE_READ, "d", truncates, EACCES, "READ: doesn't truncate" },
	{ D4_CONFINE_READ, "d", makes, EACCES, "READ: doesn't make" },
	{ D4_CONFINE_READ, "d", removes, EACCES, "READ: doesn't remove" },
	{ D4_CONFINE_READ, "d/f", reads, 0, "READ: a file" },
	{ D4_CONFINE_READ, "d/f", lists, EACCES, "READ: that alone" },
	{ D4_CONFINE_READ, "none", reads, EACCES, "READ: what isn't there" },
	{ D4_CONFINE_READ, "", reads, EACCES, "a void rule" },
	{ D4_CONFINE_LOOK, "d/f", reads, 0, "LOOK: reads" },
	{ D4_CONFINE_LOOK, "d/none", reads, 0, "LOOK: its directory" },
	{ D4_CONFINE_LOOK, "d/none/yet/f", reads, 0, "LOOK: the nearest" },
	{ D4_CONFINE_LOOK, "conf/link", reads_linked, 0, "LOOK: by a link" },
	{ D4_CONFINE_LOOK, "d/f", reads_above, EACCES, "LOOK: not above" },
	{ D4_CONFINE_LOOK, "d/f", writes, EACCES, "LOOK: doesn't write" },
	{ D4_CONFINE_CONF, "conf", reads_linked, 0, "CONF: by a link" },
	{ D4_CONFINE_CONF, "conf", reads_beside_linked, 0,
	    "CONF: what may take its place" },
	{ D4_CONFINE_CONF, "conf", reads, EACCES, "CONF: nothing else" },
	{ D4_CONFINE_READ, "conf", reads_linked, EACCES, "READ: by no link" },
	{ D4_CONFINE_WRITE, "d", reads, 0, "WRITE: reads" },
	{ D4_CONFINE_WRITE, "d", writes, 0, "WRITE: writes" },
	{ D4_CONFINE_WRITE, "d", truncates, 0, "WRITE: truncates" },
	{ D4_CONFINE_WRITE, "d", makes, 0, "WRITE: makes" },
	{ D4_CONFINE_WRITE, "d", makes_folder, 0, "WRITE: makes a folder" },
	{ D4_CONFINE_WRITE, "d", moves_across, 0, "WRITE: moves" },
	{ D4_CONFINE_WRITE, "d", replaces, 0, "WRITE: replaces" },
	{ D4_CONFINE_WRITE, "d", removes, 0, "WRITE: removes" },
	{ D4_CONFINE_WRITE, "d", reads_above, EACCES, "WRITE: not above" },
	{ D4_CONFINE_WRITE, "d/sub", writes, EACCES, "WRITE: not beside" },
	{ D4_CONFINE_MAKE, "d/new", makes, 0, "MAKE: a file" },
	{ D4_CONFINE_MAKE, "d/folder", makes_folder, 0, "MAKE: a folder" },
	{ D4_CONFINE_MAKE, "d", makes, 0, "MAKE: in one that is there" },
	{ D4_CONFINE_MAKE, "d/sub", makes, EACCES, "MAKE: and not beside" },
	{ D4_CONFINE_CREATE, "d/f", writes, 0, "CREATE: writes" },
	{ D4_CONFINE_CREATE, "d/new", makes, 0, "CREATE: makes" },
	{ D4_CONFINE_CREATE, "d/f", reads, EACCES, "CREATE: doesn't read" },
	{ D4_CONFINE_CREATE, "d/f", removes, EACCES, "CREATE: or remove" },
	{ D4_CONFINE_REPLACE, "d/f", replaces, 0, "REPLACE: replaces" },
	{ D4_CONFINE_REPLACE, "d/f", reads, EACCES, "REPLACE: doesn't read" },
	{ D4_CONFINE_REPLACE, "d/f", makes_folder, EACCES, "REPLACE: files" },
	{ D4_CONFINE_REMOVE, "d/f", removes, 0, "REMOVE: removes" },
	{ D4_CONFINE_REMOVE, "d/f", writes, EACCES, "REMOVE: doesn't write" },
	{ D4_CONFINE_READ, "d", connects, EACCES, "no TCP without a rule" },
	{ D4_CONFINE_READ, "d", has_many_files, 0, "no limit unless asked" },
	{ D4_CONFINE_READ, "d", forks, 0, "may fork unless alone" }
};

static void
test_paths(void)
{
	struct d4_confine_rule rule;
	const struct d4_confine c = { .rules = &rule, .n = 1 };
	char path[512];
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		set_up();
		(void)snprintf(path, sizeof(path), "%s",
		    *cases[i].path == '\0' ? "" : SCRATCH(cases[i].path));
		rule = (struct d4_confine_rule){ cases[i].kind, path, 0 };
		is(try(&c, cases[i].attempt), cases[i].want, "%s",
		    cases[i].name);
	}
}

/* A file of a rule that another takes the place of is not that one. */
static void
test_renamed(void)
{
	char dir[512], file[512];
	struct d4_confine_rule rules[2] = {
		{ D4_CONFINE_WRITE, scratch, 0 }, { D4_CONFINE_READ, file, 0 }
	};
	const struct d4_confine c = { .rules = rules, .n = 2 };

	set_up();
	(void)snprintf(dir, sizeof(dir), "%s", SCRATCH("d"));
	(void)snprintf(file, sizeof(file), "%s", SCRATCH("d/f"));
	is(try(&c, reads_renamed), 0, "what is renamed beneath a directory");
}

static int
listener(int *at)
{
	struct sockaddr_in sin = { .sin_family = AF_INET };
	socklen_t len = sizeof(sin);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (bind(fd, (struct sockaddr *)&sin, sizeof(sin)) == -1 ||
	    listen(fd, 64) == -1 ||
	    getsockname(fd, (struct sockaddr *)&sin, &len) == -1)
		abort();
	*at = ntohs(sin.sin_port);
	return fd;
}

static void
test_connect(void)
{
	struct d4_confine_rule rule = { D4_CONFINE_CONNECT, "127.0.0.1", 0 };
	const struct d4_confine c = { .rules = &rule, .n = 1 };
	int fds[2] = { listener(&port), listener(&other) };

	is(try(&c, connects), EACCES, "CONNECT: port 0 is none");
	rule.port = (uint16_t)port;
	is(try(&c, connects), 0, "CONNECT: the port");
	is(try(&c, connects_elsewhere), EACCES, "CONNECT: no other");
	is(try(&c, reads_hosts), EACCES, "CONNECT: an address is no name");
	rule.path = "::1";
	is(try(&c, reads_hosts), EACCES, "CONNECT: nor one of IPv6");
	rule.path = "localhost";
	is(try(&c, reads_hosts), 0, "CONNECT: a name is to be resolved");
	is(try(&c, connects_elsewhere), EACCES, "CONNECT: which is all");
	(void)close(fds[0]);
	(void)close(fds[1]);
}

static void
test_limits(void)
{
	struct d4_confine c = { .files = 20 };

	is(try(&c, has_many_files), EMFILE, "descriptors");
	c.alone = true;
	if (geteuid() == 0)
		skip("the superuser may have any number of processes");
	else
		is(try(&c, forks), EAGAIN, "processes");
}

static void
test_words(void)
{
	const struct d4_confine_rule rules[] = {
		{ D4_CONFINE_READ, "/usr", 0 },
		{ D4_CONFINE_CONNECT, "127.0.0.1", 4443 }
	};
	const struct d4_confine c = { .rules = rules, .n = 2 };
	char words[D4_CONFINE_WORDS];
	int ends[2];
	ssize_t n;

	if (pipe(ends) == -1)
		abort();
	(void)fflush(stdout);
	if (fork() == 0) {
		(void)d4_confine_enter(&c, words);
		(void)!write(ends[1], words, strlen(words));
		_exit(0);
	}
	(void)wait(NULL);
	n = read(ends[0], words, sizeof(words) - 1);
	words[n < 0 ? 0 : n] = '\0';
	ok(strncmp(words, "Landlock ABI ", 13) == 0 && strstr(words,
	    "; read /usr; connect tcp 127.0.0.1:4443") != NULL,
	    "words: %s", words);
	ok(d4_confine_user("nobody-of-that-name", words) == -1 &&
	    strcmp(words, "nobody-of-that-name: no such user") == 0,
	    "a user that isn't");
}

/*
 * In the place of the C library's: the kernel has the process dumped again as
 * the sysctl fs.suid_dumpable says, which is 1 or 2 on some systems, as 2 where
 * systemd keeps core dumps; here it is as with 1.
 */
int
setuid(uid_t uid)
{
	return syscall(SYS_setuid, uid) == -1 ? -1 :
	    prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
}

static void
test_user(void)
{
	char words[D4_CONFINE_WORDS];
	int status;
	pid_t pid;

	if (geteuid() != 0 || getpwnam("nobody") == NULL) {
		skip("only the superuser becomes another");
		return;
	}
	(void)fflush(stdout);
	if ((pid = fork()) == 0) {
		d4_confine_begin();
		if (d4_confine_user("nobody", words) == -1)
			_exit(255);
		_exit(prctl(PR_GET_DUMPABLE, 0, 0, 0, 0));
	}
	(void)waitpid(pid, &status, 0);
	is(WIFEXITED(status) ? WEXITSTATUS(status) : 255, 0,
	    "who becomes another user stays out of core dumps");
}

int
main(void)
{
	const struct d4_confine none = { .n = 0 };

	if (scratch_make() == -1)
		return 1;
	set_up();
	if (D4_OS_SANITIZED || try(&none, lists) == -1) {
		printf("1..0 # SKIP no Landlock, or a sanitizer\n");
		scratch_remove();
		return 0;
	}
	test_paths();
	test_renamed();
	test_connect();
	test_limits();
	test_words();
	test_user();
	scratch_remove();
	return tap_done();
}
