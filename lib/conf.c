/* SPDX-License-Identifier: ISC */
#include <sys/file.h>
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/conf.h"
#include "lib/io.h"
#include "lib/mac.h"
#include "lib/uuid.h"

struct d4_conf {
	char	*dir;
	int	 fd;
	char	 fault[D4_CONF_TEXT + 256];
};

struct d4_conf *
d4_conf_open(const char *dir)
{
	struct d4_conf *conf;
	int saved;

	if ((conf = calloc(1, sizeof(*conf))) == NULL)
		return NULL;
	if ((conf->dir = strdup(dir)) == NULL)
		goto err1;
	conf->fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (conf->fd == -1)
		goto err2;
	return conf;

err2:
	saved = errno;
	free(conf->dir);
	errno = saved;
err1:
	saved = errno;
	free(conf);
	errno = saved;
	return NULL;
}

void
d4_conf_close(struct d4_conf *conf)
{
	if (conf == NULL)
		return;
	(void)close(conf->fd);
	free(conf->dir);
	free(conf);
}

bool
d4_conf_has(const struct d4_conf *conf, const char *name)
{
	struct stat st;

	/* A link that leads nowhere is there: who made it wants a value. */
	return fstatat(conf->fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 ||
	    errno != ENOENT;
}

const char *
d4_conf_fault(const struct d4_conf *conf)
{
	return conf->fault;
}

int
d4_conf_refuse(struct d4_conf *conf, const char *name, const char *reason,
    const char *expected)
{
	(void)snprintf(conf->fault, sizeof(conf->fault),
	    "%.2048s/%.256s: %.512s (expected %.512s)", conf->dir, name,
	    reason, expected);
	return -1;
}

/* Why no value can be in it, or NULL. */
static const char *
unfit(const struct stat *st)
{
	if (S_ISREG(st->st_mode))
		return NULL;
	return S_ISDIR(st->st_mode) ? "is a directory, not a file" :
	    "is not a regular file";
}

static const char *
why_not_there(void)
{
	return errno == ENOENT ? "missing" : strerror(errno);
}

/*
 * Opens a value for reading; a FIFO or device must not hang us, so it is
 * opened without waiting and refused.
 */
static int
open_value(struct d4_conf *conf, const char *name, const char *expected)
{
	const char *reason;
	struct stat st;
	int fd;

	fd = openat(conf->fd, name,
	    O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd == -1)
		return d4_conf_refuse(conf, name, why_not_there(), expected);
	reason = fstat(fd, &st) == -1 ? strerror(errno) : unfit(&st);
	if (reason == NULL)
		return fd;
	(void)close(fd);
	return d4_conf_refuse(conf, name, reason, expected);
}

/* Reads a whole file of at most max bytes and puts a NUL behind it. */
static int
read_value(struct d4_conf *conf, const char *name, size_t max,
    const char *expected, uint8_t **value, size_t *len)
{
	const char *reason = NULL;
	uint8_t *buf;
	ssize_t got = -1;
	int fd;

	if ((fd = open_value(conf, name, expected)) == -1)
		return -1;
	if ((buf = malloc(max + 2)) != NULL)
		got = d4_io_read_full(fd, buf, max + 1);
	if (got == -1)
		reason = strerror(errno);
	else if ((size_t)got > max)
		reason = "is too long";
	(void)close(fd);
	if (buf == NULL || reason != NULL) {
		if (buf != NULL)
			d4_mac_wipe(buf, max + 2);
		free(buf);
		return d4_conf_refuse(conf, name, reason, expected);
	}
	buf[got] = '\0';
	*value = buf;
	*len = (size_t)got;
	return 0;
}

/* The value ends at the file's last newline, and before a carriage return
 * there: so it is for the C client and for the Go one. */
static size_t
trim(const uint8_t *value, size_t len)
{
	size_t n;

	for (n = len; n > 0 && value[n - 1] != '\n'; n--)
		continue;
	n = n > 0 ? n - 1 : len;
	if (n > 0 && value[n - 1] == '\r')
		n--;
	return n;
}

/* Reads a trimmed value into fixed memory of size bytes, NUL behind it. */
static int
get_value(struct d4_conf *conf, const char *name, uint8_t *out, size_t size,
    const char *expected, size_t *len)
{
	uint8_t *value;
	size_t n, all;

	/* One more for each of CR and LF. */
	if (read_value(conf, name, size + 1, expected, &value, &all) == -1)
		return -1;
	n = trim(value, all);
	if (n < size) {
		memcpy(out, value, n);
		out[n] = '\0';
		*len = n;
	}
	d4_mac_wipe(value, all);
	free(value);
	if (n >= size)
		return d4_conf_refuse(conf, name, "is too long", expected);
	return 0;
}

bool
d4_conf_blank(struct d4_conf *conf, const char *name)
{
	uint8_t value[D4_CONF_TEXT];
	size_t len;

	return !d4_conf_has(conf, name) ||
	    (get_value(conf, name, value, sizeof(value), "", &len) == 0 &&
	    len == 0);
}

int
d4_conf_text(struct d4_conf *conf, const char *name, char text[D4_CONF_TEXT],
    const char *expected)
{
	uint8_t value[D4_CONF_TEXT];
	size_t i, len;

	if (get_value(conf, name, value, sizeof(value), expected, &len) == -1)
		return -1;
	if (len == 0)
		return d4_conf_refuse(conf, name, "is empty", expected);
	for (i = 0; i < len; i++) {
		const char *reason = NULL;

		if (value[i] == '\0')
			reason = "has a NUL byte within";
		else if (value[i] == '\n')
			reason = "has more than one line";
		else if (value[i] < ' ' || value[i] == 127)
			reason = "has a control character within";
		if (reason != NULL)
			return d4_conf_refuse(conf, name, reason, expected);
	}
	memcpy(text, value, len + 1);
	return 0;
}

int
d4_conf_number(struct d4_conf *conf, const char *name, uint64_t min,
    uint64_t max, uint64_t *number)
{
	char text[D4_CONF_TEXT], expected[96];
	uint64_t n = 0;
	const char *p;

	(void)snprintf(expected, sizeof(expected), "a number from %llu to %llu",
	    (unsigned long long)min, (unsigned long long)max);
	if (d4_conf_text(conf, name, text, expected) == -1)
		return -1;
	for (p = text; *p != '\0'; p++) {
		unsigned int digit = (unsigned int)(*p - '0');

		if (*p < '0' || *p > '9')
			return d4_conf_refuse(conf, name, "is not a number",
			    expected);
		if (n > (UINT64_MAX - digit) / 10)
			return d4_conf_refuse(conf, name, "is out of range",
			    expected);
		n = n * 10 + digit;
	}
	if (n < min || n > max)
		return d4_conf_refuse(conf, name, "is out of range", expected);
	*number = n;
	return 0;
}

int
d4_conf_key(struct d4_conf *conf, const char *name, uint8_t *key, size_t *len)
{
	static const char expected[] = "the shared secret, without NUL";
	uint8_t value[D4_CONF_TEXT];
	const char *reason = NULL;
	size_t n = 0;

	if (get_value(conf, name, value, sizeof(value), expected, &n) == -1)
		return -1;
	if (n == 0)
		reason = "is empty";
	else if (memchr(value, '\0', n) != NULL)
		reason = "has a NUL byte within";
	else if (n > *len)
		reason = "is too long";
	if (reason == NULL) {
		memcpy(key, value, n);
		*len = n;
	}
	d4_mac_wipe(value, sizeof(value));
	return reason == NULL ? 0 :
	    d4_conf_refuse(conf, name, reason, expected);
}

/*
 * Makes the file under another name first and renames it, so that it is whole
 * whenever it is there.
 */
static int
write_uuid(struct d4_conf *conf, const char *name, const char *text)
{
	char line[D4_UUID_TEXT + 1], tmp[64];
	int fd, saved;

	(void)snprintf(tmp, sizeof(tmp), ".%.32s.%ld", name, (long)getpid());
	(void)snprintf(line, sizeof(line), "%s\n", text);
	(void)unlinkat(conf->fd, tmp, 0);
	fd = openat(conf->fd, tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC,
	    0600);
	if (fd == -1)
		return -1;
	if (d4_io_write_full(fd, line, strlen(line), NULL) == -1 ||
	    fsync(fd) == -1) {
		saved = errno;
		(void)close(fd);
		goto err0;
	}
	if (close(fd) == -1 ||
	    renameat(conf->fd, tmp, conf->fd, name) == -1) {
		saved = errno;
		goto err0;
	}
	/* The name must outlive a power cut too, else the next start would
	 * make another sensor. */
	return fsync(conf->fd);

err0:
	(void)unlinkat(conf->fd, tmp, 0);
	errno = saved;
	return -1;
}

/* With the directory locked only one of several programs makes the uuid. */
static int
make_uuid(struct d4_conf *conf, const char *name)
{
	uint8_t uuid[D4_UUID_LEN];
	char text[D4_UUID_TEXT];
	int rc = 0;

	if (flock(conf->fd, LOCK_EX) == -1)
		return -1;
	if (d4_conf_blank(conf, name)) {
		d4_uuid_new(uuid);
		d4_uuid_text(text, uuid);
		rc = write_uuid(conf, name, text);
	}
	(void)flock(conf->fd, LOCK_UN);
	return rc;
}

int
d4_conf_uuid(struct d4_conf *conf, const char *name, uint8_t uuid[D4_UUID_LEN])
{
	static const char expected[] =
	    "a version 4 uuid, or no file, then one is made";
	uint8_t bytes[D4_UUID_LEN];
	char text[D4_CONF_TEXT], reason[128];

	if (d4_conf_blank(conf, name) && make_uuid(conf, name) == -1) {
		(void)snprintf(reason, sizeof(reason), "cannot be made: %s",
		    strerror(errno));
		return d4_conf_refuse(conf, name, reason, expected);
	}
	if (d4_conf_text(conf, name, text, expected) == -1)
		return -1;
	if (d4_uuid_parse(bytes, text) == -1)
		return d4_conf_refuse(conf, name, "is not a uuid", expected);
	if (!d4_uuid_is_v4(bytes))
		return d4_conf_refuse(conf, name, "is not of version 4",
		    expected);
	memcpy(uuid, bytes, sizeof(bytes));
	return 0;
}

int
d4_conf_list(struct d4_conf *conf, const char *name, const char *expected,
    int (*entry)(void *, const char *), void *cookie)
{
	char *line, *next, *end;
	uint8_t *value;
	size_t len;
	int rc = 0;

	if (read_value(conf, name, 65536, expected, &value, &len) == -1)
		return -1;
	if (memchr(value, '\0', len) != NULL)
		rc = d4_conf_refuse(conf, name, "has a NUL byte within",
		    expected);
	for (line = (char *)value; rc == 0 && *line != '\0'; line = next) {
		end = line + strcspn(line, "\n");
		next = *end == '\0' ? end : end + 1;
		if (end > line && end[-1] == '\r')
			end--;
		*end = '\0';
		if (end > line && entry(cookie, line) == -1)
			rc = d4_conf_refuse(conf, name,
			    "has a line that is not one", expected);
	}
	free(value);
	return rc;
}

int
d4_conf_file(struct d4_conf *conf, const char *name, size_t max,
    const char *expected, uint8_t **value, size_t *len)
{
	return read_value(conf, name, max, expected, value, len);
}

int
d4_conf_closed(struct d4_conf *conf, const char *name, bool insecure)
{
	const char *reason = NULL, *mode = "o=", *file = name;
	char expected[D4_CONF_TEXT];
	struct stat st, dir;

	if (fstatat(conf->fd, name, &st, 0) == -1 ||
	    fstat(conf->fd, &dir) == -1)
		return 0;
	if ((st.st_mode & (S_IROTH | S_IWOTH)) != 0) {
		reason = "can be read or changed by others";
	} else if ((dir.st_mode & (S_IWOTH | S_ISVTX)) == S_IWOTH) {
		reason = "can be replaced by others";
		mode = "o-w";
		file = ".";
	}
	if (reason == NULL)
		return 0;
	if (insecure) {
		(void)snprintf(conf->fault, sizeof(conf->fault),
		    "%.2048s/%.256s: %s", conf->dir, name, reason);
		return 1;
	}
	(void)snprintf(expected, sizeof(expected),
	    "chmod %s %.400s/%.64s, or --insecure-key", mode, conf->dir, file);
	return d4_conf_refuse(conf, name, reason, expected);
}

bool
d4_conf_denied(const struct d4_conf *conf, const char *name)
{
	return faccessat(conf->fd, name, R_OK, AT_EACCESS) == -1 &&
	    errno == EACCES;
}

bool
d4_conf_is_sample(const void *key, size_t len)
{
	static const char sample[] = "private key to change";

	return len == sizeof(sample) - 1 && memcmp(key, sample, len) == 0;
}

int
d4_conf_path(struct d4_conf *conf, const char *name, char path[D4_CONF_TEXT])
{
	struct stat st;
	const char *reason;
	int n;

	reason = fstatat(conf->fd, name, &st, 0) == -1 ? why_not_there() :
	    unfit(&st);
	if (reason != NULL)
		return d4_conf_refuse(conf, name, reason, "a file");
	n = snprintf(path, D4_CONF_TEXT, "%s/%s", conf->dir, name);
	if (n < 0 || n >= D4_CONF_TEXT)
		return d4_conf_refuse(conf, name, "has too long a path",
		    "a directory with a shorter name");
	return 0;
}
