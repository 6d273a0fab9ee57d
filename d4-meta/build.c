/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "d4-meta/build.h"
#include "lib/io.h"
#include "lib/log.h"
#include "lib/meta-line.h"
#include "lib/stop.h"

#define META_FILE	"metaheader.json"

/* Checks the text that was found. */
static int
check(struct build *b)
{
	const char *why;

	b->meta = d4_meta_parse(b->text, b->len, &why);
	if (b->meta == NULL) {
		d4_log_warnx("%s: %s", b->name, why);
		return -1;
	}
	return 0;
}

/* Reads to the end of the descriptor, but no more than shows that it is too
 * long. */
static int
read_text(struct build *b, int fd)
{
	const size_t max = D4_META_MAX + 1;
	ssize_t got;

	if ((b->text = malloc(max)) == NULL) {
		d4_log_warn("%s", b->name);
		return -1;
	}
	while (b->len < max) {
		if (d4_stop_wanted()) {
			d4_log_warnx("%s: interrupted", b->name);
			return -1;
		}
		got = d4_io_read(fd, b->text + b->len, max - b->len);
		if (got == 0)
			break;
		if (got == -1 && errno != EINTR) {
			d4_log_warn("%s", b->name);
			return -1;
		}
		if (got > 0)
			b->len += (size_t)got;
	}
	return check(b);
}

static int
read_file(struct build *b, const char *file)
{
	int fd, rc;

	b->name = file;
	fd = open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd == -1) {
		d4_log_warn("%s", file);
		return -1;
	}
	rc = read_text(b, fd);
	(void)close(fd);
	return rc;
}

static int
read_conf(struct build *b, struct d4_conf *conf)
{
	b->name = b->path;
	if (d4_conf_path(conf, META_FILE, b->path) == -1 ||
	    d4_conf_file(conf, META_FILE, D4_META_MAX,
	    "a JSON object with a type", &b->text, &b->len) == -1) {
		d4_log_warnx("%s", d4_conf_fault(conf));
		return -1;
	}
	return check(b);
}

/* What options say is wrong with them: these return 0 or the exit status, 2
 * then, 1 when memory is short. */

/* Adds name=value, a string, or name:=value, any JSON. */
static int
add_member(struct d4_meta_line *line, const char *member)
{
	const char *equals = strchr(member, '=');
	size_t len;
	char *name;

	if (equals == NULL || equals == member ||
	    !d4_meta_line_is_utf8(member, strlen(member))) {
		d4_log_warnx("-o: %s: not name=value", member);
		return 2;
	}
	len = (size_t)(equals - member);
	if (equals[-1] == ':')
		len--;
	if (equals[-1] == ':' &&
	    !d4_meta_is_value(equals + 1, strlen(equals + 1))) {
		d4_log_warnx("-o: %s: the value is not JSON", member);
		return 2;
	}
	if ((name = strndup(member, len)) == NULL) {
		d4_log_warn("-o");
		return 1;
	}
	if (equals[-1] == ':')
		d4_meta_line_json(line, name, equals + 1);
	else
		d4_meta_line_string(line, name, equals + 1);
	free(name);
	return 0;
}

static int
add_string(struct d4_meta_line *line, const char *key, const char *text,
    int letter)
{
	if (!d4_meta_line_is_utf8(text, strlen(text))) {
		d4_log_warnx("-%c: not UTF-8", letter);
		return 2;
	}
	d4_meta_line_string(line, key, text);
	return 0;
}

static int
add_options(struct d4_meta_line *line, const struct options *o)
{
	int status = 0;
	size_t i;

	if (o->encoding != NULL)
		status = add_string(line, "encoding", o->encoding, 'e');
	if (o->ntags > 0) {
		d4_meta_line_list(line, "tags");
		for (i = 0; i < o->ntags && status == 0; i++)
			status = add_string(line, NULL, o->tags[i], 'g');
		d4_meta_line_close(line);
	}
	for (i = 0; i < o->nmembers && status == 0; i++)
		status = add_member(line, o->members[i]);
	return status;
}

/* What the line holds becomes the header, in canonical form. */
static int
settle(struct build *b, const struct d4_meta_line *line)
{
	const char *text, *why;
	size_t len;

	if ((text = d4_meta_line_bytes(line, &len)) == NULL) {
		d4_log_warnx("memory: not enough");
		return 1;
	}
	if ((b->meta = d4_meta_parse(text, len, &why)) == NULL) {
		d4_log_warnx("%s: %s", b->name, why);
		return 2;
	}
	if ((b->text = (uint8_t *)d4_meta_text(b->meta)) == NULL) {
		d4_log_warnx("memory: not enough");
		return 1;
	}
	b->len = strlen((char *)b->text);
	return 0;
}

static int
from_options(struct build *b, const struct options *o, const char *type,
    uint64_t interval)
{
	struct d4_meta_line *line;
	int status;

	b->name = "meta header";
	if ((line = d4_meta_line_new()) == NULL) {
		d4_log_warnx("memory: not enough");
		return 1;
	}
	if ((status = add_string(line, "type", type, 't')) == 0 &&
	    (status = add_options(line, o)) == 0) {
		if (interval != 0)
			d4_meta_line_uint(line, "interval", interval);
		d4_meta_line_end(line);
		status = settle(b, line);
	}
	d4_meta_line_free(line);
	return status;
}

int
build_telemetry(struct build *b, const struct options *o, const char *type)
{
	memset(b, 0, sizeof(*b));
	return from_options(b, o, type, o->interval);
}

int
build_header(struct build *b, const struct options *o, struct d4_conf *conf)
{
	int rc;

	memset(b, 0, sizeof(*b));
	if (o->type != NULL)
		return from_options(b, o, o->type, 0);
	if (o->file != NULL && strcmp(o->file, "-") != 0) {
		rc = read_file(b, o->file);
	} else if (o->file == NULL && conf != NULL &&
	    d4_conf_has(conf, META_FILE)) {
		rc = read_conf(b, conf);
	} else {
		b->name = "stdin";
		rc = read_text(b, STDIN_FILENO);
	}
	return rc == 0 ? 0 : 1;
}

void
build_free(struct build *b)
{
	free(b->text);
	d4_meta_free(b->meta);
	b->text = NULL;
	b->meta = NULL;
}
