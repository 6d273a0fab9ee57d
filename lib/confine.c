/* SPDX-License-Identifier: ISC */
#include <sys/resource.h>
#include <sys/stat.h>

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/confine-os.h"
#include "lib/confine.h"
#include "lib/secret.h"

#define DNS	53	/* over TCP where an answer is long */

/* The rules as they are gathered, and what to say of them. */
struct set {
	int	 rules;
	int	 version;
	char	*words;
	size_t	 len;
	bool	 resolves;
	bool	 no_exec;
};

static const char *const verbs[] = {
	[D4_CONFINE_READ] = "read", [D4_CONFINE_LOOK] = "read",
	[D4_CONFINE_CONF] = "read", [D4_CONFINE_WRITE] = "write",
	[D4_CONFINE_MAKE] = "write", [D4_CONFINE_CREATE] = "write",
	[D4_CONFINE_REPLACE] = "replace", [D4_CONFINE_REMOVE] = "remove",
	[D4_CONFINE_CONNECT] = "connect tcp"
};

#define WRITE	(CONFINE_READ | CONFINE_LIST | CONFINE_CHANGE | \
    CONFINE_MAKE | CONFINE_REMOVE | CONFINE_FOLDERS)

static const unsigned rights[] = {
	[D4_CONFINE_READ] = CONFINE_READ | CONFINE_LIST,
	[D4_CONFINE_LOOK] = CONFINE_READ | CONFINE_LIST,
	[D4_CONFINE_CONF] = CONFINE_READ | CONFINE_LIST,
	[D4_CONFINE_WRITE] = WRITE, [D4_CONFINE_MAKE] = WRITE,
	[D4_CONFINE_CREATE] = CONFINE_CHANGE | CONFINE_MAKE,
	[D4_CONFINE_REPLACE] = CONFINE_CHANGE | CONFINE_MAKE | CONFINE_REMOVE,
	[D4_CONFINE_REMOVE] = CONFINE_REMOVE
};

#if defined(__GNUC__)
__attribute__((format(printf, 2, 3)))
#endif
static void
add_words(struct set *s, const char *fmt, ...)
{
	va_list ap;
	int n;

	if (s->len >= D4_CONFINE_WORDS)
		return;
	va_start(ap, fmt);
	n = vsnprintf(s->words + s->len, D4_CONFINE_WORDS - s->len, fmt, ap);
	va_end(ap);
	if (n > 0)
		s->len += (size_t)n;
}

static int
fail(char *words, const char *what)
{
	(void)snprintf(words, D4_CONFINE_WORDS, "%.512s: %s", what,
	    strerror(errno));
	return -1;
}

/* -- limits ---------------------------------------------------------------- */

/* Lowers a limit, both of it, so that it can't be raised again. */
static void
lower(int resource, rlim_t to)
{
	struct rlimit limit;

	if (getrlimit(resource, &limit) == -1)
		return;
	if (limit.rlim_max > to)
		limit.rlim_max = to;
	if (limit.rlim_cur > limit.rlim_max)
		limit.rlim_cur = limit.rlim_max;
	(void)setrlimit(resource, &limit);
}

void
d4_confine_begin(void)
{
	lower(RLIMIT_CORE, 0);
	confine_os_hide();
	(void)d4_secret_guard();
}

/*
 * Processes are counted by user, threads with them: no number but 0 can be
 * right for one program among others of the same user, and it holds back
 * nobody but us.
 */
static void
limit(const struct d4_confine *c)
{
	if (c->files > 0)
		lower(RLIMIT_NOFILE, c->files);
#ifdef RLIMIT_NPROC
	if (c->alone)
		lower(RLIMIT_NPROC, 0);
#endif
}

/* -- rules ----------------------------------------------------------------- */

static int
allow(struct set *s, const char *path, unsigned what)
{
	return confine_os_path(s->rules, s->version, path, what);
}

/* Makes a path that of the directory that holds it.  False for "." and "/",
 * which stay. */
static bool
step_up(char *path)
{
	char *slash = strrchr(path, '/');

	if (slash == NULL) {
		if (strcmp(path, ".") == 0)
			return false;
		(void)strcpy(path, ".");
	} else if (slash == path) {
		if (path[1] == '\0')
			return false;
		path[1] = '\0';
	} else {
		*slash = '\0';
	}
	return true;
}

/* The directory that holds the name; with nearest the first that is there of
 * it and those above it. */
static int
allow_around(struct set *s, const char *path, bool nearest, unsigned what)
{
	char dir[PATH_MAX];
	struct stat st;

	if (strlen(path) + 2 > sizeof(dir)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	(void)strcpy(dir, path);
	(void)step_up(dir);
	while (nearest && stat(dir, &st) == -1 && step_up(dir))
		continue;
	return allow(s, dir, what);
}

/* The directory where the path leads in the end; nowhere is right, too. */
static int
allow_target(struct set *s, const char *path, unsigned what)
{
	char *target = realpath(path, NULL);
	int rc;

	if (target == NULL)
		return errno == ENOMEM ? -1 : 0;
	rc = allow_around(s, target, false, what);
	free(target);
	return rc;
}

/* Certificates and keys may be links to where others renew them. */
static int
allow_conf(struct set *s, const char *dir, unsigned what)
{
	char path[PATH_MAX];
	struct dirent *entry;
	struct stat st;
	DIR *d;
	int rc = allow(s, dir, what);

	if ((d = opendir(dir)) == NULL)
		return rc;
	while (rc == 0 && (entry = readdir(d)) != NULL) {
		if (fstatat(dirfd(d), entry->d_name, &st,
		    AT_SYMLINK_NOFOLLOW) == -1 || !S_ISLNK(st.st_mode))
			continue;
		if (snprintf(path, sizeof(path), "%s/%s", dir,
		    entry->d_name) < (int)sizeof(path))
			rc = allow_target(s, path, what);
	}
	(void)closedir(d);
	return rc;
}

/*
 * What resolves names is renamed into place in /etc, or in a directory that
 * resolv.conf leads to; nsswitch.conf may name modules that are loaded then.
 */
static int
allow_resolver(struct set *s)
{
	static const char *const places[] = { "/etc", "/lib", "/usr/lib" };
	size_t i;

	for (i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		if (allow(s, places[i], CONFINE_READ) == -1)
			return -1;
	}
	return allow_target(s, "/etc/resolv.conf", CONFINE_READ) == -1 ||
	    confine_os_port(s->rules, s->version, DNS) == -1 ? -1 : 0;
}

static bool
is_name(const char *host)
{
	uint8_t address[16];

	return inet_pton(AF_INET, host, address) != 1 &&
	    strchr(host, ':') == NULL;
}

static int
allow_connect(struct set *s, const char *host, uint16_t port)
{
	if (is_name(host) && !s->resolves) {
		s->resolves = true;
		if (allow_resolver(s) == -1)
			return -1;
	}
	return confine_os_port(s->rules, s->version, port);
}

static int
add_rule(struct set *s, const struct d4_confine_rule *r)
{
	int rc;

	if (r->path == NULL || *r->path == '\0' ||
	    (r->kind == D4_CONFINE_CONNECT && r->port == 0))
		return 0;
	if (r->kind == D4_CONFINE_CONNECT)
		rc = allow_connect(s, r->path, r->port);
	else if (r->kind == D4_CONFINE_CONF)
		rc = allow_conf(s, r->path, rights[r->kind]);
	else if (r->kind == D4_CONFINE_READ || r->kind == D4_CONFINE_WRITE)
		rc = allow(s, r->path, rights[r->kind]);
	else if (r->kind == D4_CONFINE_MAKE && access(r->path, F_OK) == 0)
		rc = allow(s, r->path, rights[r->kind]);
	else if (r->kind == D4_CONFINE_CREATE && allow(s, r->path,
	    CONFINE_CHANGE) == -1)
		rc = -1;
	else if (r->kind == D4_CONFINE_LOOK && allow_target(s, r->path,
	    rights[r->kind]) == -1)
		rc = -1;
	else
		rc = allow_around(s, r->path, r->kind == D4_CONFINE_LOOK,
		    rights[r->kind]);
	if (rc == -1)
		return fail(s->words, r->path);
	add_words(s, "; %s %s", verbs[r->kind], r->path);
	if (r->kind == D4_CONFINE_CONNECT)
		add_words(s, ":%u", r->port);
	return 0;
}

/* -- the whole ------------------------------------------------------------- */

/* systemd's socket for messages has had both forms. */
static int
may_notify(void)
{
	const char *path = getenv("NOTIFY_SOCKET");

	return path != NULL && *path == '@';
}

static int
enter(const struct d4_confine *c, struct set *s)
{
	size_t i;
	int rc = 0;

	if ((s->rules = confine_os_open(s->version, may_notify())) == -1)
		return fail(s->words, "Landlock");
	add_words(s, "Landlock ABI %d%s", s->version,
	    s->version < CONFINE_TCP ? " (TCP is not held back)" : "");
	if (s->no_exec)
		add_words(s, "; no exec");
	for (i = 0; i < c->n && rc == 0; i++)
		rc = add_rule(s, &c->rules[i]);
	if (rc == 0 && s->resolves)
		add_words(s, "; resolve names");
	if (rc == 0 && confine_os_enter(s->rules) == -1)
		rc = fail(s->words, "Landlock");
	(void)close(s->rules);
	return rc;
}

int
d4_confine_enter(const struct d4_confine *c, char words[D4_CONFINE_WORDS])
{
	struct set s = { .words = words };
	const char *why;

	*words = '\0';
	/* Local time comes from a file that is read once. */
	tzset();
	limit(c);
	if (confine_os_no_new_privs() == -1)
		return fail(words, "no_new_privs");
	s.no_exec = confine_os_no_exec() == 0;
	if ((s.version = confine_os_version(&why)) == 0) {
		(void)snprintf(words, D4_CONFINE_WORDS, "%s", why);
		return 0;
	}
	return enter(c, &s) == -1 ? -1 : 1;
}

/* -- the user -------------------------------------------------------------- */

static bool
is_user(const struct passwd *pw)
{
	return getuid() == pw->pw_uid && geteuid() == pw->pw_uid &&
	    getgid() == pw->pw_gid && getegid() == pw->pw_gid;
}

static struct passwd *
find_user(const char *name, char words[D4_CONFINE_WORDS])
{
	struct passwd *pw;

	errno = 0;
	if ((pw = getpwnam(name)) == NULL)
		(void)snprintf(words, D4_CONFINE_WORDS, "%.256s: %s", name,
		    errno == 0 ? "no such user" : strerror(errno));
	return pw;
}

int
d4_confine_has_user(const char *name, char words[D4_CONFINE_WORDS])
{
	return find_user(name, words) != NULL ? 0 : -1;
}

int
d4_confine_user(const char *name, char words[D4_CONFINE_WORDS])
{
	struct passwd *pw;

	if ((pw = find_user(name, words)) == NULL)
		return -1;
	if (is_user(pw))
		return 0;
	/* Groups, the group, the user: each needs what the next gives up. */
	if (initgroups(name, pw->pw_gid) == -1 || setgid(pw->pw_gid) == -1 ||
	    setuid(pw->pw_uid) == -1)
		return fail(words, name);
	/* The kernel has just undone it, on systems that dump such programs. */
	confine_os_hide();
	/* As root both succeed; who is not is to be told, not believed. */
	if (is_user(pw) && (pw->pw_uid == 0 || (setuid(0) == -1 &&
	    seteuid(0) == -1)))
		return 0;
	(void)snprintf(words, D4_CONFINE_WORDS,
	    "%.256s: privileges are not given up", name);
	return -1;
}
