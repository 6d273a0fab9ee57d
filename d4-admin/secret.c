/* SPDX-License-Identifier: ISC */
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "d4-admin/secret.h"
#include "lib/digest.h"
#include "lib/io.h"
#include "lib/log.h"
#include "lib/mac.h"

#define CORE_MAX	100	/* characters that d4-core keeps of a key */

int
secret_make(struct secret *s)
{
	uint8_t bytes[SECRET_NEW / 2];

	if (getentropy(bytes, sizeof(bytes)) == -1) {
		d4_log_warn("random numbers");
		return 1;
	}
	d4_digest_hex(s->text, bytes, sizeof(bytes));
	s->len = SECRET_NEW;
	d4_mac_wipe(bytes, sizeof(bytes));
	return 0;
}

int
secret_read(struct secret *s)
{
	char buf[D4_REGISTRY_KEY + 3];
	size_t end;
	ssize_t n;

	if ((n = d4_io_read_full(STDIN_FILENO, buf, sizeof(buf))) == -1) {
		d4_log_warn("stdin");
		return 2;
	}
	s->len = (size_t)n;
	for (end = s->len; end > 0 && buf[end - 1] != '\n'; end--)
		continue;
	if (end > 0) {
		s->len = end - 1;
		if (s->len > 0 && buf[s->len - 1] == '\r')
			s->len--;
	}
	if (s->len == 0 || s->len > D4_REGISTRY_KEY ||
	    memchr(buf, '\0', s->len) != NULL || buf[s->len - 1] == '\r') {
		d4_mac_wipe(buf, sizeof(buf));
		d4_log_warnx("stdin: not a key (expected 1 to %d bytes without "
		    "NUL, and no carriage return at the end)",
		    D4_REGISTRY_KEY);
		return 2;
	}
	memcpy(s->text, buf, s->len);
	s->text[s->len] = '\0';
	d4_mac_wipe(buf, sizeof(buf));
	if (s->len > CORE_MAX)
		d4_log_warnx("stdin: the key is longer than %d bytes, which is "
		    "what d4-core's web form would keep", CORE_MAX);
	if (strpbrk(s->text, "&<>'\"") != NULL)
		d4_log_warnx("stdin: the key holds one of & < > ' \", which "
		    "d4-core's web form would change");
	return 0;
}

void
secret_wipe(struct secret *s)
{
	d4_mac_wipe(s, sizeof(*s));
}

/* What the superuser makes belongs to whom it is for. */
static int
fill(const char *path, const char *name, mode_t mode,
    const struct stat *owner, const void *bytes, size_t len)
{
	int fd, saved;

	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode & 0600);
	if (fd == -1) {
		d4_log_warn("%s", name);
		return 1;
	}
	if ((geteuid() == 0 &&
	    fchown(fd, owner->st_uid, owner->st_gid) == -1) ||
	    fchmod(fd, mode) == -1 ||
	    d4_io_write_full(fd, bytes, len, NULL) == -1 || fsync(fd) == -1) {
		saved = errno;
		(void)close(fd);
		(void)unlink(path);
		errno = saved;
		d4_log_warn("%s", name);
		return 1;
	}
	(void)close(fd);
	return 0;
}

int
secret_write(const char *path, unsigned mode, const void *bytes, size_t len)
{
	const char *slash = strrchr(path, '/');
	char dir[PATH_MAX];
	struct stat owner;
	int n;

	n = slash == NULL ? snprintf(dir, sizeof(dir), ".") :
	    snprintf(dir, sizeof(dir), "%.*s", (int)(slash - path) + 1, path);
	if (n < 0 || n >= (int)sizeof(dir) || stat(dir, &owner) == -1) {
		d4_log_warn("%s", path);
		return 1;
	}
	return fill(path, path, (mode_t)mode, &owner, bytes, len);
}

int
secret_replace(const char *path, unsigned most, const void *bytes, size_t len)
{
	char temporary[PATH_MAX];
	struct stat old;
	int n;

	n = snprintf(temporary, sizeof(temporary), "%s.%ld", path,
	    (long)getpid());
	if (n < 0 || n >= (int)sizeof(temporary)) {
		d4_log_warnx("%s: name too long", path);
		return 1;
	}
	if (stat(path, &old) == -1) {
		d4_log_warn("%s", path);
		return 1;
	}
	if (fill(temporary, path, old.st_mode & (mode_t)most, &old, bytes,
	    len) != 0)
		return 1;
	if (rename(temporary, path) == -1) {
		d4_log_warn("%s", path);
		(void)unlink(temporary);
		return 1;
	}
	return 0;
}
